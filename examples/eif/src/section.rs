//! What a section of an image holds, and how long it may be.

use std::fmt;

use crate::error::ImageError;

/// What a section holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SectionKind {
    /// The kernel: a bzImage, or an Image on aarch64.
    Kernel,
    /// The kernel's command line, in UTF-8 without NUL.
    CommandLine,
    /// A ramdisk: a newc cpio archive, perhaps in gzip.
    Ramdisk,
    /// A certificate, and PCR0 signed with its key: CBOR.
    Signature,
    /// Who made the image, with what: JSON. No register measures it.
    Metadata,
}

impl SectionKind {
    /// Longest section of this kind, in bytes. Kernel and ramdisks are bounded by the image that they are in.
    #[must_use]
    pub const fn max_len(self) -> u64 {
        match self {
            Self::Kernel | Self::Ramdisk => MAX_IMAGE_LEN,
            Self::CommandLine => MAX_COMMAND_LINE_LEN,
            Self::Signature => MAX_SIGNATURE_LEN,
            Self::Metadata => MAX_METADATA_LEN,
        }
    }

    pub(crate) fn check_len(self, actual: u64) -> Result<(), ImageError> {
        let max = self.max_len();
        if actual > max { Err(ImageError::SectionTooLong { kind: self, actual, max }) } else { Ok(()) }
    }

    /// The number in the file.
    pub(crate) const fn code(self) -> u16 {
        match self {
            Self::Kernel => 1,
            Self::CommandLine => 2,
            Self::Ramdisk => 3,
            Self::Signature => 4,
            Self::Metadata => 5,
        }
    }

    pub(crate) fn from_code(code: u16) -> Option<Self> {
        [Self::Kernel, Self::CommandLine, Self::Ramdisk, Self::Signature, Self::Metadata]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

impl fmt::Display for SectionKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "kernel",
            Self::CommandLine => "command line",
            Self::Ramdisk => "ramdisk",
            Self::Signature => "signature",
            Self::Metadata => "metadata",
        })
    }
}

/// Longest image that is read or written: 1 GiB.
pub const MAX_IMAGE_LEN: u64 = 1 << 30;
/// Linux's COMMAND_LINE_SIZE on both architectures, less the NUL: the kernel would cut off the rest.
const MAX_COMMAND_LINE_LEN: u64 = 2047;
const MAX_METADATA_LEN: u64 = 1 << 20;
/// A certificate of some kilobytes as an array of numbers takes twice its length.
const MAX_SIGNATURE_LEN: u64 = 64 << 10;
