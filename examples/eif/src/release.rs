//! What `build --release` refuses: an image that its users should not trust, whoever made it.

mod build_record;
mod configuration;

use aws_lc_rs::digest::{SHA384, digest};
use nsm_attest::PcrValue;
use thiserror::Error;

pub(crate) use self::build_record::MAX_BUILD_RECORD_LEN;
pub use self::build_record::{BuildRecord, BuildRecordError};
use crate::guest_path::GuestPath;
use crate::ramdisk::{Entry, Ramdisk};

/// Checks that an image of these ramdisks and this command line is fit for release:
///
/// * `/init` of the first ramdisk is the file that `record` is about, and may be executed, or else the kernel goes on to what
///   it finds elsewhere; no other ramdisk has one; no other file may be executed, by a kernel that looks for one (`/sbin/init`,
///   `/sbin/modprobe`, `sysctl.kernel.core_pattern=`);
/// * the command line starts nothing else (`rdinit=`, `init=`), and is printable ASCII without quotes: what the kernel takes
///   for white space, and for one word, is more than meets the eye;
/// * the record names no feature that simulates or waives checks: `sim`, of whatever package, and what begins with `danger`;
/// * no file holds one of [`SIMULATION_MARKERS`];
/// * every file below `/etc` whose name ends in `.json` is a JSON object of at most 64 KiB in which no name stands twice in an
///   object, and no member that is not null, at any depth, waives a check or replaces an endpoint or a trust anchor; all that
///   is there are files and directories.
///
/// Such members are, with case, `_` and `-` passed over, those that begin with `danger` or contain `endpoint`,
/// `rootcertificate`, `simulat`, `tlsroot` or `trustanchor`.
///
/// The kernel and its modules are what whoever builds the image says they are: nothing here looks at them.
///
/// # Errors
/// [`ReleaseRefusal`] is the first thing that was found.
pub fn check_release(ramdisks: &[Ramdisk], command_line: &str, record: &BuildRecord) -> Result<(), ReleaseRefusal> {
    if let Some(feature) = record.features().iter().find(|feature| is_refused_feature(feature)) {
        return Err(ReleaseRefusal::Feature { feature: feature.clone() });
    }
    check_init(ramdisks, record)?;
    check_command_line(command_line)?;
    ramdisks.iter().flat_map(Ramdisk::entries).try_for_each(|(path, entry)| check_entry(path, entry))
}

fn check_command_line(command_line: &str) -> Result<(), ReleaseRefusal> {
    // Besides ASCII's, the kernel takes the byte 0xa0 for white space (lib/ctype.c), whatever character it is a part of.
    if let Some(character) = command_line.chars().find(|c| !matches!(c, ' '..='~') || *c == '"') {
        return Err(ReleaseRefusal::CommandLineCharacter { character });
    }
    let starts_other = |word: &&str| match word.split_once('=') {
        // The second is what the kernel falls back to.
        Some(("rdinit" | "init", init)) => init != INIT,
        _ => false,
    };
    match command_line.split(' ').find(starts_other) {
        Some(word) => Err(ReleaseRefusal::OtherInit { word: word.to_owned() }),
        None => Ok(()),
    }
}

fn check_init(ramdisks: &[Ramdisk], record: &BuildRecord) -> Result<(), ReleaseRefusal> {
    let init = init_path();
    let (first, others) = ramdisks.split_first().ok_or(ReleaseRefusal::InitMissing)?;
    let Some(Entry::File { content, mode }) = first.get(&init) else { return Err(ReleaseRefusal::InitMissing) };
    if mode & EXECUTABLE == 0 {
        return Err(ReleaseRefusal::InitNotExecutable { mode: *mode });
    }
    // Ramdisks are unpacked one over the other.
    if let Some(at) = others.iter().position(|ramdisk| ramdisk.get(&init).is_some()) {
        return Err(ReleaseRefusal::InitReplaced { ramdisk: at + 1 });
    }
    let expected = record.binary_sha384();
    match PcrValue::from_bytes(digest(&SHA384, content).as_ref()) {
        Ok(actual) if actual == expected => Ok(()),
        Ok(actual) => Err(ReleaseRefusal::OtherBinary { expected: Box::new(expected), actual: Box::new(actual) }),
        Err(_) => Err(ReleaseRefusal::InitMissing),
    }
}

fn check_entry(path: &GuestPath, entry: &Entry) -> Result<(), ReleaseRefusal> {
    let is_configuration = path.is_within(&configuration_folder());
    match entry {
        Entry::Link { .. } if is_configuration => Err(ReleaseRefusal::Link { path: path.clone() }),
        Entry::CharacterDevice { .. } if is_configuration => Err(ReleaseRefusal::Device { path: path.clone() }),
        Entry::File { content, mode } => {
            if mode & EXECUTABLE != 0 && *path != init_path() {
                return Err(ReleaseRefusal::OtherProgram { path: path.clone(), mode: *mode });
            }
            if let Some(marker) = SIMULATION_MARKERS.iter().find(|marker| holds(content, marker.as_bytes())) {
                return Err(ReleaseRefusal::Simulation { path: path.clone(), marker });
            }
            if is_configuration && path.as_relative().to_ascii_lowercase().ends_with(".json") {
                configuration::check(path, content)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn holds(content: &[u8], marker: &[u8]) -> bool {
    content.windows(marker.len()).any(|window| window == marker)
}

/// `nsm-attest/sim`, `nsm-attest?/sim` and `sim` are the same here.
fn is_refused_feature(feature: &str) -> bool {
    let name = feature.rsplit('/').next().unwrap_or(feature).to_ascii_lowercase();
    name == "sim" || name.starts_with("danger")
}

fn init_path() -> GuestPath {
    INIT.parse().expect("it is a path")
}

fn configuration_folder() -> GuestPath {
    CONFIGURATION_FOLDER.parse().expect("it is a path")
}

/// Why an image is not fit for release.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReleaseRefusal {
    /// A command line that a kernel may cut into other words than a reader would.
    #[error("release: the command line has {character:?}; only printable ASCII without quotes is read by all alike")]
    CommandLineCharacter {
        /// The first such character.
        character: char,
    },
    /// A configuration that waives a check.
    #[error("release: {path} has the option {key:?}, which waives a check")]
    Danger {
        /// Which file.
        path: GuestPath,
        /// The option.
        key: String,
    },
    /// A device in the place of a configuration: what it says, nothing measures.
    #[error("release: {path} is a device; configurations are files")]
    Device {
        /// Which device.
        path: GuestPath,
    },
    /// A binary built with a feature that simulates or waives checks.
    #[error("release: the binary was built with the feature {feature:?}")]
    Feature {
        /// As the build record writes it.
        feature: String,
    },
    /// No file at `/init` of the first ramdisk.
    #[error("release: the first ramdisk has no file /init")]
    InitMissing,
    /// `/init` may not be executed: the kernel would go on to another program.
    #[error("release: /init has the mode {mode:o}, with which nothing is executed")]
    InitNotExecutable {
        /// Its permissions.
        mode: u32,
    },
    /// Another ramdisk would replace `/init`.
    #[error("release: ramdisk {ramdisk} replaces /init of the first")]
    InitReplaced {
        /// Which ramdisk, counted from 0.
        ramdisk: usize,
    },
    /// A link in the place of a configuration, which could lead to one that nobody looked at.
    #[error("release: {path} is a link; configurations are files")]
    Link {
        /// Which link.
        path: GuestPath,
    },
    /// `/init` is not the file that the build record is about.
    #[error("release: SHA-384 of /init is {actual}, in the build record it is {expected}")]
    OtherBinary {
        /// What the build record says.
        expected: Box<PcrValue>,
        /// That of the file.
        actual: Box<PcrValue>,
    },
    /// A command line that starts something else than `/init`.
    #[error("release: the command line has {word:?}; the enclave is /init")]
    OtherInit {
        /// The word that says so.
        word: String,
    },
    /// Another program than `/init`, which a kernel may be told to start, or start unasked.
    #[error("release: {path} has the mode {mode:o}; no file but /init may be executed")]
    OtherProgram {
        /// Which file.
        path: GuestPath,
        /// Its permissions.
        mode: u32,
    },
    /// A configuration that replaces an endpoint or a trust anchor.
    #[error("release: {path} has the option {key:?}, which replaces an endpoint or a trust anchor")]
    Override {
        /// Which file.
        path: GuestPath,
        /// The option.
        key: String,
    },
    /// A file with a simulation in it.
    #[error("release: {path} holds {marker:?}: there is a simulation in it")]
    Simulation {
        /// Which file.
        path: GuestPath,
        /// What was found.
        marker: &'static str,
    },
    /// A configuration that cannot be read.
    #[error("release: {path} cannot be read as a configuration: {detail}")]
    UnreadableConfiguration {
        /// Which file.
        path: GuestPath,
        /// Why.
        detail: String,
    },
}

/// What the simulations put into every binary that they are linked into.
pub const SIMULATION_MARKERS: [&str; 2] =
    ["nitro-signer simulation: nsm-attest", "nitro-signer simulation: kms-enclave-client"];

const INIT: &str = "/init";
const EXECUTABLE: u32 = 0o111;
const CONFIGURATION_FOLDER: &str = "/etc";
