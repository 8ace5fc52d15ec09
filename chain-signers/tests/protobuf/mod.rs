//! Protocol Buffers written and read by hand, apart from the library that is tested.

/// Nothing for zero.
pub(crate) fn number(tag: u64, value: u64) -> Vec<u8> {
    if value == 0 { Vec::new() } else { [varint(tag << 3), varint(value)].concat() }
}

/// Nothing for an empty one.
pub(crate) fn text(tag: u64, text: &str) -> Vec<u8> {
    if text.is_empty() { Vec::new() } else { bytes(tag, text.as_bytes()) }
}

/// Written even if it is empty.
pub(crate) fn bytes(tag: u64, bytes: &[u8]) -> Vec<u8> {
    [&varint(tag << 3 | 2)[..], &varint(bytes.len() as u64), bytes].concat()
}

/// The fields of a message that has only fields with a length.
#[allow(dead_code, reason = "some tests only write")]
pub(crate) fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = read_varint(&mut bytes);
        assert_eq!(key & 7, 2, "a field with a length");
        let len = usize::try_from(read_varint(&mut bytes)).unwrap();
        let (field, rest) = bytes.split_at(len);
        fields.push((key >> 3, field.to_vec()));
        bytes = rest;
    }
    fields
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

fn read_varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let (first, rest) = bytes.split_first().unwrap();
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            break;
        }
    }
    value
}
