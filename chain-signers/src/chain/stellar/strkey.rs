//! Accounts as text: base32 of a version, the bytes, and a checksum (SEP-23).

/// `G…`.
pub(super) fn account(key: &[u8]) -> String {
    encode(ACCOUNT, key)
}

/// `M…`.
pub(super) fn multiplexed(key: &[u8; 32], id: u64) -> String {
    encode(MULTIPLEXED, &[&key[..], &id.to_be_bytes()].concat())
}

fn encode(version: u8, payload: &[u8]) -> String {
    let mut bytes = [&[version], payload].concat();
    bytes.extend(crc16(&bytes).to_le_bytes());
    base32(&bytes)
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ (u16::from(*byte) << 8),
            |crc, _| {
                if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
            },
        )
    })
}

/// RFC 4648, without padding.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    for chunk in bytes.chunks(5) {
        let mut group = [0; 8];
        group[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(group);
        text.extend((0..(chunk.len() * 8).div_ceil(5)).map(|at| {
            let [.., low] = (bits >> (35 - 5 * at)).to_be_bytes();
            char::from(ALPHABET[usize::from(low & 0x1f)])
        }));
    }
    text
}

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Versions, which decide the first letter.
const ACCOUNT: u8 = 6 << 3;
const MULTIPLEXED: u8 = 12 << 3;
