use super::wire::{EntryFunction, RawTransaction};
use crate::{
    Action, Amount, ChainId, DecodeError, Summary,
    move_types::{Address, generics},
};

pub(super) fn summarise(raw: &RawTransaction, digest: &[u8; 32]) -> Result<Summary, DecodeError> {
    let chain_id = ChainId::new(super::NAMESPACE, &raw.chain_id.to_string())
        .map_err(|error| DecodeError::invalid("chain_id", "a chain id", error))?;
    let fee_ceiling = Amount::from(u128::from(raw.max_gas_amount) * u128::from(raw.gas_unit_price));
    let (action, words) = understood(&raw.call).unwrap_or_else(|| call(&raw.call));
    // The digest makes the text of two different transactions differ, whatever the words leave out.
    let text = format!(
        "{words} on {chain_id}; sender {}, sequence number {}, fee at most {}, expires at {} s of Unix time; \
         signing message SHA3-256 {}",
        raw.sender,
        raw.sequence_number,
        units(fee_ceiling),
        raw.expiration_timestamp_secs,
        hex::encode(digest),
    );
    Ok(Summary { chain_id, actions: vec![action], fee_ceiling: Some(fee_ceiling), text })
}

/// A transfer of exactly the arguments that the function takes.
fn understood(call: &EntryFunction) -> Option<(Action, String)> {
    let types: Vec<_> = call.type_arguments.iter().map(ToString::to_string).collect();
    let types: Vec<_> = types.iter().map(String::as_str).collect();
    let (token, to, amount) = match (path(call).as_str(), &types[..], &call.arguments[..]) {
        ("0x1::aptos_account::transfer", [], [to, amount]) => (COIN.to_owned(), to, amount),
        ("0x1::aptos_account::transfer_coins" | "0x1::coin::transfer", [token], [to, amount]) => {
            ((*token).to_owned(), to, amount)
        }
        ("0x1::primary_fungible_store::transfer", [METADATA], [asset, to, amount]) => {
            (address(asset)?.to_string(), to, amount)
        }
        _ => return None,
    };
    let to = address(to)?.to_string();
    let amount = Amount::from(u64::from_le_bytes(amount[..].try_into().ok()?));
    if [COIN, COIN_ASSET].contains(&token.as_str()) {
        let text = format!("transfer {} to {to}", units(amount));
        return Some((Action::Transfer { to, amount }, text));
    }
    let text = format!("transfer {amount} of the smallest unit of token {token} to {to}");
    Some((Action::TokenTransfer { token, to, amount, selector: None }, text))
}

fn call(call: &EntryFunction) -> (Action, String) {
    let program = path(call);
    let accounts = call.arguments.iter().filter_map(|argument| address(argument)).map(|it| it.to_string()).collect();
    let arguments: Vec<_> = call.arguments.iter().map(hex::encode).collect();
    let text = format!("call {program}{} with arguments [{}]", generics(&call.type_arguments), arguments.join(" "));
    (Action::ProgramCall { program, accounts, data_len: call.arguments.iter().map(Vec::len).sum() }, text)
}

fn path(call: &EntryFunction) -> String {
    format!("{}::{}::{}", call.address, call.module, call.function)
}

fn address(argument: &[u8]) -> Option<Address> {
    argument.try_into().ok().map(Address)
}

fn units(octas: Amount) -> String {
    octas.to_units(DECIMALS)
}

/// APT as a coin, and as a fungible asset.
const COIN: &str = "0x1::aptos_coin::AptosCoin";
const COIN_ASSET: &str = "0xa";
const METADATA: &str = "0x1::fungible_asset::Metadata";
/// Of APT: 10^8 octas are one.
const DECIMALS: u8 = 8;
