//! What a document says, decoded, as one JSON object. Whether any of it is true is not decided here.

use nsm_attest::{AttestationDocument, Fingerprint, PcrIndex, TrustAnchor, UnixTime, UserData};
use serde::Serialize;

use super::certificate::{CertificateView, certificates};
use super::public_key::KeyInfo;

/// The fields of a document. `lib.rs` documents them.
#[derive(Debug, Serialize)]
pub(crate) struct DocumentView {
    pub(crate) module_id: String,
    pub(crate) instance_id: Option<String>,
    pub(crate) enclave_id: Option<String>,
    pub(crate) digest: &'static str,
    pub(crate) timestamp: String,
    pub(crate) timestamp_ms: u64,
    pub(crate) now: String,
    pub(crate) age_seconds: i64,
    pub(crate) debug_mode: Option<bool>,
    pub(crate) pcrs: Vec<PcrView>,
    pub(crate) is_root_aws_nitro_g1: bool,
    pub(crate) certificates: Vec<CertificateView>,
    pub(crate) public_key: Option<PublicKeyView>,
    pub(crate) user_data: Option<UserDataView>,
    pub(crate) nonce: Option<BytesView>,
}

#[derive(Debug, Serialize)]
pub(crate) struct PcrView {
    pub(crate) index: PcrIndex,
    pub(crate) meaning: Option<&'static str>,
    pub(crate) value: String,
    pub(crate) is_zero: bool,
}

#[derive(Debug, Serialize)]
pub(crate) struct BytesView {
    pub(crate) hex: String,
    pub(crate) len: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct PublicKeyView {
    #[serde(flatten)]
    pub(crate) bytes: BytesView,
    pub(crate) sha256: String,
    /// `None` if it is no SubjectPublicKeyInfo.
    pub(crate) spki: Option<KeyInfo>,
}

#[derive(Debug, Serialize)]
pub(crate) struct UserDataView {
    #[serde(flatten)]
    pub(crate) bytes: BytesView,
    pub(crate) purpose: Option<&'static str>,
    pub(crate) purpose_digest: Option<String>,
    pub(crate) text: Option<String>,
}

impl DocumentView {
    /// Decodes `document`; ages and validity are as of `now`.
    pub(crate) fn new(document: &AttestationDocument, now: UnixTime) -> Self {
        let (instance_id, enclave_id) = module_parts(&document.module_id).unzip();
        let root = document.cabundle.first().map(|root| Fingerprint::of(root));
        Self {
            module_id: document.module_id.clone(),
            instance_id,
            enclave_id,
            digest: match document.digest {
                nsm_attest::Digest::Sha384 => "SHA384",
                _ => "unknown",
            },
            timestamp: document.timestamp.to_string(),
            timestamp_ms: document.timestamp.as_millis(),
            now: now.to_string(),
            age_seconds: age_seconds(document.timestamp, now),
            debug_mode: document.pcrs.get(PcrIndex::IMAGE).map(nsm_attest::PcrValue::is_zero),
            pcrs: pcrs(document),
            is_root_aws_nitro_g1: root == Some(TrustAnchor::aws_nitro_g1().fingerprint()),
            certificates: certificates(document, now),
            public_key: document.public_key.as_deref().map(public_key),
            user_data: document.user_data.as_deref().map(user_data),
            nonce: document.nonce.as_deref().map(BytesView::new),
        }
    }
}

impl BytesView {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self { hex: hex::encode(bytes), len: bytes.len() }
    }
}

/// The instance's and the enclave's id in a module id such as `i-0123456789abcdef0-enc0123456789abcdef`.
fn module_parts(module_id: &str) -> Option<(String, String)> {
    let (instance, enclave) = module_id.split_once("-enc")?;
    let is_hex = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_instance = instance.strip_prefix("i-").is_some_and(is_hex);
    (is_instance && is_hex(enclave)).then(|| (instance.to_owned(), format!("enc{enclave}")))
}

/// Whole seconds; negative if the document comes from the future.
fn age_seconds(issued_at: UnixTime, now: UnixTime) -> i64 {
    let millis = |time: UnixTime| i128::from(time.as_millis());
    // A count of milliseconds fits 64 bits, so that its seconds fit 63.
    i64::try_from((millis(now) - millis(issued_at)) / 1000).unwrap_or(i64::MAX)
}

fn pcrs(document: &AttestationDocument) -> Vec<PcrView> {
    let view = |(index, value): (PcrIndex, &nsm_attest::PcrValue)| PcrView {
        index,
        meaning: meaning(index),
        value: value.to_string(),
        is_zero: value.is_zero(),
    };
    document.pcrs.iter().map(view).collect()
}

fn meaning(index: PcrIndex) -> Option<&'static str> {
    match index {
        PcrIndex::IMAGE => Some("image"),
        PcrIndex::KERNEL => Some("kernel and boot ramdisk"),
        PcrIndex::APPLICATION => Some("application"),
        PcrIndex::ROLE => Some("parent's IAM role"),
        PcrIndex::INSTANCE => Some("parent's instance"),
        PcrIndex::SIGNER => Some("signing certificate"),
        _ => None,
    }
}

fn public_key(bytes: &[u8]) -> PublicKeyView {
    let (spki, sha256) = (KeyInfo::from_spki(bytes), Fingerprint::of(bytes).to_string());
    PublicKeyView { bytes: BytesView::new(bytes), sha256, spki }
}

fn user_data(bytes: &[u8]) -> UserDataView {
    let ours = UserData::decode(bytes).ok();
    UserDataView {
        bytes: BytesView::new(bytes),
        purpose: ours.map(|ours| ours.purpose.as_str()),
        purpose_digest: ours.map(|ours| hex::encode(ours.digest)),
        text: printable(bytes).filter(|_| ours.is_none()),
    }
}

/// Text without control characters but line breaks and tabs. It may still deceive: it is escaped where it is shown.
fn printable(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok().filter(|text| !text.is_empty())?;
    let is_printable = |c: char| !c.is_control() || matches!(c, '\n' | '\r' | '\t');
    text.chars().all(is_printable).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn module_ids_are_taken_apart_only_if_they_have_the_form() {
        let parts = module_parts("i-026ae32a18c80f866-enc01780356441553dc");
        assert_eq!(parts, Some(("i-026ae32a18c80f866".to_owned(), "enc01780356441553dc".to_owned())));
        for other in ["", "i-0-enc", "i--enc0", "x-0-enc0", "i-0-enc0-enc1", "i-0-enc0\u{202e}", "i-\x1b-enc0", "i-0"] {
            assert_eq!(module_parts(other), None, "{other:?}");
        }
    }

    #[test]
    fn ages_are_negative_ahead_of_the_clock_and_never_overflow() {
        let (early, late) = (UnixTime::from_secs(1), UnixTime::from_millis(u64::MAX));
        assert_eq!(age_seconds(early, UnixTime::from_secs(61)), 60);
        assert_eq!(age_seconds(UnixTime::from_millis(999), UnixTime::from_millis(1_450)), 0);
        assert!(age_seconds(late, early) < 0 && age_seconds(early, late) > 0);
    }

    #[test]
    fn user_data_is_text_only_without_control_characters() {
        let text = |bytes: &[u8]| user_data(bytes).text;
        assert_eq!(text(b"two\nlines"), Some("two\nlines".to_owned()));
        for other in [&b""[..], b"\x1b[2J", b"\xff", b"a\0", "\u{9b}".as_bytes()] {
            assert_eq!(text(other), None, "{other:02x?}");
        }
    }
}
