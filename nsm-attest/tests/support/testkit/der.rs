//! As much DER (X.690) as certificates need, written by hand so that what it writes may be wrong on purpose.

pub const BOOLEAN: u8 = 0x01;
pub const INTEGER: u8 = 0x02;
pub const BIT_STRING: u8 = 0x03;
pub const OCTET_STRING: u8 = 0x04;
pub const NULL: u8 = 0x05;
pub const OID: u8 = 0x06;
pub const UTF8_STRING: u8 = 0x0c;
pub const PRINTABLE_STRING: u8 = 0x13;
pub const UTC_TIME: u8 = 0x17;
pub const SEQUENCE: u8 = 0x30;
pub const SET: u8 = 0x31;

/// Context-specific and constructed: `[number]`.
pub const fn context(number: u8) -> u8 {
    0xa0 | number
}

/// One value with its tag and length.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let len = content.len();
    let head = match len {
        0..=0x7f => vec![tag, byte(len)],
        0x80..=0xff => vec![tag, 0x81, byte(len)],
        _ => vec![tag, 0x82, byte(len >> 8), byte(len & 0xff)],
    };
    [&head, content].concat()
}

pub fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(SEQUENCE, &parts.concat())
}

/// A non-negative integer from its big-endian bytes.
pub fn unsigned(bytes: &[u8]) -> Vec<u8> {
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let sign: &[u8] = if significant.first().is_none_or(|byte| *byte >= 0x80) { &[0] } else { &[] };
    tlv(INTEGER, &[sign, significant].concat())
}

/// An object identifier from its dotted form; the first two arcs share a byte.
pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u32> = dotted.split('.').map(|arc| arc.parse().unwrap()).collect();
    let mut content = Vec::new();
    for arc in [&[arcs[0] * 40 + arcs[1]], &arcs[2..]].concat() {
        let digits = (0..5).rev().map(|digit| (arc >> (7 * digit)) & 0x7f).skip_while(|digit| *digit == 0);
        let mut digits: Vec<u8> = digits.map(|digit| byte(digit as usize) | 0x80).collect();
        match digits.last_mut() {
            Some(last) => *last &= 0x7f,
            None => digits.push(0),
        }
        content.extend(digits);
    }
    tlv(OID, &content)
}

/// A bit string of whole bytes.
pub fn bits(bytes: &[u8]) -> Vec<u8> {
    tlv(BIT_STRING, &[&[0], bytes].concat())
}

fn byte(value: usize) -> u8 {
    u8::try_from(value).expect("certificates are shorter than 64 KiB")
}
