//! The certificates of a document, as it presents them.

use std::fmt::Write as _;

use nsm_attest::{AttestationDocument, ChainPosition, Fingerprint, UnixTime};
use serde::Serialize;
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::name::Name;

/// One certificate.
#[derive(Debug, Serialize)]
pub(crate) struct CertificateView {
    /// `cabundle[0]`, the root, to `certificate`.
    pub(crate) position: String,
    /// Fingerprint: SHA-256 of the DER.
    pub(crate) sha256: String,
    #[serde(flatten)]
    pub(crate) contents: Contents,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Contents {
    Readable(Readable),
    Unreadable { problem: String },
}

#[derive(Debug, Serialize)]
pub(crate) struct Readable {
    pub(crate) subject: String,
    pub(crate) issuer: String,
    /// Hexadecimal.
    pub(crate) serial: String,
    pub(crate) not_before: String,
    pub(crate) not_after: String,
    pub(crate) is_valid_now: bool,
    pub(crate) is_valid_at_timestamp: bool,
}

/// All certificates of `document`, the root first.
pub(crate) fn certificates(document: &AttestationDocument, now: UnixTime) -> Vec<CertificateView> {
    let authorities = document.cabundle.iter().enumerate().map(|(index, der)| (ChainPosition::Cabundle(index), der));
    authorities
        .chain([(ChainPosition::EndEntity, &document.certificate)])
        .map(|(position, der)| CertificateView {
            position: position.to_string(),
            sha256: Fingerprint::of(der).to_string(),
            contents: match Certificate::from_der(der) {
                Ok(certificate) => Contents::Readable(readable(&certificate, now, document.timestamp)),
                Err(error) => Contents::Unreadable { problem: format!("not a certificate: {error}") },
            },
        })
        .collect()
}

fn readable(certificate: &Certificate, now: UnixTime, timestamp: UnixTime) -> Readable {
    let tbs = certificate.tbs_certificate();
    let seconds = |time: x509_cert::time::Time| UnixTime::from_secs(time.to_unix_duration().as_secs());
    let (not_before, not_after) = (seconds(tbs.validity().not_before), seconds(tbs.validity().not_after));
    // Certificates count in seconds: the last one is valid to its end.
    let is_valid = |time: UnixTime| (not_before.as_secs()..=not_after.as_secs()).contains(&time.as_secs());
    Readable {
        subject: text(tbs.subject()),
        issuer: text(tbs.issuer()),
        serial: hex::encode(tbs.serial_number().as_bytes()),
        not_before: not_before.to_string(),
        not_after: not_after.to_string(),
        is_valid_now: is_valid(now),
        is_valid_at_timestamp: is_valid(timestamp),
    }
}

/// RFC 4514. Not `to_string`, which panics where displaying fails.
fn text(name: &Name) -> String {
    let mut text = String::new();
    match write!(text, "{name}") {
        Ok(()) => text,
        Err(_) => "(cannot be shown)".to_owned(),
    }
}
