//! A document's signature as the COSE library sees it, which reads the document by itself.
#![allow(clippy::unwrap_used, unreachable_pub, reason = "a helper of tests")]

use aws_lc_rs::digest::{self, Digest, SHA384};
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
use aws_nitro_enclaves_cose::CoseSign1;
use aws_nitro_enclaves_cose::crypto::{Hash, MessageDigest, SignatureAlgorithm, SigningPublicKey};
use aws_nitro_enclaves_cose::error::CoseError;
use der::Decode as _;
use nsm_attest::UnverifiedDocument;
use x509_cert::Certificate;

/// The payload that the document's certificate signed, if it did.
pub fn signed_payload(document: &UnverifiedDocument) -> Result<Vec<u8>, CoseError> {
    let certificate = Certificate::from_der(&document.unverified().certificate).unwrap();
    let spki = certificate.tbs_certificate().subject_public_key_info();
    let key = Key(spki.subject_public_key.raw_bytes().to_vec());
    CoseSign1::from_bytes(document.as_bytes())?.get_payload::<Sha384>(Some(&key))
}

struct Key(Vec<u8>);

impl SigningPublicKey for Key {
    fn get_parameters(&self) -> Result<(SignatureAlgorithm, MessageDigest), CoseError> {
        Ok((SignatureAlgorithm::ES384, MessageDigest::Sha384))
    }

    fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<bool, CoseError> {
        let digest = Digest::import_less_safe(digest, &SHA384).unwrap();
        Ok(UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &self.0).verify_digest(&digest, signature).is_ok())
    }
}

struct Sha384;

impl Hash for Sha384 {
    fn hash(_: MessageDigest, data: &[u8]) -> Result<Vec<u8>, CoseError> {
        Ok(digest::digest(&SHA384, data).as_ref().to_vec())
    }
}
