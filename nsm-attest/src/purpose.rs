//! What a piece of evidence is for, and the `user_data` that says so.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest;

/// What a document was asked for. A document made for one purpose is refused for every other, so that one protocol's
/// evidence cannot be replayed in another.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Purpose {
    /// `public_key` is an RSA key to which KMS may encrypt; the digest is that key's SPKI's.
    KmsRecipient,
    /// `public_key` is the key of an end-to-end session.
    Session,
    /// The digest is that of a record's header, which this enclave has just created.
    Birth,
    /// Tells an operator what is running; carries no key.
    Inspect,
}

impl Purpose {
    /// The purpose as it is written in `user_data`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KmsRecipient => "kms-recipient",
            Self::Session => "session",
            Self::Birth => "birth",
            Self::Inspect => "inspect",
        }
    }

    const ALL: [Self; 4] = [Self::KmsRecipient, Self::Session, Self::Birth, Self::Inspect];
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Purpose {
    type Err = UnknownPurpose;

    /// Reads what [`as_str`](Self::as_str) gives.
    fn from_str(name: &str) -> Result<Self, UnknownPurpose> {
        Self::ALL.into_iter().find(|purpose| purpose.as_str() == name).ok_or(UnknownPurpose)
    }
}

/// The name is none of a [`Purpose`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the purpose is none of kms-recipient, session, birth, inspect")]
pub struct UnknownPurpose;

/// The `user_data` of every document this project asks for: a purpose and a SHA-256 digest.
///
/// On the wire it is the one deterministic CBOR encoding (RFC 8949 §4.2) of `{"digest": bytes, "purpose": text}`;
/// decoding accepts nothing else.
///
/// ```
/// use nsm_attest::{Purpose, UserData};
///
/// let user_data = UserData::over(Purpose::Birth, b"the header of a record");
/// assert_eq!(UserData::decode(&user_data.encode()), Ok(user_data));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UserData {
    /// What the document is for.
    pub purpose: Purpose,
    /// SHA-256 of whatever the purpose binds.
    pub digest: [u8; 32],
}

impl UserData {
    /// Binds SHA-256 of `content` to `purpose`.
    #[must_use]
    pub fn over(purpose: Purpose, content: &[u8]) -> Self {
        let mut digest = [0; DIGEST_LEN];
        digest.copy_from_slice(digest::digest(&digest::SHA256, content).as_ref());
        Self { purpose, digest }
    }

    /// The bytes to put into a document.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let name = self.purpose.as_str().as_bytes();
        [BEFORE_DIGEST, &self.digest, BEFORE_PURPOSE, &[short_text_head(name)], name].concat()
    }

    /// Reads the bytes of a document's `user_data`.
    ///
    /// # Errors
    /// [`InvalidUserData`] for everything that [`encode`](Self::encode) does not write.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidUserData> {
        let rest = bytes.strip_prefix(BEFORE_DIGEST).ok_or(InvalidUserData::Shape)?;
        let (digest, rest) = rest.split_first_chunk::<DIGEST_LEN>().ok_or(InvalidUserData::Shape)?;
        let rest = rest.strip_prefix(BEFORE_PURPOSE).ok_or(InvalidUserData::Shape)?;
        let (head, name) = rest.split_first().ok_or(InvalidUserData::Shape)?;
        if name.len() > MAX_SHORT_TEXT || *head != short_text_head(name) {
            return Err(InvalidUserData::Shape);
        }
        let name = str::from_utf8(name).map_err(|_| InvalidUserData::UnknownPurpose)?;
        let purpose = name.parse().map_err(|UnknownPurpose| InvalidUserData::UnknownPurpose)?;
        Ok(Self { purpose, digest: *digest })
    }
}

impl From<UserData> for Vec<u8> {
    fn from(user_data: UserData) -> Self {
        user_data.encode()
    }
}

/// Bytes that are not the `user_data` of this project.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUserData {
    /// The bytes are not the deterministic encoding of a digest and a purpose.
    #[error("user_data is not the CBOR map of a digest and a purpose")]
    Shape,
    /// The purpose is none that this version knows.
    #[error("user_data names an unknown purpose")]
    UnknownPurpose,
}

/// The head of a CBOR text string of at most [`MAX_SHORT_TEXT`] bytes.
fn short_text_head(text: &[u8]) -> u8 {
    text.iter().fold(0x60, |head, _| head + 1)
}

/// Map of two, text "digest", byte string of 32.
const BEFORE_DIGEST: &[u8] = b"\xa2\x66digest\x58\x20";
/// Text "purpose".
const BEFORE_PURPOSE: &[u8] = b"\x67purpose";
const DIGEST_LEN: usize = 32;
const MAX_SHORT_TEXT: usize = 23;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_purpose_round_trips() {
        for purpose in Purpose::ALL {
            let user_data = UserData { purpose, digest: [0x5a; 32] };
            assert_eq!(UserData::decode(&user_data.encode()), Ok(user_data));
            assert_eq!(purpose.to_string().parse(), Ok(purpose));
            assert!(UnknownPurpose.to_string().contains(purpose.as_str()));
        }
        assert_eq!("Session".parse::<Purpose>(), Err(UnknownPurpose));
    }

    #[test]
    fn an_independent_cbor_reader_sees_the_two_fields() {
        let encoded = UserData::over(Purpose::KmsRecipient, b"key").encode();
        let value: ciborium::Value = ciborium::from_reader(encoded.as_slice()).unwrap();
        let map = value.into_map().unwrap();
        assert_eq!(map[0].0.as_text(), Some("digest"));
        assert_eq!(map[0].1.as_bytes().map(Vec::len), Some(32));
        assert_eq!((map[1].0.as_text(), map[1].1.as_text()), (Some("purpose"), Some("kms-recipient")));
    }

    #[test]
    fn every_other_byte_string_is_refused() {
        let encoded = UserData { purpose: Purpose::Session, digest: [1; 32] }.encode();
        for len in 0..encoded.len() {
            assert!(UserData::decode(&encoded[..len]).is_err(), "prefix of {len} bytes");
        }
        assert_eq!(UserData::decode(&[&encoded[..], &[0]].concat()), Err(InvalidUserData::Shape));
        let mut unknown = encoded.clone();
        *unknown.last_mut().unwrap() = b'm';
        assert_eq!(UserData::decode(&unknown), Err(InvalidUserData::UnknownPurpose));
        let mut long = encoded;
        long.extend([b'x'; 300]);
        assert_eq!(UserData::decode(&long), Err(InvalidUserData::Shape));
    }
}
