//! The list of files that a ramdisk is made of.
//!
//! UTF-8 text, one entry a line, four fields with spaces or tabs between them; the last one may hold spaces. Empty lines,
//! and those that begin with `#`, are passed over.
//!
//! ```text
//! # kind path            mode source
//! file   /init           0755 target/release/enclave
//! file   /etc/signer.json 0644 signer.json
//! dir    /var/lib        0755 -
//! link   /sbin/init      -    /init
//! char   /dev/nsm        0600 10:144
//! ```
//!
//! | kind | mode | source |
//! |---|---|---|
//! | `file` | octal | a file on this machine, relative to the folder of the list |
//! | `dir` | octal | `-` |
//! | `link` | `-` | where it leads, in the ramdisk |
//! | `char` | octal | major and minor number of a character device |

use std::path::{Path, PathBuf};
use std::str::FromStr;

use thiserror::Error;

use crate::files::{self, FileError};
use crate::guest_path::{GuestPath, GuestPathError};
use crate::ramdisk::{Entry, Ramdisk, RamdiskError};
use crate::section::MAX_IMAGE_LEN;

/// A list, whose files were not read yet.
///
/// ```
/// use eif::FileList;
///
/// let list: FileList = "file /init 0755 enclave\n".parse()?;
/// # Ok::<(), eif::FileListError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileList(Vec<Line>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    number: usize,
    path: GuestPath,
    source: Source,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    Entry(Entry),
    File { mode: u32, source: PathBuf },
}

impl FileList {
    /// An entry more: the file `source` at `path`.
    pub fn push_file(&mut self, path: GuestPath, mode: u32, source: PathBuf) {
        self.0.push(Line { number: self.0.len() + 1, path, source: Source::File { mode, source } });
    }

    /// Reads the files, those with relative paths below `folder`, and puts everything into `ramdisk`.
    ///
    /// # Errors
    /// [`FileListError`] names the line.
    pub fn load(self, folder: &Path, ramdisk: &mut Ramdisk) -> Result<(), FileListError> {
        for Line { number: line, path, source } in self.0 {
            let entry = match source {
                Source::Entry(entry) => entry,
                Source::File { mode, source } => {
                    let room = MAX_IMAGE_LEN - ramdisk.content_len();
                    let content = files::read(&folder.join(source), room);
                    Entry::File { mode, content: content.map_err(|error| FileListError::File { line, error })? }
                }
            };
            ramdisk.insert(path, entry).map_err(|error| FileListError::Ramdisk { line, error })?;
        }
        Ok(())
    }
}

impl FromStr for FileList {
    type Err = FileListError;

    fn from_str(text: &str) -> Result<Self, FileListError> {
        if text.len() as u64 > MAX_LIST_LEN {
            return Err(FileListError::TooLong { actual: text.len() as u64, max: MAX_LIST_LEN });
        }
        let numbered = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let is_entry = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
        numbered.filter(is_entry).map(|(number, line)| parse(number, line)).collect::<Result<_, _>>().map(Self)
    }
}

fn parse(number: usize, line: &str) -> Result<Line, FileListError> {
    let fields = || FileListError::Fields { line: number };
    let (kind, rest) = next_field(line).ok_or_else(fields)?;
    let (path, rest) = next_field(rest).ok_or_else(fields)?;
    let (mode, source) = next_field(rest).ok_or_else(fields)?;
    let path = path.parse().map_err(|error| FileListError::Path { line: number, error })?;
    let wrong_mode = || FileListError::Mode { line: number };
    let permissions = || parse_mode(mode).ok_or_else(wrong_mode);
    let source = match kind {
        "char" => {
            let numbers =
                source.split_once(':').and_then(|(major, minor)| Some((number_of(major)?, number_of(minor)?)));
            let (major, minor) = numbers.ok_or(FileListError::Source { line: number })?;
            Source::Entry(Entry::CharacterDevice { mode: permissions()?, major, minor })
        }
        "dir" if source == "-" => Source::Entry(Entry::Directory { mode: permissions()? }),
        "dir" => return Err(FileListError::Source { line: number }),
        "file" => Source::File { mode: permissions()?, source: PathBuf::from(source) },
        "link" if mode == "-" => Source::Entry(Entry::Link { target: source.to_owned() }),
        "link" => return Err(wrong_mode()),
        _ => return Err(FileListError::Kind { line: number, actual: kind.to_owned() }),
    };
    Ok(Line { number, path, source })
}

fn next_field(text: &str) -> Option<(&str, &str)> {
    text.split_once([' ', '\t']).map(|(field, rest)| (field, rest.trim_start())).filter(|(_, rest)| !rest.is_empty())
}

/// 3 or 4 octal digits.
pub(crate) fn parse_mode(text: &str) -> Option<u32> {
    let is_octal = matches!(text.len(), 3 | 4) && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    u32::from_str_radix(text, 8).ok().filter(|_| is_octal)
}

/// Device numbers of Linux have 12 and 20 bits; more than that no kernel reads.
fn number_of(text: &str) -> Option<u32> {
    text.parse().ok().filter(|number| *number < 1 << 20 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Why a list makes no ramdisk. Lines are counted from 1.
#[non_exhaustive]
#[derive(Debug, Error)]
pub enum FileListError {
    /// Fewer than four fields.
    #[error("line {line} is not: kind path mode source")]
    Fields {
        /// Which line.
        line: usize,
    },
    /// A file that cannot be read.
    #[error("line {line}: {error}")]
    File {
        /// Which line.
        line: usize,
        /// Why.
        error: FileError,
    },
    /// A kind that is not known.
    #[error("line {line}: {actual:?} is none of char, dir, file and link")]
    Kind {
        /// Which line.
        line: usize,
        /// What it says.
        actual: String,
    },
    /// A mode that is none, or one of a link.
    #[error("line {line}: the mode is 3 or 4 octal digits, and - for a link")]
    Mode {
        /// Which line.
        line: usize,
    },
    /// A path that a ramdisk cannot have.
    #[error("line {line}: {error}")]
    Path {
        /// Which line.
        line: usize,
        /// Why.
        error: GuestPathError,
    },
    /// Something that cannot be in the ramdisk.
    #[error("line {line}: {error}")]
    Ramdisk {
        /// Which line.
        line: usize,
        /// Why.
        error: RamdiskError,
    },
    /// A source that does not go with the kind.
    #[error("line {line}: the source is - for a directory, and MAJOR:MINOR for a device")]
    Source {
        /// Which line.
        line: usize,
    },
    /// A list above its limit.
    #[error("the list has {actual} bytes, more than {max}")]
    TooLong {
        /// Its length in bytes.
        actual: u64,
        /// Greatest length.
        max: u64,
    },
}

/// Longest list, in bytes: 1 MiB.
pub(crate) const MAX_LIST_LEN: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(list: &str) -> String {
        list.parse::<FileList>().unwrap_err().to_string()
    }

    #[test]
    fn lines_that_say_too_little_or_something_else_are_refused_by_their_number() {
        assert_eq!(refused("# a comment\n\nfile /init 0755"), "line 3 is not: kind path mode source");
        assert_eq!(refused("block /x 0644 1:3"), "line 1: \"block\" is none of char, dir, file and link");
        for mode in ["75", "00755", "-", "0888", "+755"] {
            let expected = "line 1: the mode is 3 or 4 octal digits, and - for a link";
            assert_eq!(refused(&format!("file /init {mode} x")), expected);
        }
        assert_eq!(refused("link /a 0777 b"), "line 1: the mode is 3 or 4 octal digits, and - for a link");
        assert_eq!(refused("file init 0755 x"), "line 1: a path in a ramdisk begins with /");
        let source = "line 1: the source is - for a directory, and MAJOR:MINOR for a device";
        for line in ["dir /a 0755 b", "char /a 0600 1", "char /a 0600 1:+3", "char /a 0600 1048576:0"] {
            assert_eq!(refused(line), source, "{line}");
        }
        let long = "#".repeat(1 << 20) + "#";
        assert_eq!(refused(&long), "the list has 1048577 bytes, more than 1048576");
    }

    #[test]
    fn a_list_puts_into_a_ramdisk_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a file"), b"content").unwrap();
        let list = "file\t/etc/a  0640   a file\n dir /var 700 -\nlink /b - etc/a\nchar /dev/nsm 0600 10:144\n";
        let mut ramdisk = Ramdisk::new();
        list.parse::<FileList>().unwrap().load(folder.path(), &mut ramdisk).unwrap();
        let found: Vec<_> = ramdisk.entries().map(|(path, entry)| (path.to_string(), entry.clone())).collect();
        let expected = [
            ("/b", Entry::Link { target: "etc/a".to_owned() }),
            ("/dev", Entry::Directory { mode: 0o755 }),
            ("/dev/nsm", Entry::CharacterDevice { mode: 0o600, major: 10, minor: 144 }),
            ("/etc", Entry::Directory { mode: 0o755 }),
            ("/etc/a", Entry::File { mode: 0o640, content: b"content".to_vec() }),
            ("/var", Entry::Directory { mode: 0o700 }),
        ];
        assert_eq!(found, expected.map(|(path, entry)| (path.to_owned(), entry)));
    }

    #[test]
    fn a_file_that_is_not_there_is_named_with_its_line() {
        let list: FileList = "dir /a 0755 -\nfile /b 0644 missing".parse().unwrap();
        let error = list.load(Path::new("/nowhere"), &mut Ramdisk::new()).unwrap_err().to_string();
        assert!(error.starts_with("line 2: cannot read \"/nowhere/missing\""), "{error}");
    }
}
