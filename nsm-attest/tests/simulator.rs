//! The simulator's documents verify, and its requests behave as the device's.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use nsm_attest::sim::{Authority, SimulatedNsm};
use nsm_attest::{
    AttestationRequest, Clock, ClockError, Nsm, NsmDescription, NsmError, NsmRng, PcrDescription, PcrIndex, PcrValue,
    Purpose, UnixTime, UnverifiedDocument, UserData, measure, sim,
};
use rand_core::TryRng;
use support::{BOOT, Setup};

#[test]
fn a_document_carries_what_was_asked_for_and_verifies() {
    let setup = Setup::new();
    let user_data = UserData::over(Purpose::KmsRecipient, b"spki");
    let request = AttestationRequest::new().with_public_key(b"spki").with_user_data(user_data).with_nonce(b"nonce");
    let policy = setup.policy().purpose(Purpose::KmsRecipient).user_data(user_data).nonce(b"nonce").public_key(b"spki");
    let document = setup.document_for(&request).verify(&setup.anchor, &policy.build(), BOOT).unwrap();
    assert_eq!(document.public_key.as_deref(), Some(&b"spki"[..]));
    assert_eq!(document.user_data, Some(user_data.encode()));
    assert_eq!(document.nonce.as_deref(), Some(&b"nonce"[..]));
    assert_eq!(document.timestamp, BOOT);
    assert_eq!(document.pcrs.get(PcrIndex::IMAGE), Some(&sim::pcr0(b"executable", b"configuration")));
}

#[test]
fn documents_are_shaped_as_real_ones() {
    let setup = Setup::new();
    let bytes = setup.nsm.attest(&AttestationRequest::new()).unwrap();
    assert_eq!(bytes[..7], [0x84, 0x44, 0xa1, 0x01, 0x38, 0x22, 0xa0], "untagged, ES384, nothing unprotected");
    assert!((4_000..5_000).contains(&bytes.len()), "{} bytes", bytes.len());
    let document = UnverifiedDocument::from_bytes(&bytes).unwrap();
    assert_eq!(document.payload()[0], 0xa9, "a definite map of nine");
    let names: Vec<_> = support::payload_entries(&document).into_iter().map(|(key, _)| key).collect();
    let real =
        ["module_id", "digest", "timestamp", "pcrs", "certificate", "cabundle", "public_key", "user_data", "nonce"];
    assert_eq!(names, real.map(Into::into));
    let fields = document.unverified();
    assert_eq!((fields.cabundle.len(), fields.pcrs.len()), (4, 16));
    let (instance, enclave) = fields.module_id.split_once("-enc").unwrap();
    assert_eq!((instance, enclave.len()), ("i-0123456789abcdef0", 16));
    assert_eq!(fields.pcrs.get(PcrIndex::INSTANCE), Some(&measure::instance(instance)));
}

#[test]
fn a_tagged_document_verifies_too() {
    let setup = Setup::new();
    let tagged = [&[0xd2], &setup.document().to_bytes()[..]].concat();
    let document = UnverifiedDocument::from_bytes(&tagged).unwrap();
    document.verify(&setup.anchor, &setup.policy().build(), BOOT).unwrap();
}

#[test]
fn certificates_are_renewed_by_the_clock() {
    let setup = Setup::new();
    let first = setup.document().unverified().certificate.clone();
    for (hours, renewed) in [(1, false), (3, true), (100, true), (24 * 400, true), (2, true)] {
        setup.clock.set(BOOT.saturating_add(Duration::from_secs(hours * 3600))).unwrap();
        let document = setup.verify(&setup.policy().build()).unwrap();
        assert_eq!(document.certificate != first, renewed, "after {hours} hours");
    }
}

#[test]
fn a_fresh_document_outlives_its_greatest_age() {
    let setup = Setup::new();
    setup.document();
    for minutes in 0..200 {
        setup.clock.set(BOOT.saturating_add(Duration::from_secs(minutes * 60))).unwrap();
        let at_limit = setup.clock.now().saturating_add(Duration::from_secs(300));
        setup.document().verify(&setup.anchor, &setup.policy().build(), at_limit).unwrap();
    }
}

#[test]
fn an_authority_read_in_another_process_vouches_for_the_same_root() {
    let authority = Authority::generate(BOOT).unwrap();
    let copy = Authority::from_bytes(&authority.to_bytes()).unwrap();
    let setup = Setup {
        anchor: authority.trust_anchor(),
        clock: Clock::settable(BOOT),
        nsm: SimulatedNsm::builder(copy).clock(Clock::settable(BOOT)).build().unwrap(),
    };
    setup.verify(&setup.policy().build()).unwrap();
}

#[test]
fn measurements_tell_executable_and_configuration_apart() {
    let values = [sim::pcr0(b"ab", b"c"), sim::pcr0(b"a", b"bc"), sim::pcr0(b"", b"abc"), sim::pcr0(b"c", b"ab")];
    assert_eq!(values.iter().collect::<BTreeSet<_>>().len(), values.len());
    assert!(!values[0].is_zero());
}

#[test]
fn fields_end_at_1024_bytes() {
    let nsm = Setup::new().nsm;
    let (longest, too_long) = (vec![1; 1024], vec![1; 1025]);
    let request =
        AttestationRequest::new().with_public_key(longest.clone()).with_user_data(longest.clone()).with_nonce(longest);
    UnverifiedDocument::from_bytes(&nsm.attest(&request).unwrap()).unwrap();
    let request = AttestationRequest::new();
    for request in [
        request.clone().with_public_key(too_long.clone()),
        request.clone().with_user_data(too_long.clone()),
        request.with_nonce(too_long),
    ] {
        assert_eq!(nsm.attest(&request), Err(NsmError::InputTooLarge));
    }
}

#[test]
fn boot_locks_the_first_sixteen_registers() {
    let nsm = Setup::new().nsm;
    let NsmDescription { max_pcrs, locked_pcrs, .. } = nsm.describe().unwrap();
    assert_eq!(max_pcrs, 32);
    assert_eq!(locked_pcrs, PcrIndex::all().take(16).collect());
    let image = PcrIndex::IMAGE;
    assert_eq!(nsm.extend_pcr(image, b"x"), Err(NsmError::ReadOnlyIndex));
    assert_eq!(nsm.lock_pcr(image), Err(NsmError::ReadOnlyIndex));
    assert!(nsm.describe_pcr(image).unwrap().locked);
}

#[test]
fn a_register_is_extended_then_locked_then_part_of_documents() {
    let setup = Setup::new();
    let index = PcrIndex::new(16).unwrap();
    let expected = measure::extend(&measure::extend(&PcrValue::ZERO, b"one"), b"two");
    setup.nsm.extend_pcr(index, b"one").unwrap();
    assert_eq!(setup.nsm.extend_pcr(index, b"two"), Ok(expected));
    assert_eq!(setup.nsm.describe_pcr(index), Ok(PcrDescription { locked: false, value: expected }));
    assert_eq!(setup.document().unverified().pcrs.get(index), None, "documents show locked registers only");
    setup.nsm.lock_pcr(index).unwrap();
    assert_eq!(setup.nsm.extend_pcr(index, b"three"), Err(NsmError::ReadOnlyIndex));
    assert_eq!(setup.nsm.lock_pcr(index), Err(NsmError::ReadOnlyIndex));
    let document = setup.verify(&setup.policy().pcr(index, [expected]).build()).unwrap();
    assert_eq!(document.pcrs.len(), 17);
}

#[test]
fn ranges_lock_up_to_the_last_register() {
    let nsm = Setup::new().nsm;
    assert_eq!(nsm.lock_pcrs(33), Err(NsmError::InvalidIndex));
    nsm.lock_pcrs(20).unwrap();
    assert_eq!(nsm.describe().unwrap().locked_pcrs.len(), 20);
    nsm.lock_pcrs(32).unwrap();
    nsm.lock_pcrs(32).unwrap();
    assert_eq!(nsm.describe().unwrap().locked_pcrs.len(), 32);
}

#[test]
fn a_fault_answers_every_request_until_it_is_lifted() {
    let nsm = Setup::new().nsm;
    let index = PcrIndex::new(20).unwrap();
    let faults = [
        NsmError::BufferTooSmall,
        NsmError::InputTooLarge,
        NsmError::InternalError,
        NsmError::InvalidArgument,
        NsmError::InvalidIndex,
        NsmError::InvalidOperation,
        NsmError::InvalidResponse,
        NsmError::ReadOnlyIndex,
    ];
    for fault in faults {
        nsm.set_fault(fault);
        assert_eq!(nsm.attest(&AttestationRequest::new()), Err(fault));
        assert_eq!(nsm.random(&mut [0]), Err(fault));
        assert_eq!(nsm.describe().map(drop), Err(fault));
        assert_eq!(nsm.describe_pcr(index), Err(fault));
        assert_eq!(nsm.extend_pcr(index, b"x"), Err(fault));
        assert_eq!(nsm.lock_pcr(index), Err(fault));
        assert_eq!(nsm.lock_pcrs(32), Err(fault));
        assert_eq!(Clock::from_nsm(&nsm).map(drop), Err(ClockError::Nsm(fault)));
    }
    nsm.set_fault(NsmError::Unavailable);
    assert_eq!(nsm.describe().map(drop), Err(NsmError::InternalError));
    nsm.set_fault(None);
    assert_eq!(
        nsm.describe_pcr(index),
        Ok(PcrDescription { locked: false, value: PcrValue::ZERO }),
        "nothing happened"
    );
}

#[test]
fn extending_takes_512_bytes() {
    let nsm = Setup::new().nsm;
    let index = PcrIndex::new(20).unwrap();
    nsm.extend_pcr(index, &[0; 512]).unwrap();
    assert_eq!(nsm.extend_pcr(index, &[0; 513]), Err(NsmError::InputTooLarge));
}

#[test]
fn random_fills_buffers_longer_than_one_answer() {
    let nsm: Arc<dyn Nsm> = Arc::new(Setup::new().nsm);
    let mut rng = NsmRng::new(nsm);
    for len in [0, 1, 255, 256, 257, 1000] {
        let mut buffer = vec![0; len];
        rng.try_fill_bytes(&mut buffer).unwrap();
        let longest_zeros = buffer.split(|byte| *byte != 0).map(<[u8]>::len).max().unwrap_or(0);
        assert!(longest_zeros < 8, "{len} bytes are filled to the end");
    }
    assert_ne!(rng.try_next_u64().unwrap(), rng.try_next_u64().unwrap());
    assert_ne!(rng.try_next_u32().unwrap(), rng.try_next_u32().unwrap());
}

#[test]
fn a_clock_takes_the_module_s_time() {
    let setup = Setup::new();
    let clock = Clock::from_nsm(&setup.nsm).unwrap();
    let now = clock.now();
    assert!(now >= BOOT && now < BOOT.saturating_add(Duration::from_secs(3600)), "{now}");
    assert_eq!(clock.set(BOOT), Err(ClockError::NotSettable));
}

#[test]
fn a_clock_s_own_document_is_for_inspection() {
    #[derive(Debug)]
    struct Recorder(SimulatedNsm, std::sync::Mutex<Vec<AttestationRequest>>);
    impl Nsm for Recorder {
        fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
            self.1.lock().unwrap().push(request.clone());
            self.0.attest(request)
        }
        fn random(&self, buffer: &mut [u8]) -> Result<(), NsmError> {
            self.0.random(buffer)
        }
        fn describe(&self) -> Result<NsmDescription, NsmError> {
            self.0.describe()
        }
        fn describe_pcr(&self, index: PcrIndex) -> Result<PcrDescription, NsmError> {
            self.0.describe_pcr(index)
        }
        fn extend_pcr(&self, index: PcrIndex, data: &[u8]) -> Result<PcrValue, NsmError> {
            self.0.extend_pcr(index, data)
        }
        fn lock_pcr(&self, index: PcrIndex) -> Result<(), NsmError> {
            self.0.lock_pcr(index)
        }
        fn lock_pcrs(&self, range: u16) -> Result<(), NsmError> {
            self.0.lock_pcrs(range)
        }
    }
    let recorder = Recorder(Setup::new().nsm, Default::default());
    Clock::from_nsm(&recorder).unwrap();
    let requests = recorder.1.into_inner().unwrap();
    let user_data = UserData::decode(requests[0].user_data.as_deref().unwrap()).unwrap();
    assert_eq!((requests.len(), user_data.purpose, &requests[0].public_key), (1, Purpose::Inspect, &None));
}

#[test]
fn one_module_serves_many_threads() {
    let setup = Setup::new();
    let policy = setup.policy().build();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..8 {
                    setup.verify(&policy).unwrap();
                }
            });
        }
    });
}

#[test]
fn debug_shows_no_field_that_an_enclave_put_in() {
    let setup = Setup::new();
    let secret = b"obviously fake secret";
    let request = AttestationRequest::new().with_nonce(secret).with_public_key(secret).with_user_data(secret);
    let document = setup.document_for(&request);
    let verified = document.clone().verify(&setup.anchor, &setup.policy().build(), BOOT).unwrap();
    let bytes = format!("{:?}", &secret[..]).trim_matches(['[', ']']).to_owned();
    for shown in [format!("{document:?}"), format!("{verified:?}"), format!("{:?}", setup.nsm)] {
        assert!(!shown.contains(&bytes) && !shown.contains(&hex::encode(secret)), "{shown}");
    }
    assert_eq!(setup.clock.now(), UnixTime::from_secs(1_700_000_000));
}
