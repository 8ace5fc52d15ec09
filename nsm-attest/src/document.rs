//! The attestation document: its fields, and the limits AWS's specification gives them.

use std::fmt;

use aws_nitro_enclaves_nsm_api::api as nsm_api;

use crate::cbor::{self, Item};
use crate::cose;
use crate::error::{Field, Malformed};
use crate::pcr::{InvalidPcrValue, PcrIndex, PcrIndexOutOfRange, PcrValue, Pcrs};
use crate::planted;
use crate::time::UnixTime;

/// A document whose format is right and about which nothing else is known: anybody can write one.
///
/// `verify` turns it into a `VerifiedDocument`; nothing else does.
#[derive(Clone, PartialEq, Eq)]
pub struct UnverifiedDocument {
    /// As received: what was signed is kept, never re-encoded.
    bytes: Vec<u8>,
    payload_start: usize,
    payload_end: usize,
    document: AttestationDocument,
}

impl UnverifiedDocument {
    /// The longest document taken. Real ones have up to 8 KiB, and the device's answers end at 12 KiB.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Reads a COSE_Sign1, untagged or with CBOR tag 18, and the document in it. Limits are checked before memory is
    /// reserved.
    ///
    /// # Errors
    /// [`Malformed`] names the first defect.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > Self::MAX_LEN {
            return Err(Malformed::TooLong { actual: bytes.len(), max: Self::MAX_LEN });
        }
        let payload = cose::payload_range(bytes)?;
        let document = AttestationDocument::decode(&bytes[payload.clone()])?;
        Ok(Self { bytes: bytes.to_vec(), payload_start: payload.start, payload_end: payload.end, document })
    }

    /// The bytes this was read from.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.bytes.clone()
    }

    /// The bytes this was read from, borrowed.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The payload that the signature covers.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.bytes[self.payload_start..self.payload_end]
    }

    #[cfg(feature = "verify")]
    pub(crate) fn signature(&self) -> &[u8] {
        &self.bytes[self.bytes.len() - cose::SIGNATURE_LEN..]
    }

    /// The fields as they stand there, for display and diagnosis.
    ///
    /// # Security
    /// None of this is checked. A decision that rests on it lets anybody decide.
    #[must_use]
    pub const fn unverified(&self) -> &AttestationDocument {
        &self.document
    }

    #[cfg(feature = "verify")]
    pub(crate) fn into_document(self) -> AttestationDocument {
        self.document
    }
}

impl fmt::Debug for UnverifiedDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedDocument").field("document", &self.document).finish_non_exhaustive()
    }
}

/// The fields of an attestation document, under the specification's names.
#[non_exhaustive]
#[derive(Clone, PartialEq, Eq)]
pub struct AttestationDocument {
    /// The module that issued the document: instance id and enclave id.
    pub module_id: String,
    /// How the registers were computed.
    pub digest: Digest,
    /// When the document was issued, by the hypervisor's clock.
    pub timestamp: UnixTime,
    /// The locked registers.
    pub pcrs: Pcrs,
    /// The certificate of the key that signed the document, in DER.
    pub certificate: Vec<u8>,
    /// Its issuers in DER, the root first.
    pub cabundle: Vec<Vec<u8>>,
    /// The key that the enclave put in.
    pub public_key: Option<Vec<u8>>,
    /// The data that the enclave put in.
    pub user_data: Option<Vec<u8>>,
    /// The nonce that the enclave was given.
    pub nonce: Option<Vec<u8>>,
}

impl AttestationDocument {
    /// The fields as the payload of a COSE_Sign1, in the order and encoding of real documents.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let pcrs = self.pcrs.iter().map(|(index, value)| (u8::from(index).into(), value.as_bytes().to_vec()));
        nsm_api::AttestationDoc::new(
            self.module_id.clone(),
            match self.digest {
                Digest::Sha384 => nsm_api::Digest::SHA384,
            },
            self.timestamp.as_millis(),
            pcrs.collect(),
            self.certificate.clone(),
            self.cabundle.clone(),
            self.user_data.clone(),
            self.nonce.clone(),
            self.public_key.clone(),
        )
        .to_binary()
    }

    /// Reads the document of this machine's own module, whose word is taken without a signature: QEMU's has none.
    pub(crate) fn of_own_module(bytes: &[u8]) -> Result<Self, Malformed> {
        let max = UnverifiedDocument::MAX_LEN;
        if bytes.len() > max {
            return Err(Malformed::TooLong { actual: bytes.len(), max });
        }
        Self::decode(&bytes[cose::read(bytes)?.payload])
    }

    /// Reads the payload of a COSE_Sign1.
    pub(crate) fn decode(payload: &[u8]) -> Result<Self, Malformed> {
        let Item::Map(entries) = cbor::decode(payload)? else { return Err(Malformed::PayloadType) };
        let mut fields = Fields::default();
        for (key, value) in entries {
            fields.put(key, value)?;
        }
        fields.into_document()
    }
}

impl fmt::Debug for AttestationDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = |field: &Option<Vec<u8>>| field.as_ref().map(|bytes| format!("{} bytes", bytes.len()));
        f.debug_struct("AttestationDocument")
            .field("module_id", &self.module_id)
            .field("timestamp", &self.timestamp)
            .field("pcrs", &self.pcrs)
            .field("cabundle", &format_args!("{} certificates", self.cabundle.len()))
            .field("public_key", &len(&self.public_key))
            .field("user_data", &len(&self.user_data))
            .field("nonce", &len(&self.nonce))
            .finish_non_exhaustive()
    }
}

/// How registers are computed.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-384, the only one in use.
    Sha384,
}

/// The fields met so far. Which of them are missing shows at the end.
#[derive(Default)]
struct Fields {
    module_id: Option<String>,
    digest: Option<Digest>,
    timestamp: Option<UnixTime>,
    pcrs: Option<Pcrs>,
    certificate: Option<Vec<u8>>,
    cabundle: Option<Vec<Vec<u8>>>,
    /// The outer option says whether the key was there, the inner whether its value was null.
    public_key: Option<Option<Vec<u8>>>,
    user_data: Option<Option<Vec<u8>>>,
    nonce: Option<Option<Vec<u8>>>,
}

impl Fields {
    fn put(&mut self, key: Item, value: Item) -> Result<(), Malformed> {
        let Item::Text(name) = key else { return Err(Malformed::KeyType) };
        let field = Field::from_name(&name).ok_or_else(|| unknown_field(&name))?;
        let was_there = match field {
            Field::Cabundle => self.cabundle.replace(cabundle(value)?).is_some(),
            Field::Certificate => self.certificate.replace(certificate(field, value)?).is_some(),
            Field::Digest => self.digest.replace(digest(value)?).is_some(),
            Field::ModuleId => self.module_id.replace(module_id(value)?).is_some(),
            Field::Nonce => self.nonce.replace(optional_bytes(field, value)?).is_some(),
            Field::Pcrs => self.pcrs.replace(pcrs(value)?).is_some(),
            Field::PublicKey => self.public_key.replace(optional_bytes(field, value)?).is_some(),
            Field::Timestamp => self.timestamp.replace(timestamp(value)?).is_some(),
            Field::UserData => self.user_data.replace(optional_bytes(field, value)?).is_some(),
        };
        if was_there && !planted::DUPLICATE_FIELD { Err(Malformed::DuplicateField { field }) } else { Ok(()) }
    }

    fn into_document(self) -> Result<AttestationDocument, Malformed> {
        let missing = |field| move || Malformed::MissingField { field };
        Ok(AttestationDocument {
            module_id: self.module_id.ok_or_else(missing(Field::ModuleId))?,
            digest: self.digest.ok_or_else(missing(Field::Digest))?,
            timestamp: self.timestamp.ok_or_else(missing(Field::Timestamp))?,
            pcrs: self.pcrs.ok_or_else(missing(Field::Pcrs))?,
            certificate: self.certificate.ok_or_else(missing(Field::Certificate))?,
            cabundle: self.cabundle.ok_or_else(missing(Field::Cabundle))?,
            public_key: self.public_key.flatten(),
            user_data: self.user_data.flatten(),
            nonce: self.nonce.flatten(),
        })
    }
}

/// A field of a kind not known here might change what the others mean, as `nitrotpm_pcrs` does: refused.
fn unknown_field(name: &str) -> Malformed {
    match name {
        "nitrotpm_pcrs" => Malformed::NitroTpm,
        _ => Malformed::UnknownField { name: name.chars().take(MAX_REPORTED_NAME).collect() },
    }
}

fn module_id(value: Item) -> Result<String, Malformed> {
    let Item::Text(text) = value else { return Err(Malformed::WrongType { field: Field::ModuleId }) };
    check_len(Field::ModuleId, text.len(), 1, MAX_MODULE_ID_LEN)?;
    Ok(text)
}

fn digest(value: Item) -> Result<Digest, Malformed> {
    match value {
        Item::Text(name) if name == "SHA384" => Ok(Digest::Sha384),
        Item::Text(_) => Err(Malformed::Digest),
        _ => Err(Malformed::WrongType { field: Field::Digest }),
    }
}

fn timestamp(value: Item) -> Result<UnixTime, Malformed> {
    match value {
        Item::Unsigned(0) => Err(Malformed::TimestampZero),
        Item::Unsigned(millis) => Ok(UnixTime::from_millis(millis)),
        _ => Err(Malformed::WrongType { field: Field::Timestamp }),
    }
}

fn pcrs(value: Item) -> Result<Pcrs, Malformed> {
    let wrong_type = Malformed::WrongType { field: Field::Pcrs };
    let Item::Map(entries) = value else { return Err(wrong_type) };
    if entries.is_empty() || entries.len() > usize::from(PcrIndex::COUNT) {
        return Err(Malformed::PcrCount { actual: entries.len() });
    }
    let mut pcrs = Pcrs::new();
    for entry in entries {
        let (Item::Unsigned(index), Item::Bytes(value)) = entry else { return Err(wrong_type) };
        let index = PcrIndex::try_from(index)
            .map_err(|PcrIndexOutOfRange { index }| Malformed::PcrIndexOutOfRange { index })?;
        let value = PcrValue::from_bytes(&value).map_err(|error| match error {
            InvalidPcrValue::Length { actual } => Malformed::PcrLength { index, actual },
            InvalidPcrValue::NotHex => wrong_type.clone(),
        })?;
        if pcrs.insert(index, value).is_some() {
            return Err(Malformed::DuplicatePcr { index });
        }
    }
    Ok(pcrs)
}

fn cabundle(value: Item) -> Result<Vec<Vec<u8>>, Malformed> {
    let Item::Array(items) = value else { return Err(Malformed::WrongType { field: Field::Cabundle }) };
    if items.is_empty() || items.len() > MAX_CABUNDLE_LEN {
        return Err(Malformed::CertificateCount { actual: items.len(), max: MAX_CABUNDLE_LEN });
    }
    items.into_iter().map(|item| certificate(Field::Cabundle, item)).collect()
}

fn certificate(field: Field, value: Item) -> Result<Vec<u8>, Malformed> {
    let Item::Bytes(der) = value else { return Err(Malformed::WrongType { field }) };
    check_len(field, der.len(), 1, MAX_CERTIFICATE_LEN)?;
    Ok(der)
}

fn optional_bytes(field: Field, value: Item) -> Result<Option<Vec<u8>>, Malformed> {
    match value {
        Item::Null => Ok(None),
        Item::Bytes(bytes) => check_len(field, bytes.len(), 0, MAX_OPTIONAL_LEN).map(|()| Some(bytes)),
        _ => Err(Malformed::WrongType { field }),
    }
}

fn check_len(field: Field, actual: usize, min: usize, max: usize) -> Result<(), Malformed> {
    let max = max + usize::from(planted::FIELD_LENGTH);
    if (min..=max).contains(&actual) { Ok(()) } else { Err(Malformed::FieldLength { field, actual, min, max }) }
}

/// Real ones have about 40; the specification only says that it is not empty.
const MAX_MODULE_ID_LEN: usize = 256;
/// Specification §3.2.2.2, for `certificate` and each entry of `cabundle`.
const MAX_CERTIFICATE_LEN: usize = 1024;
/// The specification names no limit. Real ones have 4; verification stops earlier.
const MAX_CABUNDLE_LEN: usize = 16;
/// Specification §2.2. Its §3.2.2.2 says 512 for `user_data` and `nonce`, but the device signs up to 1024.
const MAX_OPTIONAL_LEN: usize = 1024;
const MAX_REPORTED_NAME: usize = 64;
