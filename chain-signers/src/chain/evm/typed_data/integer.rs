//! Integers of up to 256 bits, exact in every spelling.

use crate::Amount;

/// An integer as EIP-712 encodes it, and as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Integer {
    /// Two's complement, big-endian.
    pub(super) word: [u8; 32],
    /// Decimal.
    pub(super) text: String,
}

impl Integer {
    /// Reads decimal digits, behind a minus sign if `is_signed`, or `0x` and hex digits. `None` if it is neither or out
    /// of range.
    pub(super) fn parse(text: &str, bits: usize, is_signed: bool) -> Option<Self> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) if is_signed && !digits.starts_with("0x") => (true, digits),
            Some(_) => return None,
            None => (false, text),
        };
        let magnitude = match digits.strip_prefix("0x") {
            Some(hex_digits) => hex_amount(hex_digits)?,
            None => digits.parse().ok()?,
        };
        let word = if is_negative { negated(magnitude)? } else { magnitude.to_be_bytes() };
        let complement = if is_negative { word.map(|byte| !byte) } else { word };
        let room = bits - usize::from(is_signed);
        (bit_len(&complement) <= room)
            .then(|| Self { word, text: if is_negative { format!("-{magnitude}") } else { magnitude.to_string() } })
    }
}

fn hex_amount(digits: &str) -> Option<Amount> {
    if !(1..=64).contains(&digits.len()) {
        return None;
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(format!("{digits:0>64}"), &mut bytes).ok()?;
    Some(Amount::from_be_bytes(bytes))
}

/// The complement plus one; `None` for zero, which has no sign, and for what is not below zero in 256 bits then.
fn negated(magnitude: Amount) -> Option<[u8; 32]> {
    let complement = magnitude.to_be_bytes().map(|byte| !byte);
    let word = Amount::from_be_bytes(complement).checked_add(Amount::from(1_u64))?.to_be_bytes();
    (word[0] >= 0x80).then_some(word)
}

fn bit_len(word: &[u8; 32]) -> usize {
    match word.iter().position(|byte| *byte != 0) {
        Some(at) => (32 - at) * 8 - word[at].leading_zeros() as usize,
        None => 0,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_to_the_range_of_its_type() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        let min = "-57896044618658097711785492504343953926634992332820282019728792003956564819968";
        for (text, bits, is_signed, fits) in [
            ("255", 8, false, true),
            ("256", 8, false, false),
            ("0xff", 8, false, true),
            ("0x0ff", 8, false, true),
            ("0x100", 8, false, false),
            ("-1", 8, false, false),
            ("127", 8, true, true),
            ("128", 8, true, false),
            ("-128", 8, true, true),
            ("-129", 8, true, false),
            ("0x80", 8, true, false),
            (max, 256, false, true),
            (&max.replace("935", "936"), 256, false, false),
            (max, 256, true, false),
            (min, 256, true, true),
            (&min.replace("968", "969"), 256, true, false),
        ] {
            assert_eq!(Integer::parse(text, bits, is_signed).is_some(), fits, "{text}");
        }
    }

    #[test]
    fn refuses_other_spellings() {
        for text in
            ["", "-", "+1", "-0", "00", "01", "1.0", "1e3", "0x", "0X1", "-0x1", "0xg", "1_0", " 1", "ff", "--1"]
        {
            assert_eq!(Integer::parse(text, 64, true), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_machine(number: i64, unsigned: u128) {
            let word = i128::from(number).to_be_bytes();
            let extended = [[if number < 0 { 0xff } else { 0 }; 16], word].concat();
            let integer = Integer::parse(&number.to_string(), 64, true).unwrap();
            prop_assert_eq!(&integer.word[..], &extended[..]);
            prop_assert_eq!(integer.text, number.to_string());
            let decimal = Integer::parse(&unsigned.to_string(), 128, false).unwrap();
            prop_assert_eq!(Integer::parse(&format!("{unsigned:#x}"), 128, false).unwrap(), decimal);
        }
    }
}
