//! Enveloped data as a tree, and an encoder of its own that spells it in each way that BER allows.

use proptest::prelude::*;

/// An element of ASN.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Node {
    /// A tag and children.
    Branch(u8, Vec<Node>),
    /// A tag and a value.
    Leaf(u8, Vec<u8>),
    /// The tag of an octet string's primitive form, and the value: it may come in pieces.
    String(u8, Vec<u8>),
}

impl Node {
    /// The element at the end of a path of child positions.
    pub(super) fn at(&mut self, path: &[usize]) -> &mut Node {
        match (self, path) {
            (node, []) => node,
            (Node::Branch(_, children), [first, rest @ ..]) => children[*first].at(rest),
            (node, path) => panic!("{node:?} has no {path:?}"),
        }
    }

    pub(super) fn children(&mut self, path: &[usize]) -> &mut Vec<Node> {
        match self.at(path) {
            Node::Branch(_, children) => children,
            node => panic!("{node:?} has no children"),
        }
    }

    /// Of this and everything below it.
    pub(super) fn paths(&self) -> Vec<Vec<usize>> {
        let Node::Branch(_, children) = self else { return vec![vec![]] };
        let below = children
            .iter()
            .enumerate()
            .flat_map(|(position, child)| child.paths().into_iter().map(move |path| [vec![position], path].concat()));
        std::iter::once(vec![]).chain(below).collect()
    }

    pub(super) fn der(&self) -> Vec<u8> {
        self.spelled(&[Spelling::DER])
    }

    /// Takes a spelling for each element, from the beginning again if they do not suffice.
    pub(super) fn spelled(&self, spellings: &[Spelling]) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut spellings.iter().copied().cycle(), &mut out);
        out
    }

    fn write(&self, spellings: &mut impl Iterator<Item = Spelling>, out: &mut Vec<u8>) {
        let spelling = spellings.next().expect("endless");
        match self {
            Self::Branch(tag, children) => {
                let mut content = Vec::new();
                children.iter().for_each(|child| child.write(spellings, &mut content));
                spelling.length.constructed(*tag, &content, out);
            }
            Self::Leaf(tag, value) => spelling.length.primitive(*tag, value, out),
            Self::String(tag, value) => match spelling.piece_len {
                None => spelling.length.primitive(*tag, value, out),
                Some(len) => {
                    let mut content = Vec::new();
                    for piece in value.chunks(len) {
                        let Spelling { length, piece_len } = spellings.next().expect("endless");
                        // A piece may be in pieces itself.
                        let inner = Spelling { length, piece_len: None };
                        let nested = Spelling { length, piece_len: piece_len.filter(|_| len > 512) };
                        let piece = Self::String(OCTET_STRING, piece.to_vec());
                        piece.write(&mut std::iter::once(nested).chain(std::iter::repeat(inner)), &mut content);
                    }
                    spelling.length.constructed(*tag | 0x20, &content, out);
                }
            },
        }
    }
}

/// How one element is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spelling {
    length: Length,
    /// Of a string, unless it is whole.
    piece_len: Option<usize>,
}

impl Spelling {
    pub(super) const DER: Self = Self { length: Length::Shortest, piece_len: None };
}

#[derive(Clone, Copy, Debug)]
enum Length {
    Shortest,
    /// In so many octets after the first, if they suffice.
    Long(usize),
    /// Of a primitive element: the shortest.
    Indefinite,
}

impl Length {
    fn primitive(self, tag: u8, value: &[u8], out: &mut Vec<u8>) {
        let octets = value.len().to_be_bytes();
        let needed = 8 - octets.iter().take_while(|octet| **octet == 0).count();
        out.push(tag);
        match self {
            Self::Long(count) => write_long(count.max(needed), &octets, out),
            _ if value.len() < 0x80 => out.push(octets[7]),
            _ => write_long(needed, &octets, out),
        }
        out.extend(value);
    }

    fn constructed(self, tag: u8, content: &[u8], out: &mut Vec<u8>) {
        if matches!(self, Self::Indefinite) {
            out.extend([tag, 0x80]);
            out.extend(content);
            out.extend([0, 0]);
        } else {
            self.primitive(tag, content, out);
        }
    }
}

fn write_long(count: usize, octets: &[u8; 8], out: &mut Vec<u8>) {
    out.push(0x80 | u8::try_from(count).unwrap());
    out.extend(&octets[8 - count..]);
}

/// Enough of them for an envelope without pieces.
pub(super) fn spellings() -> impl Strategy<Value = Vec<Spelling>> {
    let length = prop_oneof![Just(Length::Shortest), (1..=4_usize).prop_map(Length::Long), Just(Length::Indefinite)];
    let piece_len = prop_oneof![3 => Just(None), 1 => (16..=1024_usize).prop_map(Some)];
    prop::collection::vec((length, piece_len).prop_map(|(length, piece_len)| Spelling { length, piece_len }), 32..=40)
}

/// The spelling that KMS has: what is not in the set of recipients is indefinite, and the content is in one piece.
pub(super) fn spellings_of_kms() -> Vec<Spelling> {
    let indefinite = Spelling { length: Length::Indefinite, piece_len: None };
    let content = Spelling { length: Length::Indefinite, piece_len: Some(8192) };
    let mut spellings = vec![Spelling::DER; 64];
    // ContentInfo, [0], EnvelopedData, EncryptedContentInfo: parents come before their children.
    for position in [0, 2, 3, 23] {
        spellings[position] = indefinite;
    }
    spellings[28] = content;
    spellings
}

/// The parts of an envelope that opens.
#[derive(Clone, Debug)]
pub(super) struct Envelope {
    /// Or else the recipient is named by issuer and serial number.
    pub(super) identifier: Option<Vec<u8>>,
    pub(super) encrypted_key: Vec<u8>,
    pub(super) iv: [u8; 16],
    pub(super) content: Vec<u8>,
    /// Whether the parameters of the two hashes are NULL rather than absent.
    pub(super) has_null: [bool; 2],
}

impl Envelope {
    pub(super) fn tree(&self) -> Node {
        let version = Node::Leaf(INTEGER, vec![if self.identifier.is_some() { 2 } else { 0 }]);
        let rid = match &self.identifier {
            Some(identifier) => Node::String(0x80, identifier.clone()),
            None => sequence([
                sequence([Node::Branch(SET, vec![sequence([oid("550403"), Node::Leaf(0x0c, b"a name".to_vec())])])]),
                Node::Leaf(INTEGER, vec![0x01, 0x02]),
            ]),
        };
        let recipient = sequence([
            version.clone(),
            rid,
            sequence([oid("2a864886f70d010107"), oaep_parameters(self.has_null)]),
            Node::String(OCTET_STRING, self.encrypted_key.clone()),
        ]);
        let content = sequence([
            oid("2a864886f70d010701"),
            sequence([oid("60864801650304012a"), Node::String(OCTET_STRING, self.iv.to_vec())]),
            Node::String(0x80, self.content.clone()),
        ]);
        let enveloped = sequence([version, Node::Branch(SET, vec![recipient]), content]);
        sequence([oid("2a864886f70d010703"), Node::Branch(0xa0, vec![enveloped])])
    }
}

fn oaep_parameters(has_null: [bool; 2]) -> Node {
    let [hash, mask_hash] = has_null.map(|has_null| {
        let mut hash = vec![oid("608648016503040201")];
        hash.extend(has_null.then(|| Node::Leaf(NULL, vec![])));
        Node::Branch(SEQUENCE, hash)
    });
    let mask = sequence([oid("2a864886f70d010108"), mask_hash]);
    sequence([Node::Branch(0xa0, vec![hash]), Node::Branch(0xa1, vec![mask])])
}

pub(super) fn sequence<const N: usize>(children: [Node; N]) -> Node {
    Node::Branch(SEQUENCE, children.to_vec())
}

/// By its content in hexadecimal.
pub(super) fn oid(content: &str) -> Node {
    Node::Leaf(OID, hex::decode(content).unwrap())
}

pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const NULL: u8 = 0x05;
const OID: u8 = 0x06;
pub(super) const SEQUENCE: u8 = 0x30;
pub(super) const SET: u8 = 0x31;
