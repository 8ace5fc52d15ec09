//! [`InFlight`]: the handlers at work for one connection.

use std::collections::HashMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::time::{Instant, timeout_at};

use crate::remote_error::{RemoteError, code};
use crate::router::Answer;

/// What a handler answered, or why it did not.
pub(super) type Outcome = Result<Bytes, RemoteError>;

/// Handlers that did not answer at once.
#[derive(Default)]
pub(super) struct InFlight {
    running: FuturesUnordered<Running>,
    abort_handles: HashMap<u64, AbortHandle>,
}

type Running = Pin<Box<dyn Future<Output = (u64, Outcome)> + Send>>;

impl InFlight {
    pub(super) fn len(&self) -> usize {
        self.running.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.running.is_empty()
    }

    /// Lets a handler begin; if it answers at once, that is the return value and nothing was allocated for it.
    pub(super) fn start(
        &mut self,
        request_id: u64,
        deadline: Instant,
        begin: impl FnOnce() -> Answer,
        cx: &mut Context<'_>,
    ) -> Option<Outcome> {
        let begun = catch_unwind(AssertUnwindSafe(|| {
            let mut answer = begin();
            let polled = answer.as_mut().poll(cx);
            (answer, polled)
        }));
        match begun {
            Err(_panic) => Some(Err(RemoteError::internal())),
            Ok((_, Poll::Ready(outcome))) => Some(outcome),
            Ok((answer, Poll::Pending)) => {
                self.keep(request_id, deadline, answer);
                None
            }
        }
    }

    /// The next handler that has answered, with the number of its request.
    pub(super) fn poll_answer(&mut self, cx: &mut Context<'_>) -> Option<(u64, Outcome)> {
        match self.running.poll_next_unpin(cx) {
            Poll::Ready(Some((request_id, outcome))) => {
                self.abort_handles.remove(&request_id);
                Some((request_id, outcome))
            }
            Poll::Ready(None) | Poll::Pending => None,
        }
    }

    /// Stops the handler of a request, if it is still at work; it then answers [`code::CANCELLED`].
    pub(super) fn cancel(&mut self, request_id: u64) {
        if let Some(handle) = self.abort_handles.remove(&request_id) {
            handle.abort();
        }
    }

    /// Drops all handlers.
    pub(super) fn clear(&mut self) {
        self.running.clear();
        self.abort_handles.clear();
    }

    fn keep(&mut self, request_id: u64, deadline: Instant, answer: Answer) {
        let (handle, registration) = AbortHandle::new_pair();
        self.abort_handles.insert(request_id, handle);
        let guarded = timeout_at(deadline, Guarded(answer));
        self.running.push(Box::pin(async move {
            let outcome = match Abortable::new(guarded, registration).await {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(_elapsed)) => Err(deadline_exceeded()),
                Err(_aborted) => Err(RemoteError::new(code::CANCELLED, "the caller cancelled the request")),
            };
            (request_id, outcome)
        }));
    }
}

pub(super) fn deadline_exceeded() -> RemoteError {
    RemoteError::new(code::DEADLINE_EXCEEDED, "the deadline passed")
}

/// A handler whose panic is an answer.
struct Guarded(Answer);

impl Future for Guarded {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        catch_unwind(AssertUnwindSafe(|| self.0.as_mut().poll(cx)))
            .unwrap_or_else(|_panic| Poll::Ready(Err(RemoteError::internal())))
    }
}
