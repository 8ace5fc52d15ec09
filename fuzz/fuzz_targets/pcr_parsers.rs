//! The small parsers: PCR values and indices, user data, times, trust anchors. Each is held against a reading written
//! here or by another library; what is accepted displays, encodes and parses to the same again.
#![no_main]

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::BASE64_STANDARD;
use libfuzzer_sys::fuzz_target;
use nsm_attest::{PcrIndex, PcrIndexOutOfRange, PcrValue, TrustAnchor, UnixTime, UserData};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

fuzz_target!(|data: &[u8]| {
    pcr_bytes(data);
    user_data(data);
    anchor(data);
    if let Some(number) = data.first_chunk().map(|bytes| u64::from_be_bytes(*bytes)) {
        index(number);
        displayed_time(number);
    }
    index(u64::from(data.first().copied().unwrap_or(0)));
    if let Ok(text) = std::str::from_utf8(data) {
        pcr_text(text);
        json(text);
        parsed_time(text);
    }
});

fn pcr_bytes(data: &[u8]) {
    let Ok(value) = PcrValue::from_bytes(data) else {
        return assert!(!LENGTHS.contains(&data.len()), "refused, though it has the right length");
    };
    assert!(LENGTHS.contains(&data.len()), "accepted with {} bytes", data.len());
    assert_eq!(value.as_bytes(), data);
    assert_eq!(value.to_string(), hex::encode(data));
    assert_eq!(value.to_string().parse(), Ok(value));
    assert_eq!(value.is_zero(), data.iter().all(|byte| *byte == 0));
    // A value equals itself and no other, whichever way it is compared: here with one that differs in one byte, which
    // the first byte chooses, and with itself in another length.
    let mut other = data.to_vec();
    other[usize::from(data[0]) % data.len()] ^= 1;
    let longer = [data, &[0; 16]].concat();
    for other in [data, &other, &longer, &data[..32]] {
        let Ok(parsed) = PcrValue::from_bytes(other) else { continue };
        assert_eq!(value == parsed, data == other);
        assert_eq!(bool::from(value.ct_eq(&parsed)), data == other);
        assert_eq!(value.cmp(&parsed).is_eq(), data == other);
    }
}

fn pcr_text(text: &str) {
    let expected = unhex(text).filter(|bytes| LENGTHS.contains(&bytes.len()));
    let parsed: Option<PcrValue> = text.parse().ok();
    assert_eq!(parsed.map(|value| value.as_bytes().to_vec()), expected);
}

/// Hexadecimal, digit by digit.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u32>> = text.chars().map(|digit| digit.to_digit(16)).collect();
    let (pairs, []) = digits.as_ref()?.as_chunks::<2>() else { return None };
    pairs.iter().map(|[high, low]| u8::try_from(high * 16 + low).ok()).collect()
}

fn json(text: &str) {
    let inner: Option<String> = serde_json::from_str(text).ok();
    let value: Option<PcrValue> = serde_json::from_str(text).ok();
    assert_eq!(value, inner.and_then(|inner| inner.parse().ok()));
    if let Some(value) = value {
        assert_eq!(serde_json::to_string(&value).expect("JSON"), format!("\"{value}\""));
    }
    let index: Option<PcrIndex> = serde_json::from_str(text).ok();
    let number = text.trim_matches([' ', '\t', '\n', '\r']);
    let expected = (0..32_u8).find(|index| index.to_string() == number);
    assert_eq!(index.map(PcrIndex::as_u8), expected);
    if let Some(index) = index {
        assert_eq!(serde_json::to_string(&index).expect("JSON"), number);
    }
}

fn index(number: u64) {
    match PcrIndex::try_from(number) {
        Ok(index) => {
            assert!(number < 32, "PCR{number} exists");
            assert_eq!((u64::from(index.as_u8()), index.to_string()), (number, number.to_string()));
            assert_eq!(PcrIndex::new(index.as_u8()), Some(index));
        }
        Err(error) => {
            assert!(number >= 32, "PCR{number} does not exist");
            assert_eq!(error, PcrIndexOutOfRange { index: number });
        }
    }
}

fn user_data(data: &[u8]) {
    let decoded = UserData::decode(data).ok();
    let reading = fuzz::read_user_data(data);
    assert_eq!(decoded.map(|decoded| (decoded.purpose.to_string(), decoded.digest.to_vec())), reading);
    if let Some(decoded) = decoded {
        assert_eq!(decoded.encode(), data);
    }
}

fn anchor(data: &[u8]) {
    let from_der = TrustAnchor::from_der(data);
    if let Ok(anchor) = from_der {
        assert!(is_sequence(data), "not one SEQUENCE");
        assert_eq!(anchor.fingerprint().as_bytes()[..], Sha256::digest(data)[..]);
        assert_eq!(anchor.fingerprint().to_string(), hex::encode(Sha256::digest(data)));
    }
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", BASE64_STANDARD.encode(data));
    assert_eq!(TrustAnchor::from_pem(pem.as_bytes()), from_der, "the same certificate");
    // The library reads more than RFC 7468's strict form; what both read, they read alike.
    if let (Ok(anchor), Some(der)) = (TrustAnchor::from_pem(data), certificate_of(data)) {
        assert_eq!(TrustAnchor::from_der(&der), Ok(anchor));
    }
}

/// Whether the outermost element is a SEQUENCE of the certificate's length, in DER.
fn is_sequence(data: &[u8]) -> bool {
    let [0x30, head @ ..] = data else { return false };
    let (len, content) = match head {
        [len, content @ ..] if *len < 0x80 => (usize::from(*len), content),
        [0x81, len, content @ ..] if *len >= 0x80 => (usize::from(*len), content),
        [0x82, high, low, content @ ..] if *high > 0 => (usize::from(u16::from_be_bytes([*high, *low])), content),
        _ => return false,
    };
    content.len() == len
}

/// The first certificate of a PEM text. RFC 7468 §3 counts the vertical tab as white space, and RFC 4648 §3.5 leaves it to
/// a decoder what it makes of bits behind the last byte.
fn certificate_of(pem: &[u8]) -> Option<Vec<u8>> {
    let mut lines = pem.split(|byte| matches!(byte, b'\n' | b'\r'));
    lines.find(|line| line.trim_ascii_end() == b"-----BEGIN CERTIFICATE-----")?;
    let body: Vec<_> = lines.take_while(|line| !line.starts_with(b"-----END CERTIFICATE-----")).collect();
    let body: Vec<u8> =
        body.concat().into_iter().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'\x0b').collect();
    let lenient = GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&STANDARD, lenient).decode(body).ok()
}

fn displayed_time(millis: u64) {
    let time = UnixTime::from_millis(millis);
    assert_eq!((time.as_millis(), time.as_secs()), (millis, millis / 1000));
    let text = time.to_string();
    match text.strip_suffix(" ms after 1970") {
        Some(count) => assert_eq!(count.parse(), Ok(millis)),
        None => {
            assert_eq!(read_time(&text), Some(millis));
            assert_eq!(text.parse(), Ok(time));
            assert_eq!(text.len(), "1970-01-01T00:00:00.000Z".len());
        }
    }
    assert_eq!(text.ends_with('Z'), millis < END_OF_9999, "{text}");
}

fn parsed_time(text: &str) {
    let parsed: Option<UnixTime> = text.parse().ok();
    assert_eq!(parsed.map(UnixTime::as_millis), read_time(text), "{text:?}");
}

/// Milliseconds since 1970 of an RFC 3339 time, with T or a space between date and time, the second 60 (as the end
/// of the second before it) at the end of a month in UTC, and fractions of a millisecond dropped.
fn read_time(text: &str) -> Option<u64> {
    let text = text.as_bytes();
    let number = |from: usize, len: usize| {
        let digits = text.get(from..from + len)?;
        digits
            .iter()
            .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + i128::from(digit - b'0')))
    };
    let is = |at: usize, byte: u8| (text.get(at) == Some(&byte)).then_some(());
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    let (hour, minute, second) = (number(11, 2)?, number(14, 2)?, number(17, 2)?);
    matches!(text.get(10)?, b'T' | b't' | b' ').then_some(())?;
    [(4, b'-'), (7, b'-'), (13, b':'), (16, b':')].into_iter().try_for_each(|(at, byte)| is(at, byte))?;
    let fraction = text[19..].strip_prefix(b".");
    let digits = fraction.map_or(0, |rest| rest.iter().take_while(|byte| byte.is_ascii_digit()).count());
    if fraction.is_some() && digits == 0 {
        return None;
    }
    let mut millis =
        (0..3).map(|at| if at < digits { i128::from(text[20 + at] - b'0') } else { 0 }).fold(0, |n, d| n * 10 + d);
    let zone = 19 + digits + usize::from(fraction.is_some());
    let offset = match text.get(zone)? {
        b'Z' | b'z' if text.len() == zone + 1 => 0,
        sign @ (b'+' | b'-') if text.len() == zone + 6 => {
            is(zone + 3, b':')?;
            let (hours, minutes) = (number(zone + 1, 2)?, number(zone + 4, 2)?);
            let minutes = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    if !(1..=12).contains(&month) || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 {
        return None;
    }
    let minutes = days_before(year, month, day) * 24 * 60 + hour * 60 + minute - offset;
    let mut second = second;
    if second == 60 {
        // In UTC it is the end of this month or of the one before.
        let month_ends = [days_before(year, month, 1), days_before(year, month, 1) + days_in_month(year, month)];
        month_ends.into_iter().find(|days| days * 24 * 60 == minutes + 1)?;
        (second, millis) = (59, 999);
    }
    let total = (second < 60).then_some((minutes * 60 + second) * 1000 + millis)?;
    u64::try_from(total).ok()
}

fn is_leap(year: i128) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_in_month(year: i128, month: i128) -> i128 {
    match month {
        2 => 28 + i128::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date, by adding up years and months.
fn days_before(year: i128, month: i128, day: i128) -> i128 {
    let leap_years_before = |year: i128| (year + 3) / 4 - (year + 99) / 100 + (year + 399) / 400;
    let years = year * 365 + leap_years_before(year) - (1970 * 365 + leap_years_before(1970));
    years + (1..month).map(|month| days_in_month(year, month)).sum::<i128>() + day - 1
}

const LENGTHS: [usize; 3] = [32, 48, 64];
/// The first millisecond of the year 10000.
const END_OF_9999: u64 = 253_402_300_800_000;
