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
    let pkcs8 = match &*key {
        PrivateKeyDer::Pkcs8(key) => Zeroizing::new(key.secret_pkcs8_der().to_vec()),
        PrivateKeyDer::Pkcs1(key) => pkcs8(key.secret_pkcs1_der()).ok_or(NO_RSA)?,
        _ => return Err(NO_RSA),
    };
    RecipientKeyPair::from_pkcs8_der(&pkcs8).map_err(|_| NO_RSA)
}

/// `PrivateKeyInfo` (RFC 5208) around an `RSAPrivateKey` (RFC 8017). `None` for lengths that no RSA key of 2048 to 4096
/// bits has.
fn pkcs8(pkcs1: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let octets = header(OCTET_STRING, pkcs1.len())?;
    let content_len = VERSION_AND_ALGORITHM.len() + octets.len() + pkcs1.len();
    let sequence = header(SEQUENCE, content_len)?;
    let mut der = Zeroizing::new(Vec::with_capacity(sequence.len() + content_len));
    for part in [&sequence[..], VERSION_AND_ALGORITHM, &octets, pkcs1] {
        der.extend_from_slice(part);
    }
    Some(der)
}

/// DER's tag and length, for lengths that take two bytes.
fn header(tag: u8, len: usize) -> Option<[u8; 4]> {
    let len = u16::try_from(len).ok().filter(|len| *len > u16::from(u8::MAX))?;
    let [high, low] = len.to_be_bytes();
    Some([tag, 0x82, high, low])
}

const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
/// Version 0, rsaEncryption without parameters.
const VERSION_AND_ALGORITHM: &[u8] = b"\x02\x01\x00\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01\x05\x00";
const NO_RSA: &str = "its key is no RSA key of 2048 to 4096 bits";
/// A key of 4096 bits takes some 3 KiB.
const MAX_PEM_LEN: u32 = 64 * 1024;
