//! [`ServiceError`]: what KMS says when it refuses, and what is then to be checked.

use std::fmt;

use nsm_attest::PcrValue;

use crate::error::printable;

/// An error that KMS answered with: its exception name, message and request id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceError {
    pub(crate) code: ServiceErrorCode,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
    pub(crate) status: u16,
    /// Boxed, so that the error of every call is not made larger by that of a few.
    pub(crate) image: Option<Box<PcrValue>>,
}

impl ServiceError {
    /// The exception.
    #[must_use]
    pub fn code(&self) -> &ServiceErrorCode {
        &self.code
    }

    /// What KMS said, cut to 1024 characters; control characters are replaced. Empty if it said nothing.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The request id, which AWS support asks for.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }

    /// The HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status
    }

    /// PCR0 in the attestation document of the call, if it had one: all zeros in debug mode.
    #[must_use]
    pub fn image(&self) -> Option<PcrValue> {
        self.image.as_deref().copied()
    }

    pub(crate) fn with_image(self, image: PcrValue) -> Self {
        Self { image: Some(Box::new(image)), ..self }
    }

    /// Whether KMS may answer otherwise a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        use ServiceErrorCode::{
            DependencyTimeout, InternalFailure, KeyUnavailable, KmsInternal, RequestTimeout, ServiceUnavailable,
            Throttling,
        };

        match self.code {
            DependencyTimeout | InternalFailure | KeyUnavailable | KmsInternal | RequestTimeout
            | ServiceUnavailable | Throttling => true,
            _ => self.status == 429 || self.status >= 500,
        }
    }

    /// Whether KMS finds the signature's date out of time.
    pub(crate) fn is_about_time(&self) -> bool {
        match self.code {
            ServiceErrorCode::RequestExpired | ServiceErrorCode::RequestTimeTooSkewed => true,
            ServiceErrorCode::InvalidSignature => TIME_MESSAGES.iter().any(|start| self.message.starts_with(start)),
            _ => false,
        }
    }

    /// What to check, for the errors whose own message does not say it.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        let advice = self.code.advice()?;
        Some(match (self.code.is_about_attestation(), self.image()) {
            (true, Some(image)) if image.is_zero() => {
                format!(
                    "this enclave runs in debug mode: its PCR0 is all zeros, which no policy for an image names; {advice}"
                )
            }
            (true, Some(image)) => format!("this enclave's PCR0 is {image}; {advice}"),
            _ => advice.to_owned(),
        })
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KMS answered {} (HTTP {})", self.code, self.status)?;
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        if let Some(id) = &self.request_id {
            write!(f, " [request {id}]")?;
        }
        if let Some(advice) = self.advice() {
            write!(f, "; check: {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ServiceError {}

macro_rules! service_error_codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $(| $spelling:literal)*,)+) => {
        /// The exceptions of KMS and of AWS request authentication.
        ///
        /// AWS spells some of them in more than one way: the variant is the same, and its name the one of KMS.
        #[non_exhaustive]
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum ServiceErrorCode {
            $($(#[$doc])* $variant,)+
            /// A name that this crate does not know, cut to 64 characters.
            Other(String),
            /// The reply names no exception: KMS answers so to some unusable attestation documents.
            Unnamed,
        }

        impl ServiceErrorCode {
            /// The exception's name as KMS spells it; empty if the reply named none.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $name,)+
                    Self::Other(name) => name,
                    Self::Unnamed => "",
                }
            }

            pub(crate) fn from_name(name: &str) -> Self {
                match name {
                    $($name $(| $spelling)* => Self::$variant,)+
                    "" => Self::Unnamed,
                    other => Self::Other(printable(other, 64)),
                }
            }
        }

        #[cfg(test)]
        const SPELLINGS: &[(ServiceErrorCode, &[&str])] = &[$((ServiceErrorCode::$variant, &[$name $(, $spelling)*]),)+];
    };
}

service_error_codes! {
    /// No policy allows the call, or one denies it.
    AccessDenied = "AccessDeniedException" | "AccessDenied",
    /// There is an alias of this name.
    AlreadyExists = "AlreadyExistsException",
    /// The custom key store is not connected.
    CustomKeyStoreInvalidState = "CustomKeyStoreInvalidStateException",
    /// There is no such custom key store.
    CustomKeyStoreNotFound = "CustomKeyStoreNotFoundException",
    /// Something that KMS depends on took too long.
    DependencyTimeout = "DependencyTimeoutException",
    /// The key is disabled.
    Disabled = "DisabledException",
    /// The call would have succeeded, had it not been a trial.
    DryRunOperation = "DryRunOperationException",
    /// The session token's time is over.
    ExpiredToken = "ExpiredTokenException" | "ExpiredToken",
    /// The signature lacks a part.
    IncompleteSignature = "IncompleteSignature" | "IncompleteSignatureException",
    /// The ciphertext was made under another key than the one named.
    IncorrectKey = "IncorrectKeyException",
    /// An internal failure in front of KMS.
    InternalFailure = "InternalFailure" | "InternalFailureException" | "InternalError" | "InternalServerError"
        | "InternalServerException",
    /// The alias is not one.
    InvalidAliasName = "InvalidAliasNameException",
    /// The ARN is not one.
    InvalidArn = "InvalidArnException",
    /// The ciphertext is damaged, or the encryption context differs.
    InvalidCiphertext = "InvalidCiphertextException",
    /// The access key is not known.
    InvalidClientTokenId = "InvalidClientTokenId" | "InvalidClientTokenIdException",
    /// A grant token is not one.
    InvalidGrantToken = "InvalidGrantTokenException",
    /// The key cannot be used for this action.
    InvalidKeyUsage = "InvalidKeyUsageException",
    /// The request's signature or its date is wrong.
    InvalidSignature = "InvalidSignatureException" | "InvalidSignature" | "SignatureDoesNotMatch"
        | "SignatureDoesNotMatchException",
    /// The key is unavailable for now.
    KeyUnavailable = "KeyUnavailableException",
    /// An internal failure of KMS.
    KmsInternal = "KMSInternalException",
    /// The key's state forbids the call.
    KmsInvalidState = "KMSInvalidStateException",
    /// A quota is used up.
    LimitExceeded = "LimitExceededException",
    /// The request breaks the rules of HTTP.
    MalformedHttpRequest = "MalformedHttpRequestException",
    /// The key policy is not one.
    MalformedPolicyDocument = "MalformedPolicyDocumentException",
    /// The request carries no signature.
    MissingAuthenticationToken = "MissingAuthenticationTokenException" | "MissingAuthenticationToken",
    /// The principal may not do this at all.
    NotAuthorized = "NotAuthorized" | "NotAuthorizedException",
    /// There is no such key.
    NotFound = "NotFoundException",
    /// The account has not subscribed to the service.
    OptInRequired = "OptInRequired" | "SubscriptionRequiredException",
    /// The request was broken off before a reply.
    RequestAborted = "RequestAbortedException",
    /// The request is too large for HTTP.
    RequestEntityTooLarge = "RequestEntityTooLargeException",
    /// The signature's date is too long ago.
    RequestExpired = "RequestExpired" | "RequestExpiredException",
    /// The signature's date is too far from KMS's time.
    RequestTimeTooSkewed = "RequestTimeTooSkewed" | "RequestTimeTooSkewedException" | "RequestInTheFuture",
    /// KMS gave up waiting for the whole request.
    RequestTimeout = "RequestTimeoutException" | "RequestTimeout",
    /// The request is not well-formed.
    Serialization = "SerializationException",
    /// KMS is unavailable for now.
    ServiceUnavailable = "ServiceUnavailable" | "ServiceUnavailableException",
    /// Too many requests.
    Throttling = "ThrottlingException" | "Throttling" | "ThrottledException" | "RequestThrottled"
        | "RequestThrottledException" | "RequestLimitExceeded" | "TooManyRequestsException" | "SlowDown",
    /// There is no such action.
    UnknownOperation = "UnknownOperationException" | "InvalidAction",
    /// The access key is not known.
    UnrecognizedClient = "UnrecognizedClientException",
    /// The action does not do this.
    UnsupportedOperation = "UnsupportedOperationException",
    /// A field has a value that it must not have.
    Validation = "ValidationException" | "ValidationError",
}

impl ServiceErrorCode {
    /// Whether the attestation document may be the reason.
    fn is_about_attestation(&self) -> bool {
        matches!(self, Self::AccessDenied | Self::Unnamed | Self::Validation)
    }

    fn advice(&self) -> Option<&'static str> {
        match self {
            Self::AccessDenied => Some(
                "that the key policy's kms:RecipientAttestation:ImageSha384 (or PCR0) is this image's, and its other PCRs \
                 this enclave's (in debug mode they are all zeros), the role that the credentials belong to, the encryption \
                 context conditions, and the region",
            ),
            Self::ExpiredToken | Self::InvalidClientTokenId | Self::UnrecognizedClient => {
                Some("that the credentials handed to the enclave are fresh and belong to the account and partition")
            }
            Self::InvalidCiphertext => {
                Some("that the encryption context is exactly the one used to encrypt, and the ciphertext is whole")
            }
            Self::InvalidSignature | Self::RequestExpired | Self::RequestTimeTooSkewed => {
                Some("the enclave's clock (KMS accepts 5 minutes either way), the secret key, and the region")
            }
            Self::Unnamed | Self::Validation => Some(
                "the attestation document (younger than five minutes by KMS's clock, from a real and not an emulated NSM, \
                 with an RSA public key of 2048 to 4096 bits), the enclave's clock, the key policy's PCR0, the role that \
                 the credentials belong to, and the region",
            ),
            _ => None,
        }
    }
}

impl fmt::Display for ServiceErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unnamed => "an unnamed error",
            named => named.as_str(),
        })
    }
}

/// How KMS words it that a signature's date is too far from its own time.
const TIME_MESSAGES: [&str; 2] = ["Signature expired", "Signature not yet current"];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn error(name: &str, status: u16) -> ServiceError {
        ServiceError {
            code: ServiceErrorCode::from_name(name),
            message: "no".into(),
            request_id: Some("8a1b".into()),
            status,
            image: None,
        }
    }

    #[test]
    fn a_refusal_says_what_to_check_and_names_this_enclaves_image() {
        let text = error("AccessDeniedException", 400).to_string();
        for part in ["AccessDeniedException", "HTTP 400", ": no", "[request 8a1b]", "ImageSha384", "role", "region"] {
            assert!(text.contains(part), "{text}");
        }
        let image: PcrValue = "5a".repeat(48).parse().unwrap();
        for name in ["AccessDeniedException", "ValidationException", ""] {
            let error = error(name, 400).with_image(image);
            let text = error.to_string();
            assert_eq!(error.image(), Some(image));
            assert!(text.contains(&"5a".repeat(48)) && text.contains("PCR0") && text.contains("role"), "{text}");
            let text = error.with_image(PcrValue::ZERO).to_string();
            assert!(text.contains("debug mode") && text.contains("all zeros"), "{text}");
        }
        // The image has nothing to do with these.
        let unrelated = error("NotFoundException", 400).with_image(image);
        assert_eq!((unrelated.advice(), unrelated.image()), (None, Some(image)));
        let unrelated = error("InvalidSignatureException", 400).with_image(image).to_string();
        assert!(unrelated.contains("clock") && !unrelated.contains("5a5a"), "{unrelated}");
    }

    #[test]
    fn every_spelling_is_its_variant_and_no_other() {
        let mut seen = BTreeSet::new();
        for (code, spellings) in SPELLINGS {
            assert_eq!(code.as_str(), spellings[0]);
            for spelling in *spellings {
                assert_eq!(&ServiceErrorCode::from_name(spelling), code);
                assert!(seen.insert(spelling), "{spelling}");
            }
        }
        assert_eq!(ServiceErrorCode::from_name("SomethingNewException").as_str(), "SomethingNewException");
        assert_eq!(ServiceErrorCode::from_name("").to_string(), "an unnamed error");
    }

    #[test]
    fn only_what_may_pass_is_transient() {
        for (code, spellings) in SPELLINGS {
            let is_transient = matches!(
                code.as_str(),
                "DependencyTimeoutException"
                    | "InternalFailure"
                    | "KeyUnavailableException"
                    | "KMSInternalException"
                    | "RequestTimeoutException"
                    | "ServiceUnavailable"
                    | "ThrottlingException"
            );
            for spelling in *spellings {
                assert_eq!(error(spelling, 400).is_transient(), is_transient, "{spelling}");
            }
        }
        for (status, is_transient) in [(400, false), (403, false), (413, false), (429, true), (500, true), (503, true)]
        {
            for name in ["", "<html>"] {
                assert_eq!(error(name, status).is_transient(), is_transient, "{status}");
            }
        }
    }

    #[test]
    fn a_wrong_signature_is_about_time_only_if_kms_says_so() {
        let said =
            |name: &str, message: &str| ServiceError { message: message.into(), ..error(name, 400) }.is_about_time();
        let expired =
            "Signature expired: 20150830T123600Z is now earlier than 20150830T125100Z (20150830T125600Z - 5 min.)";
        let early = "Signature not yet current: 20150830T123600Z is still later than 20150830T123100Z (20150830T122600Z + 5 min.)";
        assert!(said("InvalidSignatureException", expired) && said("InvalidSignatureException", early));
        assert!(said("RequestTimeTooSkewed", "") && said("RequestExpired", "") && said("RequestInTheFuture", ""));
        assert!(!said("InvalidSignatureException", "The request signature we calculated does not match"));
        assert!(
            !said("AccessDeniedException", expired) && !said("ExpiredTokenException", expired) && !said("", expired)
        );
    }
}
