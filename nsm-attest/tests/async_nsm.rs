//! The async front: calls are bounded, end in time, and never block the runtime.
#![allow(clippy::unwrap_used, reason = "helpers of tests")]

mod support;

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nsm_attest::{
    AsyncNsm, AsyncNsmError, AttestationRequest, Nsm, NsmDescription, NsmError, PcrDescription, PcrIndex, PcrValue,
    UnverifiedDocument,
};
use support::{BOOT, Setup};

/// A module that tells when a call has begun and holds it until it is told to go on.
#[derive(Debug)]
struct Held {
    begun: SyncSender<()>,
    go_on: Mutex<Receiver<()>>,
}

struct Handle {
    begun: Receiver<()>,
    go_on: SyncSender<()>,
}

impl Held {
    fn new() -> (Self, Handle) {
        let (begun, has_begun) = sync_channel(100);
        let (release, go_on) = sync_channel(100);
        (Self { begun, go_on: Mutex::new(go_on) }, Handle { begun: has_begun, go_on: release })
    }
}

impl Nsm for Held {
    fn attest(&self, _: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        panic!("a module that panics")
    }
    fn random(&self, buffer: &mut [u8]) -> Result<(), NsmError> {
        self.begun.send(()).unwrap();
        self.go_on.lock().unwrap().recv().unwrap();
        buffer.fill(7);
        Ok(())
    }
    fn describe(&self) -> Result<NsmDescription, NsmError> {
        Err(NsmError::InternalError)
    }
    fn describe_pcr(&self, _: PcrIndex) -> Result<PcrDescription, NsmError> {
        Err(NsmError::InternalError)
    }
    fn extend_pcr(&self, _: PcrIndex, _: &[u8]) -> Result<PcrValue, NsmError> {
        Err(NsmError::InternalError)
    }
    fn lock_pcr(&self, _: PcrIndex) -> Result<(), NsmError> {
        Err(NsmError::InternalError)
    }
    fn lock_pcrs(&self, _: u16) -> Result<(), NsmError> {
        Err(NsmError::InternalError)
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn every_request_reaches_the_module() {
    let setup = Setup::new();
    let (anchor, policy) = (setup.anchor, setup.policy().build());
    let nsm = AsyncNsm::builder(setup.nsm).build();
    let index = PcrIndex::new(16).unwrap();

    assert_eq!(nsm.describe().await.unwrap().max_pcrs, 32);
    let extended = nsm.extend_pcr(index, b"data".to_vec()).await.unwrap();
    assert_eq!(nsm.describe_pcr(index).await.unwrap(), PcrDescription { locked: false, value: extended });
    nsm.lock_pcr(index).await.unwrap();
    assert_eq!(nsm.lock_pcr(index).await, Err(NsmError::ReadOnlyIndex.into()));
    nsm.lock_pcrs(20).await.unwrap();
    assert_eq!(nsm.lock_pcrs(33).await, Err(NsmError::InvalidIndex.into()));

    let document = nsm.attest(AttestationRequest::new()).await.unwrap();
    let verified = UnverifiedDocument::from_bytes(&document).unwrap().verify(&anchor, &policy, BOOT).unwrap();
    assert_eq!(verified.pcrs.get(index), Some(&extended));
    assert_ne!(nsm.random(32).await.unwrap(), nsm.random(32).await.unwrap());
    assert_eq!(nsm.random(AsyncNsm::MAX_RANDOM_LEN).await.unwrap().len(), AsyncNsm::MAX_RANDOM_LEN);
    assert_eq!(nsm.random(AsyncNsm::MAX_RANDOM_LEN + 1).await, Err(NsmError::InputTooLarge.into()));
}

/// On the current-thread runtime a call that blocked the runtime would hang this test.
#[tokio::test]
async fn calls_beyond_the_bounds_are_refused_and_waiting_ones_take_their_turn() {
    let (held, handle) = Held::new();
    let nsm = AsyncNsm::builder(held).max_in_flight(2).max_waiting(1).deadline(LONG).build();
    let spawn = || {
        let nsm = nsm.clone();
        tokio::spawn(async move { nsm.random(1).await.map(|bytes| bytes[0]) })
    };
    let calls = [spawn(), spawn(), spawn()];
    tokio::task::yield_now().await;
    assert_eq!(nsm.random(1).await, Err(AsyncNsmError::Busy { max_waiting: 1 }));

    let handle = blocking(handle, |handle| handle.begun.recv().and_then(|()| handle.begun.recv()).unwrap()).await;
    assert!(handle.begun.try_recv().is_err(), "the third waits");
    for _ in 0..3 {
        handle.go_on.send(()).unwrap();
    }
    for call in calls {
        assert_eq!(call.await.unwrap(), Ok(7));
    }
    handle.go_on.send(()).unwrap();
    assert_eq!(nsm.random(1).await.map(|bytes| bytes[0]), Ok(7), "the places are free again");
}

#[tokio::test]
async fn a_call_without_answer_ends_in_time_but_keeps_its_place_until_the_device_returns() {
    let (held, handle) = Held::new();
    let deadline = Duration::from_millis(20);
    let nsm = AsyncNsm::builder(held).max_waiting(1).deadline(deadline).build();
    assert_eq!(nsm.random(1).await, Err(AsyncNsmError::DeadlineExceeded { deadline }));
    let handle = blocking(handle, |handle| handle.begun.recv().unwrap()).await;

    assert_eq!(nsm.random(1).await, Err(AsyncNsmError::DeadlineExceeded { deadline }), "no second thread is taken");
    assert!(handle.begun.try_recv().is_err(), "what was given up while it waited never begins");

    handle.go_on.send(()).unwrap();
    handle.go_on.send(()).unwrap();
    // The first call's place is free as soon as its thread is done: until then calls end in time, as before.
    let mut again = nsm.random(1).await;
    for _ in 0..1000 {
        if again != Err(AsyncNsmError::DeadlineExceeded { deadline }) {
            break;
        }
        again = nsm.random(1).await;
    }
    assert_eq!(again.map(|bytes| bytes[0]), Ok(7));
    drop(handle);
}

/// With the runtime's only blocking thread taken, a call stays on the runtime's queue until it is given up.
#[test]
fn a_call_given_up_before_a_thread_took_it_never_begins() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build().unwrap();
    runtime.block_on(async {
        let (release, wait) = sync_channel::<()>(1);
        let other_work = tokio::task::spawn_blocking(move || wait.recv());
        let (held, handle) = Held::new();
        let deadline = Duration::from_millis(20);
        let nsm = AsyncNsm::builder(held).max_waiting(0).deadline(deadline).build();
        assert_eq!(nsm.random(1).await, Err(AsyncNsmError::DeadlineExceeded { deadline }));
        assert_eq!(nsm.random(1).await, Err(AsyncNsmError::DeadlineExceeded { deadline }), "its place is free again");
        release.send(()).unwrap();
        other_work.await.unwrap().unwrap();
        // Whatever was still queued would run before this.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert!(handle.begun.try_recv().is_err());
    });
}

#[tokio::test]
async fn a_module_that_panics_or_refuses_leaves_the_front_usable() {
    let (held, handle) = Held::new();
    let nsm = AsyncNsm::builder(held).max_waiting(0).deadline(LONG).build();
    assert_eq!(nsm.attest(AttestationRequest::new()).await, Err(AsyncNsmError::Aborted));
    assert_eq!(nsm.describe().await, Err(NsmError::InternalError.into()));
    handle.go_on.send(()).unwrap();
    assert_eq!(nsm.random(1).await.map(|bytes| bytes[0]), Ok(7));
    assert!(format!("{nsm:?}").contains("max_in_flight: 1, max_waiting: 0, deadline: 3600s"));
}

#[tokio::test]
async fn zero_in_flight_counts_as_one() {
    let setup = Setup::new();
    let nsm = AsyncNsm::builder(Arc::new(setup.nsm)).max_in_flight(0).max_waiting(0).build();
    nsm.describe().await.unwrap();
}

/// Waits on a blocking thread, and gives the handle back.
async fn blocking(handle: Handle, wait: impl FnOnce(&Handle) + Send + 'static) -> Handle {
    let waited = tokio::task::spawn_blocking(move || {
        wait(&handle);
        handle
    });
    waited.await.unwrap()
}
