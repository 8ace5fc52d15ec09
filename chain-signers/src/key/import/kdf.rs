use pbkdf2::pbkdf2_hmac;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::ImportError;

/// How a [`Keystore`](super::Keystore) makes a key of a password, and how long that takes.
///
/// ```
/// use chain_signers::import::Kdf;
///
/// assert!(Kdf::scrypt(1 << 18, 8, 1).is_ok(), "what most wallets write");
/// assert!(Kdf::scrypt(1 << 20, 8, 1).is_err(), "1 GiB of memory");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kdf(pub(super) Parameters);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parameters {
    Pbkdf2 { iterations: u32 },
    Scrypt { log_n: u8, r: u32, p: u32 },
}

impl Kdf {
    /// scrypt as go-ethereum and most wallets write it: 256 MiB of memory, about a second.
    pub const STANDARD: Self = Self(Parameters::Scrypt { log_n: 18, r: 8, p: 1 });

    /// PBKDF2 with HMAC-SHA-256.
    ///
    /// # Errors
    /// [`ImportError::Parameter`] for no iterations, or more than ten million.
    pub fn pbkdf2(iterations: u64) -> Result<Self, ImportError> {
        match u32::try_from(iterations) {
            Ok(iterations @ 1..=MAX_ITERATIONS) => Ok(Self(Parameters::Pbkdf2 { iterations })),
            _ => Err(invalid("kdfparams.c", "1 to 10000000", iterations)),
        }
    }

    /// scrypt. It takes 128 · `n` · `r` bytes of memory.
    ///
    /// # Errors
    /// [`ImportError::Parameter`] if `n` is no power of two, the memory more than 512 MiB, or `p` more than 16.
    pub fn scrypt(n: u64, r: u64, p: u64) -> Result<Self, ImportError> {
        if n < 2 || !n.is_power_of_two() {
            return Err(invalid("kdfparams.n", "a power of two, from 2 on", n));
        }
        let memory = n.checked_mul(r).and_then(|blocks| blocks.checked_mul(128));
        if r == 0 || memory.is_none_or(|memory| memory > MAX_MEMORY) {
            return Err(invalid("kdfparams.r", "from 1 on, and 128 · n · r bytes are at most 512 MiB", r));
        }
        let p = u32::try_from(p).ok().filter(|p| (1..=MAX_PARALLEL).contains(p)).ok_or(invalid(
            "kdfparams.p",
            "1 to 16",
            p,
        ))?;
        let r = u32::try_from(r).map_err(|_| invalid("kdfparams.r", "at most 2^32 - 1", r))?;
        let log_n = u8::try_from(n.ilog2()).map_err(|_| invalid("kdfparams.n", "at most 2^255", n))?;
        Ok(Self(Parameters::Scrypt { log_n, r, p }))
    }

    pub(super) fn derive(self, password: &str, salt: &[u8]) -> Zeroizing<[u8; 32]> {
        let mut key = Zeroizing::new([0; 32]);
        match self.0 {
            Parameters::Pbkdf2 { iterations } => {
                pbkdf2_hmac::<Sha256>(password.as_bytes(), salt, iterations, key.as_mut_slice());
            }
            Parameters::Scrypt { log_n, r, p } => {
                let parameters = scrypt::Params::new(log_n, r, p).expect("within scrypt's limits, which are wider");
                scrypt::scrypt(password.as_bytes(), salt, &parameters, key.as_mut_slice())
                    .expect("32 bytes are a length");
            }
        }
        key
    }
}

fn invalid(parameter: &'static str, expected: &'static str, actual: u64) -> ImportError {
    ImportError::Parameter { parameter, expected, actual }
}

const MAX_ITERATIONS: u32 = 10_000_000;
const MAX_MEMORY: u64 = 512 * 1024 * 1024;
const MAX_PARALLEL: u32 = 16;
