//! `CiphertextForRecipient` as KMS makes it, for a key made here.

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use kms_enclave_client::RecipientKeyPair;
use kms_enclave_client::cms::EnvelopedData;

/// An enveloped data key and the recipient that opens it.
#[derive(Debug)]
pub struct Enveloped {
    /// The enveloped data, in KMS's BER.
    pub bytes: Vec<u8>,
    /// The recipient.
    pub recipient: RecipientKeyPair,
    /// What is in the envelope: 32 bytes.
    pub plaintext: [u8; 32],
    /// The bare RSA-OAEP inside: its decryption is the least that opening costs, its encryption the least that making one does.
    pub oaep: Oaep,
    private: PrivateDecryptingKey,
}

impl Enveloped {
    /// Makes a recipient and an envelope for it.
    ///
    /// # Errors
    /// Those of AWS-LC.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let private = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
        let recipient = RecipientKeyPair::from_pkcs8_der(AsDer::as_der(&private)?.as_ref())?;
        let public = OaepPublicEncryptingKey::new(private.public_key())?;
        let (content_key, iv, plaintext) = ([0x11; 32], [0x22; 16], [0x33; 32]);
        let mut encrypted_key = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA256_MGF1SHA256, &content_key, &mut encrypted_key, None)?;
        let mut content = plaintext.to_vec();
        PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &content_key)?)?
            .less_safe_encrypt(&mut content, EncryptionContext::Iv128(FixedLength::from(iv)))?;
        let bytes = envelope(recipient.identifier(), &encrypted_key, &iv, &content);
        let key = OaepPrivateDecryptingKey::new(private.clone())?;
        let oaep = Oaep { key, encrypted_key, public, content_key };
        Ok(Self { bytes, recipient, plaintext, oaep, private })
    }

    /// The recipient's private key in PKCS#8, for whoever opens envelopes with other cryptography.
    ///
    /// # Errors
    /// Those of AWS-LC.
    pub fn private_key_der(&self) -> Result<Vec<u8>, Unspecified> {
        let der: Pkcs8V1Der<'_> = self.private.as_der()?;
        Ok(der.as_ref().to_vec())
    }

    /// Opens it with `kms-enclave-client`.
    ///
    /// # Errors
    /// If that is refused, or yields something else.
    pub fn open(&self) -> Result<(), Box<dyn std::error::Error>> {
        let opened = EnvelopedData::from_bytes(&self.bytes)?.open(&self.recipient)?;
        if opened.as_bytes() == self.plaintext { Ok(()) } else { Err("another plaintext".into()) }
    }
}

/// What an envelope may be, for whoever looks at how long opening it takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It opens.
    Good,
    /// The encrypted key is noise.
    BadKey,
    /// The content lacks its last byte.
    BadLength,
    /// The content does not end in padding.
    BadPadding,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Good, Self::BadKey, Self::BadLength, Self::BadPadding];

    /// What it is called.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::BadKey => "bad key",
            Self::BadLength => "bad length",
            Self::BadPadding => "bad padding",
        }
    }
}

impl Enveloped {
    /// Another envelope for the same recipient, with a content key and an IV of its own.
    ///
    /// # Errors
    /// Those of AWS-LC.
    pub fn another(&self, kind: Kind) -> Result<Vec<u8>, Unspecified> {
        let (mut content_key, mut iv, mut noise) = ([0; 32], [0; 16], [0; 256]);
        aws_lc_rs::rand::fill(&mut content_key)?;
        aws_lc_rs::rand::fill(&mut iv)?;
        aws_lc_rs::rand::fill(&mut noise)?;
        // Less than the modulus, so that what fails is OAEP.
        noise[0] = 0;
        let public = OaepPublicEncryptingKey::new(self.private.public_key())?;
        let mut encrypted_key = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA256_MGF1SHA256, &content_key, &mut encrypted_key, None)?;
        // Two blocks and one of padding, which is wrong by its first byte.
        let mut padded = [[0x33; 32].as_slice(), &[16; 16]].concat();
        if kind == Kind::BadPadding {
            padded[32] ^= 1;
        }
        EncryptingKey::cbc(UnboundCipherKey::new(&AES_256, &content_key)?)?
            .less_safe_encrypt(&mut padded, EncryptionContext::Iv128(FixedLength::from(iv)))?;
        if kind == Kind::BadLength {
            padded.pop();
        }
        let encrypted_key = if kind == Kind::BadKey { &noise[..] } else { &encrypted_key };
        Ok(envelope(self.recipient.identifier(), encrypted_key, &iv, &padded))
    }
}

/// RSA-2048 OAEP of one content key, in both directions.
#[derive(Debug)]
pub struct Oaep {
    key: OaepPrivateDecryptingKey,
    encrypted_key: Vec<u8>,
    public: OaepPublicEncryptingKey,
    content_key: [u8; 32],
}

impl Oaep {
    /// How many bytes the encryption yields, if it works.
    #[must_use]
    pub fn encrypt(&self) -> Option<usize> {
        let mut buffer = [0; 256];
        let encrypted = self.public.encrypt(&OAEP_SHA256_MGF1SHA256, &self.content_key, &mut buffer, None).ok()?;
        Some(encrypted.len())
    }

    /// How many bytes the decryption yields, if it works.
    #[must_use]
    pub fn decrypt(&self) -> Option<usize> {
        let mut buffer = [0; 256];
        let content_key = self.key.decrypt(&OAEP_SHA256_MGF1SHA256, &self.encrypted_key, &mut buffer, None).ok()?;
        Some(content_key.len())
    }
}

/// Indefinite lengths all the way down to the recipients, which are definite, and the content in pieces.
fn envelope(identifier: &[u8], encrypted_key: &[u8], iv: &[u8], content: &[u8]) -> Vec<u8> {
    let recipient =
        definite(0x30, &[VERSION_2, &definite(0x80, &[identifier]), OAEP_SHA256, &definite(0x04, &[encrypted_key])]);
    let encryption = definite(0x30, &[AES_256_CBC, &definite(0x04, &[iv])]);
    let encrypted = indefinite(0x30, &[DATA, &encryption, &indefinite(0xa0, &[&definite(0x04, &[content])])]);
    let enveloped = indefinite(0x30, &[VERSION_2, &definite(0x31, &[&recipient]), &encrypted]);
    indefinite(0x30, &[ENVELOPED_DATA, &indefinite(0xa0, &[&enveloped])])
}

fn definite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let header = match u16::try_from(content.len()).expect("an envelope of 32 bytes is small").to_be_bytes() {
        [0, len] if len < 0x80 => vec![tag, len],
        [0, len] => vec![tag, 0x81, len],
        [high, low] => vec![tag, 0x82, high, low],
    };
    [header, content].concat()
}

fn indefinite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    [&[tag, 0x80], parts.concat().as_slice(), &[0, 0]].concat()
}

const VERSION_2: &[u8] = b"\x02\x01\x02";
/// 1.2.840.113549.1.7.1
const DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01";
/// 1.2.840.113549.1.7.3
const ENVELOPED_DATA: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x03";
/// 2.16.840.1.101.3.4.1.42
const AES_256_CBC: &[u8] = b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x01\x2a";
/// RSAES-OAEP with SHA-256 and MGF1 with SHA-256.
const OAEP_SHA256: &[u8] = b"\x30\x3c\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x07\x30\x2f\
    \xa0\x0f\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\
    \xa1\x1c\x30\x1a\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x08\
    \x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_good_kind_opens_and_all_parse() {
        let enveloped = Enveloped::new().unwrap();
        for kind in Kind::ALL {
            let data = EnvelopedData::from_bytes(&enveloped.another(kind).unwrap()).unwrap();
            assert_eq!(data.open(&enveloped.recipient).is_ok(), kind == Kind::Good, "{}", kind.name());
        }
    }
}
