//! One HTTP request, and a reply in the shape of KMS.
//!
//! The headers and their order are those of replies that boto3 recorded from KMS: `x-amzn-RequestId`, three against caches,
//! `Date`, `Content-Type`, `Content-Length`. So is the body (compact JSON, members in the order of their names): compare the
//! "raw AWS responses" in the tests of <https://github.com/rstudio/platform-lib> (`pkg/rsstorage`) and those in
//! `kms-message/test` of <https://github.com/mongodb/libmongocrypt>.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use nsm_attest::UnixTime;
use tokio::time::timeout;

use crate::sigv4::CONTENT_TYPE;
use crate::sim::action;
use crate::sim::authenticate::authenticate;
use crate::sim::fault::Fault;
use crate::sim::key::new_uuid;
use crate::sim::service::{Ending, Reply, Service};

/// Answers one request. An error ends the connection without a reply.
pub(super) async fn answer(
    request: Request<Incoming>,
    service: Arc<Service>,
    read_timeout: Duration,
) -> Result<Response<ReplyBody>, Closed> {
    let target = text(request.headers(), "x-amz-target");
    let name = action::name_in(&target).unwrap_or_default();
    service.counters.count(name);
    if service.injections.closes_before(name) {
        return Err(Closed);
    }
    let result = perform(request, &target, Arc::clone(&service), read_timeout).await;
    let (status, body, ending) = match result {
        Ok(Reply { body, ending }) => (StatusCode::OK, body, ending),
        Err(fault) => (fault.status, Bytes::from(fault.body()), Ending::Whole),
    };
    if ending == Ending::Nothing {
        return Err(Closed);
    }
    let mut reply = Response::new(ReplyBody::new(body, ending));
    *reply.status_mut() = status;
    add_headers(reply.headers_mut(), service.clock.now());
    Ok(reply)
}

async fn perform(
    request: Request<Incoming>,
    target: &str,
    service: Arc<Service>,
    read_timeout: Duration,
) -> Result<Reply, Fault> {
    if request.method() != Method::POST {
        return Err(Fault::new("UnknownOperationException", "KMS takes POST"));
    }
    let (head, body) = request.into_parts();
    let body = read_body(body, read_timeout).await?;
    let request = Request::from_parts(head, body);
    let (caller, headers, body) = authenticate(request, &service).await?;
    if text(&headers, "content-type") != CONTENT_TYPE {
        return Err(Fault::new("UnknownOperationException", "the content type must be application/x-amz-json-1.1"));
    }
    action::perform(service, target, caller, &body).await
}

fn text(headers: &HeaderMap, name: &str) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

async fn read_body(body: Incoming, read_timeout: Duration) -> Result<Bytes, Fault> {
    let too_large = || Fault::too_large("the request is too large");
    if body.size_hint().lower() > u64::try_from(MAX_BODY_LEN).unwrap_or(u64::MAX) {
        return Err(too_large());
    }
    let read = timeout(read_timeout, Limited::new(body, MAX_BODY_LEN).collect()).await;
    match read {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large()),
        Ok(Err(_)) => Err(Fault::new("SerializationException", "the request ended early")),
        Err(_) => {
            Err(Fault { status: StatusCode::REQUEST_TIMEOUT, ..Fault::new("SerializationException", "too slow") })
        }
    }
}

/// In the order in which KMS sends them; the HTTP library adds the length.
fn add_headers(headers: &mut HeaderMap, now: UnixTime) {
    if let Some(id) = new_uuid().ok().and_then(|id| HeaderValue::try_from(id).ok()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, no-store, must-revalidate, private"));
    headers.insert(header::EXPIRES, HeaderValue::from_static("0"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if let Some(date) = http_date(now) {
        headers.insert(header::DATE, date);
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
}

/// IMF-fixdate (RFC 9110 §5.6.7).
fn http_date(now: UnixTime) -> Option<HeaderValue> {
    let secs = i64::try_from(now.as_secs()).ok()?;
    let date = DateTime::<Utc>::from_timestamp(secs, 0)?.format("%a, %d %b %Y %H:%M:%S GMT");
    HeaderValue::try_from(date.to_string()).ok()
}

/// A body of a known length, of which only half may be sent.
#[derive(Debug)]
pub(super) struct ReplyBody {
    rest: Bytes,
    announced: u64,
    ending: Ending,
    was_flushed: bool,
}

impl ReplyBody {
    fn new(body: Bytes, ending: Ending) -> Self {
        let announced = u64::try_from(body.len()).unwrap_or(u64::MAX);
        let rest = if ending == Ending::Half { body.slice(..body.len() / 2) } else { body };
        Self { rest, announced, ending, was_flushed: false }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Closed;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Closed>>> {
        if !self.rest.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.rest)))));
        }
        match self.ending {
            Ending::Whole => Poll::Ready(None),
            // The library sends what it has when there is nothing to wait for: the half must be on its way first.
            Ending::Half | Ending::Nothing if !self.was_flushed => {
                self.was_flushed = true;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ending::Half | Ending::Nothing => Poll::Ready(Some(Err(Closed))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.ending == Ending::Whole && self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.ending {
            Ending::Whole => SizeHint::with_exact(u64::try_from(self.rest.len()).unwrap_or(u64::MAX)),
            Ending::Half | Ending::Nothing => SizeHint::with_exact(self.announced),
        }
    }
}

/// The connection is closed on purpose.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closed;

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is closed on purpose")
    }
}

impl std::error::Error for Closed {}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");
/// An attestation document of 262,144 bytes in base64, and the rest of the largest request.
const MAX_BODY_LEN: usize = 384 * 1024;
