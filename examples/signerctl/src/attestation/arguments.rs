//! The command line of `attestation`.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Subcommand};
use nsm_attest::{PcrIndex, PcrValue, Purpose, UnixTime};

#[derive(Debug, Subcommand)]
pub(crate) enum AttestationCommand {
    /// Show what a document says. Nothing is verified.
    Inspect(InspectArguments),
    /// Verify a document: certificates up to the root, signature, age, PCRs and what else is asked for.
    #[command(after_help = EXIT_CODES)]
    Verify(Box<VerifyArguments>),
}

#[derive(Debug, Args)]
pub(crate) struct InspectArguments {
    /// The document: binary, hex or base64; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) document: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArguments {
    /// The document: binary, hex or base64; - for standard input.
    #[arg(value_name = "FILE")]
    pub(crate) document: PathBuf,
    /// The time to verify at: now, document (the document's own timestamp: freshness is then not checked), or an
    /// RFC 3339 time.
    #[arg(long, value_name = "TIME", default_value = "now")]
    pub(crate) time: TimeSource,
    /// A value to accept in a PCR; may be given more than once, also for the same PCR.
    #[arg(long = "pcr", value_name = "N=HEX")]
    pub(crate) pcrs: Vec<PcrArgument>,
    /// Values to accept in PCRs, as nitro-cli build-enclave prints them (JSON); - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) pcr_file: Option<PathBuf>,
    /// The nonce that the document must echo.
    #[arg(long, value_name = "HEX")]
    pub(crate) nonce: Option<HexArgument>,
    /// The greatest age to accept: a number and s, m, h or d; 5m unless said. Not together with --time document.
    #[arg(long, value_name = "AGE")]
    pub(crate) max_age: Option<Age>,
    /// The purpose that the user data must state: kms-recipient, session, birth or inspect.
    #[arg(long, value_name = "PURPOSE")]
    pub(crate) purpose: Option<Purpose>,
    /// The user data that the document must carry.
    #[arg(long, value_name = "HEX")]
    pub(crate) user_data: Option<HexArgument>,
    /// The public key that the document must carry.
    #[arg(long, value_name = "HEX")]
    pub(crate) public_key: Option<HexArgument>,
    /// Root certificate (PEM or DER) instead of AWS's Nitro root G1, for a simulated enclave; - for standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) trust_anchor: Option<PathBuf>,
    /// DANGER: accept an enclave in debug mode, whose memory its parent can read.
    #[arg(long)]
    pub(crate) danger_allow_debug: bool,
    /// DANGER: accept a document without comparing any PCR: any enclave of anybody.
    #[arg(long)]
    pub(crate) danger_allow_any_pcrs: bool,
}

/// The time that a document is verified at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TimeSource {
    /// This computer's clock.
    Now,
    /// The document's own timestamp.
    Document,
    /// This one.
    Given(UnixTime),
}

impl FromStr for TimeSource {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "now" => Ok(Self::Now),
            "document" => Ok(Self::Document),
            time => {
                let expected = "expected now, document or an RFC 3339 time such as 2026-01-31T12:00:00Z";
                time.parse().map(Self::Given).map_err(|_| expected)
            }
        }
    }
}

/// `N=HEX`: a register and a value to accept in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PcrArgument {
    pub(crate) index: PcrIndex,
    pub(crate) value: PcrValue,
}

impl FromStr for PcrArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (index, value) = text.split_once('=').ok_or("expected N=HEX, such as 0=5c5c…")?;
        let index = pcr_index(index).ok_or("expected a PCR's number, 0 to 31, before the =")?;
        let value = value.parse().map_err(|error| format!("PCR{index}: {error}"))?;
        Ok(Self { index, value })
    }
}

/// A register's number in its one decimal spelling.
pub(crate) fn pcr_index(text: &str) -> Option<PcrIndex> {
    PcrIndex::all().find(|index| index.to_string() == text)
}

/// Bytes in hexadecimal. Not empty: a script whose variable is unset would else demand an empty field, which anybody
/// can provide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HexArgument(pub(crate) Vec<u8>);

impl FromStr for HexArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let bytes = hex::decode(digits).map_err(|error| format!("expected hexadecimal: {error}"))?;
        if bytes.is_empty() { Err("expected at least one byte".to_owned()) } else { Ok(Self(bytes)) }
    }
}

/// A span of time: `90s`, `5m`, `3h`, `1d`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Age(pub(crate) Duration);

impl FromStr for Age {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "expected a number above 0 and s, m, h or d, such as 90s, 5m, 3h or 1d";
        let unit = text.chars().last().ok_or(expected)?;
        let number = text.strip_suffix(unit).ok_or(expected)?;
        let seconds_per_unit = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return Err(expected),
        };
        // `u64` would read a sign as well.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(expected);
        }
        // What remains to go wrong is no digit, or too many.
        let number: u64 = number.parse().map_err(|_| expected)?;
        match number.checked_mul(seconds_per_unit) {
            Some(0) => Err(expected),
            Some(seconds) => Ok(Self(Duration::from_secs(seconds))),
            None => Err("that is longer than any time"),
        }
    }
}

const EXIT_CODES: &str = "Without --pcr or --pcr-file nothing is verified, unless --danger-allow-any-pcrs says that \
                          any will do.\nIn scripts write -- before \
                          FILE, so that no file's name is read as an option.\nExit codes: 0 verified, 1 rejected, 2 malformed, 3 unreadable, \
                          64 usage";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_a_number_and_a_unit() {
        let seconds = |text: &str| text.parse::<Age>().map(|age| age.0.as_secs());
        for (text, expected) in [("90s", 90), ("5m", 300), ("3h", 10_800), ("1d", 86_400), ("007s", 7)] {
            assert_eq!(seconds(text), Ok(expected));
        }
        for bad in ["", "5", "m", "0s", "-5m", "+5m", "5 m", "5M", "1.5h", "5ms", "5w", "5µ", "99999999999999999999s"]
        {
            assert!(seconds(bad).unwrap_err().contains("90s, 5m, 3h or 1d"), "{bad}");
        }
        assert!(seconds("999999999999999999d").unwrap_err().contains("longer"));
    }

    #[test]
    fn pcrs_are_a_number_and_hex() {
        let value = "5c".repeat(48);
        let parsed: PcrArgument = format!("8={value}").parse().unwrap();
        assert_eq!((parsed.index, parsed.value.to_string()), (PcrIndex::SIGNER, value.clone()));
        for bad in
            ["", "0", "=", "0=", "0=5c", "0=zz", "32={}", "-1={}", "+1={}", "00={}", "PCR0={}", "0=0x{}", " 0={}"]
        {
            assert!(bad.replace("{}", &value).parse::<PcrArgument>().is_err(), "{bad}");
        }
    }

    #[test]
    fn bytes_are_hex_and_not_empty() {
        assert_eq!("0xAb".parse(), Ok(HexArgument(vec![0xab])));
        assert_eq!("ab00".parse(), Ok(HexArgument(vec![0xab, 0])));
        for bad in ["", "0x", "a", "0xag", "a b0"] {
            assert!(bad.parse::<HexArgument>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_two_words_or_rfc_3339() {
        assert_eq!("now".parse(), Ok(TimeSource::Now));
        assert_eq!("document".parse(), Ok(TimeSource::Document));
        assert_eq!("1970-01-01T00:00:01Z".parse(), Ok(TimeSource::Given(UnixTime::from_secs(1))));
        for bad in ["", "Now", "2026-01-31", "1700000000", "2026-13-01T00:00:00Z"] {
            assert!(bad.parse::<TimeSource>().is_err(), "{bad}");
        }
    }
}
