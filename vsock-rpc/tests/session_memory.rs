//! What a session makes a server hold beside what a plain connection does, counted allocation by allocation, against what
//! the documentation of sessions says.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::cell::Cell;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use vsock_rpc::client::Connector;
use vsock_rpc::session::{
    AllowedClients, BoxFuture, ClientKey, Evidence, EvidenceError, EvidenceRequest, ExpectedEvidence, MAX_EVIDENCE_LEN,
    SessionConnector, SessionKeys, SessionServer, SessionStream, VerifyEvidence,
};
use vsock_rpc::{Peer, PeerAddr};

/// The documentation's numbers: for a session that is being opened, one that carries as much as it can, and one that is
/// silent after it carried much, or little.
const OPENING: usize = 96 * 1024;
const OPEN: usize = 96 * 1024;
const SILENT: usize = 40 * 1024;
const SILENT_AFTER_LITTLE: usize = 10 * 1024;

/// The longest evidence that there may be, which nobody looks at.
struct Longest;

impl Evidence for Longest {
    fn evidence<'a>(&'a self, _: EvidenceRequest<'a>) -> BoxFuture<'a, Result<Vec<u8>, EvidenceError>> {
        Box::pin(async { Ok(vec![7; MAX_EVIDENCE_LEN]) })
    }
}

impl VerifyEvidence for Longest {
    fn verify(&self, _: &[u8], _: &ExpectedEvidence<'_>) -> Result<(), EvidenceError> {
        Ok(())
    }
}

/// One direction of a pipe that never allocates, so that all that is counted is the server's own.
type Half = Arc<Mutex<VecDeque<u8>>>;

#[derive(Clone)]
struct End {
    incoming: Half,
    outgoing: Half,
}

fn pipe() -> (End, End) {
    let [a, b]: [Half; 2] = std::array::from_fn(|_| Arc::new(Mutex::new(VecDeque::with_capacity(PIPE_LEN))));
    (End { incoming: Arc::clone(&a), outgoing: Arc::clone(&b) }, End { incoming: b, outgoing: a })
}

impl AsyncRead for End {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let mut incoming = self.incoming.lock().unwrap();
        let len = incoming.len().min(buf.remaining());
        incoming.drain(..len).for_each(|byte| buf.put_slice(&[byte]));
        if len == 0 { Poll::Pending } else { Poll::Ready(Ok(())) }
    }
}

impl AsyncWrite for End {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut outgoing = self.outgoing.lock().unwrap();
        let len = bytes.len().min(PIPE_LEN - outgoing.len());
        outgoing.extend(&bytes[..len]);
        if len == 0 { Poll::Pending } else { Poll::Ready(Ok(len)) }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// What a session made its server hold: at most while it was opened, at most after that, and at last.
#[derive(Clone, Copy, Default)]
struct Held {
    opening: usize,
    open: usize,
    last: usize,
}

/// What the two ends do once the session is open.
#[derive(Clone, Copy)]
struct Talk {
    /// How much each end writes, as fast as the other takes it.
    client_writes: usize,
    server_writes: usize,
    client_reads: usize,
    /// How much the server reads at a time.
    server_reads: usize,
}

/// Writes and reads so much, then holds the stream. The buffers belong to the test.
async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin, writes: usize, reads: usize, at_a_time: usize) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let write = async {
        let mut left = writes;
        while left > 0 {
            left -= writer.write(&SCRATCH[..left.min(SCRATCH.len())]).await.unwrap();
        }
        writer.flush().await.unwrap();
    };
    let read = async {
        let (mut left, mut bytes) = (reads, [0; 16 * 1024]);
        while left > 0 && at_a_time > 0 {
            left -= reader.read(&mut bytes[..left.min(at_a_time)]).await.unwrap();
            yield_once().await;
        }
    };
    tokio::join!(write, read);
    std::future::pending().await
}

async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|_| if std::mem::replace(&mut has_yielded, true) { Poll::Ready(()) } else { Poll::Pending }).await;
}

/// Lets a server and a client run by turns.
fn run(sessions: &SessionServer, key: &ClientKey, what: Talk) -> Held {
    let ((near, far), is_open) = (pipe(), Cell::new(false));
    let mut serving = Box::pin(async {
        let (session, _) = sessions.accept(far, Peer::new(PeerAddr::Unknown)).await.unwrap();
        is_open.set(true);
        talk(session, what.server_writes, what.client_writes, what.server_reads).await;
    });
    let connector = Connector::new("the server", move || {
        let near = near.clone();
        async move { Ok(near) }
    });
    let mut client = Box::pin(async {
        let session = SessionConnector::builder(connector, key, Longest).build().connect().await.unwrap();
        talk(session, what.client_writes, what.client_reads, 16 * 1024).await;
    });
    let mut context = Context::from_waker(Waker::noop());
    let mut held = Held::default();
    let mut on_the_heap = 0;
    for _ in 0..1000 {
        let was_open = is_open.get();
        let info = allocation_counter::measure(|| assert!(serving.as_mut().poll(&mut context).is_pending()));
        let before = on_the_heap;
        on_the_heap += info.bytes_current;
        // The stream itself is not there, but wherever its owner keeps it.
        held.last = usize::try_from(on_the_heap).unwrap() + size_of::<SessionStream>();
        if was_open {
            held.open = held.open.max(held.last);
        } else {
            let most = usize::try_from(before).unwrap() + usize::try_from(info.bytes_max).unwrap();
            held.opening = held.opening.max(most + size_of::<SessionStream>());
        }
        assert!(client.as_mut().poll(&mut context).is_pending());
    }
    assert!(is_open.get());
    held
}

#[test]
fn a_session_holds_no_more_than_the_documentation_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _entered = runtime.enter();
    let key = ClientKey::generate_p256().unwrap();
    let sessions = SessionServer::builder(SessionKeys::generate().unwrap(), Longest, AllowedClients::any()).build();
    let silent = Talk { client_writes: 0, server_writes: 0, client_reads: 0, server_reads: 0 };
    let long =
        Talk { client_writes: LONG_TALK, server_writes: LONG_TALK, client_reads: LONG_TALK, server_reads: 16 * 1024 };
    // What is allocated once for all sessions is not any session's.
    run(&sessions, &key, silent);
    for (name, what) in [
        ("silent", silent),
        ("short", Talk { client_writes: 100, server_writes: 100, client_reads: 100, ..long }),
        ("long", long),
        ("unread answers", Talk { client_writes: 0, client_reads: 0, ..long }),
        ("a slow server", Talk { client_reads: 0, server_reads: 100, ..long }),
        ("nobody reads", Talk { client_reads: 0, server_reads: 0, ..long }),
    ] {
        let held = run(&sessions, &key, what);
        assert!(held.opening <= OPENING, "{name}: {} bytes while it is opened", held.opening);
        assert!(held.open <= OPEN, "{name}: {} bytes while it is open", held.open);
        if what.client_reads == what.server_writes {
            let bound = if what.server_writes < LONG_TALK { SILENT_AFTER_LITTLE } else { SILENT };
            assert!(held.last <= bound, "{name}: {} bytes when it is silent", held.last);
        }
    }
}

const PIPE_LEN: usize = 2 * 1024;
const LONG_TALK: usize = 200_000;
static SCRATCH: [u8; 64 * 1024] = [7; 64 * 1024];
