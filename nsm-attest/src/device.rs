//! `/dev/nsm`, through the driver functions of AWS's own crate.

use aws_nitro_enclaves_nsm_api::api::{Request, Response};
use aws_nitro_enclaves_nsm_api::driver;

use crate::nsm::NsmError;
use crate::wire::{Process, impl_nsm_by_process};

/// The Nitro Secure Module of the enclave this runs in.
///
/// Calls block in the kernel, which lets one through at a time.
#[derive(Debug)]
pub struct Device {
    descriptor: i32,
}

impl Device {
    /// Opens `/dev/nsm`.
    ///
    /// # Errors
    /// [`NsmError::Unavailable`] outside an enclave, or without the right to use the device.
    pub fn open() -> Result<Self, NsmError> {
        // AWS's function reports failure as -1 and keeps the reason to itself.
        match driver::nsm_init() {
            descriptor if descriptor >= 0 => Ok(Self { descriptor }),
            _ => Err(NsmError::Unavailable),
        }
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        driver::nsm_exit(self.descriptor);
    }
}

impl Process for Device {
    fn process(&self, request: Request) -> Response {
        driver::nsm_process_request(self.descriptor, request)
    }
}

impl_nsm_by_process!(Device);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn opening_fails_outside_an_enclave() {
        if !std::path::Path::new("/dev/nsm").exists() {
            assert_eq!(Device::open().map(drop), Err(NsmError::Unavailable));
            assert!(NsmError::Unavailable.to_string().contains("only inside a Nitro Enclave"));
        }
    }
}
