//! EIP-2718 envelopes: the one place that knows the types' numbers.

use alloy_consensus::{TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy, transaction::RlpEcdsaDecodableTx};
use alloy_rlp::Decodable;

use super::unsigned::Unsigned;
use crate::DecodeError;

/// The type of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Legacy,
    Eip2930,
    Eip1559,
    Eip4844,
    Eip7702,
}

impl Kind {
    pub(super) fn from_number(number: u8) -> Result<Self, DecodeError> {
        match number {
            0 => Ok(Self::Legacy),
            1 => Ok(Self::Eip2930),
            2 => Ok(Self::Eip1559),
            3 => Ok(Self::Eip4844),
            4 => Ok(Self::Eip7702),
            other => Err(unsupported(other)),
        }
    }

    /// What people call it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Eip2930 => "EIP-2930",
            Self::Eip1559 => "EIP-1559",
            Self::Eip4844 => "EIP-4844",
            Self::Eip7702 => "EIP-7702",
        }
    }

    fn read<F: Form>(self, rlp: &[u8]) -> alloy_rlp::Result<(Unsigned, F::Signature)> {
        match self {
            Self::Legacy => F::read::<TxLegacy>(rlp).map(with(Unsigned::Legacy)),
            Self::Eip2930 => F::read::<TxEip2930>(rlp).map(with(Unsigned::Eip2930)),
            Self::Eip1559 => F::read::<TxEip1559>(rlp).map(with(Unsigned::Eip1559)),
            Self::Eip4844 => F::read::<TxEip4844>(rlp).map(with(Unsigned::Eip4844)),
            Self::Eip7702 => F::read::<TxEip7702>(rlp).map(with(Unsigned::Eip7702)),
        }
    }
}

/// Whether there is a signature behind a transaction's own fields.
pub(super) trait Form {
    /// The format, in an error's words.
    const FORMAT: &'static str;
    type Signature;

    fn read<T: Decodable + RlpEcdsaDecodableTx>(rlp: &[u8]) -> alloy_rlp::Result<(T, Self::Signature)>;
}

#[derive(Debug)]
pub(super) struct WithoutSignature;

impl Form for WithoutSignature {
    const FORMAT: &'static str = "an unsigned transaction";
    type Signature = ();

    fn read<T: Decodable + RlpEcdsaDecodableTx>(mut rlp: &[u8]) -> alloy_rlp::Result<(T, ())> {
        T::decode(&mut rlp).map(|transaction| (transaction, ()))
    }
}

#[derive(Debug)]
pub(super) struct WithSignature;

impl Form for WithSignature {
    const FORMAT: &'static str = "a signed transaction";
    type Signature = alloy_primitives::Signature;

    fn read<T: Decodable + RlpEcdsaDecodableTx>(mut rlp: &[u8]) -> alloy_rlp::Result<(T, Self::Signature)> {
        T::rlp_decode_with_signature(&mut rlp)
    }
}

/// Reads an envelope as leniently as the RLP reader does: the caller compares the bytes with what it encodes to.
pub(super) fn read<F: Form>(bytes: &[u8]) -> Result<(Unsigned, F::Signature), DecodeError> {
    let (kind, rlp) = match bytes.split_first() {
        Some((0xc0.., _)) => (Kind::Legacy, bytes),
        Some((0, _)) => return Err(unsupported(0)), // a legacy transaction has no type byte
        Some((number, rest)) => (Kind::from_number(*number)?, rest),
        None => return Err(DecodeError::malformed(F::FORMAT, "no bytes")),
    };
    kind.read::<F>(rlp).map_err(|error| DecodeError::malformed(F::FORMAT, error))
}

fn with<T, S>(variant: fn(T) -> Unsigned) -> impl FnOnce((T, S)) -> (Unsigned, S) {
    move |(transaction, signature)| (variant(transaction), signature)
}

fn unsupported(number: u8) -> DecodeError {
    DecodeError::UnsupportedType { found: format!("a transaction of type {number}").into() }
}
