//! Documents that nobody signed: refused by every verifier, and taken by whoever asks for exactly them.
#![allow(clippy::unwrap_used, reason = "clippy.toml exempts test functions, not their helpers")]

mod support;

use std::time::Duration;

use ciborium::Value;
use nsm_attest::danger::{self, Relaxations};
use nsm_attest::sim::{Authority, SimulatedNsm, UnsignedRefusal, accept_unsigned, accept_unsigned_with, pcr0};
use nsm_attest::{
    AttestationRequest, Clock, Error, Malformed, Misuse, Nsm, PcrIndex, PcrValue, Policy, PolicyBuilder, Purpose,
    Rejection, UnverifiedDocument, UserData,
};
use support::{BOOT, Setup};

#[test]
fn the_simulated_bytes_are_those_that_qemu_writes() {
    let user_data = UserData::over(Purpose::Session, b"spki").encode();
    let request = AttestationRequest::new().with_public_key(b"spki").with_user_data(user_data.clone());
    let module = module();
    let module_id = module.describe().unwrap().module_id;
    let expected =
        Qemu { module_id: &module_id, public_key: Some(b"spki"), user_data: Some(&user_data), ..Qemu::BOOTED };
    let bytes = module.attest(&request).unwrap();
    assert_eq!(hex::encode(&bytes), hex::encode(expected.document()));
    assert_eq!(bytes[..6], [0x84, 0x43, 0xa1, 0x01, 0x20, 0xa0]);
    assert_eq!(bytes[bytes.len() - 66..], [&[0x58, 64][..], &[0; 64]].concat());
}

#[test]
fn no_verifier_takes_one_and_the_error_says_why() {
    let bytes = Qemu::BOOTED.document();
    assert_eq!(UnverifiedDocument::from_bytes(&bytes), Err(Malformed::Unsigned));
    assert!(Malformed::Unsigned.to_string().contains("nobody signed it"), "{}", Malformed::Unsigned);

    // Under a header that claims a signature it parses, and then nobody vouches for it: with any relaxation.
    let claiming = Qemu { protected: b"\xa1\x01\x38\x22", signature: &[0; 96], ..Qemu::BOOTED }.document();
    let setup = Setup::new();
    let document = UnverifiedDocument::from_bytes(&claiming).unwrap();
    let refused = document.clone().verify(&setup.anchor, &policy().build(), BOOT);
    assert!(matches!(refused, Err(Error::Rejected(Rejection::UntrustedRoot { .. }))), "{refused:?}");
    let all = Relaxations::none().accept_debug_mode().accept_any_pcrs();
    let refused = danger::verify(document, &setup.anchor, &policy().build(), BOOT, all);
    assert!(matches!(refused, Err(Error::Rejected(Rejection::UntrustedRoot { .. }))), "{refused:?}");
    assert_eq!(accept_unsigned(&claiming, &policy().build(), BOOT), Err(UnsignedRefusal::Signed));
}

#[test]
fn the_clock_of_an_emulated_enclave_runs() {
    let clock = Clock::from_nsm(&module()).unwrap();
    let ahead = clock.now().duration_since(BOOT).unwrap();
    assert!(ahead < Duration::from_secs(60), "{ahead:?}");
}

#[test]
fn a_document_of_qemu_is_accepted_as_what_it_is() {
    let user_data = UserData::over(Purpose::Session, b"spki");
    let encoded = user_data.encode();
    let document =
        Qemu { public_key: Some(b"spki"), user_data: Some(&encoded), nonce: Some(b"nonce"), ..Qemu::BOOTED }.document();
    let demands = || policy().user_data(user_data).public_key(b"spki").nonce(b"nonce");
    let accepted = accept_unsigned(&document, &demands().build(), BOOT).unwrap();
    assert_eq!(accepted.pcrs.get(PcrIndex::IMAGE), Some(&image()));
    assert_eq!((accepted.timestamp, accepted.module_id.as_str()), (BOOT, "i-234-enc5678"));

    let minute = Duration::from_secs(60);
    let later = BOOT.saturating_add(5 * minute + Duration::from_millis(1));
    let cases = [
        (demands().nonce(b"other"), BOOT, Rejection::NonceMismatch),
        (demands().public_key(b"other"), BOOT, Rejection::PublicKeyMismatch),
        (demands().user_data(b"other"), BOOT, Rejection::UserDataMismatch),
        (
            demands().purpose(Purpose::KmsRecipient),
            BOOT,
            Rejection::PurposeMismatch { expected: Purpose::KmsRecipient, actual: Some(Purpose::Session) },
        ),
        (demands(), later, Rejection::Expired { issued_at: BOOT, now: later, max_age: 5 * minute }),
    ];
    for (policy, now, rejection) in cases {
        let refused = accept_unsigned(&document, &policy.build(), now).unwrap_err();
        assert_eq!(refused, UnsignedRefusal::Document(rejection.into()));
    }
}

#[test]
fn an_image_must_be_pinned_and_be_the_one() {
    let document = Qemu::BOOTED.document();
    let none = accept_unsigned(&document, &Policy::builder().build(), BOOT);
    assert_eq!(none, Err(UnsignedRefusal::Document(Misuse::ImageNotPinned.into())));
    let other = Policy::builder().pcr(PcrIndex::IMAGE, [pcr0(b"another", b"")]).build();
    let refused = accept_unsigned(&document, &other, BOOT);
    assert!(
        matches!(refused, Err(UnsignedRefusal::Document(Error::Rejected(Rejection::PcrMismatch { .. })))),
        "{refused:?}"
    );
    let zero = Qemu { image: [0; 48], ..Qemu::BOOTED }.document();
    let refused = accept_unsigned(&zero, &policy().build(), BOOT);
    assert_eq!(refused, Err(UnsignedRefusal::Document(Rejection::DebugMode.into())));
    let any = Relaxations::none().accept_any_pcrs();
    assert!(accept_unsigned_with(&document, &Policy::builder().build(), BOOT, any).is_ok());
}

#[test]
fn whatever_is_not_blank_or_not_a_document_is_refused() {
    let refusal = |document: Qemu<'_>| accept_unsigned(&document.document(), &policy().build(), BOOT).unwrap_err();
    let mut almost = [0; 64];
    almost[63] = 1;
    for (part, document) in [
        ("signature", Qemu { signature: &almost, ..Qemu::BOOTED }),
        ("signature", Qemu { signature: &[0; 96], ..Qemu::BOOTED }),
        ("signature", Qemu { signature: &[], ..Qemu::BOOTED }),
        ("certificate", Qemu { certificate: &almost, ..Qemu::BOOTED }),
        ("cabundle", Qemu { authority: &almost, ..Qemu::BOOTED }),
    ] {
        assert_eq!(refusal(document), UnsignedRefusal::NotBlank { part });
    }
    let headed = refusal(Qemu { protected: b"\xa1\x01\x21", ..Qemu::BOOTED });
    assert_eq!(headed, UnsignedRefusal::Document(Malformed::ProtectedHeader.into()));
    let signed = Setup::new().document().to_bytes();
    assert_eq!(accept_unsigned(&signed, &policy().build(), BOOT), Err(UnsignedRefusal::Signed));
    let bytes = Qemu::BOOTED.document();
    for len in 0..bytes.len() {
        assert!(accept_unsigned(&bytes[..len], &policy().build(), BOOT).is_err(), "{len} bytes");
    }
    let long = vec![0; UnverifiedDocument::MAX_LEN + 1];
    let too_long = Malformed::TooLong { actual: long.len(), max: UnverifiedDocument::MAX_LEN };
    assert_eq!(accept_unsigned(&long, &policy().build(), BOOT), Err(UnsignedRefusal::Document(too_long.into())));
}

/// What QEMU's module writes, by another CBOR library: the map of nine in its order, times in whole seconds.
#[derive(Clone, Copy)]
struct Qemu<'a> {
    module_id: &'a str,
    protected: &'a [u8],
    image: [u8; 48],
    certificate: &'a [u8],
    authority: &'a [u8],
    public_key: Option<&'a [u8]>,
    user_data: Option<&'a [u8]>,
    nonce: Option<&'a [u8]>,
    signature: &'a [u8],
}

impl Qemu<'_> {
    const BOOTED: Self = Self {
        module_id: "i-234-enc5678",
        protected: b"\xa1\x01\x20",
        image: [0x5c; 48],
        certificate: &[0; 64],
        authority: &[0; 64],
        public_key: None,
        user_data: None,
        nonce: None,
        signature: &[0; 64],
    };

    fn document(&self) -> Vec<u8> {
        let bytes = |bytes: &[u8]| Value::Bytes(bytes.to_vec());
        let optional = |field: Option<&[u8]>| field.map_or(Value::Null, bytes);
        let pcr = |index: u8| bytes(if index == 0 { &self.image } else { &[0; 48] });
        let pcrs = (0..16_u8).map(|index| (Value::from(index), pcr(index))).collect();
        let payload = Value::Map(vec![
            ("module_id".into(), self.module_id.into()),
            ("digest".into(), "SHA384".into()),
            ("timestamp".into(), BOOT.as_millis().into()),
            ("pcrs".into(), Value::Map(pcrs)),
            ("certificate".into(), bytes(self.certificate)),
            ("cabundle".into(), Value::Array(vec![bytes(self.authority)])),
            ("public_key".into(), optional(self.public_key)),
            ("user_data".into(), optional(self.user_data)),
            ("nonce".into(), optional(self.nonce)),
        ]);
        let payload = bytes(&encoded(&payload));
        encoded(&Value::Array(vec![bytes(self.protected), Value::Map(Vec::new()), payload, bytes(self.signature)]))
    }
}

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).unwrap();
    bytes
}

fn image() -> PcrValue {
    PcrValue::from_bytes(&Qemu::BOOTED.image).unwrap()
}

fn policy() -> PolicyBuilder {
    Policy::builder().pcr(PcrIndex::IMAGE, [image()])
}

/// A simulated module that holds what QEMU's does.
fn module() -> SimulatedNsm {
    let builder = SimulatedNsm::builder(Authority::generate(BOOT).unwrap()).clock(Clock::settable(BOOT));
    let zeroed = PcrIndex::all().take(16).fold(builder, |builder, index| builder.pcr(index, PcrValue::ZERO));
    zeroed.pcr(PcrIndex::IMAGE, image()).unsigned().build().unwrap()
}
