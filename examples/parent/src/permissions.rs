//! Who may read a file that holds a secret.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt as _;

/// The file's permission bits, if they let its group or others read, change or run it. The open file is asked and not
/// its path, so that what is examined is what will be read.
pub(crate) fn mode_open_to_others(file: &File) -> io::Result<Option<u32>> {
    let mode = file.metadata()?.mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}
