//! What a caller wants to see of an enclave before it says anything to it.

use nsm_attest::{Clock, Policy, PolicyBuilder, Purpose, TrustAnchor, UnverifiedDocument, UserData};
use vsock_rpc::session::{EvidenceError, ExpectedEvidence, Freshness, VerifyEvidence};

/// Takes attestation documents of Nitro Enclaves as evidence: strictly verified, of an image that is trusted, made for a
/// session and for no other purpose, over the key that signs the handshake and, unless the caller asked for cached
/// evidence, over a nonce that belongs to this session alone.
#[derive(Clone, Debug)]
pub struct NitroEvidence {
    anchor: TrustAnchor,
    pcrs: PolicyBuilder,
    clock: Clock,
}

impl NitroEvidence {
    /// Evidence under `anchor` of an image that `pcrs` pins, as of this computer's clock. Whatever else `pcrs` demands is
    /// demanded, too; what a session demands is added.
    ///
    /// A policy that pins no image opens no session: each ends with
    /// [`Misuse::ImageNotPinned`](nsm_attest::Misuse::ImageNotPinned).
    #[must_use]
    pub fn new(anchor: TrustAnchor, pcrs: PolicyBuilder) -> Self {
        Self { anchor, pcrs, clock: Clock::system() }
    }

    /// Goes by another clock.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl VerifyEvidence for NitroEvidence {
    fn verify(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        let policy = evidence_policy(self.pcrs.clone(), expected);
        let document = UnverifiedDocument::from_bytes(evidence).map_err(nsm_attest::Error::from)?;
        document.verify(&self.anchor, &policy, self.clock.now())?;
        Ok(())
    }
}

/// `pcrs`, and all that evidence for a session must say: for verifiers of other kinds of document.
#[must_use]
pub fn evidence_policy(pcrs: PolicyBuilder, expected: &ExpectedEvidence<'_>) -> Policy {
    let policy = pcrs
        .user_data(UserData::over(Purpose::Session, expected.public_key()))
        .purpose(Purpose::Session)
        .public_key(expected.public_key());
    match expected.freshness() {
        Freshness::Nonce(nonce) => policy.nonce(nonce.as_slice()),
        Freshness::MaxAge(max_age) => policy.max_age(max_age),
    }
    .build()
}
