use std::{fmt, str::FromStr};

use super::DerivationPathError;

/// Which child of a key: an index below 2^31, and whether the child is hardened (BIP-32).
///
/// The parent's private key follows from an unhardened child's private key and the parent's extended public key; from a
/// hardened child's it does not.
///
/// ```
/// use chain_signers::hd::ChildNumber;
///
/// let bitcoin = ChildNumber::hardened(0).ok_or("out of range")?;
/// assert_eq!((bitcoin.to_bits(), bitcoin.to_string().as_str()), (0x8000_0000, "0'"));
/// assert_eq!(ChildNumber::normal(1 << 31), None);
/// # Ok::<_, &str>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChildNumber(u32);

impl ChildNumber {
    /// The hardened child of this index; `None` if the index is not below 2^31.
    pub const fn hardened(index: u32) -> Option<Self> {
        if index < HARDENED { Some(Self(index | HARDENED)) } else { None }
    }

    /// The unhardened child of this index; `None` if the index is not below 2^31.
    pub const fn normal(index: u32) -> Option<Self> {
        if index < HARDENED { Some(Self(index)) } else { None }
    }

    /// Its index, below 2^31.
    pub const fn index(self) -> u32 {
        self.0 & !HARDENED
    }

    /// Whether the child is hardened.
    pub const fn is_hardened(self) -> bool {
        self.0 & HARDENED != 0
    }

    /// What derivation hashes: the index, with the highest bit set if the child is hardened.
    pub const fn to_bits(self) -> u32 {
        self.0
    }
}

/// The index, and `'` if hardened.
impl fmt::Display for ChildNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.index(), if self.is_hardened() { "'" } else { "" })
    }
}

/// A way from the master key down to a key, such as `m/44'/60'/0'/0/0`.
///
/// Text starts with `m`; each level is a decimal number without sign or leading zeros, and hardened if `'`, `h` or `H`
/// follows it, as in output descriptors (BIP-380). It is displayed with `'`. Nothing else is accepted: neither a path
/// without `m`, nor an empty level, nor spaces.
///
/// ```
/// use chain_signers::hd::{DerivationPath, DerivationPathError};
///
/// let path: DerivationPath = "m/84h/0h/0h/0/5".parse()?;
/// assert_eq!(path.to_string(), "m/84'/0'/0'/0/5");
/// assert_eq!(path.child_numbers().len(), 5);
/// assert_eq!("m/84'/".parse::<DerivationPath>(), Err(DerivationPathError::Malformed { level: 2 }));
/// # Ok::<_, DerivationPathError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DerivationPath(Vec<ChildNumber>);

impl DerivationPath {
    /// The most levels below the master key: BIP-32 writes a key's depth as one byte.
    pub const MAX_DEPTH: usize = 255;

    /// The path through these children, from the master key down; without any, the path of the master key.
    ///
    /// # Errors
    /// [`DerivationPathError::TooDeep`]; no more children are taken than that needs.
    pub fn new(child_numbers: impl IntoIterator<Item = ChildNumber>) -> Result<Self, DerivationPathError> {
        let child_numbers: Vec<_> = child_numbers.into_iter().take(Self::MAX_DEPTH + 1).collect();
        if child_numbers.len() > Self::MAX_DEPTH {
            return Err(DerivationPathError::TooDeep);
        }
        Ok(Self(child_numbers))
    }

    /// The children that it goes through, from the master key down.
    pub fn child_numbers(&self) -> &[ChildNumber] {
        &self.0
    }
}

impl FromStr for DerivationPath {
    type Err = DerivationPathError;

    fn from_str(text: &str) -> Result<Self, DerivationPathError> {
        let mut parts = text.split('/');
        if parts.next() != Some("m") {
            return Err(DerivationPathError::NoMaster);
        }
        let mut child_numbers = Vec::new();
        for (part, level) in parts.zip(1..) {
            if level > Self::MAX_DEPTH {
                return Err(DerivationPathError::TooDeep);
            }
            child_numbers.push(parse_level(part, level)?);
        }
        Ok(Self(child_numbers))
    }
}

impl fmt::Display for DerivationPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m")?;
        self.0.iter().try_for_each(|number| write!(f, "/{number}"))
    }
}

fn parse_level(text: &str, level: usize) -> Result<ChildNumber, DerivationPathError> {
    let digits = text.strip_suffix(['\'', 'h', 'H']);
    let (digits, make): (_, fn(u32) -> Option<ChildNumber>) = match digits {
        Some(digits) => (digits, ChildNumber::hardened),
        None => (text, ChildNumber::normal),
    };
    let is_canonical = digits == "0" || !digits.starts_with('0');
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) || !is_canonical {
        return Err(DerivationPathError::Malformed { level });
    }
    digits.parse().ok().and_then(make).ok_or(DerivationPathError::IndexOutOfRange { level })
}

const HARDENED: u32 = 1 << 31;
