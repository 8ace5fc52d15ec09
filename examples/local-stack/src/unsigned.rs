//! Evidence that nobody signed, for emulated hardware: taken only by this program, and never without saying so.

use nsm_attest::sim::accept_unsigned;
use nsm_attest::{Clock, PolicyBuilder, Purpose, UserData};
use signer_protocol::birth::{Asked, BornKey, compare};
use signer_protocol::record::Record;
use signerctl::session::evidence_policy;
use vsock_rpc::session::{EvidenceError, ExpectedEvidence, VerifyEvidence};

/// Takes documents that nobody signed as evidence for a session, if they say all that signed ones would have to.
#[derive(Clone, Debug)]
pub(crate) struct UnsignedEvidence {
    pcrs: PolicyBuilder,
    clock: Clock,
}

impl UnsignedEvidence {
    /// Of an image that `pcrs` pins.
    pub(crate) fn new(pcrs: PolicyBuilder) -> Self {
        Self { pcrs, clock: Clock::system() }
    }
}

impl VerifyEvidence for UnsignedEvidence {
    fn verify(&self, evidence: &[u8], expected: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        accept_unsigned(evidence, &evidence_policy(self.pcrs.clone(), expected), self.clock.now())?;
        announce("a caller", Purpose::Session);
        Ok(())
    }
}

/// As `signer_protocol::birth::verify_birth`, but for the signature.
pub(crate) fn accept_birth(
    record: &[u8],
    birth_document: &[u8],
    asked: &Asked<'_>,
    pcrs: PolicyBuilder,
) -> anyhow::Result<BornKey> {
    let record = Record::from_bytes(record)?;
    let born = UserData { purpose: Purpose::Birth, digest: *record.digest().as_bytes() };
    accept_unsigned(birth_document, &pcrs.user_data(born).build(), Clock::system().now())?;
    announce("a client", Purpose::Birth);
    Ok(compare(&record, asked)?)
}

/// Says on standard error that `who` believed a document that nobody signed.
pub(crate) fn announce(who: &str, purpose: Purpose) {
    eprintln!("UNSIGNED evidence accepted: {who} believed a document for {purpose} that anybody could have written");
}
