//! [`PeerIdentity`]: who a peer proved to be.

use std::fmt;
use std::str::FromStr;

/// The SHA-256 of the public key (SubjectPublicKeyInfo, DER) that a peer proved to hold.
///
/// ```
/// use vsock_rpc::PeerIdentity;
///
/// let identity: PeerIdentity = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff".parse()?;
/// assert_eq!(identity.as_bytes()[..3], [0x00, 0x11, 0x22]);
/// assert_eq!(identity.to_string().parse(), Ok(identity));
/// # Ok::<(), vsock_rpc::transport::ParseIdentityError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerIdentity([u8; 32]);

impl PeerIdentity {
    /// An identity from the digest of an authenticated key.
    #[must_use]
    pub fn from_bytes(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    /// The identity of whoever holds the key to this SubjectPublicKeyInfo (DER).
    #[cfg(feature = "session")]
    #[must_use]
    pub fn of_public_key(spki: &[u8]) -> Self {
        let mut identity = [0; 32];
        identity.copy_from_slice(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, spki).as_ref());
        Self(identity)
    }

    /// The digest.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for PeerIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for PeerIdentity {
    type Err = ParseIdentityError;

    /// Reads what [`Display`](fmt::Display) writes: 64 hexadecimal digits, of either case.
    fn from_str(text: &str) -> Result<Self, ParseIdentityError> {
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return Err(ParseIdentityError) };
        let digits = |pair: &[u8; 2]| Some(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?);
        let bytes: Option<Vec<u8>> = pairs.iter().map(digits).collect();
        let digest = bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(ParseIdentityError)?;
        Ok(Self(digest))
    }
}

fn hex_digit(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

/// The text is not 64 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an identity is written as 64 hexadecimal digits")]
pub struct ParseIdentityError;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written_and_otherwise_refused() {
        let identity = PeerIdentity::from_bytes(std::array::from_fn(|i| u8::try_from(i * 8).unwrap()));
        let text = identity.to_string();
        assert_eq!(text, "0008101820283038404850586068707880889098a0a8b0b8c0c8d0d8e0e8f0f8");
        assert_eq!(text.parse(), Ok(identity));
        assert_eq!(text.to_uppercase().parse(), Ok(identity));
        for wrong in ["", &text[1..], &text[2..], &format!("{text}0"), &format!("{text}00"), &text.replace('f', "g")] {
            assert_eq!(wrong.parse::<PeerIdentity>(), Err(ParseIdentityError), "{wrong}");
        }
        assert_eq!("é".repeat(32).parse::<PeerIdentity>(), Err(ParseIdentityError));
    }
}
