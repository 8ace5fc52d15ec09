mod file;

use aes::Aes128;
use ctr::{
    Ctr128BE,
    cipher::{KeyIvInit, StreamCipher},
};
use rand_core::TryCryptoRng;
use subtle::ConstantTimeEq;
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::{ImportError, Kdf, SealError};
use crate::{Curve, KeyError, SigningKey, VerifyingKey, keccak};

/// An Ethereum key under a password: Web3 Secret Storage, version 3.
///
/// <https://ethereum.org/en/developers/docs/data-structures-and-encoding/web3-secret-storage/>. AES-128-CTR, with a key that
/// scrypt or PBKDF2 makes of the password, and Keccak-256 as MAC over half of it and the ciphertext. Nothing in the file is
/// secret but to those who guess the password, which the parameters make slow.
///
/// ```
/// use chain_signers::{Curve, SigningKey, import::{ImportError, Kdf, Keystore}};
/// # struct Rng(u8);
/// # impl rand_core::TryRng for Rng {
/// #     type Error = core::convert::Infallible;
/// #     fn try_next_u32(&mut self) -> Result<u32, Self::Error> { Ok(7) }
/// #     fn try_next_u64(&mut self) -> Result<u64, Self::Error> { Ok(7) }
/// #     fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> { bytes.fill(self.0); Ok(()) }
/// # }
/// # impl rand_core::TryCryptoRng for Rng {}
/// # let mut rng = Rng(7);
///
/// let key = SigningKey::from_secret_bytes(Curve::Secp256k1, &[0x46; 32])?;
/// let json = Keystore::seal(&key, "correct horse", Kdf::scrypt(1 << 10, 8, 1)?, &mut rng)?.to_json();
/// let keystore = Keystore::from_json(&json)?;
/// assert_eq!(keystore.open("correct horse")?, key);
/// assert_eq!(keystore.open("battery").unwrap_err(), ImportError::WrongPassword);
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keystore {
    kdf: Kdf,
    salt: Vec<u8>,
    iv: [u8; 16],
    ciphertext: [u8; 32],
    mac: [u8; 32],
    id: Option<String>,
    address: Option<[u8; 20]>,
}

impl Keystore {
    /// Encrypts a secp256k1 key under `password`, and names its address.
    ///
    /// # Errors
    /// [`SealError::Key`] for a key on another curve; [`SealError::Rng`] is the generator's own failure.
    pub fn seal<R: TryCryptoRng + ?Sized>(
        key: &SigningKey,
        password: &str,
        kdf: Kdf,
        rng: &mut R,
    ) -> Result<Self, SealError<R::Error>> {
        let address = address(&key.verifying_key())?;
        let (mut salt, mut iv, mut id) = (vec![0; 32], [0; 16], [0; 16]);
        for buffer in [&mut salt[..], &mut iv, &mut id] {
            rng.try_fill_bytes(buffer).map_err(SealError::Rng)?;
        }
        let derived = kdf.derive(password, &salt);
        let mut ciphertext = *key.secret_bytes(); // until the next line, which overwrites it
        crypt(&derived, &iv, &mut ciphertext);
        let mac = mac(&derived, &ciphertext);
        Ok(Self { kdf, salt, iv, ciphertext, mac, id: Some(uuid(id)), address: Some(address) })
    }

    /// Reads the JSON of a keystore file. Other keys beside those of the standard are skipped, as wallets add their own.
    ///
    /// # Errors
    /// [`ImportError`] says what is wrong or not supported.
    pub fn from_json(json: &str) -> Result<Self, ImportError> {
        file::read(json)
    }

    /// The JSON of a keystore file.
    pub fn to_json(&self) -> String {
        file::write(self)
    }

    /// The key.
    ///
    /// # Errors
    /// [`ImportError::WrongPassword`]; [`ImportError::AddressMismatch`] or [`ImportError::Key`] if what was encrypted is
    /// another key than the file says, or none.
    pub fn open(&self, password: &str) -> Result<SigningKey, ImportError> {
        let derived = self.kdf.derive(password, &self.salt);
        if !bool::from(mac(&derived, &self.ciphertext).ct_eq(&self.mac)) {
            return Err(ImportError::WrongPassword);
        }
        let mut secret = Zeroizing::new(self.ciphertext);
        crypt(&derived, &self.iv, &mut secret);
        let key = SigningKey::from_secret_bytes(Curve::Secp256k1, secret.as_slice())?;
        match self.address {
            Some(expected) if address(&key.verifying_key())? != expected => Err(ImportError::AddressMismatch),
            _ => Ok(key),
        }
    }
}

/// Encrypts or decrypts: the same in counter mode.
fn crypt(derived: &[u8; 32], iv: &[u8; 16], bytes: &mut [u8; 32]) {
    let mut key = Zeroizing::new([0; 16]);
    key.copy_from_slice(&derived[..16]);
    Ctr128BE::<Aes128>::new((&*key).into(), iv.into()).apply_keystream(bytes);
}

/// Stops compiling if a dependency's feature is lost that makes the cipher overwrite itself.
const _: fn() = || {
    fn overwrites_itself<T: ZeroizeOnDrop>() {}
    overwrites_itself::<Ctr128BE<Aes128>>();
};

fn mac(derived: &[u8; 32], ciphertext: &[u8; 32]) -> [u8; 32] {
    let mut input = Zeroizing::new([0; 48]);
    input[..16].copy_from_slice(&derived[16..]);
    input[16..].copy_from_slice(ciphertext);
    keccak::keccak256(input.as_slice())
}

fn address(key: &VerifyingKey) -> Result<[u8; 20], KeyError> {
    let hash = keccak::keccak256(&key.to_uncompressed_bytes()?[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    Ok(address)
}

/// Version 4 of RFC 9562.
fn uuid(mut bytes: [u8; 16]) -> String {
    bytes[6] = 0x40 | (bytes[6] & 0x0f);
    bytes[8] = 0x80 | (bytes[8] & 0x3f);
    let digits = hex::encode(bytes);
    let groups = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
    groups.join("-")
}
