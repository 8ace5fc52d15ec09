//! RPC frames: they encode to the bytes that they were decoded from, and a stream means the same in whatever pieces it
//! arrives.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::{Decoder, Encoder};
use vsock_rpc::codec::FrameCodec;
use vsock_rpc::frame::{Frame, FrameError, FrameKind};

fuzz_target!(|data: &[u8]| {
    let whole = decode(std::iter::once(data));
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
    end: Result<(), FrameError>,
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
                Err(error) => return Stream { frames, end: Err(error) },
            }
        }
    }
    let end = codec.decode_eof(&mut buffer).map(|frame| assert_eq!(frame, None));
    Stream { frames, end }
}

const MAX_PAYLOAD_LEN: usize = 256;
const VERSION_OFFSET: usize = 4;
