//! The simulated module: registers, requests, documents.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_nitro_enclaves_cose::CoseSign1;
use aws_nitro_enclaves_cose::header_map::HeaderMap;
use aws_nitro_enclaves_nsm_api::api::{Digest as NsmDigest, ErrorCode, Request, Response};
use serde_bytes::ByteBuf;

use super::authority::{Authority, Chain, END_ENTITY_VALIDITY, Names};
use super::key::SimulatedKey;
use super::{Defect, SimError, measurements};
use crate::clock::Clock;
use crate::cose::{AwsLcHash, SIGNATURE_LEN};
use crate::document::{AttestationDocument, Digest};
use crate::measure;
use crate::nsm::{AttestationRequest, NsmError};
use crate::pcr::{PcrIndex, PcrValue, Pcrs};
use crate::time::UnixTime;
use crate::wire::{Process, impl_nsm_by_process};

/// An NSM that exists only here. See the [module's documentation](super) for what it is not.
///
/// ```
/// use nsm_attest::sim::{self, Authority, SimulatedNsm};
/// use nsm_attest::{AttestationRequest, Clock, Nsm, PcrIndex, UnixTime};
///
/// let clock = Clock::settable(UnixTime::from_secs(1_700_000_000));
/// let nsm = SimulatedNsm::builder(Authority::generate(clock.now())?)
///     .measure(b"executable", b"configuration")
///     .clock(clock)
///     .build()?;
/// assert_eq!(nsm.describe_pcr(PcrIndex::IMAGE)?.value, sim::pcr0(b"executable", b"configuration"));
/// assert!(nsm.attest(&AttestationRequest::new().with_nonce(b"challenge"))?.len() > 4000);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SimulatedNsm {
    authority: Authority,
    clock: Clock,
    instance_id: String,
    module_id: String,
    key: SimulatedKey,
    defect: Option<Defect>,
    state: Mutex<State>,
}

struct State {
    registers: [Register; PcrIndex::COUNT as usize],
    certificates: Option<(UnixTime, Chain)>,
}

#[derive(Clone, Copy)]
struct Register {
    value: PcrValue,
    locked: bool,
}

impl SimulatedNsm {
    /// Starts building a module whose documents `authority` vouches for.
    #[must_use]
    pub fn builder(authority: Authority) -> SimulatedNsmBuilder {
        let builder = SimulatedNsmBuilder {
            authority,
            clock: Clock::system(),
            instance_id: "i-0123456789abcdef0".to_owned(),
            registers: Pcrs::new(),
            defect: None,
        };
        builder.measure(b"", b"")
    }

    /// Signs `payload`, whatever it is, as this module signs documents: for tests of decoders behind a good signature.
    ///
    /// # Errors
    /// [`NsmError::InternalError`] if signing fails.
    pub fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, NsmError> {
        match self.defect {
            Some(Defect::Signature) => sign1(payload, &SimulatedKey::generate().map_err(|_| NsmError::InternalError)?),
            Some(Defect::SwappedSignature) => {
                let (mut document, other) = (sign1(payload, &self.key)?, sign1(b"another document", &self.key)?);
                let kept = document.len().saturating_sub(SIGNATURE_LEN);
                document.splice(kept.., other.into_iter().rev().take(SIGNATURE_LEN).rev());
                Ok(document)
            }
            _ => sign1(payload, &self.key),
        }
    }

    fn attest(&self, request: AttestationRequest) -> Result<Response, ErrorCode> {
        let too_long = |field: &Option<Vec<u8>>| {
            field.as_ref().is_some_and(|bytes| bytes.len() > AttestationRequest::MAX_FIELD_LEN)
        };
        if [&request.public_key, &request.user_data, &request.nonce].into_iter().any(too_long) {
            return Err(ErrorCode::InputTooLarge);
        }
        let now = self.clock.now();
        let document = {
            let mut state = self.state();
            let (cabundle, certificate) = {
                let chain = self.certificates(&mut state, now).map_err(|_| ErrorCode::InternalError)?;
                (chain.cabundle.clone(), chain.certificate.clone())
            };
            let registers = PcrIndex::all().zip(&state.registers);
            AttestationDocument {
                module_id: self.module_id.clone(),
                digest: Digest::Sha384,
                timestamp: now,
                pcrs: registers.filter(|(_, pcr)| pcr.locked).map(|(index, pcr)| (index, pcr.value)).collect(),
                certificate,
                cabundle,
                public_key: request.public_key,
                user_data: request.user_data,
                nonce: request.nonce,
            }
        };
        let document = self.sign(&document.encode()).map_err(|_| ErrorCode::InternalError)?;
        Ok(Response::Attestation { document })
    }

    /// The certificates as of `now`, renewed before a fresh document could outlive them.
    fn certificates<'a>(&self, state: &'a mut State, now: UnixTime) -> Result<&'a Chain, SimError> {
        let is_current =
            |issued: UnixTime| now.duration_since(issued).is_some_and(|age| age < END_ENTITY_VALIDITY - RENEWAL_MARGIN);
        let current = state.certificates.take().filter(|(issued, _)| is_current(*issued));
        let renewed = match current {
            Some(current) => current,
            None => {
                let names = Names { instance_id: &self.instance_id, module_id: &self.module_id };
                (now, self.authority.issue(&names, &self.key, now, self.defect)?)
            }
        };
        Ok(&state.certificates.insert(renewed).1)
    }

    fn describe(&self) -> Response {
        let state = self.state();
        let locked = PcrIndex::all().zip(&state.registers).filter(|(_, register)| register.locked);
        Response::DescribeNSM {
            version_major: 1,
            version_minor: 0,
            version_patch: 0,
            module_id: self.module_id.clone(),
            max_pcrs: PcrIndex::COUNT.into(),
            locked_pcrs: locked.map(|(index, _)| index.into()).collect(),
            digest: NsmDigest::SHA384,
        }
    }

    fn extend(&self, index: u16, data: &[u8]) -> Result<Response, ErrorCode> {
        if data.len() > MAX_EXTEND_LEN {
            return Err(ErrorCode::InputTooLarge);
        }
        let mut state = self.state();
        let register = unlocked(&mut state, index)?;
        register.value = measure::extend(&register.value, data);
        Ok(Response::ExtendPCR { data: register.value.as_bytes().to_vec() })
    }

    fn lock_range(&self, range: u16) -> Result<Response, ErrorCode> {
        let mut state = self.state();
        let registers = state.registers.get_mut(..usize::from(range)).ok_or(ErrorCode::InvalidIndex)?;
        registers.iter_mut().for_each(|register| register.locked = true);
        Ok(Response::LockPCRs)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No code panics while it holds the lock half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process for SimulatedNsm {
    fn process(&self, request: Request) -> Response {
        let answer = match request {
            Request::Attestation { user_data, nonce, public_key } => self.attest(AttestationRequest {
                public_key: public_key.map(ByteBuf::into_vec),
                user_data: user_data.map(ByteBuf::into_vec),
                nonce: nonce.map(ByteBuf::into_vec),
            }),
            Request::DescribeNSM => Ok(self.describe()),
            Request::DescribePCR { index } => match self.state().registers.get(usize::from(index)) {
                Some(register) => {
                    Ok(Response::DescribePCR { lock: register.locked, data: register.value.as_bytes().to_vec() })
                }
                None => Err(ErrorCode::InvalidIndex),
            },
            Request::ExtendPCR { index, data } => self.extend(index, &data),
            Request::GetRandom => {
                let mut random = vec![0; RANDOM_LEN];
                match aws_lc_rs::rand::fill(&mut random) {
                    Ok(()) => Ok(Response::GetRandom { random }),
                    Err(_) => Err(ErrorCode::InternalError),
                }
            }
            Request::LockPCR { index } => unlocked(&mut self.state(), index).map(|register| {
                register.locked = true;
                Response::LockPCR
            }),
            Request::LockPCRs { range } => self.lock_range(range),
            _ => Err(ErrorCode::InvalidOperation),
        };
        answer.unwrap_or_else(Response::Error)
    }
}

impl_nsm_by_process!(SimulatedNsm);

impl fmt::Debug for SimulatedNsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedNsm")
            .field("module_id", &self.module_id)
            .field("authority", &self.authority)
            .field("clock", &self.clock)
            .field("defect", &self.defect)
            .finish_non_exhaustive()
    }
}

/// Builds a [`SimulatedNsm`].
#[derive(Clone, Debug)]
pub struct SimulatedNsmBuilder {
    authority: Authority,
    clock: Clock,
    instance_id: String,
    registers: Pcrs,
    defect: Option<Defect>,
}

impl SimulatedNsmBuilder {
    /// The module's clock, the system's by default.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes every document wrong in one way.
    #[must_use]
    pub fn defect(mut self, defect: Defect) -> Self {
        self.defect = Some(defect);
        self
    }

    /// Zeroes what debug mode zeroes: image, kernel, application and signer.
    #[must_use]
    pub fn debug_mode(self) -> Self {
        [PcrIndex::IMAGE, PcrIndex::KERNEL, PcrIndex::APPLICATION, PcrIndex::SIGNER]
            .into_iter()
            .fold(self, |builder, index| builder.pcr(index, PcrValue::ZERO))
    }

    /// The id of the parent instance, which PCR4 measures.
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = instance_id.into();
        self
    }

    /// Measures an enclave into PCR0 to PCR2: see [`measurements`](super::measurements). Two empty strings by default.
    #[must_use]
    pub fn measure(self, executable: &[u8], configuration: &[u8]) -> Self {
        let measured = measurements(executable, configuration);
        self.pcr(PcrIndex::IMAGE, measured.image)
            .pcr(PcrIndex::KERNEL, measured.kernel)
            .pcr(PcrIndex::APPLICATION, measured.application)
    }

    /// Sets what a register holds at boot.
    #[must_use]
    pub fn pcr(mut self, index: PcrIndex, value: PcrValue) -> Self {
        self.registers.insert(index, value);
        self
    }

    /// The IAM role of the parent instance, which PCR3 measures. None by default.
    #[must_use]
    pub fn role(self, role_arn: &str) -> Self {
        self.pcr(PcrIndex::ROLE, measure::role(role_arn))
    }

    /// Boots the module: registers 0 to 15 are locked, as the hypervisor leaves them.
    ///
    /// # Errors
    /// [`SimError`] if its key cannot be made.
    pub fn build(mut self) -> Result<SimulatedNsm, SimError> {
        if self.registers.get(PcrIndex::INSTANCE).is_none() {
            self.registers.insert(PcrIndex::INSTANCE, measure::instance(&self.instance_id));
        }
        let mut registers = [Register { value: PcrValue::ZERO, locked: false }; PcrIndex::COUNT as usize];
        for (index, register) in PcrIndex::all().zip(&mut registers) {
            register.locked = index.as_u8() < BOOT_LOCKED;
            register.value = self.registers.get(index).copied().unwrap_or(PcrValue::ZERO);
        }
        let mut unique = [0; 2];
        aws_lc_rs::rand::fill(&mut unique)?;
        let booted = self.clock.now().as_millis();
        Ok(SimulatedNsm {
            module_id: format!("{}-enc{booted:012x}{}", self.instance_id, hex::encode(unique)),
            key: SimulatedKey::generate()?,
            authority: self.authority,
            clock: self.clock,
            instance_id: self.instance_id,
            defect: self.defect,
            state: Mutex::new(State { registers, certificates: None }),
        })
    }
}

fn sign1(payload: &[u8], key: &SimulatedKey) -> Result<Vec<u8>, NsmError> {
    CoseSign1::new::<AwsLcHash>(payload, &HeaderMap::new(), key)
        .and_then(|sign1| sign1.as_bytes(false))
        .map_err(|_| NsmError::InternalError)
}

fn unlocked(state: &mut State, index: u16) -> Result<&mut Register, ErrorCode> {
    match state.registers.get_mut(usize::from(index)) {
        None => Err(ErrorCode::InvalidIndex),
        Some(register) if register.locked => Err(ErrorCode::ReadOnlyIndex),
        Some(register) => Ok(register),
    }
}

const BOOT_LOCKED: u8 = 16;
const MAX_EXTEND_LEN: usize = 512;
/// What one call of the device yields.
const RANDOM_LEN: usize = 256;
/// As long as a document is accepted by default.
const RENEWAL_MARGIN: Duration = Duration::from_secs(5 * 60);
