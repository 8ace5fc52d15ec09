//! [`Seldom`]: a future that is waited for beside another one that wakes the task much more often.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// Polls its future only if that was woken, and not whenever its task is.
pub(crate) struct Seldom<F> {
    future: F,
    signal: Arc<Signal>,
    /// The signal, as what the future wakes.
    waker: Waker,
    /// The task that the signal wakes.
    task: Option<Waker>,
}

struct Signal {
    was_woken: AtomicBool,
    /// Left in place when it is woken: one that was taken could be missing at the next time, if that comes while the task
    /// is at it.
    task: Mutex<Option<Waker>>,
}

impl<F: Future + Unpin> Seldom<F> {
    pub(crate) fn new(future: F) -> Self {
        let signal = Arc::new(Signal { was_woken: AtomicBool::new(true), task: Mutex::default() });
        Self { future, waker: Waker::from(Arc::clone(&signal)), signal, task: None }
    }
}

impl<F: Future + Unpin> Future for Seldom<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Self { future, signal, waker, task } = &mut *self;
        let is_known = task.as_ref().is_some_and(|task| task.will_wake(cx.waker()));
        if is_known && !signal.was_woken.load(Ordering::Acquire) {
            return Poll::Pending;
        }
        if !is_known {
            // Before it is looked whether the future was woken.
            *signal.task() = Some(cx.waker().clone());
            *task = Some(cx.waker().clone());
        }
        if !signal.was_woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        Pin::new(future).poll(&mut Context::from_waker(waker))
    }
}

impl Signal {
    fn task(&self) -> MutexGuard<'_, Option<Waker>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.was_woken.swap(true, Ordering::AcqRel) {
            return; // Whoever did that wakes the task, which looks at the future then.
        }
        let task = self.task().clone();
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;
    use std::sync::atomic::AtomicUsize;
    use std::time::{Duration, Instant};

    use futures_util::task::noop_waker;
    use tokio::sync::oneshot;

    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    /// Counts how often it was woken.
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::AcqRel);
        }
    }

    fn counter() -> (Arc<Counter>, Waker) {
        let counter = Arc::new(Counter(0.into()));
        (Arc::clone(&counter), Waker::from(counter))
    }

    #[test]
    fn it_is_polled_when_it_was_woken_and_at_no_other_time() {
        let polls = Cell::new(0);
        let inner_waker = Cell::new(noop_waker());
        let mut seldom = Seldom::new(Box::pin(poll_fn(|cx| {
            polls.set(polls.get() + 1);
            inner_waker.set(cx.waker().clone());
            if polls.get() < 3 { Poll::Pending } else { Poll::Ready("over") }
        })));
        let (woken, task) = counter();
        let mut poll = || Pin::new(&mut seldom).poll(&mut Context::from_waker(&task));
        assert_eq!(poll(), Poll::Pending);
        assert_eq!(poll(), Poll::Pending);
        assert_eq!((polls.get(), woken.0.load(Ordering::Acquire)), (1, 0));

        // Twice before it is polled again is once.
        let inner = inner_waker.replace(noop_waker());
        inner.wake_by_ref();
        inner.wake();
        assert_eq!(woken.0.load(Ordering::Acquire), 1);
        assert_eq!(poll(), Poll::Pending);
        assert_eq!(poll(), Poll::Pending);
        assert_eq!(polls.get(), 2);
        inner_waker.replace(noop_waker()).wake();
        assert_eq!(woken.0.load(Ordering::Acquire), 2);
        assert_eq!(poll(), Poll::Ready("over"));
    }

    #[test]
    fn no_wake_up_of_another_thread_is_lost() {
        const STEPS: usize = 20_000;
        let (waker, polls) = (Arc::new(Mutex::new(None::<Waker>)), Arc::new(AtomicUsize::new(0)));
        let inner = {
            let (waker, polls) = (Arc::clone(&waker), Arc::clone(&polls));
            poll_fn(move |cx| {
                *waker.lock().unwrap() = Some(cx.waker().clone());
                if polls.fetch_add(1, Ordering::AcqRel) < STEPS { Poll::Pending } else { Poll::Ready(()) }
            })
        };
        let other = {
            let (waker, polls) = (Arc::clone(&waker), Arc::clone(&polls));
            std::thread::spawn(move || {
                while polls.load(Ordering::Acquire) <= STEPS {
                    // One wake for each poll.
                    let woken = waker.lock().unwrap().take();
                    if let Some(woken) = woken { woken.wake() } else { std::hint::spin_loop() }
                }
            })
        };
        struct Unpark(std::thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let task = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut seldom = Seldom::new(Box::pin(inner));
        for turn in 0.. {
            if Pin::new(&mut seldom).poll(&mut Context::from_waker(&task)).is_ready() {
                break;
            }
            // Polled for other reasons, too.
            if turn % 3 == 0 {
                let (began, seen) = (Instant::now(), polls.load(Ordering::Acquire));
                std::thread::park_timeout(LONG);
                assert!(began.elapsed() < LONG, "it sleeps after {seen} polls");
            }
        }
        other.join().unwrap();
    }

    #[test]
    fn it_wakes_the_task_that_polled_it_last() {
        let (sender, receiver) = oneshot::channel();
        let mut seldom = Seldom::new(receiver);
        let ((first, first_task), (second, second_task)) = (counter(), counter());
        for task in [&first_task, &second_task] {
            assert_eq!(Pin::new(&mut seldom).poll(&mut Context::from_waker(task)), Poll::Pending);
        }
        sender.send(7).unwrap();
        assert_eq!((first.0.load(Ordering::Acquire), second.0.load(Ordering::Acquire)), (0, 1));
        assert_eq!(Pin::new(&mut seldom).poll(&mut Context::from_waker(&second_task)), Poll::Ready(Ok(7)));
    }
}
