use aws_lc_rs::rsa::PublicEncryptingKey;
use proptest::prelude::*;
use std::sync::LazyLock;

use super::seal::{
    CONTEXT_0, CONTEXT_0_CONSTRUCTED, OAEP_SHA256_PARAMETERS, OCTET_STRING, OID_AES_256_CBC, OID_DATA,
    OID_ENVELOPED_DATA, OID_RSAES_OAEP, SEQUENCE, SET, VERSION_2, encrypt_content, envelope, indefinite, seal,
};
use super::shape::definite;
use super::*;
use crate::recipient::RecipientKeyPair;

mod opaque;
mod properties;
mod tree;

static PAIR: LazyLock<RecipientKeyPair> = LazyLock::new(|| RecipientKeyPair::generate().unwrap());

fn sealed(plaintext: &[u8]) -> Vec<u8> {
    let public_der = PAIR.public_key_der();
    seal(plaintext, &PublicEncryptingKey::from_der(public_der).unwrap(), public_der).unwrap()
}

fn open(bytes: &[u8]) -> Result<Plaintext, DecryptError> {
    EnvelopedData::from_bytes(bytes).expect("well-formed").open(&PAIR)
}

/// The parts of an envelope, so that each test changes one.
struct Parts {
    content_type: Vec<u8>,
    version: Vec<u8>,
    before_recipients: Vec<u8>,
    recipients: Vec<Vec<u8>>,
    inner_type: Vec<u8>,
    encryption: Vec<u8>,
    content: Vec<u8>,
    after_content: Vec<u8>,
}

impl Parts {
    fn good() -> Self {
        Self {
            content_type: OID_ENVELOPED_DATA.to_vec(),
            version: VERSION_2.to_vec(),
            before_recipients: vec![],
            recipients: vec![recipient(VERSION_2, &rid(), &oaep(OAEP_SHA256_PARAMETERS))],
            inner_type: OID_DATA.to_vec(),
            encryption: definite(SEQUENCE, &[OID_AES_256_CBC, &definite(OCTET_STRING, &[&[7; 16]])]),
            content: indefinite(CONTEXT_0_CONSTRUCTED, &[&definite(OCTET_STRING, &[&[9; 48]])]),
            after_content: vec![],
        }
    }

    fn ber(&self) -> Vec<u8> {
        let info = indefinite(SEQUENCE, &[&self.inner_type, &self.encryption, &self.content]);
        let set = definite(SET, &[&self.recipients.concat()]);
        let enveloped =
            indefinite(SEQUENCE, &[&self.version, &self.before_recipients, &set, &info, &self.after_content]);
        indefinite(SEQUENCE, &[&self.content_type, &indefinite(CONTEXT_0_CONSTRUCTED, &[&enveloped])])
    }

    /// The same with definite lengths throughout and primitive content, as DER wants it.
    fn der(&self) -> Vec<u8> {
        let content = definite(CONTEXT_0, &[&[9; 48]]);
        let info = definite(SEQUENCE, &[&self.inner_type, &self.encryption, &content]);
        let set = definite(SET, &[&self.recipients.concat()]);
        let enveloped = definite(SEQUENCE, &[&self.version, &set, &info]);
        definite(SEQUENCE, &[&self.content_type, &definite(CONTEXT_0_CONSTRUCTED, &[&enveloped])])
    }
}

fn rid() -> Vec<u8> {
    definite(CONTEXT_0, &[PAIR.identifier()])
}

fn oaep(parameters: &[u8]) -> Vec<u8> {
    definite(SEQUENCE, &[OID_RSAES_OAEP, parameters])
}

fn recipient(version: &[u8], rid: &[u8], algorithm: &[u8]) -> Vec<u8> {
    definite(SEQUENCE, &[version, rid, algorithm, &definite(OCTET_STRING, &[&[5; 256]])])
}

/// `issuerAndSerialNumber` with an empty name, as emulators write it.
fn issuer_and_serial() -> Vec<u8> {
    definite(SEQUENCE, &[&[0x30, 0x00], &[0x02, 0x01, 0x01]])
}

fn error(parts: &Parts) -> MalformedCms {
    EnvelopedData::from_bytes(&parts.ber()).unwrap_err()
}

#[test]
fn what_is_sealed_has_the_size_and_the_beginning_of_the_real_thing() {
    let bytes = sealed(&[1; 32]);
    assert_eq!(bytes.len(), 493);
    assert_eq!(hex::encode(&bytes[..24]), "308006092a864886f70d010703a08030800201023182016b");
    assert_eq!(hex::encode(&bytes[bytes.len() - 10..]), "00".repeat(10));
    assert_eq!(open(&bytes).unwrap(), Plaintext::from(vec![1; 32]));
}

#[test]
fn der_and_an_issuer_named_recipient_are_read_too() {
    let parts = Parts {
        version: vec![0x02, 0x01, 0x00],
        recipients: vec![recipient(&[0x02, 0x01, 0x00], &issuer_and_serial(), &oaep(OAEP_SHA256_PARAMETERS))],
        ..Parts::good()
    };
    for bytes in [parts.ber(), parts.der()] {
        let data = EnvelopedData::from_bytes(&bytes).unwrap();
        assert_eq!(data.subject_key_identifier(), None);
        assert_eq!((data.encrypted_key().len(), data.iv(), data.encrypted_content()), (256, &[7; 16], &[9; 48][..]));
    }
    assert_eq!(EnvelopedData::from_bytes(&Parts::good().der()).unwrap().encrypted_content(), [9; 48]);
}

#[test]
fn content_in_several_octet_strings_is_joined() {
    let [one, two] = [definite(OCTET_STRING, &[&[1; 16]]), definite(OCTET_STRING, &[&[2; 32]])];
    // Pieces may themselves be in pieces.
    let nested = definite(OCTET_STRING | 0x20, &[&two]);
    for pieces in [[&*one, &two].concat(), [&*one, &nested].concat()] {
        for content in [indefinite, definite].map(|element| element(CONTEXT_0_CONSTRUCTED, &[&pieces])) {
            let data = EnvelopedData::from_bytes(&Parts { content, ..Parts::good() }.ber()).unwrap();
            assert_eq!(data.encrypted_content(), [[1; 16], [2; 16], [2; 16]].concat());
        }
    }
}

#[test]
fn every_other_shape_is_refused_by_name() {
    let good = Parts::good;
    assert!(EnvelopedData::from_bytes(&good().ber()).is_ok());
    assert_eq!(error(&Parts { content_type: OID_DATA.to_vec(), ..good() }), MalformedCms::ContentType);
    assert_eq!(error(&Parts { inner_type: OID_ENVELOPED_DATA.to_vec(), ..good() }), MalformedCms::ContentType);
    assert_eq!(error(&Parts { version: vec![0x02, 0x01, 0x00], ..good() }), MalformedCms::Version);
    assert_eq!(error(&Parts { content: vec![], ..good() }), MalformedCms::NoContent);
    assert_eq!(error(&Parts { recipients: vec![], ..good() }), MalformedCms::Recipients);
    let two = vec![
        recipient(VERSION_2, &definite(CONTEXT_0, &[&[1; 32]]), &oaep(OAEP_SHA256_PARAMETERS)),
        recipient(VERSION_2, &definite(CONTEXT_0, &[&[2; 32]]), &oaep(OAEP_SHA256_PARAMETERS)),
    ];
    assert_eq!(error(&Parts { recipients: two, ..good() }), MalformedCms::Recipients);
    let originator = definite(0xa0, &[]);
    assert_eq!(error(&Parts { before_recipients: originator, ..good() }), MalformedCms::UnexpectedField);
    let attributes = definite(0xa1, &[]);
    assert_eq!(error(&Parts { after_content: attributes, ..good() }), MalformedCms::UnexpectedField);
    let mismatched = vec![recipient(&[0x02, 0x01, 0x00], &rid(), &oaep(OAEP_SHA256_PARAMETERS))];
    assert_eq!(error(&Parts { recipients: mismatched, ..good() }), MalformedCms::Version);
    for iv in [&[7; 15][..], &[7; 17], &[]] {
        let encryption = definite(SEQUENCE, &[OID_AES_256_CBC, &definite(OCTET_STRING, &[iv])]);
        assert_eq!(error(&Parts { encryption, ..good() }), MalformedCms::ContentEncryption);
    }
    // aes128-CBC is .2, aes256-GCM is .46.
    for arc in [0x02, 0x2e] {
        let mut oid = OID_AES_256_CBC.to_vec();
        *oid.last_mut().unwrap() = arc;
        let encryption = definite(SEQUENCE, &[&oid, &definite(OCTET_STRING, &[&[7; 16]])]);
        assert_eq!(error(&Parts { encryption, ..good() }), MalformedCms::ContentEncryption);
    }
}

#[test]
fn oaep_must_be_spelled_out_as_sha_256_throughout() {
    let with =
        |algorithm: &[u8]| error(&Parts { recipients: vec![recipient(VERSION_2, &rid(), algorithm)], ..Parts::good() });
    let changed = |position: usize| {
        let mut parameters = OAEP_SHA256_PARAMETERS.to_vec();
        parameters[position] ^= 0x03;
        with(&oaep(&parameters))
    };
    // No parameters, and an empty sequence: both mean SHA-1.
    assert_eq!(with(&oaep(&[])), MalformedCms::KeyEncryption);
    assert_eq!(with(&oaep(&[0x30, 0x00])), MalformedCms::KeyEncryption);
    // Another hash, another mask generator, another hash inside it: the last bytes of the three object identifiers.
    for position in [16, 33, 46] {
        assert_eq!(changed(position), MalformedCms::KeyEncryption, "{position}");
    }
    // A label, even an empty one, and rsaEncryption (PKCS #1 v1.5).
    let label = definite(0xa2, &[&definite(SEQUENCE, &[&PSPECIFIED_EMPTY])]);
    let labelled = definite(SEQUENCE, &[&OAEP_SHA256_PARAMETERS[2..], &label]);
    assert_eq!(with(&oaep(&labelled)), MalformedCms::KeyEncryption);
    let mut pkcs1 = OID_RSAES_OAEP.to_vec();
    *pkcs1.last_mut().unwrap() = 0x01;
    assert_eq!(with(&definite(SEQUENCE, &[&pkcs1, OAEP_SHA256_PARAMETERS])), MalformedCms::KeyEncryption);
}

#[test]
fn nothing_may_follow_and_nothing_may_lack() {
    let bytes = sealed(&[1; 32]);
    for trailing in [&[0][..], &[0, 0], &[0x30, 0x00]] {
        assert_eq!(EnvelopedData::from_bytes(&[&bytes, trailing].concat()), Err(MalformedCms::Ber));
    }
    for len in 0..bytes.len() {
        assert_eq!(EnvelopedData::from_bytes(&bytes[..len]), Err(MalformedCms::Ber), "first {len} bytes");
    }
    let long = [bytes, vec![0; EnvelopedData::MAX_LEN]].concat();
    let too_long = MalformedCms::TooLong { len: long.len(), max: EnvelopedData::MAX_LEN };
    assert_eq!(EnvelopedData::from_bytes(&long), Err(too_long));
}

#[test]
fn every_structural_byte_matters() {
    let bytes = sealed(&[1; 32]);
    let data = EnvelopedData::from_bytes(&bytes).unwrap();
    let variable = [data.encrypted_key(), data.iv(), data.encrypted_content()].map(|part| {
        let start = bytes.windows(part.len()).position(|window| window == part).unwrap();
        start..start + part.len()
    });
    for position in (0..bytes.len()).filter(|position| variable.iter().all(|range| !range.contains(position))) {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[position] ^= 1 << bit;
            let opened = EnvelopedData::from_bytes(&changed).map(|data| data.open(&PAIR));
            assert!(!matches!(opened, Ok(Ok(_))), "byte {position}, bit {bit}");
        }
    }
}

#[test]
fn bad_key_bad_length_and_bad_padding_are_one_error() {
    let key = [3; 32];
    let wrap = |key: &[u8]| {
        use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey};
        let public = PublicEncryptingKey::from_der(PAIR.public_key_der()).unwrap();
        let public = OaepPublicEncryptingKey::new(public).unwrap();
        let mut wrapped = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA256_MGF1SHA256, key, &mut wrapped, None).unwrap();
        wrapped
    };
    let iv = [4; 16];
    let content = encrypt_content(b"secret", &key, iv).unwrap();
    let good = envelope(PAIR.identifier(), &wrap(&key), &iv, &content);
    assert_eq!(open(&good), Ok(Plaintext::from(b"secret".to_vec())));
    let mut bad_padding = content.clone();
    bad_padding[15] ^= 0x80;
    let other = RecipientKeyPair::generate().unwrap();
    for (why, bytes) in [
        ("not OAEP", envelope(PAIR.identifier(), &[5; 256], &iv, &content)),
        ("short encrypted key", envelope(PAIR.identifier(), &[5; 255], &iv, &content)),
        ("AES-128 content key", envelope(PAIR.identifier(), &wrap(&key[..16]), &iv, &content)),
        ("another content key", envelope(PAIR.identifier(), &wrap(&[8; 32]), &iv, &content)),
        ("not whole blocks", envelope(PAIR.identifier(), &wrap(&key), &iv, &content[..15])),
        ("no content", envelope(PAIR.identifier(), &wrap(&key), &iv, &[])),
        ("bad padding", envelope(PAIR.identifier(), &wrap(&key), &iv, &bad_padding)),
        ("another recipient", envelope(other.identifier(), &wrap(&key), &iv, &content)),
        ("a short identifier", envelope(&PAIR.identifier()[..31], &wrap(&key), &iv, &content)),
    ] {
        assert_eq!(open(&bytes), Err(DecryptError), "{why}");
    }
    assert_eq!(EnvelopedData::from_bytes(&good).unwrap().open(&other), Err(DecryptError));
    assert!(EnvelopedData::from_bytes(&good).unwrap().open_within(&PAIR, &(6..=6)).is_ok());
    assert_eq!(EnvelopedData::from_bytes(&good).unwrap().open_within(&PAIR, &(7..=7)), Err(DecryptError));
}

#[test]
fn the_error_has_no_detail() {
    assert_eq!(size_of::<DecryptError>(), 0);
    assert_eq!(DecryptError.to_string(), "the enveloped data cannot be opened");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn sealing_then_opening_gives_the_plaintext(plaintext in prop::collection::vec(any::<u8>(), 0..4096)) {
        prop_assert_eq!(open(&sealed(&plaintext)), Ok(Plaintext::from(plaintext)));
    }

    #[test]
    fn a_corrupted_envelope_gives_an_error_and_never_a_panic(
        position in 0..493_usize,
        flip in 1..=255_u8,
    ) {
        let mut bytes = sealed(&[1; 32]);
        bytes[position] ^= flip;
        match EnvelopedData::from_bytes(&bytes) {
            Err(_) => {}
            Ok(data) => match data.open(&PAIR) {
                Err(DecryptError) => {}
                // CBC has no integrity check: bits flipped in IV or content may survive as another plaintext.
                Ok(other) => prop_assert!(position > 400, "byte {} {:02x}: {:?}", position, flip, other.as_bytes()),
            },
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        let _outcome = EnvelopedData::from_bytes(&bytes).map(|data| data.open(&PAIR));
    }
}

/// The members of `pSpecified` with an empty label.
const PSPECIFIED_EMPTY: [u8; 13] = [0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x09, 0x04, 0x00];
