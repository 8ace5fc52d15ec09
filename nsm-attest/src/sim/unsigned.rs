//! Documents that nobody signed, as the NSM that QEMU emulates makes them (`hw/virtio/virtio-nsm.c`).

use std::ops::Deref;

use crate::cose;
use crate::danger::Relaxations;
use crate::document::{AttestationDocument, UnverifiedDocument};
use crate::error::{Error, Malformed, Misuse, Rejection};
use crate::policy::Policy;
use crate::time::UnixTime;

/// A document that nobody signed, and that says what was demanded. Its registers and the echoes in it are what QEMU's
/// module has; that it was QEMU's module which wrote them, nothing shows.
///
/// It is neither a [`VerifiedDocument`](crate::VerifiedDocument) nor a [`DangerDocument`](crate::danger::DangerDocument),
/// and nothing makes it one.
///
/// ```
/// use nsm_attest::sim::{Authority, SimulatedNsm, accept_unsigned, pcr0};
/// use nsm_attest::{AttestationRequest, Clock, Malformed, Nsm, PcrIndex, Policy, UnverifiedDocument};
///
/// let clock = Clock::system();
/// let nsm = SimulatedNsm::builder(Authority::generate(clock.now())?).measure(b"program", b"").unsigned().build()?;
/// let bytes = nsm.attest(&AttestationRequest::new())?;
/// assert_eq!(UnverifiedDocument::from_bytes(&bytes), Err(Malformed::Unsigned));
///
/// let policy = Policy::builder().pcr(PcrIndex::IMAGE, [pcr0(b"program", b"")]).build();
/// let document = accept_unsigned(&bytes, &policy, clock.now())?;
/// assert_eq!(document.pcrs.len(), 16);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsignedDocument {
    document: AttestationDocument,
}

impl Deref for UnsignedDocument {
    type Target = AttestationDocument;

    fn deref(&self) -> &AttestationDocument {
        &self.document
    }
}

/// Checks all that can be checked of a document that nobody signed: that it says so, its format, and `policy` as of `now`.
///
/// # Security
/// Anybody can write such a document. It is for systems that run in QEMU, with keys that are worth nothing.
///
/// # Errors
/// [`UnsignedRefusal::Signed`] for a document with a signature: verify that one.
pub fn accept_unsigned(bytes: &[u8], policy: &Policy, now: UnixTime) -> Result<UnsignedDocument, UnsignedRefusal> {
    accept_unsigned_with(bytes, policy, now, Relaxations::none())
}

/// As [`accept_unsigned`], but for `relaxations`: for a KMS, whose key policies say which registers they want.
///
/// # Errors
/// As [`accept_unsigned`].
pub fn accept_unsigned_with(
    bytes: &[u8],
    policy: &Policy,
    now: UnixTime,
    relaxations: Relaxations,
) -> Result<UnsignedDocument, UnsignedRefusal> {
    policy.check_use(relaxations.stance())?;
    let document = read(bytes)?;
    policy.appraise(&document, now, relaxations.stance())?;
    Ok(UnsignedDocument { document })
}

/// Why a document is not taken for one that nobody signed, or says something else than was demanded.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnsignedRefusal {
    /// The document is malformed, or the policy is not met or unusable.
    #[error(transparent)]
    Document(#[from] Error),
    /// Something stands where an emulated module writes 64 zeros.
    #[error("{part} is not 64 zeros: this is no document that says nobody signed it")]
    NotBlank {
        /// What: `certificate`, `cabundle` or `signature`.
        part: &'static str,
    },
    /// The document claims a signature.
    #[error("the document claims a signature: it must be verified")]
    Signed,
}

impl From<Malformed> for UnsignedRefusal {
    fn from(malformed: Malformed) -> Self {
        Self::Document(malformed.into())
    }
}

impl From<Misuse> for UnsignedRefusal {
    fn from(misuse: Misuse) -> Self {
        Self::Document(misuse.into())
    }
}

impl From<Rejection> for UnsignedRefusal {
    fn from(rejection: Rejection) -> Self {
        Self::Document(rejection.into())
    }
}

fn read(bytes: &[u8]) -> Result<AttestationDocument, UnsignedRefusal> {
    let max = UnverifiedDocument::MAX_LEN;
    if bytes.len() > max {
        return Err(Malformed::TooLong { actual: bytes.len(), max }.into());
    }
    let wrapper = cose::read(bytes)?;
    if wrapper.claims_signature() {
        return Err(UnsignedRefusal::Signed);
    }
    let document = AttestationDocument::decode(&bytes[wrapper.payload.clone()])?;
    let cabundle: Vec<&[u8]> = document.cabundle.iter().map(Vec::as_slice).collect();
    for (part, is_blank) in [
        ("signature", wrapper.last == BLANK),
        ("certificate", document.certificate == BLANK),
        ("cabundle", cabundle == [BLANK]),
    ] {
        if !is_blank {
            return Err(UnsignedRefusal::NotBlank { part });
        }
    }
    Ok(document)
}

/// The COSE_Sign1 that nobody signs.
pub(super) fn wrap(payload: &[u8]) -> Vec<u8> {
    let len = payload.len().to_be_bytes();
    // The shortest head of a byte string: real payloads need the second or the third.
    let head = match payload.len() {
        0..=0x17 => vec![0x40 | len[7]],
        0x18..=0xff => vec![0x58, len[7]],
        0x100..=0xffff => [&[0x59][..], &len[6..]].concat(),
        _ => [&[0x5b][..], &len].concat(),
    };
    [&[0x84, 0x43], cose::PROTECTED_UNSIGNED, &[0xa0], &head, payload, &[0x58, 64], BLANK].concat()
}

/// What stands where certificates and the signature would.
pub(super) const BLANK: &[u8] = &[0; 64];
