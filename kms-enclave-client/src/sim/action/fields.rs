//! What the requests and replies of several actions share.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::{KeySize, PrivateDecryptingKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nsm_attest::UnixTime;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::action::{EncryptionContext, MAX_ENCRYPTION_CONTEXT_LEN};
use crate::cms::seal::seal;
use crate::sim::fault::Fault;

/// A secret on its way out: in plaintext, in an envelope, or, if something is to go wrong, in both or neither.
#[derive(Default)]
pub(crate) struct Delivery {
    pub(super) plaintext: Option<Secret>,
    pub(super) envelope: Option<String>,
}

/// A secret in base64, wiped after use.
pub(super) struct Secret(Zeroizing<String>);

impl Delivery {
    pub(super) fn in_plaintext(secret: &[u8]) -> Self {
        Self::default().beside(secret)
    }

    pub(super) fn enveloped(envelope: &[u8]) -> Self {
        Self { plaintext: None, envelope: Some(STANDARD.encode(envelope)) }
    }

    pub(super) fn beside(self, secret: &[u8]) -> Self {
        Self { plaintext: Some(Secret(Zeroizing::new(STANDARD.encode(secret)))), ..self }
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// A time in seconds as KMS writes it, with a power of ten: `1.7593344E9`.
pub(super) fn timestamp(time: UnixTime) -> Result<Box<RawValue>, Fault> {
    // Exact: a double has 53 bits, milliseconds of this century need 43.
    #[allow(clippy::cast_precision_loss, reason = "as above")]
    let seconds = time.as_millis() as f64 / 1000.0;
    RawValue::from_string(format!("{seconds:E}")).map_err(|_| Fault::internal())
}

pub(super) fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads a blob of 1 to `max` bytes.
pub(super) fn blob(field: &str, text: &str, max: usize) -> Result<Zeroizing<Vec<u8>>, Fault> {
    let bytes =
        STANDARD.decode(text).map_err(|_| Fault::new("SerializationException", format!("{field} is not base64")))?;
    if (1..=max).contains(&bytes.len()) {
        Ok(Zeroizing::new(bytes))
    } else {
        Err(Fault::validation(format!("{field} must have 1 to {max} bytes")))
    }
}

pub(super) fn check_context(context: &EncryptionContext) -> Result<(), Fault> {
    let len: usize = context.iter().map(|(key, value)| key.len() + value.len()).sum();
    if len > MAX_ENCRYPTION_CONTEXT_LEN || context.contains_key("") {
        return Err(Fault::validation("the encryption context is too long or has an empty key"));
    }
    let mut names: Vec<String> = context.keys().map(|key| key.to_ascii_lowercase()).collect();
    names.sort_unstable();
    // KMS warns of such contexts: which of the two a condition key means is not defined.
    if names.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(Fault::validation("the simulator refuses encryption context keys that differ by case only"));
    }
    Ok(())
}

/// The simulator grants nothing, so that no grant token can be one of its.
pub(super) fn check_grant_tokens(tokens: Option<&[String]>) -> Result<(), Fault> {
    match tokens.unwrap_or_default() {
        [] => Ok(()),
        tokens if tokens.len() > MAX_GRANT_TOKENS || tokens.iter().any(|token| !(1..=8192).contains(&token.len())) => {
            Err(Fault::validation("GrantTokens must have at most 10 items of 1 to 8192 characters"))
        }
        _ => Err(Fault::new("InvalidGrantTokenException", "the simulator grants none")),
    }
}

/// With `DryRun` a request that would succeed is refused so:
/// <https://docs.aws.amazon.com/kms/latest/developerguide/testing-permissions.html>.
pub(super) fn check_dry_run(dry_run: Option<bool>) -> Result<(), Fault> {
    if dry_run == Some(true) {
        return Err(Fault::new(
            "DryRunOperationException",
            "The request would have succeeded, but the DryRun option is set.",
        ));
    }
    Ok(())
}

/// A key has one policy.
pub(super) fn check_policy_name(name: Option<&str>) -> Result<(), Fault> {
    match name {
        None | Some("default") => Ok(()),
        Some(_) => Err(Fault::new("NotFoundException", "No such policy exists")),
    }
}

/// Envelopes a secret for a key that nobody has.
pub(super) fn seal_for_a_stranger(secret: &[u8]) -> Result<Vec<u8>, Fault> {
    let sealed = PrivateDecryptingKey::generate(KeySize::Rsa2048).and_then(|key| {
        let public = key.public_key();
        let public_der = public.as_der()?;
        seal(secret, &public, public_der.as_ref())
    });
    sealed.map_err(|_| Fault::internal())
}

pub(super) const MAX_PLAINTEXT_LEN: usize = 4096;
const MAX_GRANT_TOKENS: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_with_a_power_of_ten() {
        for (millis, expected) in
            [(1_759_334_400_000, "1.7593344E9"), (1_780_000_000_000, "1.78E9"), (1_548_861_834_337, "1.548861834337E9")]
        {
            assert_eq!(timestamp(UnixTime::from_millis(millis)).unwrap().get(), expected);
        }
    }

    #[test]
    fn grant_tokens_are_refused_by_number_by_length_and_because_there_are_no_grants() {
        let refused = |tokens: &[&str]| {
            let tokens: Vec<String> = tokens.iter().map(|token| (*token).to_owned()).collect();
            check_grant_tokens(Some(&tokens)).map_err(|fault| fault.exception)
        };
        assert_eq!((check_grant_tokens(None), refused(&[])), (Ok(()), Ok(())));
        assert_eq!(refused(&["x"]), Err("InvalidGrantTokenException".to_owned()));
        for bad in [&[""][..], &[&"x".repeat(8193)], &["x"; 11]] {
            assert_eq!(refused(bad), Err("ValidationException".to_owned()));
        }
    }
}
