//! The two forms of public key that a session knows, as the bytes they must have.

use rustls::SignatureScheme;

/// What kind of key a SubjectPublicKeyInfo holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KeyKind {
    Ed25519,
    P256,
}

impl KeyKind {
    /// Reads a SubjectPublicKeyInfo in its one DER form: a P-256 point uncompressed, or an ed25519 key.
    ///
    /// Everything before the key itself is compared byte for byte, so that no ASN.1 of a peer is parsed, and so that
    /// a key has one encoding and with it one identity.
    pub(super) fn of_spki(spki: &[u8]) -> Option<Self> {
        match spki.len() {
            P256_SPKI_LEN if spki.starts_with(BEFORE_P256) => Some(Self::P256),
            ED25519_SPKI_LEN if spki.starts_with(BEFORE_ED25519) => Some(Self::Ed25519),
            _ => None,
        }
    }

    /// The one signature scheme that a key of this kind signs with.
    pub(super) fn scheme(self) -> SignatureScheme {
        match self {
            Self::Ed25519 => SignatureScheme::ED25519,
            Self::P256 => SignatureScheme::ECDSA_NISTP256_SHA256,
        }
    }

    /// The SubjectPublicKeyInfo of a key given as its bare bytes.
    pub(super) fn to_spki(self, public_key: &[u8]) -> Vec<u8> {
        match self {
            // The point's first byte, which says that it is uncompressed, belongs to the prefix.
            Self::P256 => [&BEFORE_P256[..BEFORE_P256.len() - 1], public_key].concat(),
            Self::Ed25519 => [BEFORE_ED25519, public_key].concat(),
        }
    }
}

/// RFC 5480: id-ecPublicKey, prime256v1, BIT STRING of 65 bytes, uncompressed.
const BEFORE_P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
const P256_SPKI_LEN: usize = BEFORE_P256.len() + 64;
/// RFC 8410: id-Ed25519, BIT STRING of 32 bytes.
const BEFORE_ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";
const ED25519_SPKI_LEN: usize = BEFORE_ED25519.len() + 32;

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    use super::*;

    #[test]
    fn both_forms_are_those_that_the_cryptographic_library_writes() {
        let p256 = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let spki = KeyKind::P256.to_spki(p256.public_key().as_ref());
        assert_eq!(p256.public_key().as_der().unwrap().as_ref(), spki);
        assert_eq!(KeyKind::of_spki(&spki), Some(KeyKind::P256));
        let ed25519 = Ed25519KeyPair::generate().unwrap();
        let spki = KeyKind::Ed25519.to_spki(ed25519.public_key().as_ref());
        assert_eq!(ed25519.public_key().as_der().unwrap().as_ref(), spki);
        assert_eq!(KeyKind::of_spki(&spki), Some(KeyKind::Ed25519));
    }

    #[test]
    fn every_other_form_is_none() {
        let spki = KeyKind::P256.to_spki(&[&[4][..], &[7; 64]].concat());
        for len in 0..spki.len() {
            assert_eq!(KeyKind::of_spki(&spki[..len]), None, "{len} bytes");
        }
        assert_eq!(KeyKind::of_spki(&[&spki[..], &[0]].concat()), None);
        for at in 0..BEFORE_P256.len() {
            let mut changed = spki.clone();
            changed[at] ^= 1;
            assert_eq!(KeyKind::of_spki(&changed), None, "byte {at}");
        }
    }
}
