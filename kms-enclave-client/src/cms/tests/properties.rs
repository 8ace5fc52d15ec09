//! Every spelling of the shape opens; everything else is refused under its name.

use std::sync::LazyLock;

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{
    KeySize, OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PrivateDecryptingKey, PublicEncryptingKey,
};
use proptest::prelude::*;
use proptest::sample::Index;

use super::tree::{
    Envelope, INTEGER, NULL, Node, OCTET_STRING, SEQUENCE, SET, Spelling, oid, sequence, spellings, spellings_of_kms,
};
use super::{EnvelopedData, MalformedCms, PAIR, Plaintext, encrypt_content, envelope};
use crate::recipient::RecipientKeyPair;

/// Of 2048, 3072 and 4096 bits.
static PAIRS: LazyLock<[RecipientKeyPair; 3]> = LazyLock::new(|| {
    [KeySize::Rsa2048, KeySize::Rsa3072, KeySize::Rsa4096].map(|size| {
        let der = PrivateDecryptingKey::generate(size).unwrap().as_der().unwrap();
        RecipientKeyPair::from_pkcs8_der(der.as_ref()).unwrap()
    })
});

pub(super) fn wrap(key: &[u8], recipient: &RecipientKeyPair) -> Vec<u8> {
    let public = PublicEncryptingKey::from_der(recipient.public_key_der()).unwrap();
    let public = OaepPublicEncryptingKey::new(public).unwrap();
    let mut wrapped = vec![0; public.ciphertext_size()];
    public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, None).unwrap();
    wrapped
}

fn envelope_of(plaintext: &[u8], recipient: &RecipientKeyPair, is_by_issuer: bool, has_null: [bool; 2]) -> Envelope {
    let (key, iv) = ([3; 32], [4; 16]);
    Envelope {
        identifier: (!is_by_issuer).then(|| recipient.identifier().to_vec()),
        encrypted_key: wrap(&key, recipient),
        iv,
        content: encrypt_content(plaintext, &key, iv).unwrap(),
        has_null,
    }
}

/// Of bytes that mean nothing, for what is refused before anything is decrypted.
fn envelopes() -> impl Strategy<Value = Envelope> {
    let identifier = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 32));
    (identifier, any::<[u8; 32]>(), any::<[u8; 16]>(), prop::collection::vec(any::<u8>(), 0..200), any::<[bool; 2]>())
        .prop_map(|(identifier, key, iv, content, has_null)| Envelope {
            identifier,
            encrypted_key: key.repeat(8),
            iv,
            content,
            has_null,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn every_spelling_of_what_is_sealed_opens(
        size in 0..3_usize,
        plaintext in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            prop::collection::vec(any::<u8>(), 0..=4096),
            prop::collection::vec(any::<u8>(), 4096),
        ],
        is_by_issuer in any::<bool>(),
        has_null in any::<[bool; 2]>(),
        spellings in spellings(),
    ) {
        let recipient = &PAIRS[size];
        let envelope = envelope_of(&plaintext, recipient, is_by_issuer, has_null);
        for spellings in [spellings, vec![Spelling::DER]] {
            let bytes = envelope.tree().spelled(&spellings);
            let data = EnvelopedData::from_bytes(&bytes).unwrap();
            prop_assert_eq!(data.subject_key_identifier(), envelope.identifier.as_deref());
            prop_assert_eq!(data.encrypted_key(), &envelope.encrypted_key);
            prop_assert_eq!((data.iv(), data.encrypted_content()), (&envelope.iv, &envelope.content[..]));
            let len = plaintext.len();
            prop_assert_eq!(data.open_within(recipient, &(len..=len)), Ok(Plaintext::from(plaintext.clone())));
        }
    }

    #[test]
    fn every_other_shape_is_refused_by_name_in_every_spelling(
        envelope in envelopes(),
        spellings in spellings(),
        defect in any::<Index>(),
    ) {
        let defects = defects();
        let (why, expected, damage) = defect.get(&defects);
        let mut tree = envelope.tree();
        prop_assert!(EnvelopedData::from_bytes(&tree.spelled(&spellings)).is_ok());
        damage(&mut tree);
        prop_assert_eq!(EnvelopedData::from_bytes(&tree.spelled(&spellings)), Err(*expected), "{}", why);
    }

    #[test]
    fn a_part_of_an_envelope_or_more_than_one_is_no_ber(
        envelope in envelopes(),
        spellings in spellings(),
        len in any::<Index>(),
        trailing in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let mut bytes = envelope.tree().spelled(&spellings);
        prop_assert_eq!(EnvelopedData::from_bytes(&bytes[..len.index(bytes.len())]), Err(MalformedCms::Ber));
        bytes.extend(trailing);
        prop_assert_eq!(EnvelopedData::from_bytes(&bytes), Err(MalformedCms::Ber));
    }
}

#[test]
fn every_defect_is_refused_by_name() {
    for identifier in [Some(vec![1; 32]), None] {
        let has_null = [identifier.is_some(); 2];
        let envelope =
            Envelope { identifier, encrypted_key: vec![5; 256], iv: [7; 16], content: vec![9; 48], has_null };
        for (why, expected, damage) in defects() {
            let mut tree = envelope.tree();
            damage(&mut tree);
            for spellings in [spellings_of_kms(), vec![Spelling::DER]] {
                assert_eq!(EnvelopedData::from_bytes(&tree.spelled(&spellings)), Err(expected), "{why}");
            }
        }
    }
}

#[test]
fn no_element_may_lack_or_occur_twice_or_be_something_else() {
    let envelope = Envelope {
        identifier: Some(vec![1; 32]),
        encrypted_key: vec![5; 256],
        iv: [7; 16],
        content: vec![9; 48],
        has_null: [true; 2],
    };
    let good = envelope.tree();
    let paths = good.paths();
    assert_eq!(paths.len(), 29);
    for path in &paths[1..] {
        let (last, parent) = path.split_last().unwrap();
        let mut without = good.clone();
        let removed = without.children(parent).remove(*last);
        // The one thing that may lack: what the parameters of SHA-256 say, which is nothing.
        let may_lack = removed == Node::Leaf(NULL, vec![]);
        assert_eq!(EnvelopedData::from_bytes(&without.der()).is_ok(), may_lack, "without {path:?}");
        let mut twice = good.clone();
        twice.children(parent).insert(*last, removed);
        assert!(EnvelopedData::from_bytes(&twice.der()).is_err(), "twice {path:?}");
    }
    for path in &paths {
        for tag in 0..=255 {
            let mut other = good.clone();
            let (Node::Branch(old, _) | Node::Leaf(old, _) | Node::String(old, _)) = other.at(path);
            if tag != *old {
                *old = tag;
                assert!(EnvelopedData::from_bytes(&other.der()).is_err(), "{path:?} with tag {tag:#04x}");
            }
        }
    }
}

#[test]
fn the_spelling_of_kms_is_the_simulators() {
    let sealed = envelope_of(&[1; 32], &PAIR, false, [true; 2]);
    let bytes = sealed.tree().spelled(&spellings_of_kms());
    assert_eq!(bytes.len(), 493);
    assert_eq!(bytes, envelope(PAIR.identifier(), &sealed.encrypted_key, &sealed.iv, &sealed.content));
}

type Damage = fn(&mut Node);

/// Why it is one, what it is called, and how it is made.
type Defect = (&'static str, MalformedCms, Damage);

const ENVELOPED: [usize; 2] = [1, 0];
const RECIPIENTS: [usize; 3] = [1, 0, 1];
const RECIPIENT: [usize; 4] = [1, 0, 1, 0];
const KEY_ENCRYPTION: [usize; 5] = [1, 0, 1, 0, 2];
const OAEP: [usize; 6] = [1, 0, 1, 0, 2, 1];
const HASH: [usize; 8] = [1, 0, 1, 0, 2, 1, 0, 0];
const MASK: [usize; 8] = [1, 0, 1, 0, 2, 1, 1, 0];
const MASK_HASH: [usize; 9] = [1, 0, 1, 0, 2, 1, 1, 0, 1];
const CONTENT: [usize; 3] = [1, 0, 2];
const CONTENT_ENCRYPTION: [usize; 4] = [1, 0, 2, 1];

/// What may be wrong with an envelope that is otherwise right.
fn defects() -> Vec<Defect> {
    [kinds(), key_encryptions(), content_encryptions()].concat()
}

fn kinds() -> Vec<Defect> {
    use MalformedCms::{Ber, ContentType, NoContent, Recipients, UnexpectedField, Version};
    vec![
        ("data", ContentType, |tree| tree.children(&[])[0] = oid("2a864886f70d010701")),
        ("signedData", ContentType, |tree| tree.children(&[])[0] = oid("2a864886f70d010702")),
        ("envelopedData of envelopedData", ContentType, |tree| tree.children(&CONTENT)[0] = oid("2a864886f70d010703")),
        ("another version", Version, |tree| tree.children(&ENVELOPED)[0] = Node::Leaf(INTEGER, vec![3])),
        ("the version of the other naming", Version, |tree| other_version(tree.at(&[1, 0, 0]))),
        ("the recipient's version of the other naming", Version, |tree| other_version(tree.at(&[1, 0, 1, 0, 0]))),
        ("a version that CMS has not", Ber, |tree| tree.children(&ENVELOPED)[0] = Node::Leaf(INTEGER, vec![6])),
        ("no recipient", Recipients, |tree| tree.children(&RECIPIENTS).clear()),
        ("a recipient twice", Recipients, |tree| {
            let again = tree.at(&RECIPIENT).clone();
            tree.children(&RECIPIENTS).push(again);
        }),
        ("two recipients, the larger first", Recipients, |tree| {
            let mut other = tree.at(&RECIPIENT).clone();
            other.children(&[])[3] = Node::String(OCTET_STRING, vec![0; 256]);
            tree.children(&RECIPIENTS).push(other);
        }),
        ("key agreement", Recipients, |tree| {
            let originator = Node::Branch(0xa0, vec![Node::Leaf(0x80, vec![1; 20])]);
            let parts = vec![version(3), originator, ecdh(), sequence([])];
            tree.children(&RECIPIENTS)[0] = Node::Branch(0xa1, parts);
        }),
        ("a key encryption key", Recipients, |tree| {
            let identifier = sequence([Node::Leaf(OCTET_STRING, vec![1; 16])]);
            let parts = vec![version(4), identifier, ecdh(), Node::Leaf(OCTET_STRING, vec![1; 40])];
            tree.children(&RECIPIENTS)[0] = Node::Branch(0xa2, parts);
        }),
        ("a password", Recipients, |tree| {
            let parts = vec![version(0), ecdh(), Node::Leaf(OCTET_STRING, vec![1; 40])];
            tree.children(&RECIPIENTS)[0] = Node::Branch(0xa3, parts);
        }),
        ("another kind of recipient", Recipients, |tree| {
            tree.children(&RECIPIENTS)[0] = Node::Branch(0xa4, vec![oid("2a0304"), Node::Leaf(NULL, vec![])]);
        }),
        ("originator information", UnexpectedField, |tree| {
            tree.children(&ENVELOPED).insert(1, Node::Branch(0xa0, vec![]));
        }),
        ("an unprotected attribute", UnexpectedField, |tree| {
            let values = Node::Branch(SET, vec![Node::Leaf(NULL, vec![])]);
            tree.children(&ENVELOPED).push(Node::Branch(0xa1, vec![sequence([oid("2a0304"), values])]));
        }),
        ("no content", NoContent, |tree| drop(tree.children(&CONTENT).pop())),
        ("content that is no octets", Ber, |tree| {
            tree.children(&CONTENT)[2] = Node::Branch(0xa0, vec![Node::Leaf(INTEGER, vec![1])]);
        }),
        ("content that is partly no octets", Ber, |tree| {
            let pieces = vec![Node::Leaf(OCTET_STRING, vec![1; 16]), Node::Leaf(INTEGER, vec![1])];
            tree.children(&CONTENT)[2] = Node::Branch(0xa0, pieces);
        }),
        ("more nesting than CMS has", Ber, |tree| {
            let mut value = Node::Leaf(NULL, vec![]);
            for _ in 0..12 {
                value = sequence([value]);
            }
            tree.children(&CONTENT_ENCRYPTION)[1] = value;
        }),
    ]
}

fn key_encryptions() -> Vec<Defect> {
    let named: [(&'static str, Damage); 14] = [
        ("PKCS #1 v1.5", |tree| tree.children(&KEY_ENCRYPTION)[0] = oid("2a864886f70d010101")),
        ("no parameters", |tree| drop(tree.children(&KEY_ENCRYPTION).pop())),
        ("parameters that are NULL", |tree| tree.children(&KEY_ENCRYPTION)[1] = Node::Leaf(NULL, vec![])),
        ("parameters in a SET", |tree| *tree.at(&OAEP) = Node::Branch(SET, tree.children(&OAEP).clone())),
        ("SHA-1 throughout, by default", |tree| tree.children(&OAEP).clear()),
        ("SHA-1 by default", |tree| drop(tree.children(&OAEP).remove(0))),
        ("MGF1 with SHA-1 by default", |tree| drop(tree.children(&OAEP).remove(1))),
        ("SHA-1", |tree| tree.children(&HASH)[0] = oid("2b0e03021a")),
        ("SHA-384", |tree| tree.children(&HASH)[0] = oid("608648016503040202")),
        ("another mask generator", |tree| tree.children(&MASK)[0] = oid("2a864886f70d010109")),
        ("MGF1 without a hash", |tree| drop(tree.children(&MASK).pop())),
        ("MGF1 with SHA-512", |tree| tree.children(&MASK_HASH)[0] = oid("608648016503040203")),
        ("a hash with parameters", |tree| {
            tree.children(&HASH).truncate(1);
            tree.children(&HASH).push(Node::Leaf(INTEGER, vec![0]));
        }),
        ("a label, though empty", |tree| {
            let label = sequence([oid("2a864886f70d010109"), Node::Leaf(OCTET_STRING, vec![])]);
            tree.children(&OAEP).push(Node::Branch(0xa2, vec![label]));
        }),
    ];
    named.map(|(why, damage)| (why, MalformedCms::KeyEncryption, damage)).into()
}

fn content_encryptions() -> Vec<Defect> {
    let named: [(&'static str, Damage); 9] = [
        ("aes128-CBC", |tree| tree.children(&CONTENT_ENCRYPTION)[0] = oid("608648016503040102")),
        ("aes256-ECB", |tree| tree.children(&CONTENT_ENCRYPTION)[0] = oid("608648016503040129")),
        ("aes256-GCM", |tree| tree.children(&CONTENT_ENCRYPTION)[0] = oid("60864801650304012e")),
        ("des-ede3-cbc", |tree| tree.children(&CONTENT_ENCRYPTION)[0] = oid("2a864886f70d0307")),
        ("no IV", |tree| drop(tree.children(&CONTENT_ENCRYPTION).pop())),
        ("an empty IV", |tree| tree.children(&CONTENT_ENCRYPTION)[1] = Node::String(OCTET_STRING, vec![])),
        ("a short IV", |tree| tree.children(&CONTENT_ENCRYPTION)[1] = Node::String(OCTET_STRING, vec![7; 15])),
        ("a long IV", |tree| tree.children(&CONTENT_ENCRYPTION)[1] = Node::String(OCTET_STRING, vec![7; 17])),
        ("an IV that is NULL", |tree| tree.children(&CONTENT_ENCRYPTION)[1] = Node::Leaf(NULL, vec![])),
    ];
    named.map(|(why, damage)| (why, MalformedCms::ContentEncryption, damage)).into()
}

fn version(number: u8) -> Node {
    Node::Leaf(INTEGER, vec![number])
}

/// 0 for 2 and 2 for 0.
fn other_version(version: &mut Node) {
    let Node::Leaf(_, number) = version else { panic!("{version:?} is no number") };
    number[0] ^= 2;
}

/// Some algorithm for recipients of another kind.
fn ecdh() -> Node {
    Node::Branch(SEQUENCE, vec![oid("2b81040108")])
}
