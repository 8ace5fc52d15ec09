//! The connection to a parent, and its health.

use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use signer_protocol::client::ParentClient;

use crate::arguments::ParentArguments;
use crate::failure::Failure;
use crate::files;
use crate::output::Output;
use crate::terminal::escaped;

/// A client of the parent that the arguments name.
pub(crate) fn client(arguments: &ParentArguments) -> Result<ParentClient, Failure> {
    let url = arguments.url.as_ref().ok_or(Failure::NoUrl)?;
    let mut builder = ParentClient::builder(&url.address, &url.server_name).deadline(arguments.timeout);
    if let Some(path) = &arguments.ca {
        builder = builder.roots(roots(path)?);
    }
    Ok(builder.build()?)
}

/// `health`
pub(crate) async fn health(parent: &ParentArguments, output: &mut Output<'_>) -> Result<(), Failure> {
    let health = client(parent)?.health().await?;
    output.result(&health, || {
        let (version, families) = (escaped(&health.enclave_version), escaped(&health.families.join(", ")));
        format!("ok: enclave {version} signs for {families}")
    })
}

/// The root certificates in a PEM file.
pub(crate) fn roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let malformed = |detail: String| Failure::Malformed { path: path.to_owned(), detail };
    let pem = files::read(path, &mut std::io::empty(), MAX_PEM_LEN)?;
    let roots: Vec<_> =
        CertificateDer::pem_slice_iter(&pem).collect::<Result<_, _>>().map_err(|error| malformed(error.to_string()))?;
    if roots.is_empty() { Err(malformed("it holds no certificate".to_owned())) } else { Ok(roots) }
}

/// Longest file of root certificates, in bytes.
const MAX_PEM_LEN: u64 = 1024 * 1024;
