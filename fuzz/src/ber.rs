//! BER (X.690) read into a tree and written from one, for the oracle of `kms_cms`; written for it alone.

/// An element with its identifier octet: tag numbers up to 30 are all there are here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    pub tag: u8,
    pub content: Content,
}

/// What an element consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Primitive(Vec<u8>),
    Constructed(Vec<Element>),
}

impl Element {
    #[must_use]
    pub fn primitive(tag: u8, value: &[u8]) -> Self {
        Self { tag, content: Content::Primitive(value.to_vec()) }
    }

    #[must_use]
    pub fn constructed(tag: u8, children: Vec<Self>) -> Self {
        Self { tag, content: Content::Constructed(children) }
    }

    /// Reads one element and nothing after it, if it nests no deeper than `levels`.
    #[must_use]
    pub fn parse(bytes: &[u8], levels: usize) -> Option<Self> {
        let mut input = bytes;
        let element = Self::read(&mut input, levels)?;
        input.is_empty().then_some(element)
    }

    fn read(input: &mut &[u8], levels: usize) -> Option<Self> {
        let levels = levels.checked_sub(1)?;
        let [tag, length, rest @ ..] = *input else { return None };
        *input = rest;
        if tag & 0x1f == 0x1f || *tag == 0 {
            return None;
        }
        let is_constructed = tag & 0x20 != 0;
        let mut value = match length {
            0x80 if is_constructed => {
                let mut children = Vec::new();
                while !input.starts_with(&[0, 0]) {
                    children.push(Self::read(input, levels)?);
                }
                *input = &input[2..];
                return Some(Self::constructed(*tag, children));
            }
            0..0x80 => take(input, usize::from(*length))?,
            0x81..=0x84 => {
                let octets = take(input, usize::from(length - 0x80))?;
                let mut len = [0; 8];
                len[8 - octets.len()..].copy_from_slice(octets);
                take(input, usize::try_from(u64::from_be_bytes(len)).ok()?)?
            }
            // No more octets than four; and a primitive element has a definite length.
            _ => return None,
        };
        if !is_constructed {
            return Some(Self::primitive(*tag, value));
        }
        let mut children = Vec::new();
        while !value.is_empty() {
            children.push(Self::read(&mut value, levels)?);
        }
        Some(Self::constructed(*tag, children))
    }

    /// The children, if the tag is this one.
    #[must_use]
    pub fn children(&self, tag: u8) -> Option<&[Self]> {
        match &self.content {
            Content::Constructed(children) if self.tag == tag => Some(children),
            _ => None,
        }
    }

    /// The value, if the tag is this one.
    #[must_use]
    pub fn value(&self, tag: u8) -> Option<&[u8]> {
        match &self.content {
            Content::Primitive(value) if self.tag == tag => Some(value),
            _ => None,
        }
    }

    /// The value of a string whose primitive form has this tag, whole or in pieces.
    #[must_use]
    pub fn string(&self, tag: u8) -> Option<Vec<u8>> {
        match &self.content {
            Content::Primitive(value) if self.tag == tag => Some(value.clone()),
            Content::Constructed(pieces) if self.tag == tag | 0x20 => {
                let pieces: Option<Vec<_>> = pieces.iter().map(|piece| piece.string(0x04)).collect();
                Some(pieces?.concat())
            }
            _ => None,
        }
    }

    /// Writes it; each element takes one of `spellings`, from the beginning again when they are used up.
    #[must_use]
    pub fn spelled(&self, spellings: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut spellings.iter().copied().chain([0]).cycle(), &mut out);
        out
    }

    /// The low two bits of a spelling choose the form of the length; a string with the third is in pieces of as many
    /// times 16 bytes as the others say.
    fn write(&self, spellings: &mut dyn Iterator<Item = u8>, out: &mut Vec<u8>) {
        let spelling = spellings.next().unwrap_or(0);
        match &self.content {
            Content::Primitive(value) if spelling & 4 != 0 && is_string(self.tag) => {
                let piece_len = 16 * (1 + usize::from(spelling >> 3));
                let pieces = value.chunks(piece_len).map(|piece| Self::primitive(0x04, piece)).collect();
                let in_pieces = Self::constructed(self.tag | 0x20, pieces);
                // The pieces are whole.
                in_pieces.write(&mut [spelling].into_iter().chain(spellings).map(|spelling| spelling & 3), out);
            }
            Content::Primitive(value) => put(self.tag, if spelling & 3 == 3 { 0 } else { spelling & 3 }, value, out),
            Content::Constructed(children) => {
                let mut value = Vec::new();
                children.iter().for_each(|child| child.write(spellings, &mut value));
                put(self.tag, spelling & 3, &value, out);
            }
        }
    }
}

/// Strings of octets: by their own tag, or by that of the identifier and the content.
fn is_string(tag: u8) -> bool {
    tag == 0x04 || tag == 0x80
}

/// 0: the shortest length; 1 and 2: in three and four octets; 3: indefinite.
fn put(tag: u8, form: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let octets = value.len().to_be_bytes();
    match form {
        3 => {
            out.push(0x80);
            out.extend(value);
            return out.extend([0, 0]);
        }
        2 => out.extend([&[0x84], &octets[4..]].concat()),
        1 => out.extend([&[0x83], &octets[5..]].concat()),
        _ if value.len() < 0x80 => out.push(octets[7]),
        _ if value.len() < 0x100 => out.extend([0x81, octets[7]]),
        _ => out.extend([0x82, octets[6], octets[7]]),
    }
    out.extend(value);
}

fn take<'a>(input: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, rest) = input.split_at_checked(len)?;
    *input = rest;
    Some(taken)
}
