//! The signatures of a path, by webpki.

use std::time::Duration;

use rustls_pki_types::CertificateDer;
use webpki::{EndEntityCert, KeyUsage as ExtendedUsage, VerifiedPath, anchor_from_trusted_cert};

use crate::document::AttestationDocument;
use crate::error::Rejection;
use crate::time::UnixTime;

/// Checks the signatures from the end entity up to `cabundle[trusted]`.
pub(super) fn check_signatures(document: &AttestationDocument, trusted: usize, now: UnixTime) -> Result<(), Rejection> {
    let (_, from_trusted) = document.cabundle.split_at_checked(trusted).ok_or(Rejection::PathInvalid)?;
    let (trusted, below) = from_trusted.split_first().ok_or(Rejection::PathInvalid)?;
    let trusted = CertificateDer::from(&trusted[..]);
    let anchors = [anchor_from_trusted_cert(&trusted).map_err(to_rejection)?];
    // webpki looks from the end entity upwards.
    let authorities: Vec<_> = below.iter().rev().map(|der| CertificateDer::from(&der[..])).collect();
    let certificate = CertificateDer::from(&document.certificate[..]);
    let end_entity = EndEntityCert::try_from(&certificate).map_err(to_rejection)?;
    let path = end_entity
        .verify_for_usage(
            &[webpki::aws_lc_rs::ECDSA_P384_SHA384],
            &anchors,
            &authorities,
            rustls_pki_types::UnixTime::since_unix_epoch(Duration::from_secs(now.as_secs())),
            // "If present", and none is present here.
            ExtendedUsage::client_auth(),
            None,
            None,
        )
        .map_err(to_rejection)?;
    if is_whole_bundle(&path, &authorities) { Ok(()) } else { Err(Rejection::PathInvalid) }
}

/// Every certificate presented is part of the path, in the order presented.
fn is_whole_bundle(path: &VerifiedPath<'_>, authorities: &[CertificateDer<'_>]) -> bool {
    path.intermediate_certificates().map(|authority| authority.der()).eq(authorities.iter().cloned())
}

fn to_rejection(error: webpki::Error) -> Rejection {
    match error {
        webpki::Error::InvalidSignatureForPublicKey => Rejection::CertificateSignatureInvalid,
        _ => Rejection::PathInvalid,
    }
}
