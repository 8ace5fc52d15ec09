use super::{DerivationPath, Seed};
use crate::Curve;

/// Why a text is not a derivation path, or numbers do not make one.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DerivationPathError {
    /// An index is not below 2^31.
    #[error("the index at level {level} is not below 2^31")]
    IndexOutOfRange {
        /// The level, counted from 1, which is below the master key.
        level: usize,
    },
    /// A level is not a decimal number without leading zeros, followed by at most one mark of hardening.
    #[error("level {level} is not a number, followed by ' if it is hardened")]
    Malformed {
        /// The level, counted from 1, which is below the master key.
        level: usize,
    },
    /// The text does not start with `m`, the master key.
    #[error("a derivation path starts with m, the master key")]
    NoMaster,
    /// There are more levels than BIP-32 can count.
    #[error("a derivation path has at most {} levels", DerivationPath::MAX_DEPTH)]
    TooDeep,
}

/// Why no key was derived.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// The curve has no unhardened child keys.
    #[error("level {level} is not hardened, and {curve} derives hardened keys only")]
    HardenedOnly {
        /// The curve.
        curve: Curve,
        /// The level, counted from 1, which is below the master key.
        level: usize,
    },
    /// The derived number is no key, which happens to about one in 2^127 (BIP-32). Take another index, or another seed
    /// if the level is 0.
    #[error("there is no valid key at level {level} of this path")]
    InvalidKey {
        /// The level, counted from 1; 0 is the master key.
        level: usize,
    },
    /// The seed is shorter or longer than BIP-32 allows.
    #[error("a seed has {} to {} bytes, not {actual}", Seed::MIN_LEN, Seed::MAX_LEN)]
    SeedLength {
        /// How long it is.
        actual: usize,
    },
    /// The key has no children, because BIP-32 cannot count their level.
    #[error("keys are derived at most {} levels deep", DerivationPath::MAX_DEPTH)]
    TooDeep,
}

/// Why a text or entropy is not a mnemonic. No word is repeated here.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MnemonicError {
    /// The words do not fit together: one of them, or their order, is wrong.
    #[error("the checksum of the mnemonic is wrong: a word or the order of words is not as it was")]
    Checksum,
    /// The entropy has a length that no number of words stands for.
    #[error("the entropy of a mnemonic has 16, 20, 24, 28 or 32 bytes, not {actual}")]
    EntropyLength {
        /// How long it is, in bytes.
        actual: usize,
    },
    /// A word is not in the list.
    #[error("word {position} is not in the English word list of BIP-39")]
    UnknownWord {
        /// Which one, counted from 1.
        position: usize,
    },
    /// There are too few words, too many, or an odd number of them.
    #[error("a mnemonic has 12, 15, 18, 21 or 24 words, not {actual}")]
    WordCount {
        /// How many there are.
        actual: usize,
    },
}
