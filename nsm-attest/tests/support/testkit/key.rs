//! Keys of the testkit. **They protect nothing**: made for one run, never stored.

use aws_lc_rs::digest::{self, Digest, SHA256, SHA384};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm, KeyPair,
};

use super::der;

/// A key for certificates and documents, on P-384 but for one case.
pub struct Key {
    pair: EcdsaKeyPair,
    curve: &'static str,
}

impl Key {
    pub fn generate() -> Self {
        Self::generate_on(&ECDSA_P384_SHA384_FIXED_SIGNING, SECP384R1)
    }

    /// A key on another curve than Nitro's.
    pub fn generate_p256() -> Self {
        Self::generate_on(&ECDSA_P256_SHA256_FIXED_SIGNING, SECP256R1)
    }

    fn generate_on(algorithm: &'static EcdsaSigningAlgorithm, curve: &'static str) -> Self {
        Self { pair: EcdsaKeyPair::generate(algorithm).unwrap(), curve }
    }

    /// One of a simulated authority's keys.
    pub fn from_pkcs8(pkcs8: &[u8]) -> Self {
        Self { pair: EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pkcs8).unwrap(), curve: SECP384R1 }
    }

    /// The public key as an uncompressed point.
    pub fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The public key as an X.509 SubjectPublicKeyInfo.
    pub fn spki(&self) -> Vec<u8> {
        spki(self.curve, self.point())
    }

    /// r ‖ s over the digest of `message` that goes with the curve: SHA-384, unless it is P-256.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    /// r ‖ s over SHA-256 of `message`, on either curve. ECDSA signs a number, so zeros before it change nothing, and the library, which
    /// ties P-384 to SHA-384, takes it as a digest of that length.
    pub fn sign_sha256(&self, message: &[u8]) -> Vec<u8> {
        if self.curve == SECP256R1 {
            return self.sign(message);
        }
        let padded = [&[0; 16], digest::digest(&SHA256, message).as_ref()].concat();
        let digest = Digest::import_less_safe(&padded, &SHA384).unwrap();
        self.pair.sign_digest(&digest).unwrap().as_ref().to_vec()
    }
}

/// An SPKI of id-ecPublicKey on the named curve.
pub fn spki(curve: &str, point: &[u8]) -> Vec<u8> {
    let algorithm = der::sequence(&[&der::oid("1.2.840.10045.2.1"), &der::oid(curve)]);
    der::sequence(&[&algorithm, &der::bits(point)])
}

/// r ‖ s as the ASN.1 of X.509 (RFC 3279 §2.2.3).
pub fn to_asn1(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at(signature.len() / 2);
    der::sequence(&[&der::unsigned(r), &der::unsigned(s)])
}

/// `ORDER - scalar`, for a scalar below the order.
pub fn negate(scalar: &[u8]) -> Vec<u8> {
    let mut borrow = 0;
    let mut difference = vec![0; SCALAR_LEN];
    for at in (0..SCALAR_LEN).rev() {
        let (value, first) = ORDER[at].overflowing_sub(scalar[at]);
        let (value, second) = value.overflowing_sub(borrow);
        borrow = u8::from(first || second);
        difference[at] = value;
    }
    assert_eq!(borrow, 0, "the scalar is below the order");
    difference
}

const SECP256R1: &str = "1.2.840.10045.3.1.7";
pub const SECP384R1: &str = "1.3.132.0.34";
pub const SCALAR_LEN: usize = 48;
/// The order of P-384's base point (SEC 2 §2.5.1).
pub const ORDER: [u8; SCALAR_LEN] = [
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, //
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, //
    0x58, 0x1a, 0x0d, 0xb2, 0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
];
