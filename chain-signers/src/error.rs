use std::{borrow::Cow, fmt};

use crate::{ChainId, Curve, Encoding, KeyError};

/// Why a payload is not a transaction that may be signed. Always the sender's fault.
///
/// What is echoed from the payload is cut short and escaped, so an error can be logged and returned.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The transaction is for another chain than the caller named.
    #[error("the transaction is for chain {actual}, not {expected}")]
    ChainIdMismatch {
        /// The chain that the caller named.
        expected: ChainId,
        /// The chain in the transaction.
        actual: ChainId,
    },
    /// This chain's transactions do not carry a chain id, so the caller must name one.
    #[error("a {namespace} transaction does not say which chain it is for: name the chain id")]
    ChainIdRequired {
        /// The namespace of the chain id to be named.
        namespace: Cow<'static, str>,
    },
    /// A JSON object has a key twice.
    #[error("key {key} occurs twice")]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A field has a value outside what is permitted.
    #[error("{field}: expected {expected}, found {actual}")]
    Invalid {
        /// The field, in the words of the encoding.
        field: Cow<'static, str>,
        /// What would have been accepted.
        expected: Cow<'static, str>,
        /// What was found, cut short.
        actual: String,
    },
    /// The bytes are outside the format.
    #[error("not {format}: {reason}")]
    Malformed {
        /// The format.
        format: Cow<'static, str>,
        /// What is wrong.
        reason: String,
    },
    /// A required field is absent.
    #[error("{field} is missing")]
    Missing {
        /// The field, in the words of the encoding.
        field: Cow<'static, str>,
    },
    /// A JSON transaction writes some quantities as numbers and others as hex strings, so the unit of `value` is unclear.
    #[error("{number} is a number and {text} a string: use one style for all quantities")]
    MixedStyles {
        /// A key whose value is a number.
        number: String,
        /// A key whose value is a string.
        text: String,
    },
    /// The bytes decode, but are not the one encoding of what they decode to.
    #[error("not the canonical encoding of {format}")]
    NotCanonical {
        /// The format.
        format: Cow<'static, str>,
    },
    /// Something is longer than its limit.
    #[error("{what} has {len} {unit}, more than {max}")]
    TooLong {
        /// What is too long.
        what: Cow<'static, str>,
        /// What `len` and `max` count.
        unit: &'static str,
        /// How long it is.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// A JSON object has a key that is not known here.
    #[error("unknown key {key}")]
    UnknownKey {
        /// The key, cut short.
        key: String,
    },
    /// The chain has no such encoding.
    #[error("{namespace} transactions have no {encoding} encoding here")]
    UnsupportedEncoding {
        /// The chain's namespace.
        namespace: Cow<'static, str>,
        /// The encoding asked for.
        encoding: Encoding,
    },
    /// The transaction is of a kind that is recognised and not signed.
    #[error("{found} is not supported")]
    UnsupportedType {
        /// The kind of transaction.
        found: Cow<'static, str>,
    },
}

impl DecodeError {
    /// [`Invalid`](Self::Invalid), with `actual` cut short and escaped.
    pub fn invalid(
        field: impl Into<Cow<'static, str>>,
        expected: impl Into<Cow<'static, str>>,
        actual: impl fmt::Display,
    ) -> Self {
        Self::Invalid { field: field.into(), expected: expected.into(), actual: excerpt(&actual.to_string()) }
    }

    /// [`Malformed`](Self::Malformed), with `reason` cut short and escaped.
    pub fn malformed(format: impl Into<Cow<'static, str>>, reason: impl fmt::Display) -> Self {
        Self::Malformed { format: format.into(), reason: excerpt(&reason.to_string()) }
    }
}

/// Why nothing was signed.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The key is on another curve than the chain or the operation needs.
    #[error("a {expected} key is needed, this one is {actual}")]
    CurveMismatch {
        /// The curve that is needed.
        expected: Curve,
        /// The key's or signature's curve.
        actual: Curve,
    },
    /// The new signature did not verify under the key's own public key: a fault in the machine. It was discarded.
    #[error("the signature failed its own verification and was discarded")]
    Fault,
    /// The key has no address on this chain.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The transaction is for another kind of chain than the signer's.
    #[error("the transaction is for chain {actual}, the signer is for {expected}")]
    NamespaceMismatch {
        /// The signer's namespace.
        expected: String,
        /// The transaction's chain.
        actual: ChainId,
    },
    /// The transaction asks for somebody else's signature.
    #[error("the transaction must be signed by {expected}, this key is {actual}")]
    NotTheSigner {
        /// The address that the transaction names.
        expected: String,
        /// The key's address.
        actual: String,
    },
    /// The signing payload is not of the kind that the curve signs: a hash for secp256k1, a message for ed25519.
    #[error("the signing payload does not suit {curve}")]
    PayloadKind {
        /// The key's curve.
        curve: Curve,
    },
    /// Assembly got another number of signatures than the transaction has signing payloads.
    #[error("the transaction takes {expected} signatures, not {actual}")]
    SignatureCount {
        /// How many the transaction takes.
        expected: usize,
        /// How many were given.
        actual: usize,
    },
    /// The recovery id has no place in the chain's signature format (about one signature in 2^127).
    #[error("the signature's recovery id cannot be written in this chain's format")]
    UnrepresentableRecoveryId,
}

/// At most [`MAX_EXCERPT`] characters of `text`, escaped, so that an error neither grows nor carries control characters.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_EXCERPT).flat_map(char::escape_debug).collect();
    if text.chars().nth(MAX_EXCERPT).is_some() {
        short.push('…');
    }
    short
}

const MAX_EXCERPT: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_echoes_little_and_no_control_characters() {
        let error = DecodeError::invalid("nonce", "a number", "\x1b[31m\n".repeat(1000));
        let text = error.to_string();
        assert!(text.len() < 1000, "{text}");
        assert!(!text.contains(char::is_control), "{text}");
    }
}
