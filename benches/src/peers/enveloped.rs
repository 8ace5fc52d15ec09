//! Opening enveloped data with RustCrypto's crates, as someone would who does without AWS-LC: cms, rsa, aes and cbc.

use aes::Aes256;
use cbc::Decryptor;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use cms::content_info::ContentInfo;
use cms::enveloped_data::{EnvelopedData, RecipientInfo};
use der::asn1::OctetStringRef;
use der::{Decode, EncodingRules};
use rsa::PrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rsa::sha2::Sha256;

use crate::attested::Failure;
use crate::enveloped::Enveloped;

/// A recipient's key as the `rsa` crate holds it.
#[derive(Debug)]
pub struct RustCrypto {
    key: PrivateKey,
}

impl RustCrypto {
    /// The recipient of `enveloped`.
    ///
    /// # Errors
    /// If the crate does not take the key.
    pub fn of(enveloped: &Enveloped) -> Result<Self, Failure> {
        Ok(Self { key: PrivateKey::from_pkcs8_der(&enveloped.private_key_der()?)? })
    }

    /// Opens enveloped data. Of the algorithms and the recipient's identifier nothing is checked, and nothing is done to
    /// make failures alike.
    ///
    /// # Errors
    /// If it is none, or does not open.
    pub fn open(&self, bytes: &[u8]) -> Result<Vec<u8>, Failure> {
        let info = ContentInfo::from_ber(bytes)?;
        let data: EnvelopedData = info.content.decode_as_encoding(EncodingRules::Ber)?;
        let [RecipientInfo::Ktri(recipient)] = data.recip_infos.0.as_slice() else { return Err("recipients".into()) };
        let content_key = self.key.oaep_decrypt::<Sha256>(recipient.enc_key.as_bytes())?;
        let encrypted = data.encrypted_content;
        let iv = encrypted.content_enc_alg.parameters.ok_or("no IV")?;
        let iv = iv.decode_as::<&OctetStringRef>()?.as_bytes().to_vec();
        let mut content = encrypted.encrypted_content.ok_or("no content")?.into_bytes();
        let plaintext = Decryptor::<Aes256>::new_from_slices(&content_key, &iv)?
            .decrypt_padded::<Pkcs7>(&mut content)
            .map_err(|_| "bad padding")?;
        Ok(plaintext.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peer_opens_the_same() {
        let enveloped = Enveloped::new().unwrap();
        let peer = RustCrypto::of(&enveloped).unwrap();
        assert_eq!(peer.open(&enveloped.bytes).unwrap(), enveloped.plaintext);
        let other = RustCrypto::of(&Enveloped::new().unwrap()).unwrap();
        assert!(other.open(&enveloped.bytes).is_err());
    }
}
