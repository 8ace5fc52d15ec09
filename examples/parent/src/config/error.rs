//! What is wrong with a configuration file.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use vsock_rpc::Addr;

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A number outside its limits.
    #[error("configuration field {field} is {actual}, outside {min}..={max}")]
    FieldOutOfRange {
        /// The field, with the objects around it.
        field: &'static str,
        /// Least value.
        min: u64,
        /// Greatest value.
        max: u64,
        /// Value found.
        actual: u64,
    },
    /// A file above its size limit.
    #[error("{} is longer than {max} bytes", path.display())]
    FileTooLong {
        /// The file.
        path: PathBuf,
        /// The limit, in bytes.
        max: u64,
    },
    /// The file is not the JSON that is expected.
    #[error("{} is not a configuration: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Which field, and where.
        source: serde_json::Error,
    },
    /// An address that cannot be understood.
    #[error("configuration field {field}: {value:?} is not an address: {detail}")]
    MalformedAddress {
        /// The field, with the objects around it.
        field: String,
        /// The value found.
        value: String,
        /// What is wrong.
        detail: String,
    },
    /// A PEM file without what it should hold.
    #[error("configuration field {field}: {} holds no usable PEM: {detail}", path.display())]
    MalformedPem {
        /// The field that names the file.
        field: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        detail: String,
    },
    /// Group or others may read or change the file of a private key.
    #[error("{} has mode {mode:03o}; a private key's file must have mode 600 or 400", path.display())]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A path that is not absolute would depend on where the parent is started.
    #[error("configuration field {field}: {} is not an absolute path", path.display())]
    RelativePath {
        /// The field.
        field: &'static str,
        /// The path found.
        path: PathBuf,
    },
    /// A relay that would make parents of its callers.
    #[error("configuration field relays: {target} is the enclave's port for the parent alone")]
    RelayToParentPort {
        /// The address, which is that of the field enclave.
        target: Addr,
    },
    /// Two relays listen on one address.
    #[error("configuration field relays: {listen} is listed twice")]
    RepeatedRelay {
        /// The address.
        listen: Addr,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}
