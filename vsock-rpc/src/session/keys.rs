//! [`SessionKeys`], the server's, and [`ClientKey`].

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{AlwaysResolvesServerRawPublicKeys, ResolvesServerCert};
use zeroize::Zeroizing;

use super::key_pair::{KeyError, KeyPair};
use super::spki::KeyKind;
use crate::transport::PeerIdentity;

/// The key with which a server proves, in every handshake, that it is the enclave its evidence speaks of: P-256, made
/// here and never outside this process. Clones share it.
///
/// [`rotate`](Self::rotate) makes another for the sessions that begin from then on.
#[derive(Clone)]
pub struct SessionKeys {
    current: Arc<RwLock<Arc<ServerKey>>>,
}

impl SessionKeys {
    /// Makes the first key.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate() -> Result<Self, KeyError> {
        let key = Arc::new(ServerKey::generate()?);
        Ok(Self { current: Arc::new(RwLock::new(key)) })
    }

    /// Makes another key for new sessions, and tells its identity.
    ///
    /// Sessions that have begun, opening or open, keep the key they began with, and evidence for them is made over
    /// that one. It is wiped when the last of them ends. Evidence cached for it is not served any more.
    ///
    /// # Errors
    /// [`KeyError::Generation`]; the old key then stays.
    pub fn rotate(&self) -> Result<PeerIdentity, KeyError> {
        let key = Arc::new(ServerKey::generate()?);
        let identity = key.identity();
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = key;
        Ok(identity)
    }

    /// The identity of the key for new sessions.
    #[must_use]
    pub fn identity(&self) -> PeerIdentity {
        self.current().identity()
    }

    /// The SubjectPublicKeyInfo (DER) of the key for new sessions.
    #[must_use]
    pub fn public_key(&self) -> Vec<u8> {
        self.current().spki().to_vec()
    }

    pub(super) fn current(&self) -> Arc<ServerKey> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for SessionKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionKeys").field("identity", &self.identity()).finish_non_exhaustive()
    }
}

/// One key of a server, ready for handshakes.
#[derive(Debug)]
pub(super) struct ServerKey {
    pair: KeyPair,
    resolver: Arc<AlwaysResolvesServerRawPublicKeys>,
}

impl ServerKey {
    fn generate() -> Result<Self, KeyError> {
        let pair = KeyPair::generate(KeyKind::P256)?;
        let resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(pair.certified()));
        Ok(Self { pair, resolver })
    }

    pub(super) fn identity(&self) -> PeerIdentity {
        self.pair.identity()
    }

    pub(super) fn spki(&self) -> &[u8] {
        self.pair.spki()
    }

    pub(super) fn resolver(&self) -> Arc<dyn ResolvesServerCert> {
        Arc::clone(&self.resolver) as Arc<dyn ResolvesServerCert>
    }
}

/// The key by which a client is known: P-256 or ed25519. Clones share it.
///
/// Its [`identity`](Self::identity) is what handlers see in [`CallContext::peer`](crate::CallContext::peer).
///
/// ```
/// use vsock_rpc::session::ClientKey;
///
/// let key = ClientKey::generate_ed25519()?;
/// let stored = key.to_pkcs8()?; // wiped when dropped
/// assert_eq!(ClientKey::from_pkcs8(&stored)?.identity(), key.identity());
/// # Ok::<(), vsock_rpc::session::KeyError>(())
/// ```
#[derive(Clone)]
pub struct ClientKey {
    pair: KeyPair,
}

impl ClientKey {
    /// Makes a P-256 key.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate_p256() -> Result<Self, KeyError> {
        Ok(Self { pair: KeyPair::generate(KeyKind::P256)? })
    }

    /// Makes an ed25519 key.
    ///
    /// # Errors
    /// [`KeyError::Generation`].
    pub fn generate_ed25519() -> Result<Self, KeyError> {
        Ok(Self { pair: KeyPair::generate(KeyKind::Ed25519)? })
    }

    /// Reads a P-256 or ed25519 private key in PKCS#8 (DER), for instance one that
    /// `openssl genpkey -algorithm ed25519 -outform DER` made. Wiping `der` is up to the caller.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] for everything else.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { pair: KeyPair::from_pkcs8(der)? })
    }

    /// The private key in PKCS#8 (DER), to be stored.
    ///
    /// # Security
    /// Whoever has these bytes is this client.
    ///
    /// # Errors
    /// [`KeyError::Export`].
    pub fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.pair.to_pkcs8()
    }

    /// Who a server takes this client for.
    #[must_use]
    pub fn identity(&self) -> PeerIdentity {
        self.pair.identity()
    }

    /// The SubjectPublicKeyInfo, DER.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.pair.spki()
    }

    pub(super) fn pair(&self) -> &KeyPair {
        &self.pair
    }
}

impl fmt::Debug for ClientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientKey").field("identity", &self.identity()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_pkcs8_and_nothing_else_is_read() {
        for key in [ClientKey::generate_p256().unwrap(), ClientKey::generate_ed25519().unwrap()] {
            let der = key.to_pkcs8().unwrap();
            let again = ClientKey::from_pkcs8(&der).unwrap();
            assert_eq!(again.public_key(), key.public_key());
            for len in 0..der.len() {
                assert_eq!(ClientKey::from_pkcs8(&der[..len]).map(drop), Err(KeyError::Malformed));
            }
        }
        let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).unwrap();
        assert_eq!(ClientKey::from_pkcs8(p384.serialized_der()).map(drop), Err(KeyError::Malformed));
    }

    #[test]
    fn keys_that_others_made_are_read() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ED25519] {
            let made = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let read = ClientKey::from_pkcs8(made.serialized_der()).unwrap();
            assert_eq!(read.public_key(), rcgen::PublicKeyData::subject_public_key_info(&made));
        }
    }

    #[test]
    fn debug_shows_identities_and_no_keys() {
        let key = ClientKey::generate_ed25519().unwrap();
        let keys = SessionKeys::generate().unwrap();
        assert_eq!(format!("{key:?}"), format!("ClientKey {{ identity: {:?}, .. }}", key.identity()));
        assert_eq!(format!("{keys:?}"), format!("SessionKeys {{ identity: {:?}, .. }}", keys.identity()));
        assert_eq!(format!("{:?}", key.pair()), format!("KeyPair {{ identity: {:?}, .. }}", key.identity()));
    }
}
