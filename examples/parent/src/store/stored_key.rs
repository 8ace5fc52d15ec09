//! The unit that is stored: a record with what is known of it, as JSON.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use signer_protocol::method::{GenerateKeyResponse, KeyDescription};
use signer_protocol::record::{MAX_CALLERS, MAX_RECORD_LEN, SpkiDigest};
use signer_protocol::{KeyId, Record, RecordDigest};

/// A key as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    /// Public facts, as the enclave gave them.
    pub(crate) description: KeyDescription,
    /// The sealed record.
    pub(crate) record: Vec<u8>,
    /// The signed birth document.
    pub(crate) birth_document: Vec<u8>,
}

impl StoredKey {
    /// What the enclave answered to the creation of a key, if its parts belong together.
    pub(crate) fn from_answer(answer: GenerateKeyResponse) -> Result<Self, String> {
        let GenerateKeyResponse { record, description, birth_document } = answer;
        let key = Self { description, record, birth_document };
        key.check()?;
        Ok(key)
    }

    /// The key of the file's content, which must be of the key `id`.
    pub(super) fn from_json(id: KeyId, json: &[u8]) -> Result<Self, String> {
        let document: Document = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if document.version != VERSION {
            return Err(format!("version {} is not {VERSION}", document.version));
        }
        if document.id != id {
            return Err(format!("it is of key {}", document.id));
        }
        let key = document.into_key()?;
        key.check()?;
        Ok(key)
    }

    /// The file's content.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let KeyDescription { key_id, family, curve, public_key, address, revision, record_digest, callers } =
            &self.description;
        let document = Document {
            version: VERSION,
            id: *key_id,
            family: family.clone(),
            curve: *curve,
            public_key: hex::encode(public_key),
            address: address.clone(),
            revision: *revision,
            record_digest: *record_digest,
            callers: callers.clone(),
            record: STANDARD.encode(&self.record),
            birth_document: STANDARD.encode(&self.birth_document),
        };
        serde_json::to_vec_pretty(&document).expect("strings and numbers always encode")
    }

    /// The description must be that of the record. This finds accidents, not attacks: only the enclave, which opens
    /// the record, can tell whether it is genuine.
    fn check(&self) -> Result<(), String> {
        let KeyDescription { key_id, family, curve, public_key, address, revision, record_digest, callers } =
            &self.description;
        within("record", self.record.len(), 1, MAX_RECORD_LEN)?;
        within("birth document", self.birth_document.len(), 1, MAX_BIRTH_DOCUMENT_LEN)?;
        within("address", address.len(), 1, MAX_ADDRESS_LEN)?;
        let record = Record::from_bytes(&self.record).map_err(|error| error.to_string())?;
        let header = record.header();
        let same = [
            ("id", header.key_id == *key_id),
            ("family", header.family == *family),
            ("curve", header.curve == *curve),
            ("public key", header.public_key == *public_key),
            ("revision", header.revision == *revision),
            ("digest", record.digest() == *record_digest),
            ("list of callers", header.callers == *callers),
        ];
        match same.into_iter().find(|(_, same)| !same) {
            Some((field, _)) => Err(format!("its {field} is not that of its record")),
            None => Ok(()),
        }
    }
}

/// The file, with text in place of bytes.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    id: KeyId,
    family: String,
    curve: chain_signers::Curve,
    public_key: String,
    address: String,
    revision: u32,
    record_digest: RecordDigest,
    /// Absent while empty, as it is in files older than it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    callers: Vec<SpkiDigest>,
    record: String,
    birth_document: String,
}

impl Document {
    fn into_key(self) -> Result<StoredKey, String> {
        let base64 = |field, text| STANDARD.decode(text).map_err(|error| format!("its {field}: {error}"));
        Ok(StoredKey {
            record: base64("record", &self.record)?,
            birth_document: base64("birth document", &self.birth_document)?,
            description: KeyDescription {
                key_id: self.id,
                family: self.family,
                curve: self.curve,
                public_key: hex::decode(&self.public_key).map_err(|error| format!("its public key: {error}"))?,
                address: self.address,
                revision: self.revision,
                record_digest: self.record_digest,
                callers: self.callers,
            },
        })
    }
}

fn within(field: &str, actual: usize, min: usize, max: usize) -> Result<(), String> {
    if (min..=max).contains(&actual) {
        Ok(())
    } else {
        Err(format!("its {field} has length {actual}, outside {min}..={max}"))
    }
}

/// Version of the file's format.
const VERSION: u32 = 1;

/// Longest birth document, in bytes: twice the longest that is known.
const MAX_BIRTH_DOCUMENT_LEN: usize = 16 * 1024;

/// Longest address of any chain, in bytes, with room.
const MAX_ADDRESS_LEN: usize = 256;

/// Longest file: base64 of a record and a birth document, callers in quoted hex on lines of their own, and the short fields.
pub(super) const MAX_FILE_LEN: usize = (MAX_RECORD_LEN + MAX_BIRTH_DOCUMENT_LEN) / 3 * 4 + MAX_CALLERS * 80 + 4096;
