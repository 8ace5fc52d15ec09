//! RSA private keys in PEM, for `open-recipient`.

use std::io::Read;
use std::path::Path;

use kms_enclave_client::RecipientKeyPair;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;

/// Reads the one key in `path`: PKCS#8 (`PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
pub(crate) fn read(path: &Path, stdin: &mut dyn Read) -> Result<RecipientKeyPair, Failure> {
    let pem = files::read_secret(path, stdin, MAX_PEM_LEN)?;
    from_pem(&pem).map_err(|detail| Failure::Malformed { path: path.to_owned(), detail: detail.to_owned() })
}

fn from_pem(pem: &[u8]) -> Result<RecipientKeyPair, &'static str> {
    let mut keys = PrivateKeyDer::pem_slice_iter(pem).map(|key| key.map(Zeroizing::new));
    let key = match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => key,
        (Some(Ok(_)), Some(_)) => return Err("it holds more than one key"),
        _ => return Err("it holds no PEM of an unencrypted private key"),
    };
    match &*key {
        PrivateKeyDer::Pkcs1(key) => RecipientKeyPair::from_pkcs1_der(key.secret_pkcs1_der()).map_err(|_| NO_RSA),
        PrivateKeyDer::Pkcs8(key) => RecipientKeyPair::from_pkcs8_der(key.secret_pkcs8_der()).map_err(|_| NO_RSA),
        _ => Err(NO_RSA),
    }
}

const NO_RSA: &str = "its key is no RSA key of 2048 to 4096 bits";
/// A key of 4096 bits takes some 3 KiB.
const MAX_PEM_LEN: u32 = 64 * 1024;
