//! A module for async code: blocking calls off the runtime, few at a time, each with a deadline.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task;
use tokio::time::timeout;
use zeroize::Zeroizing;

use crate::nsm::{AttestationRequest, Nsm, NsmDescription, NsmError, PcrDescription};
use crate::pcr::{PcrIndex, PcrValue};

/// An [`Nsm`] whose calls do not block the async runtime. Clones share it and its bounds.
///
/// A call to the device blocks in the kernel, whose driver lets one through at a time and gives up after two minutes
/// (Linux, `drivers/misc/nsm.c`). Here calls run on blocking threads of the Tokio runtime, at most `max_in_flight` at
/// once; at most `max_waiting` more wait for their turn and further ones are refused at once; and each gets its answer
/// within `deadline` or [`AsyncNsmError::DeadlineExceeded`].
///
/// A call that is given up, by its deadline or by dropping its future, cannot be stopped in the kernel. Until the kernel
/// returns it keeps its place among those in flight, so that a device that hangs never holds more than `max_in_flight`
/// threads; what it was asked to do, such as extending a register, may still happen. Waiting calls that are given up
/// never begin.
///
/// # Panics
/// Calls panic outside a Tokio runtime, or in one whose timers are not enabled.
///
/// ```
/// use nsm_attest::sim::{Authority, SimulatedNsm};
/// use nsm_attest::{AsyncNsm, AttestationRequest, Clock};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // In an enclave: `AsyncNsm::builder(nsm_attest::Device::open()?)`.
/// let authority = Authority::generate(Clock::system().now())?;
/// let nsm = AsyncNsm::builder(SimulatedNsm::builder(authority).build()?).build();
///
/// let document = nsm.attest(AttestationRequest::new().with_nonce(b"from the verifier")).await?;
/// let seed = nsm.random(32).await?;
/// assert!(document.len() > 4000 && seed.len() == 32);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AsyncNsm {
    nsm: Arc<dyn Nsm>,
    /// Calls that run.
    running: Arc<Semaphore>,
    /// Calls that run or wait to.
    admitted: Arc<Semaphore>,
    max_in_flight: usize,
    max_waiting: usize,
    deadline: Duration,
}

impl AsyncNsm {
    /// The longest buffer that [`random`](Self::random) fills.
    pub const MAX_RANDOM_LEN: usize = 64 * 1024;

    /// Starts building a front for `nsm`.
    pub fn builder(nsm: impl Nsm + 'static) -> AsyncNsmBuilder {
        AsyncNsmBuilder { nsm: Arc::new(nsm), max_in_flight: 1, max_waiting: 64, deadline: Duration::from_secs(10) }
    }

    /// Asks for a signed attestation document that carries `request`: see [`Nsm::attest`].
    ///
    /// # Errors
    /// [`AsyncNsmError`].
    pub async fn attest(&self, request: AttestationRequest) -> Result<Vec<u8>, AsyncNsmError> {
        self.call(move |nsm| nsm.attest(&request)).await
    }

    /// Draws `len` random bytes, at most [`MAX_RANDOM_LEN`](Self::MAX_RANDOM_LEN): see [`Nsm::random`].
    ///
    /// # Errors
    /// [`AsyncNsmError`]; [`NsmError::InputTooLarge`] in it for a greater `len`.
    pub async fn random(&self, len: usize) -> Result<Zeroizing<Vec<u8>>, AsyncNsmError> {
        if len > Self::MAX_RANDOM_LEN {
            return Err(NsmError::InputTooLarge.into());
        }
        self.call(move |nsm| {
            let mut buffer = Zeroizing::new(vec![0; len]);
            nsm.random(&mut buffer)?;
            Ok(buffer)
        })
        .await
    }

    /// Asks what the module is: see [`Nsm::describe`].
    ///
    /// # Errors
    /// [`AsyncNsmError`].
    pub async fn describe(&self) -> Result<NsmDescription, AsyncNsmError> {
        self.call(|nsm| nsm.describe()).await
    }

    /// Reads a register: see [`Nsm::describe_pcr`].
    ///
    /// # Errors
    /// [`AsyncNsmError`].
    pub async fn describe_pcr(&self, index: PcrIndex) -> Result<PcrDescription, AsyncNsmError> {
        self.call(move |nsm| nsm.describe_pcr(index)).await
    }

    /// Extends a register: see [`Nsm::extend_pcr`]. Not to be repeated blindly after
    /// [`DeadlineExceeded`](AsyncNsmError::DeadlineExceeded), since the register may have been extended.
    ///
    /// # Errors
    /// [`AsyncNsmError`].
    pub async fn extend_pcr(&self, index: PcrIndex, data: Vec<u8>) -> Result<PcrValue, AsyncNsmError> {
        self.call(move |nsm| nsm.extend_pcr(index, &data)).await
    }

    /// Locks a register: see [`Nsm::lock_pcr`].
    ///
    /// # Errors
    /// [`AsyncNsmError`].
    pub async fn lock_pcr(&self, index: PcrIndex) -> Result<(), AsyncNsmError> {
        self.call(move |nsm| nsm.lock_pcr(index)).await
    }

    /// Locks the registers 0 to `range` - 1: see [`Nsm::lock_pcrs`].
    ///
    /// # Errors
    /// [`AsyncNsmError`].
    pub async fn lock_pcrs(&self, range: u16) -> Result<(), AsyncNsmError> {
        self.call(move |nsm| nsm.lock_pcrs(range)).await
    }

    /// Runs any blocking work with the module under the same bounds: several requests that belong together, or one and
    /// the computation that goes with it.
    ///
    /// # Errors
    /// [`AsyncNsmError`].
    pub async fn call<T, F>(&self, work: F) -> Result<T, AsyncNsmError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Nsm) -> Result<T, NsmError> + Send + 'static,
    {
        let admission = Arc::clone(&self.admitted).try_acquire_owned();
        let admission = admission.map_err(|_| AsyncNsmError::Busy { max_waiting: self.max_waiting })?;
        let deadline = self.deadline;
        timeout(deadline, self.run(admission, work)).await.unwrap_or(Err(AsyncNsmError::DeadlineExceeded { deadline }))
    }

    async fn run<T, F>(&self, admission: OwnedSemaphorePermit, work: F) -> Result<T, AsyncNsmError>
    where
        T: Send + 'static,
        F: FnOnce(&dyn Nsm) -> Result<T, NsmError> + Send + 'static,
    {
        // Nobody closes the semaphore.
        let turn = Arc::clone(&self.running).acquire_owned().await.map_err(|_| AsyncNsmError::Aborted)?;
        let nsm = Arc::clone(&self.nsm);
        let places = Places::new(admission, turn);
        let given_up = GiveUp(Arc::clone(&places));
        let work = task::spawn_blocking(move || {
            // From here on they are free when this thread is, not when nobody waits for it any more.
            let Some(_permits) = places.take() else { return Err(AsyncNsmError::Aborted) };
            work(&*nsm).map_err(AsyncNsmError::Nsm)
        });
        let answer = work.await.map_err(|_| AsyncNsmError::Aborted);
        drop(given_up);
        answer?
    }
}

/// A call's places among those in flight and those admitted: whoever takes them decides whether the call begins.
struct Places(Mutex<Option<[OwnedSemaphorePermit; 2]>>);

impl Places {
    fn new(admission: OwnedSemaphorePermit, turn: OwnedSemaphorePermit) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some([admission, turn]))))
    }

    fn take(&self) -> Option<[OwnedSemaphorePermit; 2]> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Takes the places of a call that is given up before a thread has begun it.
struct GiveUp(Arc<Places>);

impl Drop for GiveUp {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}

impl fmt::Debug for AsyncNsm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsyncNsm")
            .field("nsm", &self.nsm)
            .field("max_in_flight", &self.max_in_flight)
            .field("max_waiting", &self.max_waiting)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// Builds an [`AsyncNsm`].
#[derive(Clone, Debug)]
#[must_use]
pub struct AsyncNsmBuilder {
    nsm: Arc<dyn Nsm>,
    max_in_flight: usize,
    max_waiting: usize,
    deadline: Duration,
}

impl AsyncNsmBuilder {
    /// How long a call may take, waiting included; 10 seconds by default.
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How many calls block a thread at once; 1 by default, as the device serves one at a time. Zero counts as 1.
    pub const fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.max_in_flight = max_in_flight;
        self
    }

    /// How many calls wait for their turn; 64 by default.
    pub const fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.max_waiting = max_waiting;
        self
    }

    /// The front.
    #[must_use]
    pub fn build(self) -> AsyncNsm {
        let max_in_flight = self.max_in_flight.clamp(1, Semaphore::MAX_PERMITS / 2);
        let max_waiting = self.max_waiting.min(Semaphore::MAX_PERMITS / 2);
        AsyncNsm {
            nsm: self.nsm,
            running: Arc::new(Semaphore::new(max_in_flight)),
            admitted: Arc::new(Semaphore::new(max_in_flight + max_waiting)),
            max_in_flight,
            max_waiting,
            deadline: self.deadline,
        }
    }
}

/// Why there is no answer from the module.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AsyncNsmError {
    /// The call panicked, or the runtime shut down before it began.
    #[error("the call to the NSM was aborted")]
    Aborted,
    /// As many calls as allowed run and wait already; this one was not made.
    #[error("the NSM is busy, and {max_waiting} calls, as many as allowed, wait for it")]
    Busy {
        /// The limit.
        max_waiting: usize,
    },
    /// There was no answer in time. If the call had begun, it may still take effect.
    #[error("the NSM did not answer within {deadline:?}")]
    DeadlineExceeded {
        /// The limit.
        deadline: Duration,
    },
    /// The module refused or failed.
    #[error(transparent)]
    Nsm(#[from] NsmError),
}
