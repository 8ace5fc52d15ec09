//! [`InFlight`]: the handlers at work for one connection.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::remote_error::{RemoteError, code};
use crate::request_place::RequestPlace;
use crate::router::Answer;

/// What a handler answered, or why it did not.
pub(super) type Outcome = Result<Vec<u8>, RemoteError>;

/// An outcome on its way to the peer.
pub(super) struct Answered {
    pub(super) request_id: u64,
    pub(super) outcome: Outcome,
    /// Its share of the server's bound, held until it is written.
    pub(super) place: RequestPlace,
}

/// Handlers that did not answer at once, and their answers until the peer takes them.
#[derive(Default)]
pub(super) struct InFlight {
    running: FuturesUnordered<Running>,
    abort_handles: HashMap<u64, AbortHandle>,
    answered: VecDeque<Answered>,
}

type Running = Pin<Box<dyn Future<Output = Answered> + Send>>;

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.running.len() + self.answered.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets a handler begin; if it answers at once, that is the return value and nothing was allocated for it.
    pub(super) fn start(
        &mut self,
        request_id: u64,
        deadline: Instant,
        mut place: RequestPlace,
        begin: impl FnOnce(&mut RequestPlace) -> Answer,
        cx: &mut Context<'_>,
    ) -> Option<Answered> {
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let mut answer = Guarded(Some(begin(&mut place)));
            let polled = Pin::new(&mut answer).poll(cx);
            (answer, polled)
        }));
        let outcome = match begun {
            Err(_panic) => Err(RemoteError::internal()),
            Ok((_, Poll::Ready(outcome))) => outcome,
            Ok((answer, Poll::Pending)) => {
                self.keep(request_id, deadline, place, answer);
                return None;
            }
        };
        Some(Answered { request_id, outcome, place })
    }

    /// Lets the handlers go on. They do whether or not the peer takes answers: one that holds a lock, or whose deadline
    /// has passed, must not stand still because a peer reads slowly.
    /// Returns whether there are any.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> bool {
        if self.running.is_empty() {
            return false;
        }
        while let Poll::Ready(Some(answered)) = self.running.poll_next_unpin(cx) {
            self.abort_handles.remove(&answered.request_id);
            self.answered.push_back(answered);
        }
        true
    }

    /// The next answer, in the order in which they came.
    pub(super) fn take_answer(&mut self) -> Option<Answered> {
        self.answered.pop_front()
    }

    /// Stops the handler of a request, if it is still at work; it then answers [`code::CANCELLED`].
    pub(super) fn cancel(&mut self, request_id: u64) {
        if let Some(handle) = self.abort_handles.remove(&request_id) {
            handle.abort();
        }
    }

    /// Drops all handlers, and the answers that nobody has taken.
    pub(super) fn clear(&mut self) {
        self.running.clear();
        self.abort_handles.clear();
        self.answered.clear();
    }

    fn keep(&mut self, request_id: u64, deadline: Instant, place: RequestPlace, answer: Guarded) {
        let (handle, registration) = AbortHandle::new_pair();
        self.abort_handles.insert(request_id, handle);
        let guarded = timeout_at(deadline, answer);
        self.running.push(Box::pin(async move {
            let outcome = match Abortable::new(guarded, registration).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_elapsed)) => Err(deadline_exceeded()),
                Err(_aborted) => Err(RemoteError::new(code::CANCELLED, "the caller cancelled the request")),
            };
            Answered { request_id, outcome, place }
        }));
    }
}

pub(super) fn deadline_exceeded() -> RemoteError {
    RemoteError::new(code::DEADLINE_EXCEEDED, "the deadline passed")
}

/// A handler whose panic is an answer, and is nothing to the others of its connection: neither while it works, nor when
/// it is dropped.
struct Guarded(Option<Answer>);

impl Future for Guarded {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some(answer) = &mut self.0 else { return Poll::Ready(Err(RemoteError::internal())) };
        catch_unwind(AssertUnwindSafe(|| answer.as_mut().poll(cx)))
            .unwrap_or_else(|_panic| Poll::Ready(Err(RemoteError::internal())))
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let answer = self.0.take();
        // Whoever waited for it has another answer, or is gone.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(answer)));
    }
}
