//! The ways to write a number. An error says what was expected.

use alloy_primitives::U256;

/// `0x` and hex digits without leading zeros, as Ethereum's JSON-RPC writes quantities.
pub(super) fn parse_hex(text: &str) -> Result<U256, &'static str> {
    const EXPECTED: &str = "0x and 1 to 64 hex digits without leading zeros";
    let digits = text.strip_prefix("0x").ok_or(EXPECTED)?;
    let well_formed = (1..=64).contains(&digits.len())
        && digits.bytes().all(|c| c.is_ascii_hexdigit())
        && (digits == "0" || !digits.starts_with('0'));
    if !well_formed {
        return Err(EXPECTED);
    }
    U256::from_str_radix(digits, 16).map_err(|_| EXPECTED)
}

/// A JSON number without sign, fraction and exponent.
pub(super) fn parse_integer(raw: &str) -> Result<U256, &'static str> {
    const EXPECTED: &str = "a whole number written in digits";
    if !raw.bytes().all(|c| c.is_ascii_digit()) {
        return Err(EXPECTED);
    }
    decimal(raw).ok_or(EXPECTED)
}

/// A JSON number of ether, as wei: digits times a power of ten, in integers throughout.
pub(super) fn parse_ether(raw: &str) -> Result<U256, &'static str> {
    const TOO_MUCH: &str = "at most 2^256 - 1 wei";
    if raw.len() > MAX_NUMBER_LEN || raw.starts_with('-') {
        return Err("an amount of ether, zero or more");
    }
    let (mantissa, exponent) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Also with a plus sign, which `i32` accepts; more digits than it holds are no amount of ether.
    let exponent: i32 = exponent.parse().map_err(|_| "a number with a small exponent")?;
    let fraction_len = i32::try_from(fraction.len()).map_err(|_| "a shorter number")?;
    let shift = WEI_DECIMALS.checked_add(exponent).and_then(|shift| shift.checked_sub(fraction_len));
    let digits = decimal(&format!("{whole}{fraction}")).ok_or(TOO_MUCH)?;
    let shift = shift.and_then(|shift| u64::try_from(shift).ok()).ok_or("at most 18 decimal places")?;
    if digits.is_zero() {
        return Ok(U256::ZERO);
    }
    let power = U256::from(10).checked_pow(U256::from(shift));
    power.and_then(|power| digits.checked_mul(power)).ok_or(TOO_MUCH)
}

fn decimal(digits: &str) -> Option<U256> {
    if digits.is_empty() || digits.len() > MAX_NUMBER_LEN { None } else { U256::from_str_radix(digits, 10).ok() }
}

const MAX_NUMBER_LEN: usize = 100;
const WEI_DECIMALS: i32 = 18;
