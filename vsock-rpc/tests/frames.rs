//! Frames and their codec: the exact bytes, and every way in which reads can cut them.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use proptest::prelude::*;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::codec::{Decoder, Encoder, FramedRead};
use vsock_rpc::codec::FrameCodec;
use vsock_rpc::frame::{Frame, FrameError, FrameHeader, FrameKind};

const MAX: usize = 64 * 1024;

/// Yields its chunks one a read, with a pause before each.
struct ScriptedReads {
    chunks: std::vec::IntoIter<Vec<u8>>,
    paused: bool,
}

impl ScriptedReads {
    fn new(chunks: Vec<Vec<u8>>) -> Self {
        Self { chunks: chunks.into_iter(), paused: false }
    }
}

impl AsyncRead for ScriptedReads {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.paused = !self.paused;
        if self.paused {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(chunk) = self.chunks.next() {
            buf.put_slice(&chunk);
        }
        Poll::Ready(Ok(()))
    }
}

async fn decode(chunks: Vec<Vec<u8>>) -> Vec<Result<Frame, FrameError>> {
    FramedRead::new(ScriptedReads::new(chunks), FrameCodec::new(MAX)).collect().await
}

fn encode(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for frame in frames {
        FrameCodec::new(MAX).encode(frame.clone(), &mut bytes).unwrap();
    }
    bytes.to_vec()
}

fn two_frames() -> [Frame; 2] {
    [
        Frame::new(FrameKind::Request, 1, Bytes::from_static(b"\x83dechoA")),
        Frame::new(FrameKind::Cancel, 1, Bytes::new()),
    ]
}

#[test]
fn golden_frames_have_exactly_these_bytes() {
    let cases = [
        // ["echo", 250, h'01']
        (FrameKind::Request, 1, "83646563686f18fa4101", "0000000a01010000000000000000000183646563686f18fa4101"),
        (FrameKind::Response, 1, "4101", "000000020102000000000000000000014101"),
        // ["busy", "later"]
        (
            FrameKind::Error,
            0x0102_0304_0506_0708,
            "826462757379656c61746572",
            "0000000c01030000010203040506070882\
          6462757379656c61746572",
        ),
        (FrameKind::Cancel, u64::MAX, "", "0000000001040000ffffffffffffffff"),
        (FrameKind::Ping, 9, "", "00000000010500000000000000000009"),
        (FrameKind::Pong, 9, "", "00000000010600000000000000000009"),
        // ["idle", ""]
        (
            FrameKind::GoAway,
            7,
            "826469646c6560",
            "0000000701070000000000000000000782\
          6469646c6560",
        ),
    ];
    for (kind, id, payload, expected) in cases {
        let frame = Frame::new(kind, id, unhex(payload));
        assert_eq!(hex(&encode(std::slice::from_ref(&frame))), expected, "{kind:?}");
        let mut bytes = BytesMut::from(&*unhex(expected));
        assert_eq!(FrameCodec::new(MAX).decode(&mut bytes).unwrap(), Some(frame));
        assert!(bytes.is_empty());
    }
}

#[tokio::test]
async fn split_header_split_payload_and_joined_frames_decode_alike() {
    let frames = two_frames();
    let bytes = encode(&frames);
    for first in 0..=bytes.len() {
        for second in [first, (first + 1).min(bytes.len()), bytes.len()] {
            let chunks = [&bytes[..first], &bytes[first..second], &bytes[second..]];
            // An empty read is the end of the stream, so empty pieces are left out.
            let chunks = chunks.iter().filter(|chunk| !chunk.is_empty()).map(|chunk| chunk.to_vec()).collect();
            let decoded: Vec<_> = decode(chunks).await.into_iter().map(Result::unwrap).collect();
            assert_eq!(decoded, frames);
        }
    }
}

#[tokio::test]
async fn end_of_stream_is_clean_only_between_frames() {
    let frames = two_frames();
    let bytes = encode(&frames);
    let first_len = FrameHeader::LEN + frames[0].payload.len();
    for end in 0..bytes.len() {
        let chunks = if end == 0 { vec![] } else { vec![bytes[..end].to_vec()] };
        let mut decoded = decode(chunks).await;
        if end == 0 || end == first_len {
            assert!(decoded.iter().all(Result::is_ok), "cut at {end}");
            assert_eq!(decoded.len(), usize::from(end > 0));
        } else {
            let len = if end < first_len { end } else { end - first_len };
            assert_eq!(decoded.pop(), Some(Err(FrameError::Truncated { len })), "cut at {end}");
        }
    }
}

#[test]
fn an_announced_length_reserves_nothing() {
    let mut codec = FrameCodec::new(usize::MAX);
    let mut bytes = BytesMut::from(&*unhex("0100000001010000000000000000000100"));
    let capacity = bytes.capacity();
    assert_eq!(codec.decode(&mut bytes).unwrap(), None);
    assert!(bytes.capacity() <= capacity);
}

#[test]
fn the_ceiling_holds_whatever_limit_is_asked_for() {
    let mut bytes = BytesMut::from(&*unhex("01000001010100000000000000000001"));
    let error = FrameCodec::new(usize::MAX).decode(&mut bytes).unwrap_err();
    assert_eq!(error, FrameError::PayloadTooLong { kind: FrameKind::Request, len: 0x100_0001, max: 0x100_0000 });
}

#[test]
fn a_limit_changed_in_flight_holds_from_the_next_header_on() {
    let mut codec = FrameCodec::new(8);
    let bytes =
        encode(&[Frame::new(FrameKind::Response, 1, vec![0; 8]), Frame::new(FrameKind::Response, 2, vec![0; 8])]);
    let mut buffer = BytesMut::from(&bytes[..20]);
    assert_eq!(codec.decode(&mut buffer).unwrap(), None);
    codec.set_max_payload_len(7);
    buffer.extend_from_slice(&bytes[20..]);
    assert_eq!(codec.decode(&mut buffer).unwrap().unwrap().request_id, 1);
    let error = codec.decode(&mut buffer).unwrap_err();
    assert_eq!(error, FrameError::PayloadTooLong { kind: FrameKind::Response, len: 8, max: 7 });
}

#[test]
fn the_first_error_is_final() {
    let mut codec = FrameCodec::new(MAX);
    let mut bytes = BytesMut::from(&*unhex("00000000010100010000000000000001"));
    let error = codec.decode(&mut bytes).unwrap_err();
    assert_eq!(error, FrameError::NonZeroFlags { flags: 1 });
    let mut good = BytesMut::from(&*encode(&two_frames()));
    assert_eq!(codec.decode(&mut good).unwrap_err(), error);
}

#[test]
fn refuses_to_encode_what_it_would_refuse_to_decode() {
    for frame in [
        Frame::new(FrameKind::Request, 1, vec![0; 9]),
        Frame::new(FrameKind::Request, 0, vec![]),
        Frame::new(FrameKind::Ping, 1, vec![0]),
        Frame::new(FrameKind::GoAway, 1, vec![0; 1025]),
    ] {
        let mut bytes = BytesMut::new();
        assert!(FrameCodec::new(8).encode(frame, &mut bytes).is_err());
        assert!(bytes.is_empty());
    }
}

fn any_frame() -> impl Strategy<Value = Frame> {
    let with_payload = (
        prop_oneof![
            Just(FrameKind::Request),
            Just(FrameKind::Response),
            Just(FrameKind::Error),
            Just(FrameKind::GoAway)
        ],
        1..=u64::MAX,
        prop::collection::vec(any::<u8>(), 0..600),
    );
    let without = prop_oneof![Just(FrameKind::Cancel), Just(FrameKind::Ping), Just(FrameKind::Pong)];
    prop_oneof![
        with_payload.prop_map(|(kind, id, payload)| Frame::new(kind, id, payload)),
        (without, 1..=u64::MAX).prop_map(|(kind, id)| Frame::new(kind, id, Bytes::new())),
    ]
}

proptest! {
    #[test]
    fn any_frames_under_any_split_of_reads_decode_alike(
        frames in prop::collection::vec(any_frame(), 0..8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let bytes = encode(&frames);
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut codec = FrameCodec::new(MAX);
        let mut buffer = BytesMut::new();
        let mut decoded = Vec::new();
        let mut start = 0;
        for end in cuts.into_iter().chain([bytes.len()]) {
            buffer.extend_from_slice(&bytes[start..end]);
            start = end;
            while let Some(frame) = codec.decode(&mut buffer).unwrap() {
                decoded.push(frame);
            }
        }
        prop_assert_eq!(codec.decode_eof(&mut buffer).unwrap(), None);
        prop_assert_eq!(decoded, frames);
    }

    #[test]
    fn limits_changed_between_any_reads_hold_from_the_next_header_on(
        frames in prop::collection::vec(any_frame(), 1..8),
        reads in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..700), 0..12),
    ) {
        let bytes = encode(&frames);
        let mut reads: Vec<_> = reads.iter().map(|(cut, limit)| (cut.index(bytes.len()), *limit)).collect();
        reads.sort_unstable();
        // The limit in force when a byte arrives: that of the read which brings it.
        let limit_at = |at: usize| reads.iter().rev().find(|(start, _)| *start <= at).map_or(MAX, |(_, limit)| *limit);

        let mut codec = FrameCodec::new(MAX);
        let (mut buffer, mut decoded, mut start) = (BytesMut::new(), Vec::new(), 0);
        for (end, next_limit) in reads.iter().copied().chain([(bytes.len(), MAX)]) {
            buffer.extend_from_slice(&bytes[start..end]);
            start = end;
            while let Ok(Some(frame)) = codec.decode(&mut buffer) {
                decoded.push(frame);
            }
            codec.set_max_payload_len(next_limit);
        }

        let mut at = 0;
        let fits = |frame: &&Frame| {
            let limit = limit_at(at + FrameHeader::LEN - 1);
            at += FrameHeader::LEN + frame.payload.len();
            frame.payload.len() <= limit || !matches!(frame.kind, FrameKind::Request | FrameKind::Response)
        };
        let expected: Vec<Frame> = frames.iter().take_while(fits).cloned().collect();
        prop_assert_eq!(decoded, expected);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200), kind in 0_u8..9) {
        // Random headers are hardly ever valid: make the fixed fields so.
        let mut input = bytes.clone();
        if let Some(header) = input.first_chunk_mut::<8>() {
            *header = [0, 0, 0, header[3] % 64, 1, kind, 0, 0];
        }
        let mut buffer = BytesMut::from(&*input);
        let mut codec = FrameCodec::new(MAX);
        let mut frames = Vec::new();
        while let Ok(Some(frame)) = codec.decode(&mut buffer) {
            frames.push(frame);
        }
        let again = encode(&frames);
        // GoAways are read in other versions too, but written in this one only.
        prop_assert_eq!(&again[..], &input[..again.len()]);
    }
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
