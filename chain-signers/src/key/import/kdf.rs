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
        match within(MAX_ITERATIONS, iterations) {
            Some(iterations) => Ok(Self(Parameters::Pbkdf2 { iterations })),
            None => Err(invalid("kdfparams.c", "1 to 10000000", iterations)),
        }
    }

    /// scrypt. It takes 128 · `n` · `r` bytes of memory, and little more.
    ///
    /// # Errors
    /// [`ImportError::Parameter`] if `n` is no power of two, `r` more than 1024, `p` more than 16, or the memory more than
    /// 512 MiB.
    pub fn scrypt(n: u64, r: u64, p: u64) -> Result<Self, ImportError> {
        let log_n = n.checked_ilog2().and_then(|log_n| u8::try_from(log_n).ok()).filter(|log_n| *log_n > 0);
        let log_n =
            log_n.filter(|_| n.is_power_of_two()).ok_or(invalid("kdfparams.n", "a power of two, from 2 on", n))?;
        let r = within(MAX_BLOCK, r).ok_or(invalid("kdfparams.r", "1 to 1024", r))?;
        let p = within(MAX_PARALLEL, p).ok_or(invalid("kdfparams.p", "1 to 16", p))?;
        match n.checked_mul(u64::from(r) * 128) {
            Some(..=MAX_MEMORY) => Ok(Self(Parameters::Scrypt { log_n, r, p })),
            _ => Err(invalid("kdfparams.n", "at most 512 MiB for 128 · n · r bytes", n)),
        }
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

/// From 1 to `max`.
fn within(max: u32, number: u64) -> Option<u32> {
    u32::try_from(number).ok().filter(|number| (1..=max).contains(number))
}

fn invalid(parameter: &'static str, expected: &'static str, actual: u64) -> ImportError {
    ImportError::Parameter { parameter, expected, actual }
}

const MAX_ITERATIONS: u32 = 10_000_000;
const MAX_MEMORY: u64 = 512 * 1024 * 1024;
/// Beside what `n` multiplies, scrypt works on 128 · r · (p + 1) bytes: 2 MiB then.
const MAX_BLOCK: u32 = 1024;
const MAX_PARALLEL: u32 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7914, sections 11 (PBKDF2) and 12 (scrypt): the first 32 bytes of each answer.
    #[test]
    fn matches_rfc_7914() {
        for (kdf, password, salt, expected) in [
            (Kdf::pbkdf2(1), "passwd", "salt", "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"),
            (
                Kdf::pbkdf2(80_000),
                "Password",
                "NaCl",
                "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56",
            ),
            (
                Kdf::scrypt(1024, 8, 16),
                "password",
                "NaCl",
                "fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162",
            ),
            (
                Kdf::scrypt(16_384, 8, 1),
                "pleaseletmein",
                "SodiumChloride",
                "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2",
            ),
        ] {
            assert_eq!(hex::encode(kdf.unwrap().derive(password, salt.as_bytes())), expected);
        }
    }

    #[test]
    fn what_scrypt_takes_is_bounded_however_it_is_divided() {
        for (n, r, p, fits) in [
            (1 << 18, 8, 1, true), // go-ethereum's standard
            (1 << 12, 8, 6, true), // and its light one
            (1 << 19, 8, 1, true),
            (1 << 22, 1, 16, true),
            (1 << 23, 1, 1, false),
            (1 << 20, 8, 1, false),
            (2, 1024, 16, true),
            (2, 1025, 1, false),
            (2, 1 << 20, 16, false), // little for n, but 2 GiB for p
            (2, u64::MAX, 1, false),
            (1 << 63, 1, 1, false),
            (u64::MAX, 1, 1, false),
            (1, 8, 1, false),
            (0, 8, 1, false),
            (6, 8, 1, false),
            (1 << 10, 8, 17, false),
            (1 << 10, 8, 0, false),
            (1 << 10, 0, 1, false),
            (1 << 10, 8, u64::MAX, false),
        ] {
            assert_eq!(Kdf::scrypt(n, r, p).is_ok(), fits, "{n} {r} {p}");
        }
    }
}
