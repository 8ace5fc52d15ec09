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

/// The code with which a module says so.
#[cfg(feature = "sim")]
pub(crate) const fn error_code(error: NsmError) -> ErrorCode {
    match error {
        NsmError::BufferTooSmall => ErrorCode::BufferTooSmall,
        NsmError::InputTooLarge => ErrorCode::InputTooLarge,
        NsmError::InternalError | NsmError::Unavailable => ErrorCode::InternalError,
        NsmError::InvalidArgument => ErrorCode::InvalidArgument,
        NsmError::InvalidIndex => ErrorCode::InvalidIndex,
        NsmError::InvalidOperation => ErrorCode::InvalidOperation,
        NsmError::InvalidResponse => ErrorCode::InvalidResponse,
        NsmError::ReadOnlyIndex => ErrorCode::ReadOnlyIndex,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;

    use aws_nitro_enclaves_nsm_api::api::Digest;

    use super::*;

    /// Gives the answers it was given, in reverse.
    #[derive(Debug)]
    struct Scripted(Mutex<Vec<Response>>);

    impl Process for Scripted {
        fn process(&self, _: Request) -> Response {
            self.0.lock().unwrap().pop().unwrap()
        }
    }

    fn scripted(responses: impl IntoIterator<Item = Response>) -> Scripted {
        Scripted(Mutex::new(responses.into_iter().collect()))
    }

    #[test]
    fn error_codes_become_errors() {
        for (code, expected) in [
            (ErrorCode::BufferTooSmall, NsmError::BufferTooSmall),
            (ErrorCode::InputTooLarge, NsmError::InputTooLarge),
            (ErrorCode::InternalError, NsmError::InternalError),
            (ErrorCode::InvalidArgument, NsmError::InvalidArgument),
            (ErrorCode::InvalidIndex, NsmError::InvalidIndex),
            (ErrorCode::InvalidOperation, NsmError::InvalidOperation),
            (ErrorCode::InvalidResponse, NsmError::InvalidResponse),
            (ErrorCode::ReadOnlyIndex, NsmError::ReadOnlyIndex),
            (ErrorCode::Success, NsmError::InvalidResponse),
        ] {
            assert_eq!(attest(&scripted([Response::Error(code)]), &AttestationRequest::new()), Err(expected));
        }
    }

    #[test]
    fn answers_to_other_questions_are_refused() {
        let answer = || scripted([Response::LockPCR]);
        let refused = NsmError::InvalidResponse;
        assert_eq!(attest(&answer(), &AttestationRequest::new()), Err(refused));
        assert_eq!(random(&answer(), &mut [0]), Err(refused));
        assert_eq!(describe(&answer()), Err(refused));
        assert_eq!(describe_pcr(&answer(), PcrIndex::IMAGE), Err(refused));
        assert_eq!(extend_pcr(&answer(), PcrIndex::IMAGE, b""), Err(refused));
        assert_eq!(lock_pcrs(&answer(), 1), Err(refused));
        assert_eq!(lock_pcr(&scripted([Response::LockPCRs]), PcrIndex::IMAGE), Err(refused));
    }

    #[test]
    fn answers_outside_the_interface_are_refused() {
        let value = scripted([Response::DescribePCR { lock: true, data: vec![0; 47] }]);
        assert_eq!(describe_pcr(&value, PcrIndex::IMAGE), Err(NsmError::InvalidResponse));
        let description = scripted([Response::DescribeNSM {
            version_major: 1,
            version_minor: 0,
            version_patch: 0,
            module_id: String::new(),
            max_pcrs: 32,
            locked_pcrs: BTreeSet::from([32]),
            digest: Digest::SHA384,
        }]);
        assert_eq!(describe(&description), Err(NsmError::InvalidResponse));
    }

    #[test]
    fn random_takes_answers_of_any_length_but_none_that_is_empty() {
        let answer = |bytes: &[u8]| Response::GetRandom { random: bytes.to_vec() };
        let mut buffer = [0; 4];
        random(&scripted([answer(&[4, 5, 6]), answer(&[1, 2, 3])]), &mut buffer).unwrap();
        assert_eq!(buffer, [1, 2, 3, 4]);
        assert_eq!(random(&scripted([answer(&[])]), &mut buffer), Err(NsmError::InvalidResponse));
    }
}
