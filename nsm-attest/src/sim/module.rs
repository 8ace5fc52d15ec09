//! The simulated module: registers, requests, documents.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_nitro_enclaves_cose::CoseSign1;
use aws_nitro_enclaves_cose::header_map::HeaderMap;
use aws_nitro_enclaves_nsm_api::api::{Digest as NsmDigest, ErrorCode, Request, Response};
use serde_bytes::ByteBuf;

use super::authority::{Authority, Chain, END_ENTITY_VALIDITY, Names};
use super::key::{AwsLcHash, SimulatedKey};
use super::{Defect, SimError, SimulatedNsmBuilder, unsigned};
use crate::clock::Clock;
use crate::cose::SIGNATURE_LEN;
use crate::document::{AttestationDocument, Digest};
use crate::measure;
use crate::nsm::{AttestationRequest, NsmError};
use crate::pcr::{PcrIndex, PcrValue};
use crate::time::UnixTime;
use crate::wire::{Process, error_code, impl_nsm_by_process};

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
    pub(super) authority: Authority,
    pub(super) clock: Clock,
    pub(super) instance_id: String,
    pub(super) module_id: String,
    pub(super) key: SimulatedKey,
    pub(super) defect: Option<Defect>,
    pub(super) is_unsigned: bool,
    pub(super) state: Mutex<State>,
}

pub(super) struct State {
    pub(super) registers: [Register; PcrIndex::COUNT as usize],
    pub(super) certificates: Option<(UnixTime, Chain)>,
    pub(super) fault: Option<NsmError>,
}

#[derive(Clone, Copy)]
pub(super) struct Register {
    pub(super) value: PcrValue,
    pub(super) locked: bool,
}

impl SimulatedNsm {
    /// Starts building a module whose documents `authority` vouches for.
    #[must_use]
    pub fn builder(authority: Authority) -> SimulatedNsmBuilder {
        SimulatedNsmBuilder::new(authority)
    }

    /// From now on answers every request with `fault`, until that is `None`: for tests of what happens when the device
    /// fails. ([`NsmError::Unavailable`], which no module answers, counts as [`NsmError::InternalError`].)
    ///
    /// ```
    /// # use nsm_attest::sim::{Authority, SimulatedNsm};
    /// # use nsm_attest::{Nsm, NsmError, UnixTime};
    /// # let nsm = SimulatedNsm::builder(Authority::generate(UnixTime::from_secs(1_700_000_000))?).build()?;
    /// nsm.set_fault(NsmError::BufferTooSmall);
    /// assert_eq!(nsm.describe(), Err(NsmError::BufferTooSmall));
    /// nsm.set_fault(None);
    /// assert!(nsm.describe().is_ok());
    /// # Ok::<(), nsm_attest::sim::SimError>(())
    /// ```
    pub fn set_fault(&self, fault: impl Into<Option<NsmError>>) {
        self.state().fault = fault.into();
    }

    /// Signs `payload`, whatever it is, as this module signs documents: for tests of decoders behind a good signature.
    ///
    /// # Errors
    /// [`NsmError::InternalError`] if signing fails.
    pub fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, NsmError> {
        match self.defect {
            _ if self.is_unsigned => Ok(unsigned::wrap(payload)),
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
        let now = self.now();
        let document = {
            let mut state = self.state();
            let (cabundle, certificate) = if self.is_unsigned {
                (vec![unsigned::BLANK.to_vec()], unsigned::BLANK.to_vec())
            } else {
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

    /// What documents give as the time.
    fn now(&self) -> UnixTime {
        let now = self.clock.now();
        if self.is_unsigned { UnixTime::from_secs(now.as_millis() / 1000) } else { now }
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
        if let Some(fault) = self.state().fault {
            return Response::Error(error_code(fault));
        }
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

const MAX_EXTEND_LEN: usize = 512;
/// What one call of the device yields.
const RANDOM_LEN: usize = 256;
/// As long as a document is accepted by default.
const RENEWAL_MARGIN: Duration = Duration::from_secs(5 * 60);
