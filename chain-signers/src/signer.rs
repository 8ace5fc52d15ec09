use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    sync::Arc,
};

use crate::{
    Chain, ChainId, DecodeError, Encoding, Payload, SignError, SignedTransaction, SigningKey, Transaction,
    VerifyingKey, chain_id::is_namespace, error::short, hazmat,
};

/// A chain and a key: signs decoded transactions of that chain.
///
/// It does not ask whether a transaction *may* be signed: evaluate a [`Policy`](crate::policy::Policy) first.
pub struct ChainSigner {
    chain: Arc<dyn Chain>,
    key: SigningKey,
    verifying_key: VerifyingKey,
    address: String,
}

impl ChainSigner {
    /// Joins a chain and a key.
    ///
    /// # Errors
    /// [`SignError::CurveMismatch`] if the chain's keys are on another curve; [`SignError::Key`] if the key has no
    /// address there.
    pub fn new(chain: Arc<dyn Chain>, key: SigningKey) -> Result<Self, SignError> {
        if chain.curve() != key.curve() {
            return Err(SignError::CurveMismatch { expected: chain.curve(), actual: key.curve() });
        }
        let verifying_key = key.verifying_key();
        let address = chain.address(&verifying_key)?;
        Ok(Self { chain, key, verifying_key, address })
    }

    /// The chain.
    pub fn chain(&self) -> &dyn Chain {
        self.chain.as_ref()
    }

    /// The public half of the key.
    pub fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying_key
    }

    /// The key's address on the chain.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Decodes a payload for this key: [`Chain::decode`], told who signs, or [`hazmat::decode_prehash`] for a hash.
    ///
    /// # Errors
    /// [`DecodeError`] names the field, what was expected and what was found.
    pub fn decode(&self, payload: &Payload<'_>) -> Result<Box<dyn Transaction>, DecodeError> {
        let payload = payload.for_signer(&self.verifying_key);
        match payload.encoding {
            Encoding::Prehash => hazmat::decode_prehash(self.chain(), &payload),
            _ => self.chain.decode(&payload),
        }
    }

    /// Signs; every signature is verified before it is used.
    ///
    /// # Errors
    /// [`SignError`]: the transaction is for another kind of chain or another signer, or the machine miscalculated.
    pub fn sign(&self, transaction: &dyn Transaction) -> Result<SignedTransaction, SignError> {
        let chain_id = &transaction.summary().chain_id;
        if chain_id.namespace() != self.chain.namespace() {
            let expected = self.chain.namespace().to_owned();
            return Err(SignError::NamespaceMismatch { expected, actual: chain_id.clone() });
        }
        let payloads = transaction.signing_payloads(&self.verifying_key)?;
        let signatures = payloads.iter().map(|payload| self.key.sign(payload)).collect::<Result<Vec<_>, _>>()?;
        transaction.assemble(&self.verifying_key, &signatures)
    }
}

/// Stops compiling if a signer can no longer be shared between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<ChainSigner>();
};

impl fmt::Debug for ChainSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChainSigner")
            .field("chain", &self.chain)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// The chains that are known, by CAIP-2 namespace.
///
/// ```
/// use chain_signers::Registry;
///
/// let registry = Registry::with_enabled_chains();
/// # #[cfg(feature = "evm")]
/// assert!(registry.get("eip155").is_some());
/// assert!(registry.get("unheard").is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Registry {
    chains: BTreeMap<String, Arc<dyn Chain>>,
}

impl Registry {
    /// No chains.
    pub fn new() -> Self {
        Self::default()
    }

    /// The chains whose features are on.
    pub fn with_enabled_chains() -> Self {
        let registry = Self::new();
        #[cfg(feature = "aptos")]
        let registry = registry.with(crate::aptos::Aptos);
        #[cfg(feature = "bitcoin")]
        let registry = registry.with(crate::bitcoin::Bitcoin::default());
        #[cfg(feature = "cosmos")]
        let registry = registry.with(crate::cosmos::Cosmos);
        #[cfg(feature = "evm")]
        let registry = registry.with(crate::evm::Evm);
        #[cfg(feature = "near")]
        let registry = registry.with(crate::near::Near);
        #[cfg(feature = "solana")]
        let registry = registry.with(crate::solana::Solana);
        #[cfg(feature = "stellar")]
        let registry = registry.with(crate::stellar::Stellar);
        #[cfg(feature = "sui")]
        let registry = registry.with(crate::sui::Sui);
        #[cfg(feature = "tron")]
        let registry = registry.with(crate::tron::Tron);
        registry
    }

    /// Adds a chain.
    ///
    /// # Errors
    /// [`RegistryError`]: its namespace is taken, so that no registration silently replaces another, or outside CAIP-2.
    pub fn register(&mut self, chain: Arc<dyn Chain>) -> Result<(), RegistryError> {
        let namespace = chain.namespace().to_owned();
        if !is_namespace(&namespace) {
            return Err(RegistryError::InvalidNamespace { namespace });
        }
        match self.chains.entry(namespace) {
            Entry::Occupied(entry) => Err(RegistryError::NamespaceTaken { namespace: entry.key().clone() }),
            Entry::Vacant(entry) => {
                entry.insert(chain);
                Ok(())
            }
        }
    }

    #[cfg(any(
        feature = "aptos",
        feature = "bitcoin",
        feature = "cosmos",
        feature = "evm",
        feature = "near",
        feature = "solana",
        feature = "stellar",
        feature = "sui",
        feature = "tron"
    ))]
    fn with(mut self, chain: impl Chain + 'static) -> Self {
        self.chains.insert(chain.namespace().to_owned(), Arc::new(chain));
        self
    }

    /// The chain of a namespace.
    pub fn get(&self, namespace: &str) -> Option<&Arc<dyn Chain>> {
        self.chains.get(namespace)
    }

    /// The chain that an id belongs to.
    pub fn for_chain_id(&self, chain_id: &ChainId) -> Option<&Arc<dyn Chain>> {
        self.get(chain_id.namespace())
    }

    /// The namespaces, sorted.
    pub fn namespaces(&self) -> impl Iterator<Item = &str> {
        self.chains.keys().map(String::as_str)
    }
}

/// Why a chain was not registered.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// The namespace is outside CAIP-2.
    #[error("\"{}\" is not a CAIP-2 namespace", short(.namespace))]
    InvalidNamespace {
        /// The namespace.
        namespace: String,
    },
    /// Another chain has the namespace.
    #[error("the namespace {} is taken", short(.namespace))]
    NamespaceTaken {
        /// The namespace.
        namespace: String,
    },
}
