//! Who signed a request: Signature Version 4, by a verifier that shares no code with the signer.

use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use http::{HeaderMap, Request, header};
use nsm_attest::UnixTime;
use scratchstack_aws_signature::{
    GetSigningKeyRequest, GetSigningKeyResponse, KSecretKey, SignatureError, SignatureOptions,
    VecSignedHeaderRequirements, service_for_signing_key_fn, sigv4_validate_request,
};
use subtle::ConstantTimeEq;

use crate::credentials::Credentials;
use crate::sim::fault::Fault;
use crate::sim::principal::Caller;
use crate::sim::service::Service;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Credentials that the simulator knows, and whose they are.
#[derive(Clone, Debug)]
pub(crate) struct Registered {
    pub(crate) credentials: Credentials,
    pub(crate) caller: Caller,
}

/// Checks that the secret can be used by the verifier: AWS's secrets have 40 characters.
pub(crate) fn is_usable_secret(secret: &str) -> bool {
    <KSecretKey>::from_str(secret).is_ok()
}

/// Verifies the request's signature and gives the caller, the headers and the body.
pub(crate) async fn authenticate(
    request: Request<Bytes>,
    service: &Service,
) -> Result<(Caller, HeaderMap, Bytes), Fault> {
    check_form(&request, &service.hosts)?;
    let now = service.clock.now();
    let timestamp = i64::try_from(now.as_millis())
        .ok()
        .and_then(DateTime::<Utc>::from_timestamp_millis)
        .ok_or_else(Fault::internal)?;
    check_date(request.headers(), timestamp)?;
    // The caller is whoever's key the verifier asked for and then verified with.
    let caller = Arc::new(OnceLock::new());
    let (known, asked_for) = (Arc::clone(&service.registered), Arc::clone(&caller));
    let look_up = move |request: GetSigningKeyRequest| {
        let found = signing_key_for(&request, &known, now).map(|(caller, signing_key)| {
            asked_for.get_or_init(|| caller.clone());
            signing_key
        });
        std::future::ready(found.map_err(BoxError::from))
    };
    let mut signing_key = service_for_signing_key_fn(look_up);
    // Whatever KMS acts upon must be covered: an unsigned target would let a relay turn one action into another.
    let mut must_be_signed = VecSignedHeaderRequirements::default();
    must_be_signed.add_always_present("content-type");
    must_be_signed.add_always_present("x-amz-date");
    must_be_signed.add_always_present("x-amz-target");
    must_be_signed.add_prefix("x-amz-");
    let (parts, body, _) = sigv4_validate_request(
        request,
        &service.place.region,
        "kms",
        &mut signing_key,
        timestamp,
        &must_be_signed,
        SignatureOptions::default(),
    )
    .await
    .map_err(|error| error.downcast::<SignatureError>().map_or_else(|_| Fault::internal(), |error| fault(&error)))?;
    let caller = caller.get().cloned().ok_or_else(Fault::internal)?;
    Ok((caller, parts.headers, body))
}

/// Nothing may be said twice, and only to the root of one of these hosts.
fn check_form<B>(request: &Request<B>, hosts: &[String]) -> Result<(), Fault> {
    let headers = request.headers();
    for name in SINGLE_HEADERS {
        if headers.get_all(name).iter().count() > 1 {
            return Err(Fault::new("IncompleteSignatureException", format!("{name} occurs more than once")));
        }
    }
    let host = headers.get(header::HOST);
    if !hosts.iter().any(|ours| host.is_some_and(|host| host.as_bytes() == ours.as_bytes())) {
        return Err(Fault::new("InvalidSignatureException", "the request is for another host"));
    }
    if request.uri().path() != "/" || request.uri().query().is_some() {
        return Err(Fault::new("UnknownOperationException", "KMS is at / and takes no query"));
    }
    Ok(())
}

/// Refuses a signature that KMS's clock finds out of time, in AWS's words: the verifier's own limit is three times as long.
///
/// Without a signature or its date it is for the verifier to say which is missing.
fn check_date(headers: &HeaderMap, now: DateTime<Utc>) -> Result<(), Fault> {
    let (Some(date), true) = (headers.get("x-amz-date"), headers.contains_key(header::AUTHORIZATION)) else {
        return Ok(());
    };
    let parsed = date.to_str().ok().and_then(|text| NaiveDateTime::parse_from_str(text, DATE_FORMAT).ok());
    // The verifier reads dates in other forms, too.
    let date =
        parsed.ok_or_else(|| Fault::new("IncompleteSignatureException", "the date is not like 20150830T123600Z"))?;
    let now = now.naive_utc();
    let earliest = now.checked_sub_signed(MAX_DIFFERENCE).unwrap_or(NaiveDateTime::MIN);
    let latest = now.checked_add_signed(MAX_DIFFERENCE).unwrap_or(NaiveDateTime::MAX);
    let text = |time: NaiveDateTime| time.format(DATE_FORMAT);
    let message = if date < earliest {
        format!("Signature expired: {} is now earlier than {} ({} - 5 min.)", text(date), text(earliest), text(now))
    } else if date > latest {
        let (date, latest, now) = (text(date), text(latest), text(now));
        format!("Signature not yet current: {date} is still later than {latest} ({now} + 5 min.)")
    } else {
        return Ok(());
    };
    Err(Fault::new("InvalidSignatureException", message))
}

fn signing_key_for<'a>(
    request: &GetSigningKeyRequest,
    registered: &'a [Registered],
    now: UnixTime,
) -> Result<(&'a Caller, GetSigningKeyResponse), SignatureError> {
    let unknown =
        || SignatureError::InvalidClientTokenId("The security token included in the request is invalid.".into());
    let entry = registered
        .iter()
        .find(|entry| entry.credentials.access_key_id() == request.access_key())
        .ok_or_else(unknown)?;
    let is_same_token = match (entry.credentials.session_token(), request.session_token()) {
        (None, None) => true,
        (Some(expected), Some(given)) => expected.as_bytes().ct_eq(given.as_bytes()).into(),
        _ => false,
    };
    if !is_same_token {
        return Err(unknown());
    }
    if entry.credentials.expires_at().is_some_and(|expires_at| expires_at <= now) {
        return Err(SignatureError::ExpiredToken("The security token included in the request is expired".into()));
    }
    let secret = <KSecretKey>::from_str(entry.credentials.secret_access_key())
        .map_err(|error| SignatureError::InternalServiceError(error.into()))?;
    let signing_key = secret.to_ksigning(request.request_date(), request.region(), request.service());
    let response = GetSigningKeyResponse::builder()
        .signing_key(signing_key)
        .build()
        .map_err(|error| SignatureError::InternalServiceError(error.into()))?;
    Ok((&entry.caller, response))
}

fn fault(error: &SignatureError) -> Fault {
    let exception = match error {
        SignatureError::ExpiredToken(_) => "ExpiredTokenException",
        SignatureError::InvalidClientTokenId(_) => "UnrecognizedClientException",
        SignatureError::MissingAuthenticationToken(_) => "MissingAuthenticationTokenException",
        SignatureError::SignatureDoesNotMatch(_) => "InvalidSignatureException",
        SignatureError::IO(_) | SignatureError::InternalServiceError(_) => return Fault::internal(),
        _ => "IncompleteSignatureException",
    };
    Fault::new(exception, error.to_string())
}

const SINGLE_HEADERS: [&str; 7] =
    ["authorization", "content-type", "date", "host", "x-amz-date", "x-amz-security-token", "x-amz-target"];
const DATE_FORMAT: &str = "%Y%m%dT%H%M%SZ";
/// What KMS allows between a signature's date and its own clock, as it told those who were further off:
/// <https://github.com/aws/aws-sdk-js/issues/2340>, <https://github.com/aws/aws-sdk-js-v3/issues/6400>.
const MAX_DIFFERENCE: TimeDelta = TimeDelta::minutes(5);
