//! [`Budgeted`]: a stream of which no more is read, while a session opens, than opening one takes, and to which no more is
//! written at once than [`MAX_WRITE_LEN`].

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::SessionError;
use crate::transport::MAX_WRITE_LEN;

/// Counts what is read until it is told to stop, so that a peer that nobody knows yet can fill no buffer; cuts what is
/// written.
#[derive(Debug)]
pub(super) struct Budgeted<T> {
    io: T,
    budget: Option<Budget>,
}

#[derive(Debug)]
struct Budget {
    left: usize,
    max: usize,
}

impl<T> Budgeted<T> {
    pub(super) fn new(io: T, max: usize) -> Self {
        Self { io, budget: Some(Budget { left: max, max }) }
    }

    /// Counts no more.
    pub(super) fn release(&mut self) {
        self.budget = None;
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Budgeted<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, buf))?;
        if let Some(budget) = &mut self.budget {
            let Some(left) = budget.left.checked_sub(buf.filled().len() - before) else {
                return Poll::Ready(Err(SessionError::OpeningTooLong { max: budget.max }.into()));
            };
            budget.left = left;
        }
        Poll::Ready(Ok(()))
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Budgeted<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        // A full record of TLS is longer.
        let piece = &buf[..buf.len().min(MAX_WRITE_LEN)];
        Pin::new(&mut self.io).poll_write(cx, piece)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
