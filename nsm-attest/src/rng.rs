//! The module's random numbers as a generator of the `rand_core` family.

use rand_core::{TryCryptoRng, TryRng};
use zeroize::Zeroizing;

use crate::nsm::{Nsm, NsmError};

/// Random numbers from a module, of which nothing is kept back between calls.
///
/// Every call is a system call: fill whole buffers rather than drawing words.
///
/// ```
/// # #[cfg(feature = "sim")] {
/// use nsm_attest::sim::{Authority, SimulatedNsm};
/// use nsm_attest::{NsmRng, UnixTime};
/// use rand_core::TryRng;
///
/// let nsm = SimulatedNsm::builder(Authority::generate(UnixTime::from_secs(1_700_000_000))?).build()?;
/// let mut key = [0; 32];
/// NsmRng::new(&nsm).try_fill_bytes(&mut key)?;
/// assert_ne!(key, [0; 32]);
/// # }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct NsmRng<N> {
    nsm: N,
}

impl<N: Nsm> NsmRng<N> {
    /// A generator that asks `nsm`: an `Arc<dyn Nsm>`, a `&dyn Nsm` or a module itself.
    pub const fn new(nsm: N) -> Self {
        Self { nsm }
    }
}

impl<N: Nsm> TryRng for NsmRng<N> {
    type Error = NsmError;

    fn try_next_u32(&mut self) -> Result<u32, NsmError> {
        let mut word = Zeroizing::new([0; 4]);
        self.nsm.random(&mut *word)?;
        Ok(u32::from_le_bytes(*word))
    }

    fn try_next_u64(&mut self) -> Result<u64, NsmError> {
        let mut word = Zeroizing::new([0; 8]);
        self.nsm.random(&mut *word)?;
        Ok(u64::from_le_bytes(*word))
    }

    fn try_fill_bytes(&mut self, buffer: &mut [u8]) -> Result<(), NsmError> {
        self.nsm.random(buffer)
    }
}

impl<N: Nsm> TryCryptoRng for NsmRng<N> {}
