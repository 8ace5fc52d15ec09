use std::fmt;

use super::{ChildNumber, DerivationPath, DeriveError, ExtendedSigningKey, Seed};
use crate::{ChangeKeys, Curve, VerifyingKey};

/// The keys one level below some paths of a seed, up to an index: where a wallet pays its change (BIP-44's chain 1).
///
/// The indices are bounded because a wallet looks for its coins at the first few: change that somebody sends to index
/// 2,000,000,000 is the wallet's, but not found again.
///
/// ```
/// use chain_signers::{ChangeKeys, hd::{ChangePaths, Mnemonic}};
///
/// let words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";
/// let seed = Mnemonic::from_phrase(words)?.to_seed("");
/// let change = ChangePaths::new(&seed, ["m/84'/0'/0'/1".parse()?], 1000)?;
/// let hardened = |number: u32| number | 1 << 31;
/// assert!(change.key_at(&[hardened(84), hardened(0), hardened(0), 1, 0]).is_some());
/// assert!(change.key_at(&[hardened(84), hardened(0), hardened(0), 0, 0]).is_none(), "where payments are received");
/// assert!(change.key_at(&[hardened(84), hardened(0), hardened(0), 1, 1001]).is_none(), "too far");
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
pub struct ChangePaths {
    parents: Vec<(Vec<u32>, ExtendedSigningKey)>,
    max_index: u32,
}

impl ChangePaths {
    /// The unhardened children 0 to `max_index` of each of `parents`, on secp256k1.
    ///
    /// # Errors
    /// [`DeriveError`] if there is no key at one of the paths.
    pub fn new(
        seed: &Seed,
        parents: impl IntoIterator<Item = DerivationPath>,
        max_index: u32,
    ) -> Result<Self, DeriveError> {
        let derive = |path: DerivationPath| {
            let numbers = path.child_numbers().iter().map(|number| number.to_bits()).collect();
            Ok((numbers, ExtendedSigningKey::derive(Curve::Secp256k1, seed, &path)?))
        };
        Ok(Self { parents: parents.into_iter().map(derive).collect::<Result<_, _>>()?, max_index })
    }
}

impl ChangeKeys for ChangePaths {
    fn key_at(&self, path: &[u32]) -> Option<VerifyingKey> {
        let (index, parent) = path.split_last()?;
        let (_, key) = self.parents.iter().find(|(numbers, _)| numbers == parent)?;
        let index = ChildNumber::normal(*index).filter(|_| *index <= self.max_index)?;
        Some(key.child(index).ok()?.signing_key().ok()?.verifying_key())
    }
}

/// The keys are private ones.
impl fmt::Debug for ChangePaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChangePaths").field("max_index", &self.max_index).finish_non_exhaustive()
    }
}
