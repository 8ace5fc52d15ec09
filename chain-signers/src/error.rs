use std::{borrow::Cow, fmt};

use crate::{ChainId, Curve, Encoding, KeyError};

/// Why a payload is not a transaction that may be signed. Always the sender's fault.
///
/// What is echoed from the payload is cut short and escaped, and so is every text when it is displayed: an error can be
/// logged and returned. Displayed, it has less than 700 bytes, whoever made it.
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
    /// The payload carries no chain id, as none of this chain's does or no message, so the caller must name one.
    #[error("the payload does not say which chain of {} it is for: name the chain id", short(.namespace))]
    ChainIdRequired {
        /// The namespace of the chain id to be named.
        namespace: Cow<'static, str>,
    },
    /// A JSON object has a key twice.
    #[error("key {} occurs twice", short(.key))]
    DuplicateKey {
        /// The key.
        key: String,
    },
    /// A field has a value outside what is permitted.
    #[error("{}: expected {}, found {}", short(.field), short(.expected), short(.actual))]
    Invalid {
        /// The field, in the words of the encoding.
        field: Cow<'static, str>,
        /// What would have been accepted.
        expected: Cow<'static, str>,
        /// What was found, cut short.
        actual: String,
    },
    /// The bytes are outside the format.
    #[error("not {}: {}", short(.format), short(.reason))]
    Malformed {
        /// The format.
        format: Cow<'static, str>,
        /// What is wrong.
        reason: String,
    },
    /// A required field is absent.
    #[error("{} is missing", short(.field))]
    Missing {
        /// The field, in the words of the encoding.
        field: Cow<'static, str>,
    },
    /// A JSON transaction writes some quantities as numbers and others as hex strings, so the unit of `value` is unclear.
    #[error("{} is a number and {} a string: use one style for all quantities", short(.number), short(.text))]
    MixedStyles {
        /// A key whose value is a number.
        number: String,
        /// A key whose value is a string.
        text: String,
    },
    /// The bytes decode, but are not the one encoding of what they decode to.
    #[error("not the canonical encoding of {}", short(.format))]
    NotCanonical {
        /// The format.
        format: Cow<'static, str>,
    },
    /// Something is longer than its limit.
    #[error("{} has {len} {}, more than {max}", short(.what), short(.unit))]
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
    #[error("unknown key {}", short(.key))]
    UnknownKey {
        /// The key, cut short.
        key: String,
    },
    /// The chain has no such encoding.
    #[error("{} transactions have no {encoding} encoding here", short(.namespace))]
    UnsupportedEncoding {
        /// The chain's namespace.
        namespace: Cow<'static, str>,
        /// The encoding asked for.
        encoding: Encoding,
    },
    /// The transaction is of a kind that is recognised and not signed.
    #[error("{} is not supported", short(.found))]
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
    #[error("a key on {expected} is needed, this one is on {actual}")]
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
    #[error("the transaction is for chain {actual}, the signer is for {}", short(.expected))]
    NamespaceMismatch {
        /// The signer's namespace.
        expected: String,
        /// The transaction's chain.
        actual: ChainId,
    },
    /// The transaction asks for somebody else's signature.
    #[error("the transaction must be signed by {}, this key is {}", short(.expected), short(.actual))]
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
    /// Assembly got a Schnorr signature in an ECDSA signature's place, or the other way round.
    #[error("the signature is of another scheme than the transaction takes")]
    SignatureScheme,
    /// The recovery id has no place in the chain's signature format (about one signature in 2^127).
    #[error("the signature's recovery id cannot be written in this chain's format")]
    UnrepresentableRecoveryId,
}

/// [`TooLong`](DecodeError::TooLong).
#[allow(dead_code, reason = "without any chain nothing has a limit")]
pub(crate) fn too_long(what: impl Into<Cow<'static, str>>, unit: &'static str, len: usize, max: usize) -> DecodeError {
    DecodeError::TooLong { what: what.into(), unit, len, max }
}

/// `text` escaped and then cut to [`MAX_EXCERPT`] bytes, so that an error neither grows nor carries control characters.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short = String::new();
    for c in text.chars() {
        let escaped = c.escape_debug();
        let len: usize = escaped.clone().map(char::len_utf8).sum();
        if short.len() + len > MAX_EXCERPT - ELLIPSIS.len_utf8() {
            short.push(ELLIPSIS);
            break;
        }
        short.extend(escaped);
    }
    short
}

/// What an error or a decision shows of a text that is normally short and plain, but may come from another crate's chain.
/// An excerpt stays what it is: it is not escaped twice.
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    let is_printable = |byte: u8| (b' '..=b'~').contains(&byte); // almost everything is, and this is soon known
    if text.len() <= MAX_EXCERPT && text.bytes().all(is_printable) {
        return text.into();
    }
    let is_plain = |c: char| matches!(c, '\\' | '"' | '\'') || c.escape_debug().len() == 1;
    if text.len() <= MAX_EXCERPT && text.chars().all(is_plain) { text.into() } else { excerpt(text).into() }
}

/// In bytes.
const MAX_EXCERPT: usize = 160;
const ELLIPSIS: char = '…';

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_error_echoes_little_and_no_control_characters() {
        let error = DecodeError::invalid("nonce", "a number", "\x1b[31m\n".repeat(1000));
        let text = error.to_string();
        assert!(text.len() < 200, "{text}");
        assert!(!text.contains(char::is_control), "{text}");
    }

    #[test]
    fn a_short_text_is_quoted_whole() {
        for text in ["", "0xa5D3", "é\u{4e2d}"] {
            assert_eq!(excerpt(text), text);
        }
        assert_eq!(excerpt(&"a".repeat(157)), "a".repeat(157));
        assert_eq!(excerpt(&"a".repeat(158)), format!("{}…", "a".repeat(157)));
    }

    proptest! {
        #[test]
        fn an_excerpt_is_short_without_control_characters_and_final(text in any::<String>(), times in 1_usize..200) {
            let excerpt = excerpt(&text.repeat(times));
            prop_assert!(excerpt.len() <= MAX_EXCERPT);
            prop_assert!(!excerpt.contains(char::is_control));
            prop_assert_eq!(short(&excerpt), excerpt.as_str());
        }
    }
}
