//! Solana: legacy messages.
use crate::{
    Curve, DecodeError, KeyError, VerifyingKey,
    chain::{Chain, Payload, Transaction},
};

/// The `solana` clusters.
#[derive(Clone, Copy, Debug, Default)]
pub struct Solana;

impl Chain for Solana {
    fn namespace(&self) -> &str {
        "solana"
    }

    fn curve(&self) -> Curve {
        Curve::Ed25519
    }

    fn address(&self, key: &VerifyingKey) -> Result<String, KeyError> {
        if key.curve() != Curve::Ed25519 {
            return Err(KeyError::CurveMismatch { expected: Curve::Ed25519, actual: key.curve() });
        }
        Ok(bs58::encode(key.to_bytes()).into_string())
    }

    fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        Err(DecodeError::UnsupportedEncoding { namespace: "solana".into(), encoding: payload.encoding })
    }
}
