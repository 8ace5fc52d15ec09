//! Genuine documents that are not what the verifier asked for.

use std::time::Duration;

use ciborium::Value;
use nsm_attest::Malformed::NitroTpm;
use nsm_attest::Rejection::{
    Expired, IssuedInFuture, NonceMismatch, PublicKeyMismatch, PublicKeyUnexpected, PurposeMismatch, UserDataMismatch,
};
use nsm_attest::{Error, Purpose, UnixTime, UserData};

use super::demands::{CLOCK_SKEW, Demands, MAX_AGE};
use super::kit::{Kit, NONCE, PUBLIC_KEY, registers};
use super::{Case, NOW};
use crate::support::{remove, set};

pub fn cases(kit: &Kit) -> Vec<Case> {
    let mut cases = echoes(kit);
    cases.extend(purposes(kit));
    cases.extend(ages(kit));
    cases.extend(kinds(kit));
    cases
}

fn echoes(kit: &Kit) -> Vec<Case> {
    let without = |field: &str| kit.altered(|fields| remove(fields, field));
    let session = UserData::over(Purpose::Session, PUBLIC_KEY).encode();
    let all = Demands {
        nonce: Some(NONCE.to_vec()),
        purpose: Some(Purpose::Session),
        user_data: Some(session.clone()),
        public_key: Some(PUBLIC_KEY.to_vec()),
        ..Demands::default()
    };
    let refused = |name: &str, document: Vec<u8>, error: nsm_attest::Rejection, demands: Demands| {
        Case::refused(name, document, error, ECHO).demanding(demands)
    };
    vec![
        Case::accepted("policy_all_met", kit.document(), ECHO).demanding(all),
        refused("policy_nonce_missing", without("nonce"), NonceMismatch, Demands::nonce(NONCE)),
        refused("policy_nonce_other", kit.with("nonce", bytes(b"stale")), NonceMismatch, Demands::nonce(NONCE)),
        refused("policy_nonce_prefix", kit.with("nonce", bytes(&NONCE[..8])), NonceMismatch, Demands::nonce(NONCE)),
        refused(
            "policy_user_data_null_for_empty",
            kit.with("user_data", Value::Null),
            UserDataMismatch,
            Demands::user_data(b""),
        ),
        refused("policy_user_data_missing", without("user_data"), UserDataMismatch, Demands::user_data(&session)),
        refused(
            "policy_user_data_other",
            kit.with("user_data", bytes(&UserData::over(Purpose::Session, b"another key").encode())),
            UserDataMismatch,
            Demands::user_data(&session),
        ),
        refused("policy_public_key_missing", without("public_key"), PublicKeyMismatch, Demands::public_key(PUBLIC_KEY)),
        refused(
            "policy_public_key_other",
            kit.with("public_key", bytes(b"another key")),
            PublicKeyMismatch,
            Demands::public_key(PUBLIC_KEY),
        ),
    ]
}

fn purposes(kit: &Kit) -> Vec<Case> {
    let why = "attestation_process.md 2.2.2: user_data binds a document to one purpose";
    let expected = Purpose::KmsRecipient;
    let demands = Demands::purpose(expected);
    let actual = Some(Purpose::Session);
    let opaque = kit.with("user_data", bytes(b"another protocol's"));
    let inspect = kit.with("user_data", bytes(&UserData::over(Purpose::Inspect, b"").encode()));
    let unexpected = PublicKeyUnexpected { purpose: Purpose::Inspect };
    vec![
        Case::refused("policy_purpose_other", kit.document(), PurposeMismatch { expected, actual }, why)
            .demanding(demands.clone()),
        Case::refused("policy_purpose_missing", opaque, PurposeMismatch { expected, actual: None }, why)
            .demanding(demands),
        Case::refused("policy_inspect_with_key", inspect, unexpected, why)
            .demanding(Demands::purpose(Purpose::Inspect)),
    ]
}

/// The document is issued at another time than it is verified, so that the certificates stay valid.
fn ages(kit: &Kit) -> Vec<Case> {
    let issued = |name: &str, issued_at: UnixTime, outcome: Result<(), Error>| {
        let why = "attestation_process.md 2.2.2: documents are not to be used again; within 5 minutes, 30 s of skew";
        Case::new(name, kit.with("timestamp", issued_at.as_millis()), outcome, why)
    };
    let millisecond = Duration::from_millis(1);
    let (oldest, newest) = (NOW.saturating_sub(MAX_AGE), NOW.saturating_add(CLOCK_SKEW));
    let (older, newer) = (oldest.saturating_sub(millisecond), newest.saturating_add(millisecond));
    let expired = Expired { issued_at: older, now: NOW, max_age: MAX_AGE };
    let in_future = IssuedInFuture { issued_at: newer, now: NOW, clock_skew: CLOCK_SKEW };
    vec![
        issued("policy_age_at_its_limit", oldest, Ok(())),
        issued("policy_age_over_its_limit", older, Err(expired.into())),
        issued("policy_skew_at_its_limit", newest, Ok(())),
        issued("policy_skew_over_its_limit", newer, Err(in_future.into())),
    ]
}

fn kinds(kit: &Kit) -> Vec<Case> {
    let why = "NitroTPM documents come from any EC2 instance under the same root, with contents of its choice";
    let instead = kit.altered(|fields| {
        let registers = registers(fields);
        remove(fields, "pcrs");
        set(fields, "nitrotpm_pcrs", Value::Map(registers));
    });
    let beside = kit.altered(|fields| {
        let registers = registers(fields);
        set(fields, "nitrotpm_pcrs", Value::Map(registers));
    });
    vec![
        Case::refused("policy_nitrotpm_pcrs_instead", instead, NitroTpm, why),
        Case::refused("policy_nitrotpm_pcrs_beside", beside, NitroTpm, why),
    ]
}

pub fn bytes(bytes: &[u8]) -> Value {
    Value::Bytes(bytes.to_vec())
}

const ECHO: &str = "attestation_process.md 2.2.2: nonce, user_data and public_key are those of the protocol";
