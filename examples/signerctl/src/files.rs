//! Files, bounded; those with secrets wiped from memory, and kept from others on disk.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::failure::Failure;

/// Reads a whole file of at most `max` bytes; `-` is standard input.
pub(crate) fn read(path: &Path, stdin: &mut dyn Read, max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    fill(&mut bytes, path, stdin, max, |_| Ok(()))?;
    Ok(bytes)
}

/// As [`read`], for what is wiped after use.
pub(crate) fn read_secret(path: &Path, stdin: &mut dyn Read, max: u32) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_wiped(path, stdin, max, |_| Ok(()))
}

/// As [`read_secret`], but refuses a file that others than its owner can read.
pub(crate) fn read_private(path: &Path, stdin: &mut dyn Read, max: u32) -> Result<Zeroizing<Vec<u8>>, Failure> {
    read_wiped(path, stdin, max, |file| {
        let metadata = file.metadata().map_err(|source| Failure::Unreadable { path: path.to_owned(), source })?;
        match metadata.permissions().mode() & 0o777 {
            mode if mode & 0o077 == 0 => Ok(()),
            mode => Err(Failure::NotPrivate { path: path.to_owned(), mode }),
        }
    })
}

/// Writes a new file that only its owner can read. What there is already is never overwritten.
pub(crate) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let unwritable = |source| Failure::UnwritableFile { path: path.to_owned(), source };
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(unwritable)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    // Half a secret is none.
    written.or_else(|error| fs::remove_file(path).and(Err(error))).map_err(unwritable)
}

/// Refuses two files that are both standard input.
pub(crate) fn at_most_one_stdin<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> Result<(), Failure> {
    match paths.into_iter().filter(|path| path.as_os_str() == "-").count() {
        0 | 1 => Ok(()),
        _ => Err(Failure::StandardInputTwice),
    }
}

/// Says beforehand what [`write_new`] would say.
pub(crate) fn check_new(path: &Path) -> Result<(), Failure> {
    match path.symlink_metadata() {
        Ok(_) => {
            Err(Failure::UnwritableFile { path: path.to_owned(), source: std::io::ErrorKind::AlreadyExists.into() })
        }
        Err(_) => Ok(()),
    }
}

fn read_wiped(
    path: &Path,
    stdin: &mut dyn Read,
    max: u32,
    check: impl FnOnce(&File) -> Result<(), Failure>,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    // Room for all of it: growing would leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(max as usize + 1));
    fill(&mut bytes, path, stdin, max.into(), check)?;
    Ok(bytes)
}

fn fill(
    bytes: &mut Vec<u8>,
    path: &Path,
    stdin: &mut dyn Read,
    max: u64,
    check: impl FnOnce(&File) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let unreadable = |source| Failure::Unreadable { path: path.to_owned(), source };
    if path.as_os_str() == "-" {
        stdin.take(max + 1).read_to_end(bytes).map_err(unreadable)?;
    } else {
        let file = File::open(path).map_err(unreadable)?;
        check(&file)?;
        file.take(max + 1).read_to_end(bytes).map_err(unreadable)?;
    }
    if bytes.len() as u64 > max { Err(Failure::FileTooLong { path: path.to_owned(), max }) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_read_into_memory_that_never_moves() {
        let content = [7; 4096];
        let secret = read_secret(Path::new("-"), &mut &content[..], 4096).unwrap();
        assert_eq!((secret.as_slice(), secret.capacity()), (&content[..], 4097));
        let too_long = read_secret(Path::new("-"), &mut &content[..], 4095);
        assert!(matches!(too_long, Err(Failure::FileTooLong { max: 4095, .. })));
    }

    #[test]
    fn a_file_that_others_can_read_is_not_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        write_new(&path, b"secret").unwrap();
        assert_eq!(read_private(&path, &mut std::io::empty(), 6).unwrap().as_slice(), b"secret");
        for mode in [0o640, 0o604, 0o610, 0o666] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let refused = read_private(&path, &mut std::io::empty(), 6);
            assert!(matches!(refused, Err(Failure::NotPrivate { mode: found, .. }) if found == mode), "{mode:o}");
        }
    }

    #[test]
    fn what_is_written_is_private_and_replaces_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        check_new(&path).unwrap();
        write_new(&path, b"first").unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        for refused in [check_new(&path), write_new(&path, b"second")] {
            assert!(matches!(refused, Err(Failure::UnwritableFile { .. })));
        }
        assert_eq!(fs::read(&path).unwrap(), b"first");
        // Nor through a link that leads nowhere yet.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("target"), &link).unwrap();
        assert!(check_new(&link).is_err() && write_new(&link, b"x").is_err());
        assert!(!folder.path().join("target").exists());
    }
}
