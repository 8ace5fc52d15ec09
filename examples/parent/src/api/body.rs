//! Request bodies: bounded, timed, JSON objects.
//!
//! A request takes its place among those being worked on only when its body has arrived: callers that send half a body
//! and wait then take no place from others. What bounds the bodies still being read is the number of connections, each
//! of which reads one at a time: `max_connections * max_body_len` bytes.

use axum::body::Body;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use tokio::sync::SemaphorePermit;

use super::ApiState;
use super::problem::{Kind, Problem};

/// What a request without a `Content-Type` is taken for.
#[derive(Clone, Copy)]
pub(super) enum Untyped {
    /// Refused.
    Refused,
    /// JSON.
    Json,
}

/// Reads a JSON body, and then takes a place among the requests being worked on, to be held until the answer. A length
/// above the limit is refused before any of the body is read, if it is announced, and otherwise when the limit is
/// passed.
pub(super) async fn read(
    request: Request<Body>,
    untyped: Untyped,
    state: &ApiState,
) -> Result<(Vec<u8>, SemaphorePermit<'_>), Problem> {
    check_content_type(request.headers(), untyped)?;
    let max = state.max_body_len;
    let too_long = || Problem::new(Kind::BodyTooLong, format!("the limit is {max} bytes"));
    if announced_len(request.headers()).is_some_and(|len| len > max as u64) {
        return Err(too_long());
    }
    match tokio::time::timeout(state.body_timeout, collect(request.into_body(), max)).await {
        Ok(Ok(Some(body))) => Ok((body, state.admit()?)),
        Ok(Ok(None)) => Err(too_long()),
        Ok(Err(_)) => Err(Problem::new(Kind::MalformedRequest, "the body ended early or is not framed correctly")),
        Err(_) => Err(Problem::new(Kind::BodyTimeout, format!("it may take {:?}", state.body_timeout))),
    }
}

/// The whole body, unless it is longer than `max`. It is held as one piece that never has room for more than `max`: a
/// list of its chunks could be many times as large as what is in them, since each may be a single byte.
async fn collect(mut body: Body, max: usize) -> Result<Option<Vec<u8>>, axum::Error> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue }; // trailers
        let needed = bytes.len().saturating_add(data.len());
        if needed > max {
            return Ok(None);
        }
        if needed > bytes.capacity() {
            let room = needed.max(bytes.capacity() * 2).min(max);
            bytes.reserve_exact(room - bytes.len());
        }
        bytes.extend_from_slice(&data);
    }
    Ok(Some(bytes))
}

/// Decodes a JSON object. Unknown, missing and repeated fields are errors, which `T` sees to.
pub(super) fn decode<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, Problem> {
    let value = serde_json::from_slice(json).map_err(|error| {
        // A wrong field is found before a later defect of syntax, which is the greater mistake.
        let error = serde_json::from_slice::<IgnoredAny>(json).err().unwrap_or(error);
        let kind = if error.is_data() { Kind::InvalidField } else { Kind::MalformedJson };
        Problem::new(kind, error.to_string())
    })?;
    // A struct would be read from an array as well.
    if json.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        return Err(Problem::new(Kind::InvalidField, "the body must be a JSON object"));
    }
    Ok(value)
}

/// The bytes of a value that must be an object, untouched.
pub(super) fn object<'a>(field: &str, value: &'a RawValue) -> Result<&'a [u8], Problem> {
    if value.get().starts_with('{') {
        Ok(value.get().as_bytes())
    } else {
        Err(Problem::new(Kind::InvalidField, format!("{field} must be a JSON object")))
    }
}

/// Refuses a field that is longer than the enclave takes.
pub(super) fn at_most(field: &str, len: usize, max: usize) -> Result<(), Problem> {
    if len <= max {
        Ok(())
    } else {
        Err(Problem::new(Kind::InvalidField, format!("{field} has {len} bytes, the limit is {max}")))
    }
}

fn check_content_type(headers: &HeaderMap, untyped: Untyped) -> Result<(), Problem> {
    let accepted = match headers.get(CONTENT_TYPE) {
        None => matches!(untyped, Untyped::Json),
        Some(value) => value.to_str().is_ok_and(is_json),
    };
    if accepted { Ok(()) } else { Err(Problem::new(Kind::UnsupportedMediaType, "expected application/json")) }
}

fn is_json(content_type: &str) -> bool {
    let (essence, parameters) = content_type.split_once(';').unwrap_or((content_type, ""));
    // JSON is UTF-8; a charset that says so is common and harmless.
    let parameters = parameters.trim().to_ascii_lowercase();
    essence.trim().eq_ignore_ascii_case("application/json")
        && ["", "charset=utf-8", "charset=\"utf-8\""].contains(&parameters.as_str())
}

fn announced_len(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_recognised_by_its_media_type_alone() {
        for good in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
            assert!(is_json(good), "{good}");
        }
        for bad in ["text/plain", "application/jsonp", "application/json; charset=latin1", "", "json"] {
            assert!(!is_json(bad), "{bad}");
        }
    }

    #[tokio::test]
    async fn body_in_chunks_of_one_byte_is_collected_up_to_the_limit_and_never_has_room_for_more() {
        let of = |len: usize| {
            let chunks = (0..len).map(|_| Ok::<_, std::convert::Infallible>("x"));
            Body::from_stream(futures_util::stream::iter(chunks))
        };
        for len in [0, 1, 99, 100] {
            let body = collect(of(len), 100).await.unwrap().unwrap();
            assert_eq!(body.len(), len);
            assert!(body.capacity() <= 100, "{}", body.capacity());
        }
        assert_eq!(collect(of(101), 100).await.unwrap(), None);
    }

    #[test]
    fn defects_of_json_and_defects_of_fields_are_told_apart() {
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Body {
            #[serde(rename = "a")]
            _a: u8,
        }
        let kind_of = |json: &str| decode::<Body>(json.as_bytes()).map(|_| ()).map_err(|problem| problem.kind());
        assert_eq!(kind_of(r#"{"a":1}"#), Ok(()));
        for bad in ["", "{", "nonsense", r#"{"a":1}x"#, r#"{"a":1,}"#, r#"{"b":}"#, "\u{feff}{}"] {
            assert_eq!(kind_of(bad), Err(Kind::MalformedJson), "{bad}");
        }
        for bad in ["{}", "[1]", "1", r#"{"a":"1"}"#, r#"{"a":256}"#, r#"{"a":1,"b":2}"#, r#"{"a":1,"a":1}"#] {
            assert_eq!(kind_of(bad), Err(Kind::InvalidField), "{bad}");
        }
    }
}
