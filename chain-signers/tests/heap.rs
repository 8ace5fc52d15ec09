//! After a key is dropped, its secret is nowhere on the heap. One test, so that no other thread allocates meanwhile.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails its test")]

use std::{fs, fs::File, os::unix::fs::FileExt};

use chain_signers::{
    ChainSigner, Curve, Encoding, Payload, SigningKey,
    evm::Evm,
    hazmat,
    hd::{Mnemonic, Seed, standard},
};
use zeroize::{Zeroize, Zeroizing};

#[test]
fn no_secret_stays_on_the_heap() {
    for (what, secret, use_it) in secrets() {
        let before = secret.copies();
        let alive = use_it(&secret);
        let after = secret.copies();
        assert_eq!(before, 0, "{what} is there before it is made");
        // That the scan finds what is there, or its silence afterwards would prove nothing.
        assert!(alive > 0, "{what} is not found while it is alive");
        assert_eq!(after, 0, "{what} is still on the heap");
    }
}

type Use = fn(&Masked) -> usize;

/// What is secret, and what uses it and counts its copies while it is alive.
fn secrets() -> Vec<(&'static str, Masked, Use)> {
    let seed: Vec<u8> = (0..64).map(|i| i * 3 + 7).collect();
    vec![
        ("a secp256k1 scalar", Masked::new(&[0x6b; 32].map(|byte| byte ^ 0x11)), secp256k1 as Use),
        (
            "an ed25519 seed",
            Masked::new(&std::array::from_fn::<u8, 32, _>(|i| u8::try_from(i).unwrap() * 5 + 1)),
            ed25519,
        ),
        ("a seed of keys", Masked::new(&seed), derived),
        ("a mnemonic", Masked(PHRASE.to_vec()), mnemonic),
    ]
}

fn secp256k1(secret: &Masked) -> usize {
    let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &secret.plain()).unwrap();
    drop(key.secret_bytes());
    let signature = hazmat::sign_prehash(&key, &[7; 32]).unwrap();
    hazmat::verify_prehash(&key.verifying_key(), &[7; 32], &signature).unwrap();
    let signer = ChainSigner::new(std::sync::Arc::new(Evm), key).unwrap();
    let json = br#"{"to": "0x3535353535353535353535353535353535353535", "value": 1, "nonce": 9, "chainId": 1,
        "gas": 21000, "gasPrice": 20000000000}"#;
    let transaction = signer.decode(&Payload::new(Encoding::Json, json)).unwrap();
    signer.sign(transaction.as_ref()).unwrap();
    secret.copies()
}

fn ed25519(secret: &Masked) -> usize {
    let key = SigningKey::from_secret_bytes(Curve::Ed25519, &secret.plain()).unwrap();
    drop(key.secret_bytes());
    key.pairwise_consistency_test().unwrap();
    secret.copies()
}

fn derived(secret: &Masked) -> usize {
    let seed = Seed::from_bytes(&secret.plain()).unwrap();
    SigningKey::derive(Curve::Secp256k1, &seed, &standard::ethereum(0).unwrap()).unwrap();
    SigningKey::derive(Curve::Ed25519, &seed, &standard::solana(0).unwrap()).unwrap();
    secret.copies()
}

fn mnemonic(secret: &Masked) -> usize {
    let plain = secret.plain();
    let mnemonic = Mnemonic::from_phrase(std::str::from_utf8(&plain).unwrap()).unwrap();
    drop(mnemonic.to_seed("passphrase"));
    assert!(!mnemonic.as_phrase().is_empty());
    secret.copies()
}

/// Bytes that this program holds in no other form than masked, so that a scan finds only copies that somebody made.
struct Masked(Vec<u8>);

impl Masked {
    fn new(plain: &[u8]) -> Self {
        Self(plain.iter().map(|byte| byte ^ MASK).collect())
    }

    fn plain(&self) -> Zeroizing<Vec<u8>> {
        let mut plain = Zeroizing::new(Vec::with_capacity(self.0.len()));
        plain.extend(self.0.iter().map(|byte| byte ^ MASK));
        plain
    }

    /// How often the bytes stand on the heap, in either byte order: numbers are kept in limbs, the lowest first.
    fn copies(&self) -> usize {
        let memory = File::open("/proc/self/mem").unwrap();
        let mut window = vec![0_u8; WINDOW + self.0.len()];
        let own = window.as_ptr() as usize;
        let own = own..own + window.capacity();
        let mut copies = 0;
        for (start, end) in heap() {
            let mut at = start;
            while at < end {
                let len = (end - at).min(window.len());
                // A mapping may have gone since it was listed.
                if memory.read_exact_at(&mut window[..len], at as u64).is_ok() {
                    copies += self.count(&window[..len], |offset| !own.contains(&(at + offset)));
                }
                window.zeroize();
                window.resize(WINDOW + self.0.len(), 0);
                at += WINDOW;
            }
        }
        copies
    }

    /// Those that begin in the first `WINDOW` bytes; the others are counted with the next window.
    fn count(&self, window: &[u8], is_foreign: impl Fn(usize) -> bool) -> usize {
        let is_here = |bytes: &[u8]| {
            bytes.iter().zip(&self.0).all(|(found, masked)| *found == masked ^ MASK)
                || bytes.iter().rev().zip(&self.0).all(|(found, masked)| *found == masked ^ MASK)
        };
        let places = window.windows(self.0.len()).take(WINDOW).enumerate();
        places.filter(|(offset, bytes)| is_foreign(*offset) && is_here(bytes)).count()
    }
}

/// Writable memory without a file behind it, except the stacks: what is computed there may stay, which no library can
/// prevent, and the README says so.
fn heap() -> Vec<(usize, usize)> {
    let on_this_stack = 0_u8;
    let on_this_stack = (&raw const on_this_stack) as usize;
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    let mut regions = Vec::new();
    for line in maps.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        let is_heap = words.get(5).is_none_or(|name| *name == "[heap]");
        if words[1].starts_with("rw") && is_heap {
            let (start, end) = words[0].split_once('-').unwrap();
            let address = |text| usize::from_str_radix(text, 16).unwrap();
            let (start, end) = (address(start), address(end));
            if !(start..end).contains(&on_this_stack) {
                regions.push((start, end));
            }
        }
    }
    regions
}

const MASK: u8 = 0xa5;
const WINDOW: usize = 1 << 16;
/// `legal winner thank year wave sausage worth useful legal winner thank yellow`, BIP-39's, masked.
const PHRASE: [u8; 75] = mask(*b"legal winner thank year wave sausage worth useful legal winner thank yellow");

const fn mask<const N: usize>(mut bytes: [u8; N]) -> [u8; N] {
    let mut i = 0;
    while i < N {
        bytes[i] ^= MASK;
        i += 1;
    }
    bytes
}
