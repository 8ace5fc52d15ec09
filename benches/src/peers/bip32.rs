//! RustCrypto's bip32, which computes the public key of every level for the fingerprint of the next.

use bip32::{DerivationPath, XPrv};

use crate::attested::Failure;
use crate::signing::derived::{Derived, PATH};

/// The path, as the crate has it.
#[derive(Debug)]
pub struct Bip32 {
    path: DerivationPath,
}

impl Bip32 {
    /// The path of [`Derived`].
    ///
    /// # Errors
    /// If the crate does not read it.
    pub fn new() -> Result<Self, Failure> {
        Ok(Self { path: PATH.parse()? })
    }

    /// Derives what `derived` does.
    ///
    /// # Errors
    /// Those of the crate, or another key.
    pub fn derive(&self, derived: &Derived) -> Result<(), Failure> {
        let key = XPrv::derive_from_path(derived.seed.as_secret_bytes(), &self.path)?;
        derived.check(&key.to_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_derives_the_same() {
        Bip32::new().unwrap().derive(&Derived::new().unwrap()).unwrap();
    }
}
