//! From BER to DER: what the ASN.1 library gets to see has one spelling, and lengths that it may reserve memory by.

use std::borrow::Cow;

use super::MalformedCms;
use crate::planted;

/// Spells `bytes`, one BER element, as DER does: each length is definite and in its shortest form, and strings that came
/// in pieces are whole. The result is at most as long as `bytes`.
///
/// It is refused if a length reaches beyond its parent, an indefinite one is not ended, or elements nest deeper than
/// [`MAX_DEPTH`]. No values are looked at.
pub(super) fn to_der(bytes: &[u8]) -> Result<Vec<u8>, MalformedCms> {
    match element(bytes, 0) {
        Some((element, rest)) if rest.is_empty() || planted::TRAILING_BYTES => Ok(element.to_der()),
        _ => Err(MalformedCms::Ber),
    }
}

struct Element<'a> {
    tag: u8,
    /// Of a constructed element its children in DER.
    content: Cow<'a, [u8]>,
}

impl Element<'_> {
    fn to_der(&self) -> Vec<u8> {
        definite(self.tag, &[&self.content])
    }

    fn append_to(&self, der: &mut Vec<u8>) {
        append_definite(der, self.tag, &[&self.content]);
    }
}

/// Reads one element and gives what follows it.
fn element(bytes: &[u8], depth: usize) -> Option<(Element<'_>, &[u8])> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (&tag, rest) = bytes.split_first()?;
    // A tag number of 31 and more continues in further octets; CMS has none. Tag 0 only ends an indefinite length.
    if tag & 0x1f == 0x1f || tag == 0 {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let is_constructed = tag & CONSTRUCTED != 0;
    if first == INDEFINITE {
        return if is_constructed { indefinite(tag, rest, depth) } else { None };
    }
    let (len, rest) = definite_len(first, rest)?;
    let (content, after) = rest.split_at_checked(len)?;
    if !is_constructed {
        return Some((Element { tag, content: Cow::Borrowed(content) }, after));
    }
    let (mut children, mut content) = (Vec::new(), content);
    while !content.is_empty() {
        let (child, rest) = element(content, depth + 1)?;
        children.push(child);
        content = rest;
    }
    Some((constructed(tag, &children)?, after))
}

fn indefinite(tag: u8, mut content: &[u8], depth: usize) -> Option<(Element<'_>, &[u8])> {
    let mut children = Vec::new();
    loop {
        if let [0, 0, after @ ..] = content {
            return Some((constructed(tag, &children)?, after));
        }
        let (child, rest) = element(content, depth + 1)?;
        children.push(child);
        content = rest;
    }
}

/// A string in pieces has the constructed form of its own tag, around OCTET STRINGs. That goes for those with an implicit
/// tag too, and in CMS nothing else has a context-specific tag around OCTET STRINGs alone.
fn constructed(tag: u8, children: &[Element<'_>]) -> Option<Element<'static>> {
    let are_pieces = children.iter().all(|child| child.tag == OCTET_STRING);
    let len: usize = children.iter().map(|child| MAX_HEADER_LEN + child.content.len()).sum();
    let mut whole = Vec::with_capacity(len);
    let tag = match tag {
        CONSTRUCTED_OCTET_STRING if !are_pieces => return None,
        CONSTRUCTED_OCTET_STRING | CONSTRUCTED_CONTEXT_0 if are_pieces => {
            children.iter().for_each(|child| whole.extend_from_slice(&child.content));
            tag & !CONSTRUCTED
        }
        _ => {
            children.iter().for_each(|child| child.append_to(&mut whole));
            tag
        }
    };
    Some(Element { tag, content: Cow::Owned(whole) })
}

/// The long form may have leading zeros, up to four octets.
fn definite_len(first: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    if first < INDEFINITE {
        return Some((first.into(), rest));
    }
    let octets = usize::from(first & !INDEFINITE);
    if octets > MAX_LENGTH_OCTETS {
        return None;
    }
    let (octets, rest) = rest.split_at_checked(octets)?;
    Some((octets.iter().fold(0, |len, octet| len << 8 | usize::from(*octet)), rest))
}

/// An element with a definite length in its shortest form.
pub(super) fn definite(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let mut der = Vec::with_capacity(MAX_HEADER_LEN + total_len(parts));
    append_definite(&mut der, tag, parts);
    der
}

fn append_definite(der: &mut Vec<u8>, tag: u8, parts: &[&[u8]]) {
    der.push(tag);
    match u16::try_from(total_len(parts)).expect("at most 8 KiB are parsed, and less is made").to_be_bytes() {
        [0, len] if len < 0x80 => der.push(len),
        [0, len] => der.extend([0x81, len]),
        [high, low] => der.extend([0x82, high, low]),
    }
    parts.iter().for_each(|part| der.extend_from_slice(part));
}

fn total_len(parts: &[&[u8]]) -> usize {
    parts.iter().map(|part| part.len()).sum()
}

const CONSTRUCTED: u8 = 0x20;
const CONSTRUCTED_OCTET_STRING: u8 = OCTET_STRING | CONSTRUCTED;
const CONSTRUCTED_CONTEXT_0: u8 = 0xa0;
const INDEFINITE: u8 = 0x80;
/// The real thing nests ten deep.
const MAX_DEPTH: usize = 12;
/// Of what is written: a tag, and a length of at most 8 KiB.
const MAX_HEADER_LEN: usize = 4;
const MAX_LENGTH_OCTETS: usize = 4;
const OCTET_STRING: u8 = 0x04;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_becomes_the_shortest_definite_one() {
        for (ber, der) in [
            (&[0x30, 0x00][..], &[0x30, 0x00][..]),
            (&[0x30, 0x80, 0x02, 0x01, 0x02, 0, 0], &[0x30, 0x03, 0x02, 0x01, 0x02]),
            (&[0x04, 0x81, 0x01, 0xff], &[0x04, 0x01, 0xff]),
            (&[0x04, 0x84, 0, 0, 0, 0x01, 0xff], &[0x04, 0x01, 0xff]),
            (&[0x30, 0x82, 0, 0x04, 0xa1, 0x80, 0, 0], &[0x30, 0x02, 0xa1, 0x00]),
        ] {
            assert_eq!(to_der(ber).as_deref(), Ok(der), "{ber:02x?}");
        }
        let long = [&[0x04, 0x82, 0x01, 0x00][..], &[7; 256]].concat();
        assert_eq!(to_der(&long), Ok(long));
    }

    #[test]
    fn strings_in_pieces_become_whole() {
        let whole = [0x04, 0x03, 1, 2, 3];
        for pieces in [
            &[0x24, 0x80, 0x04, 0x01, 1, 0x04, 0x02, 2, 3, 0, 0][..],
            &[0x24, 0x07, 0x04, 0x01, 1, 0x04, 0x02, 2, 3],
            &[0x24, 0x80, 0x24, 0x03, 0x04, 0x01, 1, 0x04, 0x00, 0x04, 0x02, 2, 3, 0, 0],
        ] {
            assert_eq!(to_der(pieces).as_deref(), Ok(&whole[..]), "{pieces:02x?}");
        }
        assert_eq!(to_der(&[0xa0, 0x06, 0x04, 0x01, 1, 0x04, 0x01, 2]).as_deref(), Ok(&[0x80, 0x02, 1, 2][..]));
        assert_eq!(to_der(&[0xa0, 0x05, 0x30, 0x03, 0x04, 0x01, 1]), Ok(vec![0xa0, 0x05, 0x30, 0x03, 0x04, 0x01, 1]));
        assert_eq!(to_der(&[0x24, 0x03, 0x02, 0x01, 1]), Err(MalformedCms::Ber), "an INTEGER is no piece");
    }

    #[test]
    fn refuses_lengths_that_lie_and_endings_that_lack() {
        for bytes in [
            &[][..],
            &[0x30],
            &[0x30, 0x01],
            &[0x30, 0x80, 0x02, 0x01, 0x02],
            &[0x30, 0x80, 0x00],
            &[0x04, 0x80, 0x00, 0x00],
            &[0x04, 0x84, 0xff, 0xff, 0xff, 0xff],
            &[0x04, 0x85, 0, 0, 0, 0, 0x01, 0xff],
            &[0x30, 0x02, 0x04, 0x01, 0xff],
            &[0x30, 0x00, 0x00],
            &[0x3f, 0x81, 0x00, 0x00],
        ] {
            assert_eq!(to_der(bytes), Err(MalformedCms::Ber), "{bytes:02x?}");
        }
    }

    #[test]
    fn refuses_deep_nesting_without_deep_recursion() {
        let mut bytes = vec![];
        for _ in 0..4000 {
            bytes.extend([0x30, 0x80]);
        }
        bytes.extend(vec![0; 8000]);
        assert_eq!(to_der(&bytes), Err(MalformedCms::Ber));
    }
}
