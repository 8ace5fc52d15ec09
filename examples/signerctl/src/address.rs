//! A public key's address on its chain.

use chain_signers::{Curve, KeyError, Registry, VerifyingKey};

/// The address of a key of `family`, or why there is none.
pub(crate) fn of_key(family: &str, curve: Curve, public_key: &[u8]) -> Result<String, String> {
    let registry = Registry::with_enabled_chains();
    let chain = registry.get(family).ok_or_else(|| format!("unknown for family {family}"))?;
    VerifyingKey::from_bytes(curve, public_key)
        .and_then(|verifying_key| chain.address(&verifying_key))
        .map_err(|error: KeyError| error.to_string())
}
