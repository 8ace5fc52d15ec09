use crate::{ChainId, Curve, error::short};

/// Why bytes are not a key or a signature.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key is on another curve than the operation needs.
    #[error("a key on {expected} is needed, this one is on {actual}")]
    CurveMismatch {
        /// The curve that is needed.
        expected: Curve,
        /// The key's curve.
        actual: Curve,
    },
    /// The text cannot stand before a Bech32 address (BIP-173).
    #[error("{} is not a prefix of addresses", short(.prefix))]
    InvalidPrefix {
        /// The text.
        prefix: String,
    },
    /// The bytes are not a point that may be a public key, or not its one encoding.
    #[error("not a valid {curve} public key")]
    InvalidPublicKey {
        /// The curve it was read for.
        curve: Curve,
    },
    /// The secret is zero or not below the group order. Nothing of it is said.
    #[error("not a valid {curve} secret key")]
    InvalidSecret {
        /// The curve it was read for.
        curve: Curve,
    },
    /// The bytes are not a signature in its one encoding, or it does not verify.
    #[error("not a valid {curve} signature")]
    InvalidSignature {
        /// The curve it was read for.
        curve: Curve,
    },
    /// The input has the wrong length.
    #[error("{what} has {expected} bytes, not {actual}")]
    Length {
        /// What was read.
        what: &'static str,
        /// How long it is.
        expected: usize,
        /// How long the input was.
        actual: usize,
    },
    /// Keys have no addresses on this chain, or its way of spelling them is not known here.
    #[error("no addresses are known for chain {chain_id}")]
    UnknownChain {
        /// The chain.
        chain_id: ChainId,
    },
}

/// Why no key was generated. `E` is the random number generator's error.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError<E> {
    /// Every draw was unusable, which a working generator does about once in 2^8000: it is broken.
    #[error("the random number generator yields no usable secret: it is broken")]
    Exhausted,
    /// The random number generator failed.
    #[error("the random number generator failed: {0}")]
    Rng(E),
}
