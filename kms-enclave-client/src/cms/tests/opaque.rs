//! Whatever is wrong with an envelope of the right shape, the answer is one value that says nothing.

use std::collections::BTreeSet;
use std::error::Error as _;

use aws_lc_rs::cipher::{
    AES_256, DecryptingKey, DecryptionContext, EncryptingKey, EncryptionContext, UnboundCipherKey,
};
use aws_lc_rs::iv::FixedLength;

use super::properties::wrap;
use super::{DecryptError, EnvelopedData, PAIR, Plaintext, encrypt_content, envelope};
use crate::error::Error;
use crate::recipient::RecipientKeyPair;

/// SplitMix64: the same blobs in each run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&self.next().to_be_bytes()[..chunk.len()]));
    }
}

/// Of each kind.
const BLOBS: usize = 1000;

/// The parts of an envelope that can be wrong without being malformed.
#[derive(Clone)]
struct Parts {
    identifier: Vec<u8>,
    encrypted_key: Vec<u8>,
    iv: [u8; 16],
    content: Vec<u8>,
    /// What the caller knows of the plaintext.
    expected_len: Option<usize>,
}

impl Parts {
    fn good(random: &mut Random, key: &[u8; 32]) -> Self {
        let (iv, plaintext) = (array(random), plaintext(random));
        Self {
            identifier: PAIR.identifier().to_vec(),
            encrypted_key: wrap(key, &PAIR),
            iv,
            content: encrypt_content(&plaintext, key, iv).unwrap(),
            expected_len: choose(random, 2).eq(&0).then_some(plaintext.len()),
        }
    }

    /// Parsing says nothing: only opening does.
    fn open(&self) -> Result<Plaintext, DecryptError> {
        let bytes = envelope(&self.identifier, &self.encrypted_key, &self.iv, &self.content);
        let data = EnvelopedData::from_bytes(&bytes).expect("the shape is right");
        match self.expected_len {
            Some(len) => data.open_within(&PAIR, &(len..=len)),
            None => data.open(&PAIR),
        }
    }
}

/// The damage, which gets the content key too.
type Kind = (&'static str, fn(&mut Random, &[u8; 32], &mut Parts));

const KINDS: [Kind; 12] = [
    ("a flipped bit of the key", |random, _, parts| flip(random, &mut parts.encrypted_key)),
    ("a key of noise", |random, _, parts| random.fill(&mut parts.encrypted_key)),
    ("a key of another length", |random, _, parts| {
        parts.encrypted_key = bytes(random, 600, |len| len != 256);
    }),
    ("another content key", |random, _, parts| {
        let mut other = array(random);
        // One in 256 keys makes something that looks padded: CBC cannot tell.
        while is_padded(&decrypt_blocks(&parts.content, &other, parts.iv)) {
            other = array(random);
        }
        parts.encrypted_key = wrap(&other, &PAIR);
    }),
    ("a content key of another length", |random, _, parts| {
        // RSA-2048 takes up to 190 bytes.
        let key = bytes(random, 191, |len| len != 32);
        parts.encrypted_key = wrap(&key, &PAIR);
    }),
    ("content that is no whole number of blocks", |random, _, parts| {
        let len = parts.content.len();
        parts.content.truncate(len - 1 - choose(random, 15));
        if choose(random, 2) == 0 {
            let noise = bytes(random, 16, |len| len > 0);
            parts.content = [[0; 160].as_slice(), &noise].concat();
        }
    }),
    ("content that lacks blocks", |random, _, parts| {
        let blocks = choose(random, parts.content.len() / 16);
        parts.content.truncate(16 * blocks);
    }),
    ("bad padding", |random, key, parts| {
        let len = 16 * (1 + choose(random, 8));
        let mut padded = bytes(random, len + 1, |found| found == len);
        // Half of them miss by one byte only.
        if choose(random, 2) == 0 {
            let padding_len = 2 + choose(random, 15);
            padded[len - padding_len..].fill(u8::try_from(padding_len).unwrap());
            padded[len - 2 - choose(random, padding_len - 1)] ^= nonzero(random);
        }
        if is_padded(&padded) {
            *padded.last_mut().unwrap() = 0;
        }
        parts.content = encrypt_blocks(&padded, key, parts.iv);
    }),
    ("a flipped bit of the last block", |random, key, parts| {
        let start = parts.content.len() - 16;
        while is_padded(&decrypt_blocks(&parts.content, key, parts.iv)) {
            flip(random, &mut parts.content[start..]);
        }
    }),
    ("another IV", |random, key, parts| {
        // One block, so that the IV decides on the padding.
        parts.content = encrypt_content(&bytes(random, 16, |_| true), key, parts.iv).unwrap();
        while is_padded(&decrypt_blocks(&parts.content, key, parts.iv)) {
            match choose(random, 2) {
                0 => parts.iv = array(random),
                _ => flip(random, &mut parts.iv),
            }
        }
    }),
    ("another identifier", |random, _, parts| match choose(random, 3) {
        0 => flip(random, &mut parts.identifier),
        1 => parts.identifier = bytes(random, 65, |len| len != 32),
        _ => random.fill(&mut parts.identifier),
    }),
    ("another length than the caller expects", |random, _, parts| {
        let right = parts.open().unwrap().as_bytes().len();
        parts.expected_len = Some((right + 1 + choose(random, 4096)) % 4097).filter(|len| *len != right).or(Some(5000));
    }),
];

#[test]
fn a_thousand_blobs_with_each_defect_are_one_error() {
    let mut random = Random(2026);
    let mut said = BTreeSet::new();
    for (kind, damage) in KINDS {
        for blob in 0..BLOBS {
            let key = array(&mut random);
            let mut parts = Parts::good(&mut random, &key);
            damage(&mut random, &key, &mut parts);
            let error = parts.open().expect_err(kind);
            assert!(error.source().is_none(), "{kind}, blob {blob}");
            said.insert(format!("{error} {error:?} {error:#?}"));
            // As the client's callers see it.
            let error = Error::from(error);
            assert!(error.source().is_none(), "{kind}, blob {blob}");
            said.insert(format!("{error} {error:?} {error:#?}"));
        }
    }
    let detail = "the enveloped data cannot be opened";
    let expected = [
        format!("{detail} Decrypt(DecryptError) Decrypt(\n    DecryptError,\n)"),
        format!("{detail} DecryptError DecryptError"),
    ];
    assert_eq!(said, BTreeSet::from(expected));
}

#[test]
fn a_blob_without_a_defect_opens() {
    let mut random = Random(2026);
    for _ in 0..100 {
        let key = array(&mut random);
        assert!(Parts::good(&mut random, &key).open().is_ok());
    }
    let other = RecipientKeyPair::generate().unwrap();
    let parts = Parts::good(&mut random, &[1; 32]);
    let bytes = envelope(&parts.identifier, &parts.encrypted_key, &parts.iv, &parts.content);
    assert_eq!(EnvelopedData::from_bytes(&bytes).unwrap().open(&other), Err(DecryptError));
}

/// PKCS #7, read independently: the last byte says how often it stands there.
fn is_padded(blocks: &[u8]) -> bool {
    let last = blocks.last().copied().unwrap_or(0);
    (1..=16).contains(&last) && blocks.ends_with(&vec![last; last.into()])
}

/// AES-256-CBC of whole blocks as they are.
fn encrypt_blocks(blocks: &[u8], key: &[u8; 32], iv: [u8; 16]) -> Vec<u8> {
    let mut blocks = blocks.to_vec();
    EncryptingKey::cbc(UnboundCipherKey::new(&AES_256, key).unwrap())
        .unwrap()
        .less_safe_encrypt(&mut blocks, EncryptionContext::Iv128(FixedLength::from(iv)))
        .unwrap();
    blocks
}

fn decrypt_blocks(blocks: &[u8], key: &[u8; 32], iv: [u8; 16]) -> Vec<u8> {
    let mut blocks = blocks.to_vec();
    DecryptingKey::cbc(UnboundCipherKey::new(&AES_256, key).unwrap())
        .unwrap()
        .decrypt(&mut blocks, DecryptionContext::Iv128(FixedLength::from(iv)))
        .unwrap();
    blocks
}

/// Without a byte that could be padding, so that no part of it ends in one.
fn plaintext(random: &mut Random) -> Vec<u8> {
    let mut text = bytes(random, 200, |_| true);
    text.iter_mut().for_each(|byte| *byte |= 0x20);
    text
}

/// Fewer than `end` bytes, of a length that is wanted.
fn bytes(random: &mut Random, end: usize, is_wanted: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut len = choose(random, end);
    while !is_wanted(len) {
        len = choose(random, end);
    }
    let mut bytes = vec![0; len];
    random.fill(&mut bytes);
    bytes
}

fn array<const N: usize>(random: &mut Random) -> [u8; N] {
    let mut array = [0; N];
    random.fill(&mut array);
    array
}

fn flip(random: &mut Random, bytes: &mut [u8]) {
    let position = choose(random, bytes.len());
    bytes[position] ^= 1 << choose(random, 8);
}

fn nonzero(random: &mut Random) -> u8 {
    u8::try_from(1 + choose(random, 255)).unwrap()
}

fn choose(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.next() % u64::try_from(end).unwrap()).unwrap()
}
