//! Certificates (RFC 5280) whose every part can be wrong on purpose. What is wrong is signed all the same.

use nsm_attest::UnixTime;
use time::OffsetDateTime;

use super::der;
use super::key::{self, Key};

/// A certificate before it is signed.
#[derive(Clone)]
pub struct Template {
    /// 2 means v3; `None` leaves the field out, which means v1.
    pub version: Option<u8>,
    /// The algorithm named within what is signed, and the one named beside the signature.
    pub algorithms: [&'static str; 2],
    pub issuer: Vec<u8>,
    pub not_before: UnixTime,
    pub not_after: UnixTime,
    pub subject: Vec<u8>,
    pub spki: Vec<u8>,
    pub extensions: Vec<Extension>,
}

#[derive(Clone)]
pub struct Extension {
    pub oid: &'static str,
    pub critical: bool,
    pub value: Vec<u8>,
}

impl Template {
    pub fn sign(&self, issuer: &Key) -> Vec<u8> {
        let tbs = self.to_be_signed();
        let [_, algorithm] = self.algorithms;
        let signature = if algorithm == ECDSA_WITH_SHA256 { issuer.sign_sha256(&tbs) } else { issuer.sign(&tbs) };
        let signature = key::to_asn1(&signature);
        der::sequence(&[&tbs, &algorithm_identifier(algorithm), &der::bits(&signature)])
    }

    /// All that decides what a signer makes of this.
    pub fn to_be_issued(&self) -> Vec<u8> {
        let [_, algorithm] = self.algorithms;
        [algorithm.as_bytes(), &self.to_be_signed()].concat()
    }

    /// Replaces an extension's value.
    pub fn set_extension(&mut self, oid: &'static str, value: Vec<u8>) {
        let extension = self.extensions.iter_mut().find(|extension| extension.oid == oid).unwrap();
        extension.value = value;
    }

    pub fn set_critical(&mut self, oid: &str, critical: bool) {
        let extension = self.extensions.iter_mut().find(|extension| extension.oid == oid).unwrap();
        extension.critical = critical;
    }

    pub fn remove_extension(&mut self, oid: &str) {
        self.extensions.retain(|extension| extension.oid != oid);
    }

    fn to_be_signed(&self) -> Vec<u8> {
        let [algorithm, _] = self.algorithms;
        let version = self.version.map(|version| der::tlv(der::context(0), &der::tlv(der::INTEGER, &[version])));
        let extensions: Vec<u8> = self.extensions.iter().flat_map(Extension::encode).collect();
        let extensions = der::tlv(der::context(3), &der::tlv(der::SEQUENCE, &extensions));
        der::sequence(&[
            &version.unwrap_or_default(),
            &der::tlv(der::INTEGER, &[0x53, 0x49, 0x4d]),
            &algorithm_identifier(algorithm),
            &self.issuer,
            &der::sequence(&[&utc_time(self.not_before), &utc_time(self.not_after)]),
            &self.subject,
            &self.spki,
            if self.extensions.is_empty() { &[] } else { &extensions },
        ])
    }
}

impl Extension {
    pub fn critical(oid: &'static str, value: Vec<u8>) -> Self {
        Self { oid, critical: true, value }
    }

    fn encode(&self) -> Vec<u8> {
        let critical: &[u8] = if self.critical { &[der::BOOLEAN, 1, 0xff] } else { &[] };
        der::sequence(&[&der::oid(self.oid), critical, &der::tlv(der::OCTET_STRING, &self.value)])
    }
}

/// The value of basicConstraints.
pub fn basic_constraints(ca: bool, path_len: Option<u8>) -> Vec<u8> {
    let ca: &[u8] = if ca { &[der::BOOLEAN, 1, 0xff] } else { &[] };
    let path_len = path_len.map(|len| der::tlv(der::INTEGER, &[len])).unwrap_or_default();
    der::sequence(&[ca, &path_len])
}

/// The value of keyUsage, as the first byte of its bits: [`DIGITAL_SIGNATURE`] and the like.
pub fn key_usage(bits: u8) -> Vec<u8> {
    let unused = u8::try_from(bits.trailing_zeros()).unwrap();
    der::tlv(der::BIT_STRING, &[unused, bits])
}

/// A name like AWS's, but for the organisation, which says what this is.
pub fn name(common_name: &str) -> Vec<u8> {
    let part =
        |oid, tag, text: &str| der::tlv(der::SET, &der::sequence(&[&der::oid(oid), &der::tlv(tag, text.as_bytes())]));
    der::sequence(&[
        &part("2.5.4.6", der::PRINTABLE_STRING, "US"),
        &part("2.5.4.10", der::UTF8_STRING, "Simulation"),
        &part("2.5.4.11", der::UTF8_STRING, "AWS"),
        &part("2.5.4.3", der::UTF8_STRING, common_name),
    ])
}

fn algorithm_identifier(algorithm: &str) -> Vec<u8> {
    der::sequence(&[&der::oid(algorithm)])
}

/// UTCTime, which ends with 2049.
fn utc_time(time: UnixTime) -> Vec<u8> {
    let time = OffsetDateTime::from_unix_timestamp(i64::try_from(time.as_secs()).unwrap()).unwrap();
    assert!(time.year() < 2050);
    let (year, month, day) = (time.year() % 100, u8::from(time.month()), time.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let text = format!("{year:02}{month:02}{day:02}{hour:02}{minute:02}{second:02}Z");
    der::tlv(der::UTC_TIME, text.as_bytes())
}

pub const BASIC_CONSTRAINTS: &str = "2.5.29.19";
pub const KEY_USAGE: &str = "2.5.29.15";
pub const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
pub const NAME_CONSTRAINTS: &str = "2.5.29.30";
/// In the arc that RFC 5612 keeps for documentation.
pub const UNKNOWN_EXTENSION: &str = "1.3.6.1.4.1.32473.1";
pub const DIGITAL_SIGNATURE: u8 = 0x80;
pub const KEY_AGREEMENT: u8 = 0x08;
pub const KEY_CERT_SIGN: u8 = 0x04;
pub const ECDSA_WITH_SHA256: &str = "1.2.840.10045.4.3.2";
pub const ECDSA_WITH_SHA384: &str = "1.2.840.10045.4.3.3";
