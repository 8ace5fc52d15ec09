//! [`FrameCodec`]: frames to bytes and back, as a `tokio_util` codec.

use bytes::{Buf, BytesMut};
use tokio_util::codec::{Decoder, Encoder};

use crate::frame::{Frame, FrameError, FrameHeader};

/// Encodes and decodes [`Frame`]s with a limit on their payload.
///
/// Decoding never reserves memory for a length that a header claims: the buffer grows as bytes arrive. The first
/// error is final; later calls repeat it, because what follows it cannot be told apart.
///
/// ```
/// use bytes::BytesMut;
/// use tokio_util::codec::{Decoder, Encoder};
/// use vsock_rpc::codec::FrameCodec;
/// use vsock_rpc::frame::{Frame, FrameKind};
///
/// let mut codec = FrameCodec::new(1024);
/// let frame = Frame::new(FrameKind::Response, 7, &b"\x01"[..]);
/// let mut bytes = BytesMut::new();
/// codec.encode(frame.clone(), &mut bytes)?;
/// assert_eq!(codec.decode(&mut bytes)?, Some(frame));
/// assert_eq!(codec.decode(&mut bytes)?, None);
/// # Ok::<(), vsock_rpc::frame::FrameError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FrameCodec {
    max_payload_len: usize,
    header: Option<FrameHeader>,
    poison: Option<FrameError>,
}

impl FrameCodec {
    /// A codec that takes requests and responses of up to `max_payload_len` bytes, itself at most
    /// [`PAYLOAD_LEN_CEILING`].
    #[must_use]
    pub fn new(max_payload_len: usize) -> Self {
        Self { max_payload_len: max_payload_len.min(PAYLOAD_LEN_CEILING), header: None, poison: None }
    }

    /// The limit on a payload.
    #[must_use]
    pub fn max_payload_len(&self) -> usize {
        self.max_payload_len
    }

    /// Changes the limit, from the next header on.
    pub fn set_max_payload_len(&mut self, max_payload_len: usize) {
        self.max_payload_len = max_payload_len.min(PAYLOAD_LEN_CEILING);
    }

    /// Whether there is nothing to decode, and nothing wrong so far.
    pub(crate) fn is_at_rest(&self, buffered: &BytesMut) -> bool {
        buffered.is_empty() && self.header.is_none() && self.poison.is_none()
    }

    /// Whether part of a frame has arrived, given what is left in the buffer.
    pub(crate) fn is_inside_frame(&self, buffered: &BytesMut) -> bool {
        self.header.is_some() || !buffered.is_empty()
    }

    /// Whether a frame has begun of which more has to come, given what is left in the buffer.
    pub(crate) fn lacks_rest(&self, buffered: &BytesMut) -> bool {
        let (header, payload_len) = match (self.header, buffered.split_first_chunk::<{ FrameHeader::LEN }>()) {
            (Some(header), _) => (header, buffered.len()),
            (None, Some((bytes, payload))) => match FrameHeader::from_bytes(bytes, self.max_payload_len) {
                Ok(header) => (header, payload.len()),
                Err(_) => return false,
            },
            (None, None) => return !buffered.is_empty(),
        };
        payload_len < header.payload_len as usize
    }

    fn next_frame(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let Some(bytes) = src.first_chunk::<{ FrameHeader::LEN }>() else { return Ok(None) };
                let header = FrameHeader::from_bytes(bytes, self.max_payload_len)?;
                src.advance(FrameHeader::LEN);
                *self.header.insert(header)
            }
        };
        // Not above the limit, which fits a usize.
        let len = header.payload_len as usize;
        if src.len() < len {
            return Ok(None);
        }
        self.header = None;
        Ok(Some(Frame::new(header.kind, header.request_id, src.split_to(len).freeze())))
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        if let Some(error) = &self.poison {
            return Err(error.clone());
        }
        self.next_frame(src).inspect_err(|error| self.poison = Some(error.clone()))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(src)? {
            None if self.is_inside_frame(src) => {
                let header_len = if self.header.is_some() { FrameHeader::LEN } else { 0 };
                let error = FrameError::Truncated { len: header_len + src.len() };
                Err(self.poison.insert(error).clone())
            }
            frame => Ok(frame),
        }
    }
}

impl Encoder<Frame> for FrameCodec {
    type Error = FrameError;

    fn encode(&mut self, frame: Frame, dst: &mut BytesMut) -> Result<(), FrameError> {
        let header = frame.header(self.max_payload_len)?;
        dst.reserve(FrameHeader::LEN + frame.payload.len());
        header.put(&frame.payload, dst);
        Ok(())
    }
}

/// The payload limit unless another is set: 64 KiB.
pub const DEFAULT_MAX_PAYLOAD_LEN: usize = 64 * 1024;

/// What no payload limit can be raised above: 16 MiB.
pub const PAYLOAD_LEN_CEILING: usize = 16 * 1024 * 1024;
