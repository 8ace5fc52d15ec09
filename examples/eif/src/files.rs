//! Files of this machine, bounded.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Reads a regular file of at most `max` bytes, whose length is looked at before memory is reserved.
pub(crate) fn read(path: &Path, max: u64) -> Result<Vec<u8>, FileError> {
    let (file, len) = open(path)?;
    let too_long = |actual| FileError::TooLong { path: path.to_owned(), actual, max };
    if len > max {
        return Err(too_long(len));
    }
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let room = usize::try_from(len).map_err(|error| unreadable(io::Error::other(error)))?;
    let mut bytes = Vec::with_capacity(room);
    // One byte more: a file that grows meanwhile is told from one that fits.
    file.take(max.saturating_add(1)).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > max { Err(too_long(bytes.len() as u64)) } else { Ok(bytes) }
}

/// Opens a regular file, and tells its length. Anything else might have no end.
pub(crate) fn open(path: &Path) -> Result<(File, u64), FileError> {
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    let not_regular = || FileError::NotRegular { path: path.to_owned() };
    // Before it is opened, too: opening a pipe waits for whoever writes to it.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(not_regular());
    }
    let file = File::open(path).map_err(unreadable)?;
    let metadata = file.metadata().map_err(unreadable)?;
    if metadata.is_file() { Ok((file, metadata.len())) } else { Err(not_regular()) }
}

/// Writes a file whole or not at all, in place of what is there.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    let mut partial = path.to_owned().into_os_string();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let written = File::create(&partial).and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    let result = written.and_then(|()| fs::rename(&partial, path));
    result.map_err(|source| {
        // It may not be there at all; the first error is the one to tell.
        drop(fs::remove_file(&partial));
        FileError::Unwritable { path: path.to_owned(), source }
    })
}

/// A file that cannot be used.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum FileError {
    /// A folder, a device or a pipe.
    #[error("{path:?} is no regular file")]
    NotRegular {
        /// Which file.
        path: PathBuf,
    },
    /// A file above its limit.
    #[error("{path:?} has {actual} bytes, more than {max}")]
    TooLong {
        /// Which file.
        path: PathBuf,
        /// Its length, or how much of it was read.
        actual: u64,
        /// Greatest length in bytes.
        max: u64,
    },
    /// A file that does not give its bytes.
    #[error("cannot read {path:?}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file that does not take bytes.
    #[error("cannot write {path:?}: {source}")]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}
