//! Verification behind a good signature: a payload is made from a template, signed by a simulated module, and verified.
//! It is accepted if an independent reading of the payload finds every demand met, and refused otherwise.
//!
//! The first two bytes are choices: the policy, the time, who signs, and so on. A template follows (`fuzz::substitute`
//! says what that is, `names` what it may contain), which says what is different from a right document, and after it
//! edits of the finished payload, if they were chosen.
#![no_main]

use std::num::NonZeroUsize;
use std::sync::LazyLock;
use std::time::Duration;

use ciborium::Value;
use fuzz::{Names, Reading, Style, edit, enveloped, flip_a_bit, hash, read, read_user_data, substitute};
use libfuzzer_sys::{Corpus, fuzz_target};
use nsm_attest::sim::{Authority, SimulatedNsm};
use nsm_attest::{
    AttestationRequest, ChainCache, Clock, Error, Nsm, PcrIndex, PcrValue, Policy, Purpose, TrustAnchor, UnixTime,
    UnverifiedDocument, UserData, VerifiedDocument,
};

fuzz_target!(|data: &[u8]| -> Corpus {
    // What is no template teaches the fuzzer nothing about documents.
    let Some((choices, mut template)) = data.split_first_chunk::<2>() else { return Corpus::Reject };
    let choice = Choice::from(*choices);
    let Ok(mut value) = ciborium::from_reader::<Value, _>(&mut template) else { return Corpus::Reject };
    substitute(&mut value, &WORLD.names);
    if let (Value::Map(fields), false) = (&mut value, choice.is_whole) {
        complete(fields, &choice);
    }
    // A right document is rare, hence worth a second try with one bit of it flipped, which the input chooses.
    if check(&choice, &encode(&choice, &value, template)) {
        flip_a_bit(&mut value, hash(data));
        check(&choice, &encode(&choice, &value, template));
    }
    Corpus::Keep
});

/// What the first two bytes of the input say.
struct Choice {
    demands: &'static Demands,
    now: UnixTime,
    style: Style,
    is_edited: bool,
    signer: &'static Enclave,
    is_tagged: bool,
    /// Whether a bit of the signature is flipped.
    is_forged: bool,
    /// Whether the cache is empty, rather than the one that has seen all documents before.
    is_cold: bool,
    /// Whether the document is verified without a cache too.
    is_compared: bool,
    /// Whether the template says everything, rather than what is different from a right document.
    is_whole: bool,
}

impl From<[u8; 2]> for Choice {
    fn from([first, second]: [u8; 2]) -> Self {
        let two_bits = |shift: u8| usize::from(first >> shift & 3);
        Self {
            demands: &WORLD.demands[two_bits(0)],
            now: UnixTime::from_millis(TIMES[two_bits(2)]),
            style: Style::ALL[two_bits(4)],
            is_edited: first & 0x40 != 0,
            signer: &WORLD.enclaves[usize::from(first >> 7)],
            is_tagged: second & 1 != 0,
            is_forged: second & 2 != 0,
            is_cold: second & 4 != 0,
            is_compared: second & 8 != 0,
            is_whole: second & 16 != 0,
        }
    }
}

/// Adds the fields that are not there, as they should be; those that are `false` go.
fn complete(fields: &mut Vec<(Value, Value)>, choice: &Choice) {
    let is_inspect = choice.demands.purpose == Some(Purpose::Inspect);
    let purpose = if is_inspect { Purpose::Inspect } else { Purpose::Session };
    let pcrs = [(0, &IMAGE[..]), (8, &SIGNER)].map(|(index, value)| (Value::from(index), Value::from(value)));
    let cabundle = choice.signer.cabundle.iter().map(|der| Value::from(&der[..])).collect();
    let right = [
        ("module_id", Value::from("i-fuzz")),
        ("digest", Value::from("SHA384")),
        ("timestamp", Value::from(choice.now.as_millis())),
        ("pcrs", Value::Map(pcrs.to_vec())),
        ("certificate", Value::from(&choice.signer.certificate[..])),
        ("cabundle", Value::Array(cabundle)),
        ("public_key", if is_inspect { Value::Null } else { Value::from(KEY) }),
        ("user_data", Value::from(UserData::over(purpose, KEY).encode())),
        ("nonce", Value::from(NONCE)),
    ];
    for (name, value) in right {
        if !fields.iter().any(|(key, _)| key.as_text() == Some(name)) {
            fields.push((Value::from(name), value));
        }
    }
    fields.retain(|(_, value)| *value != Value::Bool(false));
}

fn encode(choice: &Choice, value: &Value, edits: &[u8]) -> Vec<u8> {
    let mut payload = choice.style.encode(value);
    if choice.is_edited {
        edit(&mut payload, edits);
    }
    payload
}

/// Whether the document is accepted, as it should be.
fn check(choice: &Choice, payload: &[u8]) -> bool {
    if payload.len() > UnverifiedDocument::MAX_LEN - ENVELOPE_LEN {
        return false;
    }
    let reading = read(payload);
    let objection =
        reading.as_ref().err().copied().or_else(|| reading.as_ref().ok().and_then(|r| objection(r, choice)));
    // Decoding looks at no signature: what it refuses under one of zeros need not be signed.
    let outcome = UnverifiedDocument::from_bytes(&enveloped(payload))
        .map_err(Into::into)
        .and_then(|_| verify(choice, &UnverifiedDocument::from_bytes(&signed(choice, payload))?));
    match (outcome, objection) {
        (Ok(_), None) => true,
        (Ok(document), Some(objection)) => panic!("accepted, though {objection}: {document:?}"),
        // After edits there are spellings that nobody needs to understand.
        (Err(error), None) if !choice.is_edited || reading.is_ok_and(|reading| reading.is_plain) => {
            panic!("refused, though nothing is wrong with it: {error}")
        }
        (Err(_), _) => false,
    }
}

/// Verifies with a cache. Doing so again, when it has become warm, must not change the answer; nor must doing without.
fn verify(choice: &Choice, document: &UnverifiedDocument) -> Result<VerifiedDocument, Error> {
    let (anchor, policy, now) = (&WORLD.anchor, &choice.demands.policy, choice.now);
    let cold = ChainCache::new(NonZeroUsize::MIN);
    let cache = if choice.is_cold { &cold } else { &WORLD.cache };
    let outcome = document.clone().verify_cached(anchor, policy, now, cache);
    if choice.is_cold {
        assert_eq!(outcome, document.clone().verify_cached(anchor, policy, now, cache), "with the same cache");
    }
    if choice.is_compared {
        assert_eq!(outcome, document.clone().verify(anchor, policy, now), "without a cache");
    }
    outcome
}

fn signed(choice: &Choice, payload: &[u8]) -> Vec<u8> {
    let mut document = choice.signer.nsm.sign(payload).expect("the simulated module signs");
    if choice.is_forged
        && let Some(last) = document.last_mut()
    {
        *last ^= 1;
    }
    if choice.is_tagged {
        document.insert(0, 0xd2);
    }
    document
}

/// What speaks against a document whose format is right.
fn objection(reading: &Reading, choice: &Choice) -> Option<&'static str> {
    let demands = choice.demands;
    let image = reading.pcrs.get(&0);
    let wanted = |expected: &Option<Vec<u8>>, actual: &Option<Vec<u8>>| expected.is_none() || expected == actual;
    let purpose = reading.user_data.as_deref().and_then(read_user_data).map(|(purpose, _)| purpose);
    let checks = [
        (!choice.is_forged, "the signature is forged"),
        (reading.certificate == choice.signer.certificate, "another key signed"),
        (is_path(reading, choice.signer), "the path is not the signer's"),
        ((LEAF_BEGIN..=LEAF_END).contains(&choice.now.as_secs()), "the certificate is not valid at the time"),
        (is_fresh(reading.timestamp, choice), "the timestamp is outside the window"),
        (image.is_some_and(|image| image.iter().any(|byte| *byte != 0)), "PCR0 is missing or zero"),
        (
            demands.pcrs.iter().all(|(index, values)| reading.pcrs.get(index).is_some_and(|pcr| values.contains(pcr))),
            "a PCR has another value",
        ),
        (wanted(&demands.nonce, &reading.nonce), "the nonce is another"),
        (wanted(&demands.user_data, &reading.user_data), "the user data is other"),
        (wanted(&demands.public_key, &reading.public_key), "the public key is another"),
        (demands.purpose.is_none_or(|wanted| purpose.as_deref() == Some(wanted.as_str())), "the purpose is another"),
        (demands.purpose != Some(Purpose::Inspect) || reading.public_key.is_none(), "inspect carries a key"),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, objection)| objection)
}

/// Both enclaves have the same authorities, each with certificates of its own for them, down to the instance, which has
/// another name for each enclave.
fn is_path(reading: &Reading, signer: &Enclave) -> bool {
    let is_authority = |(index, certificate): (usize, &Vec<u8>)| match index {
        3 => *certificate == signer.cabundle[3],
        _ => WORLD.enclaves.iter().any(|enclave| *certificate == enclave.cabundle[index]),
    };
    reading.cabundle.len() == 4 && reading.cabundle.iter().enumerate().all(is_authority)
}

fn is_fresh(timestamp: u64, choice: &Choice) -> bool {
    let now = i128::from(choice.now.as_millis());
    let demands = choice.demands;
    (now - i128::from(demands.max_age)..=now + i128::from(demands.clock_skew)).contains(&i128::from(timestamp))
}

/// Two enclaves under one root, and the policies that their documents are held against.
struct World {
    anchor: TrustAnchor,
    cache: ChainCache,
    enclaves: [Enclave; 2],
    demands: [Demands; 4],
    names: Names,
}

struct Enclave {
    nsm: SimulatedNsm,
    cabundle: Vec<Vec<u8>>,
    certificate: Vec<u8>,
}

impl Enclave {
    fn boot(authority: &Authority, instance_id: &str) -> Self {
        let clock = Clock::settable(UnixTime::from_secs(LEAF_BEGIN));
        let nsm =
            SimulatedNsm::builder(authority.clone()).clock(clock).instance_id(instance_id).build().expect("a module");
        let document = nsm.attest(&AttestationRequest::new()).expect("a document");
        let document = UnverifiedDocument::from_bytes(&document).expect("a document");
        let document = document.unverified();
        Self { nsm, cabundle: document.cabundle.clone(), certificate: document.certificate.clone() }
    }
}

/// What a policy demands, said twice: to nsm-attest and to `objection`.
struct Demands {
    policy: Policy,
    pcrs: Vec<(u8, Vec<Vec<u8>>)>,
    nonce: Option<Vec<u8>>,
    purpose: Option<Purpose>,
    user_data: Option<Vec<u8>>,
    public_key: Option<Vec<u8>>,
    /// In milliseconds, as `clock_skew` is.
    max_age: u64,
    clock_skew: u64,
}

impl Demands {
    fn new(pcrs: &[(u8, &[&[u8]])]) -> Self {
        Self {
            policy: Policy::builder().build(),
            pcrs: pcrs.iter().map(|(index, values)| (*index, values.iter().map(|v| v.to_vec()).collect())).collect(),
            nonce: None,
            purpose: None,
            user_data: None,
            public_key: None,
            max_age: 5 * 60 * 1000,
            clock_skew: 30 * 1000,
        }
    }

    fn with_policy(mut self) -> Self {
        let mut policy = Policy::builder()
            .max_age(Duration::from_millis(self.max_age))
            .clock_skew(Duration::from_millis(self.clock_skew));
        for (index, values) in &self.pcrs {
            let values = values.iter().map(|value| PcrValue::from_bytes(value).expect("a PCR's length"));
            policy = policy.pcr(PcrIndex::new(*index).expect("a PCR"), values);
        }
        policy = self.nonce.iter().fold(policy, |policy, nonce| policy.nonce(nonce.clone()));
        policy = self.purpose.into_iter().fold(policy, |policy, purpose| policy.purpose(purpose));
        policy = self.user_data.iter().fold(policy, |policy, data| policy.user_data(data.clone()));
        policy = self.public_key.iter().fold(policy, |policy, key| policy.public_key(key.clone()));
        self.policy = policy.build();
        self
    }
}

static WORLD: LazyLock<World> = LazyLock::new(|| {
    let authority = Authority::generate(UnixTime::from_secs(LEAF_BEGIN)).expect("an authority");
    let stranger = Authority::generate(UnixTime::from_secs(LEAF_BEGIN)).expect("an authority");
    let enclaves = ["i-0123456789abcdef0", "i-0fedcba9876543210"].map(|id| Enclave::boot(&authority, id));
    World {
        anchor: authority.trust_anchor(),
        cache: warm_cache(&authority.trust_anchor(), &enclaves),
        names: names(&enclaves, &Enclave::boot(&stranger, "i-0123456789abcdef0")),
        enclaves,
        demands: demands().map(Demands::with_policy),
    }
});

/// A cache that knows the authorities of both enclaves: what the fuzzer finds must not depend on what ran before.
fn warm_cache(anchor: &TrustAnchor, enclaves: &[Enclave; 2]) -> ChainCache {
    let cache = ChainCache::new(NonZeroUsize::new(64).expect("not zero"));
    for enclave in enclaves {
        let document = enclave.nsm.attest(&AttestationRequest::new()).expect("a document");
        let document = UnverifiedDocument::from_bytes(&document).expect("a document");
        let image = document.unverified().pcrs.get(PcrIndex::IMAGE).copied();
        let policy = Policy::builder().pcr(PcrIndex::IMAGE, image).build();
        let now = UnixTime::from_secs(LEAF_BEGIN);
        document.verify_cached(anchor, &policy, now, &cache).expect("a right document");
    }
    cache
}

fn demands() -> [Demands; 4] {
    [
        Demands {
            nonce: Some(NONCE.to_vec()),
            purpose: Some(Purpose::Session),
            public_key: Some(KEY.to_vec()),
            ..Demands::new(&[(0, &[&IMAGE, &NEXT_IMAGE])])
        },
        Demands {
            user_data: Some(UserData::over(Purpose::Session, KEY).encode()),
            max_age: 60 * 60 * 1000,
            clock_skew: 0,
            ..Demands::new(&[(0, &[&IMAGE]), (8, &[&SIGNER])])
        },
        Demands { purpose: Some(Purpose::Inspect), ..Demands::new(&[(0, &[&IMAGE])]) },
        Demands { max_age: 0, clock_skew: u64::MAX, ..Demands::new(&[(8, &[&SIGNER, &IMAGE])]) },
    ]
}

fn names(enclaves: &[Enclave; 2], stranger: &Enclave) -> Names {
    let mut names = Names::from([
        ("pcr0", IMAGE.to_vec()),
        ("next", NEXT_IMAGE.to_vec()),
        ("long", [&IMAGE[..], &[0; 16]].concat()),
        ("pcr8", SIGNER.to_vec()),
        ("zero", vec![0; 48]),
        ("nonce", NONCE.to_vec()),
        ("key", KEY.to_vec()),
        ("session", UserData::over(Purpose::Session, KEY).encode()),
        ("inspect", UserData::over(Purpose::Inspect, KEY).encode()),
    ]);
    let certificates = [
        ["ca0", "ca1", "ca2", "ca3", "leaf"],
        ["oca0", "oca1", "oca2", "oca3", "oleaf"],
        ["xca0", "xca1", "xca2", "xca3", "xleaf"],
    ];
    for (names_of, enclave) in certificates.into_iter().zip(enclaves.iter().chain([stranger])) {
        names.extend(names_of.into_iter().zip(enclave.cabundle.iter().chain([&enclave.certificate]).cloned()));
    }
    names
}

/// In seconds, as `LEAF_END` is: end-entity certificates are valid for three hours.
const LEAF_BEGIN: u64 = 1_700_000_000;
const LEAF_END: u64 = LEAF_BEGIN + 3 * 60 * 60;
/// When documents are verified: in the middle, in the last millisecond, right after it, right before the beginning.
const TIMES: [u64; 4] = [1_700_003_723_456, LEAF_END * 1000 + 999, (LEAF_END + 1) * 1000, LEAF_BEGIN * 1000 - 1];
/// What COSE adds to a payload, tag included.
const ENVELOPE_LEN: usize = 109;
const IMAGE: [u8; 48] = [0x11; 48];
const NEXT_IMAGE: [u8; 48] = [0x22; 48];
/// SHA-256 and SHA-384 differ in length: so may registers.
const SIGNER: [u8; 32] = [0x88; 32];
const NONCE: &[u8] = b"drawn by the verifier";
const KEY: &[u8] = b"a public key";
