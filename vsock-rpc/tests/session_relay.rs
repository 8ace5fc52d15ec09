//! A relay that records, replays, changes, cuts, repeats and swaps what it carries: every session either works exactly
//! or fails with a name, and no call gets a wrong answer.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod common;
mod session_support;

use std::sync::{Arc, Mutex};

use common::*;
use session_support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use vsock_rpc::session::SessionError;
use vsock_rpc::transport::MemoryConnector;
use vsock_rpc::{CallError, Client, Listener, Stream};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    ToServer,
    ToClient,
}

/// One TLS record with its header, and where it stands.
struct Record {
    direction: Direction,
    index: usize,
    bytes: Vec<u8>,
}

/// The content type of handshake messages in the clear, and of everything that is encrypted.
const HANDSHAKE: u8 = 22;
const ENCRYPTED: u8 = 23;

/// What becomes of a record: the bytes to pass on, or the end of the stream.
type Tamper = dyn Fn(Record) -> Option<Vec<u8>> + Send + Sync;

/// A relay to `target` that passes each record through `tamper`.
fn relay(target: MemoryConnector, tamper: Arc<Tamper>) -> MemoryConnector {
    let (mut listener, connector) = Listener::memory(64 * 1024);
    tokio::spawn(async move {
        while let Ok(client) = listener.accept().await {
            let server = target.connect().await.unwrap();
            let (client, server) = (split(client), split(server));
            tokio::spawn(carry(Direction::ToServer, client.0, server.1, Arc::clone(&tamper)));
            tokio::spawn(carry(Direction::ToClient, server.0, client.1, Arc::clone(&tamper)));
        }
    });
    connector
}

/// Ends when either side does, or when the tampering ends it.
async fn carry(direction: Direction, mut from: ReadHalf<Stream>, mut to: WriteHalf<Stream>, tamper: Arc<Tamper>) {
    for index in 0.. {
        let mut bytes = vec![0; 5];
        if from.read_exact(&mut bytes).await.is_err() {
            break;
        }
        let len = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        bytes.resize(5 + len, 0);
        if from.read_exact(&mut bytes[5..]).await.is_err() {
            break;
        }
        let Some(bytes) = tamper(Record { direction, index, bytes }) else { break };
        if to.write_all(&bytes).await.is_err() {
            break;
        }
    }
    // The other end may be gone.
    let _ = to.shutdown().await;
}

/// Opens a session, and makes one call over it.
async fn use_session(client: &Client) -> Result<u32, CallError> {
    client.call::<Add>(&(20, 22), LONG).await
}

/// The records of an honest session with one call.
async fn recorded(rig: &SessionRig) -> Vec<Record> {
    let records = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&records);
    let recorder = relay(
        rig.connector.clone(),
        Arc::new(move |record| {
            let bytes = record.bytes.clone();
            seen.lock().unwrap().push(record);
            Some(bytes)
        }),
    );
    assert_eq!(use_session(&client(rig.through(recorder).build())).await.unwrap(), 42);
    std::mem::take(&mut *records.lock().unwrap())
}

fn all_bytes(records: &[Record], direction: Direction) -> Vec<u8> {
    let of_direction = records.iter().filter(|record| record.direction == direction);
    of_direction.flat_map(|record| record.bytes.clone()).collect()
}

/// A session that was tampered with once: it worked, or failed for a reason that has a name and is none of the relay's
/// choosing, such as an answer that nobody gave.
fn assert_failed(outcome: Result<u32, CallError>, what: &str) {
    match outcome {
        Ok(sum) => panic!("{what}: it went through, with {sum}"),
        Err(CallError::Disconnected { .. } | CallError::DeadlineExceeded { .. }) => {}
        Err(error) => {
            let cause = cause(&error);
            let is_named = matches!(
                cause,
                SessionError::Alert { .. }
                    | SessionError::BadSignature
                    | SessionError::Closed
                    | SessionError::Corrupted(_)
                    | SessionError::OtherProtocol
                    | SessionError::RawKeyRequired
                    | SessionError::TimedOut { .. }
                    | SessionError::Tls(_)
                    | SessionError::UnsupportedVersion
            );
            assert!(is_named, "{what}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_recorded_session_opens_none() {
    let rig = SessionRig::new();
    let records = recorded(&rig).await;
    // To the client: what the enclave once said, byte for byte.
    let said = all_bytes(&records, Direction::ToClient);
    let (mut listener, player) = Listener::memory(64 * 1024);
    tokio::spawn(async move {
        let mut stream = listener.accept().await.unwrap();
        stream.write_all(&said).await.unwrap();
        std::future::pending::<()>().await;
    });
    let error = rig.through(player).build().connect().await.unwrap_err();
    assert!(matches!(error, SessionError::Corrupted(_)), "{error:?}");
    // To the enclave: what the client once said, its request included.
    let calls = rig.state.calls.load(std::sync::atomic::Ordering::SeqCst);
    let mut stream = rig.connector.connect().await.unwrap();
    stream.write_all(&all_bytes(&records, Direction::ToServer)).await.unwrap();
    let failure = rig.failures.next().await;
    assert!(matches!(failure, SessionError::Corrupted(_)), "{failure:?}");
    assert_eq!(rig.state.calls.load(std::sync::atomic::Ordering::SeqCst), calls);
    assert_eq!(rig.enclave.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn every_changed_byte_is_noticed() {
    let rig = SessionRig::new();
    let records = recorded(&rig).await;
    for record in &records {
        let kind = record.bytes[0];
        for at in (0..record.bytes.len()).step_by(if kind == ENCRYPTED { 3 } else { 7 }) {
            let (direction, index) = (record.direction, record.index);
            let change = move |mut record: Record| {
                if (record.direction, record.index) == (direction, index) {
                    let at = at.min(record.bytes.len() - 1); // evidence has signatures, whose length varies
                    record.bytes[at] ^= 0x20;
                }
                Some(record.bytes)
            };
            let changed = relay(rig.connector.clone(), Arc::new(change));
            let outcome = use_session(&client(rig.through(changed).build())).await;
            let what = format!("byte {at} of record {index} {direction:?} of type {kind}");
            match outcome {
                // RFC 8446 has receivers ignore the version in the header of an unencrypted record (§5.1), and drop the
                // record change_cipher_spec (§5).
                Ok(sum) if kind != ENCRYPTED && (kind != HANDSHAKE || (1..3).contains(&at)) => assert_eq!(sum, 42),
                outcome => assert_failed(outcome, &what),
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_anywhere_opens_nothing_and_answers_nothing() {
    let rig = SessionRig::new();
    let records = recorded(&rig).await;
    for record in &records {
        let (direction, index) = (record.direction, record.index);
        // Cut before the record, or inside it.
        for keep in [0, 1, 5, record.bytes.len() / 2, record.bytes.len() - 1] {
            let cut = Mutex::new(false);
            let truncate = move |mut record: Record| {
                if record.direction != direction {
                    return Some(record.bytes);
                }
                let is_cut = std::mem::replace(&mut *cut.lock().unwrap(), record.index >= index);
                record.bytes.truncate(if record.index == index { keep } else { record.bytes.len() });
                (!is_cut).then_some(record.bytes)
            };
            let what = format!("{keep} bytes of record {index} {direction:?}");
            let truncated = relay(rig.connector.clone(), Arc::new(truncate));
            let outcome = use_session(&client(rig.through(truncated).build())).await;
            assert_failed(outcome, &what);
        }
    }
}

/// The records of one direction from `first` on, in another order or number.
async fn use_rearranged(
    rig: &SessionRig,
    direction: Direction,
    first: usize,
    rearrange: fn(&[Vec<u8>; 2]) -> Vec<u8>,
) -> Result<u32, CallError> {
    let held = Mutex::new(None);
    let tamper = move |record: Record| {
        if record.direction != direction || !(first..first + 2).contains(&record.index) {
            return Some(record.bytes);
        }
        let mut held = held.lock().unwrap();
        match held.take() {
            None => {
                *held = Some(record.bytes);
                Some(Vec::new())
            }
            Some(earlier) => Some(rearrange(&[earlier, record.bytes])),
        }
    };
    let rearranging = relay(rig.connector.clone(), Arc::new(tamper));
    use_session(&client(rig.through(rearranging).build())).await
}

#[tokio::test(start_paused = true)]
async fn records_that_are_swapped_dropped_or_repeated_are_noticed() {
    let rig = SessionRig::new();
    let records = recorded(&rig).await;
    for direction in [Direction::ToServer, Direction::ToClient] {
        let of_direction: Vec<_> = records.iter().filter(|record| record.direction == direction).collect();
        let first_encrypted = of_direction.iter().position(|record| record.bytes[0] == ENCRYPTED).unwrap();
        for first in first_encrypted..of_direction.len() - 1 {
            let what = format!("records {first} and the next, {direction:?}");
            let honest = use_rearranged(&rig, direction, first, |records| records.concat()).await;
            // A record may wait for the answer to the one held back; then nothing moves until time is up.
            if let Ok(sum) = honest {
                assert_eq!(sum, 42);
            } else {
                assert_failed(honest, &what);
            }
            let swapped = use_rearranged(&rig, direction, first, |[one, two]| [&two[..], one].concat()).await;
            assert_failed(swapped, &what);
            let dropped = use_rearranged(&rig, direction, first, |[_, two]| two.clone()).await;
            assert_failed(dropped, &what);
            let repeated = use_rearranged(&rig, direction, first, |[one, two]| [&one[..], one, two].concat()).await;
            assert_failed(repeated, &what);
        }
    }
}

/// Calls that are in flight when a record is changed fail; others have their answers, and no call another's.
#[tokio::test(start_paused = true)]
async fn no_call_gets_a_wrong_answer_from_a_session_that_is_tampered_with() {
    let rig = SessionRig::new();
    let (mut answered, mut failed) = (0, 0);
    for index in 4..40 {
        let change = move |mut record: Record| {
            if (record.direction, record.index) == (Direction::ToClient, index) {
                record.bytes[9] ^= 1;
            }
            Some(record.bytes)
        };
        let client = client(rig.through(relay(rig.connector.clone(), Arc::new(change))).build());
        let blob = |number: u8| Blob { bytes: vec![number; usize::from(number) * 300] };
        let calls: Vec<_> =
            (0..60).map(|number| (number, tokio::spawn(client.call::<Echo>(&blob(number), LONG)))).collect();
        for (number, call) in calls {
            match call.await.unwrap() {
                Ok(echoed) => {
                    assert_eq!(echoed, blob(number));
                    answered += 1;
                }
                Err(CallError::Disconnected { .. }) => failed += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    assert!(answered > 100 && failed > 100, "{answered} answered, {failed} failed");
}
