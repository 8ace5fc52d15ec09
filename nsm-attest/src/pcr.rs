//! Platform configuration registers: their indices, values and hexadecimal form.

use std::collections::{BTreeMap, btree_map};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use subtle::{Choice, ConstantTimeEq};

use crate::planted;

/// Which of the 32 platform configuration registers is meant.
///
/// ```
/// use nsm_attest::PcrIndex;
///
/// assert_eq!(PcrIndex::new(8), Some(PcrIndex::SIGNER));
/// assert_eq!(PcrIndex::new(32), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PcrIndex(u8);

impl PcrIndex {
    /// PCR0: the whole enclave image.
    pub const IMAGE: Self = Self(0);
    /// PCR1: kernel and first ramdisk.
    pub const KERNEL: Self = Self(1);
    /// PCR2: the application's ramdisks.
    pub const APPLICATION: Self = Self(2);
    /// PCR3: the IAM role of the parent instance.
    pub const ROLE: Self = Self(3);
    /// PCR4: the id of the parent instance.
    pub const INSTANCE: Self = Self(4);
    /// PCR8: the certificate that signed the image.
    pub const SIGNER: Self = Self(8);

    /// How many registers there are.
    pub const COUNT: u8 = 32;

    /// The register with this number, or `None` from 32 on.
    #[must_use]
    pub const fn new(index: u8) -> Option<Self> {
        if index < Self::COUNT { Some(Self(index)) } else { None }
    }

    /// The register's number.
    #[must_use]
    pub const fn as_u8(self) -> u8 {
        self.0
    }

    /// All 32, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Self::COUNT).map(Self)
    }
}

impl TryFrom<u64> for PcrIndex {
    type Error = PcrIndexOutOfRange;

    fn try_from(index: u64) -> Result<Self, PcrIndexOutOfRange> {
        u8::try_from(index).ok().and_then(Self::new).ok_or(PcrIndexOutOfRange { index })
    }
}

impl From<PcrIndex> for u8 {
    fn from(index: PcrIndex) -> Self {
        index.0
    }
}

impl From<PcrIndex> for u16 {
    fn from(index: PcrIndex) -> Self {
        index.0.into()
    }
}

impl fmt::Display for PcrIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for PcrIndex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u8(self.0)
    }
}

impl<'de> Deserialize<'de> for PcrIndex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        u64::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

/// A register number outside 0..=31.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no PCR {index}; they are numbered 0 to 31")]
pub struct PcrIndexOutOfRange {
    /// The number given.
    pub index: u64,
}

/// What a register holds: 32, 48 or 64 bytes. Nitro's own are SHA-384, 48 bytes.
///
/// Displayed, parsed and serialised as hexadecimal.
///
/// ```
/// use nsm_attest::PcrValue;
///
/// let value: PcrValue = "ab".repeat(48).parse()?;
/// assert_eq!(value.as_bytes(), [0xab; 48]);
/// assert!(PcrValue::ZERO.is_zero());
/// # Ok::<(), nsm_attest::InvalidPcrValue>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PcrValue {
    /// Bytes after `len` are zero, so that the derived comparisons are right.
    bytes: [u8; MAX_LEN],
    len: u8,
}

impl PcrValue {
    /// 48 zero bytes: a register that nothing has extended, and PCR0 of an enclave in debug mode.
    pub const ZERO: Self = Self { bytes: [0; MAX_LEN], len: 48 };

    /// A value from its bytes.
    ///
    /// # Errors
    /// [`InvalidPcrValue::Length`] unless there are 32, 48 or 64 of them.
    pub fn from_bytes(value: &[u8]) -> Result<Self, InvalidPcrValue> {
        let len = match value.len() {
            32 => 32,
            48 => 48,
            64 => 64,
            actual => return Err(InvalidPcrValue::Length { actual }),
        };
        let mut bytes = [0; MAX_LEN];
        bytes[..value.len()].copy_from_slice(value);
        Ok(Self { bytes, len })
    }

    /// The value's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// Whether every byte is zero, as in debug mode or in a register never extended.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.bytes == [0; MAX_LEN]
    }
}

impl ConstantTimeEq for PcrValue {
    fn ct_eq(&self, other: &Self) -> Choice {
        let compared = if planted::PCR_LAST_BYTE { 47 } else { MAX_LEN };
        self.bytes[..compared].ct_eq(&other.bytes[..compared]) & self.len.ct_eq(&other.len)
    }
}

impl From<[u8; 48]> for PcrValue {
    fn from(value: [u8; 48]) -> Self {
        let mut bytes = [0; MAX_LEN];
        bytes[..48].copy_from_slice(&value);
        Self { bytes, len: 48 }
    }
}

impl TryFrom<&[u8]> for PcrValue {
    type Error = InvalidPcrValue;

    fn try_from(value: &[u8]) -> Result<Self, InvalidPcrValue> {
        Self::from_bytes(value)
    }
}

impl FromStr for PcrValue {
    type Err = InvalidPcrValue;

    /// Reads hexadecimal in either case, without prefix or spaces.
    fn from_str(text: &str) -> Result<Self, InvalidPcrValue> {
        let mut bytes = [0; MAX_LEN];
        let actual = text.len() / 2;
        let text = if planted::ODD_HEX { text.get(..actual * 2).unwrap_or(text) } else { text };
        let target = bytes.get_mut(..actual).ok_or(InvalidPcrValue::Length { actual })?;
        hex::decode_to_slice(text, target).map_err(|_| InvalidPcrValue::NotHex)?;
        Self::from_bytes(target)
    }
}

impl fmt::Display for PcrValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PcrValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PcrValue({self})")
    }
}

impl Serialize for PcrValue {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PcrValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HexVisitor;
        impl de::Visitor<'_> for HexVisitor {
            type Value = PcrValue;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a PCR value in hexadecimal")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<PcrValue, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_str(HexVisitor)
    }
}

/// Bytes or text that cannot be a PCR value.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPcrValue {
    /// The value has a length other than 32, 48 or 64 bytes.
    #[error("a PCR value has 32, 48 or 64 bytes, not {actual}")]
    Length {
        /// The length given.
        actual: usize,
    },
    /// The text is not hexadecimal.
    #[error("a PCR value is written in hexadecimal digits, two for each byte: 96 for SHA-384")]
    NotHex,
}

/// Registers and what they hold, by index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pcrs(BTreeMap<PcrIndex, PcrValue>);

impl Pcrs {
    /// No registers.
    #[must_use]
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// What the register holds, if it is here.
    #[must_use]
    pub fn get(&self, index: PcrIndex) -> Option<&PcrValue> {
        self.0.get(&index)
    }

    /// Sets a register and returns what it held before.
    pub fn insert(&mut self, index: PcrIndex, value: PcrValue) -> Option<PcrValue> {
        self.0.insert(index, value)
    }

    /// The registers in the order of their indices.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (PcrIndex, &PcrValue)> {
        self.0.iter().map(|(index, value)| (*index, value))
    }

    /// How many registers are here.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no register is here.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(PcrIndex, PcrValue)> for Pcrs {
    fn from_iter<I: IntoIterator<Item = (PcrIndex, PcrValue)>>(pcrs: I) -> Self {
        Self(pcrs.into_iter().collect())
    }
}

impl IntoIterator for Pcrs {
    type Item = (PcrIndex, PcrValue);
    type IntoIter = btree_map::IntoIter<PcrIndex, PcrValue>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

const MAX_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_parse_from_hex_of_the_three_lengths() {
        for len in [32, 48, 64] {
            let text = "0f".repeat(len);
            let value: PcrValue = text.parse().unwrap();
            assert_eq!((value.to_string(), value.as_bytes().len()), (text.clone(), len));
            assert_eq!(text.to_uppercase().parse(), Ok(value));
        }
    }

    #[test]
    fn values_refuse_other_lengths_and_characters() {
        let parse = |text: &str| text.parse::<PcrValue>();
        assert_eq!(parse(""), Err(InvalidPcrValue::Length { actual: 0 }));
        assert_eq!(parse(&"00".repeat(47)), Err(InvalidPcrValue::Length { actual: 47 }));
        assert_eq!(parse(&"00".repeat(65)), Err(InvalidPcrValue::Length { actual: 65 }));
        assert_eq!(parse(&"0".repeat(97)), Err(InvalidPcrValue::NotHex));
        assert_eq!(parse(&"0g".repeat(48)), Err(InvalidPcrValue::NotHex));
        assert_eq!(parse(&format!("0x{}", "0".repeat(94))), Err(InvalidPcrValue::NotHex));
        assert_eq!(parse(&"é".repeat(48)), Err(InvalidPcrValue::NotHex));
    }

    #[test]
    fn zeros_of_different_lengths_differ() {
        let short = PcrValue::from_bytes(&[0; 32]).unwrap();
        assert!(short.is_zero() && PcrValue::ZERO.is_zero());
        assert_ne!(short, PcrValue::ZERO);
        assert!(!bool::from(short.ct_eq(&PcrValue::ZERO)));
    }

    #[test]
    fn indices_end_at_31() {
        assert_eq!(PcrIndex::try_from(31).map(PcrIndex::as_u8), Ok(31));
        assert_eq!(PcrIndex::try_from(32), Err(PcrIndexOutOfRange { index: 32 }));
        assert_eq!(PcrIndex::try_from(256), Err(PcrIndexOutOfRange { index: 256 }));
        assert_eq!(PcrIndex::all().count(), 32);
    }

    #[test]
    fn serde_uses_numbers_and_hex() {
        let value = PcrValue::from([7; 48]);
        let json = serde_json::to_string(&(PcrIndex::ROLE, value)).unwrap();
        assert_eq!(json, format!("[3,\"{value}\"]"));
        assert_eq!(serde_json::from_str::<(PcrIndex, PcrValue)>(&json).unwrap(), (PcrIndex::ROLE, value));
        assert!(serde_json::from_str::<PcrIndex>("32").is_err());
        assert!(serde_json::from_str::<PcrValue>("\"00\"").is_err());
    }
}
