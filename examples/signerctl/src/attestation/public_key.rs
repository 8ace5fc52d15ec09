//! The key in a document, where it is a SubjectPublicKeyInfo (RFC 5280 §4.1.2.7).

use serde::Serialize;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// Which algorithm a key is for, and how long it is.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct KeyInfo {
    /// A name, or the object identifier of what has none here.
    pub(crate) algorithm: String,
    /// `None` if the algorithm is unknown or the key is not one of it.
    pub(crate) bits: Option<usize>,
}

impl KeyInfo {
    /// `None` if `der` is something else.
    pub(crate) fn from_spki(der: &[u8]) -> Option<Self> {
        let spki = SubjectPublicKeyInfoRef::from_der(der).ok()?;
        let (oid, key) = (spki.algorithm.oid, spki.subject_public_key.as_bytes()?);
        let (algorithm, bits) = match oid {
            RSA => ("RSA".to_owned(), rsa_bits(key)),
            EC => {
                let curve = spki.algorithm.parameters.and_then(|curve| curve.decode_as::<ObjectIdentifier>().ok());
                ec_curve(curve, key)
            }
            ED25519 => ("Ed25519".to_owned(), (key.len() == 32).then_some(256)),
            X25519 => ("X25519".to_owned(), (key.len() == 32).then_some(256)),
            other => (other.to_string(), None),
        };
        Some(Self { algorithm, bits })
    }
}

/// Bits of the modulus.
fn rsa_bits(key: &[u8]) -> Option<usize> {
    let modulus = AnyRef::from_der(key)
        .and_then(|key| {
            key.sequence(|reader| {
                let modulus = UintRef::decode(reader)?;
                UintRef::decode(reader)?;
                Ok::<_, x509_cert::der::Error>(modulus)
            })
        })
        .ok()?;
    let bytes = modulus.as_bytes();
    let unused = bytes.first()?.leading_zeros();
    (bytes.len() * 8).checked_sub(usize::try_from(unused).ok()?)
}

/// The curve, and its size if `key` has the length of a point on it.
fn ec_curve(curve: Option<ObjectIdentifier>, key: &[u8]) -> (String, Option<usize>) {
    let Some(oid) = curve else { return ("EC".to_owned(), None) };
    let Some((_, name, bits)) = CURVES.iter().find(|(known, _, _)| *known == oid) else {
        return (format!("EC {oid}"), None);
    };
    let coordinate = bits.div_ceil(8);
    let is_point = match key.first() {
        Some(4) => key.len() == 1 + 2 * coordinate,
        Some(2 | 3) => key.len() == 1 + coordinate,
        _ => false,
    };
    (format!("EC {name}"), is_point.then_some(*bits))
}

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
const CURVES: [(ObjectIdentifier, &str, usize); 4] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7"), "P-256", 256),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "P-384", 384),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "P-521", 521),
    (ObjectIdentifier::new_unwrap("1.3.132.0.10"), "secp256k1", 256),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn info(der: &[u8]) -> Option<(String, Option<usize>)> {
        KeyInfo::from_spki(der).map(|info| (info.algorithm, info.bits))
    }

    /// SEQUENCE { SEQUENCE { `algorithm` }, BIT STRING `key` }
    fn spki(algorithm: &str, key: &[u8]) -> Vec<u8> {
        let wrap = |tag: u8, content: &[u8]| {
            let len = u16::try_from(content.len()).unwrap().to_be_bytes();
            let head = match content.len() {
                0..128 => vec![tag, len[1]],
                128..256 => vec![tag, 0x81, len[1]],
                _ => vec![tag, 0x82, len[0], len[1]],
            };
            [&head[..], content].concat()
        };
        let algorithm = wrap(0x30, &hex::decode(algorithm).unwrap());
        wrap(0x30, &[algorithm, wrap(0x03, &[&[0], key].concat())].concat())
    }

    const EC_P256: &str = "06072a8648ce3d020106082a8648ce3d030107";
    const RSA_NULL: &str = "06092a864886f70d0101010500";

    #[test]
    fn algorithms_and_sizes_are_named() {
        let named = |name: &str, bits| Some((name.to_owned(), bits));
        assert_eq!(info(&spki(EC_P256, &[&[4][..], &[1; 64]].concat())), named("EC P-256", Some(256)));
        assert_eq!(info(&spki(EC_P256, &[&[2][..], &[1; 32]].concat())), named("EC P-256", Some(256)));
        assert_eq!(info(&spki(EC_P256, &[4; 64])), named("EC P-256", None));
        assert_eq!(info(&spki("06072a8648ce3d0201", &[4; 65])), named("EC", None));
        assert_eq!(info(&spki("06032b6570", &[1; 32])), named("Ed25519", Some(256)));
        assert_eq!(info(&spki("06032b6570", &[1; 31])), named("Ed25519", None));
        assert_eq!(info(&spki("06032b656f", &[1; 56])), named("1.3.101.111", None));
    }

    #[test]
    fn rsa_keys_are_measured_by_their_modulus() {
        let of = |key: &[u8]| info(&spki(RSA_NULL, key)).unwrap().1;
        // 0x00ff_ffff, 65537; 0x7f, 3
        assert_eq!(of(&[0x30, 9, 2, 4, 0, 0xff, 0xff, 0xff, 2, 1, 3]), Some(24));
        assert_eq!(of(&[0x30, 6, 2, 1, 0x7f, 2, 1, 3]), Some(7));
        assert_eq!(of(&[0x30, 6, 2, 1, 0, 2, 1, 3]), Some(0));
        for bad in [&[][..], &[0x30, 3, 2, 1, 0x7f], &[0x30, 9, 2, 1, 0x7f, 2, 1, 3, 2, 1, 0], &[4, 1, 0]] {
            assert_eq!(of(bad), None, "{bad:02x?}");
        }
    }

    #[test]
    fn what_is_no_public_key_info_is_none() {
        let key = spki(EC_P256, &[4; 65]);
        for bad in [&[][..], b"not a key", &key[..key.len() - 1], &[&key[..], &[0]].concat(), &[4; 65]] {
            assert_eq!(info(bad), None, "{bad:02x?}");
        }
    }
}
