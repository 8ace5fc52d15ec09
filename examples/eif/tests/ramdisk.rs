//! The bytes of ramdisks.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io::Read as _;

use eif::{Entry, Ramdisk};
use proptest::prelude::*;

fn number(value: u32) -> String {
    format!("{value:08X}")
}

/// An entry as the kernel's documentation describes it.
fn entry(ino: u32, mode: u32, device: (u32, u32), name: &str, content: &str) -> Vec<u8> {
    let (size, name_size) = (u32::try_from(content.len()).unwrap(), u32::try_from(name.len()).unwrap() + 1);
    let fields = [ino, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
    let mut bytes = b"070701".to_vec();
    bytes.extend(fields.into_iter().flat_map(|field| number(field).into_bytes()));
    bytes.extend(name.bytes().chain([0]));
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes.extend(content.bytes());
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[test]
fn an_archive_is_what_the_format_says_byte_for_byte() {
    let mut ramdisk = Ramdisk::boot();
    let file = |mode, content: &str| Entry::File { mode, content: content.as_bytes().to_vec() };
    ramdisk.insert("/init".parse().unwrap(), file(0o755, "hello")).unwrap();
    ramdisk.insert("/etc/a".parse().unwrap(), file(0o600, "")).unwrap();
    ramdisk.insert("/bin".parse().unwrap(), Entry::Link { target: "usr/bin".to_owned() }).unwrap();
    let mut expected = [
        entry(1, 0o120_777, (0, 0), "bin", "usr/bin"),
        entry(2, 0o040_755, (0, 0), "dev", ""),
        entry(3, 0o020_600, (5, 1), "dev/console", ""),
        entry(4, 0o020_666, (1, 3), "dev/null", ""),
        entry(5, 0o040_755, (0, 0), "etc", ""),
        entry(6, 0o100_600, (0, 0), "etc/a", ""),
        entry(7, 0o100_755, (0, 0), "init", "hello"),
        entry(8, 0o040_755, (0, 0), "proc", ""),
        entry(9, 0o040_755, (0, 0), "run", ""),
        entry(10, 0o040_755, (0, 0), "sys", ""),
        entry(11, 0o040_755, (0, 0), "tmp", ""),
        entry(0, 0, (0, 0), "TRAILER!!!", ""),
    ]
    .concat();
    expected.resize(expected.len().next_multiple_of(512), 0);
    assert_eq!(ramdisk.to_cpio(), expected);
}

#[test]
fn the_smallest_archive_is_these_512_bytes() {
    let empty = Ramdisk::new().to_cpio();
    let (text, padding) = empty.split_at(124);
    let expected = "07070100000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000B00000000TRAILER!!!\0\0\0\0";
    assert_eq!((text, padding), (expected.as_bytes(), &[0; 388][..]));
}

#[test]
fn the_order_of_insertion_does_not_matter() {
    let paths = ["/init", "/a/b/c", "/a-b", "/a/b-c", "/Z"];
    let built = |paths: &mut dyn Iterator<Item = &&str>| {
        let mut ramdisk = Ramdisk::boot();
        for path in paths {
            ramdisk
                .insert(path.parse().unwrap(), Entry::File { mode: 0o644, content: path.as_bytes().to_vec() })
                .unwrap();
        }
        (ramdisk.to_cpio(), ramdisk.to_cpio_gz())
    };
    assert_eq!(built(&mut paths.iter()), built(&mut paths.iter().rev()));
}

#[test]
fn gzip_names_no_time_no_file_and_no_system() {
    let compressed = Ramdisk::boot().to_cpio_gz();
    // Magic, deflate, no flags, time 0, slowest, unknown system: RFC 1952.
    assert_eq!(compressed[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 2, 255]);
}

proptest! {
    #[test]
    fn gzip_holds_the_archive(content in prop::collection::vec(0..4_u8, 0..5000)) {
        let mut ramdisk = Ramdisk::new();
        ramdisk.insert("/a".parse().unwrap(), Entry::File { mode: 0o644, content }).unwrap();
        let mut again = Vec::new();
        flate2::read::GzDecoder::new(&*ramdisk.to_cpio_gz()).read_to_end(&mut again).unwrap();
        prop_assert_eq!(again, ramdisk.to_cpio());
    }
}
