//! The command line.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use nsm_attest::{PcrIndex, PcrValue, Pcrs, UnixTime};

use crate::file_list::parse_mode;
use crate::guest_path::GuestPath;
use crate::header::Architecture;

/// Builds, measures, signs and verifies enclave image files.
#[derive(Debug, Parser)]
#[command(name = "eif", version, after_help = EXIT_CODES)]
pub(super) struct Arguments {
    /// Print one JSON object in one line.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: EifCommand,
}

/// What is to be done with an image.
#[derive(Debug, Subcommand)]
pub enum EifCommand {
    /// Build an image, and print its measurements.
    Build(Box<BuildArguments>),
    /// Print what an image says and is.
    Describe {
        /// The image.
        image: PathBuf,
    },
    /// Print what PCR0, PCR1, PCR2 and PCR8 will be, as nitro-cli does.
    Measure {
        /// The image.
        image: PathBuf,
    },
    /// Sign an image, for PCR8.
    Sign {
        /// The image.
        image: PathBuf,
        /// The P-384 private key (PEM).
        #[arg(long, value_name = "FILE")]
        key: PathBuf,
        /// Its certificate (PEM).
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// The signed image; may be the same file.
        #[arg(long, value_name = "FILE")]
        output: PathBuf,
    },
    /// Verify an image: structure, CRC, signature, the certificate's validity, and the registers that are given, at least one.
    Verify(Box<VerifyArguments>),
}

/// What an image is built of.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("command-line").required(true).args(["cmdline", "cmdline_file"]))]
#[command(group = ArgGroup::new("ramdisk-files").required(true).multiple(false).args(["ramdisks", "files"]))]
pub struct BuildArguments {
    /// The kernel: a bzImage, or an Image for aarch64.
    #[arg(long, value_name = "FILE")]
    pub(super) kernel: PathBuf,
    /// The kernel's command line.
    #[arg(long, value_name = "TEXT")]
    pub(super) cmdline: Option<String>,
    /// The same in a file, whose last line end does not count.
    #[arg(long, value_name = "FILE")]
    pub(super) cmdline_file: Option<PathBuf>,
    /// A ramdisk, as a list of files: "kind path mode source" a line; may be repeated. The first one has /init.
    #[arg(long = "ramdisk", value_name = "LIST")]
    pub(super) ramdisks: Vec<PathBuf>,
    /// A file of the one ramdisk there is; may be repeated. The mode is octal: 0755 for /init, 0644 elsewhere.
    #[arg(long = "file", value_name = "GUEST=HOST[:MODE]")]
    pub(super) files: Vec<GuestFile>,
    /// Compress ramdisks (gzip).
    #[arg(long)]
    pub(super) compress: bool,
    /// The image; what is there is replaced.
    #[arg(long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// The image's name.
    #[arg(long, default_value = "enclave")]
    pub(super) name: String,
    /// The image's version.
    #[arg(id = "image_version", long = "version", value_name = "VERSION", default_value = "1.0")]
    pub(super) version: String,
    /// The kernel's version, for the metadata.
    #[arg(long, value_name = "VERSION", default_value = "unknown")]
    pub(super) kernel_version: String,
    /// When it was built, for the metadata: RFC 3339. The clock is not asked.
    #[arg(long, value_name = "TIME", default_value = "1970-01-01T00:00:00Z", value_parser = time)]
    pub(super) build_time: String,
    /// The processors it is for.
    #[arg(long, value_enum, default_value_t = Processors::X86_64)]
    pub(super) arch: Processors,
    /// Sign it with this P-384 key and certificate (PEM).
    #[arg(long, num_args = 2, value_names = ["KEY", "CERTIFICATE"])]
    pub(super) sign: Option<Vec<PathBuf>>,
    /// Refuse what is not fit for release.
    #[arg(long, requires = "build_record")]
    pub(super) release: bool,
    /// What /init was built of (JSON).
    #[arg(long, value_name = "FILE", requires = "release")]
    pub(super) build_record: Option<PathBuf>,
}

/// What an image is verified against: at least one register, since an image that is compared with nothing is anybody's, and
/// so is a signature.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("registers").required(true).multiple(true)))]
pub struct VerifyArguments {
    /// The image.
    pub(super) image: PathBuf,
    /// PCR0 in hex: the whole image.
    #[arg(long, value_name = "HEX", group = "registers")]
    pcr0: Option<PcrValue>,
    /// PCR1 in hex: kernel, command line and first ramdisk.
    #[arg(long, value_name = "HEX", group = "registers")]
    pcr1: Option<PcrValue>,
    /// PCR2 in hex: the other ramdisks.
    #[arg(long, value_name = "HEX", group = "registers")]
    pcr2: Option<PcrValue>,
    /// PCR8 in hex: the signing certificate. Without it anybody's signature will do.
    #[arg(long, value_name = "HEX", group = "registers")]
    pcr8: Option<PcrValue>,
    /// The time at which the certificate must be valid: RFC 3339; now, unless given.
    #[arg(long, value_name = "TIME")]
    pub(super) at: Option<UnixTime>,
}

impl VerifyArguments {
    pub(super) fn expected(&self) -> Pcrs {
        [
            (PcrIndex::IMAGE, self.pcr0),
            (PcrIndex::KERNEL, self.pcr1),
            (PcrIndex::APPLICATION, self.pcr2),
            (PcrIndex::SIGNER, self.pcr8),
        ]
        .into_iter()
        .filter_map(|(index, value)| Some((index, value?)))
        .collect()
    }
}

/// A processor's name on the command line.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Processors {
    Aarch64,
    #[value(name = "x86_64")]
    X86_64,
}

impl From<Processors> for Architecture {
    fn from(processors: Processors) -> Self {
        match processors {
            Processors::Aarch64 => Self::Aarch64,
            Processors::X86_64 => Self::X86_64,
        }
    }
}

/// `GUEST=HOST[:MODE]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GuestFile {
    pub(super) path: GuestPath,
    pub(super) source: PathBuf,
    pub(super) mode: u32,
}

impl FromStr for GuestFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (path, source) = text.split_once('=').ok_or("expected GUEST=HOST or GUEST=HOST:MODE")?;
        let path: GuestPath = path.parse().map_err(|error: crate::GuestPathError| error.to_string())?;
        let (source, mode) = match source.rsplit_once(':').map(|(source, mode)| (source, parse_mode(mode))) {
            Some((source, Some(mode))) => (source, mode),
            _ if path.to_string() == "/init" => (source, 0o755),
            _ => (source, 0o644),
        };
        Ok(Self { path, source: PathBuf::from(source), mode })
    }
}

fn time(text: &str) -> Result<String, String> {
    text.parse::<UnixTime>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 refused, 2 malformed input, 3 unreadable, 64 usage";

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_file_has_a_mode_if_it_ends_in_one() {
        let parsed = |text: &str| text.parse::<GuestFile>().map(|file| (file.source, file.mode));
        assert_eq!(parsed("/init=target/enclave"), Ok(("target/enclave".into(), 0o755)));
        assert_eq!(parsed("/etc/a=b"), Ok(("b".into(), 0o644)));
        assert_eq!(parsed("/etc/a=b:0600"), Ok(("b".into(), 0o600)));
        assert_eq!(parsed("/etc/a=b:9999"), Ok(("b:9999".into(), 0o644)));
        assert_eq!(parsed("/etc/a=b=c:600"), Ok(("b=c".into(), 0o600)));
        assert!(parsed("/init").is_err() && parsed("init=a").is_err());
    }
}
