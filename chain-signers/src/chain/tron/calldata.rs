//! The functions of TRC-20 tokens that move tokens or allow it.

use super::address::Address;
use crate::{Amount, DecodeError};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Approve { spender: Address, amount: Amount },
    Transfer { to: Address, amount: Amount },
    TransferFrom { from: Address, to: Address, amount: Amount },
}

impl Call {
    /// `None` if the data does not start with the selector of one of these functions.
    pub(super) fn decode(data: &[u8]) -> Result<Option<Self>, DecodeError> {
        let Some((selector, arguments)) = data.split_first_chunk() else { return Ok(None) };
        let (words, rest) = arguments.as_chunks::<32>();
        let call = match (selector, words, rest) {
            (&APPROVE, [spender, amount], []) => {
                Address::from_word(spender).map(|spender| Self::Approve { spender, amount: amount_of(amount) })
            }
            (&TRANSFER, [to, amount], []) => {
                Address::from_word(to).map(|to| Self::Transfer { to, amount: amount_of(amount) })
            }
            (&TRANSFER_FROM, [from, to, amount], []) => match (Address::from_word(from), Address::from_word(to)) {
                (Some(from), Some(to)) => Some(Self::TransferFrom { from, to, amount: amount_of(amount) }),
                _ => None,
            },
            (&APPROVE | &TRANSFER | &TRANSFER_FROM, ..) => None,
            _ => return Ok(None),
        };
        let expected = "the canonical arguments of approve, transfer or transferFrom";
        call.map(Some).ok_or_else(|| DecodeError::invalid("data", expected, format!("0x{}", hex::encode(data))))
    }
}

/// The first four bytes, in hex, if there are as many.
pub(super) fn selector(data: &[u8]) -> Option<String> {
    data.get(..4).map(|selector| format!("0x{}", hex::encode(selector)))
}

fn amount_of(word: &[u8; 32]) -> Amount {
    Amount::from_be_bytes(*word)
}

/// `approve(address,uint256)`.
const APPROVE: [u8; 4] = [0x09, 0x5e, 0xa7, 0xb3];
/// `transfer(address,uint256)`.
const TRANSFER: [u8; 4] = [0xa9, 0x05, 0x9c, 0xbb];
/// `transferFrom(address,address,uint256)`.
const TRANSFER_FROM: [u8; 4] = [0x23, 0xb8, 0x72, 0xdd];
