//! What ties evidence to one session: a nonce that both ends compute and neither can choose.

use aws_lc_rs::digest::{Context, SHA256};
use rustls::{ConnectionCommon, SideData};
use zeroize::Zeroizing;

use super::SessionError;

/// The nonce of evidence for this session: SHA-256 of [`DOMAIN`], the client's nonce, and 32 bytes exported from the
/// TLS connection (RFC 8446 §7.5) with [`EXPORTER_LABEL`] and the client's nonce as context.
///
/// The exported bytes follow from the handshake up to the server's Finished: both key shares, both randoms, the
/// server's public key and its signature. Two connections with one nonce in common are two connections of the same two
/// ends.
pub(super) fn nonce_of<S: SideData>(
    connection: &ConnectionCommon<S>,
    client_nonce: &[u8; 32],
) -> Result<[u8; 32], SessionError> {
    let exported = Zeroizing::new([0; 32]);
    let exported = connection.export_keying_material(exported, EXPORTER_LABEL, Some(client_nonce));
    exported.map(|exported| bind(client_nonce, &exported)).map_err(SessionError::from)
}

fn bind(client_nonce: &[u8; 32], exported: &[u8; 32]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    for part in [DOMAIN, client_nonce, exported] {
        context.update(part);
    }
    let mut nonce = [0; 32];
    nonce.copy_from_slice(context.finish().as_ref());
    nonce
}

/// RFC 5705 §4 leaves labels that begin so to private use.
const EXPORTER_LABEL: &[u8] = b"EXPERIMENTAL vsock-rpc/1 session";
const DOMAIN: &[u8] = b"vsock-rpc/1 session evidence nonce\0";

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with Python's hashlib.
    #[test]
    fn the_digest_is_over_domain_nonce_and_exported_bytes() {
        let expected = [
            0xdd, 0x52, 0xc4, 0x4a, 0xa2, 0x76, 0xac, 0xa5, 0x25, 0xaa, 0x4d, 0xb9, 0xcd, 0x9e, 0x44, 0x87, 0xcb, 0x7f,
            0x39, 0x12, 0xa1, 0x94, 0xda, 0x8d, 0x5f, 0xcb, 0xd6, 0xd7, 0x90, 0x3b, 0x33, 0x1e,
        ];
        assert_eq!(bind(&[0x11; 32], &[0x22; 32]), expected);
    }
}
