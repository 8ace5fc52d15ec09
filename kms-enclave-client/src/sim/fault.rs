//! How the simulator says no: an exception name and a message, in the shape of KMS.

use http::StatusCode;
use serde::Serialize;

/// An error reply of KMS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) exception: String,
    pub(crate) message: String,
    pub(crate) status: StatusCode,
}

impl Fault {
    pub(crate) fn new(exception: impl Into<String>, message: impl Into<String>) -> Self {
        Self { exception: exception.into(), message: message.into(), status: StatusCode::BAD_REQUEST }
    }

    /// A status and nothing else, as KMS answers some unusable attestation documents.
    pub(crate) fn bare(status: StatusCode) -> Self {
        Self { exception: String::new(), message: String::new(), status }
    }

    pub(crate) fn access_denied(message: impl Into<String>) -> Self {
        Self::new(ACCESS_DENIED, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self { status: StatusCode::PAYLOAD_TOO_LARGE, ..Self::new("SerializationException", message) }
    }

    pub(crate) fn internal() -> Self {
        Self { status: StatusCode::INTERNAL_SERVER_ERROR, ..Self::new("KMSInternalException", "internal failure") }
    }

    pub(crate) fn validation(message: impl Into<String>) -> Self {
        Self::new("ValidationException", message)
    }

    pub(crate) fn malformed_policy(message: impl Into<String>) -> Self {
        Self::new("MalformedPolicyDocumentException", message)
    }

    pub(crate) fn invalid_ciphertext() -> Self {
        Self::new("InvalidCiphertextException", "")
    }

    pub(crate) fn unsupported(message: impl Into<String>) -> Self {
        Self::new("UnsupportedOperationException", message)
    }

    pub(crate) fn invalid_key_usage(message: impl Into<String>) -> Self {
        Self::new("InvalidKeyUsageException", message)
    }

    /// The body of the reply; empty if there is nothing to say.
    ///
    /// The exceptions of the KMS model have a `message`. AccessDeniedException is not among them: AWS's common
    /// authorization answers with a `Message`.
    pub(crate) fn body(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Body<'a> {
            __type: &'a str,
            #[serde(skip_serializing_if = "Option::is_none")]
            message: Option<&'a str>,
            #[serde(rename = "Message", skip_serializing_if = "Option::is_none")]
            message_capital: Option<&'a str>,
        }
        if self.exception.is_empty() {
            return Vec::new();
        }
        let is_denied = self.exception == ACCESS_DENIED;
        let said = Some(self.message.as_str()).filter(|message| !message.is_empty());
        let body = Body {
            __type: &self.exception,
            message: said.filter(|_| !is_denied),
            message_capital: said.filter(|_| is_denied),
        };
        serde_json::to_vec(&body).expect("strings serialize")
    }
}

const ACCESS_DENIED: &str = "AccessDeniedException";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reply_has_a_type_and_a_message_if_there_is_one() {
        let body = |fault: Fault| String::from_utf8(fault.body()).unwrap();
        assert_eq!(
            body(Fault::new("NotFoundException", "no \"key\"")),
            r#"{"__type":"NotFoundException","message":"no \"key\""}"#
        );
        assert_eq!(body(Fault::access_denied("no")), r#"{"__type":"AccessDeniedException","Message":"no"}"#);
        assert_eq!(body(Fault::invalid_ciphertext()), r#"{"__type":"InvalidCiphertextException"}"#);
        assert_eq!(body(Fault::bare(StatusCode::BAD_REQUEST)), "");
    }
}
