//! Images put together by hand, by the layout that the docs draw.
#![allow(dead_code, clippy::unwrap_used, reason = "no test uses everything; a panic is how a test fails")]

/// An image of these sections, each with the number of its kind.
pub(crate) fn assemble(version: u16, sections: &[(u16, &[u8])]) -> Vec<u8> {
    let mut header = b".eif".to_vec();
    header.extend(version.to_be_bytes());
    header.extend([0; 2]);
    header.extend((1_u64 << 30).to_be_bytes());
    header.extend(2_u64.to_be_bytes());
    header.extend([0; 2]);
    header.extend(u16::try_from(sections.len()).unwrap().to_be_bytes());
    let (mut offsets, mut lengths, mut body) = (Vec::new(), Vec::new(), Vec::new());
    for (kind, content) in sections {
        offsets.extend((548 + body.len() as u64).to_be_bytes());
        lengths.extend((content.len() as u64).to_be_bytes());
        body.extend(kind.to_be_bytes());
        body.extend([0; 2]);
        body.extend((content.len() as u64).to_be_bytes());
        body.extend(*content);
    }
    for mut table in [offsets, lengths] {
        table.resize(256, 0);
        header.extend(table);
    }
    header.extend([0; 8]);
    with_crc([header, body].concat())
}

/// With bytes replaced, and the CRC that then is right.
pub(crate) fn patched(mut bytes: Vec<u8>, at: usize, value: &[u8]) -> Vec<u8> {
    bytes[at..at + value.len()].copy_from_slice(value);
    with_crc(bytes)
}

/// With the CRC that is right.
pub(crate) fn with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32(bytes[..544].iter().chain(&bytes[548..]));
    bytes[544..548].copy_from_slice(&crc.to_be_bytes());
    bytes
}

/// A number as tables have it.
pub(crate) fn put(value: u64) -> [u8; 8] {
    value.to_be_bytes()
}

/// CRC-32 (IEEE), bit by bit.
fn crc32<'a>(bytes: impl Iterator<Item = &'a u8>) -> u32 {
    !bytes.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
