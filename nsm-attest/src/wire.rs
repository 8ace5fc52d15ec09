//! Requests and answers of the NSM interface, mapped to the methods of `Nsm` for whatever carries them.

use std::fmt;

use aws_nitro_enclaves_nsm_api::api::{ErrorCode, Request, Response};
use serde_bytes::ByteBuf;
use zeroize::Zeroize;

use crate::nsm::{AttestationRequest, NsmDescription, NsmError, PcrDescription};
use crate::pcr::{PcrIndex, PcrValue};

/// Something that answers requests of the NSM interface: the device or the simulator.
pub(crate) trait Process: fmt::Debug + Send + Sync {
    fn process(&self, request: Request) -> Response;
}

/// The blanket is not over every `P: Process` itself, because users' own types implement `Nsm` too.
macro_rules! impl_nsm_by_process {
    ($type:ty) => {
        impl crate::nsm::Nsm for $type {
            fn attest(&self, request: &crate::AttestationRequest) -> Result<Vec<u8>, crate::NsmError> {
                crate::wire::attest(self, request)
            }
            fn random(&self, buffer: &mut [u8]) -> Result<(), crate::NsmError> {
                crate::wire::random(self, buffer)
            }
            fn describe(&self) -> Result<crate::NsmDescription, crate::NsmError> {
                crate::wire::describe(self)
            }
            fn describe_pcr(&self, index: crate::PcrIndex) -> Result<crate::PcrDescription, crate::NsmError> {
                crate::wire::describe_pcr(self, index)
            }
            fn extend_pcr(&self, index: crate::PcrIndex, data: &[u8]) -> Result<crate::PcrValue, crate::NsmError> {
                crate::wire::extend_pcr(self, index, data)
            }
            fn lock_pcr(&self, index: crate::PcrIndex) -> Result<(), crate::NsmError> {
                crate::wire::lock_pcr(self, index)
            }
            fn lock_pcrs(&self, range: u16) -> Result<(), crate::NsmError> {
                crate::wire::lock_pcrs(self, range)
            }
        }
    };
}
pub(crate) use impl_nsm_by_process;

pub(crate) fn attest(nsm: &impl Process, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
    let field = |bytes: &Option<Vec<u8>>| bytes.clone().map(ByteBuf::from);
    let request = Request::Attestation {
        user_data: field(&request.user_data),
        nonce: field(&request.nonce),
        public_key: field(&request.public_key),
    };
    match nsm.process(request) {
        Response::Attestation { document } => Ok(document),
        other => Err(unexpected(other)),
    }
}

pub(crate) fn random(nsm: &impl Process, buffer: &mut [u8]) -> Result<(), NsmError> {
    let mut rest = buffer;
    while !rest.is_empty() {
        let mut random = match nsm.process(Request::GetRandom) {
            // An empty answer would keep this loop running for ever.
            Response::GetRandom { random } if !random.is_empty() => random,
            other => return Err(unexpected(other)),
        };
        let (filled, unfilled) = rest.split_at_mut(random.len().min(rest.len()));
        filled.copy_from_slice(&random[..filled.len()]);
        random.zeroize();
        rest = unfilled;
    }
    Ok(())
}

pub(crate) fn describe(nsm: &impl Process) -> Result<NsmDescription, NsmError> {
    match nsm.process(Request::DescribeNSM) {
        Response::DescribeNSM {
            version_major, version_minor, version_patch, module_id, max_pcrs, locked_pcrs, ..
        } => Ok(NsmDescription {
            version: (version_major, version_minor, version_patch),
            module_id,
            max_pcrs,
            locked_pcrs: locked_pcrs
                .into_iter()
                .map(|index| PcrIndex::try_from(u64::from(index)).map_err(|_| NsmError::InvalidResponse))
                .collect::<Result<_, _>>()?,
        }),
        other => Err(unexpected(other)),
    }
}

pub(crate) fn describe_pcr(nsm: &impl Process, index: PcrIndex) -> Result<PcrDescription, NsmError> {
    match nsm.process(Request::DescribePCR { index: index.into() }) {
        Response::DescribePCR { lock, data } => Ok(PcrDescription { locked: lock, value: to_value(&data)? }),
        other => Err(unexpected(other)),
    }
}

pub(crate) fn extend_pcr(nsm: &impl Process, index: PcrIndex, data: &[u8]) -> Result<PcrValue, NsmError> {
    match nsm.process(Request::ExtendPCR { index: index.into(), data: data.to_vec() }) {
        Response::ExtendPCR { data } => to_value(&data),
        other => Err(unexpected(other)),
    }
}

pub(crate) fn lock_pcr(nsm: &impl Process, index: PcrIndex) -> Result<(), NsmError> {
    match nsm.process(Request::LockPCR { index: index.into() }) {
        Response::LockPCR => Ok(()),
        other => Err(unexpected(other)),
    }
}

pub(crate) fn lock_pcrs(nsm: &impl Process, range: u16) -> Result<(), NsmError> {
    match nsm.process(Request::LockPCRs { range }) {
        Response::LockPCRs => Ok(()),
        other => Err(unexpected(other)),
    }
}

fn to_value(data: &[u8]) -> Result<PcrValue, NsmError> {
    PcrValue::from_bytes(data).map_err(|_| NsmError::InvalidResponse)
}

/// An error code, or an answer to another question.
fn unexpected(response: Response) -> NsmError {
    let Response::Error(code) = response else { return NsmError::InvalidResponse };
    match code {
        ErrorCode::InvalidArgument => NsmError::InvalidArgument,
        ErrorCode::InvalidIndex => NsmError::InvalidIndex,
        // "Error: success" contradicts itself.
        ErrorCode::InvalidResponse | ErrorCode::Success => NsmError::InvalidResponse,
        ErrorCode::ReadOnlyIndex => NsmError::ReadOnlyIndex,
        ErrorCode::InvalidOperation => NsmError::InvalidOperation,
        ErrorCode::BufferTooSmall => NsmError::BufferTooSmall,
        ErrorCode::InputTooLarge => NsmError::InputTooLarge,
        ErrorCode::InternalError => NsmError::InternalError,
    }
}
