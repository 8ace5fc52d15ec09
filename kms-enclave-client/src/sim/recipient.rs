//! The `Recipient` of a request: an attestation document to be believed, and a key to encrypt the answer to.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_lc_rs::digest;
use aws_lc_rs::rsa::PublicEncryptingKey;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nsm_attest::danger::{self, Relaxations};
use nsm_attest::sim::{UnsignedDocument, UnsignedRefusal, accept_unsigned_with};
use nsm_attest::{AttestationDocument, Error, Policy, TrustAnchor, UnixTime, UnverifiedDocument};
use serde::Deserialize;
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode as _;

use crate::cms::seal::seal;
use crate::recipient::key_identifier;
use crate::sim::fault::Fault;

/// The field as it arrives.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct RecipientField {
    attestation_document: String,
    key_encryption_algorithm: String,
}

/// A document that arrived, by its digest.
#[derive(Debug)]
pub(crate) struct PresentedDocument {
    bytes: Vec<u8>,
    digest: [u8; 32],
}

/// A recipient whose document was verified, or accepted without a signature.
#[derive(Debug)]
pub(crate) struct VerifiedRecipient {
    pub(crate) pcrs: BTreeMap<u8, Vec<u8>>,
    /// SHA-256 of the public key.
    pub(crate) identifier: [u8; 32],
    public_key: PublicEncryptingKey,
    public_der: Vec<u8>,
    issued_at: UnixTime,
    path_validity: RangeInclusive<UnixTime>,
}

impl RecipientField {
    pub(crate) fn document(&self) -> Result<PresentedDocument, Fault> {
        if self.key_encryption_algorithm != "RSAES_OAEP_SHA_256" {
            return Err(Fault::validation("Recipient.KeyEncryptionAlgorithm must be RSAES_OAEP_SHA_256"));
        }
        let bytes = STANDARD
            .decode(&self.attestation_document)
            .map_err(|_| Fault::new("SerializationException", "AttestationDocument is not base64"))?;
        if !(1..=MAX_DOCUMENT_LEN).contains(&bytes.len()) {
            return Err(Fault::validation(format!("AttestationDocument must have 1 to {MAX_DOCUMENT_LEN} bytes")));
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(digest::digest(&digest::SHA256, &bytes).as_ref());
        Ok(PresentedDocument { bytes, digest })
    }
}

impl VerifiedRecipient {
    /// Checks the document's path, signature and age. Which PCRs it must show is the key policy's business, and a
    /// document of a debug-mode enclave is legal: its PCRs are zeros, and a policy would have to name zeros.
    fn verify(document: &[u8], anchor: &TrustAnchor, now: UnixTime) -> Result<Self, Fault> {
        let document = UnverifiedDocument::from_bytes(document).map_err(|_| unusable())?;
        let policy = Policy::builder().max_age(MAX_AGE).clock_skew(CLOCK_SKEW).build();
        let relaxations = Relaxations::none().accept_debug_mode().accept_any_pcrs();
        let document = danger::verify(document, anchor, &policy, now, relaxations).map_err(|error| match error {
            Error::Malformed(_) => unusable(),
            _ => Fault::access_denied("the attestation document is not trusted or not fresh"),
        })?;
        let path_validity = document.path_validity();
        Self::of(&document, path_validity)
    }

    /// What a document says that was believed.
    fn of(document: &AttestationDocument, path_validity: RangeInclusive<UnixTime>) -> Result<Self, Fault> {
        let public_der = document.public_key.clone().ok_or_else(unusable)?;
        let public_key = rsa_public_key(&public_der).ok_or_else(unusable)?;
        let pcrs = document.pcrs.iter().map(|(index, value)| (u8::from(index), value.as_bytes().to_vec())).collect();
        let issued_at = document.timestamp;
        Ok(Self { pcrs, identifier: key_identifier(&public_der), public_key, public_der, issued_at, path_validity })
    }

    /// Whether verifying the same document at `now` would find what was found before.
    fn holds_at(&self, now: UnixTime) -> bool {
        let is_fresh = match now.duration_since(self.issued_at) {
            Some(age) => age <= MAX_AGE,
            None => self.issued_at <= now.saturating_add(CLOCK_SKEW),
        };
        is_fresh && self.path_validity.contains(&now)
    }

    /// `CiphertextForRecipient`.
    pub(crate) fn seal(&self, plaintext: &[u8]) -> Result<Vec<u8>, Fault> {
        seal(plaintext, &self.public_key, &self.public_der).map_err(|_| Fault::internal())
    }
}

/// Verifies documents, and remembers those it verified: a client presents the same one for minutes, and its five
/// signatures are most of what an answer costs.
///
/// An entry stands for one document, byte for byte, and is used only while that document is fresh and every certificate on
/// its path valid. What it must show is asked of a policy each time.
pub(crate) struct Recipients {
    anchor: TrustAnchor,
    unsigned: Option<UnsignedObserver>,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    by_digest: HashMap<[u8; 32], (Arc<VerifiedRecipient>, u64)>,
    /// Counts uses, to tell which entry was used last.
    uses: u64,
}

impl Recipients {
    pub(crate) fn new(anchor: TrustAnchor, unsigned: Option<UnsignedObserver>) -> Self {
        Self { anchor, unsigned, known: Mutex::default() }
    }

    /// What is known of a document, if it still holds.
    pub(crate) fn known(&self, document: &PresentedDocument, now: UnixTime) -> Option<Arc<VerifiedRecipient>> {
        let mut known = self.lock();
        known.uses += 1;
        let uses = known.uses;
        let (recipient, last_use) = known.by_digest.get_mut(&document.digest)?;
        if !recipient.holds_at(now) {
            return None;
        }
        *last_use = uses;
        Some(Arc::clone(recipient))
    }

    /// Verifies a document. It takes a millisecond or two of computing.
    pub(crate) fn verify(&self, document: &PresentedDocument, now: UnixTime) -> Result<Arc<VerifiedRecipient>, Fault> {
        if let Some(recipient) = self.accept_unsigned(&document.bytes, now)? {
            return Ok(recipient);
        }
        let recipient = Arc::new(VerifiedRecipient::verify(&document.bytes, &self.anchor, now)?);
        let mut known = self.lock();
        known.uses += 1;
        let uses = known.uses;
        if known.by_digest.len() >= MAX_KNOWN {
            known.make_room(now);
        }
        known.by_digest.insert(document.digest, (Arc::clone(&recipient), uses));
        Ok(recipient)
    }

    /// A document that says that nobody signed it, where the simulator was told to accept such. None is remembered, so that
    /// the observer hears of each request.
    fn accept_unsigned(&self, document: &[u8], now: UnixTime) -> Result<Option<Arc<VerifiedRecipient>>, Fault> {
        let Some(UnsignedObserver(observe)) = &self.unsigned else { return Ok(None) };
        let policy = Policy::builder().max_age(MAX_AGE).clock_skew(CLOCK_SKEW).build();
        let relaxations = Relaxations::none().accept_debug_mode().accept_any_pcrs();
        let document = match accept_unsigned_with(document, &policy, now, relaxations) {
            Ok(document) => document,
            Err(UnsignedRefusal::Signed) => return Ok(None),
            Err(UnsignedRefusal::Document(Error::Rejected(_))) => {
                return Err(Fault::access_denied("the attestation document is not trusted or not fresh"));
            }
            Err(_) => return Err(unusable()),
        };
        let forever = UnixTime::from_millis(0)..=UnixTime::from_millis(u64::MAX);
        let recipient = VerifiedRecipient::of(&document, forever)?;
        observe(&document);
        Ok(Some(Arc::new(recipient)))
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        // No code panics while it holds the lock half-way through a change.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who hears of each document that is accepted without a signature.
#[derive(Clone)]
pub(crate) struct UnsignedObserver(pub(crate) Arc<dyn Fn(&UnsignedDocument) + Send + Sync>);

impl fmt::Debug for UnsignedObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UnsignedObserver")
    }
}

impl Known {
    fn make_room(&mut self, now: UnixTime) {
        let before = self.by_digest.len();
        self.by_digest.retain(|_, (recipient, _)| recipient.holds_at(now));
        let oldest = self.by_digest.iter().min_by_key(|(_, (_, last_use))| *last_use).map(|(digest, _)| *digest);
        if let Some(oldest) = oldest.filter(|_| self.by_digest.len() == before) {
            self.by_digest.remove(&oldest);
        }
    }
}

impl fmt::Debug for Recipients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipients").field("known", &self.lock().by_digest.len()).finish_non_exhaustive()
    }
}

/// Envelopes `plaintext` (at most 4096 bytes) for an RSA `SubjectPublicKeyInfo`, byte-shaped like `CiphertextForRecipient`
/// of KMS: for whoever writes a KMS of their own, to see how a client takes it.
///
/// # Errors
/// [`UnusableRecipientKey`] if the key is not an RSA key of 2048 to 4096 bits, or the plaintext is too long.
pub fn envelop(plaintext: &[u8], public_key_der: &[u8]) -> Result<Vec<u8>, UnusableRecipientKey> {
    if plaintext.len() > MAX_PLAINTEXT_LEN {
        return Err(UnusableRecipientKey);
    }
    let public_key = rsa_public_key(public_key_der).ok_or(UnusableRecipientKey)?;
    seal(plaintext, &public_key, public_key_der).map_err(|_| UnusableRecipientKey)
}

/// The key is not an RSA public key of 2048 to 4096 bits, or the plaintext is longer than 4096 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RSA public key of 2048 to 4096 bits, or more than 4096 bytes of plaintext")]
pub struct UnusableRecipientKey;

/// An RSA key of 2048 to 4096 bits in a SubjectPublicKeyInfo with the algorithm rsaEncryption.
fn rsa_public_key(der: &[u8]) -> Option<PublicEncryptingKey> {
    let info = SubjectPublicKeyInfoRef::from_der(der).ok()?;
    if info.algorithm.oid != RSA_ENCRYPTION {
        return None;
    }
    let key = PublicEncryptingKey::from_der(der).ok()?;
    (2048..=4096).contains(&key.key_size_bits()).then_some(key)
}

fn unusable() -> Fault {
    Fault::validation("the attestation document cannot be used")
}

/// KMS takes documents younger than this.
const MAX_AGE: Duration = Duration::from_secs(5 * 60);
const CLOCK_SKEW: Duration = Policy::DEFAULT_CLOCK_SKEW;
/// The limit of the `AttestationDocument` field in KMS's API.
const MAX_DOCUMENT_LEN: usize = 262_144;
const MAX_KNOWN: usize = 256;
const MAX_PLAINTEXT_LEN: usize = 4096;
const RSA_ENCRYPTION: spki::ObjectIdentifier = spki::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

#[cfg(test)]
mod tests {
    use aws_lc_rs::encoding::AsDer as _;
    use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
    use nsm_attest::sim::{Authority, SimulatedNsm};
    use nsm_attest::{AttestationRequest, Clock, Nsm};

    use super::*;

    const NOW: UnixTime = UnixTime::from_secs(1_780_000_000);

    /// An enclave and its authority; documents over one key, each with another nonce.
    struct Enclave {
        authority: Authority,
        nsm: SimulatedNsm,
        key: Vec<u8>,
    }

    impl Enclave {
        fn new() -> Self {
            let authority = Authority::generate(NOW).unwrap();
            let builder = SimulatedNsm::builder(authority.clone()).measure(b"a", b"b").clock(Clock::settable(NOW));
            let nsm = builder.build().unwrap();
            let key = PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap().public_key();
            Self { authority, nsm, key: key.as_der().unwrap().as_ref().to_vec() }
        }

        fn document(&self, nonce: usize) -> PresentedDocument {
            let request = AttestationRequest::new().with_public_key(self.key.clone());
            presented(self.nsm.attest(&request.with_nonce(nonce.to_be_bytes())).unwrap())
        }

        fn recipients(&self) -> Recipients {
            Recipients::new(self.authority.trust_anchor(), None)
        }
    }

    fn presented(bytes: Vec<u8>) -> PresentedDocument {
        let field = RecipientField {
            attestation_document: STANDARD.encode(bytes),
            key_encryption_algorithm: "RSAES_OAEP_SHA_256".to_owned(),
        };
        field.document().unwrap()
    }

    #[test]
    fn a_document_is_remembered_exactly_as_long_as_it_would_be_verified() {
        let enclave = Enclave::new();
        let (document, recipients) = (enclave.document(0), enclave.recipients());
        assert!(recipients.known(&document, NOW).is_none());
        let verified = recipients.verify(&document, NOW).unwrap();
        let path = verified.path_validity.clone();
        let millis = Duration::from_millis;
        let edges = [NOW, NOW.saturating_add(MAX_AGE), NOW.saturating_sub(CLOCK_SKEW), *path.start(), *path.end()];
        for edge in edges {
            for now in [edge.saturating_sub(millis(1)), edge, edge.saturating_add(millis(1))] {
                let is_known = recipients.known(&document, now).is_some();
                assert_eq!(is_known, enclave.recipients().verify(&document, now).is_ok(), "{now}");
            }
        }
        assert!(recipients.known(&document, NOW).is_some(), "a clock that was off and is right again");
    }

    #[test]
    fn a_path_that_ends_before_the_document_s_age_does_is_not_remembered_beyond_its_end() {
        let enclave = Enclave::new();
        let (document, recipients) = (enclave.document(0), enclave.recipients());
        let anchor = enclave.authority.trust_anchor();
        let mut short = VerifiedRecipient::verify(&document.bytes, &anchor, NOW).unwrap();
        short.path_validity = NOW.saturating_sub(Duration::from_secs(1))..=NOW.saturating_add(Duration::from_secs(1));
        recipients.lock().by_digest.insert(document.digest, (Arc::new(short), 0));
        let known = |secs| recipients.known(&document, NOW.saturating_add(Duration::from_secs(secs))).is_some();
        assert_eq!([known(0), known(1), known(2)], [true, true, false]);
    }

    #[test]
    fn only_the_same_bytes_are_remembered_and_only_what_was_believed() {
        let enclave = Enclave::new();
        let (document, recipients) = (enclave.document(0), enclave.recipients());
        recipients.verify(&document, NOW).unwrap();
        let mut changed = document.bytes.clone();
        *changed.last_mut().unwrap() ^= 1;
        let changed = presented(changed);
        for _ in 0..2 {
            assert!(recipients.known(&changed, NOW).is_none());
            assert_eq!(recipients.verify(&changed, NOW).unwrap_err().exception, "AccessDeniedException");
        }
        assert!(recipients.known(&enclave.document(1), NOW).is_none());
        let stranger = Recipients::new(Authority::generate(NOW).unwrap().trust_anchor(), None);
        assert!(stranger.verify(&document, NOW).is_err() && stranger.known(&document, NOW).is_none());
    }

    #[test]
    fn as_many_documents_are_remembered_as_there_is_room_for() {
        let enclave = Enclave::new();
        let (first, second, recipients) = (enclave.document(0), enclave.document(1), enclave.recipients());
        recipients.verify(&first, NOW).unwrap();
        recipients.verify(&second, NOW).unwrap();
        for nonce in 2..=MAX_KNOWN {
            recipients.known(&first, NOW).unwrap();
            recipients.verify(&enclave.document(nonce), NOW).unwrap();
        }
        assert_eq!(recipients.lock().by_digest.len(), MAX_KNOWN);
        assert!(recipients.known(&first, NOW).is_some(), "used all the time");
        assert!(recipients.known(&second, NOW).is_none(), "unused for longest");
        // Whatever no longer holds makes room first.
        let later = NOW.saturating_add(MAX_AGE + Duration::from_secs(1));
        recipients.lock().make_room(later);
        assert_eq!(recipients.lock().by_digest.len(), 0);
    }

    #[test]
    fn an_unsigned_document_is_refused_unless_told_otherwise_and_then_told_of_each_time() {
        let enclave = Enclave::new();
        let module = SimulatedNsm::builder(enclave.authority.clone()).measure(b"a", b"b").clock(Clock::settable(NOW));
        let module = module.unsigned().build().unwrap();
        let unsigned = |key: &[u8]| presented(module.attest(&AttestationRequest::new().with_public_key(key)).unwrap());
        let document = unsigned(&enclave.key);
        assert_eq!(enclave.recipients().verify(&document, NOW).unwrap_err().exception, "ValidationException");

        let told = Arc::new(Mutex::new(Vec::new()));
        let observer = {
            let told = Arc::clone(&told);
            UnsignedObserver(Arc::new(move |document: &UnsignedDocument| {
                told.lock().unwrap().push(document.public_key.clone());
            }))
        };
        let recipients = Recipients::new(enclave.authority.trust_anchor(), Some(observer));
        for _ in 0..2 {
            let recipient = recipients.verify(&document, NOW).unwrap();
            assert_eq!((&recipient.public_der, recipient.pcrs.len()), (&enclave.key, 16));
            assert!(recipients.known(&document, NOW).is_none(), "none is remembered");
        }
        assert_eq!(*told.lock().unwrap(), vec![Some(enclave.key.clone()); 2]);

        let late = NOW.saturating_add(MAX_AGE + Duration::from_millis(1));
        assert_eq!(recipients.verify(&document, late).unwrap_err().exception, "AccessDeniedException");
        assert_eq!(recipients.verify(&unsigned(b"no key"), NOW).unwrap_err().exception, "ValidationException");
        recipients.verify(&enclave.document(0), NOW).expect("signed documents are verified as ever");
        let stranger = Recipients::new(Authority::generate(NOW).unwrap().trust_anchor(), recipients.unsigned.clone());
        assert_eq!(stranger.verify(&enclave.document(0), NOW).unwrap_err().exception, "AccessDeniedException");
        assert_eq!(told.lock().unwrap().len(), 2);
    }

    #[test]
    fn takes_rsa_keys_of_2048_to_4096_bits_only() {
        let der = |size| PrivateDecryptingKey::generate(size).unwrap().public_key().as_der().unwrap().as_ref().to_vec();
        let key = der(KeySize::Rsa2048);
        assert!(rsa_public_key(&key).is_some());
        assert!(rsa_public_key(&[key.as_slice(), &[0]].concat()).is_none(), "trailing byte");
        let elliptic = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let elliptic = elliptic.public_key().as_der().unwrap();
        assert!(rsa_public_key(elliptic.as_ref()).is_none());
        assert!(rsa_public_key(b"").is_none());
    }
}
