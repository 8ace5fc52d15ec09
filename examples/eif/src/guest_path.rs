//! A path inside a ramdisk.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// An absolute path in an enclave's first file system: printable ASCII without spaces, at most 1023 bytes, each name at
/// most 255, and neither `.` nor `..` in it.
///
/// ```
/// use eif::GuestPath;
///
/// let path: GuestPath = "/etc/signer.json".parse()?;
/// assert_eq!(path.to_string(), "/etc/signer.json");
/// # Ok::<(), eif::GuestPathError>(())
/// ```
// Without the first slash, as archives write it; ordered as bytes, so that a directory comes before what is in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestPath(String);

impl GuestPath {
    /// As an archive writes it: without the first slash.
    pub(crate) fn as_relative(&self) -> &str {
        &self.0
    }

    /// The directory that it is in, unless that is the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// Whether it is `directory`, or somewhere below it.
    #[must_use]
    pub fn is_within(&self, directory: &Self) -> bool {
        let rest = self.0.strip_prefix(&directory.0);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl FromStr for GuestPath {
    type Err = GuestPathError;

    fn from_str(text: &str) -> Result<Self, GuestPathError> {
        let relative = text.strip_prefix('/').ok_or(GuestPathError::NotAbsolute)?;
        if text.len() > MAX_LEN {
            return Err(GuestPathError::TooLong { actual: text.len(), max: MAX_LEN });
        }
        if !relative.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(GuestPathError::Character);
        }
        if relative.split('/').any(|name| matches!(name, "" | "." | "..")) {
            return Err(GuestPathError::Name);
        }
        if let Some(actual) = relative.split('/').map(str::len).find(|len| *len > MAX_NAME_LEN) {
            return Err(GuestPathError::TooLong { actual, max: MAX_NAME_LEN });
        }
        // The kernel stops unpacking there.
        if relative == TRAILER { Err(GuestPathError::Trailer) } else { Ok(Self(relative.to_owned())) }
    }
}

impl fmt::Display for GuestPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/{}", self.0)
    }
}

/// Not a path for a ramdisk.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum GuestPathError {
    /// A character that is not printable ASCII, or a space.
    #[error("a path in a ramdisk is printable ASCII without spaces")]
    Character,
    /// An empty name, `.` or `..`.
    #[error("a path in a ramdisk has no empty name, no . and no ..")]
    Name,
    /// No slash at the beginning.
    #[error("a path in a ramdisk begins with /")]
    NotAbsolute,
    /// The path, or a name in it, is too long.
    #[error("a path in a ramdisk, or a name in it, has {actual} bytes, more than {max}")]
    TooLong {
        /// Its length in bytes.
        actual: usize,
        /// Greatest length.
        max: usize,
    },
    /// The name that ends an archive.
    #[error("no file can be called /{TRAILER}, which ends an archive")]
    Trailer,
}

/// The name of the entry that ends a cpio archive.
pub(crate) const TRAILER: &str = "TRAILER!!!";
const MAX_LEN: usize = 1023;
const MAX_NAME_LEN: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_that_an_archive_cannot_hold_or_that_lead_elsewhere_are_refused() {
        let refused = |text: &str| text.parse::<GuestPath>().unwrap_err();
        assert_eq!(refused("init"), GuestPathError::NotAbsolute);
        for text in ["/", "//a", "/a/", "/a//b", "/./a", "/a/..", "/../a"] {
            assert_eq!(refused(text), GuestPathError::Name, "{text}");
        }
        for text in ["/a b", "/a\tb", "/a\0", "/\u{e9}", "/a\n"] {
            assert_eq!(refused(text), GuestPathError::Character, "{text:?}");
        }
        assert_eq!(refused("/TRAILER!!!"), GuestPathError::Trailer);
        assert!("/a/TRAILER!!!".parse::<GuestPath>().is_ok());
        assert_eq!(refused(&format!("/{}", "a".repeat(256))), GuestPathError::TooLong { actual: 256, max: 255 });
        assert_eq!(refused(&"/a".repeat(512)), GuestPathError::TooLong { actual: 1024, max: 1023 });
        assert!(format!("/{}", "a".repeat(255)).parse::<GuestPath>().is_ok());
    }

    #[test]
    fn a_path_is_within_itself_and_its_directories_alone() {
        let path = |text: &str| text.parse::<GuestPath>().unwrap();
        assert!(path("/etc/a").is_within(&path("/etc")) && path("/etc").is_within(&path("/etc")));
        assert!(!path("/etcetera/a").is_within(&path("/etc")) && !path("/etc").is_within(&path("/etc/a")));
    }
}
