//! [`FrameCodec`]: frames to bytes and back, as a `tokio_util` codec.

use bytes::BytesMut;
use tokio_util::codec::{Decoder, Encoder};

use crate::frame::{Frame, FrameError, FrameHeader};

/// Encodes and decodes [`Frame`]s with a limit on their payload.
///
/// Decoding never reserves memory for a length that a header claims: the buffer grows as bytes arrive. The first
/// error is final; later calls repeat it, because what follows it cannot be told apart. What `decode` leaves in the buffer has
/// to be at its front at the next call.
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
    /// Of the frame that has arrived in part.
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

    /// The header of the frame at the front of `buffered`, once all of that frame is there.
    pub(crate) fn find_frame(&mut self, buffered: &[u8]) -> Result<Option<FrameHeader>, FrameError> {
        if let Some(error) = &self.poison {
            return Err(error.clone());
        }
        let header = self.peek(buffered).inspect_err(|error| self.poison = Some(error.clone()))?;
        let Some(header) = header else { return Ok(None) };
        let is_whole = buffered.len() >= header.frame_len();
        self.header = (!is_whole).then_some(header);
        Ok(is_whole.then_some(header))
    }

    /// Forgets the header of a frame whose bytes are thrown away.
    pub(crate) fn forget(&mut self) {
        self.header = None;
    }

    /// Whether a frame has begun of which more has to come, given what is buffered.
    pub(crate) fn lacks_rest(&self, buffered: &[u8]) -> bool {
        match self.peek(buffered) {
            Ok(Some(header)) => buffered.len() < header.frame_len(),
            Ok(None) => !buffered.is_empty(),
            Err(_) => false,
        }
    }

    /// The header at the front of what is buffered. One that was accepted stays so, though the limit has changed since.
    fn peek(&self, buffered: &[u8]) -> Result<Option<FrameHeader>, FrameError> {
        match (self.header, buffered.first_chunk()) {
            (Some(header), _) => Ok(Some(header)),
            (None, Some(bytes)) => FrameHeader::from_bytes(bytes, self.max_payload_len).map(Some),
            (None, None) => Ok(None),
        }
    }
}

impl Decoder for FrameCodec {
    type Item = Frame;
    type Error = FrameError;

    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        let Some(header) = self.find_frame(src)? else { return Ok(None) };
        let payload = src.split_to(header.frame_len()).freeze().slice(FrameHeader::LEN..);
        Ok(Some(Frame::new(header.kind, header.request_id, payload)))
    }

    fn decode_eof(&mut self, src: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
        match self.decode(src)? {
            None if !src.is_empty() => Err(self.poison.insert(FrameError::Truncated { len: src.len() }).clone()),
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
