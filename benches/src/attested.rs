//! An attestation document under a simulated root, shaped like a real one: four certificates below the root's key, so
//! five P-384 signatures to verify.

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use nsm_attest::sim::{Authority, SimulatedNsm, pcr0};
use nsm_attest::{AttestationRequest, Clock, Nsm, PcrIndex, Policy, Purpose, TrustAnchor, UnixTime, UserData};

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
}

impl Attested {
    /// Makes one.
    ///
    /// # Errors
    /// Those of the simulator.
    pub fn new() -> Result<Self, Box<dyn std::error::Error>> {
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
        Ok(Self { bytes: nsm.attest(&request)?, anchor: authority.trust_anchor(), policy, now })
    }
}

/// A P-384 signature: verifying five of these is the least that a cold document costs.
#[derive(Debug)]
pub struct P384Signature {
    message: Vec<u8>,
    signature: Vec<u8>,
    public_key: Vec<u8>,
}

impl P384Signature {
    /// Signs a message of the length of a document's `Sig_structure`.
    ///
    /// # Errors
    /// [`Unspecified`] if AWS-LC cannot make a key or a signature.
    pub fn new() -> Result<Self, Unspecified> {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING)?;
        let message = vec![0x5a; 4096];
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

const EXECUTABLE: &[u8] = b"an executable";
const CONFIGURATION: &[u8] = b"its configuration";
const NONCE: &[u8] = b"sixteen or more fresh bytes";
