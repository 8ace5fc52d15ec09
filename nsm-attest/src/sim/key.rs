//! P-384 keys of the simulator, for certificates and for COSE.

use std::fmt;

use aws_lc_rs::digest::{Digest, SHA384};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use aws_nitro_enclaves_cose::crypto::{MessageDigest, SignatureAlgorithm, SigningPrivateKey, SigningPublicKey};
use aws_nitro_enclaves_cose::error::CoseError;
use zeroize::Zeroizing;

use super::SimError;
use crate::cose::P384VerifyingKey;

/// A private key that protects nothing: simulation only.
pub(super) struct SimulatedKey {
    pkcs8: Zeroizing<Vec<u8>>,
    /// Certificates carry signatures as ASN.1, COSE as r ‖ s; aws-lc-rs fixes the form with the key.
    for_certificates: EcdsaKeyPair,
    for_cose: EcdsaKeyPair,
}

impl SimulatedKey {
    pub(super) fn generate() -> Result<Self, SimError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, &SystemRandom::new())?;
        Self::from_pkcs8(document.as_ref())
    }

    pub(super) fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, SimError> {
        Ok(Self {
            pkcs8: Zeroizing::new(pkcs8.to_vec()),
            for_certificates: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_ASN1_SIGNING, pkcs8)?,
            for_cose: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8)?,
        })
    }

    pub(super) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }
}

impl fmt::Debug for SimulatedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedKey").finish_non_exhaustive()
    }
}

impl rcgen::PublicKeyData for SimulatedKey {
    fn der_bytes(&self) -> &[u8] {
        self.for_certificates.public_key().as_ref()
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &rcgen::PKCS_ECDSA_P384_SHA384
    }
}

impl rcgen::SigningKey for SimulatedKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature = self.for_certificates.sign(&SystemRandom::new(), message);
        signature.map(|signature| signature.as_ref().to_vec()).map_err(|_| rcgen::Error::RemoteKeyError)
    }
}

impl SigningPublicKey for SimulatedKey {
    fn get_parameters(&self) -> Result<(SignatureAlgorithm, MessageDigest), CoseError> {
        Ok((SignatureAlgorithm::ES384, MessageDigest::Sha384))
    }

    fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<bool, CoseError> {
        let key = P384VerifyingKey::from_point(self.for_cose.public_key().as_ref().to_vec());
        Ok(key.verify_digest(&import(digest)?, signature))
    }
}

impl SigningPrivateKey for SimulatedKey {
    fn sign(&self, digest: &[u8]) -> Result<Vec<u8>, CoseError> {
        let signature =
            self.for_cose.sign_digest(&import(digest)?).map_err(|error| CoseError::SignatureError(error.into()))?;
        Ok(signature.as_ref().to_vec())
    }
}

fn import(digest: &[u8]) -> Result<Digest, CoseError> {
    Digest::import_less_safe(digest, &SHA384).map_err(|error| CoseError::HashingError(error.into()))
}
