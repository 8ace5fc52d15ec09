//! The measured configuration: a file in the image, so that PCR0 covers every choice in it.

mod danger;
mod error;
mod sessions;

use std::num::NonZeroU32;

use kms_enclave_client::{KeyArn, TlsRoots};
use serde::{Deserialize, Serialize};
use vsock_rpc::Addr;

pub use self::danger::{DangerConfiguration, RootCertificate};
pub use self::error::ConfigurationError;
pub use self::sessions::{SessionClients, SessionConfiguration};

/// What an operator fixes before the image is measured: JSON of at most 64 KiB, in the image at [`PATH`](Self::PATH).
///
/// ```json
/// {
///   "version": 1,
///   "kms": {
///     "region": "us-east-1",
///     "key_arns": ["arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"],
///     "relay": "vsock:3:8000"
///   },
///   "parent_port": "vsock:any:5000",
///   "heartbeat": "vsock:3:9000",
///   "parent_may": { "administer": false, "sign": false },
///   "sessions": {
///     "port": "vsock:any:5001",
///     "clients": ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]
///   }
/// }
/// ```
///
/// `version`, `kms` with its three members and `parent_port` must be there; `heartbeat` and `parent_may` are above as they are
/// by default, and without `sessions` there are none. Other members are refused.
///
/// Addresses are written `vsock:CID:PORT`, `unix:/path` or `tcp:host:port`. Where the enclave listens, `any` is its own CID,
/// whichever that is. Where it connects to, CID 3 is its parent; in QEMU's emulator the parent is CID 2, so that an image for
/// it has `"relay": "vsock:2:8000"` and `"heartbeat": "vsock:2:9000"`. The parent must listen at `kms.relay` (`relays` of its
/// configuration) and know `parent_port`.
///
/// What would weaken the enclave is under one more key, `danger` ([`DangerConfiguration`]), and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Version of this format: 1.
    pub version: NonZeroU32,
    /// The KMS keys this image may use, and the way to KMS.
    pub kms: KmsConfiguration,
    /// Where the enclave listens for its parent.
    pub parent_port: Addr,
    /// Where the first process says that the enclave has booted: where `nitro-cli` listens, unless this says
    /// otherwise.
    #[serde(default = "heartbeat_of_nitro_cli")]
    pub heartbeat: Addr,
    /// What the parent may ask for. Nothing, unless this says so.
    #[serde(default)]
    pub parent_may: ParentPermissions,
    /// Where callers open sessions that end in the enclave. Without this there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sessions: Option<SessionConfiguration>,
    /// What weakens the enclave. An image that is to hold anything of worth has none of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub danger: Option<DangerConfiguration>,
}

/// The KMS keys an image may use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KmsConfiguration {
    /// AWS Region of the keys.
    pub region: String,
    /// Permitted keys, 1 to 8, all of `region`. New records are sealed under the first; a reply of KMS that names any
    /// other key than the one asked for is refused.
    pub key_arns: Vec<KeyArn>,
    /// Where the parent relays bytes to KMS. TLS ends in the enclave, so the relay sees ciphertext.
    pub relay: Addr,
}

impl KmsConfiguration {
    /// The key that new records are sealed under.
    pub(crate) fn primary_key(&self) -> &KeyArn {
        self.key_arns.first().expect("no service is built without a permitted key")
    }
}

/// What the parent may ask for on its own behalf.
///
/// The parent then *is* the administrator or the caller: an attacker on it can do the same, held only by the record's
/// policy. Both are off by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ParentPermissions {
    /// Create keys.
    pub administer: bool,
    /// Ask for signatures.
    pub sign: bool,
}

impl Configuration {
    /// Where an image has its configuration.
    pub const PATH: &str = "/etc/nitro-signer/enclave.json";

    /// Where `nitro-cli` listens for the heartbeat: port 9000 of the parent, whose context id is 3.
    pub const HEARTBEAT_OF_NITRO_CLI: Addr = Addr::Vsock { cid: 3, port: 9000 };

    /// Reads a configuration.
    ///
    /// # Errors
    /// [`ConfigurationError`] names the field and its limit.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigurationError> {
        if json.len() > MAX_LEN {
            return Err(ConfigurationError::TooLong { actual: json.len(), max: MAX_LEN });
        }
        // serde reads a structure from an array as well, whose members have no names that anybody could look for.
        if json.trim_ascii_start().first() != Some(&b'{') {
            return Err(ConfigurationError::NotObject);
        }
        let configuration: Self = serde_json::from_slice(json)?;
        configuration.check()?;
        Ok(configuration)
    }

    /// Whom TLS to KMS trusts: [`TlsRoots::amazon`], unless `danger` names others.
    ///
    /// # Errors
    /// [`ConfigurationError::RootCertificate`] if one of those is no certificate; [`from_json`](Self::from_json) finds it.
    pub fn kms_tls_roots(&self) -> Result<TlsRoots, ConfigurationError> {
        self.danger.as_ref().map_or_else(|| Ok(TlsRoots::amazon()), DangerConfiguration::tls_roots)
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        if self.version.get() != VERSION {
            return Err(ConfigurationError::Version { actual: self.version.get() });
        }
        let keys = self.kms.key_arns.len();
        if !(1..=MAX_KEY_ARNS).contains(&keys) {
            return Err(ConfigurationError::KeyCount { actual: keys, max: MAX_KEY_ARNS });
        }
        if let Some(arn) = self.kms.key_arns.iter().find(|arn| arn.region() != self.kms.region) {
            return Err(ConfigurationError::Region { region: self.kms.region.clone(), arn: arn.clone() });
        }
        if let Some(sessions) = &self.sessions {
            sessions.check(&self.parent_port)?;
        }
        self.danger.as_ref().map_or(Ok(()), DangerConfiguration::check)
    }
}

fn heartbeat_of_nitro_cli() -> Addr {
    Configuration::HEARTBEAT_OF_NITRO_CLI
}

const VERSION: u32 = 1;
const MAX_LEN: usize = 64 * 1024;
const MAX_KEY_ARNS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const KMS: &str = r#"{"region":"us-east-1","relay":"vsock:3:8000",
        "key_arns":["arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"]}"#;

    #[test]
    fn a_configuration_names_its_members() {
        let kms = serde_json::from_str::<serde_json::Value>(KMS).unwrap();
        let weak = serde_json::json!([1, kms, "vsock:any:5000", "vsock:3:9000", [true, true], null, [["MIIB"]]]);
        let error = Configuration::from_json(weak.to_string().as_bytes()).unwrap_err();
        assert!(matches!(error, ConfigurationError::NotObject), "{error}");
        let spaced = format!("\n\t {{\"version\":1,\"kms\":{KMS},\"parent_port\":\"vsock:any:5000\"}}\n");
        assert!(Configuration::from_json(spaced.as_bytes()).is_ok());
    }

    #[test]
    fn an_enclave_announces_itself_to_nitro_cli_unless_told_otherwise() {
        let silent = format!(r#"{{"version":1,"kms":{KMS},"parent_port":"vsock:any:5000"}}"#);
        let spoken = silent.replace(r#""parent_port""#, r#""heartbeat":"vsock:2:9000","parent_port""#);
        let heartbeat = |json: &str| Configuration::from_json(json.as_bytes()).unwrap().heartbeat.to_string();
        assert_eq!(heartbeat(&silent), "vsock:3:9000");
        assert_eq!(heartbeat(&spoken), "vsock:2:9000");
    }
}
