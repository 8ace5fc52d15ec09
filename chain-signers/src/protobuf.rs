//! Protocol Buffers (proto3), read exactly.

use prost::Message;

use crate::DecodeError;

/// Any message, and the name of its type.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// Reads a message that encodes to the same bytes again: with no unknown field, no default value written out, every field
/// in order and every number in its shortest form (ADR-027 of the Cosmos SDK).
pub(crate) fn decode_exact<M: Message + Default>(bytes: &[u8], format: &'static str) -> Result<M, DecodeError> {
    let message = M::decode(bytes).map_err(|error| DecodeError::malformed(format, error))?;
    if message.encode_to_vec() == bytes {
        Ok(message)
    } else {
        Err(DecodeError::NotCanonical { format: format.into() })
    }
}
