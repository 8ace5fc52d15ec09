//! Races of answers, cancellations and ends of a connection, on a scheduler that can be made to do it again.
//!
//! Why not loom: what callers and the driver share is one table behind one lock, without atomics, and each of their
//! steps is one critical section. (A turn of the driver is a few of them, under a lock of its own; that callers get
//! between them is what the tests of `driving` on several threads are for.) The orders that loom would enumerate are orders of these sections, which is what a
//! scheduler of polls permutes; loom would find nothing more in them, and would need stand-ins for tokio's semaphore,
//! clock and streams in published code. Instead each seed is one order of everything: callers, driver, the pipe's
//! portions, a real server and its handlers. `RACE_SEED=17 cargo test -p vsock-rpc races` runs one again, and
//! `RACE_SEEDS=1000000` more of them.

mod executor;
mod pipe;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{Either, select};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::time::Instant;

use self::executor::{Executor, Random};
use self::pipe::pipe;
use super::builder::{ClientBuilder, ClientLimits};
use super::connection::{Connection, Reply, Ticket};
use super::{CallError, Connector, DisconnectReason};
use crate::cbor;
use crate::goaway::reason;
use crate::method::{CallContext, Method};
use crate::remote_error::{RemoteError, code};
use crate::router::Router;
use crate::server::Server;
use crate::transport::{Peer, PeerAddr};

/// Answers `number * 3`, after so many turns; never, from [`FOREVER`] on.
struct Work;

impl Method for Work {
    const NAME: &'static str = "work";
    type Request = (u64, u32);
    type Response = u64;
}

const FOREVER: u32 = 6;
const FAR: Duration = Duration::from_secs(60 * 60);

/// What the handlers did.
#[derive(Default)]
struct Handled(Mutex<HashMap<u64, Ran>>);

#[derive(Default)]
struct Ran {
    begun: u32,
    ended: u32,
}

struct EndOnDrop(Arc<Handled>, u64);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().get_mut(&self.1).expect("it has begun").ended += 1;
    }
}

async fn work(handled: Arc<Handled>, _: CallContext, (number, turns): (u64, u32)) -> Result<u64, RemoteError> {
    handled.0.lock().unwrap().entry(number).or_default().begun += 1;
    let _end = EndOnDrop(Arc::clone(&handled), number);
    if turns >= FOREVER {
        pending::<()>().await;
    }
    let mut left = turns;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    Ok(number * 3)
}

/// How often each of the races was run in all, so that it shows if some never are.
#[derive(Debug, Default)]
struct Seen {
    answered: usize,
    cancelled_before_it_ran: usize,
    cancelled_at_work: usize,
    cancelled_after_it_ran: usize,
    lost_and_may_have_run: usize,
    lost_and_did_not_run: usize,
    disowned: usize,
    refused: usize,
    not_begun: usize,
    put_aside: usize,
    /// Missed their deadline.
    late: usize,
}

/// One run's parties.
struct Race {
    random: Random,
    connection: Arc<Connection>,
    permits: Arc<Semaphore>,
    handled: Arc<Handled>,
    callers_left: Cell<usize>,
    resting: Cell<usize>,
    rested: Notify,
    has_left: Cell<bool>,
    /// Whether the connection ended without a word.
    is_broken: Cell<bool>,
    next_number: Cell<u64>,
    seen: Rc<RefCell<Seen>>,
}

impl Race {
    async fn call(&self) {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_none_left) => {
                let mut permit = pin!(Arc::clone(&self.permits).acquire_owned());
                let permit = poll_fn(|cx| {
                    let polled = permit.as_mut().poll(cx);
                    if polled.is_pending() {
                        self.connection.depose();
                    }
                    polled
                });
                permit.await.expect("the semaphore is never closed")
            }
        };
        let number = self.next_number.replace(self.next_number.get() + 1);
        let turns = u32::try_from(self.random.below(FOREVER as usize + 1)).expect("a few");
        let mut request = cbor::encode_request(Work::NAME, &(number, turns), 1000).unwrap();
        request.set_deadline_ms(60_000);
        let begun = Arc::clone(&self.connection).begin(&request, permit).or_else(|permit| {
            self.connection.catch_up();
            Arc::clone(&self.connection).begin(&request, permit)
        });
        let Ok(mut ticket) = begun else {
            self.seen.borrow_mut().not_begun += 1;
            return;
        };
        if turns != FOREVER && self.random.one_in(4) {
            // Polled once, and put aside until nobody else has anything to do.
            if let Poll::Ready(reply) = poll_fn(|cx| Poll::Ready(Pin::new(&mut ticket).poll(cx))).await {
                return self.check(number, reply);
            }
            self.rest().await;
            self.seen.borrow_mut().put_aside += 1;
        }
        // Nobody waits for what never comes.
        let is_cancelled = turns == FOREVER || self.random.one_in(3);
        let patience = if is_cancelled { self.random.pause(60).boxed_local() } else { pending().boxed_local() };
        let deadline = Instant::now() + if self.random.one_in(8) { Duration::ZERO } else { FAR };
        let by_alarm = self.random.one_in(2);
        let waiting = async {
            match if by_alarm { ticket.reply_by_alarm(deadline).await } else { None } {
                Some(reply) => reply,
                None => (&mut ticket).await,
            }
        };
        // Whoever is looked at first wins, if both are there.
        let reply = if self.random.one_in(2) {
            match select(pin!(waiting), patience).await {
                Either::Left((reply, _)) => Some(reply),
                Either::Right(_) => None,
            }
        } else {
            match select(patience, pin!(waiting)).await {
                Either::Left(_) => None,
                Either::Right((reply, _)) => Some(reply),
            }
        };
        match reply {
            Some(Err(CallError::DeadlineExceeded { may_have_run: true })) if by_alarm && deadline <= Instant::now() => {
                self.seen.borrow_mut().late += 1;
                self.cancel(number, ticket);
            }
            Some(reply) => self.check(number, reply),
            None => self.cancel(number, ticket),
        }
    }

    /// Waits until all callers have ended, or rest.
    async fn rest(&self) {
        self.resting.set(self.resting.get() + 1);
        let rested = self.rested.notified();
        self.end_rest();
        rested.await;
    }

    fn end_rest(&self) {
        if self.resting.get() == self.callers_left.get() {
            self.resting.set(0);
            self.rested.notify_waiters();
        }
    }

    /// As when the last client is dropped, which happens once.
    fn leave(&self) {
        if !self.has_left.replace(true) {
            self.connection.leave();
        }
    }

    fn cancel(&self, number: u64, ticket: Ticket) {
        let mut seen = self.seen.borrow_mut();
        match self.handled.0.lock().unwrap().get(&number) {
            None => seen.cancelled_before_it_ran += 1,
            Some(ran) if ran.ended == 0 => seen.cancelled_at_work += 1,
            Some(_) => seen.cancelled_after_it_ran += 1,
        }
        drop(ticket);
    }

    fn check(&self, number: u64, reply: Reply) {
        let mut seen = self.seen.borrow_mut();
        let has_run = self.handled.0.lock().unwrap().contains_key(&number);
        let error = match reply {
            Ok(payload) => {
                assert_eq!(cbor::decode::<u64>(&payload), Ok(number * 3), "another call's answer");
                seen.answered += 1;
                return;
            }
            Err(error) => error,
        };
        assert!(error.may_have_run() || !has_run, "call {number} ran: {error}");
        match &error {
            CallError::Disconnected { may_have_run: true, .. } => {
                assert!(self.is_broken.get(), "call {number} was in flight at an orderly end: {error}");
                seen.lost_and_may_have_run += 1;
            }
            CallError::Disconnected { reason: DisconnectReason::GoAway(error), .. } => {
                assert_eq!(error.code(), reason::SHUTTING_DOWN);
                seen.disowned += 1;
            }
            CallError::Disconnected { .. } => seen.lost_and_did_not_run += 1,
            CallError::Remote(error) if error.code() == code::OVERLOADED => seen.refused += 1,
            other => panic!("{other}"),
        }
    }
}

/// What happens to the connection.
enum Fate {
    ClientLeaves,
    Killed { loses_what_is_unread: bool },
    ServerShutsDown,
    ServerTaskDies,
    Nothing,
}

impl Fate {
    fn draw(random: &Random) -> Self {
        match random.below(6) {
            0 => Self::ClientLeaves,
            1 => Self::Killed { loses_what_is_unread: true },
            2 => Self::Killed { loses_what_is_unread: false },
            3 => Self::ServerShutsDown,
            4 => Self::ServerTaskDies,
            _ => Self::Nothing,
        }
    }
}

fn limits() -> ClientLimits {
    ClientBuilder::new(Connector::new("pipe", async || Ok(tokio::io::empty()))).limits
}

fn run(seed: u64, seen: &Rc<RefCell<Seen>>) {
    let random = Random::from_seed(seed);
    let (near, far, breaker) = pipe(seed);
    let handled = Arc::new(Handled::default());
    let router = Router::from_shared(Arc::clone(&handled)).method::<Work, _, _>(work);
    let server = Server::builder(router).max_in_flight(3).drain_timeout(Duration::MAX).build();
    let callers = 1 + random.below(5);
    // Seldom too few: the server is to refuse some calls too.
    let permits = if random.one_in(3) { 1 + random.below(MAX_PERMITS) } else { MAX_PERMITS };
    let (connection, background) = Connection::open(Box::new(near), limits());
    let race = Rc::new(Race {
        random: random.clone(),
        connection,
        permits: Arc::new(Semaphore::new(permits)),
        handled: Arc::clone(&handled),
        callers_left: Cell::new(callers),
        resting: Cell::new(0),
        rested: Notify::new(),
        has_left: Cell::new(false),
        is_broken: Cell::new(false),
        next_number: Cell::new(1),
        seen: Rc::clone(seen),
    });

    let mut executor = Executor::default();
    let (shutdown, told) = oneshot::channel();
    let (die, death) = oneshot::channel::<()>();
    executor.spawn("background", background);
    executor.spawn("server", async move {
        let told = async {
            if told.await.is_err() {
                pending().await
            }
        };
        let serving = Box::pin(server.serve_stream_until(far, Peer::new(PeerAddr::Memory), told));
        let death = Box::pin(async {
            if death.await.is_err() {
                pending().await
            }
        });
        select(serving, death).await;
    });
    for _ in 0..callers {
        let race = Rc::clone(&race);
        executor.spawn("caller", async move {
            race.random.pause(20).await;
            for _ in 0..=race.random.below(4) {
                race.call().await;
            }
            race.callers_left.set(race.callers_left.get() - 1);
            race.end_rest();
            if race.callers_left.get() == 0 {
                race.leave();
            }
        });
    }
    let fates = Rc::clone(&race);
    executor.spawn("fate", async move {
        fates.random.pause(150).await;
        match Fate::draw(&fates.random) {
            Fate::ClientLeaves => fates.leave(),
            Fate::Killed { loses_what_is_unread } => {
                fates.is_broken.set(true);
                breaker.kill(loses_what_is_unread);
            }
            Fate::ServerShutsDown => shutdown.send(()).unwrap_or_default(),
            Fate::ServerTaskDies => {
                fates.is_broken.set(true);
                die.send(()).unwrap_or_default();
            }
            Fate::Nothing => {}
        }
    });
    executor.run(&random);

    assert_eq!(race.permits.available_permits(), permits, "a permit is lost");
    assert!(race.connection.is_empty(), "a call is left in the table");
    for (number, ran) in handled.0.lock().unwrap().iter() {
        assert_eq!((ran.begun, ran.ended), (1, 1), "call {number}");
    }
}

const MAX_PERMITS: usize = 5;

/// Tells which seed it was.
struct Seed(u64);

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("RACE_SEED={}", self.0);
        }
    }
}

#[test]
fn no_order_of_answers_cancellations_and_ends_loses_mixes_up_or_leaks_a_call() {
    // Its clock stands still: nothing here is brought about by a timeout.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let seen = Rc::default();
    if let Some(seed) = number("RACE_SEED") {
        return run(seed, &seen);
    }
    for seed in 0..number("RACE_SEEDS").unwrap_or(5000) {
        let _tells = Seed(seed);
        run(seed, &seen);
    }
    let seen = seen.borrow();
    let Seen { answered, cancelled_before_it_ran, cancelled_at_work, cancelled_after_it_ran, .. } = &*seen;
    let Seen { lost_and_may_have_run, lost_and_did_not_run, disowned, refused, not_begun, put_aside, late, .. } =
        &*seen;
    let cancelled = [cancelled_before_it_ran, cancelled_at_work, cancelled_after_it_ran];
    let rest = [answered, lost_and_may_have_run, lost_and_did_not_run, disowned, refused, not_begun, put_aside, late];
    assert!(cancelled.iter().chain(&rest).all(|times| **times >= 100), "{seen:?}");
}
