//! Whether a new key is what was asked for, without trusting the parent that says so.

use std::io::Read;
use std::path::Path;

use nsm_attest::{Clock, PcrIndex, PcrValue, Policy, TrustAnchor};
use signer_protocol::birth::{Asked, verify_birth};
use signer_protocol::client::KeyAnswer;

use crate::address;
use crate::failure::Failure;
use crate::files;

/// The root that attestation documents must have: AWS's, or that of a file.
pub(crate) fn trust_anchor(file: Option<&Path>, stdin: &mut dyn Read) -> Result<TrustAnchor, Failure> {
    let Some(path) = file else { return Ok(TrustAnchor::aws_nitro_g1()) };
    let bytes = files::read(path, stdin, MAX_CERTIFICATE_LEN)?;
    let anchor = TrustAnchor::from_pem(&bytes).or_else(|_| TrustAnchor::from_der(&bytes));
    anchor.map_err(|error| Failure::Malformed { path: path.to_owned(), detail: error.to_string() })
}

/// Refuses a key that no enclave of these images made as it was asked, or whose address is not the one said.
pub(crate) fn check(
    key: &KeyAnswer,
    asked: &Asked<'_>,
    anchor: &TrustAnchor,
    pcr0: Vec<PcrValue>,
) -> Result<(), Failure> {
    // What the parent withholds is as good as malformed.
    let (record, document) =
        (key.record.as_deref().unwrap_or_default(), key.birth_document.as_deref().unwrap_or_default());
    let pcrs = Policy::builder().pcr(PcrIndex::IMAGE, pcr0);
    let born = verify_birth(record, document, asked, anchor, pcrs, Clock::system().now())?;
    let said = |expected: String| Failure::Address { expected, actual: key.address.clone() };
    let address = address::of_key(asked.family, born.header.curve, &born.header.public_key).map_err(said)?;
    if address == key.address && born.header.key_id == key.id { Ok(()) } else { Err(said(address)) }
}

/// A certificate is a few KiB.
const MAX_CERTIFICATE_LEN: u64 = 64 * 1024;
