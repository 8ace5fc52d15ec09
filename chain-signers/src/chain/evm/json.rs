//! The two JSON styles, told apart by whether quantities are numbers or strings.

use alloy_consensus::{TxEip1559, TxLegacy};
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Address, Bytes, TxKind, U256};

use super::unsigned::{MAX_DATA_LEN, Unsigned, too_long, unsupported_type};
use crate::{
    DecodeError,
    error::excerpt,
    keccak,
    strict_json::{Object, ObjectError},
};

pub(super) fn decode(bytes: &[u8]) -> Result<Unsigned, DecodeError> {
    if bytes.len() > MAX_JSON_LEN {
        return Err(too_long("the transaction", "bytes", bytes.len(), MAX_JSON_LEN));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| DecodeError::malformed("JSON", error))?;
    let object = Object::parse(text, &KEYS).map_err(|error| match error {
        ObjectError::Duplicate(key) => DecodeError::DuplicateKey { key: excerpt(&key) },
        ObjectError::Malformed(reason) => DecodeError::malformed("a JSON object", reason),
        ObjectError::Unknown(key) => DecodeError::UnknownKey { key: excerpt(&key) },
    })?;
    let fields = Fields { style: Style::of(&object)?, object };
    match fields.transaction_type()? {
        Type::Eip1559 => fields.eip1559().map(Unsigned::Eip1559),
        Type::Legacy => fields.legacy().map(Unsigned::Legacy),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// Hex strings; `value` in wei.
    JsonRpc,
    /// Numbers; `value` in ether.
    Reference,
}

impl Style {
    fn of(object: &Object<'_>) -> Result<Self, DecodeError> {
        let (mut number, mut text) = (None, None);
        for key in QUANTITIES {
            match object.get(key).map(|raw| (raw, raw.as_bytes().first())) {
                None => {}
                Some((_, Some(b'"'))) => text = Some(key),
                Some((_, Some(b'-' | b'0'..=b'9'))) => number = Some(key),
                Some((raw, _)) => return Err(DecodeError::invalid(key, "a number or a hex string", raw)),
            }
        }
        match (number, text) {
            (Some(number), Some(text)) => {
                Err(DecodeError::MixedStyles { number: number.to_owned(), text: text.to_owned() })
            }
            (None, Some(_)) => Ok(Self::JsonRpc),
            // Without any quantity at all, the first required one is reported as missing.
            (_, None) => Ok(Self::Reference),
        }
    }
}

enum Type {
    Eip1559,
    Legacy,
}

struct Fields<'a> {
    object: Object<'a>,
    style: Style,
}

impl Fields<'_> {
    fn transaction_type(&self) -> Result<Type, DecodeError> {
        let has = |key| self.object.get(key).is_some();
        let legacy = has("gasPrice");
        let dynamic = ["maxFeePerGas", "maxPriorityFeePerGas"].into_iter().find(|key| has(key));
        let type_number = has("type").then(|| self.number("type", u64::MAX.into())).transpose()?;
        match (type_number, legacy, dynamic) {
            (None | Some(0), true, None) | (Some(0), false, None) => Ok(Type::Legacy),
            (None | Some(2), false, Some(_)) | (Some(2), false, None) => Ok(Type::Eip1559),
            (None, false, None) => Err(DecodeError::Missing { field: "gasPrice or maxFeePerGas".into() }),
            (None | Some(2), true, _) => Err(self.unexpected("gasPrice", "no gasPrice in an EIP-1559 transaction")),
            (Some(0), _, Some(key)) => Err(self.unexpected(key, "only gasPrice in a legacy transaction")),
            (Some(other), ..) => Err(match u8::try_from(other) {
                Ok(byte) => unsupported_type(byte),
                Err(_) => DecodeError::invalid("type", "0 or 2", other),
            }),
        }
    }

    fn eip1559(&self) -> Result<TxEip1559, DecodeError> {
        Ok(TxEip1559 {
            chain_id: self.u64("chainId")?,
            nonce: self.u64("nonce")?,
            gas_limit: self.u64("gas")?,
            max_fee_per_gas: self.u128("maxFeePerGas")?,
            max_priority_fee_per_gas: self.u128("maxPriorityFeePerGas")?,
            to: self.to()?,
            value: self.value()?,
            access_list: AccessList::default(),
            input: self.input()?,
        })
    }

    fn legacy(&self) -> Result<TxLegacy, DecodeError> {
        Ok(TxLegacy {
            chain_id: Some(self.u64("chainId")?),
            nonce: self.u64("nonce")?,
            gas_price: self.u128("gasPrice")?,
            gas_limit: self.u64("gas")?,
            to: self.to()?,
            value: self.value()?,
            input: self.input()?,
        })
    }

    fn u64(&self, key: &'static str) -> Result<u64, DecodeError> {
        let number = self.number(key, u64::MAX.into())?;
        u64::try_from(number).map_err(|_| DecodeError::invalid(key, "at most 2^64 - 1", number))
    }

    fn u128(&self, key: &'static str) -> Result<u128, DecodeError> {
        self.number(key, u128::MAX)
    }

    fn number(&self, key: &'static str, max: u128) -> Result<u128, DecodeError> {
        let raw = self.required(key)?;
        let number = match self.style {
            Style::JsonRpc => parse_hex(key, &self.text(key, raw)?)?,
            Style::Reference => parse_integer(key, raw)?,
        };
        u128::try_from(number)
            .ok()
            .filter(|number| *number <= max)
            .ok_or_else(|| DecodeError::invalid(key, format!("at most {max}"), raw))
    }

    fn value(&self) -> Result<U256, DecodeError> {
        match (self.object.get("value"), self.style) {
            (None, _) => Ok(U256::ZERO),
            (Some(raw), Style::JsonRpc) => parse_hex("value", &self.text("value", raw)?),
            (Some(raw), Style::Reference) => parse_ether("value", raw),
        }
    }

    fn to(&self) -> Result<TxKind, DecodeError> {
        let raw = self.required("to")?;
        if raw == "null" {
            return Ok(TxKind::Create);
        }
        let text = self.text("to", raw)?;
        match keccak::parse_address(&text) {
            Ok(address) => Ok(TxKind::Call(Address::from(address))),
            Err(error) => Err(DecodeError::invalid("to", error.expected(), text)),
        }
    }

    fn input(&self) -> Result<Bytes, DecodeError> {
        let (key, raw) = match (self.object.get("data"), self.object.get("input"), self.style) {
            (None, None, _) => return Ok(Bytes::new()),
            (Some(raw), None, _) => ("data", raw),
            (None, Some(raw), Style::JsonRpc) => ("input", raw),
            (_, Some(_), Style::Reference) => return Err(DecodeError::UnknownKey { key: "input".to_owned() }),
            (Some(_), Some(_), _) => return Err(self.unexpected("input", "data or input, not both")),
        };
        let text = self.text(key, raw)?;
        let expected = || DecodeError::invalid(key, "0x and an even number of hex digits", &text);
        let digits = text.strip_prefix("0x").ok_or_else(expected)?;
        if digits.len() / 2 > MAX_DATA_LEN {
            return Err(too_long("data", "bytes", digits.len() / 2, MAX_DATA_LEN));
        }
        hex::decode(digits).map(Bytes::from).map_err(|_| expected())
    }

    fn required(&self, key: &'static str) -> Result<&str, DecodeError> {
        self.object.get(key).ok_or(DecodeError::Missing { field: key.into() })
    }

    fn text(&self, key: &'static str, raw: &str) -> Result<String, DecodeError> {
        serde_json::from_str(raw).map_err(|_| DecodeError::invalid(key, "a string", raw))
    }

    fn unexpected(&self, key: &'static str, expected: &'static str) -> DecodeError {
        DecodeError::invalid(key, expected, self.object.get(key).unwrap_or_default())
    }
}

/// `0x` and hex digits without leading zeros, as Ethereum's JSON-RPC writes quantities.
fn parse_hex(key: &'static str, text: &str) -> Result<U256, DecodeError> {
    let invalid = || DecodeError::invalid(key, "0x and 1 to 64 hex digits without leading zeros", text);
    let digits = text.strip_prefix("0x").ok_or_else(invalid)?;
    let well_formed = (1..=64).contains(&digits.len())
        && digits.bytes().all(|c| c.is_ascii_hexdigit())
        && (digits == "0" || !digits.starts_with('0'));
    if !well_formed {
        return Err(invalid());
    }
    U256::from_str_radix(digits, 16).map_err(|_| invalid())
}

/// A JSON number without sign, fraction and exponent.
fn parse_integer(key: &'static str, raw: &str) -> Result<U256, DecodeError> {
    let invalid = || DecodeError::invalid(key, "a whole number written in digits", raw);
    if !raw.bytes().all(|c| c.is_ascii_digit()) {
        return Err(invalid());
    }
    decimal(raw).ok_or_else(invalid)
}

/// A JSON number of ether, as wei: digits times a power of ten, in integers throughout.
fn parse_ether(key: &'static str, raw: &str) -> Result<U256, DecodeError> {
    let invalid = |expected| DecodeError::invalid(key, expected, raw);
    if raw.len() > MAX_NUMBER_LEN || raw.starts_with('-') {
        return Err(invalid("an amount of ether, zero or more"));
    }
    let (mantissa, exponent) = raw.split_once(['e', 'E']).unwrap_or((raw, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // Also with a plus sign, which `i32` accepts; more digits than it holds are no amount of ether.
    let exponent: i32 = exponent.parse().map_err(|_| invalid("a number with a small exponent"))?;
    let fraction_len = i32::try_from(fraction.len()).map_err(|_| invalid("a shorter number"))?;
    let shift = WEI_DECIMALS.checked_add(exponent).and_then(|shift| shift.checked_sub(fraction_len));
    let digits = decimal(&format!("{whole}{fraction}")).ok_or_else(|| invalid("at most 2^256 - 1 wei"))?;
    let shift =
        shift.and_then(|shift| u64::try_from(shift).ok()).ok_or_else(|| invalid("at most 18 decimal places"))?;
    if digits.is_zero() {
        return Ok(U256::ZERO);
    }
    let power = U256::from(10).checked_pow(U256::from(shift));
    power.and_then(|power| digits.checked_mul(power)).ok_or_else(|| invalid("at most 2^256 - 1 wei"))
}

fn decimal(digits: &str) -> Option<U256> {
    if digits.is_empty() || digits.len() > MAX_NUMBER_LEN { None } else { U256::from_str_radix(digits, 10).ok() }
}

const KEYS: [&str; 11] = [
    "value",
    "nonce",
    "type",
    "chainId",
    "gas",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "gasPrice",
    "to",
    "data",
    "input",
];
const QUANTITIES: [&str; 8] =
    ["value", "nonce", "type", "chainId", "gas", "maxFeePerGas", "maxPriorityFeePerGas", "gasPrice"];
/// Two hex digits a byte of data, and the other keys with room for white space.
const MAX_JSON_LEN: usize = 2 * MAX_DATA_LEN + 8 * 1024;
const MAX_NUMBER_LEN: usize = 100;
const WEI_DECIMALS: i32 = 18;
