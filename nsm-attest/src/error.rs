//! What can be wrong, sorted by whose fault it is: malformed bytes, a document that fails a check, a caller's misuse.

use std::fmt;

#[cfg(feature = "verify")]
use std::time::Duration;

#[cfg(feature = "verify")]
use crate::anchor::Fingerprint;
use crate::pcr::PcrIndex;
#[cfg(feature = "verify")]
use crate::{pcr::PcrValue, purpose::Purpose, time::UnixTime};

/// Why a document was not verified.
#[cfg(feature = "verify")]
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes are outside the format.
    #[error("malformed attestation document: {0}")]
    Malformed(#[from] Malformed),
    /// The caller's policy cannot be applied.
    #[error("unusable policy: {0}")]
    Misuse(#[from] Misuse),
    /// A well-formed document fails a check.
    #[error("attestation document rejected: {0}")]
    Rejected(#[from] Rejection),
}

/// How a caller's policy would let everything pass, or nothing.
#[cfg(feature = "verify")]
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misuse {
    /// The nonce that the policy demands is empty: every document could have been made before it was asked for.
    #[error("the policy demands an empty nonce")]
    EmptyNonce,
    /// No image is pinned: neither PCR0, nor PCR8, nor PCR1 and PCR2 together, to values other than zero. Every other
    /// register is for a parent or an enclave to choose.
    #[error("the policy pins no image: it needs PCR0, or PCR8, or both PCR1 and PCR2, with no zero among their values")]
    ImageNotPinned,
    /// The set of accepted values of a register is empty, so that nothing could pass.
    #[error("the policy accepts no value of PCR{index}")]
    NoPcrValue {
        /// The register.
        index: PcrIndex,
    },
}

/// How the bytes of a document break its format.
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A certificate is not DER of an RFC 5280 certificate, or repeats an extension.
    #[error("{position} is not a certificate")]
    Certificate {
        /// Which one.
        position: ChainPosition,
    },
    /// `cabundle` has no entry or too many.
    #[error("cabundle has {actual} certificates; 1 to {max} are allowed")]
    CertificateCount {
        /// How many there are.
        actual: usize,
        /// How many there may be.
        max: usize,
    },
    /// `digest` is not "SHA384".
    #[error("digest is not \"SHA384\"")]
    Digest,
    /// A field appears twice.
    #[error("{field} appears twice")]
    DuplicateField {
        /// The field.
        field: Field,
    },
    /// A register appears twice.
    #[error("PCR{index} appears twice")]
    DuplicatePcr {
        /// The register.
        index: PcrIndex,
    },
    /// A field, or one entry of `cabundle`, is too short or too long.
    #[error("{field} has {actual} bytes; {min} to {max} are allowed")]
    FieldLength {
        /// The field.
        field: Field,
        /// Its length.
        actual: usize,
        /// The shortest allowed.
        min: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A field that every document has is absent.
    #[error("{field} is missing")]
    MissingField {
        /// The field.
        field: Field,
    },
    /// A key of the payload is not text.
    #[error("a key of the payload is not text")]
    KeyType,
    /// A NitroTPM document, which any EC2 instance can obtain under the same root with contents of its choice.
    #[error("this is a NitroTPM document, not an enclave's")]
    NitroTpm,
    /// A length in the unsigned part is not written in its shortest form.
    #[error("the length at byte {offset} is not in its shortest form")]
    NonMinimalLength {
        /// Where.
        offset: usize,
    },
    /// The bytes are not well-formed CBOR, or use a part of it that documents do not.
    #[error("the CBOR at byte {offset} is not well-formed or not supported")]
    NotCbor {
        /// Where.
        offset: usize,
    },
    /// The bytes are not an array of four: protected header, unprotected header, payload, signature.
    #[error("not a COSE_Sign1 array of protected header, unprotected header, payload and signature")]
    NotCoseSign1,
    /// The payload is not a map.
    #[error("the payload is not a map")]
    PayloadType,
    /// There is no register, or more than 32.
    #[error("there are {actual} PCRs; 1 to 32 are allowed")]
    PcrCount {
        /// How many there are.
        actual: usize,
    },
    /// A register's number is outside 0..=31.
    #[error("there is no PCR {index}")]
    PcrIndexOutOfRange {
        /// The number.
        index: u64,
    },
    /// A register's value has a length other than 32, 48 or 64 bytes.
    #[error("PCR{index} has {actual} bytes; 32, 48 or 64 are allowed")]
    PcrLength {
        /// The register.
        index: PcrIndex,
        /// Its length.
        actual: usize,
    },
    /// The protected header is not exactly {alg: ES384}.
    #[error("the protected header is not exactly {{1: -35}}, that is ES384")]
    ProtectedHeader,
    /// The signature is not 96 bytes long.
    #[error("the signature has {actual} bytes instead of 96")]
    SignatureLength {
        /// Its length.
        actual: usize,
    },
    /// `timestamp` is zero.
    #[error("timestamp is zero")]
    TimestampZero,
    /// Containers are nested more deeply than in any document.
    #[error("CBOR nested more than {max} deep")]
    TooDeep {
        /// The limit.
        max: usize,
    },
    /// The input is longer than any document.
    #[error("{actual} bytes are longer than any document; the limit is {max}")]
    TooLong {
        /// The input's length.
        actual: usize,
        /// The limit.
        max: usize,
    },
    /// There are more CBOR items than in any document.
    #[error("more than {max} CBOR items")]
    TooManyItems {
        /// The limit.
        max: usize,
    },
    /// Bytes follow the end of the document or of its payload.
    #[error("{count} bytes follow the end")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
    /// The bytes end before the document does.
    #[error("cut off at byte {offset}")]
    Truncated {
        /// Where the item begins that does not fit.
        offset: usize,
    },
    /// A CBOR tag other than 18 around the whole document.
    #[error("unexpected CBOR tag {tag}")]
    UnexpectedTag {
        /// The tag.
        tag: u64,
    },
    /// A field that documents do not have, which could change what the others mean.
    #[error("unknown field {name:?}")]
    UnknownField {
        /// The start of its name.
        name: String,
    },
    /// The protected header says that nobody signed: it names algorithm -1, as the NSM that QEMU emulates does.
    #[error("nobody signed it: the protected header names algorithm -1, as QEMU's emulated NSM does, and not ES384")]
    Unsigned,
    /// The unprotected header is not an empty map.
    #[error("the unprotected header is not an empty map")]
    UnprotectedHeader,
    /// A field has another type than documents give it.
    #[error("{field} has the wrong type")]
    WrongType {
        /// The field.
        field: Field,
    },
}

/// A field of the attestation document.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// `cabundle`.
    Cabundle,
    /// `certificate`.
    Certificate,
    /// `digest`.
    Digest,
    /// `module_id`.
    ModuleId,
    /// `nonce`.
    Nonce,
    /// `pcrs`.
    Pcrs,
    /// `public_key`.
    PublicKey,
    /// `timestamp`.
    Timestamp,
    /// `user_data`.
    UserData,
}

impl Field {
    /// The field's name in the document.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cabundle => "cabundle",
            Self::Certificate => "certificate",
            Self::Digest => "digest",
            Self::ModuleId => "module_id",
            Self::Nonce => "nonce",
            Self::Pcrs => "pcrs",
            Self::PublicKey => "public_key",
            Self::Timestamp => "timestamp",
            Self::UserData => "user_data",
        }
    }

    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    const ALL: [Self; 9] = [
        Self::Cabundle,
        Self::Certificate,
        Self::Digest,
        Self::ModuleId,
        Self::Nonce,
        Self::Pcrs,
        Self::PublicKey,
        Self::Timestamp,
        Self::UserData,
    ];
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A certificate of a document, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChainPosition {
    /// An entry of `cabundle`; 0 is the root.
    Cabundle(usize),
    /// `certificate`, whose key signed the document.
    EndEntity,
}

impl fmt::Display for ChainPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cabundle(index) => write!(f, "cabundle[{index}]"),
            Self::EndEntity => f.write_str("certificate"),
        }
    }
}

/// Which check a well-formed document fails.
#[cfg(feature = "verify")]
#[non_exhaustive]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// A certificate is past its validity.
    #[error("{position} expired at {not_after}; it is {now}")]
    CertificateExpired {
        /// Which certificate.
        position: ChainPosition,
        /// The last second of its validity.
        not_after: UnixTime,
        /// The time of verification.
        now: UnixTime,
    },
    /// A certificate is not valid yet.
    #[error("{position} is not valid before {not_before}; it is {now}")]
    CertificateNotYetValid {
        /// Which certificate.
        position: ChainPosition,
        /// The first second of its validity.
        not_before: UnixTime,
        /// The time of verification.
        now: UnixTime,
    },
    /// A certificate's signature is not its issuer's.
    #[error("a certificate's signature is not its issuer's")]
    CertificateSignatureInvalid,
    /// `cabundle` is longer than the budget for signature checks.
    #[error("cabundle has {len} certificates; at most {max} are checked")]
    ChainTooLong {
        /// How many there are.
        len: usize,
        /// The budget.
        max: usize,
    },
    /// The enclave runs in debug mode: its parent can read its console, and its measurements are zero.
    #[error("the enclave runs in debug mode (PCR0 is zero)")]
    DebugMode,
    /// The end-entity certificate is a certificate authority's, or its key may sign certificates.
    #[error("certificate is an authority's, or its key may sign certificates")]
    EndEntityIsAuthority,
    /// The document is older than the policy's `max_age`.
    #[error("issued at {issued_at}, more than {} s before {now}", .max_age.as_secs_f64())]
    Expired {
        /// The document's timestamp.
        issued_at: UnixTime,
        /// The time of verification.
        now: UnixTime,
        /// The policy's limit.
        max_age: Duration,
    },
    /// A certificate is restricted to extended key usages, none of which is attestation.
    #[error("{position} is restricted to extended key usages")]
    ExtendedKeyUsage {
        /// Which certificate.
        position: ChainPosition,
    },
    /// The document's timestamp lies further ahead than the policy's `clock_skew`.
    #[error("issued at {issued_at}, more than {} s after {now}", .clock_skew.as_secs_f64())]
    IssuedInFuture {
        /// The document's timestamp.
        issued_at: UnixTime,
        /// The time of verification.
        now: UnixTime,
        /// The policy's limit.
        clock_skew: Duration,
    },
    /// A certificate names another issuer than the one before it.
    #[error("{position} names another issuer than the certificate before it")]
    IssuerMismatch {
        /// Which certificate.
        position: ChainPosition,
    },
    /// A certificate's key may not be used for what it was used for.
    #[error("{position} lacks the key usage {required}")]
    KeyUsageMissing {
        /// Which certificate.
        position: ChainPosition,
        /// The usage, as RFC 5280 names it.
        required: &'static str,
    },
    /// The document does not echo the nonce this verifier issued.
    #[error("the nonce is not the one expected")]
    NonceMismatch,
    /// A certificate in `cabundle` is not an authority's: it has no critical basicConstraints with cA.
    #[error("{position} is not a certificate authority's")]
    NotAuthority {
        /// Which certificate.
        position: ChainPosition,
    },
    /// The path is refused for another reason of RFC 5280: an unknown critical extension, a name constraint, a version.
    #[error("the certificate path breaks RFC 5280")]
    PathInvalid,
    /// More authorities follow a certificate than it allows.
    #[error("{position} allows {allowed} authorities below it; there are {actual}")]
    PathLenExceeded {
        /// Which certificate.
        position: ChainPosition,
        /// Its pathLenConstraint.
        allowed: u8,
        /// How many follow it.
        actual: usize,
    },
    /// A register's value is none of its reference values.
    #[error("PCR{index} is {actual}, not {}", OneOf(.expected))]
    PcrMismatch {
        /// The register.
        index: PcrIndex,
        /// The reference values.
        expected: Vec<PcrValue>,
        /// What the document says.
        actual: PcrValue,
    },
    /// A register that the policy names, or PCR0, is not in the document.
    #[error("PCR{index} is missing")]
    PcrMissing {
        /// The register.
        index: PcrIndex,
    },
    /// The document carries another public key than expected, or none.
    #[error("the public key is not the one expected")]
    PublicKeyMismatch,
    /// The document's purpose carries no key, yet there is one.
    #[error("a document for {purpose} carries no public key, but this one does")]
    PublicKeyUnexpected {
        /// The purpose.
        purpose: Purpose,
    },
    /// The document was made for another purpose, or its user data names none.
    #[error("made for {}, not for {expected}", actual.map_or("no known purpose", Purpose::as_str))]
    PurposeMismatch {
        /// The purpose expected.
        expected: Purpose,
        /// The purpose found.
        actual: Option<Purpose>,
    },
    /// The COSE signature is not the end-entity key's.
    #[error("the signature is not that of the certificate's key")]
    SignatureInvalid,
    /// A certificate's key is not P-384, or its signature not ECDSA with SHA-384.
    #[error("{position} uses another algorithm than ECDSA on P-384 with SHA-384")]
    UnsupportedAlgorithm {
        /// Which certificate.
        position: ChainPosition,
    },
    /// The first certificate of `cabundle` is not the trust anchor.
    #[error("the root is {actual}, not the trust anchor {expected}")]
    UntrustedRoot {
        /// SHA-256 of the trust anchor.
        expected: Fingerprint,
        /// SHA-256 of `cabundle[0]`.
        actual: Fingerprint,
    },
    /// The document carries other user data than expected, or none.
    #[error("the user data is not what was expected")]
    UserDataMismatch,
}

/// Reference values in a sentence.
#[cfg(feature = "verify")]
struct OneOf<'a>(&'a [PcrValue]);

#[cfg(feature = "verify")]
impl fmt::Display for OneOf<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            [one] => write!(f, "{one}"),
            values => write!(f, "one of {} reference values", values.len()),
        }
    }
}
