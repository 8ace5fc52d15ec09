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
//!
//! The NSM that QEMU emulates (`hw/virtio/virtio-nsm.c`) does not sign, and says so: its header is `43 a1 01 20`, algorithm
//! -1, and its signature 64 zeros.

use std::ops::Range;

#[cfg(feature = "verify")]
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED, UnparsedPublicKey};
#[cfg(feature = "verify")]
use aws_nitro_enclaves_cose::sign::SigStructure;

use crate::cbor::{self, Argument, Reader};
use crate::error::Malformed;

/// The place of the payload within a COSE_Sign1 of the one shape that documents have. The signature is at its end:
/// [`SIGNATURE_LEN`] bytes.
pub(crate) fn payload_range(bytes: &[u8]) -> Result<Range<usize>, Malformed> {
    let wrapper = read(bytes)?;
    if wrapper.is_signed { Ok(wrapper.payload) } else { Err(Malformed::Unsigned) }
}

/// A COSE_Sign1 that is signed, or says that it is not.
pub(crate) struct Wrapper<'a> {
    pub(crate) payload: Range<usize>,
    /// Whether the header names ES384.
    is_signed: bool,
    /// What stands where the signature does.
    #[cfg_attr(not(feature = "sim"), expect(dead_code, reason = "the simulation's alone"))]
    pub(crate) last: &'a [u8],
}

impl Wrapper<'_> {
    /// Whether the header names an algorithm at all.
    #[cfg(feature = "sim")]
    pub(crate) const fn claims_signature(&self) -> bool {
        self.is_signed
    }
}

/// Reads a COSE_Sign1, signed or not.
pub(crate) fn read(bytes: &[u8]) -> Result<Wrapper<'_>, Malformed> {
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
    let is_signed = match byte_string(&mut reader)? {
        PROTECTED_ES384 => true,
        PROTECTED_UNSIGNED => false,
        _ => return Err(Malformed::ProtectedHeader),
    };
    let unprotected = reader.head()?;
    if !matches!((unprotected.major, unprotected.argument), (cbor::MAP, Argument::Value { value: 0, minimal: true })) {
        return Err(Malformed::UnprotectedHeader);
    }
    let payload = byte_string(&mut reader)?.len();
    let end = reader.offset();
    let last = byte_string(&mut reader)?;
    if is_signed && last.len() != SIGNATURE_LEN {
        return Err(Malformed::SignatureLength { actual: last.len() });
    }
    reader.finish()?;
    Ok(Wrapper { payload: end - payload..end, is_signed, last })
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

/// The key of an end-entity certificate: an uncompressed point of P-384.
#[cfg(feature = "verify")]
pub(crate) struct P384VerifyingKey {
    point: Vec<u8>,
}

#[cfg(feature = "verify")]
impl P384VerifyingKey {
    /// Whether the point is on the curve shows when a signature is checked.
    pub(crate) const fn from_point(point: Vec<u8>) -> Self {
        Self { point }
    }

    /// Whether `signature`, r ‖ s, is this key's over the Sig_structure (RFC 9052 §4.4) of `payload`.
    ///
    /// Where payload and signature stand in a document, and that its headers say ES384 and nothing else, was settled when
    /// it was read: this is all that the library is needed for.
    pub(crate) fn has_signed(&self, payload: &[u8], signature: &[u8]) -> bool {
        let sig_structure =
            SigStructure::new_sign1(PROTECTED_ES384, payload).and_then(|structure| structure.as_bytes());
        let key = UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, &self.point);
        sig_structure.is_ok_and(|signed| key.verify(&signed, signature).is_ok())
    }
}

const SIGN1_TAG: u64 = 18;
/// {1: -35}: the algorithm is ES384.
const PROTECTED_ES384: &[u8] = b"\xa1\x01\x38\x22";
/// {1: -1}: a number that no algorithm has.
pub(crate) const PROTECTED_UNSIGNED: &[u8] = b"\xa1\x01\x20";
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
            ([b"\x84", b"\x43\xa1\x01\x20", b"\xa0", b"\x40", &signature], Malformed::Unsigned),
            ([b"\x84", b"\x43\xa1\x01\x20", b"\xa0", b"\x40", b"\x40"], Malformed::Unsigned),
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
