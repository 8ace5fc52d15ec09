//! The command line, of the binary `eif` and of `signerctl eif`.
//!
//! | command | does |
//! |---|---|
//! | `build --kernel F --cmdline TEXT --ramdisk LIST… --output F [OPTIONS]` | builds an image, and prints its registers |
//! | `measure IMAGE` | prints the registers as `nitro-cli` does |
//! | `describe IMAGE` | prints all that an image says and is, as JSON |
//! | `sign IMAGE --key KEY.pem --certificate CERT.pem --output F` | signs an image |
//! | `verify IMAGE --pcr0 HEX … [--at TIME]` | verifies one: structure, CRC, a signature if there is one, and the registers that are given, at least one |
//!
//! | option of `build` | says | without it |
//! |---|---|---|
//! | `--cmdline-file F` | the command line, in a file, in place of `--cmdline` | |
//! | `--file GUEST=HOST[:MODE]` | a file of the only ramdisk, in place of `--ramdisk`; may be repeated | mode 0755 for `/init`, 0644 elsewhere |
//! | `--compress` | ramdisks are packed with gzip | they are not |
//! | `--arch x86_64`, `--arch aarch64` | the processors | `x86_64` |
//! | `--sign KEY CERTIFICATE` | signs the image, as `sign` does | it is not signed |
//! | `--release --build-record F` | refuses what is not fit for release ([`check_release`](crate::check_release)) | everything is built, even without `/init` |
//! | `--name`, `--version` | the metadata's, which no register covers | `enclave`, `1.0` |
//! | `--kernel-version`, `--build-time` | the same | `unknown`, `1970-01-01T00:00:00Z` |
//!
//! `--pcr0`, `--pcr1`, `--pcr2` and `--pcr8` take hexadecimal digits; `--at` takes RFC 3339 and is now by default.
//!
//! `build`, `sign`, `measure` and `describe` print JSON in several lines; with `--json` it is one line, and so is what
//! `verify` prints: `verified` (true), `measurements`, `compared_pcrs` (a list of numbers), `signer` (null, or the
//! certificate), `at`. A failure is then `{"error": {"kind": …, "message": …, "reason": …}}`; the reason is the name of a
//! variant of this package's errors, or null. Text and JSON are printable ASCII, whatever an image holds.
//!
//! | exit code | kind | meaning |
//! |---|---|---|
//! | 0 | | done |
//! | 1 | `refused`, `rejected` | not fit for release; an image that is not the one expected |
//! | 2 | `malformed` | an image, a list, a record, a key, a certificate or a value that cannot be used |
//! | 3 | `unreadable` | a file that cannot be read or written |
//! | 64 | `usage` | wrong usage of the command line |

mod arguments;
mod build;
mod failure;

use std::ffi::OsString;
use std::io::Write;
use std::path::Path;
use std::time::SystemTime;

use clap::Parser as _;
use nsm_attest::{Pcrs, UnixTime};
use serde_json::{Value, json};

use self::arguments::Arguments;
pub use self::arguments::{BuildArguments, EifCommand, VerifyArguments};
pub use self::failure::Failure;
use crate::describe::CertificateDescription;
use crate::files;
use crate::image::EifImage;
use crate::sign::Signer;

/// What a command has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// For programs.
    pub json: Value,
    /// For people: printable ASCII and line ends.
    pub text: String,
}

impl Report {
    fn of(json: Value) -> Self {
        let text = ascii(&format!("{json:#}"));
        Self { json, text }
    }
}

/// Does what a command asks for.
///
/// # Errors
/// [`Failure`], with the exit code that goes with it.
pub fn execute(command: EifCommand) -> Result<Report, Failure> {
    match command {
        EifCommand::Build(arguments) => build::execute(&arguments),
        EifCommand::Describe { image } => {
            let description = serde_json::to_value(read_image(&image)?.describe());
            description.map(Report::of).map_err(|error| Failure::Output(error.into()))
        }
        EifCommand::Measure { image } => Ok(measurements(&read_image(&image)?)),
        EifCommand::Sign { image, key, certificate, output } => {
            let signed = read_image(&image)?.sign(&read_signer(&key, &certificate)?)?;
            files::write(&output, &signed.to_bytes())?;
            Ok(measurements(&signed))
        }
        EifCommand::Verify(arguments) => {
            let at = arguments.at.unwrap_or_else(|| UnixTime::from(SystemTime::now()));
            verify(&read_image(&arguments.image)?, &arguments.expected(), at)
        }
    }
}

/// Runs one command and returns its exit code. `args` begins with the program's name.
pub fn run(args: impl IntoIterator<Item = OsString>, stdout: &mut impl Write, stderr: &mut impl Write) -> u8 {
    let arguments = match Arguments::try_parse_from(args) {
        Ok(arguments) => arguments,
        Err(error) => return explain(&error, stdout, stderr),
    };
    let result = execute(arguments.command).and_then(|report| {
        let text = if arguments.json { ascii(&report.json.to_string()) } else { report.text };
        writeln!(stdout, "{text}").and_then(|()| stdout.flush()).map_err(Failure::Output)
    });
    let Err(failure) = result else { return 0 };
    let message = ascii(&failure.to_string());
    let error = json!({"kind": failure.kind(), "message": failure.to_string(), "reason": failure.reason()});
    let for_programs = match arguments.json {
        true => writeln!(stdout, "{}", ascii(&json!({"error": error}).to_string())),
        false => Ok(()),
    };
    // Streams that are closed cannot be told about; the exit code still says what happened.
    match for_programs.and(writeln!(stderr, "eif: {message}")) {
        Ok(()) | Err(_) => failure.exit_code(),
    }
}

fn verify(image: &EifImage, expected: &Pcrs, at: UnixTime) -> Result<Report, Failure> {
    let verified = image.verify(expected, at)?;
    let compared: Vec<_> = expected.iter().map(|(index, _)| index).collect();
    let signer = verified.signer().map(CertificateDescription::from);
    let mut lines = vec![match &signer {
        Some(signer) => format!("verified: signed by {}, whose certificate is valid at {at}", signer.subject),
        None => "verified: not signed".to_owned(),
    }];
    for (index, value) in verified.measurements().pcrs().iter() {
        let remark = if compared.contains(&index) { "as expected" } else { "not compared" };
        lines.push(format!("PCR{index}  {value}  {remark}"));
    }
    let json = json!({
        "verified": true,
        "measurements": verified.measurements(),
        "compared_pcrs": compared,
        "signer": signer,
        "at": at.to_string(),
    });
    Ok(Report { json, text: ascii(&lines.join("\n")) })
}

/// As `nitro-cli build-enclave` prints them.
fn measurements(image: &EifImage) -> Report {
    Report::of(json!({"Measurements": image.measure()}))
}

fn read_image(path: &Path) -> Result<EifImage, Failure> {
    let (file, len) = files::open(path)?;
    let mut file = std::io::BufReader::new(file);
    EifImage::read(&mut file, len).map_err(|error| Failure::Image { path: path.to_owned(), error })
}

fn read_signer(key: &Path, certificate: &Path) -> Result<Signer, Failure> {
    let (key, certificate) = (files::read(key, MAX_PEM_LEN)?, files::read(certificate, MAX_PEM_LEN)?);
    Ok(Signer::from_pem(&key, &certificate)?)
}

/// What clap has to say: help and version on standard output, mistakes on standard error.
fn explain(error: &clap::Error, stdout: &mut impl Write, stderr: &mut impl Write) -> u8 {
    let text = error.render();
    let (written, code) =
        if error.use_stderr() { (write!(stderr, "{text}"), failure::USAGE) } else { (write!(stdout, "{text}"), 0) };
    if written.is_ok() { code } else { failure::UNREADABLE }
}

/// Other characters as JSON escapes them, which a terminal does not obey.
fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, ' '..='~' | '\n') {
            plain.push(c);
        } else {
            let units = c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            plain.push_str(&units);
        }
    }
    plain
}

/// A key or a certificate, in bytes.
const MAX_PEM_LEN: u64 = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_told_nothing_to_obey() {
        assert_eq!(ascii("a\u{1b}[2J\u{202e}\u{1f600}\n\t"), "a\\u001b[2J\\u202e\\ud83d\\ude00\n\\u0009");
    }
}
