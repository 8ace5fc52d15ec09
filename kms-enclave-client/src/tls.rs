//! TLS to KMS: which roots are believed, and by which clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use nsm_attest::Clock;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, RootCertStore};

/// The certification authorities under which KMS must prove its name.
///
/// ```
/// use kms_enclave_client::TlsRoots;
///
/// assert_eq!(TlsRoots::default().len(), 5);
/// ```
#[derive(Clone)]
pub struct TlsRoots {
    store: Arc<RootCertStore>,
}

impl TlsRoots {
    /// The five roots of Amazon Trust Services and no other: Amazon Root CA 1 to 4 and Starfield Services Root
    /// Certificate Authority - G2, taken from Mozilla's programme by `webpki-roots`.
    ///
    /// The hundred-odd other roots of that list have no business naming KMS, and the similarly named "Starfield Root
    /// Certificate Authority - G2" belongs to another company.
    #[must_use]
    pub fn amazon() -> Self {
        let is_amazon = |root: &&rustls::pki_types::TrustAnchor<'_>| {
            AMAZON_SUBJECTS.iter().any(|subject| root.subject.as_ref() == *subject)
        };
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().filter(is_amazon).cloned().collect();
        Self { store: Arc::new(RootCertStore { roots }) }
    }

    /// Other roots in place of Amazon's, as X.509 DER: the simulator's, or a test's.
    ///
    /// # Security
    /// Whoever holds a key under these roots is believed to be KMS. A production enclave has no reason to call this.
    ///
    /// # Errors
    /// [`InvalidRoot`] if there are none, or one is not a certificate.
    pub fn from_der<'a>(certificates: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, InvalidRoot> {
        let mut store = RootCertStore::empty();
        for certificate in certificates {
            store.add(CertificateDer::from(certificate)).map_err(|_| InvalidRoot)?;
        }
        if store.is_empty() { Err(InvalidRoot) } else { Ok(Self { store: Arc::new(store) }) }
    }

    /// How many roots there are.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "it never is: `from_der` refuses an empty set")]
    pub fn len(&self) -> usize {
        self.store.len()
    }
}

impl Default for TlsRoots {
    /// [`amazon`](Self::amazon).
    fn default() -> Self {
        Self::amazon()
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsRoots").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The bytes are not an X.509 certificate, or there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an X.509 certificate")]
pub struct InvalidRoot;

/// TLS 1.2 and 1.3 by aws-lc-rs, HTTP/1.1 only, validity judged by the enclave's own clock.
pub(crate) fn client_config(roots: &TlsRoots, clock: &Clock) -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_details(provider, Arc::new(EnclaveTime(clock.clone())))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(Arc::clone(&roots.store))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// rustls asks for the time through this; the parent's clock never has a say.
#[derive(Debug)]
pub(crate) struct EnclaveTime(pub(crate) Clock);

impl TimeProvider for EnclaveTime {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(self.0.now().as_millis())))
    }
}

/// The subjects of Amazon's roots, as the content of their DER `Name`.
const AMAZON_SUBJECTS: [&[u8]; 5] = [
    b"1\x0b0\t\x06\x03U\x04\x06\x13\x02US1\x0f0\r\x06\x03U\x04\n\x13\x06Amazon1\x190\x17\x06\x03U\x04\x03\x13\x10Amazon Root CA 1",
    b"1\x0b0\t\x06\x03U\x04\x06\x13\x02US1\x0f0\r\x06\x03U\x04\n\x13\x06Amazon1\x190\x17\x06\x03U\x04\x03\x13\x10Amazon Root CA 2",
    b"1\x0b0\t\x06\x03U\x04\x06\x13\x02US1\x0f0\r\x06\x03U\x04\n\x13\x06Amazon1\x190\x17\x06\x03U\x04\x03\x13\x10Amazon Root CA 3",
    b"1\x0b0\t\x06\x03U\x04\x06\x13\x02US1\x0f0\r\x06\x03U\x04\n\x13\x06Amazon1\x190\x17\x06\x03U\x04\x03\x13\x10Amazon Root CA 4",
    b"1\x0b0\t\x06\x03U\x04\x06\x13\x02US1\x100\x0e\x06\x03U\x04\x08\x13\x07Arizona1\x130\x11\x06\x03U\x04\x07\x13\nScottsdale1%0#\x06\x03U\x04\n\x13\x1cStarfield Technologies, Inc.1;09\x06\x03U\x04\x03\x132Starfield Services Root Certificate Authority - G2",
];

#[cfg(test)]
mod tests {
    use ::aws_lc_rs::digest;

    use super::*;

    /// SHA-256 of each root's SubjectPublicKeyInfo, as the Amazon Trust Services repository publishes them.
    const PUBLISHED: [&str; 5] = [
        "2b071c59a0a0ae76b0eadb2bad23bad4580b69c3601b630c2eaf0613afa83f92",
        "36abc32656acfc645c61b71613c4bf21c787f5cabbee48348d58597803d7abc9",
        "7f4296fc5b6a4e3b35d3c369623e364ab1af381d8fa7121533c9d6c633ea2461",
        "f7ecded5c66047d28ed6466b543c40e0743abe81d109254dcf845d4c2c7853c5",
        "fbe3018031f9586bcbf41727e417b7d1c45c2f47f93be372a17b96b50757d5a2",
    ];

    #[test]
    fn the_default_roots_are_amazons_five() {
        let mut found: Vec<String> = TlsRoots::default()
            .store
            .roots
            .iter()
            .map(|root| hex::encode(digest::digest(&digest::SHA256, &sequence(&root.subject_public_key_info))))
            .collect();
        found.sort();
        assert_eq!(found, PUBLISHED);
    }

    #[test]
    fn refuses_what_is_no_certificate() {
        assert_eq!(TlsRoots::from_der([]).map(drop), Err(InvalidRoot));
        assert_eq!(TlsRoots::from_der([&b"junk"[..]]).map(drop), Err(InvalidRoot));
    }

    /// webpki keeps the content of the SubjectPublicKeyInfo; the fingerprint is over the whole.
    fn sequence(content: &[u8]) -> Vec<u8> {
        let len = u16::try_from(content.len()).unwrap();
        let mut bytes = vec![0x30];
        match len.to_be_bytes() {
            [0, len] if len < 0x80 => bytes.push(len),
            [0, len] => bytes.extend([0x81, len]),
            [high, low] => bytes.extend([0x82, high, low]),
        }
        bytes.extend(content);
        bytes
    }
}
