//! One attacker of each kind.

use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{interval, sleep};
use vsock_rpc::codec::DEFAULT_MAX_PAYLOAD_LEN;
use vsock_rpc::frame::{FrameHeader, FrameKind};

use super::attack::{Attack, Effort};
use super::attackers::Tally;

/// Why an attack is not what it should be.
pub(super) type Wrong = Box<dyn std::error::Error + Send + Sync>;

/// An attacker.
#[derive(Debug)]
pub(super) struct Peer {
    path: Arc<Path>,
    tally: Arc<Tally>,
    /// Until it has done its part once.
    ready: Option<mpsc::Sender<()>>,
    number: usize,
}

impl Peer {
    pub(super) fn new(path: Arc<Path>, tally: Arc<Tally>, ready: mpsc::Sender<()>, number: usize) -> Self {
        Self { path, tally, ready: Some(ready), number }
    }

    /// Goes on until dropped, or something is wrong.
    pub(super) async fn attack(self, attack: Attack, effort: Effort) -> Result<(), Wrong> {
        match attack {
            Attack::Idle => self.idle(None, 0).await,
            Attack::Surplus => self.idle(Some("too_many_connections"), attack.arrivals(effort)).await,
            Attack::SlowLoris => {
                let delay = effort.spread().mul_f64(self.number as f64 / attack.peers(effort) as f64);
                self.drip(delay).await
            }
            Attack::LongLengths => {
                let announced = FrameHeader { kind: FrameKind::Request, payload_len: u32::MAX, request_id: 1 };
                let bytes = [&announced.to_bytes()[..], &[0; 4096]].concat();
                self.offend(0, &["payload_too_long"], || bytes.clone()).await
            }
            Attack::UnaskedResponses => {
                let bytes = frame(FrameKind::Response, 1, &[0xf6]);
                self.offend(0, &["protocol_error"], || bytes.clone()).await
            }
            Attack::DuplicateIds => {
                let bytes = frame(FrameKind::Request, 5, REQUEST).repeat(2);
                self.offend(1, &["protocol_error"], || bytes.clone()).await
            }
            Attack::Pings => self.flood(&frame(FrameKind::Ping, 1, &[]).repeat(BATCH), BATCH).await,
            Attack::Cancels => {
                let mut batch: Vec<u8> = (1..BATCH as u64).flat_map(|id| frame(FrameKind::Cancel, id, &[])).collect();
                batch.extend(frame(FrameKind::Ping, 1, &[]));
                self.flood(&batch, 1).await
            }
            Attack::Garbage => {
                let mut random = Random(self.number as u64);
                let reasons = ["unsupported_version", "payload_too_long", "protocol_error"];
                self.offend(0, &reasons, || random.bytes(1024)).await
            }
        }
    }

    /// Connects, is served once, and says nothing more. Where the server may refuse it, it tries again, and has done its
    /// part when all together have tried so many times.
    async fn idle(mut self, refusal: Option<&str>, arrivals: u64) -> Result<(), Wrong> {
        loop {
            let mut connection = self.connect().await?;
            connection.send(&frame(FrameKind::Ping, 1, &[])).await?;
            match (connection.receive().await?, refusal) {
                (Some((FrameKind::Pong, _)), _) => {
                    count(&self.tally.answers, 1);
                    count(&self.tally.held, 1);
                    self.is_ready();
                    let further = connection.receive().await?;
                    return Err(format!("on an idle connection there was {}", seen(further)).into());
                }
                (Some((FrameKind::GoAway, payload)), Some(refusal)) if is_reason(&payload, refusal) => {
                    count(&self.tally.ended, 1);
                }
                // So many are being told just then that this one is not.
                (None, Some(_)) => {}
                (other, _) => return Err(format!("a Ping was answered by {}", seen(other)).into()),
            }
            if self.tally.connections.load(Ordering::Relaxed) >= arrivals {
                self.is_ready();
            }
        }
    }

    /// After `delay`, begins the longest request, byte by byte, and again whenever the server has had enough.
    async fn drip(mut self, delay: Duration) -> Result<(), Wrong> {
        sleep(delay).await;
        let payload_len = u32::try_from(DEFAULT_MAX_PAYLOAD_LEN)?;
        let header = FrameHeader { kind: FrameKind::Request, payload_len, request_id: 1 }.to_bytes();
        let mut ticks = interval(DRIP);
        loop {
            let mut connection = self.connect().await?;
            for byte in header.iter().chain(std::iter::repeat(&0)) {
                tokio::select! {
                    _ = ticks.tick() => connection.send(&[*byte]).await?,
                    readable = connection.stream.readable() => {
                        readable?;
                        break;
                    }
                }
                count(&self.tally.sent, 1);
                self.is_ready();
            }
            connection.expect_end(&["too_slow"]).await?;
            count(&self.tally.ended, 1);
        }
    }

    /// Sends an offence, and again when the server has closed the connection for one of these reasons, after so many
    /// answers.
    async fn offend(
        mut self,
        answers: u64,
        reasons: &[&str],
        mut offence: impl FnMut() -> Vec<u8>,
    ) -> Result<(), Wrong> {
        loop {
            let mut connection = self.connect().await?;
            connection.send(&offence()).await?;
            for _ in 0..answers {
                match connection.receive().await? {
                    Some((FrameKind::Response, _)) => count(&self.tally.answers, 1),
                    other => return Err(format!("a request was answered by {}", seen(other)).into()),
                }
            }
            connection.expect_end(reasons).await?;
            count(&self.tally.ended, 1);
            self.is_ready();
        }
    }

    /// Sends `batch` over and over, and reads the Pongs, so many for each.
    async fn flood(mut self, batch: &[u8], pongs: usize) -> Result<(), Wrong> {
        let tally = Arc::clone(&self.tally);
        let (mut reader, mut writer) = self.connect().await?.stream.into_split();
        let write = async {
            loop {
                writer.write_all(batch).await?;
                count(&tally.sent, (batch.len() / FrameHeader::LEN) as u64);
            }
        };
        let read = async {
            let expected = frame(FrameKind::Pong, 1, &[]).repeat(pongs);
            let mut answers = vec![0; expected.len()];
            loop {
                reader.read_exact(&mut answers).await?;
                if answers != expected {
                    return Err("a Ping was answered by something else than a Pong".into());
                }
                count(&tally.answers, pongs as u64);
                self.is_ready();
            }
        };
        tokio::select! { ended = write => ended, ended = read => ended }
    }

    async fn connect(&self) -> io::Result<Connection> {
        loop {
            match UnixStream::connect(&*self.path).await {
                // The server has not yet accepted those that came before.
                Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(RETRY).await,
                connected => {
                    let stream = connected?;
                    count(&self.tally.connections, 1);
                    return Ok(Connection { stream });
                }
            }
        }
    }

    fn is_ready(&mut self) {
        if let Some(ready) = self.ready.take() {
            // Has a place for each attacker. If nobody listens, the attack is over.
            let _told = ready.try_send(());
        }
    }
}

/// A frame's kind and payload; `None` at the end of the stream.
type Received = Option<(FrameKind, Vec<u8>)>;

#[derive(Debug)]
struct Connection {
    stream: UnixStream,
}

impl Connection {
    /// Sends; where the server has closed already, what it said is still to be read.
    async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.stream.write_all(bytes).await {
            Err(error) if !is_end(&error) => Err(error),
            _ => Ok(()),
        }
    }

    /// What comes next.
    async fn receive(&mut self) -> Result<Received, Wrong> {
        let mut header = [0; FrameHeader::LEN];
        match self.stream.read_exact(&mut header).await {
            Err(error) if is_end(&error) => return Ok(None),
            read => read?,
        };
        let header = FrameHeader::from_bytes(&header, DEFAULT_MAX_PAYLOAD_LEN)?;
        let mut payload = vec![0; usize::try_from(header.payload_len)?];
        self.stream.read_exact(&mut payload).await?;
        Ok(Some((header.kind, payload)))
    }

    /// The server must say goodbye for one of these reasons, and close.
    async fn expect_end(&mut self, reasons: &[&str]) -> Result<(), Wrong> {
        match self.receive().await? {
            Some((FrameKind::GoAway, payload)) if reasons.iter().any(|reason| is_reason(&payload, reason)) => {}
            other => return Err(format!("instead of a GoAway for {reasons:?} there was {}", seen(other)).into()),
        }
        match self.receive().await? {
            None => Ok(()),
            other => Err(format!("after a GoAway there was {}", seen(other)).into()),
        }
    }
}

/// Numbers that look random and are the same in each run.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            self.0.to_be_bytes()[0]
        };
        std::iter::repeat_with(next).take(len).collect()
    }
}

fn frame(kind: FrameKind, request_id: u64, payload: &[u8]) -> Vec<u8> {
    let payload_len = u32::try_from(payload.len()).expect("frames of attackers are short");
    [&FrameHeader { kind, payload_len, request_id }.to_bytes()[..], payload].concat()
}

/// Whether a GoAway's payload, an array of two texts in CBOR, begins with this one, which is short.
fn is_reason(payload: &[u8], reason: &str) -> bool {
    let Ok(len) = u8::try_from(reason.len()) else { return false };
    payload.strip_prefix(&[0x82, 0x60 | len]).is_some_and(|texts| texts.starts_with(reason.as_bytes()))
}

/// What was received, for people.
fn seen(received: Received) -> String {
    match received {
        Some((kind, payload)) => format!("{kind:?} {:?}", String::from_utf8_lossy(&payload)),
        None => "the end".to_owned(),
    }
}

fn is_end(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof)
}

fn count(number: &AtomicU64, more: u64) {
    number.fetch_add(more, Ordering::Relaxed);
}

/// Of an echo of one byte, within a second.
const REQUEST: &[u8] = b"\x83\x64echo\x19\x03\xe8\x41\x5a";
/// Frames that a flood sends at a time: as many bytes as the server reads at a time.
const BATCH: usize = 1024;
/// Between two bytes of a slow sender.
const DRIP: Duration = Duration::from_millis(100);
/// Until another attempt to connect.
const RETRY: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_read_from_a_goaway() {
        let payload = b"\x82\x68too_slow\x64text";
        assert!(is_reason(payload, "too_slow"));
        assert!(!is_reason(payload, "too_many_connections") && !is_reason(payload, "too_slo"));
        assert!(!is_reason(&payload[1..], "too_slow"));
    }
}
