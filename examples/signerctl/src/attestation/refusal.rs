//! Why a document was rejected, with what was expected and what was found.

use std::fmt;

use nsm_attest::{AttestationDocument, Rejection};

use super::arguments::{TimeSource, VerifyArguments};
use crate::terminal::shortened;

/// A rejection, completed by what the verifier knows and the rejection does not say.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) rejection: Rejection,
    /// Any of these would have been accepted; empty where the rejection's text says it all.
    pub(crate) expected: Vec<String>,
    pub(crate) actual: Option<String>,
    /// Whether the document was held against the time now, and is too old for it.
    is_of_the_past: bool,
}

impl Refusal {
    pub(crate) fn new(rejection: Rejection, arguments: &VerifyArguments, document: &AttestationDocument) -> Self {
        let hex = |bytes: &Option<Vec<u8>>| bytes.as_ref().map(hex::encode);
        let demanded = |argument: &Option<super::arguments::HexArgument>| {
            argument.iter().map(|argument| hex::encode(&argument.0)).collect()
        };
        let (expected, actual) = match &rejection {
            Rejection::NonceMismatch => (demanded(&arguments.nonce), hex(&document.nonce)),
            Rejection::PcrMismatch { expected, actual, .. } => {
                (expected.iter().map(ToString::to_string).collect(), Some(actual.to_string()))
            }
            Rejection::PublicKeyMismatch => (demanded(&arguments.public_key), hex(&document.public_key)),
            Rejection::PurposeMismatch { expected, actual } => {
                (vec![expected.to_string()], actual.map(|purpose| purpose.to_string()))
            }
            Rejection::UntrustedRoot { expected, actual } => (vec![expected.to_string()], Some(actual.to_string())),
            Rejection::UserDataMismatch => (demanded(&arguments.user_data), hex(&document.user_data)),
            _ => (Vec::new(), None),
        };
        let is_of_the_past = arguments.time == TimeSource::Now
            && matches!(rejection, Rejection::CertificateExpired { .. } | Rejection::Expired { .. });
        Self { rejection, expected, actual, is_of_the_past }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.rejection.to_string();
        write!(f, "attestation document rejected ({}): {text}", variant_name(&self.rejection))?;
        if self.is_of_the_past {
            write!(
                f,
                "\n  for a document kept from earlier: --time document (its age is then not checked), or its time"
            )?;
        }
        // Where the text names all of them already, it needs no repetition.
        let is_named = self.expected.iter().chain(&self.actual).all(|value| text.contains(value));
        if self.expected.is_empty() || (is_named && self.actual.is_some()) {
            return Ok(());
        }
        for expected in &self.expected {
            write!(f, "\n  expected: {}", shortened(expected))?;
        }
        write!(f, "\n  actual: {}", self.actual.as_deref().map_or("none".to_owned(), shortened))
    }
}

/// The name of an enum's variant, which is how its derived `Debug` begins.
pub(crate) fn variant_name(value: &impl fmt::Debug) -> String {
    let shown = format!("{value:?}");
    shown.chars().take_while(char::is_ascii_alphanumeric).collect()
}

#[cfg(test)]
mod tests {
    use nsm_attest::{ChainPosition, Malformed};

    use super::*;

    #[test]
    fn variants_are_named_with_and_without_fields() {
        assert_eq!(variant_name(&Rejection::DebugMode), "DebugMode");
        let position = ChainPosition::EndEntity;
        assert_eq!(variant_name(&Rejection::IssuerMismatch { position }), "IssuerMismatch");
        assert_eq!(variant_name(&Malformed::UnknownField { name: "x".to_owned() }), "UnknownField");
    }
}
