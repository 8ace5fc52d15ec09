//! The way to KMS: connections, attempts, clock and credentials, against a KMS that answers as a script says.
//!
//! Time stands still in these tests and only moves when nothing else is left to do, so that waits are exact and cost
//! nothing.

#![allow(clippy::unwrap_used, reason = "a failed expectation is a failed test")]

#[path = "../support/hostile.rs"]
mod hostile;
#[path = "../support/mod.rs"]
mod support;

mod clock;
mod connections;
mod credentials;
mod endpoint;
mod retries;

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hostile::{Answer, Asked, Identity, ScriptedKms, ok};
use kms_enclave_client::{EncryptRequest, Error, KeyArn, KmsClient, KmsClientBuilder, ServiceErrorCode};
use nsm_attest::Clock;
use nsm_attest::sim::Authority;
use serde_json::json;
use support::*;

const NAME: &str = "kms.eu-west-1.amazonaws.com";
const REAL_KMS: Identity = Identity { name: NAME, years: (2020, 2100) };
const DEADLINE: Duration = Duration::from_secs(10);

fn key() -> KeyArn {
    "arn:aws:kms:eu-west-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab".parse().unwrap()
}

fn builder(kms: &Arc<ScriptedKms>, clock: &Clock) -> KmsClientBuilder {
    let authority = Authority::generate(clock.now()).unwrap();
    KmsClient::builder()
        .region(REGION)
        .permit_key(key())
        .nsm(nsm(&authority, clock, b"signer"))
        .clock(clock.clone())
        .transport(kms.clone())
        .tls_roots(kms.roots.clone())
        .deadline(DEADLINE)
}

/// A client with default options and credentials, whose clock stands at the start of time.
fn client(kms: &Arc<ScriptedKms>) -> KmsClient {
    builder(kms, &Clock::settable(start_of_time())).credentials(enclave_credentials()).build().unwrap()
}

/// One call: the only action without a recipient key, which would take its time.
async fn call(client: &KmsClient) -> Result<(), Error> {
    client.encrypt(EncryptRequest::new(key(), b"secret plaintext")).await.map(drop)
}

/// The answer that lets a call succeed.
fn success(asked: &Asked) -> Answer {
    ok(&json!({ "KeyId": asked.key_id(), "CiphertextBlob": STANDARD.encode(b"blob") }))
}

/// The exception that a call ended with.
fn code(result: Result<(), Error>) -> ServiceErrorCode {
    match result {
        Err(Error::Service(error)) => error.code().clone(),
        other => panic!("{other:?}"),
    }
}
