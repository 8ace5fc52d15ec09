//! The header of an image: 548 bytes, then each section behind 12 bytes of its own. Numbers are big-endian.
//!
//! ```text
//!   0  2e 65 69 66   ".eif"
//!   4  u16           version: 3 or 4
//!   6  u16           flags: bit 0 is set for aarch64
//!   8  u64           memory by default, bytes
//!  16  u64           CPUs by default
//!  24  u16           reserved, 0
//!  26  u16           how many sections: 3 to 32
//!  28  32 × u64      where each section's own header begins
//! 284  32 × u64      each section's length without that header
//! 540  u32           unused, 0
//! 544  u32           CRC-32 (IEEE) of all other bytes of the file
//!
//!      u16           what the section holds
//!      u16           flags, 0
//!      u64           its length
//! ```

use std::ops::RangeInclusive;

use crate::error::ImageError;
use crate::planted;
use crate::section::{MAX_IMAGE_LEN, SectionKind};

/// The processors that an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// Graviton.
    Aarch64,
    /// Intel and AMD.
    X86_64,
}

/// A header whose offsets and lengths fit together and fit the file.
#[derive(Debug)]
pub(crate) struct Header {
    pub(crate) version: u16,
    pub(crate) architecture: Architecture,
    pub(crate) default_memory: u64,
    pub(crate) default_cpus: u64,
    /// Lengths of the sections.
    pub(crate) lengths: Vec<u64>,
    pub(crate) crc: u32,
}

impl Header {
    /// Reads the header of a file of `len` bytes, of which nothing else was looked at.
    pub(crate) fn from_bytes(bytes: &[u8; HEADER_LEN], len: u64) -> Result<Self, ImageError> {
        let actual = array(bytes, 0);
        if actual != MAGIC {
            return Err(ImageError::MagicMismatch { actual });
        }
        let version = u16_at(bytes, 4);
        if !VERSIONS.contains(&version) {
            return Err(ImageError::UnsupportedVersion { actual: version });
        }
        let architecture = match u16_at(bytes, 6) {
            0 => Architecture::X86_64,
            ARM64 => Architecture::Aarch64,
            actual => return Err(ImageError::UnknownFlags { actual }),
        };
        require_zero("the header's reserved field", u16_at(bytes, 24).into())?;
        require_zero("the header's unused field", u32_at(bytes, 540).into())?;
        Ok(Self {
            version,
            architecture,
            default_memory: u64_at(bytes, 8),
            default_cpus: u64_at(bytes, 16),
            lengths: lengths(bytes, len)?,
            crc: u32_at(bytes, CRC_AT),
        })
    }

    /// The bytes, version 4; the lengths are those of at most [`MAX_SECTIONS`] sections.
    pub(crate) fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        let mut put = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        let flags = match self.architecture {
            Architecture::X86_64 => 0,
            Architecture::Aarch64 => ARM64,
        };
        put(0, &MAGIC);
        put(4, &WRITTEN_VERSION.to_be_bytes());
        put(6, &flags.to_be_bytes());
        put(8, &self.default_memory.to_be_bytes());
        put(16, &self.default_cpus.to_be_bytes());
        let mut offset = HEADER_LEN as u64;
        let mut count: u16 = 0;
        for (index, length) in self.lengths.iter().take(MAX_SECTIONS).enumerate() {
            put(OFFSETS_AT + 8 * index, &offset.to_be_bytes());
            put(LENGTHS_AT + 8 * index, &length.to_be_bytes());
            offset += SECTION_HEADER_LEN as u64 + length;
            count += 1;
        }
        put(26, &count.to_be_bytes());
        put(CRC_AT, &self.crc.to_be_bytes());
        bytes
    }
}

/// Reads what stands before section `index`, whose length is `expected` by the header.
pub(crate) fn section_kind(
    bytes: &[u8; SECTION_HEADER_LEN],
    index: usize,
    expected: u64,
) -> Result<SectionKind, ImageError> {
    let code = u16_at(bytes, 0);
    let kind = SectionKind::from_code(code).ok_or(ImageError::UnknownSectionKind { index, actual: code })?;
    require_zero("a section's flags", u16_at(bytes, 2).into())?;
    let actual = u64_at(bytes, 4);
    if actual != expected {
        return Err(ImageError::SectionLength { index, expected, actual });
    }
    kind.check_len(actual)?;
    Ok(kind)
}

pub(crate) fn section_header(kind: SectionKind, len: u64) -> [u8; SECTION_HEADER_LEN] {
    let mut bytes = [0; SECTION_HEADER_LEN];
    bytes[..2].copy_from_slice(&kind.code().to_be_bytes());
    bytes[4..].copy_from_slice(&len.to_be_bytes());
    bytes
}

pub(crate) fn check_count(actual: usize) -> Result<(), ImageError> {
    let (min, max) = (MIN_SECTIONS, MAX_SECTIONS);
    if (min..=max).contains(&actual) { Ok(()) } else { Err(ImageError::SectionCount { actual, min, max }) }
}

/// The length of a file must be that of a header and not above the limit.
pub(crate) fn check_file_len(actual: u64) -> Result<(), ImageError> {
    match actual {
        actual if actual < HEADER_LEN as u64 => Err(ImageError::Truncated { expected: HEADER_LEN as u64, actual }),
        actual if actual > MAX_IMAGE_LEN => Err(ImageError::TooLong { actual, max: MAX_IMAGE_LEN }),
        _ => Ok(()),
    }
}

/// The sections' lengths, if the sections lie one behind the other and fill the file. So there is one way to find them: by
/// the offsets, as some loaders do, or one after the other, as others do.
fn lengths(bytes: &[u8; HEADER_LEN], len: u64) -> Result<Vec<u64>, ImageError> {
    let count = usize::from(u16_at(bytes, 26));
    check_count(count)?;
    let mut lengths = Vec::with_capacity(count);
    let mut end = HEADER_LEN as u64;
    for index in 0..count {
        let (offset, length) = entry(bytes, index);
        if !planted::OFFSET_NOT_COMPARED && offset < end {
            return Err(ImageError::Overlap { index, expected: end, actual: offset });
        }
        if !planted::OFFSET_NOT_COMPARED && offset > end {
            return Err(ImageError::Gap { index, expected: end, actual: offset });
        }
        // Saturated, it is more than any file has.
        end = end.saturating_add(SECTION_HEADER_LEN as u64).saturating_add(length);
        if end > len {
            return Err(ImageError::Truncated { expected: end, actual: len });
        }
        lengths.push(length);
    }
    let is_used = |index: &usize| !planted::UNUSED_ENTRY && entry(bytes, *index) != (0, 0);
    match (count..MAX_SECTIONS).find(is_used) {
        Some(index) => Err(ImageError::UnusedEntry { index, count }),
        None if end < len => Err(ImageError::TrailingBytes { count: len - end }),
        None => Ok(lengths),
    }
}

fn entry(bytes: &[u8; HEADER_LEN], index: usize) -> (u64, u64) {
    (u64_at(bytes, OFFSETS_AT + 8 * index), u64_at(bytes, LENGTHS_AT + 8 * index))
}

fn require_zero(field: &'static str, actual: u64) -> Result<(), ImageError> {
    if actual == 0 { Ok(()) } else { Err(ImageError::ReservedNotZero { field, actual }) }
}

/// The array at a place that lies within `bytes`, as all constants here do.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes(array(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(array(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(array(bytes, at))
}

pub(crate) const HEADER_LEN: usize = 548;
pub(crate) const SECTION_HEADER_LEN: usize = 12;
/// Where the one field is that the CRC does not cover: the last of the header.
pub(crate) const CRC_AT: usize = 544;
/// The version that has metadata, and that is written.
pub(crate) const WRITTEN_VERSION: u16 = 4;
/// Most sections that the header has room for.
const MAX_SECTIONS: usize = 32;
/// Kernel, command line and a ramdisk.
const MIN_SECTIONS: usize = 3;
const MAGIC: [u8; 4] = *b".eif";
const VERSIONS: RangeInclusive<u16> = 3..=WRITTEN_VERSION;
const ARM64: u16 = 1;
const OFFSETS_AT: usize = 28;
const LENGTHS_AT: usize = 284;
