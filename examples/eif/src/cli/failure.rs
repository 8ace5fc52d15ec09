//! Why a command failed, sorted by whose fault it is.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::error::{ImageError, ReadError};
use crate::file_list::FileListError;
use crate::files::FileError;
use crate::release::{BuildRecordError, ReleaseRefusal};
use crate::sign::SignError;
use crate::verify::Rejection;

/// Why a command failed.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum Failure {
    /// A build record that is none.
    #[error(transparent)]
    BuildRecord(#[from] BuildRecordError),
    /// A file that cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A file given with `--file`; the line is its number among them.
    #[error("--file arguments, each a line: {error}")]
    FileArguments {
        /// What is wrong.
        error: FileListError,
    },
    /// A file that is no image.
    #[error("{path:?}: {error}")]
    Image {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        error: ReadError,
    },
    /// A list that makes no ramdisk.
    #[error("{path:?}: {error}")]
    List {
        /// Which list.
        path: PathBuf,
        /// What is wrong.
        error: FileListError,
    },
    /// A list or a command line that is no text.
    #[error("{path:?} is not UTF-8 text")]
    NotText {
        /// Which file.
        path: PathBuf,
    },
    /// Standard output does not take the result.
    #[error("cannot write the result: {0}")]
    Output(io::Error),
    /// Parts that make no image.
    #[error(transparent)]
    Parts(ImageError),
    /// An image that is not the one expected.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// An image that is not fit for release.
    #[error(transparent)]
    Release(#[from] ReleaseRefusal),
    /// A key, or a certificate, that does not sign.
    #[error(transparent)]
    Sign(#[from] SignError),
}

impl Failure {
    /// The exit code: 1, 2 or 3, as the [module](super) says.
    #[must_use]
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Rejected(_) | Self::Release(_) => REFUSED,
            Self::BuildRecord(_) | Self::NotText { .. } | Self::Parts(_) | Self::Sign(_) => MALFORMED,
            Self::File(error) => file_exit_code(error),
            Self::FileArguments { error } | Self::List { error, .. } => match error {
                FileListError::File { error, .. } => file_exit_code(error),
                _ => MALFORMED,
            },
            Self::Image { error, .. } => match error {
                ReadError::Image(_) => MALFORMED,
                ReadError::Io(_) => UNREADABLE,
            },
            Self::Output(_) => UNREADABLE,
        }
    }

    /// The kind of failure in one word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match (self, self.exit_code()) {
            (Self::Rejected(_), _) => "rejected",
            (_, REFUSED) => "refused",
            (_, MALFORMED) => "malformed",
            _ => "unreadable",
        }
    }

    /// The name of the variant that says what is wrong.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match self {
            Self::BuildRecord(error) => Some(variant_name(error)),
            Self::Image { error: ReadError::Image(error), .. } | Self::Parts(error) => Some(variant_name(error)),
            Self::Rejected(error) => Some(variant_name(error)),
            Self::Release(error) => Some(variant_name(error)),
            Self::Sign(error) => Some(variant_name(error)),
            _ => None,
        }
    }
}

const fn file_exit_code(error: &FileError) -> u8 {
    match error {
        FileError::TooLong { .. } => MALFORMED,
        _ => UNREADABLE,
    }
}

/// What `Debug` writes before the fields.
fn variant_name(error: &impl fmt::Debug) -> String {
    format!("{error:?}").chars().take_while(|c| c.is_ascii_alphanumeric()).collect()
}

const REFUSED: u8 = 1;
const MALFORMED: u8 = 2;
pub(super) const UNREADABLE: u8 = 3;
pub(super) const USAGE: u8 = 64;
