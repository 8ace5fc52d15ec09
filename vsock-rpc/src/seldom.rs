//! [`Seldom`]: a future that is waited for beside another one that wakes the task much more often.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

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
    task: AtomicWaker,
}

impl<F: Future + Unpin> Seldom<F> {
    pub(crate) fn new(future: F) -> Self {
        let signal = Arc::new(Signal { was_woken: AtomicBool::new(true), task: AtomicWaker::new() });
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
        // It is to be left anew after each time that it was woken; and before it is looked whether that was so.
        signal.task.register(cx.waker());
        *task = Some(cx.waker().clone());
        if !signal.was_woken.swap(false, Ordering::AcqRel) {
            return Poll::Pending;
        }
        Pin::new(future).poll(&mut Context::from_waker(waker))
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.was_woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::poll_fn;

    use futures_util::task::noop_waker;
    use tokio::sync::oneshot;

    use super::*;

    /// Counts how often it was woken.
    struct Counter(std::sync::atomic::AtomicUsize);

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
