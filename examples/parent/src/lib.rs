//! The parent: what runs on the EC2 instance beside the enclave.
//!
//! It serves the HTTPS API, keeps the sealed records, hands the enclave AWS credentials, and relays its bytes to KMS.
//! The enclave does not trust it: a parent may refuse service, but it holds no key, opens no record and widens no
//! policy. It must be a robust service all the same: every input has a limit, every wait a deadline, and whatever one
//! caller does wrong concerns that caller alone.
//!
//! [`Parent::start`] is the whole of it; the binary reads a [`Config`] from a file and waits for a signal, or for a part
//! of the parent to fail ([`Parent::failed`]).
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = parent::Config::from_file("/etc/nitro-signer/parent.json".as_ref())?;
//! let parent = parent::Parent::start(config).await?;
//! println!("serving https://{}", parent.https_addr());
//! parent.shutdown().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Configuration file
//!
//! ```json
//! {
//!   "listen": "0.0.0.0:443",
//!   "tls": {"certificate_chain": "/etc/nitro-signer/chain.pem", "private_key": "/etc/nitro-signer/key.pem"},
//!   "enclave": "vsock:16:5000",
//!   "store": {"directory": "/var/lib/nitro-signer/keys"},
//!   "credentials": {"file": "/run/nitro-signer/credentials.json"},
//!   "relays": [{"listen": "vsock:3:8000", "target": "kms.us-east-1.amazonaws.com:443"}],
//!   "limits": {"max_in_flight": 256},
//!   "timeouts_ms": {"request": 20000}
//! }
//! ```
//!
//! `credentials` may also be `"environment"`. `enclave`, `relays`, `limits` and `timeouts_ms` may be left out, and so
//! may each field of the last two ([`Limits`], [`Timeouts`]).

mod api;
mod config;
mod credentials;
mod enclave;
mod permissions;
mod relays;
mod server;
mod start;
mod store;

pub use config::{Config, ConfigError, Limits, RelayConfig, StoreConfig, Timeouts, TlsIdentity};
pub use credentials::{CredentialsError, CredentialsSource};
pub use start::{Parent, RunError, StartError};
pub use store::StoreError;
