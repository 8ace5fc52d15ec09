//! The calls of ERC-20, ERC-721 and ERC-1155 that move tokens or let others move them.

mod arguments;

use alloy_primitives::Address;

use super::summary::Effect;
use crate::{Action, Amount, DecodeError, keccak};
use arguments::Arguments;

/// What a call does, value apart, if its function is one of [`FUNCTIONS`]; `signer` makes it, if that is known.
pub(super) fn decode(token: &Address, input: &[u8], signer: Option<&Address>) -> Result<Option<Effect>, DecodeError> {
    let Some((selector, data)) = input.split_first_chunk::<4>() else { return Ok(None) };
    let Some(function) = FUNCTIONS.iter().find(|function| function.selector == *selector) else { return Ok(None) };
    let selector = format!("0x{}", hex::encode(selector));
    let call = Call { token: keccak::to_checksum(token), selector, signer: signer.map(|it| keccak::to_checksum(it)) };
    let mut arguments = Arguments::new(function.signature, data);
    let effect = (function.read)(&call, &mut arguments)?;
    arguments.end()?;
    Ok(Some(effect))
}

#[derive(Debug)]
struct Function {
    selector: [u8; 4],
    signature: &'static str,
    read: fn(&Call, &mut Arguments<'_>) -> Result<Effect, DecodeError>,
}

#[derive(Debug)]
struct Call {
    token: String,
    selector: String,
    signer: Option<String>,
}

impl Call {
    fn transfer(&self, to: &str, amount: Amount) -> Action {
        let (token, selector) = (self.token.clone(), Some(self.selector.clone()));
        Action::TokenTransfer { token, to: to.to_owned(), amount, selector }
    }

    fn approval(&self, spender: String, amount: Amount) -> Action {
        Action::TokenApproval { token: self.token.clone(), spender, amount, selector: Some(self.selector.clone()) }
    }

    /// Transfers of what `from` has, after which the receiver is called with `data`, if there is any, at its `hook`. Unless
    /// `from` is known to sign, they use what somebody else approved.
    fn transfers(&self, from: &str, to: &str, amounts: &[Amount], hook: &str, data: &[u8]) -> Vec<Action> {
        let transfers = amounts.iter().map(|amount| self.transfer(to, *amount));
        let called = (!data.is_empty()).then(|| Action::ContractCall {
            to: to.to_owned(),
            selector: Some(hook.to_owned()),
            amount: Amount::ZERO,
            data_len: data.len(),
        });
        let of_another = self.signer.as_deref() != Some(from);
        let exception = of_another.then_some(Action::Exception { name: TOKENS_OF_ANOTHER.into() });
        transfers.chain(called).chain(exception).collect()
    }
}

fn transfer(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (to, amount) = (arguments.address("to")?, arguments.number("amount")?);
    let words = format!("transfer {} of token {} to {to}", number(amount), call.token);
    Ok(Effect { actions: vec![call.transfer(&to, amount)], words })
}

fn transfer_from(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (from, to) = (arguments.address("from")?, arguments.address("to")?);
    let amount = arguments.number("amount")?;
    let words = format!("transfer {} of token {} from {from} to {to}{EITHER}", number(amount), call.token);
    Ok(Effect { actions: call.transfers(&from, &to, &[amount], ON_ERC721_RECEIVED, &[]), words })
}

fn approve(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (spender, amount) = (arguments.address("spender")?, arguments.number("amount")?);
    let words = format!("let {spender} take {} of token {}{EITHER}", number(amount), call.token);
    Ok(Effect { actions: vec![call.approval(spender, amount)], words })
}

fn increase_allowance(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (spender, amount) = (arguments.address("spender")?, arguments.number("amount")?);
    let words = format!("let {spender} take {} more of token {}", number(amount), call.token);
    Ok(Effect { actions: vec![call.approval(spender, amount)], words })
}

fn set_approval_for_all(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (operator, approved) = (arguments.address("operator")?, arguments.bool("approved")?);
    let (words, amount) =
        if approved { ("let", Amount::from_be_bytes([0xff; 32])) } else { ("no longer let", Amount::ZERO) };
    let words = format!("{words} {operator} take all of token {}", call.token);
    Ok(Effect { actions: vec![call.approval(operator, amount)], words })
}

fn safe_transfer_from(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (from, to, id) = (arguments.address("from")?, arguments.address("to")?, arguments.number("id")?);
    let words = format!("transfer number {} of token {} from {from} to {to}", number(id), call.token);
    Ok(Effect { actions: call.transfers(&from, &to, &[ONE], ON_ERC721_RECEIVED, &[]), words })
}

fn safe_transfer_from_with_data(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (from, to, id) = (arguments.address("from")?, arguments.address("to")?, arguments.number("id")?);
    arguments.offset("data", 4)?;
    let data = arguments.bytes("data")?;
    let actions = call.transfers(&from, &to, &[ONE], ON_ERC721_RECEIVED, data);
    let words = format!("transfer number {} of token {} from {from} to {to}{}", number(id), call.token, handed(data));
    Ok(Effect { actions, words })
}

fn safe_transfer_from_of_erc1155(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (from, to) = (arguments.address("from")?, arguments.address("to")?);
    let (id, amount) = (arguments.number("id")?, arguments.number("amount")?);
    arguments.offset("data", 5)?;
    let data = arguments.bytes("data")?;
    let actions = call.transfers(&from, &to, &[amount], ON_ERC1155_RECEIVED, data);
    let (amount, id) = (number(amount), number(id));
    let words = format!("transfer {amount} of number {id} of token {} from {from} to {to}{}", call.token, handed(data));
    Ok(Effect { actions, words })
}

fn safe_batch_transfer_from(call: &Call, arguments: &mut Arguments<'_>) -> Result<Effect, DecodeError> {
    let (from, to) = (arguments.address("from")?, arguments.address("to")?);
    arguments.offset("ids", 5)?;
    // Where the other two must begin follows from the number of items, which comes after their offsets.
    let offsets = [arguments.number("offset of amounts")?, arguments.number("offset of data")?];
    let ids = arguments.numbers("ids")?;
    arguments.require_offsets(&["amounts", "data"], &offsets, &[6 + ids.len(), 7 + 2 * ids.len()])?;
    let amounts = arguments.numbers("amounts")?;
    if amounts.len() != ids.len() || ids.is_empty() {
        return Err(arguments.invalid("amounts", "as many as ids, and at least one", amounts.len()));
    }
    let data = arguments.bytes("data")?;
    let items = amounts.iter().zip(&ids).map(|(amount, id)| format!("{} of number {}", number(*amount), number(*id)));
    let items = items.collect::<Vec<_>>().join(", ");
    let words = format!("transfer {items} of token {} from {from} to {to}{}", call.token, handed(data));
    Ok(Effect { actions: call.transfers(&from, &to, &amounts, ON_ERC1155_BATCH_RECEIVED, data), words })
}

fn handed(data: &[u8]) -> String {
    match data.len() {
        0 => String::new(),
        len => format!(", which is called with {len} bytes of data"),
    }
}

/// In decimal, unless it is what stands for all there are.
fn number(amount: Amount) -> String {
    if amount.to_be_bytes() == [0xff; 32] { "2^256 - 1".to_owned() } else { amount.to_string() }
}

const FUNCTIONS: [Function; 9] = [
    Function { selector: [0xa9, 0x05, 0x9c, 0xbb], signature: "transfer(address,uint256)", read: transfer },
    Function {
        selector: [0x23, 0xb8, 0x72, 0xdd],
        signature: "transferFrom(address,address,uint256)",
        read: transfer_from,
    },
    Function { selector: [0x09, 0x5e, 0xa7, 0xb3], signature: "approve(address,uint256)", read: approve },
    Function {
        selector: [0x39, 0x50, 0x93, 0x51],
        signature: "increaseAllowance(address,uint256)",
        read: increase_allowance,
    },
    Function {
        selector: [0xa2, 0x2c, 0xb4, 0x65],
        signature: "setApprovalForAll(address,bool)",
        read: set_approval_for_all,
    },
    Function {
        selector: [0x42, 0x84, 0x2e, 0x0e],
        signature: "safeTransferFrom(address,address,uint256)",
        read: safe_transfer_from,
    },
    Function {
        selector: [0xb8, 0x8d, 0x4f, 0xde],
        signature: "safeTransferFrom(address,address,uint256,bytes)",
        read: safe_transfer_from_with_data,
    },
    Function {
        selector: [0xf2, 0x42, 0x43, 0x2a],
        signature: "safeTransferFrom(address,address,uint256,uint256,bytes)",
        read: safe_transfer_from_of_erc1155,
    },
    Function {
        selector: [0x2e, 0xb2, 0xc2, 0xd6],
        signature: "safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)",
        read: safe_batch_transfer_from,
    },
];

const ON_ERC721_RECEIVED: &str = "0x150b7a02";
const ON_ERC1155_RECEIVED: &str = "0xf23a6e61";
const ON_ERC1155_BATCH_RECEIVED: &str = "0xbc197c81";
/// Name of the exception that a transfer of what somebody else approved is.
const TOKENS_OF_ANOTHER: &str = "tokens_of_another";
/// ERC-20 and ERC-721 have the same function.
const EITHER: &str = " (an amount, or the number of an ERC-721 token)";
const ONE: Amount = {
    let mut bytes = [0; 32];
    bytes[31] = 1;
    Amount::from_be_bytes(bytes)
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_the_hashes_of_signatures() {
        for function in FUNCTIONS {
            assert_eq!(function.selector, keccak::keccak256(function.signature.as_bytes())[..4], "{function:?}");
        }
        for (hook, signature) in [
            (ON_ERC721_RECEIVED, "onERC721Received(address,address,uint256,bytes)"),
            (ON_ERC1155_RECEIVED, "onERC1155Received(address,address,uint256,uint256,bytes)"),
            (ON_ERC1155_BATCH_RECEIVED, "onERC1155BatchReceived(address,address,uint256[],uint256[],bytes)"),
        ] {
            assert_eq!(hook[2..], hex::encode(&keccak::keccak256(signature.as_bytes())[..4]), "{signature}");
        }
    }
}
