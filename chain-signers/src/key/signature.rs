use std::fmt;

use crate::{Curve, KeyError};

/// A signature: for ECDSA on secp256k1 always with low S.
///
/// ```
/// use chain_signers::{Curve, Signature};
///
/// assert!(Signature::from_bytes(Curve::Secp256k1, &[0; 64], None).is_err(), "zero is not a scalar of a signature");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature(Repr);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Repr {
    Secp256k1 { scalars: [u8; 64], recovery_id: Option<RecoveryId> },
    Schnorr([u8; 64]),
    Ed25519([u8; 64]),
}

impl Signature {
    /// Reads 64 bytes: r‖s of ECDSA, big-endian, for secp256k1, R‖s for ed25519. This parses and does not verify: for
    /// ed25519 any 64 bytes pass here, and strict verification later refuses what is not canonical.
    ///
    /// `recovery_id` belongs to secp256k1 and may be left out there; for ed25519 it must be `None`.
    ///
    /// # Errors
    /// [`KeyError::Length`] or [`KeyError::InvalidSignature`]: a scalar is out of range, S is high, or ed25519 has a
    /// recovery id.
    pub fn from_bytes(curve: Curve, bytes: &[u8], recovery_id: Option<RecoveryId>) -> Result<Self, KeyError> {
        let bytes = sixty_four(bytes)?;
        let invalid = KeyError::InvalidSignature { curve };
        match curve {
            Curve::Secp256k1 => {
                let parsed = k256::ecdsa::Signature::from_slice(&bytes).map_err(|_| invalid.clone())?;
                if parsed.normalize_s() != parsed {
                    return Err(invalid);
                }
                Ok(Self(Repr::Secp256k1 { scalars: bytes, recovery_id }))
            }
            Curve::Ed25519 if recovery_id.is_none() => Ok(Self(Repr::Ed25519(bytes))),
            Curve::Ed25519 => Err(invalid),
        }
    }

    /// Reads a Schnorr signature on secp256k1 (BIP-340): the x of R, then s, each 32 bytes big-endian. This does not verify.
    ///
    /// # Errors
    /// [`KeyError::Length`], or [`KeyError::InvalidSignature`] if a number is out of range.
    pub fn from_schnorr_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = sixty_four(bytes)?;
        match k256::schnorr::Signature::from_bytes(&bytes) {
            Ok(_) => Ok(Self(Repr::Schnorr(bytes))),
            Err(_) => Err(KeyError::InvalidSignature { curve: Curve::Secp256k1 }),
        }
    }

    /// Whether it is a Schnorr signature (BIP-340) and not ECDSA or ed25519.
    pub fn is_schnorr(&self) -> bool {
        matches!(self.0, Repr::Schnorr(_))
    }

    /// The curve it is on.
    pub fn curve(&self) -> Curve {
        match self.0 {
            Repr::Secp256k1 { .. } | Repr::Schnorr(_) => Curve::Secp256k1,
            Repr::Ed25519(_) => Curve::Ed25519,
        }
    }

    /// r‖s big-endian for ECDSA, x of R and s for Schnorr, R‖s for ed25519.
    pub fn to_bytes(&self) -> [u8; 64] {
        match self.0 {
            Repr::Secp256k1 { scalars, .. } | Repr::Schnorr(scalars) | Repr::Ed25519(scalars) => scalars,
        }
    }

    /// Which of the public keys that fit an ECDSA signature made it.
    pub fn recovery_id(&self) -> Option<RecoveryId> {
        match self.0 {
            Repr::Secp256k1 { recovery_id, .. } => recovery_id,
            Repr::Schnorr(_) | Repr::Ed25519(_) => None,
        }
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signature")
            .field("curve", &self.curve())
            .field("bytes", &hex::encode(self.to_bytes()))
            .field("recovery_id", &self.recovery_id())
            .finish()
    }
}

fn sixty_four(bytes: &[u8]) -> Result<[u8; 64], KeyError> {
    bytes.try_into().map_err(|_| KeyError::Length { what: "a signature", expected: 64, actual: bytes.len() })
}

/// Which of up to four public keys that fit an ECDSA signature and hash is the signer's (SEC 1, 4.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RecoveryId(u8);

impl RecoveryId {
    /// From 0 to 3.
    pub const fn from_byte(byte: u8) -> Option<Self> {
        if byte < 4 { Some(Self(byte)) } else { None }
    }

    /// From the parity of the ephemeral point's y, its x being below the group order.
    pub const fn from_parity(is_y_odd: bool) -> Self {
        Self(is_y_odd as u8)
    }

    /// From 0 to 3.
    pub const fn to_byte(self) -> u8 {
        self.0
    }

    /// Whether the ephemeral point's y is odd.
    pub const fn is_y_odd(self) -> bool {
        self.0 & 1 == 1
    }

    /// Whether the ephemeral point's x was beyond the group order.
    pub const fn is_x_reduced(self) -> bool {
        self.0 & 2 == 2
    }

    /// Not a `From`: that would make `k256` a part of the public API.
    pub(crate) fn to_k256(self) -> k256::ecdsa::RecoveryId {
        k256::ecdsa::RecoveryId::new(self.is_y_odd(), self.is_x_reduced())
    }
}
