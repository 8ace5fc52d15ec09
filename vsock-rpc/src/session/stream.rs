//! [`SessionStream`]: an open session.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use super::budgeted::Budgeted;
use crate::transport::{ByteStream, PeerIdentity};

/// What TLS runs over.
pub(super) type Carrier = Budgeted<Box<dyn ByteStream>>;

/// An open session: whatever is written here is read at the other end that proved who it is, or nowhere.
///
/// There is no such stream before that: on the client's side, before the evidence is verified; on the server's,
/// before the client's key is proved and allowed. An end without TLS's close_notify is an error to read, so that a
/// relay that cuts the stream is not taken for a peer that is done.
pub struct SessionStream {
    tls: TlsStream<Carrier>,
    peer: PeerIdentity,
}

impl SessionStream {
    /// The last step of opening a session. From here on the peer may send as much as it likes.
    pub(super) fn opened(tls: impl Into<TlsStream<Carrier>>, peer: PeerIdentity) -> Self {
        let mut tls = tls.into();
        tls.get_mut().0.release();
        Self { tls, peer }
    }

    /// The key that the peer proved to hold: to the client, the server's; to the server, the client's.
    #[must_use]
    pub fn peer_identity(&self) -> PeerIdentity {
        self.peer
    }
}

impl fmt::Debug for SessionStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionStream").field("peer", &self.peer).finish_non_exhaustive()
    }
}

impl AsyncRead for SessionStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for SessionStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(cx)
    }
}
