//! A caller's key in a file.

use std::path::Path;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use vsock_rpc::session::ClientKey;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;

/// Reads a key that only its owner can read.
pub(crate) fn read(path: &Path) -> Result<ClientKey, Failure> {
    let bytes = files::read_private(path, &mut std::io::empty(), MAX_LEN)?;
    from_bytes(&bytes).map_err(|detail| Failure::Malformed { path: path.to_owned(), detail })
}

/// Writes a new file.
pub(crate) fn write(path: &Path, key: &ClientKey) -> Result<(), Failure> {
    let der = key.to_pkcs8().map_err(|error| Failure::Key { detail: error.to_string() })?;
    files::write_new(path, to_pem(&der).as_bytes())
}

fn from_bytes(bytes: &[u8]) -> Result<ClientKey, String> {
    if !bytes.trim_ascii_start().starts_with(b"-----BEGIN") {
        return ClientKey::from_pkcs8(bytes).map_err(|error| error.to_string());
    }
    let mut keys = PrivatePkcs8KeyDer::pem_slice_iter(bytes);
    match (keys.next(), keys.next()) {
        (Some(Ok(der)), None) => {
            let der = Zeroizing::new(der.secret_pkcs8_der().to_vec());
            ClientKey::from_pkcs8(&der).map_err(|error| error.to_string())
        }
        (Some(Ok(_)), Some(_)) => Err("it holds more than one key".to_owned()),
        _ => Err("it holds no PEM of an unencrypted private key in PKCS#8".to_owned()),
    }
}

/// RFC 7468, in lines of 64 characters. Neither string grows, so that neither leaves a copy of itself behind.
fn to_pem(der: &[u8]) -> Zeroizing<String> {
    let mut base64 = Zeroizing::new(String::with_capacity(der.len().div_ceil(3) * 4));
    BASE64_STANDARD.encode_string(der, &mut base64);
    let mut pem = Zeroizing::new(String::with_capacity(base64.len() + base64.len() / 64 + 1 + BEGIN.len() + END.len()));
    pem.push_str(BEGIN);
    for line in base64.as_bytes().chunks(64) {
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str(END);
    pem
}

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----\n";
const END: &str = "-----END PRIVATE KEY-----\n";

/// A key of either kind takes some 250 bytes.
const MAX_LEN: u32 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written_and_in_der() {
        for key in [ClientKey::generate_p256().unwrap(), ClientKey::generate_ed25519().unwrap()] {
            let der = key.to_pkcs8().unwrap();
            let pem = to_pem(&der);
            for bytes in [&der[..], pem.as_bytes()] {
                assert_eq!(from_bytes(bytes).unwrap().identity(), key.identity());
            }
            assert_eq!(pem.capacity(), to_pem(&der).capacity());
            let twice = [pem.as_bytes(), pem.as_bytes()].concat();
            assert_eq!(from_bytes(&twice).map(drop), Err("it holds more than one key".to_owned()));
        }
        for none in [&b""[..], b"-----BEGIN PRIVATE KEY-----\n", b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n"] {
            assert!(from_bytes(none).is_err());
        }
    }
}
