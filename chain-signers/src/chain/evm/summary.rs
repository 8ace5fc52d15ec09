use alloy_primitives::{TxKind, U256};

use super::{NAMESPACE, unsigned::Unsigned};
use crate::{Action, Amount, ChainId, DecodeError, Sighash, Summary, keccak};

pub(super) fn summarise(unsigned: &Unsigned, sighash: &Sighash) -> Result<Summary, DecodeError> {
    let chain_id = ChainId::new(NAMESPACE, &unsigned.chain_id().to_string())
        .map_err(|error| DecodeError::invalid("chain_id", error.to_string(), unsigned.chain_id()))?;
    let action = action(unsigned);
    let text = text(unsigned, &chain_id, &action, sighash);
    Ok(Summary { chain_id, actions: vec![action], fee_ceiling: Some(amount(unsigned.fee_ceiling())), text })
}

fn action(unsigned: &Unsigned) -> Action {
    let input = unsigned.input();
    let amount = amount(unsigned.value());
    match unsigned.to() {
        TxKind::Create => Action::ContractCreation { amount, init_code_len: input.len() },
        TxKind::Call(to) if input.is_empty() => Action::Transfer { to: keccak::to_checksum(&to), amount },
        TxKind::Call(to) => Action::ContractCall {
            to: keccak::to_checksum(&to),
            selector: input.get(..4).map(|selector| format!("0x{}", hex::encode(selector))),
            amount,
            data_len: input.len(),
        },
    }
}

/// The sighash at the end makes the text of two different transactions differ, whatever the words leave out.
fn text(unsigned: &Unsigned, chain_id: &ChainId, action: &Action, sighash: &Sighash) -> String {
    let units = |amount: &Amount| amount.to_units(DECIMALS);
    let what = match action {
        Action::Transfer { to, amount } => format!("transfer {} to {to}", units(amount)),
        Action::ContractCall { to, selector, amount, data_len } => format!(
            "call {} at {to} with {data_len} bytes of data and {}",
            selector.as_deref().unwrap_or("no selector"),
            units(amount)
        ),
        Action::ContractCreation { amount, init_code_len } => {
            format!("create a contract with {init_code_len} bytes of init code and {}", units(amount))
        }
        other => format!("{other:?}"),
    };
    let fee = amount(unsigned.fee_ceiling());
    let access = unsigned.access_list().filter(|list| !list.is_empty()).map_or_else(String::new, |list| {
        format!("; access list of {} addresses and {} keys", list.len(), list.storage_keys_count())
    });
    format!(
        "{what} on {chain_id} ({}, nonce {}); fee at most {} ({} gas at {} wei){access}; sighash {sighash}",
        unsigned.kind(),
        unsigned.nonce(),
        units(&fee),
        unsigned.gas_limit(),
        unsigned.max_fee_per_gas(),
    )
}

fn amount(value: U256) -> Amount {
    Amount::from_be_bytes(value.to_be_bytes())
}

/// Of the chain's own coin: 10^18 wei are one ether.
const DECIMALS: u8 = 18;
