//! The client of KMS that the arguments describe.

use std::io;
use std::path::Path;
use std::sync::Arc;

use kms_enclave_client::{
    BoxFuture, ByteStream, Endpoint, InvalidEndpoint, KeyArn, KmsClient, RecipientPool, TlsRoots, Transport,
};
use vsock_rpc::{Addr, HostPort};

use super::Context;
use super::arguments::ConnectionArguments;
use super::credentials;
use super::failure::KmsFailure;
use super::nsm::Module;
use crate::failure::Failure;
use crate::service;

/// Makes the client for one call. `key` is the only one that it may use, or none for calls without.
pub(crate) fn client(
    arguments: &ConnectionArguments,
    key: Option<&KeyArn>,
    module: Module,
    context: &mut Context<'_>,
) -> Result<KmsClient, Failure> {
    let region = arguments.region.as_deref().or_else(|| key.map(KeyArn::region)).ok_or(KmsFailure::NoRegion)?;
    let (endpoint, address) = endpoint(arguments, region)?;
    let credentials = credentials::read(arguments.credentials.as_deref(), arguments.profile.as_deref(), context.stdin)?;
    let builder = KmsClient::builder()
        .region(region)
        .endpoint(endpoint)
        .transport(Arc::new(Via(arguments.via.clone().unwrap_or(address))))
        .tls_roots(roots(context.common.ca.as_deref())?)
        .recipient_pool(pool(&module))
        .clock(module.clock)
        .credentials(credentials)
        .deadline(context.common.timeout);
    let builder = match key {
        Some(key) => builder.permit_key(key.clone()),
        None => builder.permit_no_key(),
    };
    Ok(builder.build().map_err(KmsFailure::from)?)
}

/// The endpoint's name, and where it is unless something relays to it.
fn endpoint(arguments: &ConnectionArguments, region: &str) -> Result<(Endpoint, Addr), KmsFailure> {
    let (endpoint, host, port) = match &arguments.endpoint {
        Some(url) => (Endpoint::custom(&url.server_name, url.port)?, url.server_name.clone(), url.port),
        None => {
            let endpoint = if arguments.fips { Endpoint::fips(region)? } else { Endpoint::regional(region)? };
            let host = endpoint.authority().to_owned();
            (endpoint, host, HTTPS)
        }
    };
    let address = HostPort::new(&host, port).map_err(|_| InvalidEndpoint::BadHost)?;
    Ok((endpoint, Addr::Tcp(address)))
}

fn roots(ca: Option<&Path>) -> Result<TlsRoots, Failure> {
    let Some(path) = ca else { return Ok(TlsRoots::amazon()) };
    let roots = service::roots(path)?;
    TlsRoots::from_der(roots.iter().map(|root| root.as_ref()))
        .map_err(|error| Failure::Malformed { path: path.to_owned(), detail: error.to_string() })
}

/// One recipient is enough for one call.
fn pool(module: &Module) -> RecipientPool {
    let pool = RecipientPool::builder(Arc::clone(&module.nsm), module.clock.clone()).ready(0).build();
    pool.expect("a pool may keep none ready")
}

/// The way to KMS, or to what relays to it.
#[derive(Debug)]
struct Via(Addr);

impl Transport for Via {
    fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn ByteStream>>> {
        Box::pin(async move {
            let stream = self.0.connect().await?;
            Ok(Box::new(stream) as Box<dyn ByteStream>)
        })
    }
}

const HTTPS: u16 = 443;
