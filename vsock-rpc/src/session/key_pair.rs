//! [`KeyPair`]: a private key that signs handshakes, and its public half.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};
use rustls::pki_types::{CertificateDer, SubjectPublicKeyInfoDer};
use rustls::sign::{CertifiedKey, Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use zeroize::Zeroizing;

use super::spki::KeyKind;
use crate::transport::PeerIdentity;

/// A P-256 or ed25519 key. It lives in AWS-LC's memory, which AWS-LC wipes when it frees it; clones share it.
#[derive(Clone)]
pub(super) struct KeyPair {
    private: Arc<Private>,
    spki: Arc<[u8]>,
    identity: PeerIdentity,
}

enum Private {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
}

impl KeyPair {
    pub(super) fn generate(kind: KeyKind) -> Result<Self, KeyError> {
        let private = match kind {
            KeyKind::Ed25519 => Ed25519KeyPair::generate().map(Private::Ed25519),
            KeyKind::P256 => EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map(Private::P256),
        };
        private.map(Self::new).map_err(|_| KeyError::Generation)
    }

    pub(super) fn from_pkcs8(der: &[u8]) -> Result<Self, KeyError> {
        let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der).map(Private::P256);
        let private = p256.or_else(|_| Ed25519KeyPair::from_pkcs8(der).map(Private::Ed25519));
        private.map(Self::new).map_err(|_| KeyError::Malformed)
    }

    pub(super) fn to_pkcs8(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let document = match &*self.private {
            Private::Ed25519(key) => key.to_pkcs8(),
            Private::P256(key) => key.to_pkcs8v1(),
        };
        // The document wipes itself.
        document.map(|document| Zeroizing::new(document.as_ref().to_vec())).map_err(|_| KeyError::Export)
    }

    /// The SubjectPublicKeyInfo, DER.
    pub(super) fn spki(&self) -> &Arc<[u8]> {
        &self.spki
    }

    pub(super) fn identity(&self) -> PeerIdentity {
        self.identity
    }

    /// The key as rustls takes it; what it calls a certificate is the raw public key.
    pub(super) fn certified(&self) -> Arc<CertifiedKey> {
        let raw_key = CertificateDer::from(self.spki.to_vec());
        Arc::new(CertifiedKey::new(vec![raw_key], Arc::new(self.clone())))
    }

    fn new(private: Private) -> Self {
        let spki: Arc<[u8]> = match &private {
            Private::Ed25519(key) => KeyKind::Ed25519.to_spki(key.public_key().as_ref()),
            Private::P256(key) => KeyKind::P256.to_spki(key.public_key().as_ref()),
        }
        .into();
        let identity = PeerIdentity::of_public_key(&spki);
        Self { private: Arc::new(private), spki, identity }
    }

    fn kind(&self) -> KeyKind {
        match &*self.private {
            Private::Ed25519(_) => KeyKind::Ed25519,
            Private::P256(_) => KeyKind::P256,
        }
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl SigningKey for KeyPair {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&self.kind().scheme()).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(SubjectPublicKeyInfoDer::from(&*self.spki))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        match self.kind() {
            KeyKind::Ed25519 => SignatureAlgorithm::ED25519,
            KeyKind::P256 => SignatureAlgorithm::ECDSA,
        }
    }
}

impl Signer for KeyPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let signature = match &*self.private {
            Private::Ed25519(key) => key.try_sign(message),
            Private::P256(key) => key.sign(&SystemRandom::new(), message),
        };
        let failed = |_| rustls::Error::General("signing failed".to_owned());
        signature.map(|signature| signature.as_ref().to_vec()).map_err(failed)
    }

    fn scheme(&self) -> SignatureScheme {
        self.kind().scheme()
    }
}

/// Why there is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The cryptographic library could not encode it.
    #[error("the key could not be encoded")]
    Export,
    /// The cryptographic library could not make it.
    #[error("the key could not be generated")]
    Generation,
    /// The bytes are not PKCS#8 of a P-256 or an ed25519 private key.
    #[error("not a P-256 or ed25519 private key in PKCS#8")]
    Malformed,
}
