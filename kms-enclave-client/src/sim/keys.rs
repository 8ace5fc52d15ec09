//! The simulator's keys and the ciphertext blobs made under them.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::error::Unspecified;
use nsm_attest::UnixTime;
use zeroize::Zeroizing;

use crate::action::EncryptionContext;
use crate::key_arn::KeyArn;
use crate::sim::policy::Policy;

/// A symmetric key with its policy.
pub(crate) struct Key {
    pub(crate) arn: KeyArn,
    pub(crate) created_at: UnixTime,
    pub(crate) description: String,
    pub(crate) policy: Policy,
    pub(crate) policy_text: String,
    material: Zeroizing<[u8; 32]>,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("arn", &self.arn).finish_non_exhaustive()
    }
}

impl Key {
    pub(crate) fn generate(
        arn: KeyArn,
        created_at: UnixTime,
        description: String,
        policy: Policy,
        policy_text: String,
    ) -> Result<Self, Unspecified> {
        let mut material = Zeroizing::new([0; 32]);
        aws_lc_rs::rand::fill(&mut *material)?;
        Ok(Self { arn, created_at, description, policy, policy_text, material })
    }

    /// Makes a ciphertext blob: header, nonce, AES-256-GCM with header and context as additional data.
    pub(crate) fn encrypt(&self, plaintext: &[u8], context: &EncryptionContext) -> Result<Vec<u8>, Unspecified> {
        let header = self.header()?;
        let mut sealed = plaintext.to_vec();
        let nonce = RandomizedNonceKey::new(&AES_256_GCM, &*self.material)?
            .seal_in_place_append_tag(Aad::from(additional_data(&header, context)), &mut sealed)?;
        Ok([&header, nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// Opens a blob of this key. The reason of a failure is not told.
    pub(crate) fn decrypt(&self, blob: &[u8], context: &EncryptionContext) -> Result<Zeroizing<Vec<u8>>, Unspecified> {
        let (header, rest) = blob.split_first_chunk::<HEADER_LEN>().ok_or(Unspecified)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unspecified)?;
        if *header != self.header()? {
            return Err(Unspecified);
        }
        let mut buffer = Zeroizing::new(sealed.to_vec());
        let len = RandomizedNonceKey::new(&AES_256_GCM, &*self.material)?
            .open_in_place(Nonce::from(nonce), Aad::from(additional_data(header, context)), &mut buffer)?
            .len();
        buffer.truncate(len);
        Ok(buffer)
    }

    fn header(&self) -> Result<[u8; HEADER_LEN], Unspecified> {
        let mut header = [0; HEADER_LEN];
        header[..MAGIC.len()].copy_from_slice(&MAGIC);
        header[MAGIC.len()..].copy_from_slice(&uuid_bytes(self.arn.key_id()).ok_or(Unspecified)?);
        Ok(header)
    }
}

/// All keys, by key id.
#[derive(Debug, Default)]
pub(crate) struct Keys(BTreeMap<String, Key>);

impl Keys {
    /// How many keys one simulator holds: a bound, not a quota of AWS.
    pub(crate) const MAX: usize = 1024;

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn insert(&mut self, key: Key) {
        self.0.insert(key.arn.key_id().to_owned(), key);
    }

    pub(crate) fn get(&self, key_id: &str) -> Option<&Key> {
        self.0.get(key_id)
    }

    pub(crate) fn get_mut(&mut self, key_id: &str) -> Option<&mut Key> {
        self.0.get_mut(key_id)
    }

    /// The key that a blob says it was made under.
    pub(crate) fn of_blob(&self, blob: &[u8]) -> Option<&Key> {
        let (header, _) = blob.split_first_chunk::<HEADER_LEN>()?;
        let uuid = header.strip_prefix(&MAGIC)?;
        self.0.get(&uuid_text(uuid.try_into().ok()?))
    }
}

/// A fresh version 4 UUID in lower case.
pub(crate) fn new_key_id() -> Result<String, Unspecified> {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes)?;
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    Ok(uuid_text(bytes))
}

fn uuid_text(bytes: [u8; 16]) -> String {
    let digits = hex::encode(bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}

fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    hex::decode(text.replace('-', "")).ok()?.try_into().ok()
}

/// The header and the context, each name and value after its length, so that no two contexts read alike.
fn additional_data(header: &[u8; HEADER_LEN], context: &EncryptionContext) -> Vec<u8> {
    let mut data = header.to_vec();
    for text in context.iter().flat_map(|(key, value)| [key, value]) {
        data.extend(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
        data.extend(text.as_bytes());
    }
    data
}

/// Marks a blob of the simulator; real blobs are as opaque as this.
const MAGIC: [u8; 4] = [1, 2, 2, 0];
const HEADER_LEN: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::policy::PolicyKind;
    use crate::sim::principal::KnownPrincipals;

    fn key() -> Key {
        let id = new_key_id().unwrap();
        let arn: KeyArn = format!("arn:aws:kms:us-east-1:111122223333:key/{id}").parse().unwrap();
        let text = Policy::default_text(&arn);
        let kind = PolicyKind::Key { key: &arn, principals: KnownPrincipals::Any };
        let policy = Policy::parse(&text, kind).unwrap();
        Key::generate(arn, UnixTime::from_secs(1), String::new(), policy, text).unwrap()
    }

    fn context(pairs: &[(&str, &str)]) -> EncryptionContext {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_blob_opens_under_its_key_and_context_only() {
        let (one, other) = (key(), key());
        let bound = context(&[("a", "b"), ("c", "d")]);
        let blob = one.encrypt(b"secret", &bound).unwrap();
        assert_eq!(one.decrypt(&blob, &bound).unwrap().as_slice(), b"secret");
        assert!(other.decrypt(&blob, &bound).is_err());
        for wrong in [context(&[]), context(&[("a", "b")]), context(&[("a", "bc"), ("", "d")])] {
            assert!(one.decrypt(&blob, &wrong).is_err());
        }
        for index in 0..blob.len() {
            let mut damaged = blob.clone();
            damaged[index] ^= 1;
            assert!(one.decrypt(&damaged, &bound).is_err(), "byte {index}");
        }
        let mut keys = Keys::default();
        keys.insert(one);
        assert!(keys.of_blob(&blob).is_some() && keys.of_blob(&blob[..10]).is_none());
        assert!(keys.of_blob(&other.encrypt(b"x", &bound).unwrap()).is_none());
    }

    #[test]
    fn debug_shows_no_material() {
        let key = key();
        let text = format!("{key:?}");
        assert!(text.starts_with("Key { arn: ") && !text.contains(&hex::encode(*key.material)), "{text}");
        assert!(!text.contains("material"), "{text}");
    }
}
