//! Other people's verifiers and decoders of attestation documents, behind one signature.
//!
//! All check the certificates' path, their validity and the document's signature; none of them compares registers,
//! nonce or age, as ours does in the same time. `qos_nsm` is left out: its licence is the AGPL.

/// A verifier from RustCrypto's parts.
mod plain_p384;

use std::error::Error;

use coset::{CborSerializable, CoseSign1};
use nitro_attest::UnparsedAttestationDoc;
use nsm_nitro_enclave_utils::api::Time;
use nsm_nitro_enclave_utils::api::nsm::AttestationDoc;
use nsm_nitro_enclave_utils::verify::AttestationDocVerifierExt;
use time::OffsetDateTime;

use crate::attested::{Attested, Failure};

/// Somebody's verifier.
#[derive(Clone, Copy, Debug)]
pub struct Verifier {
    /// The crate's name.
    pub name: &'static str,
    /// Decodes and verifies.
    pub verify: fn(&Attested) -> Result<(), Failure>,
    /// Why it cannot take any document at any time, if so.
    pub limitation: Option<Limitation>,
}

/// What a verifier has built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limitation {
    /// AWS's root.
    Root,
    /// AWS's root, and the system's clock: a stored document verifies only where that clock is set back.
    RootAndClock,
}

/// The name of the verifier that is written here.
pub const PLAIN_P384: &str = "p384 (plain verifier)";

/// All verifiers.
pub const VERIFIERS: [Verifier; 5] = [
    Verifier { name: PLAIN_P384, verify: plain_p384, limitation: None },
    Verifier { name: "nsm-nitro-enclave-utils", verify: nsm_nitro_enclave_utils, limitation: None },
    Verifier { name: "tee-attestation-verifier", verify: tee_attestation_verifier, limitation: None },
    Verifier { name: "nitro_attest", verify: nitro_attest, limitation: Some(Limitation::Root) },
    Verifier {
        name: "attestation-doc-validation",
        verify: attestation_doc_validation,
        limitation: Some(Limitation::RootAndClock),
    },
];

/// A decoder by its name.
pub type Decoder = (&'static str, fn(&Attested) -> Result<(), Failure>);

/// All decoders. `nitro_attest` and `nsm-nitro-enclave-utils` decode only while they verify, with what the third has.
pub const DECODERS: [Decoder; 4] = [
    ("ciborium (Value)", ciborium_value),
    ("attestation-doc-validation", attestation_doc_validation_decode),
    ("coset + nsm-api", coset_and_nsm_api),
    ("tee-attestation-verifier", tee_attestation_verifier_decode),
];

fn plain_p384(attested: &Attested) -> Result<(), Failure> {
    let payload = plain_p384::verify(&attested.bytes, &attested.root, attested.now.as_secs())?;
    attested.check(&payload.module_id)
}

fn nsm_nitro_enclave_utils(attested: &Attested) -> Result<(), Failure> {
    let now = attested.now.as_millis();
    let time = Time::new(Box::new(move || now));
    let document = AttestationDoc::from_cose(&attested.bytes, &attested.root, time)
        .map_err(|error| format!("{:?}", error.kind()))?;
    attested.check(&document.module_id)
}

fn tee_attestation_verifier(attested: &Attested) -> Result<(), Failure> {
    let document = tee_attestation_verifier::parse_document(&attested.bytes)?;
    let payload = tee_attestation_verifier::parse_payload(&document.payload)?;
    attested.check(&payload.module_id)?;
    // It reads every nonce as this one.
    let nonce = payload.nonce.clone();
    let root = Some(attested.root.clone());
    Ok(tee_attestation_verifier::verify(document, payload, nonce, root, attested.now.as_secs())?)
}

fn nitro_attest(attested: &Attested) -> Result<(), Failure> {
    let now = OffsetDateTime::from_unix_timestamp(i64::try_from(attested.now.as_secs())?)?;
    let document = UnparsedAttestationDoc::from(attested.bytes.as_slice()).parse_and_verify(now)?;
    attested.check(&document.module_id)
}

fn attestation_doc_validation(attested: &Attested) -> Result<(), Failure> {
    let document =
        attestation_doc_validation::validate_and_parse_attestation_doc(&attested.bytes).map_err(explained)?;
    attested.check(&document.module_id)
}

fn ciborium_value(attested: &Attested) -> Result<(), Failure> {
    let [_, payload, _] = plain_p384::parts(&attested.bytes)?;
    let payload: ciborium::Value = ciborium::from_reader(payload.as_slice())?;
    let fields = payload.as_map().ok_or("the payload is no map")?;
    let module_id = fields.iter().find(|(key, _)| key.as_text() == Some("module_id"));
    attested.check(module_id.and_then(|(_, value)| value.as_text()).ok_or("no module_id")?)
}

fn attestation_doc_validation_decode(attested: &Attested) -> Result<(), Failure> {
    let (_, document) =
        attestation_doc_validation::attestation_doc::decode_attestation_document(&attested.bytes).map_err(explained)?;
    attested.check(&document.module_id)
}

fn coset_and_nsm_api(attested: &Attested) -> Result<(), Failure> {
    let cose = CoseSign1::from_slice(&attested.bytes).map_err(explained)?;
    let payload = cose.payload.ok_or("no payload")?;
    let document = AttestationDoc::from_binary(&payload).map_err(|error| format!("{error:?}"))?;
    attested.check(&document.module_id)
}

fn tee_attestation_verifier_decode(attested: &Attested) -> Result<(), Failure> {
    let document = tee_attestation_verifier::parse_document(&attested.bytes)?;
    let payload = tee_attestation_verifier::parse_payload(&document.payload)?;
    attested.check(&payload.module_id)
}

/// For errors that are not `'static`, or not errors of the standard library's.
fn explained(error: impl Error) -> Failure {
    error.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plain_verifier_takes_the_document_and_no_other() {
        let attested = Attested::simulated().unwrap();
        plain_p384(&attested).unwrap();
        let now = attested.now.as_secs();
        for index in 0..attested.bytes.len() {
            // One in 13 of them, each part among them: a whole pass takes seconds.
            if index % 13 == 0 || index > attested.bytes.len() - 96 {
                let mut bytes = attested.bytes.clone();
                bytes[index] ^= 1;
                assert!(plain_p384::verify(&bytes, &attested.root, now).is_err(), "byte {index} changed");
            }
        }
        for (root, now) in [
            (Attested::simulated().unwrap().root, now),
            (attested.root.clone(), now + 4 * 60 * 60),
            (attested.root.clone(), now - 24 * 60 * 60),
        ] {
            assert!(plain_p384::verify(&attested.bytes, &root, now).is_err(), "at {now}");
        }
    }

    #[test]
    fn decoders_agree_on_whose_document_it_is() {
        let attested = Attested::simulated().unwrap();
        for (name, decode) in DECODERS {
            decode(&attested).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }

    #[test]
    fn verifiers_agree_on_a_document_under_any_root() {
        let attested = Attested::simulated().unwrap();
        for Verifier { name, verify, limitation } in VERIFIERS {
            assert_eq!(verify(&attested).is_ok(), limitation.is_none(), "{name}: {:?}", verify(&attested));
        }
    }
}
