//! What a transaction does.

use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, TxKind, U256};

use super::{NAMESPACE, token, unsigned::Unsigned};
use crate::{Action, Amount, ChainId, DecodeError, Sighash, Summary, keccak};

/// Some actions, and the words for them.
#[derive(Debug)]
pub(super) struct Effect {
    pub(super) actions: Vec<Action>,
    pub(super) words: String,
}

impl Effect {
    fn and(mut self, other: Self) -> Self {
        self.actions.extend(other.actions);
        Self { words: format!("{}, which is to {}", self.words, other.words), ..self }
    }
}

/// `signer` is who sends it, if that is known.
pub(super) fn summarise(
    unsigned: &Unsigned,
    authorities: &[Address],
    signer: Option<&Address>,
    sighash: &Sighash,
) -> Result<Summary, DecodeError> {
    let chain_id = chain_id(unsigned.chain_id())?;
    let authorizations = unsigned.authorizations().unwrap_or_default();
    let delegations: Vec<_> =
        authorizations.iter().zip(authorities).map(|(it, who)| delegation(it, Some(*who))).collect();
    let call = call(unsigned, authorities, signer)?;
    let text = text(unsigned, &chain_id, &call, &delegations, sighash);
    let actions = delegations.into_iter().chain([call]).flat_map(|effect| effect.actions).collect(); // in this order
    Ok(Summary { chain_id, actions, fee_ceiling: Some(amount(unsigned.fee_ceiling())), text })
}

pub(super) fn chain_id(number: u64) -> Result<ChainId, DecodeError> {
    ChainId::new(NAMESPACE, &number.to_string())
        .map_err(|error| DecodeError::invalid("chain_id", error.to_string(), number))
}

/// What an authorization does to the account of `authority`, or of whoever signs it.
pub(super) fn delegation(authorization: &Authorization, authority: Option<Address>) -> Effect {
    let authority = authority.map(|address| keccak::to_checksum(&address));
    let account = authority.as_deref().unwrap_or("the signer's account");
    let delegate = keccak::to_checksum(&authorization.address);
    let on_every_chain = authorization.chain_id.is_zero();
    let what = if authorization.address.is_zero() {
        format!("end the delegation of {account}")
    } else {
        format!("delegate {account} to {delegate}")
    };
    let place = if on_every_chain { ", on every chain" } else { "" };
    let words = format!("{what} at its nonce {}{place}", authorization.nonce);
    Effect { actions: vec![Action::Delegation { delegate, authority, on_every_chain }], words }
}

/// What a transaction does beside its delegations.
fn call(unsigned: &Unsigned, authorities: &[Address], signer: Option<&Address>) -> Result<Effect, DecodeError> {
    let (input, value) = (unsigned.input(), unsigned.value());
    let to = match unsigned.to() {
        TxKind::Create => return Ok(contract_creation(input, amount(value))),
        TxKind::Call(to) => to,
    };
    // Blobs are for a rollup's inbox, and an account that is delegated just now has code.
    let is_for_code = unsigned.blob_hashes().is_some() || authorities.contains(&to);
    if input.is_empty() && !is_for_code {
        return Ok(transfer(&to, amount(value)));
    }
    let call = contract_call(&to, input, amount(value));
    Ok(match token::decode(&to, input, signer)? {
        Some(effect) if value.is_zero() && !is_for_code => effect,
        Some(effect) => call.and(effect), // more than the function's name says, but that too
        None => call,
    })
}

fn transfer(to: &Address, amount: Amount) -> Effect {
    let to = keccak::to_checksum(to);
    let words = format!("transfer {} to {to}", units(amount));
    Effect { actions: vec![Action::Transfer { to, amount }], words }
}

fn contract_call(to: &Address, input: &[u8], amount: Amount) -> Effect {
    let to = keccak::to_checksum(to);
    let selector = input.get(..4).map(|selector| format!("0x{}", hex::encode(selector)));
    let data_len = input.len();
    let words = format!(
        "call {} at {to} with {data_len} bytes of data and {}",
        selector.as_deref().unwrap_or("no selector"),
        units(amount)
    );
    Effect { actions: vec![Action::ContractCall { to, selector, amount, data_len }], words }
}

fn contract_creation(init_code: &[u8], amount: Amount) -> Effect {
    let init_code_len = init_code.len();
    let words = format!("create a contract with {init_code_len} bytes of init code and {}", units(amount));
    Effect { actions: vec![Action::ContractCreation { amount, init_code_len }], words }
}

/// The sighash at the end makes the text of two different transactions differ, whatever the words leave out.
fn text(unsigned: &Unsigned, chain_id: &ChainId, call: &Effect, delegations: &[Effect], sighash: &Sighash) -> String {
    let access = unsigned.access_list().filter(|list| !list.is_empty()).map_or_else(String::new, |list| {
        format!("; access list of {} addresses and {} keys", list.len(), list.storage_keys_count())
    });
    let delegations: String = delegations.iter().map(|effect| format!("; {}", effect.words)).collect();
    format!(
        "{} on {chain_id} ({}, nonce {}){delegations}; {}{access}; sighash {sighash}",
        call.words,
        unsigned.kind().name(),
        unsigned.nonce(),
        fee(unsigned),
    )
}

fn fee(unsigned: &Unsigned) -> String {
    let blobs = match (unsigned.blob_hashes(), unsigned.max_fee_per_blob_gas()) {
        (Some(hashes), Some(fee)) => format!(", {} blobs at {fee} wei per blob gas", hashes.len()),
        _ => String::new(),
    };
    let most = units(amount(unsigned.fee_ceiling()));
    format!("fee at most {most} ({} gas at {} wei{blobs})", unsigned.gas_limit(), unsigned.max_fee_per_gas())
}

fn amount(value: U256) -> Amount {
    Amount::from_be_bytes(value.to_be_bytes())
}

fn units(amount: Amount) -> String {
    amount.to_units(DECIMALS)
}

/// Of the chain's own coin: 10^18 wei are one ether.
const DECIMALS: u8 = 18;
