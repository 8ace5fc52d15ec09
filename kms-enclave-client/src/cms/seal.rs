//! Enveloped data in KMS's own BER, for the simulator and for tests.

use aws_lc_rs::cipher::{AES_256, AES_256_KEY_LEN, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use zeroize::Zeroizing;

use super::IV_LEN;
use super::shape::definite;
use crate::recipient::key_identifier;

/// Envelopes `plaintext` for an RSA public key, byte-shaped like KMS: lengths are indefinite but in the recipient set,
/// and the content is one OCTET STRING in a constructed `[0]`.
pub(crate) fn seal(
    plaintext: &[u8],
    public_key: &PublicEncryptingKey,
    public_der: &[u8],
) -> Result<Vec<u8>, Unspecified> {
    let mut content_key = Zeroizing::new([0; AES_256_KEY_LEN]);
    let mut iv = [0; IV_LEN];
    aws_lc_rs::rand::fill(&mut *content_key)?;
    aws_lc_rs::rand::fill(&mut iv)?;
    let public_key = OaepPublicEncryptingKey::new(public_key.clone())?;
    let mut encrypted_key = vec![0; public_key.ciphertext_size()];
    public_key.encrypt(&OAEP_SHA256_MGF1SHA256, &*content_key, &mut encrypted_key, None)?;
    let content = encrypt_content(plaintext, &content_key, iv)?;
    Ok(envelope(&key_identifier(public_der), &encrypted_key, &iv, &content))
}

pub(crate) fn encrypt_content(
    plaintext: &[u8],
    key: &[u8; AES_256_KEY_LEN],
    iv: [u8; IV_LEN],
) -> Result<Vec<u8>, Unspecified> {
    let mut content = plaintext.to_vec();
    PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, key)?)?
        .less_safe_encrypt(&mut content, EncryptionContext::Iv128(FixedLength::from(iv)))?;
    Ok(content)
}

pub(crate) fn envelope(identifier: &[u8], encrypted_key: &[u8], iv: &[u8; IV_LEN], content: &[u8]) -> Vec<u8> {
    let oaep = definite(SEQUENCE, &[OID_RSAES_OAEP, OAEP_SHA256_PARAMETERS]);
    let recipient = definite(
        SEQUENCE,
        &[VERSION_2, &definite(CONTEXT_0, &[identifier]), &oaep, &definite(OCTET_STRING, &[encrypted_key])],
    );
    let encryption = definite(SEQUENCE, &[OID_AES_256_CBC, &definite(OCTET_STRING, &[iv])]);
    let encrypted = indefinite(CONTEXT_0_CONSTRUCTED, &[&definite(OCTET_STRING, &[content])]);
    let content_info = indefinite(SEQUENCE, &[OID_DATA, &encryption, &encrypted]);
    let enveloped = indefinite(SEQUENCE, &[VERSION_2, &definite(SET, &[&recipient]), &content_info]);
    indefinite(SEQUENCE, &[OID_ENVELOPED_DATA, &indefinite(CONTEXT_0_CONSTRUCTED, &[&enveloped])])
}

pub(crate) fn indefinite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![tag, 0x80];
    bytes.extend(parts.concat());
    bytes.extend([0, 0]);
    bytes
}

pub(crate) const OCTET_STRING: u8 = 0x04;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;
pub(crate) const CONTEXT_0: u8 = 0x80;
pub(crate) const CONTEXT_0_CONSTRUCTED: u8 = 0xa0;

pub(crate) const VERSION_2: &[u8] = &[0x02, 0x01, 0x02];
pub(crate) const OID_DATA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
pub(crate) const OID_ENVELOPED_DATA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x03];
pub(crate) const OID_RSAES_OAEP: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x07];
pub(crate) const OID_AES_256_CBC: &[u8] = &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01, 0x2a];
#[rustfmt::skip] // a line for each element, the AlgorithmIdentifier within the mask generation on one of its own
pub(crate) const OAEP_SHA256_PARAMETERS: &[u8] = &[
    0x30, 0x2f,
    0xa0, 0x0f, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
    0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08,
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
];
