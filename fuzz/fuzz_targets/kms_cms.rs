//! `CiphertextForRecipient`: what parses says the same to another reader, and what that reader finds right parses; what
//! opens is what its encrypted key, its content and the padding say, and nothing else opens.
//!
//! The first byte is choices: whether the rest is such a blob as it is, or else which parts one is made of. Then come the
//! IV's first byte, the spelling of the elements (a number, and as many bytes: see `fuzz::ber`), edits (a number, and as
//! many times four bytes) if they were chosen, and what the content decrypts to, padding included.
#![no_main]

use std::sync::LazyLock;

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use fuzz::{CmsReading, edit, hash, read_cms, write_cms};
use kms_enclave_client::RecipientKeyPair;
use kms_enclave_client::cms::{DecryptError, EnvelopedData};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((choices, rest)) = data.split_first() else { return };
    let mut bytes = if choices & 1 != 0 { rest.to_vec() } else { made(*choices, rest).unwrap_or_default() };
    // What opens is rare, hence worth a second try with one bit of it flipped, which the input chooses.
    if check(&bytes) {
        let bit = usize::try_from(hash(data) % (8 * bytes.len() as u64)).expect("an index");
        bytes[bit / 8] ^= 1 << (bit % 8);
        check(&bytes);
    }
});

/// Whether it parses and opens, both as it should.
fn check(bytes: &[u8]) -> bool {
    let reading = if bytes.len() > EnvelopedData::MAX_LEN { None } else { read_cms(bytes) };
    let (data, reading) = match (EnvelopedData::from_bytes(bytes), reading) {
        (Ok(data), Some(reading)) => (data, reading),
        (Ok(data), None) => panic!("parsed, though something is wrong with it: {data:?}"),
        (Err(error), Some(reading)) if reading.is_plain => panic!("refused, though nothing is wrong with it: {error}"),
        (Err(_), _) => return false,
    };
    assert_eq!(data.subject_key_identifier(), reading.identifier.as_deref());
    assert_eq!((data.encrypted_key(), &data.iv()[..]), (&*reading.encrypted_key, &*reading.iv));
    assert_eq!(data.encrypted_content(), reading.content);
    let again = write_cms(reading.identifier.as_deref(), &reading.encrypted_key, &reading.iv, &reading.content);
    assert_eq!(EnvelopedData::from_bytes(&again.spelled(&[])).expect("the same in DER parses"), data);
    match (data.open(&WORLD.recipient), plaintext(&reading)) {
        (Ok(opened), Some(plaintext)) => assert_eq!(opened.as_bytes(), plaintext),
        (Err(DecryptError), None) => return false,
        (Ok(_), None) => panic!("opened, though it should not: {reading:?}"),
        (Err(DecryptError), Some(plaintext)) => panic!("does not open, though it contains {plaintext:?}"),
    }
    true
}

/// What is in an envelope: nothing, unless its key is the one that was encrypted here.
fn plaintext(reading: &CmsReading) -> Option<Vec<u8>> {
    let is_addressed = reading.identifier.as_ref().is_none_or(|identifier| identifier == WORLD.recipient.identifier());
    let is_whole = !reading.content.is_empty() && reading.content.len().is_multiple_of(16);
    if !is_addressed || !is_whole || reading.encrypted_key != WORLD.encrypted_keys[0] {
        return None;
    }
    let mut blocks = reading.content.clone();
    let iv = FixedLength::from(<[u8; 16]>::try_from(&*reading.iv).ok()?);
    DecryptingKey::cbc(content_key())
        .and_then(|key| key.decrypt(&mut blocks, DecryptionContext::Iv128(iv)).map(drop))
        .ok()?;
    // PKCS #7.
    let padding = *blocks.last()?;
    let text = blocks.len().checked_sub(padding.into())?;
    ((1..=16).contains(&padding) && blocks.drain(text..).all(|byte| byte == padding)).then_some(blocks)
}

fn made(choices: u8, input: &[u8]) -> Option<Vec<u8>> {
    let ([first_of_iv, spellings_len], input) = input.split_first_chunk()?;
    let (spellings, input) = input.split_at_checked((spellings_len % 64).into())?;
    let (edits, input) = if choices & 0x20 != 0 {
        let (count, input) = input.split_first()?;
        input.split_at_checked(4 * usize::from(count % 16))?
    } else {
        (&[][..], input)
    };
    let mut iv = [0x22; 16];
    iv[0] = *first_of_iv;
    let mut content = input.to_vec();
    let whole = content.len() / 16 * 16;
    let context = EncryptionContext::Iv128(FixedLength::from(iv));
    EncryptingKey::cbc(content_key()).and_then(|key| key.less_safe_encrypt(&mut content[..whole], context)).ok()?;
    let identifier = match choices >> 3 & 3 {
        0 => Some(&WORLD.recipient.identifier()[..]),
        1 => None,
        2 => Some(&WORLD.other.identifier()[..]),
        _ => Some(&WORLD.recipient.identifier()[..31]),
    };
    let encrypted_key = &WORLD.encrypted_keys[usize::from(choices >> 1 & 3)];
    let mut bytes = write_cms(identifier, encrypted_key, &iv, &content).spelled(spellings);
    edit(&mut bytes, edits);
    Some(bytes)
}

struct World {
    recipient: RecipientKeyPair,
    other: RecipientKeyPair,
    /// The content key; one for AES-128; the content key for the other recipient; noise.
    encrypted_keys: [Vec<u8>; 4],
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let [recipient, other] = [(); 2].map(|()| RecipientKeyPair::generate().expect("an RSA pair"));
    let encrypted_keys = [
        wrap(&CONTENT_KEY, &recipient),
        wrap(&CONTENT_KEY[..16], &recipient),
        wrap(&CONTENT_KEY, &other),
        vec![5; 256],
    ];
    World { recipient, other, encrypted_keys }
});

fn wrap(key: &[u8], recipient: &RecipientKeyPair) -> Vec<u8> {
    let public = PublicEncryptingKey::from_der(recipient.public_key_der()).expect("a public key");
    let public = OaepPublicEncryptingKey::new(public).expect("a public key");
    let mut wrapped = vec![0; public.ciphertext_size()];
    public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, None).expect("a short key");
    wrapped
}

fn content_key() -> UnboundCipherKey {
    UnboundCipherKey::new(&AES_256, &CONTENT_KEY).expect("32 bytes")
}

const CONTENT_KEY: [u8; 32] = [0x11; 32];
