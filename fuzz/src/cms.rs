//! `CiphertextForRecipient` read by the rules of RFC 5652, RFC 4055 and RFC 3565, as far as KMS uses them, without any
//! code of kms-enclave-client's or of an ASN.1 library.

use crate::ber::Element;

/// The fields of an envelope whose shape is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CmsReading {
    /// `None` if the recipient is named by issuer and serial number.
    pub identifier: Option<Vec<u8>>,
    pub encrypted_key: Vec<u8>,
    pub iv: Vec<u8>,
    pub content: Vec<u8>,
    /// Whether the issuer, if there is one, is [`issuer_and_serial`]: others need not be understood.
    pub is_plain: bool,
}

/// Reads enveloped data; `None` if it is anything else than what KMS sends.
#[must_use]
pub fn read_cms(bytes: &[u8]) -> Option<CmsReading> {
    let info = Element::parse(bytes, LEVELS)?;
    let [kind, explicit] = info.children(SEQUENCE)? else { return None };
    let [enveloped] = explicit.children(0xa0)? else { return None };
    let [version, recipients, content] = enveloped.children(SEQUENCE)? else { return None };
    let [recipient] = recipients.children(SET)? else { return None };
    let [recipient_version, rid, key_encryption, encrypted_key] = recipient.children(SEQUENCE)? else { return None };
    let [inner_kind, content_encryption, encrypted] = content.children(SEQUENCE)? else { return None };
    let [cipher, iv] = content_encryption.children(SEQUENCE)? else { return None };

    let identifier = rid.string(0x80);
    let is_by_issuer = identifier.is_none();
    let expected_version = if is_by_issuer { 0 } else { 2 };
    let is_right = kind.value(OID)? == ENVELOPED_DATA
        && inner_kind.value(OID)? == DATA
        && cipher.value(OID)? == AES_256_CBC
        && version.value(INTEGER)? == [expected_version]
        && recipient_version.value(INTEGER)? == [expected_version]
        && (!is_by_issuer || rid.children(SEQUENCE)?.len() == 2)
        && is_oaep_sha256(key_encryption)?;
    let iv = iv.string(OCTET_STRING)?;
    let reading = CmsReading {
        is_plain: !is_by_issuer || *rid == issuer_and_serial(),
        identifier,
        encrypted_key: encrypted_key.string(OCTET_STRING)?,
        iv,
        content: encrypted.string(0x80)?,
    };
    (is_right && reading.iv.len() == 16).then_some(reading)
}

fn is_oaep_sha256(algorithm: &Element) -> Option<bool> {
    let [oaep, parameters] = algorithm.children(SEQUENCE)? else { return None };
    let [hash, mask] = parameters.children(SEQUENCE)? else { return None };
    let ([hash], [mask]) = (hash.children(0xa0)?, mask.children(0xa1)?) else { return None };
    let [mgf1, mask_hash] = mask.children(SEQUENCE)? else { return None };
    Some(oaep.value(OID)? == RSAES_OAEP && mgf1.value(OID)? == MGF1 && is_sha256(hash)? && is_sha256(mask_hash)?)
}

fn is_sha256(algorithm: &Element) -> Option<bool> {
    match algorithm.children(SEQUENCE)? {
        [oid] => Some(oid.value(OID)? == SHA_256),
        [oid, null] => Some(oid.value(OID)? == SHA_256 && null.value(0x05)?.is_empty()),
        _ => None,
    }
}

/// An envelope of these parts, as a tree to be spelled.
#[must_use]
pub fn write_cms(identifier: Option<&[u8]>, encrypted_key: &[u8], iv: &[u8], content: &[u8]) -> Element {
    let sequence = |children: Vec<Element>| Element::constructed(SEQUENCE, children);
    let oid = |content: &[u8]| Element::primitive(OID, content);
    let sha256 = || sequence(vec![oid(SHA_256), Element::primitive(0x05, &[])]);
    let version = Element::primitive(INTEGER, &[if identifier.is_some() { 2 } else { 0 }]);
    let rid = identifier.map_or_else(issuer_and_serial, |identifier| Element::primitive(0x80, identifier));
    let mask = sequence(vec![oid(MGF1), sha256()]);
    let parameters = sequence(vec![Element::constructed(0xa0, vec![sha256()]), Element::constructed(0xa1, vec![mask])]);
    let key_encryption = sequence(vec![oid(RSAES_OAEP), parameters]);
    let key = Element::primitive(OCTET_STRING, encrypted_key);
    let recipient = sequence(vec![version.clone(), rid, key_encryption, key]);
    let cipher = sequence(vec![oid(AES_256_CBC), Element::primitive(OCTET_STRING, iv)]);
    let content = sequence(vec![oid(DATA), cipher, Element::primitive(0x80, content)]);
    let enveloped = sequence(vec![version, Element::constructed(SET, vec![recipient]), content]);
    sequence(vec![oid(ENVELOPED_DATA), Element::constructed(0xa0, vec![enveloped])])
}

/// `CN=a, 258`.
#[must_use]
pub fn issuer_and_serial() -> Element {
    let name = vec![Element::primitive(OID, b"\x55\x04\x03"), Element::primitive(0x0c, b"a")];
    let name = Element::constructed(SET, vec![Element::constructed(SEQUENCE, name)]);
    let serial = Element::primitive(INTEGER, &[1, 2]);
    Element::constructed(SEQUENCE, vec![Element::constructed(SEQUENCE, vec![name]), serial])
}

/// The outermost is the first.
const LEVELS: usize = 13;
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
/// 1.2.840.113549.1.7.3
const ENVELOPED_DATA: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
/// 1.2.840.113549.1.1.7
const RSAES_OAEP: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07";
/// 1.2.840.113549.1.1.8
const MGF1: &[u8] = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08";
/// 2.16.840.1.101.3.4.2.1
const SHA_256: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x02\x01";
/// 2.16.840.1.101.3.4.1.42
const AES_256_CBC: &[u8] = b"\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
