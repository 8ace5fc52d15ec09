//! The bytes of images: what others write, every defect, and properties.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod support;

use eif::{Architecture, EifImage, ImageError, Metadata, ReadError, SectionKind};
use proptest::prelude::*;
use support::{patched, put, with_crc};

/// What `eif_build` 0.2.1 wrote for the kernel `kernel`, the ramdisks `one` and `two`, and the metadata below.
fn golden() -> Vec<u8> {
    let mut bytes = hex::decode("2e656966000400000000000040000000000000000000000200000005").unwrap();
    let table =
        |entries: [u64; 5]| entries.iter().flat_map(|entry| entry.to_be_bytes()).chain([0; 27 * 8]).collect::<Vec<_>>();
    bytes.extend(table([0x224, 0x236, 0x24f, 0x33c, 0x34b]));
    bytes.extend(table([6, 13, 0xe1, 3, 3]));
    bytes.extend(hex::decode("00000000d9f697a1").unwrap());
    let metadata = br#"{"ImageName":"tiny","ImageVersion":"tiny","BuildMetadata":{"BuildTime":"1970-01-01T00:00:00Z","BuildTool":"golden","BuildToolVersion":"0","OperatingSystem":"Linux","KernelVersion":"6"},"DockerInfo":null,"CustomMetadata":null}"#;
    for (header, content) in [
        ("000100000000000000000006", &b"kernel"[..]),
        ("00020000000000000000000d", b"console=ttyS0"),
        ("0005000000000000000000e1", metadata),
        ("000300000000000000000003", b"one"),
        ("000300000000000000000003", b"two"),
    ] {
        bytes.extend(hex::decode(header).unwrap());
        bytes.extend(content);
    }
    bytes
}

fn golden_image() -> EifImage {
    let mut metadata = Metadata::new("tiny", "tiny");
    metadata.build_metadata.build_tool = "golden".to_owned();
    metadata.build_metadata.build_tool_version = "0".to_owned();
    metadata.build_metadata.kernel_version = "6".to_owned();
    let ramdisks = vec![b"one".to_vec(), b"two".to_vec()];
    EifImage::new(Architecture::X86_64, b"kernel".to_vec(), "console=ttyS0", &metadata, ramdisks).unwrap()
}

#[test]
fn an_image_is_what_another_builder_writes_byte_for_byte() {
    assert_eq!(golden_image().to_bytes(), golden());
    assert_eq!(EifImage::from_bytes(&golden()), Ok(golden_image()));
    let aarch64 = EifImage::new(Architecture::Aarch64, vec![], "", &Metadata::new("", ""), vec![vec![]]).unwrap();
    assert_eq!(aarch64.to_bytes()[6..8], [0, 1]);
    assert_eq!(EifImage::from_bytes(&aarch64.to_bytes()), Ok(aarch64));
}

#[test]
fn registers_are_what_another_builder_says() {
    let json = serde_json::to_value(golden_image().measure()).unwrap();
    let pcr0 = "f5c463b3879f66961559c1210a2bc84e8320ad2e5b0ef62bee61ae056de6edd69e6bb0e7eb96b327442490f5021ec83a";
    let pcr1 = "88d8d7c030c33cd1d9a3f7039b5e49b0628c895375f24c26e024537b0e74a64b1ddffc2da40ad47f67f1dcc3800607ca";
    let pcr2 = "520a75a89f23576738754eecacb557b46a3e2d140c8d09370a959613db76bd3ee3a97b59cb4acbafd90108e8a7b0186e";
    let expected = serde_json::json!({"HashAlgorithm": "Sha384 { ... }", "PCR0": pcr0, "PCR1": pcr1, "PCR2": pcr2});
    assert_eq!(json, expected);
}

#[test]
fn version_3_is_read_and_written_as_4() {
    // Without the metadata section, which came with version 4.
    let old = support::assemble(3, &[(1, b"kernel"), (2, b"cmdline"), (3, b"one")]);
    let image = EifImage::from_bytes(&old).unwrap();
    assert_eq!((image.version(), image.metadata(), image.ramdisks()), (3, None, &[b"one".to_vec()][..]));
    let new = EifImage::from_bytes(&image.to_bytes()).unwrap();
    assert_eq!((new.version(), new.measure()), (4, image.measure()));
}

#[test]
fn every_defect_of_a_header_has_its_name() {
    let cases: &[(&str, usize, &[u8], ImageError)] = &[
        ("magic", 0, b".eig", ImageError::MagicMismatch { actual: *b".eig" }),
        ("version 2", 4, &[0, 2], ImageError::UnsupportedVersion { actual: 2 }),
        ("version 5", 4, &[0, 5], ImageError::UnsupportedVersion { actual: 5 }),
        ("flags", 6, &[0, 2], ImageError::UnknownFlags { actual: 2 }),
        ("reserved", 24, &[0, 1], ImageError::ReservedNotZero { field: "the header's reserved field", actual: 1 }),
        ("unused", 540, &[0, 0, 0, 9], ImageError::ReservedNotZero { field: "the header's unused field", actual: 9 }),
        ("two sections", 26, &[0, 2], ImageError::SectionCount { actual: 2, min: 3, max: 32 }),
        ("33 sections", 26, &[0, 33], ImageError::SectionCount { actual: 33, min: 3, max: 32 }),
        ("65535 sections", 26, &[255, 255], ImageError::SectionCount { actual: 65_535, min: 3, max: 32 }),
        ("one section too few", 26, &[0, 4], ImageError::UnusedEntry { index: 4, count: 4 }),
        ("one section too many", 26, &[0, 6], ImageError::Overlap { index: 5, expected: 858, actual: 0 }),
        ("into the header", 28, &put(0), ImageError::Overlap { index: 0, expected: 548, actual: 0 }),
        ("over another", 36, &put(0x235), ImageError::Overlap { index: 1, expected: 0x236, actual: 0x235 }),
        ("a gap", 36, &put(0x237), ImageError::Gap { index: 1, expected: 0x236, actual: 0x237 }),
        ("far away", 36, &put(u64::MAX), ImageError::Gap { index: 1, expected: 0x236, actual: u64::MAX }),
        ("a length that wraps", 284, &put(u64::MAX), ImageError::Truncated { expected: u64::MAX, actual: 858 }),
        ("a length beyond the file", 316, &put(4), ImageError::Truncated { expected: 859, actual: 858 }),
        ("a shorter last section", 316, &put(2), ImageError::TrailingBytes { count: 1 }),
        ("an offset of no section", 276, &put(1), ImageError::UnusedEntry { index: 31, count: 5 }),
        ("a length of no section", 324, &put(1), ImageError::UnusedEntry { index: 5, count: 5 }),
        ("a section's length", 559, &[7], ImageError::SectionLength { index: 0, expected: 6, actual: 7 }),
        ("a section's flags", 551, &[1], ImageError::ReservedNotZero { field: "a section's flags", actual: 1 }),
        ("kind 0", 549, &[0], ImageError::UnknownSectionKind { index: 0, actual: 0 }),
        ("kind 6", 548, &[0, 6], ImageError::UnknownSectionKind { index: 0, actual: 6 }),
    ];
    for (what, at, value, expected) in cases {
        assert_eq!(EifImage::from_bytes(&patched(golden(), *at, value)).as_ref(), Err(expected), "{what}");
    }
}

#[test]
fn what_is_not_covered_by_the_checksum_is_the_checksum_alone() {
    let wrong = patched(golden(), 850, b"x");
    let mut bytes = golden();
    bytes[857] ^= 1;
    let Err(ImageError::CrcMismatch { expected: 0xd9f6_97a1, actual }) = EifImage::from_bytes(&bytes) else {
        panic!("a changed byte is found")
    };
    bytes[544..548].copy_from_slice(&actual.to_be_bytes());
    assert_ne!(EifImage::from_bytes(&bytes).unwrap().measure(), golden_image().measure());
    assert!(EifImage::from_bytes(&wrong).is_err());
}

#[test]
fn sections_out_of_order_have_their_name() {
    let order = |index, actual| Err(ImageError::SectionOrder { index, actual });
    let metadata = Metadata::new("", "");
    let metadata = serde_json::to_vec(&metadata).unwrap();
    let read = |version, kinds: &[u16]| {
        let sections: Vec<_> = kinds.iter().map(|kind| (*kind, if *kind == 5 { &*metadata } else { b"x" })).collect();
        EifImage::from_bytes(&support::assemble(version, &sections)).map(drop)
    };
    assert_eq!(read(4, &[1, 2, 5, 3]), Ok(()));
    assert_eq!(read(4, &[1, 2, 3, 3]), Ok(()));
    assert_eq!(read(4, &[2, 1, 3]), order(0, SectionKind::CommandLine));
    assert_eq!(read(4, &[1, 1, 3]), order(1, SectionKind::Kernel));
    assert_eq!(read(4, &[1, 3, 3]), order(1, SectionKind::Ramdisk));
    assert_eq!(read(4, &[1, 2, 2]), order(2, SectionKind::CommandLine));
    assert_eq!(read(4, &[1, 2, 5]), order(2, SectionKind::Metadata));
    assert_eq!(read(4, &[1, 2, 3, 5]), order(3, SectionKind::Metadata));
    assert_eq!(read(4, &[1, 2, 5, 5, 3]), order(3, SectionKind::Metadata));
    assert_eq!(read(4, &[1, 2, 4]), order(2, SectionKind::Signature));
    assert_eq!(read(4, &[1, 2, 5, 4]), order(3, SectionKind::Signature));
    assert_eq!(read(4, &[1, 2, 4, 3]), order(2, SectionKind::Signature));
    assert_eq!(read(4, &[1, 2, 3, 4, 4]), order(3, SectionKind::Signature));
    let kind = SectionKind::Metadata;
    assert_eq!(read(3, &[1, 2, 5, 3]), Err(ImageError::SectionNotInVersion { index: 2, kind, version: 3 }));
}

#[test]
fn sections_above_their_limit_are_refused_before_they_are_read() {
    let refused = |kind: u16, len: usize| {
        let content = vec![b' '; len];
        let sections: &[(u16, &[u8])] = match kind {
            2 => &[(1, b"k"), (2, &content), (3, b"r")],
            5 => &[(1, b"k"), (2, b"c"), (5, &content), (3, b"r")],
            _ => &[(1, b"k"), (2, b"c"), (3, b"r"), (4, &content)],
        };
        EifImage::from_bytes(&support::assemble(4, sections)).unwrap_err()
    };
    for (code, kind, max) in [
        (2, SectionKind::CommandLine, 2047),
        (4, SectionKind::Signature, 65_536),
        (5, SectionKind::Metadata, 1_048_576),
    ] {
        let actual = max + 1;
        let len = usize::try_from(actual).unwrap();
        assert_eq!(refused(code, len), ImageError::SectionTooLong { kind, actual, max });
        assert_eq!(kind.max_len(), max);
    }
    let longest = support::assemble(4, &[(1, b"k"), (2, &[b'c'; 2047]), (3, b"r")]);
    assert!(EifImage::from_bytes(&longest).is_ok());
}

#[test]
fn sections_whose_content_is_no_such_thing_are_refused() {
    for line in [&b"\xff"[..], b"a\0", b"\0"] {
        let bytes = support::assemble(4, &[(1, b"k"), (2, line), (3, b"r")]);
        assert_eq!(EifImage::from_bytes(&bytes), Err(ImageError::CommandLineNotText));
    }
    for metadata in [&b""[..], b"{}", b"null", b"\xff"] {
        let bytes = support::assemble(4, &[(1, b"k"), (2, b""), (5, metadata), (3, b"r")]);
        assert!(matches!(EifImage::from_bytes(&bytes), Err(ImageError::Metadata { .. })), "{metadata:?}");
    }
    for signature in [&b""[..], b"\x80", b"\x81\xa0", b"\xf6", b"\x9f\xff", b"\x81\x81\x81"] {
        let bytes = support::assemble(4, &[(1, b"k"), (2, b""), (3, b"r"), (4, signature)]);
        assert!(matches!(EifImage::from_bytes(&bytes), Err(ImageError::Signature { .. })), "{signature:?}");
    }
}

#[test]
fn nothing_is_reserved_for_a_file_that_says_it_is_too_long() {
    let mut bytes = &golden()[..];
    let error = EifImage::read(&mut bytes, eif::MAX_IMAGE_LEN + 1).unwrap_err();
    let expected = ImageError::TooLong { actual: eif::MAX_IMAGE_LEN + 1, max: eif::MAX_IMAGE_LEN };
    assert!(matches!(error, ReadError::Image(error) if error == expected));
    assert_eq!(bytes.len(), 858, "not a byte was read");
}

#[test]
fn a_source_that_ends_before_its_length_is_an_error_of_the_source() {
    let bytes = golden();
    let error = EifImage::read(&mut &bytes[..857], 858).unwrap_err();
    assert!(matches!(error, ReadError::Io(error) if error.kind() == std::io::ErrorKind::UnexpectedEof));
}

#[test]
fn parts_that_make_no_image_are_refused() {
    let metadata = Metadata::new("", "");
    let make = |command_line: &str, ramdisks| {
        EifImage::new(Architecture::X86_64, vec![], command_line, &metadata, ramdisks).map(drop)
    };
    assert_eq!(make("a\0", vec![vec![]]), Err(ImageError::CommandLineNotText));
    let kind = SectionKind::CommandLine;
    assert_eq!(
        make(&"a".repeat(2048), vec![vec![]]),
        Err(ImageError::SectionTooLong { kind, actual: 2048, max: 2047 })
    );
    assert_eq!(make("", vec![vec![]; 29]), Ok(()));
    assert_eq!(make("", vec![vec![]; 30]), Err(ImageError::SectionCount { actual: 33, min: 3, max: 32 }));
    assert_eq!(make("", vec![]), Err(ImageError::SectionOrder { index: 2, actual: SectionKind::Metadata }));
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = golden();
    for len in 0..bytes.len() {
        let error = EifImage::from_bytes(&bytes[..len]).unwrap_err();
        assert!(matches!(error, ImageError::Truncated { .. }), "{len}: {error}");
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    for bit in 0..golden().len() * 8 {
        let mut bytes = golden();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(EifImage::from_bytes(&bytes).is_err(), "bit {bit}");
    }
}

/// With the CRC put right, as whoever changes an image would do.
#[test]
fn every_flipped_bit_under_a_right_checksum_is_an_error_or_measured_or_no_matter_of_measurement() {
    // Flags, memory and CPUs; the metadata.
    let unmeasured = |at: usize| matches!(at, 6..=23) || (0x25b..0x33c).contains(&at);
    let measured = golden_image().measure();
    for bit in 0..golden().len() * 8 {
        let at = bit / 8;
        let mut bytes = golden();
        bytes[at] ^= 1 << (bit % 8);
        if (544..548).contains(&at) {
            continue; // the checksum itself: the test above
        }
        if let Ok(image) = EifImage::from_bytes(&with_crc(bytes)) {
            assert_eq!(image.measure() == measured, unmeasured(at), "byte {at}, bit {bit}");
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        kernel in prop::collection::vec(any::<u8>(), 0..200),
        command_line in "[^\0]{0,100}",
        (name, version) in any::<(String, String)>(),
        ramdisks in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..=29),
        arm in any::<bool>(),
    ) {
        let architecture = if arm { Architecture::Aarch64 } else { Architecture::X86_64 };
        let image = EifImage::new(architecture, kernel, &command_line, &Metadata::new(&name, &version), ramdisks).unwrap();
        let bytes = image.to_bytes();
        let again = EifImage::from_bytes(&bytes).unwrap();
        prop_assert_eq!(again.to_bytes(), bytes);
        prop_assert_eq!(again, image);
    }

    #[test]
    fn any_bytes_are_an_image_that_is_written_the_same_or_an_error(
        cuts in prop::collection::vec((0..858_usize, any::<u8>()), 1..4),
        tail in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = golden();
        for (at, value) in cuts {
            bytes[at] = value;
        }
        bytes.extend(tail);
        let bytes = with_crc(bytes);
        if let Ok(image) = EifImage::from_bytes(&bytes) {
            // Version 3 would be written as 4.
            prop_assert!(image.version() == 3 || image.to_bytes() == bytes);
        }
    }
}
