//! From bytes to [`EnvelopedData`]: only the shape that KMS makes.

use ::cms::content_info::{CmsVersion, ContentInfo};
use ::cms::enveloped_data::{
    EncryptedContentInfo, EnvelopedData as RawEnvelopedData, KeyTransRecipientInfo, RecipientIdentifier, RecipientInfo,
};
use der::asn1::{AnyRef, ContextSpecific, ObjectIdentifier, OctetStringRef};
use der::{Decode, EncodingRules, Reader, TagNumber};
use spki::{AlgorithmIdentifierOwned, AlgorithmIdentifierRef};

use super::{EnvelopedData, IV_LEN, MalformedCms, shape};
use crate::planted;

pub(super) fn enveloped_data(bytes: &[u8]) -> Result<EnvelopedData, MalformedCms> {
    if bytes.len() > EnvelopedData::MAX_LEN {
        return Err(MalformedCms::TooLong { len: bytes.len(), max: EnvelopedData::MAX_LEN });
    }
    let der = shape::to_der(bytes)?;
    // By the rules of BER all the same: those of DER would have the recipients sorted, by encoding them again and again.
    let info = ContentInfo::from_ber(&der).map_err(|_| MalformedCms::Ber)?;
    if info.content_type != ENVELOPED_DATA {
        return Err(MalformedCms::ContentType);
    }
    let raw: RawEnvelopedData = info.content.decode_as_encoding(EncodingRules::Ber).map_err(|_| MalformedCms::Ber)?;
    if raw.originator_info.is_some() || raw.unprotected_attrs.is_some() {
        return Err(MalformedCms::UnexpectedField);
    }
    let [RecipientInfo::Ktri(recipient)] = raw.recip_infos.0.as_slice() else {
        return Err(MalformedCms::Recipients);
    };
    let subject_key_identifier = recipient_identifier(raw.version, recipient)?;
    if !is_oaep_sha256(&recipient.key_enc_alg) {
        return Err(MalformedCms::KeyEncryption);
    }
    let (iv, encrypted_content) = content(&raw.encrypted_content)?;
    Ok(EnvelopedData {
        subject_key_identifier,
        encrypted_key: recipient.enc_key.as_bytes().to_vec(),
        iv,
        encrypted_content,
    })
}

/// RFC 5652 §6.1 and §6.2.1 tie both versions to how the recipient is named.
fn recipient_identifier(
    version: CmsVersion,
    recipient: &KeyTransRecipientInfo,
) -> Result<Option<Vec<u8>>, MalformedCms> {
    match (&recipient.rid, version, recipient.version) {
        (RecipientIdentifier::SubjectKeyIdentifier(id), CmsVersion::V2, CmsVersion::V2) => {
            Ok(Some(id.0.as_bytes().to_vec()))
        }
        (RecipientIdentifier::IssuerAndSerialNumber(_), CmsVersion::V0, CmsVersion::V0) => Ok(None),
        _ => Err(MalformedCms::Version),
    }
}

/// Defaults are SHA-1, so an absent parameter is a refusal, and so is anything after the two that must be there: a third
/// one could only be a label.
fn is_oaep_sha256(algorithm: &AlgorithmIdentifierOwned) -> bool {
    algorithm.oid == RSAES_OAEP
        && algorithm.parameters.as_ref().is_some_and(|parameters| parameters.sequence(oaep_parameters).unwrap_or(false))
}

fn oaep_parameters<'a>(reader: &mut impl Reader<'a>) -> der::Result<bool> {
    let hash = ContextSpecific::<AlgorithmIdentifierRef<'a>>::decode_explicit(reader, TagNumber(0))?;
    let mask = ContextSpecific::<AlgorithmIdentifierRef<'a>>::decode_explicit(reader, TagNumber(1))?;
    let (Some(hash), Some(mask)) = (hash, mask) else { return Ok(false) };
    let Some(mask_hash) = mask.value.parameters else { return Ok(false) };
    let is_mask_sha256 = planted::MASK_HASH || is_sha256(&mask_hash.decode_as()?);
    Ok(is_sha256(&hash.value) && mask.value.oid == MGF1 && is_mask_sha256)
}

/// RFC 4055 §2.1: parameters NULL or absent, both to be accepted.
fn is_sha256(algorithm: &AlgorithmIdentifierRef<'_>) -> bool {
    algorithm.oid == SHA_256 && algorithm.parameters.is_none_or(AnyRef::is_null)
}

fn content(info: &EncryptedContentInfo) -> Result<([u8; IV_LEN], Vec<u8>), MalformedCms> {
    if info.content_type != DATA {
        return Err(MalformedCms::ContentType);
    }
    let iv = info.content_enc_alg.parameters.as_ref().and_then(|parameters| {
        let iv = parameters.decode_as::<&OctetStringRef>().ok()?;
        iv.as_bytes().try_into().ok()
    });
    let (true, Some(iv)) = (info.content_enc_alg.oid == AES_256_CBC, iv) else {
        return Err(MalformedCms::ContentEncryption);
    };
    let encrypted = info.encrypted_content.as_ref().ok_or(MalformedCms::NoContent)?;
    Ok((iv, encrypted.as_bytes().to_vec()))
}

const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const ENVELOPED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.3");
const RSAES_OAEP: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.7");
const MGF1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.8");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const AES_256_CBC: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.1.42");
