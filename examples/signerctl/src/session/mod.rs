//! Sessions with an enclave, for callers: what is asked and answered is read by nobody on the way.
//!
//! Whoever carries the bytes, the parent above all, sees ciphertext. The caller knows the enclave by evidence
//! ([`NitroEvidence`]), verified before anything is asked; the enclave knows the caller by a key of its own
//! ([`ClientKey`]), whose identity a key's record names if the caller may have it described or sign with it. Nothing
//! here needs the parent's HTTPS API, but whoever has a record may have it from there.
//!
//! ```no_run
//! use nsm_attest::{PcrIndex, Policy, TrustAnchor};
//! use signerctl::session::{ClientKey, EnclaveSession, Encoding, ExpectedKey, NitroEvidence, Transaction};
//!
//! # async fn run(record: &[u8], expected: ExpectedKey, pkcs8: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
//! let image = Policy::builder().pcr(PcrIndex::IMAGE, ["5c".repeat(48).parse()?]);
//! let evidence = NitroEvidence::new(TrustAnchor::aws_nitro_g1(), image);
//! let session = EnclaveSession::new("tcp:signer.internal:5001".parse()?, &ClientKey::from_pkcs8(pkcs8)?, evidence);
//! let transaction = Transaction { encoding: Encoding::Json, payload: br#"{"value": 0.01}"#, chain_id: None };
//! let signed = session.sign(record, &expected, transaction).await?;
//! println!("{}", signed.transaction_id);
//! # Ok(())
//! # }
//! ```

pub(crate) mod arguments;
mod client;
mod command;
mod error;
mod evidence;
mod failure;
mod key_file;

pub use chain_signers::Encoding;
pub use signer_protocol::method::ExpectedKey;
pub use vsock_rpc::session::ClientKey;

pub use self::client::{EnclaveSession, Transaction};
pub(crate) use self::command::execute;
pub use self::error::SessionCallError;
pub use self::evidence::{NitroEvidence, evidence_policy};
pub(crate) use self::failure::SessionFailure;
