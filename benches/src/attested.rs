//! An attestation document with four certificates below the root's key, so five P-384 signatures to verify: under a
//! simulated root and shaped like a real one, or a real one.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::{env, fs};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{
    AttestationDocument, AttestationRequest, ChainCache, Clock, Nsm, PcrIndex, Policy, Purpose, TrustAnchor, UnixTime,
    UnverifiedDocument, UserData,
};

/// A document with everything that its verification needs.
#[derive(Debug)]
pub struct Attested {
    /// The document as it travels.
    pub bytes: Vec<u8>,
    /// The root it was signed under.
    pub anchor: TrustAnchor,
    /// A policy that it meets.
    pub policy: Policy,
    /// A time at which it is fresh.
    pub now: UnixTime,
    /// What every decoder must find in it.
    pub module_id: String,
    /// The root's certificate, in DER.
    pub root: Vec<u8>,
}

/// Why something went wrong.
pub type Failure = Box<dyn std::error::Error>;

impl Attested {
    /// Makes one under a simulated root.
    ///
    /// # Errors
    /// Those of the simulator.
    pub fn simulated() -> Result<Self, Failure> {
        let now = UnixTime::from_secs(1_790_000_000);
        let authority = Authority::generate(now)?;
        let nsm = SimulatedNsm::builder(authority.clone())
            .measure(EXECUTABLE, CONFIGURATION)
            .clock(Clock::settable(now))
            .build()?;
        let public_key = [0x42; 120]; // the length of a P-384 key
        let user_data = UserData::over(Purpose::Session, &public_key);
        let request =
            AttestationRequest::new().with_public_key(public_key).with_user_data(user_data.encode()).with_nonce(NONCE);
        let policy = Policy::builder()
            .pcr(PcrIndex::IMAGE, [pcr0(EXECUTABLE, CONFIGURATION)])
            .nonce(NONCE)
            .purpose(Purpose::Session)
            .build();
        let bytes = nsm.attest(&request)?;
        let module_id = UnverifiedDocument::from_bytes(&bytes)?.unverified().module_id.clone();
        let root = authority.root_certificate().to_vec();
        Ok(Self { bytes, anchor: authority.trust_anchor(), policy, now, module_id, root })
    }

    /// Reads a real one from the folder that `NITRO_VECTORS` names; `None` if it names none.
    ///
    /// # Errors
    /// If the file is not there or is no document.
    pub fn real() -> Result<Option<Self>, Failure> {
        let Some(folder) = env::var_os("NITRO_VECTORS") else { return Ok(None) };
        let path = PathBuf::from(folder).join("attestation").join(REAL);
        let bytes = fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let document = UnverifiedDocument::from_bytes(&bytes)?;
        let fields = document.unverified();
        let pcr0 = *fields.pcrs.get(PcrIndex::IMAGE).ok_or("the document has no PCR0")?;
        let nonce = fields.nonce.clone().ok_or("the document has no nonce")?;
        Ok(Some(Self {
            anchor: TrustAnchor::aws_nitro_g1(),
            policy: Policy::builder().pcr(PcrIndex::IMAGE, [pcr0]).nonce(nonce).build(),
            now: fields.timestamp,
            module_id: fields.module_id.clone(),
            root: fields.cabundle.first().ok_or("the document has no root")?.clone(),
            bytes,
        }))
    }

    /// Decodes it with `nsm-attest`.
    ///
    /// # Errors
    /// If that is refused, or yields something else.
    pub fn decode(&self) -> Result<(), Failure> {
        let document = UnverifiedDocument::from_bytes(&self.bytes)?;
        self.check(&document.unverified().module_id)
    }

    /// Decodes and verifies it with `nsm-attest`.
    ///
    /// # Errors
    /// If that is refused, or yields something else.
    pub fn verify(&self) -> Result<(), Failure> {
        let document = UnverifiedDocument::from_bytes(&self.bytes)?;
        let verified = document.verify(&self.anchor, &self.policy, self.now)?;
        self.check(&verified.module_id)
    }

    /// Decodes and verifies it with `nsm-attest`, and with the issuers that `cache` knows.
    ///
    /// # Errors
    /// If that is refused, or yields something else.
    pub fn verify_cached(&self, cache: &ChainCache) -> Result<(), Failure> {
        let document = UnverifiedDocument::from_bytes(&self.bytes)?;
        let verified = document.verify_cached(&self.anchor, &self.policy, self.now, cache)?;
        self.check(&verified.module_id)
    }

    /// A cache that knows this document's authorities.
    ///
    /// # Errors
    /// If the document is refused, or its authorities are not kept.
    pub fn warm_cache(&self) -> Result<ChainCache, Failure> {
        let cache = ChainCache::new(CACHE_CAPACITY);
        self.verify_cached(&cache)?;
        if cache.len() == 1 { Ok(cache) } else { Err("the authorities are not remembered".into()) }
    }

    /// That a decoder found what is in it.
    ///
    /// # Errors
    /// If it found something else.
    pub fn check(&self, module_id: &str) -> Result<(), Failure> {
        if module_id == self.module_id { Ok(()) } else { Err(format!("decoded as of {module_id}").into()) }
    }

    /// How long the signed messages are: of the certificates below the root from above, of the document itself last.
    ///
    /// # Errors
    /// If a certificate is not DER of the usual size.
    pub fn signed_lens(&self) -> Result<Vec<usize>, Failure> {
        let document = UnverifiedDocument::from_bytes(&self.bytes)?;
        let AttestationDocument { cabundle, certificate, .. } = document.unverified();
        let certificates = cabundle.iter().skip(1).chain([certificate]).map(|der| signed_part_len(der));
        certificates.chain([Ok(SIG_STRUCTURE_HEAD_LEN + document.payload().len())]).collect()
    }
}

/// The length of the TBSCertificate: the first element of the certificate, itself a SEQUENCE of two length bytes.
fn signed_part_len(certificate: &[u8]) -> Result<usize, Failure> {
    match certificate {
        [0x30, 0x82, _, _, 0x30, 0x82, high, low, ..] => Ok(4 + usize::from(u16::from_be_bytes([*high, *low]))),
        _ => Err("not a certificate of 256 to 65535 bytes".into()),
    }
}

/// A P-384 signature: verifying as many of these as a document has is the least that it costs.
#[derive(Debug)]
pub struct P384Signature {
    message: Vec<u8>,
    signature: Vec<u8>,
    public_key: Vec<u8>,
}

impl P384Signature {
    /// Signs a message of the mean of the given lengths, so that as many verifications hash as much as a document's.
    ///
    /// # Errors
    /// [`Unspecified`] if AWS-LC cannot make a key or a signature, or there are no lengths.
    pub fn over_mean_of(lens: &[usize]) -> Result<Self, Unspecified> {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)?;
        let len = lens.iter().sum::<usize>().checked_div(lens.len()).ok_or(Unspecified)?;
        let message = vec![0x5a; len];
        let signature = key.sign(&SystemRandom::new(), &message)?.as_ref().to_vec();
        Ok(Self { message, signature, public_key: key.public_key().as_ref().to_vec() })
    }

    /// Whether it verifies.
    #[must_use]
    pub fn verifies(&self) -> bool {
        aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ECDSA_P384_SHA384_FIXED, &self.public_key)
            .verify(&self.message, &self.signature)
            .is_ok()
    }
}

/// Of the vectors one whose registers are not zero, with a nonce, and of a length that all peers take.
const REAL: &str = "evervault-attestation-doc-validation-a7255268.cbor";
/// What precedes the payload in a `Sig_structure`: `84 6a "Signature1" 44 a1 01 38 22 40 59 xx xx`.
const SIG_STRUCTURE_HEAD_LEN: usize = 21;
/// As an example: some hundred parent instances of a Region.
const CACHE_CAPACITY: NonZeroUsize = NonZeroUsize::new(256).expect("not zero");
const EXECUTABLE: &[u8] = b"an executable";
const CONFIGURATION: &[u8] = b"its configuration";
const NONCE: &[u8] = b"sixteen or more fresh bytes";
