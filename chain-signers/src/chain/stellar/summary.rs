use super::{
    operation::{Asset, Field, Operation},
    strkey,
    wire::{Account, Memo, Transaction},
};
use crate::{Action, Amount, ChainId, DecodeError, Summary};

pub(super) fn summarise(
    transaction: &Transaction,
    chain_id: &ChainId,
    hash: &[u8; 32],
) -> Result<Summary, DecodeError> {
    let mut actions = Vec::with_capacity(transaction.operations.len() + 1);
    let mut words = Vec::with_capacity(transaction.operations.len() + 1);
    for operation in &transaction.operations {
        let (action, text) = describe(operation)?;
        actions.push(action);
        words.push(text);
    }
    if let Some(text) = memo(&transaction.memo) {
        actions.push(Action::Exception { name: "memo".into() });
        words.push(format!("add the memo {text}"));
    }
    let fee_ceiling = Amount::from(u64::from(transaction.fee));
    // The hash makes the text of two different transactions differ, whatever the words leave out.
    let text = format!(
        "{} on {chain_id}; account {}, sequence number {}, fee at most {}, {}; hash {}",
        words.join(", then "),
        account(&transaction.source),
        transaction.sequence,
        units(fee_ceiling),
        valid(transaction.time_bounds),
        hex::encode(hash),
    );
    Ok(Summary { chain_id: chain_id.clone(), actions, fee_ceiling: Some(fee_ceiling), text })
}

fn describe(operation: &Operation) -> Result<(Action, String), DecodeError> {
    let (to, asset, amount) = match (operation.name, &operation.fields[..]) {
        ("create_account", [Field::Account(to), Field::Number(amount)]) => (to, None, amount),
        ("payment", [Field::Account(to), Field::Asset(asset), Field::Number(amount)]) => (to, asset.0.as_ref(), amount),
        _ => return Ok(call(operation)),
    };
    let to = account(to);
    let amount = u64::try_from(*amount).map_err(|error| DecodeError::invalid("an amount", "0 or more", error))?;
    let amount = Amount::from(amount);
    let Some((code, issuer)) = asset else {
        let verb = if operation.name == "payment" { "transfer" } else { "create an account by a transfer of" };
        let text = format!("{verb} {} to {to}", units(amount));
        return Ok((Action::Transfer { to, amount }, text));
    };
    let token = format!("{}:{}", code.0, strkey::account(issuer));
    let text = format!("transfer {} of {token} to {to}", units(amount));
    Ok((Action::TokenTransfer { token, to, amount, selector: None }, text))
}

fn call(operation: &Operation) -> (Action, String) {
    let program = operation.name.to_owned();
    let mut accounts = Vec::new();
    operation.fields.iter().for_each(|field| collect_accounts(field, &mut accounts));
    let fields: Vec<_> = operation.fields.iter().map(field).collect();
    let text = format!("{program} ({})", fields.join(", "));
    (Action::ProgramCall { program, accounts, data_len: operation.len() }, text)
}

fn collect_accounts(field: &Field, accounts: &mut Vec<String>) {
    let issuer = |asset: &Asset| asset.0.as_ref().map(|(_, issuer)| strkey::account(issuer));
    match field {
        Field::Account(named) => accounts.push(account(named)),
        Field::Asset(asset) => accounts.extend(issuer(asset)),
        Field::Path(assets) => accounts.extend(assets.iter().filter_map(issuer)),
        Field::Option(Some(field)) => collect_accounts(field, accounts),
        Field::Signer(signer) => accounts.extend(signer.is_account().then(|| strkey::account(&signer.key))),
        _ => {}
    }
}

fn field(value: &Field) -> String {
    match value {
        Field::Account(named) => account(named),
        Field::Asset(named) => asset(named),
        Field::BalanceId(hash) | Field::Hash(hash) => hex::encode(hash),
        Field::Code(code) => code.0.clone(),
        Field::Data(Some(bytes)) => hex::encode(bytes),
        Field::Data(None) | Field::Option(None) => "none".to_owned(),
        Field::Number(number) => number.to_string(),
        Field::Option(Some(value)) => field(value),
        Field::Path(assets) => format!("[{}]", assets.iter().map(asset).collect::<Vec<_>>().join(" ")),
        Field::Price(n, d) => format!("{n}/{d}"),
        Field::Signer(signer) if signer.is_account() => {
            format!("signer {} of weight {}", strkey::account(&signer.key), signer.weight)
        }
        Field::Signer(signer) => format!("signer {} of weight {}", hex::encode(signer.key), signer.weight),
        Field::Text(bytes) => quoted(bytes),
        Field::Word(word) => word.to_string(),
    }
}

fn asset(asset: &Asset) -> String {
    match &asset.0 {
        None => "lumens".to_owned(),
        Some((code, issuer)) => format!("{}:{}", code.0, strkey::account(issuer)),
    }
}

fn account(account: &Account) -> String {
    match account.id {
        None => strkey::account(&account.key),
        Some(id) => strkey::multiplexed(&account.key, id),
    }
}

fn memo(memo: &Memo) -> Option<String> {
    match memo {
        Memo::None => None,
        Memo::Text(text) => Some(quoted(text)),
        Memo::Id(id) => Some(id.to_string()),
        Memo::Hash(hash) => Some(format!("hash {}", hex::encode(hash))),
        Memo::Return(hash) => Some(format!("return of {}", hex::encode(hash))),
    }
}

/// In quotes if it is text, else in hex.
fn quoted(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| hex::encode(bytes), |text| format!("{text:?}"))
}

fn valid(time_bounds: Option<(u64, u64)>) -> String {
    match time_bounds {
        None | Some((0, 0)) => "never expires".to_owned(),
        Some((from, 0)) => format!("valid from {from} s of Unix time"),
        Some((from, to)) => format!("valid from {from} to {to} s of Unix time"),
    }
}

fn units(stroops: Amount) -> String {
    stroops.to_units(DECIMALS)
}

/// Of lumens and all other assets.
const DECIMALS: u8 = 7;
