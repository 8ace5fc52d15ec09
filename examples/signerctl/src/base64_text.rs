//! Base64 as people pass it on: the standard or the URL alphabet, padded or not, broken by white space.

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};

/// The bytes that `text` stands for. One alphabet and one way of padding hold for all of it.
pub(crate) fn decode(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let symbols: Vec<u8> = text.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let is_url = symbols.iter().any(|symbol| matches!(symbol, b'-' | b'_'));
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::RequireCanonical);
    let padded = symbols.last() == Some(&b'=');
    let config = if padded { config } else { config.with_decode_padding_mode(DecodePaddingMode::RequireNone) };
    GeneralPurpose::new(if is_url { &URL_SAFE } else { &STANDARD }, config).decode(symbols)
}
