//! A look at the tags and lengths before the ASN.1 library reserves memory by them.

use super::MalformedCms;

/// Checks that `bytes` is one BER element whose definite lengths stay inside their parents, whose indefinite lengths are
/// ended, and which does not nest deeper than [`MAX_DEPTH`]. No values are looked at.
pub(super) fn check(bytes: &[u8]) -> Result<(), MalformedCms> {
    match element(bytes, 0) {
        Some([]) => Ok(()),
        _ => Err(MalformedCms::Ber),
    }
}

/// Walks one element and gives what follows it.
fn element(bytes: &[u8], depth: usize) -> Option<&[u8]> {
    if depth > MAX_DEPTH {
        return None;
    }
    let (&tag, rest) = bytes.split_first()?;
    // A tag number of 31 and more continues in further octets; CMS has none. Tag 0 only ends an indefinite length.
    if tag & 0x1f == 0x1f || tag == 0 {
        return None;
    }
    let is_constructed = tag & 0x20 != 0;
    let (&first, rest) = rest.split_first()?;
    if first == 0x80 {
        return if is_constructed { indefinite(rest, depth) } else { None };
    }
    let (len, rest) = definite_len(first, rest)?;
    let (mut content, after) = rest.split_at_checked(len)?;
    while is_constructed && !content.is_empty() {
        content = element(content, depth + 1)?;
    }
    Some(after)
}

fn indefinite(mut content: &[u8], depth: usize) -> Option<&[u8]> {
    loop {
        if let [0, 0, after @ ..] = content {
            return Some(after);
        }
        content = element(content, depth + 1)?;
    }
}

fn definite_len(first: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    if first < 0x80 {
        return Some((first.into(), rest));
    }
    // Two octets reach 65535, beyond what is parsed at all.
    match first & 0x7f {
        1 => rest.split_first().map(|(&len, rest)| (len.into(), rest)),
        2 => rest.split_at_checked(2).map(|(len, rest)| (usize::from(u16::from_be_bytes([len[0], len[1]])), rest)),
        _ => None,
    }
}

/// The real thing nests eight deep.
const MAX_DEPTH: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_one_whole_element() {
        for bytes in [&[0x30, 0x00][..], &[0x30, 0x80, 0x02, 0x01, 0x02, 0, 0], &[0x04, 0x81, 0x01, 0xff]] {
            assert_eq!(check(bytes), Ok(()), "{bytes:02x?}");
        }
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
            &[0x30, 0x02, 0x04, 0x01, 0xff],
            &[0x30, 0x00, 0x00],
            &[0x3f, 0x81, 0x00, 0x00],
        ] {
            assert_eq!(check(bytes), Err(MalformedCms::Ber), "{bytes:02x?}");
        }
    }

    #[test]
    fn refuses_deep_nesting_without_deep_recursion() {
        let mut bytes = vec![];
        for _ in 0..4000 {
            bytes.extend([0x30, 0x80]);
        }
        bytes.extend(vec![0; 8000]);
        assert_eq!(check(&bytes), Err(MalformedCms::Ber));
    }
}
