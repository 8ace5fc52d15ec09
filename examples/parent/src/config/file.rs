//! The configuration file: JSON, bounded, every field checked.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use vsock_rpc::Addr;
use vsock_rpc::transport::{HostPort, ParseAddrError};
use zeroize::Zeroizing;

use super::{Config, ConfigError, Limits, RelayConfig, StoreConfig, Timeouts, TlsIdentity};
use crate::credentials::CredentialsSource;
use crate::permissions::mode_open_to_others;

impl Config {
    /// Reads a configuration file and the certificate and key files that it names.
    ///
    /// # Errors
    /// [`ConfigError`] names the file, and the field with its limits.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        let bytes = read_bounded(path, open(path)?, MAX_FILE_LEN)?;
        let malformed = |source| ConfigError::Malformed { path: path.to_owned(), source };
        let document: Document = serde_json::from_slice(&bytes).map_err(malformed)?;
        document.resolve()
    }
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    listen: String,
    tls: TlsFiles,
    #[serde(default)]
    enclave: Option<String>,
    store: StoreDocument,
    credentials: CredentialsDocument,
    #[serde(default)]
    relays: Vec<RelayDocument>,
    #[serde(default)]
    limits: LimitsDocument,
    #[serde(default)]
    timeouts_ms: TimeoutsDocument,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TlsFiles {
    certificate_chain: PathBuf,
    private_key: PathBuf,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum StoreDocument {
    Directory(PathBuf),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum CredentialsDocument {
    Environment,
    File(PathBuf),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RelayDocument {
    listen: String,
    target: String,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitsDocument {
    max_connections: Option<usize>,
    max_in_flight: Option<usize>,
    max_body_len: Option<usize>,
    max_relay_connections: Option<usize>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TimeoutsDocument {
    handshake: Option<u64>,
    header: Option<u64>,
    body: Option<u64>,
    request: Option<u64>,
    write: Option<u64>,
    shutdown: Option<u64>,
    health_interval: Option<u64>,
}

impl Document {
    fn resolve(self) -> Result<Config, ConfigError> {
        let StoreDocument::Directory(directory) = self.store;
        let credentials = match self.credentials {
            CredentialsDocument::Environment => CredentialsSource::Environment,
            CredentialsDocument::File(path) => CredentialsSource::File(absolute("credentials.file", path)?),
        };
        let mut config = Config::new(
            address("listen", self.listen)?,
            self.tls.read()?,
            self.enclave.map_or(Ok(Config::DEFAULT_ENCLAVE), |enclave| address("enclave", enclave))?,
            StoreConfig::Directory(absolute("store.directory", directory)?),
            credentials,
        );
        config.relays = relays(self.relays, &config.enclave)?;
        config.limits = self.limits.resolve()?;
        config.timeouts = self.timeouts_ms.resolve()?;
        Ok(config)
    }
}

impl TlsFiles {
    fn read(self) -> Result<TlsIdentity, ConfigError> {
        let path = absolute("tls.certificate_chain", self.certificate_chain)?;
        let pem = read_bounded(&path, open(&path)?, MAX_PEM_LEN)?;
        let certificate_chain: Vec<_> = CertificateDer::pem_slice_iter(&pem)
            .collect::<Result<_, _>>()
            .map_err(|error| malformed_pem("tls.certificate_chain", &path, error))?;
        if certificate_chain.is_empty() {
            return Err(malformed_pem("tls.certificate_chain", &path, "it has no certificate"));
        }
        let path = absolute("tls.private_key", self.private_key)?;
        let private_key = PrivateKeyDer::from_pem_slice(&read_bounded(&path, open_private(&path)?, MAX_PEM_LEN)?)
            .map_err(|error| malformed_pem("tls.private_key", &path, error))?;
        Ok(TlsIdentity { certificate_chain, private_key })
    }
}

impl LimitsDocument {
    fn resolve(self) -> Result<Limits, ConfigError> {
        let default = Limits::default();
        let size = |field, value: Option<usize>, limits, default| {
            in_range(field, value.map(|value| value as u64), limits)?;
            Ok(value.unwrap_or(default))
        };
        let count = |field, value, default| size(field, value, 1..=65_536, default);
        Ok(Limits {
            max_connections: count("limits.max_connections", self.max_connections, default.max_connections)?,
            max_in_flight: count("limits.max_in_flight", self.max_in_flight, default.max_in_flight)?,
            max_body_len: size("limits.max_body_len", self.max_body_len, 1024..=1_048_576, default.max_body_len)?,
            max_relay_connections: count(
                "limits.max_relay_connections",
                self.max_relay_connections,
                default.max_relay_connections,
            )?,
        })
    }
}

impl TimeoutsDocument {
    fn resolve(self) -> Result<Timeouts, ConfigError> {
        let default = Timeouts::default();
        let millis = |field, value: Option<u64>, default: Duration| {
            Ok(in_range(field, value, 100..=300_000)?.map_or(default, Duration::from_millis))
        };
        Ok(Timeouts {
            handshake: millis("timeouts_ms.handshake", self.handshake, default.handshake)?,
            header: millis("timeouts_ms.header", self.header, default.header)?,
            body: millis("timeouts_ms.body", self.body, default.body)?,
            request: millis("timeouts_ms.request", self.request, default.request)?,
            write: millis("timeouts_ms.write", self.write, default.write)?,
            shutdown: millis("timeouts_ms.shutdown", self.shutdown, default.shutdown)?,
            health_interval: millis("timeouts_ms.health_interval", self.health_interval, default.health_interval)?,
        })
    }
}

fn relays(documents: Vec<RelayDocument>, parent_port: &Addr) -> Result<Vec<RelayConfig>, ConfigError> {
    in_range("relays (count)", Some(documents.len() as u64), 0..=MAX_RELAYS)?;
    let mut relays: Vec<RelayConfig> = Vec::with_capacity(documents.len());
    for (index, RelayDocument { listen, target }) in documents.into_iter().enumerate() {
        let listen = address(format!("relays[{index}].listen"), listen)?;
        let target = address::<RelayTarget>(format!("relays[{index}].target"), target)?.0;
        if relays.iter().any(|relay| relay.listen == listen) {
            return Err(ConfigError::RepeatedRelay { listen });
        }
        // Nobody is authenticated there: whoever connects sets credentials, and asks for what the parent may.
        if target == *parent_port {
            return Err(ConfigError::RelayToParentPort { target });
        }
        relays.push(RelayConfig { listen, target });
    }
    Ok(relays)
}

/// Where a relay leads: `host:port`, or an enclave's `vsock:cid:port` or `unix:/path`.
struct RelayTarget(Addr);

impl FromStr for RelayTarget {
    type Err = ParseAddrError;

    /// What is an address of a host and a port is one, whatever the host is called.
    fn from_str(text: &str) -> Result<Self, ParseAddrError> {
        match (text.parse::<HostPort>(), text.parse()) {
            (Ok(host), _) => Ok(Self(Addr::Tcp(host))),
            (Err(_), Ok(inward @ (Addr::Unix(_) | Addr::Vsock { .. }))) => Ok(Self(inward)),
            (Err(_), Err(malformed)) if text.starts_with("vsock:") || text.starts_with("unix:") => Err(malformed),
            (Err(malformed), _) => Err(malformed),
        }
    }
}

/// An address of any kind. Parsed here and not by serde, whose message would lack the field's name.
fn address<T: FromStr<Err: fmt::Display>>(field: impl Into<String>, value: String) -> Result<T, ConfigError> {
    value.parse().map_err(|error: T::Err| {
        let detail = error.to_string();
        ConfigError::MalformedAddress { field: field.into(), value, detail }
    })
}

/// A value, if there is one, that is within its limits.
fn in_range(field: &'static str, value: Option<u64>, limits: RangeInclusive<u64>) -> Result<Option<u64>, ConfigError> {
    match value {
        Some(actual) if !limits.contains(&actual) => {
            Err(ConfigError::FieldOutOfRange { field, min: *limits.start(), max: *limits.end(), actual })
        }
        _ => Ok(value),
    }
}

fn absolute(field: &'static str, path: PathBuf) -> Result<PathBuf, ConfigError> {
    if path.is_absolute() { Ok(path) } else { Err(ConfigError::RelativePath { field, path }) }
}

fn malformed_pem(field: &'static str, path: &Path, detail: impl ToString) -> ConfigError {
    ConfigError::MalformedPem { field, path: path.to_owned(), detail: detail.to_string() }
}

fn open(path: &Path) -> Result<File, ConfigError> {
    File::open(path).map_err(unreadable(path))
}

/// Opens a file that only its owner may read.
fn open_private(path: &Path) -> Result<File, ConfigError> {
    let file = open(path)?;
    match mode_open_to_others(&file).map_err(unreadable(path))? {
        Some(mode) => Err(ConfigError::OpenToOthers { path: path.to_owned(), mode }),
        None => Ok(file),
    }
}

fn unreadable(path: &Path) -> impl FnOnce(io::Error) -> ConfigError {
    let path = path.to_owned();
    move |source| ConfigError::Unreadable { path, source }
}

/// Reads a whole file of at most `max` bytes. Wiped when dropped: one of them is a private key.
fn read_bounded(path: &Path, file: File, max: usize) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    // Room for everything at once, so that growing leaves no copy of a key behind.
    let room = max + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    file.take(room as u64).read_to_end(&mut bytes).map_err(unreadable(path))?;
    if bytes.len() > max {
        return Err(ConfigError::FileTooLong { path: path.to_owned(), max: max as u64 });
    }
    Ok(bytes)
}

/// Longest configuration file, in bytes.
const MAX_FILE_LEN: usize = 64 * 1024;

/// Longest certificate or key file, in bytes.
const MAX_PEM_LEN: usize = 256 * 1024;

/// Most relays.
const MAX_RELAYS: u64 = 16;
