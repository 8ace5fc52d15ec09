//! Error codes of the signing service, beside those of `vsock-rpc` itself.
//!
//! A code says whose fault an error is; the message beside it says what to change. Codes are part of the protocol:
//! clients match on them, so they never change meaning.

/// The enclave has no AWS credentials, or they have expired; the parent pushes them.
pub const CREDENTIALS_MISSING: &str = "credentials_missing";
/// The record is not the key the request expected; whether it would have opened is not said.
pub const KEY_MISMATCH: &str = "key_mismatch";
/// KMS refused the call: the key policy does not accept this enclave, this role or this encryption context.
pub const KMS_REFUSED: &str = "kms_refused";
/// KMS could not be reached or did not answer in time.
pub const KMS_UNAVAILABLE: &str = "kms_unavailable";
/// A field of the request is outside its limits.
pub const MALFORMED_FIELD: &str = "malformed_field";
/// The policy of a new key cannot be read.
pub const MALFORMED_POLICY: &str = "malformed_policy";
/// The transaction cannot be decoded exactly, or is of a kind that is not signed.
pub const MALFORMED_TRANSACTION: &str = "malformed_transaction";
/// The measured configuration does not allow this method on this port, or the record does not name this caller.
pub const NOT_PERMITTED: &str = "not_permitted";
/// The NSM did not answer.
pub const NSM_UNAVAILABLE: &str = "nsm_unavailable";
/// The key's policy does not allow the transaction.
pub const POLICY_DENIED: &str = "policy_denied";
/// The record is malformed, altered, or sealed for something else.
pub const RECORD_REJECTED: &str = "record_rejected";
/// The signature that was made did not verify; nothing was released.
pub const SIGNING_FAILED: &str = "signing_failed";
/// The enclave's image carries no signer for this chain family.
pub const UNKNOWN_CHAIN: &str = "unknown_chain";
