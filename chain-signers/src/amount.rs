use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// An unsigned 256-bit amount in a chain's smallest unit (wei, lamports): exact, never a float.
///
/// Text and JSON are decimal.
///
/// ```
/// use chain_signers::Amount;
///
/// let wei: Amount = "10000000000000000".parse()?;
/// assert_eq!(wei, Amount::from(10_000_000_000_000_000_u64));
/// assert_eq!(wei.to_units(18), "0.01");
/// # Ok::<_, chain_signers::AmountError>(())
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Amount([u8; 32]); // big-endian, so that the derived order is the numeric one

impl Amount {
    /// Nothing.
    pub const ZERO: Self = Self([0; 32]);

    /// The largest amount, 2^256 - 1.
    pub const MAX: Self = Self([0xff; 32]);

    /// From 32 big-endian bytes.
    pub const fn from_be_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// As 32 big-endian bytes.
    pub const fn to_be_bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether it is zero.
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// The sum, or `None` beyond 2^256 - 1.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        let mut sum = [0; 32];
        let mut carry = 0;
        for i in (0..32).rev() {
            let digit = u16::from(self.0[i]) + u16::from(other.0[i]) + carry;
            [_, sum[i]] = digit.to_be_bytes();
            carry = digit >> 8;
        }
        (carry == 0).then_some(Self(sum))
    }

    /// The amount in units of 10^`decimals`, with no trailing zeros: 1500000000 lamports (9 decimals) are `1.5`.
    pub fn to_units(self, decimals: u8) -> String {
        let width = usize::from(decimals) + 1;
        let digits = format!("{:0>width$}", self.to_string());
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(decimals));
        match fraction.trim_end_matches('0') {
            "" => whole.to_owned(),
            fraction => format!("{whole}.{fraction}"),
        }
    }

    fn to_u128(self) -> Option<u128> {
        let mut low = [0; 16];
        low.copy_from_slice(&self.0[16..]);
        (self.0[..16] == [0; 16]).then(|| u128::from_be_bytes(low))
    }

    fn times_plus(self, factor: u64, term: u64) -> Option<Self> {
        let mut product = [0; 32];
        let mut carry = u128::from(term);
        let (limbs, _) = self.0.as_chunks::<8>();
        let (results, _) = product.as_chunks_mut::<8>();
        for (limb, result) in limbs.iter().zip(results).rev() {
            let value = u128::from(u64::from_be_bytes(*limb)) * u128::from(factor) + carry;
            result.copy_from_slice(&value.to_be_bytes()[8..]);
            carry = value >> 64;
        }
        (carry == 0).then_some(Self(product))
    }
}

impl From<u64> for Amount {
    fn from(value: u64) -> Self {
        Self::from(u128::from(value))
    }
}

impl From<u128> for Amount {
    fn from(value: u128) -> Self {
        let mut bytes = [0; 32];
        bytes[16..].copy_from_slice(&value.to_be_bytes());
        Self(bytes)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Almost every amount is below 2^128, where the standard library is quicker than long division.
        if let Some(low) = self.to_u128() {
            return fmt::Display::fmt(&low, f);
        }
        let mut rest = self.0;
        let mut digits = Vec::with_capacity(MAX_DIGITS);
        while rest != [0; 32] {
            let mut remainder = 0_u16;
            for byte in &mut rest {
                let value = (remainder << 8) | u16::from(*byte);
                [_, *byte] = (value / 10).to_be_bytes();
                remainder = value % 10;
            }
            let [_, digit] = remainder.to_be_bytes();
            digits.push(char::from(b'0' + digit));
        }
        if digits.is_empty() {
            digits.push('0');
        }
        f.pad_integral(true, "", &digits.into_iter().rev().collect::<String>())
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Amount({self})")
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        if text.is_empty() || (text.len() > 1 && text.starts_with('0')) || !text.bytes().all(|c| c.is_ascii_digit()) {
            return Err(AmountError::Digits);
        }
        if text.len() > MAX_DIGITS {
            return Err(AmountError::Overflow);
        }
        let append = |amount: Self, digits: &[u8]| {
            let append = |(factor, number), digit: &u8| (factor * 10, number * 10 + u64::from(digit - b'0'));
            let (factor, number) = digits.iter().fold((1, 0), append);
            amount.times_plus(factor, number)
        };
        text.as_bytes().chunks(DIGITS_AT_ONCE).try_fold(Self::ZERO, append).ok_or(AmountError::Overflow)
    }
}

impl TryFrom<String> for Amount {
    type Error = AmountError;

    fn try_from(text: String) -> Result<Self, AmountError> {
        text.parse()
    }
}

impl From<Amount> for String {
    fn from(amount: Amount) -> Self {
        amount.to_string()
    }
}

/// Why a text is not an [`Amount`].
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AmountError {
    /// It is not a plain decimal number: digits only, no leading zeros.
    #[error("an amount is written in decimal digits without leading zeros")]
    Digits,
    /// It is beyond 2^256 - 1.
    #[error("an amount is at most 2^256 - 1")]
    Overflow,
}

/// Decimal digits of 2^256 - 1.
const MAX_DIGITS: usize = 78;
/// As many as a `u64` holds, whatever they are: a policy may have to read thousands of amounts for one decision.
const DIGITS_AT_ONCE: usize = 19;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MAX: &str = "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn reads_and_writes_the_largest_and_refuses_one_more() {
        let max: Amount = MAX.parse().unwrap();
        assert_eq!(max, Amount::from_be_bytes([0xff; 32]));
        assert_eq!(max.to_string(), MAX);
        assert_eq!(MAX.replace("935", "936").parse::<Amount>(), Err(AmountError::Overflow));
        assert_eq!(max.checked_add(Amount::from(1_u64)), None);
        assert_eq!("1".repeat(79).parse::<Amount>(), Err(AmountError::Overflow));
    }

    #[test]
    fn refuses_other_spellings() {
        for text in ["", "00", "01", "-1", "+1", "1.0", "1e3", "0x1", " 1"] {
            assert_eq!(text.parse::<Amount>(), Err(AmountError::Digits), "{text:?}");
        }
    }

    #[test]
    fn units_are_exact() {
        for (amount, decimals, text) in [
            (0_u128, 18, "0"),
            (1, 18, "0.000000000000000001"),
            (10_000_000_000_000_000, 18, "0.01"),
            (1_500_000_000, 9, "1.5"),
            (120, 0, "120"),
        ] {
            assert_eq!(Amount::from(amount).to_units(decimals), text);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_u128(a: u128, b: u128) {
            prop_assert_eq!(Amount::from(a).to_string(), a.to_string());
            prop_assert_eq!(a.to_string().parse::<Amount>(), Ok(Amount::from(a)));
            prop_assert_eq!(Amount::from(a).cmp(&Amount::from(b)), a.cmp(&b));
            if let Some(sum) = a.checked_add(b) {
                prop_assert_eq!(Amount::from(a).checked_add(Amount::from(b)), Some(Amount::from(sum)));
            }
        }

        #[test]
        fn reads_what_it_writes(bytes: [u8; 32]) {
            let amount = Amount::from_be_bytes(bytes);
            prop_assert_eq!(amount.to_string().parse::<Amount>(), Ok(amount));
        }
    }
}
