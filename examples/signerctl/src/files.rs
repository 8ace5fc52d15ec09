//! Input files, bounded.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::failure::Failure;

/// Reads a whole file of at most `max` bytes; `-` is standard input.
pub(crate) fn read(path: &Path, stdin: &mut dyn Read, max: u64) -> Result<Vec<u8>, Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        stdin.take(max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        File::open(path).map_err(unreadable)?.take(max + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    }
    if bytes.len() as u64 > max {
        return Err(Failure::FileTooLong { path: path.to_owned(), max });
    }
    Ok(bytes)
}
