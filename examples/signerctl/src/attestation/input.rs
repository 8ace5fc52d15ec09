//! The document's file: binary, hexadecimal or base64, told apart by how it begins.
//!
//! | begins with | is |
//! |---|---|
//! | byte 84 or d2 | binary: a COSE_Sign1 begins with 84, an array of four, or with d2, tag 18 around it |
//! | `0x`, `84` or `d2` | hex of that, in either case |
//! | `h` or `0o` | base64 of that (84 → `h`, d2 84 → `0o`), standard or URL alphabet, padded or not |
//!
//! No two lines agree in their first two characters, so that nothing is guessed. White space is allowed anywhere in the
//! two text forms. The size is bounded before anything is decoded.

use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

use nsm_attest::UnverifiedDocument;
use serde::Serialize;

use crate::base64_text;
use crate::failure::Failure;
use crate::files;

/// How a file spells its document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Spelling {
    Base64,
    Binary,
    Hex,
}

/// Reads the document in `path`; `-` is standard input.
pub(crate) fn read(path: &Path, stdin: &mut dyn Read) -> Result<(Spelling, UnverifiedDocument), Failure> {
    let bytes = files::read(path, stdin, MAX_INPUT_LEN)?;
    let (spelling, document) = decode(&bytes).map_err(|detail| Failure::Malformed { path: path.to_owned(), detail })?;
    let document = UnverifiedDocument::from_bytes(&document)
        .map_err(|defect| Failure::Document { path: path.to_owned(), defect })?;
    Ok((spelling, document))
}

fn decode(input: &[u8]) -> Result<(Spelling, Cow<'_, [u8]>), String> {
    if let Some(0x84 | 0xd2) = input.first() {
        return Ok((Spelling::Binary, input.into()));
    }
    let text: Vec<u8> = input.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    match text.as_slice() {
        [] => Err("there is nothing in it".to_owned()),
        [b'0', b'x' | b'X', digits @ ..] => from_hex(digits),
        digits @ ([b'8', b'4', ..] | [b'd' | b'D', b'2', ..]) => from_hex(digits),
        symbols @ ([b'h', ..] | [b'0', b'o', ..]) => from_base64(symbols),
        _ => Err("neither a COSE_Sign1 (first byte 84 or d2) nor one in hex or base64".to_owned()),
    }
}

fn from_hex<'a>(digits: &[u8]) -> Result<(Spelling, Cow<'a, [u8]>), String> {
    let bytes = hex::decode(digits).map_err(|error| format!("begins like hex, but is not: {error}"))?;
    Ok((Spelling::Hex, bytes.into()))
}

fn from_base64<'a>(symbols: &[u8]) -> Result<(Spelling, Cow<'a, [u8]>), String> {
    let bytes = base64_text::decode(symbols).map_err(|error| format!("begins like base64, but is not: {error}"))?;
    Ok((Spelling::Base64, bytes.into()))
}

/// Twice the longest document as hex, so that there is room for white space.
const MAX_INPUT_LEN: u64 = 4 * UnverifiedDocument::MAX_LEN as u64;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    /// Bytes with every symbol of base64 in them, of three lengths, under both beginnings of a document.
    fn documents() -> Vec<Vec<u8>> {
        let body: Vec<u8> = (0..=255).collect();
        let long = [&[0x84][..], &body, &body[..5]].concat();
        let tagged = [&[0xd2][..], &long].concat();
        vec![long.clone(), long[..261].to_vec(), long[..260].to_vec(), tagged]
    }

    /// A line break after every 64 characters.
    fn wrapped(text: &str) -> String {
        let lines: Vec<_> = text.as_bytes().chunks(64).map(|line| String::from_utf8_lossy(line)).collect();
        format!("{}\r\n", lines.join("\r\n"))
    }

    #[test]
    fn every_spelling_is_told_apart() {
        for document in documents() {
            assert_eq!(decode(&document), Ok((Spelling::Binary, document.as_slice().into())));
            let hex = hex::encode(&document);
            let spaced: String = document.iter().map(|byte| format!("{byte:02X} ")).collect();
            for text in [hex.clone(), hex.to_uppercase(), format!("0x{hex}\n"), format!(" 0X{}", wrapped(&hex)), spaced]
            {
                assert_eq!(decode(text.as_bytes()), Ok((Spelling::Hex, document.as_slice().into())), "{text}");
            }
            for engine in [BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD] {
                let text = engine.encode(&document);
                for text in [text.clone(), wrapped(&text), format!("\n {text} ")] {
                    assert_eq!(decode(text.as_bytes()), Ok((Spelling::Base64, document.as_slice().into())), "{text}");
                }
            }
        }
    }

    #[test]
    fn what_is_no_spelling_of_a_document_is_refused() {
        for bad in [
            "",
            " \n",
            "0x8",
            "84f",
            "84 4g",
            "d2-",
            "0x844\u{e9}",
            "hE=",
            "hE===",
            "hE==hE==",
            "h",
            "h+_0",
            "hEQ/-",
            "hF=",
            "0oR*",
            "a0",
            "{}",
            "\u{feff}84",
            "00",
            "o",
        ] {
            assert!(decode(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(decode(&[0x83, 0x84]).is_err() && decode(&[0xff]).is_err());
    }
}
