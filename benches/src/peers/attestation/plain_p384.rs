//! What somebody writes who knows the formats and takes the obvious crates: ciborium for CBOR, x509-cert for the
//! certificates, p384 for all five signatures.

use ciborium::Value;
use p384::ecdsa::signature::Verifier;
use p384::ecdsa::{DerSignature, Signature, VerifyingKey};
use serde::Deserialize;
use serde_bytes::ByteBuf;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use crate::attested::Failure;

/// The fields that verification needs.
#[derive(Debug, Deserialize)]
pub(super) struct Payload {
    pub(super) module_id: String,
    certificate: ByteBuf,
    cabundle: Vec<ByteBuf>,
}

/// The document's fields, if it is signed under `root` at `now` (seconds).
pub(super) fn verify(document: &[u8], root: &[u8], now: u64) -> Result<Payload, Failure> {
    let [protected, payload, signature] = parts(document)?;
    let fields: Payload = ciborium::from_reader(payload.as_slice())?;
    let key = verify_path(&fields, root, now)?;
    let sig_structure = ("Signature1", ByteBuf::from(protected), ByteBuf::new(), ByteBuf::from(payload));
    let mut signed = Vec::new();
    ciborium::into_writer(&sig_structure, &mut signed)?;
    key.verify(&signed, &Signature::from_slice(&signature)?)?;
    Ok(fields)
}

/// Protected header, payload and signature of the COSE_Sign1.
pub(super) fn parts(document: &[u8]) -> Result<[Vec<u8>; 3], Failure> {
    let cose: Value = ciborium::from_reader(document)?;
    let parts: Result<[Value; 4], _> = cose.into_array().map_err(|_| "not an array")?.try_into();
    match parts {
        Ok([Value::Bytes(protected), Value::Map(unprotected), Value::Bytes(payload), Value::Bytes(signature)])
            if protected == ES384 && unprotected.is_empty() =>
        {
            Ok([protected, payload, signature])
        }
        _ => Err("not a COSE_Sign1 with ES384".into()),
    }
}

/// The end entity's key.
fn verify_path(fields: &Payload, root: &[u8], now: u64) -> Result<VerifyingKey, Failure> {
    if fields.cabundle.first().is_none_or(|first| first.as_slice() != root) {
        return Err("another root".into());
    }
    let chain = fields.cabundle.iter().chain([&fields.certificate]);
    let chain: Vec<_> = chain.map(|der| Certificate::from_der(der)).collect::<Result<_, _>>()?;
    for certificate in &chain {
        let validity = certificate.tbs_certificate().validity();
        let seconds = |time: x509_cert::time::Time| time.to_unix_duration().as_secs();
        if now < seconds(validity.not_before) || now > seconds(validity.not_after) {
            return Err("not valid at this time".into());
        }
    }
    for pair in chain.windows(2) {
        let (issuer, subject) = (&pair[0], &pair[1]);
        if issuer.tbs_certificate().subject() != subject.tbs_certificate().issuer() {
            return Err("issued by somebody else".into());
        }
        let signature = DerSignature::from_bytes(subject.signature().raw_bytes())?;
        key_of(issuer)?.verify(&subject.tbs_certificate().to_der()?, &signature)?;
    }
    key_of(chain.last().ok_or("no certificate")?)
}

fn key_of(certificate: &Certificate) -> Result<VerifyingKey, Failure> {
    let key = certificate.tbs_certificate().subject_public_key_info();
    Ok(VerifyingKey::from_sec1_bytes(key.subject_public_key.raw_bytes())?)
}

/// `{1: -35}`, of which documents have no other.
const ES384: [u8; 4] = [0xa1, 0x01, 0x38, 0x22];
