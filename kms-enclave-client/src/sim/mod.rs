//! A KMS to test enclaves against: [`KmsSimulator`] answers on loopback as KMS does, [`AdminClient`] administers it.
//!
//! The simulator is meant to refuse whatever KMS refuses. What it does not implement it refuses too: an action, a
//! request field, a policy operator, a condition key or a principal that it does not know is an error, never ignored.
//!
//! | part | as in KMS |
//! |---|---|
//! | transport | HTTP/1.1 over TLS, on loopback or [in memory](KmsSimulator::memory_transport); the certificate names `kms.<region>.amazonaws.com` and `kms-fips.<region>.amazonaws.com` under a root of its own |
//! | authentication | Signature Version 4 (scratchstack-aws-signature), ± 5 minutes, session tokens bound to their keys |
//! | actions with Recipient | Decrypt, GenerateDataKey, GenerateDataKeyPair, GenerateRandom, DeriveSharedSecret |
//! | other actions | CreateKey, DescribeKey, GetPublicKey, PutKeyPolicy, GetKeyPolicy, CreateAlias, UpdateAlias, DeleteAlias, ListAliases, Encrypt; `DryRun` where KMS has it |
//! | keys | symmetric; RSA for encryption by RSAES-OAEP; NIST curves for key agreement; named by id, ARN, alias or alias ARN where KMS lets them |
//! | data key pairs | RSA, NIST curves, secp256k1, Ed25519 |
//! | grants | none: a grant token is an `InvalidGrantTokenException` |
//! | Recipient | certificate path, signature and age (5 minutes) by nsm-attest; RSA keys of 2048 to 4096 bits |
//! | policies | key policies and [identity policies](KmsSimulatorBuilder::principal_with_policy), evaluated together as IAM does within one account |
//! | statements | Allow and Deny; principals; `Action` and `NotAction` with wildcards; not `NotPrincipal`, `NotResource`, policy variables |
//! | operators | string operators, `Bool`, `Null`, ARN operators, each with `IfExists`; `ForAllValues:` and `ForAnyValue:` |
//! | condition keys | `kms:RecipientAttestation:ImageSha384` and `:PCR0` to `:PCR31`, `kms:EncryptionContext:…`, `kms:EncryptionContextKeys`, `kms:CallerAccount`, `kms:ViaService`, `kms:RequestAlias`, `kms:ResourceAliases` (identity policies), `kms:KeySpec`, `kms:KeyUsage`, `kms:KeyOrigin`, `kms:MultiRegion`, `kms:EncryptionAlgorithm`, `kms:DataKeyPairSpec`, `kms:KeyAgreementAlgorithm`, `kms:BypassPolicyLockoutSafetyCheck`, `aws:PrincipalArn`, `aws:PrincipalAccount`, `aws:SecureTransport` |
//!
//! What is to go wrong is [injected](KmsSimulator::inject): errors, broken connections, delays, wrong envelopes and keys,
//! replayed replies. A [`KeyPolicy`] can be asked without a simulator.
//!
//! AWS does not publish under which names KMS refuses a bad attestation document. The simulator says
//! `ValidationException` for one that it cannot use and `AccessDeniedException` for one that it does not believe.
//!
//! Keys live in memory and end with the simulator. It binds loopback only.

mod action;
mod admin;
mod authenticate;
mod builder;
mod fault;
mod http;
mod injection;
mod json;
mod key;
mod key_spec;
mod policy;
mod principal;
mod recipient;
mod reply;
mod server;
mod service;
mod slow_work;
mod vault;

pub use self::admin::{AdminClient, AliasDescription, KeyDescription};
pub use self::builder::{KmsSimulatorBuilder, StartError};
pub use self::injection::{Failure, Injection, InjectionError};
pub use self::key_spec::{KeySpec, KeyUsage};
pub use self::policy::{KeyPolicy, PolicyError, PolicyRequest, PolicyRequestError, PolicyVerdict};
pub use self::recipient::{UnusableRecipientKey, envelop};
pub use self::reply::ReplyReader;
pub use self::server::{KmsSimulator, MemoryTransport};

/// The name in the certificates of every simulated KMS.
///
/// A binary that can simulate KMS holds this text, and one that cannot does not: who builds images for release can look for
/// it.
pub const SIMULATION_MARKER: &str = "nitro-signer simulation: kms-enclave-client";
