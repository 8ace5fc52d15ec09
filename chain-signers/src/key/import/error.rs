use crate::KeyError;

/// Why something is not a key. Nothing of the input is repeated, but numbers of a [`Keystore`](super::Keystore) that are
/// no secret.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The key in a keystore is not that of the address in it.
    #[error("the keystore's key is not that of its address")]
    AddressMismatch,
    /// A character is wrong or missing.
    #[error("the checksum is wrong: a character is not as it was")]
    Checksum,
    /// The bytes are no key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There are too many or too few bytes.
    #[error("{format} has {expected}, not {actual}")]
    Length {
        /// What was read.
        format: &'static str,
        /// How much of what it has.
        expected: &'static str,
        /// How much there was.
        actual: usize,
    },
    /// The text is outside the format.
    #[error("not {format}")]
    Malformed {
        /// The format.
        format: &'static str,
    },
    /// The text is JSON of another shape, or none.
    #[error("not {format}: line {line}, column {column}")]
    MalformedJson {
        /// The format.
        format: &'static str,
        /// Where, from 1.
        line: usize,
        /// Where in the line.
        column: usize,
    },
    /// A parameter is beyond what this machine is asked to compute, or outside the standard.
    #[error("{parameter}: expected {expected}, found {actual}")]
    Parameter {
        /// The parameter.
        parameter: &'static str,
        /// What would have been accepted.
        expected: &'static str,
        /// What was found.
        actual: u64,
    },
    /// The public half of a key pair is not that of its secret half.
    #[error("the public half is not that of the secret half")]
    PublicKeyMismatch,
    /// The key is for a network other than Bitcoin's main and test networks.
    #[error("the key is for neither of Bitcoin's networks")]
    UnknownNetwork,
    /// A keystore is of another version, or uses algorithms that are not read.
    #[error("{field} is not {expected}")]
    Unsupported {
        /// Where.
        field: &'static str,
        /// What is read.
        expected: &'static str,
    },
    /// The password is wrong, or the file was changed: the two cannot be told apart.
    #[error("the password is wrong, or the keystore was changed")]
    WrongPassword,
}

impl ImportError {
    pub(super) fn json(format: &'static str, error: &serde_json::Error) -> Self {
        Self::MalformedJson { format, line: error.line(), column: error.column() }
    }
}

/// Why no [`Keystore`](super::Keystore) was written. `E` is the random number generator's error.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError<E> {
    /// The key is not Ethereum's.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The random number generator failed.
    #[error("the random number generator failed: {0}")]
    Rng(E),
}
