use super::{
    address::Address,
    calldata::{Call, selector},
    contract::{Contract, natural},
    proto::Raw,
};
use crate::{Action, Amount, ChainId, DecodeError, Sighash, Summary};

pub(super) fn summarise(
    raw: &Raw,
    contract: &Contract,
    chain_id: &ChainId,
    sighash: &Sighash,
) -> Result<Summary, DecodeError> {
    let (mut actions, words) = describe(contract)?;
    if !raw.data.is_empty() {
        actions.push(Action::Exception { name: "memo".into() });
    }
    let fee_limit = natural("fee_limit", raw.fee_limit)?;
    let memo = match std::str::from_utf8(&raw.data) {
        Ok("") => String::new(),
        Ok(memo) => format!("; memo {memo:?}"),
        Err(_) => format!("; memo 0x{}", hex::encode(&raw.data)),
    };
    // The sighash at the end makes the text of two different transactions differ, whatever the words leave out.
    let text = format!(
        "{words} on {chain_id}; {} signs; fee limit {}, bandwidth and other fixed fees apart; made at {} ms, expires at \
         {} ms; reference block {} {}{memo}; sighash {sighash}",
        contract.owner(),
        units(fee_limit),
        raw.timestamp,
        raw.expiration,
        hex::encode(&raw.ref_block_bytes),
        hex::encode(&raw.ref_block_hash),
    );
    let fee_ceiling = (!matches!(contract, Contract::Other { .. })).then_some(fee_limit);
    Ok(Summary { chain_id: chain_id.clone(), actions, fee_ceiling, text })
}

fn describe(contract: &Contract) -> Result<(Vec<Action>, String), DecodeError> {
    Ok(match contract {
        Contract::Other { name, data_len, .. } => {
            let program = (*name).to_owned();
            let text = format!("{name} with {data_len} bytes that are not decoded");
            (vec![Action::ProgramCall { program, accounts: Vec::new(), data_len: *data_len }], text)
        }
        Contract::Transfer { to, amount, .. } => {
            let text = format!("transfer {} to {to}", units(*amount));
            (vec![Action::Transfer { to: to.to_string(), amount: *amount }], text)
        }
        Contract::TransferAsset { to, token, amount, .. } => {
            let action = token_transfer(token.clone(), *to, *amount, None);
            (vec![action], format!("transfer {amount} of token {token} to {to}"))
        }
        Contract::Trigger { owner, contract, value, token, data } => {
            let call = Call::decode(data)?.map(|call| token_call(*owner, *contract, call, data));
            trigger(*contract, *value, token.as_ref(), data, call)
        }
    })
}

/// `call` is what the contract's function does, if it is a token's.
fn trigger(
    contract: Address,
    value: Amount,
    token: Option<&(String, Amount)>,
    data: &[u8],
    call: Option<(Vec<Action>, String)>,
) -> (Vec<Action>, String) {
    if let (Some(call), true, None) = (&call, value.is_zero(), token) {
        return call.clone();
    }
    let selector = selector(data);
    let called = selector.as_deref().unwrap_or("no selector");
    let mut text = format!("call {called} at {contract} with {} bytes of data and {}", data.len(), units(value));
    let mut actions =
        vec![Action::ContractCall { to: contract.to_string(), selector, amount: value, data_len: data.len() }];
    if let Some((token, amount)) = token {
        text += &format!(" and {amount} of token {token}");
        actions.push(token_transfer(token.clone(), contract, *amount, None));
    }
    // A token's function that is paid for as well does more than its name says, but that too.
    if let Some((besides, words)) = call {
        text += &format!(", which is to {words}");
        actions.extend(besides);
    }
    (actions, text)
}

fn token_call(owner: Address, token: Address, call: Call, data: &[u8]) -> (Vec<Action>, String) {
    let selector = selector(data);
    match call {
        Call::Approve { spender, amount } => {
            let text = format!("let {spender} take {amount} of token {token}");
            let (token, spender) = (token.to_string(), spender.to_string());
            (vec![Action::TokenApproval { token, spender, amount, selector }], text)
        }
        Call::Transfer { to, amount } => {
            let text = format!("transfer {amount} of token {token} to {to}");
            (vec![token_transfer(token.to_string(), to, amount, selector)], text)
        }
        Call::TransferFrom { from, to, amount } => {
            let text = format!("transfer {amount} of token {token} from {from} to {to}");
            let of_another = (from != owner).then(|| Action::Exception { name: TOKENS_OF_ANOTHER.into() });
            let transfer = token_transfer(token.to_string(), to, amount, selector);
            ([transfer].into_iter().chain(of_another).collect(), text)
        }
    }
}

fn token_transfer(token: String, to: Address, amount: Amount, selector: Option<String>) -> Action {
    Action::TokenTransfer { token, to: to.to_string(), amount, selector }
}

fn units(sun: Amount) -> String {
    sun.to_units(DECIMALS)
}

/// Name of the exception that a transfer of what somebody else approved is.
const TOKENS_OF_ANOTHER: &str = "tokens_of_another";
/// Of TRX: 10^6 sun are one.
const DECIMALS: u8 = 6;
