//! COSE_Sign1 (RFC 9052 §4.2): the wrapper around a document, and ECDSA P-384 under it.
//!
//! ```text
//! 84                 array of 4                     (optionally after d2, tag 18)
//!   44 a1 01 38 22   protected header: {alg: ES384}
//!   a0               unprotected header: {}
//!   59 xx xx …       payload: the document's fields as CBOR
//!   58 60 …          signature: r ‖ s
//! ```
//!
//! The signature covers the received header and payload bytes, never a re-encoding. Around them every byte is fixed: two
//! documents with one payload differ in tag 18 and in their signatures alone (of which ECDSA allows more than one).

use std::ops::Range;

use crate::cbor::{self, Argument, Reader};
use crate::error::Malformed;

/// The place of the payload within a COSE_Sign1 of the one shape that documents have.
pub(crate) fn payload_range(bytes: &[u8]) -> Result<Range<usize>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut outer = reader.head()?;
    if let (cbor::TAG, Argument::Value { value: tag, .. }) = (outer.major, outer.argument) {
        if tag != SIGN1_TAG {
            return Err(Malformed::UnexpectedTag { tag });
        }
        require_minimal(&outer)?;
        outer = reader.head()?;
    }
    if (outer.major, require_minimal(&outer)?) != (cbor::ARRAY, 4) {
        return Err(Malformed::NotCoseSign1);
    }
    if byte_string(&mut reader)? != PROTECTED_ES384 {
        return Err(Malformed::ProtectedHeader);
    }
    let unprotected = reader.head()?;
    if !matches!((unprotected.major, unprotected.argument), (cbor::MAP, Argument::Value { value: 0, minimal: true })) {
        return Err(Malformed::UnprotectedHeader);
    }
    let payload = byte_string(&mut reader)?.len();
    let end = reader.offset();
    match byte_string(&mut reader)?.len() {
        SIGNATURE_LEN => {}
        actual => return Err(Malformed::SignatureLength { actual }),
    }
    reader.finish()?;
    Ok(end - payload..end)
}

fn byte_string<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    let head = reader.head()?;
    if head.major != cbor::BYTES {
        return Err(Malformed::NotCoseSign1);
    }
    let len = require_minimal(&head)?;
    reader.string(&head, len)
}

fn require_minimal(head: &cbor::Head) -> Result<u64, Malformed> {
    match head.argument {
        Argument::Value { value, minimal: true } => Ok(value),
        Argument::Value { minimal: false, .. } => Err(Malformed::NonMinimalLength { offset: head.offset }),
        Argument::Indefinite => Err(Malformed::NotCoseSign1),
    }
}

#[cfg(feature = "sim")]
pub(crate) use verifying::AwsLcHash;
#[cfg(feature = "verify")]
pub(crate) use verifying::P384VerifyingKey;

#[cfg(feature = "verify")]
mod verifying {
    use aws_lc_rs::digest::{self, Context, Digest, SHA256, SHA384, SHA512};
    use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
    use aws_nitro_enclaves_cose::CoseSign1;
    use aws_nitro_enclaves_cose::crypto::{Hash, MessageDigest, SignatureAlgorithm, SigningPublicKey};
    use aws_nitro_enclaves_cose::error::CoseError;

    /// aws-lc's digests for the COSE library.
    pub(crate) struct AwsLcHash;

    impl Hash for AwsLcHash {
        fn hash(algorithm: MessageDigest, data: &[u8]) -> Result<Vec<u8>, CoseError> {
            let algorithm = match algorithm {
                MessageDigest::Sha256 => &SHA256,
                MessageDigest::Sha384 => &SHA384,
                MessageDigest::Sha512 => &SHA512,
            };
            Ok(digest::digest(algorithm, data).as_ref().to_vec())
        }
    }

    /// The key of an end-entity certificate: an uncompressed point of P-384.
    pub(crate) struct P384VerifyingKey {
        point: Vec<u8>,
    }

    impl P384VerifyingKey {
        /// Whether the point is on the curve shows when a signature is checked.
        pub(crate) const fn from_point(point: Vec<u8>) -> Self {
            Self { point }
        }

        /// Whether this key signed the COSE_Sign1 `document`, and `payload` is the payload it signed.
        pub(crate) fn has_signed(&self, document: &[u8], payload: &[u8]) -> bool {
            let key = BoundKey { key: self, signed: sig_structure_digest(payload) };
            CoseSign1::from_bytes(document).and_then(|sign1| sign1.verify_signature::<AwsLcHash>(&key)).unwrap_or(false)
        }

        pub(crate) fn verify_digest(&self, digest: &Digest, signature: &[u8]) -> bool {
            UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &self.point).verify_digest(digest, signature).is_ok()
        }
    }

    /// The key, for one payload: the COSE library reads the document by itself, and what it believes to be signed must be
    /// what this crate has read.
    struct BoundKey<'a> {
        key: &'a P384VerifyingKey,
        signed: Digest,
    }

    impl SigningPublicKey for BoundKey<'_> {
        fn get_parameters(&self) -> Result<(SignatureAlgorithm, MessageDigest), CoseError> {
            Ok((SignatureAlgorithm::ES384, MessageDigest::Sha384))
        }

        fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<bool, CoseError> {
            Ok(digest == self.signed.as_ref() && self.key.verify_digest(&self.signed, signature))
        }
    }

    /// SHA-384 of the Sig_structure (RFC 9052 §4.4): `["Signature1", protected header, h'', payload]`.
    fn sig_structure_digest(payload: &[u8]) -> Digest {
        let mut context = Context::new(&SHA384);
        context.update(b"\x84\x6aSignature1\x44");
        context.update(super::PROTECTED_ES384);
        context.update(b"\x40");
        // The head of a byte string in its shortest form.
        let len = payload.len() as u64;
        match len.to_be_bytes() {
            [0, 0, 0, 0, 0, 0, 0, len @ ..24] => context.update(&[0x40 + len]),
            [0, 0, 0, 0, 0, 0, 0, len] => context.update(&[0x58, len]),
            [0, 0, 0, 0, 0, 0, len @ ..] => context.update(&[&[0x59], &len[..]].concat()),
            [0, 0, 0, 0, len @ ..] => context.update(&[&[0x5a], &len[..]].concat()),
            len => context.update(&[&[0x5b], &len[..]].concat()),
        }
        context.update(payload);
        context.finish()
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_sig_structure_is_that_of_an_independent_encoder() {
            use ciborium::Value;
            for len in [0, 1, 23, 24, 255, 256, 4000, 65_535, 65_536] {
                let payload = vec![7; len];
                let structure = Value::Array(vec![
                    "Signature1".into(),
                    Value::Bytes(vec![0xa1, 0x01, 0x38, 0x22]),
                    Value::Bytes(vec![]),
                    Value::Bytes(payload.clone()),
                ]);
                let mut encoded = Vec::new();
                ciborium::into_writer(&structure, &mut encoded).unwrap();
                let expected = digest::digest(&SHA384, &encoded);
                assert_eq!(sig_structure_digest(&payload).as_ref(), expected.as_ref(), "{len} bytes");
            }
        }
    }
}

const SIGN1_TAG: u64 = 18;
/// {1: -35}: the algorithm is ES384.
const PROTECTED_ES384: &[u8] = b"\xa1\x01\x38\x22";
/// Two 48-byte integers.
pub(crate) const SIGNATURE_LEN: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;

    fn sign1(parts: [&[u8]; 5]) -> Vec<u8> {
        parts.concat()
    }

    const PROTECTED: &[u8] = b"\x44\xa1\x01\x38\x22";

    fn signature() -> Vec<u8> {
        [&[0x58, 96][..], &[7; 96]].concat()
    }

    #[test]
    fn the_payload_is_found_with_and_without_the_tag() {
        let untagged = sign1([b"\x84", PROTECTED, b"\xa0", b"\x43abc", &signature()]);
        assert_eq!(payload_range(&untagged).map(|range| untagged[range].to_vec()), Ok(b"abc".to_vec()));
        let tagged = [&[0xd2], &untagged[..]].concat();
        assert_eq!(payload_range(&tagged).map(|range| tagged[range].to_vec()), Ok(b"abc".to_vec()));
    }

    #[test]
    fn every_other_shape_has_its_own_defect() {
        let signature = signature();
        let cases: &[([&[u8]; 5], Malformed)] = &[
            ([b"\xd1\x84", PROTECTED, b"\xa0", b"\x40", &signature], Malformed::UnexpectedTag { tag: 17 }),
            ([b"\xd2\xd2\x84", PROTECTED, b"\xa0", b"\x40", &signature], Malformed::NotCoseSign1),
            ([b"\xd8\x12\x84", PROTECTED, b"\xa0", b"\x40", &signature], Malformed::NonMinimalLength { offset: 0 }),
            ([b"\x83", PROTECTED, b"\xa0", b"\x40", &signature], Malformed::NotCoseSign1),
            ([b"\x9f", PROTECTED, b"\xa0", b"\x40", &signature], Malformed::NotCoseSign1),
            ([b"\x98\x04", PROTECTED, b"\xa0", b"\x40", &signature], Malformed::NonMinimalLength { offset: 0 }),
            ([b"\x84", b"\x43\xa1\x01\x26", b"\xa0", b"\x40", &signature], Malformed::ProtectedHeader),
            ([b"\x84", b"\x40", b"\xa0", b"\x40", &signature], Malformed::ProtectedHeader),
            ([b"\x84", b"\x64\xa1\x01\x38\x22", b"\xa0", b"\x40", &signature], Malformed::NotCoseSign1),
            ([b"\x84", PROTECTED, b"\xa1\x04\x40", b"\x40", &signature], Malformed::UnprotectedHeader),
            ([b"\x84", PROTECTED, b"\xbf\xff", b"\x40", &signature], Malformed::UnprotectedHeader),
            ([b"\x84", PROTECTED, b"\xf6", b"\x40", &signature], Malformed::UnprotectedHeader),
            ([b"\x84", PROTECTED, b"\xa0", b"\xf6", &signature], Malformed::NotCoseSign1),
            ([b"\x84", PROTECTED, b"\xa0", b"\x58\x01a", &signature], Malformed::NonMinimalLength { offset: 7 }),
            ([b"\x84", PROTECTED, b"\xa0", b"\x40", b"\x40"], Malformed::SignatureLength { actual: 0 }),
            ([b"\x84", PROTECTED, b"\xa0", b"\x40", &signature[..50]], Malformed::Truncated { offset: 8 }),
        ];
        for (parts, expected) in cases {
            assert_eq!(payload_range(&sign1(*parts)).as_ref(), Err(expected), "{parts:02x?}");
        }
        let trailing = sign1([b"\x84", PROTECTED, b"\xa0", b"\x40", &[&signature[..], &[0]].concat()]);
        assert_eq!(payload_range(&trailing), Err(Malformed::TrailingBytes { count: 1 }));
    }
}
