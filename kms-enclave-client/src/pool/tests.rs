use std::sync::Condvar;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nsm_attest::sim::{Authority, SimulatedNsm};
use nsm_attest::{
    AsyncNsmError, AttestationRequest, NsmDescription, NsmError, PcrDescription, PcrIndex, PcrValue, UnixTime,
};
use tokio::runtime::{self, Handle, Runtime};
use tokio::task::{JoinSet, yield_now};
use tokio::time::{Instant, advance};

use super::*;

/// A simulated module that counts, fails and hangs when it is told to.
#[derive(Debug)]
struct TestNsm {
    inner: SimulatedNsm,
    /// The public keys that documents were asked for.
    asked: Mutex<Vec<Vec<u8>>>,
    panics: AtomicBool,
    hangs: Mutex<bool>,
    goes_on: Condvar,
    /// A call for a document has begun.
    begun: Notify,
}

impl TestNsm {
    fn set_hanging(&self, hangs: bool) {
        *self.hangs.lock().unwrap() = hangs;
        self.goes_on.notify_all();
    }

    fn asked(&self) -> Vec<Vec<u8>> {
        self.asked.lock().unwrap().clone()
    }
}

impl Nsm for TestNsm {
    fn attest(&self, request: &AttestationRequest) -> Result<Vec<u8>, NsmError> {
        self.asked.lock().unwrap().push(request.public_key.clone().unwrap());
        self.begun.notify_one();
        drop(self.goes_on.wait_while(self.hangs.lock().unwrap(), |hangs| *hangs).unwrap());
        assert!(!self.panics.load(Ordering::SeqCst), "a module that panics");
        self.inner.attest(request)
    }
    fn random(&self, buffer: &mut [u8]) -> Result<(), NsmError> {
        self.inner.random(buffer)
    }
    fn describe(&self) -> Result<NsmDescription, NsmError> {
        self.inner.describe()
    }
    fn describe_pcr(&self, index: PcrIndex) -> Result<PcrDescription, NsmError> {
        self.inner.describe_pcr(index)
    }
    fn extend_pcr(&self, index: PcrIndex, data: &[u8]) -> Result<PcrValue, NsmError> {
        self.inner.extend_pcr(index, data)
    }
    fn lock_pcr(&self, index: PcrIndex) -> Result<(), NsmError> {
        self.inner.lock_pcr(index)
    }
    fn lock_pcrs(&self, range: u16) -> Result<(), NsmError> {
        self.inner.lock_pcrs(range)
    }
}

struct World {
    nsm: Arc<TestNsm>,
    clock: Clock,
    pool: RecipientPool,
}

impl World {
    fn new(options: impl FnOnce(RecipientPoolBuilder) -> RecipientPoolBuilder) -> Self {
        let clock = Clock::settable(START);
        let inner = SimulatedNsm::builder(Authority::generate(START).unwrap()).clock(clock.clone()).build().unwrap();
        let nsm = Arc::new(TestNsm {
            inner,
            asked: Mutex::default(),
            panics: AtomicBool::new(false),
            hangs: Mutex::new(false),
            goes_on: Condvar::new(),
            begun: Notify::new(),
        });
        let pool = options(RecipientPool::builder(nsm.clone(), clock.clone())).build().unwrap();
        Self { nsm, clock, pool }
    }

    /// Sets the clock to so long after the start.
    fn set_clock(&self, since_start: Duration) {
        self.clock.set(START.saturating_add(since_start)).unwrap();
    }

    /// Waits until the maker has brought that about.
    async fn until(&self, is_so: impl Fn(PoolStats) -> bool) {
        loop {
            let changed = self.pool.shared.changed.notified();
            if is_so(self.pool.stats()) {
                return;
            }
            changed.await;
        }
    }
}

const START: UnixTime = UnixTime::from_secs(1_780_000_000);
const MINUTE: Duration = Duration::from_secs(60);
const MILLI: Duration = Duration::from_millis(1);

fn failed_with(result: Result<Arc<PooledRecipient>, Error>) -> AsyncNsmError {
    match result {
        Err(Error::Attestation(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_recipient_serves_to_its_greatest_age_by_the_clients_clock_and_no_longer() {
    let world = World::new(|pool| pool.ready(0));
    let first = world.pool.take().await.unwrap();
    world.set_clock(4 * MINUTE - MILLI);
    assert!(Arc::ptr_eq(&first, &world.pool.take().await.unwrap()));
    world.set_clock(4 * MINUTE);
    assert!(!Arc::ptr_eq(&first, &world.pool.take().await.unwrap()));
    // A clock that is set back makes nothing younger than it is by the other clock, and nothing older.
    world.set_clock(Duration::ZERO);
    assert!(!Arc::ptr_eq(&first, &world.pool.take().await.unwrap()));
}

#[tokio::test]
async fn the_time_that_it_takes_to_make_a_key_makes_its_recipient_no_older() {
    let world = World::new(|pool| pool.ready(0));
    let mut caller = Box::pin(world.pool.take());
    tokio::select! {
        biased;
        _ = &mut caller => panic!("a key takes longer"),
        () = yield_now() => {}
    }
    // The key is being made, and its document is not asked for until this task waits again.
    world.set_clock(4 * MINUTE);
    caller.await.unwrap();
    assert_eq!(world.pool.stats().made, 1);
}

#[tokio::test(start_paused = true)]
async fn a_recipient_ages_by_the_monotonic_clock_where_the_other_stands_still() {
    let world = World::new(|pool| pool.ready(0));
    let first = world.pool.take().await.unwrap();
    world.nsm.inner.set_fault(NsmError::InternalError);
    advance(4 * MINUTE - MILLI).await;
    assert!(Arc::ptr_eq(&first, &world.pool.take().await.unwrap()));
    advance(MILLI).await;
    assert_eq!(failed_with(world.pool.take().await), AsyncNsmError::Nsm(NsmError::InternalError));
}

#[tokio::test(start_paused = true)]
async fn an_idle_pool_is_refreshed_ahead_of_expiry_and_nobody_waits() {
    let world = World::new(|pool| pool.ready(1));
    world.pool.warm().await.unwrap();
    let warm = Instant::now();
    let stats = world.pool.stats();
    assert_eq!((stats.ready, stats.made, stats.waited), (2, 2, 0));
    for refresh in 1..=3_u32 {
        // Nothing happens but time, which the runtime lets pass.
        world.until(|stats| stats.made == 2 + 2 * u64::from(refresh)).await;
        let passed = warm.elapsed();
        assert!((refresh * 3 * MINUTE..refresh * 3 * MINUTE + 100 * MILLI).contains(&passed), "{passed:?}");
        world.pool.take().await.unwrap();
    }
    let stats = world.pool.stats();
    assert_eq!((stats.ready, stats.failed, stats.waited), (4, 0, 0), "old ones serve to the end");
}

#[tokio::test]
async fn no_recipient_is_used_more_often_than_it_may_be_and_the_next_one_is_ready_before() {
    let world = World::new(|pool| pool.ready(1).max_uses(4));
    world.pool.warm().await.unwrap();
    let mut taken: Vec<Arc<PooledRecipient>> = Vec::new();
    for _ in 0..20 {
        taken.push(world.pool.take().await.unwrap());
        world.until(|stats| stats.ready >= 2).await;
    }
    assert_eq!(world.pool.stats().waited, 0);
    for recipient in &taken {
        assert_eq!(taken.iter().filter(|other| Arc::ptr_eq(other, recipient)).count(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_for_a_recipient_and_used_it_up_has_the_next_one_made() {
    let world = World::new(|pool| pool.ready(0).max_uses(1));
    let began = Instant::now();
    world.pool.take().await.unwrap();
    world.until(|stats| stats.ready == 1).await;
    assert_eq!(began.elapsed(), Duration::ZERO, "not only when it would have been refreshed");
    world.pool.take().await.unwrap();
    assert_eq!(world.pool.stats().waited, 1);
}

#[tokio::test]
async fn a_recipient_that_is_used_once_is_nobody_elses() {
    let world = World::new(|pool| pool.ready(0).max_uses(1));
    let mut calls = JoinSet::new();
    for _ in 0..5 {
        let pool = world.pool.clone();
        calls.spawn(async move { pool.take().await.unwrap() });
    }
    let taken = calls.join_all().await;
    let distinct: std::collections::HashSet<_> = taken.iter().map(Arc::as_ptr).collect();
    assert_eq!(distinct.len(), 5);
    assert_eq!(world.pool.stats().waited, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_who_find_the_pool_empty_wait_for_one_key() {
    for (ready, keys) in [(0, 1), (1, 2)] {
        let world = World::new(|pool| pool.ready(ready));
        let mut calls = JoinSet::new();
        for _ in 0..100 {
            let pool = world.pool.clone();
            calls.spawn(async move { pool.take().await.unwrap() });
        }
        let taken = calls.join_all().await;
        assert!(taken.iter().all(|recipient| Arc::ptr_eq(recipient, &taken[0])));
        world.pool.warm().await.unwrap();
        let stats = world.pool.stats();
        assert_eq!((stats.made, world.nsm.asked().len()), (keys, usize::try_from(keys).unwrap()));
        assert!(stats.waited > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_module_that_fails_at_first_is_named_and_asked_again_by_the_next_caller() {
    let world = World::new(|pool| pool.ready(0));
    world.nsm.inner.set_fault(NsmError::InternalError);
    for failures in 1..=3 {
        let before = Instant::now();
        assert_eq!(failed_with(world.pool.take().await), AsyncNsmError::Nsm(NsmError::InternalError));
        assert_eq!(before.elapsed(), Duration::ZERO, "a caller waits for no interval");
        assert_eq!(world.pool.stats().failed, failures);
    }
    world.nsm.inner.set_fault(None);
    world.pool.take().await.unwrap();
    let asked = world.nsm.asked();
    assert!(asked.len() == 4 && asked.iter().all(|key| *key == asked[0]), "the key waited for its document");
    world.set_clock(4 * MINUTE);
    world.pool.take().await.unwrap();
    assert_ne!(world.nsm.asked()[4], asked[0], "a key with a document gets no other");
}

#[tokio::test(start_paused = true)]
async fn a_module_that_recovers_is_found_to_have_without_a_caller() {
    let world = World::new(|pool| pool.ready(1));
    world.nsm.inner.set_fault(NsmError::InternalError);
    assert!(world.pool.warm().await.is_err());
    let first = Instant::now();
    world.until(|stats| stats.failed == 12).await;
    // 0.1 + 0.2 + … + 25.6 seconds, then 30 at a time.
    let passed = first.elapsed();
    assert!((Duration::from_millis(51_100 + 60_000)..Duration::from_secs(112)).contains(&passed), "{passed:?}");
    world.nsm.inner.set_fault(None);
    world.until(|stats| stats.ready == 2).await;
    assert!(first.elapsed() < Duration::from_secs(142));
}

#[tokio::test(start_paused = true)]
async fn when_the_module_fails_the_recipients_that_are_left_serve_until_they_are_too_old() {
    let world = World::new(|pool| pool.ready(1));
    world.pool.warm().await.unwrap();
    let warm = Instant::now();
    world.nsm.inner.set_fault(NsmError::InternalError);
    world.until(|stats| stats.failed == 5).await;
    assert!(warm.elapsed() > 3 * MINUTE);
    for _ in 0..50 {
        world.pool.take().await.unwrap();
    }
    assert_eq!(world.pool.stats().failed, 5, "who is served gives rise to no attempt");
    world.until(|stats| stats.ready == 0).await;
    assert!(warm.elapsed() >= 4 * MINUTE);
    assert_eq!(failed_with(world.pool.take().await), AsyncNsmError::Nsm(NsmError::InternalError));
    world.nsm.inner.set_fault(None);
    world.pool.take().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_module_that_hangs_is_given_up_in_time_while_others_are_served() {
    let deadline = Duration::from_secs(5);
    let world = World::new(|pool| pool.ready(0).max_uses(2));
    let first = world.pool.take().await.unwrap();
    world.nsm.begun.notified().await;
    world.nsm.set_hanging(true);
    let again = world.pool.take().await.unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    // From here on there is nothing left. A device that hangs keeps the paused time from passing by itself.
    let caller = tokio::spawn({
        let pool = world.pool.clone();
        async move { pool.take().await }
    });
    world.nsm.begun.notified().await;
    advance(deadline).await;
    assert_eq!(failed_with(caller.await.unwrap()), AsyncNsmError::DeadlineExceeded { deadline });
    world.nsm.set_hanging(false);
    world.pool.take().await.unwrap();
}

#[tokio::test]
async fn a_module_that_panics_hurts_nobody_for_long() {
    let world = World::new(|pool| pool.ready(0));
    world.nsm.panics.store(true, Ordering::SeqCst);
    assert_eq!(failed_with(world.pool.take().await), AsyncNsmError::Aborted);
    world.nsm.panics.store(false, Ordering::SeqCst);
    world.pool.take().await.unwrap();
}

#[tokio::test]
async fn callers_who_give_up_take_nothing_along() {
    let world = World::new(|pool| pool.ready(0));
    for _ in 0..10 {
        let mut caller = Box::pin(world.pool.take());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(caller.as_mut().poll(&mut context).is_pending());
    }
    world.pool.take().await.unwrap();
    assert_eq!(world.pool.stats().made, 1);
}

/// Lets the tasks that were aborted end.
async fn background_ends() {
    for _ in 0..100 {
        if Handle::current().metrics().num_alive_tasks() == 0 {
            return;
        }
        yield_now().await;
    }
    panic!("the task in the background goes on");
}

#[tokio::test]
async fn the_background_ends_with_the_last_clone_also_while_the_module_hangs() {
    let world = World::new(|pool| pool.ready(1));
    let clone = world.pool.clone();
    world.pool.warm().await.unwrap();
    drop(world.pool);
    yield_now().await;
    assert_eq!(Handle::current().metrics().num_alive_tasks(), 1, "a clone is left");
    clone.take().await.unwrap();
    drop(clone);
    background_ends().await;

    let world = World::new(|pool| pool.ready(1));
    world.nsm.set_hanging(true);
    let mut caller = Box::pin(world.pool.take());
    tokio::select! {
        biased;
        _ = &mut caller => panic!("the module hangs"),
        () = world.nsm.begun.notified() => {}
    }
    drop(caller);
    drop(world.pool);
    background_ends().await;
    world.nsm.set_hanging(false);
}

fn current_thread() -> Runtime {
    runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_pool_outlives_the_runtime_that_it_was_first_used_on() {
    let world = World::new(|pool| pool.ready(0).max_uses(2));
    let first = current_thread();
    first.block_on(world.pool.warm()).unwrap();
    drop(first);
    let second = current_thread();
    for _ in 0..5 {
        second.block_on(world.pool.take()).unwrap();
    }
    assert!(world.pool.stats().made >= 3);
}

#[test]
fn who_waits_for_a_maker_whose_runtime_ends_sees_to_another() {
    let world = World::new(|pool| pool.ready(0));
    world.nsm.set_hanging(true);
    let first = runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let pool = world.pool.clone();
    first.spawn(async move { pool.take().await });
    let second = current_thread();
    second.block_on(async {
        world.nsm.begun.notified().await;
        let mut caller = Box::pin(world.pool.take());
        tokio::select! {
            biased;
            _ = &mut caller => panic!("the module hangs"),
            () = yield_now() => {}
        }
        // Its thread goes on: it waits for the module.
        first.shutdown_background();
        world.nsm.set_hanging(false);
        caller.await.unwrap();
    });
}

#[test]
fn options_outside_their_limits_are_refused() {
    let clock = Clock::system();
    let nsm = SimulatedNsm::builder(Authority::generate(clock.now()).unwrap()).build().unwrap();
    let pool = RecipientPool::builder(Arc::new(nsm), clock);
    let minutes = |minutes| minutes * MINUTE;
    for (builder, expected) in [
        (pool.clone().max_age(Duration::ZERO), Some(InvalidPoolOption::MaxAge)),
        (pool.clone().max_age(minutes(5)), Some(InvalidPoolOption::MaxAge)),
        (pool.clone().max_age(minutes(5) - MILLI), None),
        (pool.clone().max_age(MILLI), None),
        (pool.clone().max_uses(0), Some(InvalidPoolOption::MaxUses)),
        (pool.clone().max_uses(1), None),
        (pool.clone().max_uses(65_536), None),
        (pool.clone().max_uses(65_537), Some(InvalidPoolOption::MaxUses)),
        (pool.clone().ready(0), None),
        (pool.clone().ready(64), None),
        (pool.clone().ready(65), Some(InvalidPoolOption::Ready)),
        (pool.clone().nsm_deadline(Duration::ZERO), Some(InvalidPoolOption::NsmDeadline)),
        (pool.clone().nsm_deadline(minutes(2)), None),
        (pool.clone().nsm_deadline(minutes(2) + MILLI), Some(InvalidPoolOption::NsmDeadline)),
    ] {
        assert_eq!(builder.clone().build().err(), expected, "{builder:?}");
    }
}

#[tokio::test]
async fn debug_shows_what_a_pool_does_and_no_key() {
    let world = World::new(|pool| pool.ready(0));
    let recipient = world.pool.take().await.unwrap();
    let mut shown = format!("{:?} {recipient:?}", world.pool);
    shown += &format!("{:?}", world.pool.shared.state());
    assert!(shown.contains("made: 1") && shown.contains("RecipientPool"), "{shown}");
    // As every document begins, in base64.
    assert!(serde_json::to_string(&recipient.as_field()).unwrap().contains("hEShATgi"));
    assert!(!shown.contains("hEShATgi"), "{shown}");
}
