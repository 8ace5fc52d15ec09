//! RPC frames: they are what another reading of the bytes makes of them, encode to the bytes that they were decoded from, and
//! mean the same in whatever pieces they arrive, also when the limit changes between pieces.
#![no_main]

use bytes::BytesMut;
use fuzz::rpc::{Next, next_frame};
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::{Decoder, Encoder};
use vsock_rpc::codec::FrameCodec;
use vsock_rpc::frame::{Frame, FrameError, FrameKind};

fuzz_target!(|data: &[u8]| {
    let whole = decode(std::iter::once(data));
    assert_eq!(whole, read(data, |_| MAX_PAYLOAD_LEN));
    change_limits(data);
    assert_eq!(whole, decode(data.chunks(1)));
    assert_eq!(whole, decode(data.chunks(17)));

    let mut encoded = BytesMut::new();
    for frame in &whole.frames {
        let start = encoded.len();
        FrameCodec::new(MAX_PAYLOAD_LEN).encode(frame.clone(), &mut encoded).expect("a decoded frame is within limits");
        if frame.kind == FrameKind::GoAway {
            // One of another version is understood, but answered in this one.
            encoded[start + VERSION_OFFSET] = data[start + VERSION_OFFSET];
        }
    }
    assert!(data.starts_with(&encoded));
});

/// What a stream meant: its frames, and how it ended.
#[derive(Debug, PartialEq)]
struct Stream {
    frames: Vec<Frame>,
    end: End,
}

#[derive(Debug, PartialEq)]
enum End {
    Broken(&'static str),
    Clean,
    Truncated,
}

impl End {
    fn of(result: Result<(), FrameError>) -> Self {
        match result {
            Ok(()) => Self::Clean,
            Err(FrameError::Truncated { .. }) => Self::Truncated,
            Err(FrameError::UnsupportedVersion { .. }) => Self::Broken("unsupported_version"),
            Err(FrameError::PayloadTooLong { .. }) => Self::Broken("payload_too_long"),
            Err(_) => Self::Broken("protocol_error"),
        }
    }
}

/// Another reading of a stream; `max_at` is the limit that held when the byte at a place arrived.
fn read(bytes: &[u8], max_at: impl Fn(usize) -> usize) -> Stream {
    let (mut frames, mut at) = (Vec::new(), 0);
    loop {
        let end = match next_frame(&bytes[at..], max_at(at + HEADER_LEN - 1)) {
            Next::Frame(frame, len) => {
                let kind = KINDS[usize::from(frame.kind) - 1];
                frames.push(Frame::new(kind, frame.id, frame.payload.to_vec()));
                at += len;
                continue;
            }
            Next::Broken(reason) => End::Broken(reason),
            Next::Partial if at == bytes.len() => End::Clean,
            Next::Partial => End::Truncated,
        };
        return Stream { frames, end };
    }
}

/// The last bytes say where the others are cut, and to what the limit changes there.
fn change_limits(data: &[u8]) {
    let Some((&changes, rest)) = data.split_last() else { return };
    let (bytes, changes) = rest.split_at(rest.len() - rest.len().min(usize::from(changes % 8) * 2));
    let (mut ends, mut limits) = (Vec::new(), vec![MAX_PAYLOAD_LEN]);
    let mut at = 0;
    for change in changes.chunks_exact(2) {
        at = (at + usize::from(change[0])).min(bytes.len());
        ends.push(at);
        limits.push(usize::from(change[1]));
    }
    ends.push(bytes.len());

    let mut codec = FrameCodec::new(MAX_PAYLOAD_LEN);
    let (mut buffer, mut frames, mut start, mut broken) = (BytesMut::new(), Vec::new(), 0, None);
    for (end, limit) in ends.iter().zip(&limits) {
        codec.set_max_payload_len(*limit);
        buffer.extend_from_slice(&bytes[start..*end]);
        start = *end;
        while broken.is_none() {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => broken = Some(error),
            }
        }
    }
    let end = match broken {
        Some(error) => Err(error),
        None => codec.decode_eof(&mut buffer).map(|frame| assert_eq!(frame, None)),
    };
    let max_at = |place: usize| {
        let piece = ends.iter().position(|end| place < *end);
        piece.map_or(MAX_PAYLOAD_LEN, |piece| limits[piece])
    };
    assert_eq!(Stream { frames, end: End::of(end) }, read(bytes, max_at));
}

fn decode<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Stream {
    let mut codec = FrameCodec::new(MAX_PAYLOAD_LEN);
    let mut buffer = BytesMut::new();
    let mut frames = Vec::new();
    for piece in pieces {
        buffer.extend_from_slice(piece);
        loop {
            match codec.decode(&mut buffer) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return Stream { frames, end: End::of(Err(error)) },
            }
        }
    }
    let end = codec.decode_eof(&mut buffer).map(|frame| assert_eq!(frame, None));
    Stream { frames, end: End::of(end) }
}

const KINDS: [FrameKind; 7] = [
    FrameKind::Request,
    FrameKind::Response,
    FrameKind::Error,
    FrameKind::Cancel,
    FrameKind::Ping,
    FrameKind::Pong,
    FrameKind::GoAway,
];
const HEADER_LEN: usize = 16;

const MAX_PAYLOAD_LEN: usize = 256;
const VERSION_OFFSET: usize = 4;
