//! Enclave images: one is accepted exactly if another reading, which looks at one section after the other as AWS's own
//! reader does, finds it right; it measures the same and is written as it was read. The input is tried as it is and with
//! the CRC that it should have, which a fuzzer would not find.
#![no_main]

use eif::EifImage;
use libfuzzer_sys::fuzz_target;
use sha2::{Digest, Sha384};

fuzz_target!(|data: &[u8]| {
    check(data);
    if data.len() >= HEADER_LEN {
        let mut repaired = data.to_vec();
        repaired[HEADER_LEN - 4..HEADER_LEN].copy_from_slice(&crc32(data).to_be_bytes());
        check(&repaired);
    }
});

fn check(bytes: &[u8]) {
    let reading = read(bytes);
    let image = match (EifImage::from_bytes(bytes), &reading) {
        (Ok(image), _) => image,
        // What is in these sections, this reading does not look at.
        (Err(_), Some(reading)) if reading.has_metadata || reading.has_signature => return,
        (Err(error), Some(_)) => panic!("refused, though nothing is wrong with it: {error}"),
        (Err(_), None) => return,
    };
    let reading = reading.expect("another reader finds it right");
    let registers = image.measure().image;
    assert_eq!(registers.image.as_bytes(), extended(&reading.image));
    assert_eq!(registers.kernel.as_bytes(), extended(&reading.boot));
    assert_eq!(registers.application.as_bytes(), extended(&reading.application));
    assert_eq!(image.measure().signer.is_some(), reading.has_signature);
    let written = image.to_bytes();
    if image.version() == 4 {
        assert_eq!(written, bytes, "it is written as it was read");
    }
    let again = EifImage::from_bytes(&written).expect("own output is read");
    assert_eq!(again.sections(), image.sections());
    assert_eq!(again.describe().measurements, image.describe().measurements);
}

/// What is measured, of an image that is right but for the content of its metadata and its signature.
#[derive(Default)]
struct Reading {
    image: Vec<u8>,
    boot: Vec<u8>,
    application: Vec<u8>,
    has_metadata: bool,
    has_signature: bool,
}

fn read(bytes: &[u8]) -> Option<Reading> {
    let (header, mut rest) = bytes.split_at_checked(HEADER_LEN)?;
    let number = |at: usize, len: usize| header[at..at + len].iter().fold(0_u64, |n, byte| n << 8 | u64::from(*byte));
    let (version, count) = (number(4, 2), usize::try_from(number(26, 2)).ok()?);
    let is_known = header.starts_with(b".eif") && matches!(version, 3 | 4) && number(6, 2) <= 1;
    if !is_known || number(24, 2) != 0 || number(540, 4) != 0 || number(544, 4) != u64::from(crc32(bytes)) {
        return None;
    }
    let (mut reading, mut kinds, mut table) = (Reading::default(), Vec::new(), Vec::new());
    while !rest.is_empty() {
        let offset = (bytes.len() - rest.len()) as u64;
        let (before, after) = rest.split_at_checked(12)?;
        let len = u64::from_be_bytes(before[4..].try_into().ok()?);
        let (content, after) = after.split_at_checked(usize::try_from(len).ok()?)?;
        if before[2..4] != [0, 0] {
            return None;
        }
        table.push((offset, len));
        let kind = u16::from_be_bytes([before[0], before[1]]);
        reading.take(kind, content, kinds.iter().filter(|kind| **kind == 3).count())?;
        kinds.push(kind);
        rest = after;
    }
    let listed: Vec<_> = (0..32).map(|index| (number(28 + 8 * index, 8), number(284 + 8 * index, 8))).collect();
    let is_listed =
        listed.get(..table.len()) == Some(&table) && listed[table.len()..].iter().all(|entry| *entry == (0, 0));
    (count == table.len() && is_listed && is_ordered(&kinds, version)).then_some(reading)
}

impl Reading {
    fn take(&mut self, kind: u16, content: &[u8], ramdisks: usize) -> Option<()> {
        let targets: &mut [&mut Vec<u8>] = match kind {
            1 => &mut [&mut self.image, &mut self.boot],
            2 if content.len() < 2048 && std::str::from_utf8(content).is_ok() && !content.contains(&0) => {
                &mut [&mut self.image, &mut self.boot]
            }
            3 if ramdisks == 0 => &mut [&mut self.image, &mut self.boot],
            3 => &mut [&mut self.image, &mut self.application],
            4 => {
                self.has_signature = true;
                &mut []
            }
            5 => {
                self.has_metadata = true;
                &mut []
            }
            _ => return None,
        };
        targets.iter_mut().for_each(|target| target.extend(content));
        Some(())
    }
}

/// Kernel, command line, metadata or not, ramdisks, signature or not.
fn is_ordered(kinds: &[u16], version: u64) -> bool {
    let Some(rest) = kinds.strip_prefix(&[1, 2]) else { return false };
    let rest = if version == 4 { rest.strip_prefix(&[5]).unwrap_or(rest) } else { rest };
    let rest = rest.strip_suffix(&[4]).unwrap_or(rest);
    !rest.is_empty() && rest.iter().all(|kind| *kind == 3)
}

fn extended(measured: &[u8]) -> Vec<u8> {
    Sha384::new().chain_update([0; 48]).chain_update(Sha384::digest(measured)).finalize().to_vec()
}

/// CRC-32 (IEEE), bit by bit, of all but its own place.
fn crc32(bytes: &[u8]) -> u32 {
    let covered = bytes[..HEADER_LEN - 4].iter().chain(&bytes[HEADER_LEN..]);
    !covered.fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

const HEADER_LEN: usize = 548;
