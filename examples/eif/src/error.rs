//! What is wrong with the bytes of an image.

use std::io;

use thiserror::Error;

use crate::section::SectionKind;

/// Bytes, or parts, that make no image. Offsets and lengths are in bytes; sections are counted from 0.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// The kernel would not read the command line as it is measured.
    #[error("the command line is not UTF-8 text without NUL")]
    CommandLineNotText,
    /// The checksum is not that of the bytes.
    #[error("the CRC-32 in the header is {expected:08x}, that of the bytes {actual:08x}")]
    CrcMismatch {
        /// What the header says.
        expected: u32,
        /// What the bytes give.
        actual: u32,
    },
    /// Bytes between two sections, which nothing would measure.
    #[error("section {index} begins at {actual}, after a gap: it should begin at {expected}")]
    Gap {
        /// Which section.
        index: usize,
        /// Where the one before it ends.
        expected: u64,
        /// What the header says.
        actual: u64,
    },
    /// The file begins with something else than `.eif`.
    #[error("the file begins with {actual:02x?}, not with .eif")]
    MagicMismatch {
        /// The first four bytes.
        actual: [u8; 4],
    },
    /// The metadata section is not the JSON that it should be.
    #[error("the metadata section: {detail}")]
    Metadata {
        /// What is wrong.
        detail: String,
    },
    /// A section begins before the one before it ends.
    #[error("section {index} begins at {actual}, before {expected}, the end of what comes before it")]
    Overlap {
        /// Which section.
        index: usize,
        /// Where the one before it ends.
        expected: u64,
        /// What the header says.
        actual: u64,
    },
    /// A field that has no meaning has a value.
    #[error("{field} is {actual}, not 0")]
    ReservedNotZero {
        /// Which field.
        field: &'static str,
        /// Its value.
        actual: u64,
    },
    /// Fewer sections than an image needs, or more than it can have.
    #[error("the header counts {actual} sections, outside {min}..={max}")]
    SectionCount {
        /// What the header says.
        actual: usize,
        /// Fewest: kernel, command line and one ramdisk.
        min: usize,
        /// Most.
        max: usize,
    },
    /// A section and the header do not say the same of its length.
    #[error("section {index} says that it has {actual} bytes, the header that it has {expected}")]
    SectionLength {
        /// Which section.
        index: usize,
        /// What the header says.
        expected: u64,
        /// What stands before the section.
        actual: u64,
    },
    /// A section that the format's version does not have.
    #[error("section {index} is {kind}, which version {version} does not have")]
    SectionNotInVersion {
        /// Which section.
        index: usize,
        /// What it holds.
        kind: SectionKind,
        /// The file's version.
        version: u16,
    },
    /// A section that cannot stand where it does, or is missing.
    #[error("section {index} is {actual}; the order is kernel, command line, [metadata], ramdisks, [signature]")]
    SectionOrder {
        /// Which section.
        index: usize,
        /// What it holds.
        actual: SectionKind,
    },
    /// A section above the limit for its kind.
    #[error("the {kind} has {actual} bytes, more than {max}")]
    SectionTooLong {
        /// What it holds.
        kind: SectionKind,
        /// Its length.
        actual: u64,
        /// Greatest length.
        max: u64,
    },
    /// The signature section is not what it should be.
    #[error("the signature section: {detail}")]
    Signature {
        /// What is wrong.
        detail: String,
    },
    /// A file longer than [`MAX_IMAGE_LEN`](crate::MAX_IMAGE_LEN).
    #[error("the image has {actual} bytes, more than {max}")]
    TooLong {
        /// Its length.
        actual: u64,
        /// Greatest length.
        max: u64,
    },
    /// Bytes after the last section.
    #[error("{count} bytes follow the last section")]
    TrailingBytes {
        /// How many.
        count: u64,
    },
    /// The file ends before what its header announces.
    #[error("the image has {actual} bytes; {expected} are needed")]
    Truncated {
        /// How many bytes what was read so far needs.
        expected: u64,
        /// The file's length.
        actual: u64,
    },
    /// Flags that are not known: bit 0 alone is, the architecture.
    #[error("the header's flags are {actual:#06x}; only bit 0 is known")]
    UnknownFlags {
        /// The flags.
        actual: u16,
    },
    /// A kind of section that is not known.
    #[error("section {index} is of the unknown kind {actual}")]
    UnknownSectionKind {
        /// Which section.
        index: usize,
        /// The kind.
        actual: u16,
    },
    /// A version other than 3 and 4.
    #[error("the format's version is {actual}; 3 and 4 are read")]
    UnsupportedVersion {
        /// The version.
        actual: u16,
    },
    /// The header describes a section beyond those that it counts.
    #[error("the header has an offset or a length for section {index}, but only {count} sections")]
    UnusedEntry {
        /// Which section.
        index: usize,
        /// How many there are.
        count: usize,
    },
}

/// Why an image could not be read from a file.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum ReadError {
    /// The bytes are no image.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// The bytes did not come.
    #[error("cannot read the image: {0}")]
    Io(#[from] io::Error),
}
