//! `CiphertextForRecipient` as KMS makes it, for a key made here.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey,
};
use kms_enclave_client::RecipientKeyPair;

/// An enveloped data key and the recipient that opens it.
#[derive(Debug)]
pub struct Enveloped {
    /// The enveloped data, in KMS's BER.
    pub bytes: Vec<u8>,
    /// The recipient.
    pub recipient: RecipientKeyPair,
    /// What is in the envelope: 32 bytes.
    pub plaintext: [u8; 32],
    /// The bare RSA-OAEP decryption inside, which is the least that opening costs.
    pub oaep: Oaep,
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
        let oaep = Oaep { key: OaepPrivateDecryptingKey::new(private)?, encrypted_key };
        Ok(Self { bytes, recipient, plaintext, oaep })
    }
}

/// One RSA-2048 OAEP decryption.
#[derive(Debug)]
pub struct Oaep {
    key: OaepPrivateDecryptingKey,
    encrypted_key: Vec<u8>,
}

impl Oaep {
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
