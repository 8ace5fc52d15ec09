use std::fmt;

use rand_core::TryCryptoRng;
use sha2::{
    Digest, Sha256,
    digest::{FixedOutput, Update},
};
use unicode_normalization::UnicodeNormalization;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{MnemonicError, Seed, english, hmac::HmacSha512};
use crate::GenerateError;

/// English words that stand for a secret (BIP-39), for people to write down.
///
/// Overwritten when dropped, silent in `Debug`, never cloned, displayed or serialized. [`as_phrase`](Self::as_phrase)
/// shows the words.
///
/// ```
/// use chain_signers::hd::{Mnemonic, MnemonicError};
///
/// let phrase = "legal winner thank year wave sausage worth useful legal winner thank yellow";
/// let mnemonic = Mnemonic::from_phrase(phrase)?;
/// assert_eq!(mnemonic.to_seed("TREZOR").as_secret_bytes()[..4], [0x2e, 0x89, 0x05, 0x81]);
///
/// let mistyped = "legal winner thank year wave sausage worth useful legal winner thank year";
/// assert_eq!(Mnemonic::from_phrase(mistyped).unwrap_err(), MnemonicError::Checksum);
/// # Ok::<_, MnemonicError>(())
/// ```
pub struct Mnemonic(Zeroizing<String>);

/// How many words a mnemonic has, and with them how much entropy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WordCount {
    /// 12 words for 128 bits.
    Twelve,
    /// 15 words for 160 bits.
    Fifteen,
    /// 18 words for 192 bits.
    Eighteen,
    /// 21 words for 224 bits.
    TwentyOne,
    /// 24 words for 256 bits.
    TwentyFour,
}

impl Mnemonic {
    /// Draws a mnemonic from `rng`.
    ///
    /// # Errors
    /// [`GenerateError::Rng`] is the generator's own failure; [`GenerateError::Exhausted`] is a broken generator that
    /// yields nothing but zeros.
    pub fn generate<R: TryCryptoRng + ?Sized>(words: WordCount, rng: &mut R) -> Result<Self, GenerateError<R::Error>> {
        let mut entropy = Zeroizing::new([0; MAX_ENTROPY_LEN]);
        let entropy = &mut entropy[..words.entropy_len()];
        rng.try_fill_bytes(entropy).map_err(GenerateError::Rng)?;
        if entropy.iter().all(|byte| *byte == 0) {
            return Err(GenerateError::Exhausted);
        }
        Ok(Self::encode(entropy))
    }

    /// The mnemonic of 16, 20, 24, 28 or 32 secret bytes, which must be as hard to guess as a key. The caller zeroizes
    /// its copy.
    ///
    /// # Errors
    /// [`MnemonicError::EntropyLength`].
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, MnemonicError> {
        match entropy.len() {
            16 | 20 | 24 | 28 | 32 => Ok(Self::encode(entropy)),
            actual => Err(MnemonicError::EntropyLength { actual }),
        }
    }

    /// Reads the words, lower-case and whole, separated by any ASCII white space. The caller zeroizes its copy.
    ///
    /// # Errors
    /// [`MnemonicError::WordCount`], then [`MnemonicError::UnknownWord`], then [`MnemonicError::Checksum`].
    pub fn from_phrase(phrase: &str) -> Result<Self, MnemonicError> {
        let words = phrase.split_ascii_whitespace();
        let count = words.clone().count();
        if !matches!(count, 12 | 15 | 18 | 21 | 24) {
            return Err(MnemonicError::WordCount { actual: count });
        }
        let mut bits = Bits::zeroed();
        for (i, word) in words.enumerate() {
            let index = english::index(word).ok_or(MnemonicError::UnknownWord { position: i + 1 })?;
            bits.set_word(i, index);
        }
        let entropy_len = count / 3 * 4;
        let unused = 8 - count / 3; // there is one bit of checksum for three words, thus 8 at most
        if (bits.0[entropy_len] ^ checksum(&bits.0[..entropy_len])) >> unused != 0 {
            return Err(MnemonicError::Checksum);
        }
        Ok(bits.to_mnemonic(count))
    }

    /// The words, one space between them.
    ///
    /// # Security
    /// These are all the keys at once. Show them to whoever is to write them down, and to nothing that keeps them.
    pub fn as_phrase(&self) -> &str {
        &self.0
    }

    /// The seed: PBKDF2-HMAC-SHA-512 of 2048 rounds over the words, salted with `passphrase`. Without a passphrase,
    /// BIP-39 takes the empty one. Every passphrase gives some seed: none is wrong, so a mistyped one opens other
    /// accounts.
    ///
    /// The passphrase is normalized (NFKD), so that it does not matter how its accents were typed. The caller zeroizes
    /// it.
    pub fn to_seed(&self, passphrase: &str) -> Seed {
        let keyed = HmacSha512::new(self.0.as_bytes());
        let mut block = Zeroizing::new([0; 64]);
        let mut seed = Zeroizing::new(vec![0; 64]);

        let mut mac = keyed.clone();
        mac.update(b"mnemonic");
        mac.update(normalize(passphrase).as_bytes());
        mac.update(&1_u32.to_be_bytes()); // the first block of PBKDF2's output, and the only one
        mac.finish_into(&mut block);
        seed.copy_from_slice(&*block);
        for _ in 1..ROUNDS {
            let mut mac = keyed.clone();
            mac.update(&*block);
            mac.finish_into(&mut block);
            seed.iter_mut().zip(block.iter()).for_each(|(sum, byte)| *sum ^= byte);
        }
        Seed::from_zeroizing(seed)
    }

    /// `entropy` has 16, 20, 24, 28 or 32 bytes.
    fn encode(entropy: &[u8]) -> Self {
        let mut bits = Bits::zeroed();
        bits.0[..entropy.len()].copy_from_slice(entropy);
        bits.0[entropy.len()] = checksum(entropy);
        bits.to_mnemonic(entropy.len() / 4 * 3)
    }
}

impl fmt::Debug for Mnemonic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mnemonic").finish_non_exhaustive()
    }
}

impl ZeroizeOnDrop for Mnemonic {}

impl WordCount {
    /// The number of bytes that the words stand for.
    const fn entropy_len(self) -> usize {
        match self {
            Self::Twelve => 16,
            Self::Fifteen => 20,
            Self::Eighteen => 24,
            Self::TwentyOne => 28,
            Self::TwentyFour => 32,
        }
    }
}

/// Entropy, checksum, and unused bytes, so that the last of 24 words of 11 bits is read like the others: from three
/// bytes.
struct Bits(Zeroizing<[u8; MAX_ENTROPY_LEN + 2]>);

impl Bits {
    fn zeroed() -> Self {
        Self(Zeroizing::new([0; MAX_ENTROPY_LEN + 2]))
    }

    fn word(&self, i: usize) -> usize {
        let (byte, shift) = place(i);
        let window = self.0[byte..byte + 3].iter().fold(0, |window, byte| window << 8 | usize::from(*byte));
        window >> shift & 0x7ff
    }

    /// Its bits must be zero before.
    fn set_word(&mut self, i: usize, index: usize) {
        let (byte, shift) = place(i);
        let window = (index << shift).to_be_bytes();
        let last = &window[window.len() - 3..];
        self.0[byte..byte + 3].iter_mut().zip(last).for_each(|(to, from)| *to |= from);
    }

    fn to_mnemonic(&self, count: usize) -> Mnemonic {
        // Never reallocated, so that no copy is left behind.
        let mut phrase = Zeroizing::new(String::with_capacity(count * (english::MAX_WORD_LEN + 1)));
        for i in 0..count {
            if i > 0 {
                phrase.push(' ');
            }
            phrase.push_str(english::word(self.word(i)));
        }
        Mnemonic(phrase)
    }
}

/// The first of the three bytes that word `i` lies in, and how many bits follow it there.
fn place(i: usize) -> (usize, usize) {
    (i * 11 / 8, 24 - 11 - i * 11 % 8)
}

/// The first byte of the hash, of which the checksum is the beginning.
fn checksum(entropy: &[u8]) -> u8 {
    let mut hash = Zeroizing::new([0; 32]);
    let mut hasher = <Sha256 as Digest>::new();
    Update::update(&mut hasher, entropy);
    FixedOutput::finalize_into(hasher, (&mut *hash).into());
    hash[0]
}

/// Normalization form KD, allocated once, so that no copy is left behind.
fn normalize(passphrase: &str) -> Zeroizing<String> {
    let len = passphrase.nfkd().map(char::len_utf8).sum();
    let mut normalized = Zeroizing::new(String::with_capacity(len));
    normalized.extend(passphrase.nfkd());
    normalized
}

const MAX_ENTROPY_LEN: usize = 32;
const ROUNDS: usize = 2048;
