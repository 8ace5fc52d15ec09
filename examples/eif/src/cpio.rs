//! Archives in the newc format (Linux: Documentation/driver-api/early-userspace/buffer-format.rst), written so that they
//! say nothing but what is in them: entries in the order given, numbered from 1, of user and group 0 and the time 0.
//!
//! ```text
//! 070701                                     then 13 numbers of 8 hexadecimal digits:
//!   ino mode uid gid nlink mtime filesize
//!   devmajor devminor rdevmajor rdevminor namesize check
//! name NUL, padded to 4; content, padded to 4; … an entry TRAILER!!!; padded to 512
//! ```

use std::fmt::Write as _;

use crate::guest_path::TRAILER;

/// One entry of an archive.
pub(crate) struct CpioEntry<'a> {
    /// Without a slash at its beginning.
    pub(crate) name: &'a str,
    /// Type and permissions.
    pub(crate) mode: u32,
    /// Of a device, its major and minor number.
    pub(crate) device: (u32, u32),
    /// What is in it, below 4 GiB.
    pub(crate) content: &'a [u8],
}

/// The archive of `entries`.
pub(crate) fn archive<'a>(entries: impl Iterator<Item = CpioEntry<'a>> + Clone) -> Vec<u8> {
    let room =
        entries.clone().map(|entry| HEADER_LEN + entry.name.len() + entry.content.len() + 2 * ALIGNMENT).sum::<usize>();
    let mut bytes = Vec::with_capacity(room + HEADER_LEN + 2 * BLOCK);
    let mut ino = 0;
    for entry in entries {
        ino += 1;
        append(&mut bytes, ino, &entry);
    }
    append(&mut bytes, 0, &CpioEntry { name: TRAILER, mode: 0, device: (0, 0), content: &[] });
    pad(&mut bytes, BLOCK);
    bytes
}

fn append(bytes: &mut Vec<u8>, ino: usize, entry: &CpioEntry<'_>) {
    let (major, minor) = entry.device;
    let (size, name_size) = (entry.content.len(), entry.name.len() + 1);
    let mut header = String::with_capacity(HEADER_LEN);
    write!(
        header,
        "070701{ino:08X}{:08X}{:08X}{:08X}{:08X}{:08X}{size:08X}{:08X}{:08X}{major:08X}{minor:08X}{name_size:08X}{:08X}",
        entry.mode, 0, 0, 1, 0, 0, 0, 0,
    )
    .expect("memory takes what is written to it");
    bytes.extend_from_slice(header.as_bytes());
    bytes.extend_from_slice(entry.name.as_bytes());
    bytes.push(0);
    pad(bytes, ALIGNMENT);
    bytes.extend_from_slice(entry.content);
    pad(bytes, ALIGNMENT);
}

fn pad(bytes: &mut Vec<u8>, to: usize) {
    bytes.resize(bytes.len().next_multiple_of(to), 0);
}

const HEADER_LEN: usize = 110;
const ALIGNMENT: usize = 4;
/// What cpio programs pad archives to.
const BLOCK: usize = 512;
