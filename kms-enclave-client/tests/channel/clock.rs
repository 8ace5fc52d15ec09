//! KMS's `Date` corrects signatures when, and only when, KMS says that their date is wrong.

use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use kms_enclave_client::{Credentials, RetryPolicy, ServiceErrorCode};
use nsm_attest::{Clock, UnixTime};

use crate::hostile::{Answer, Asked, ScriptedKms, reply_with};
use crate::support::*;
use crate::{REAL_KMS, builder, call, client, code, success};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;

/// The header with KMS's time.
fn date(kms_time: u64) -> String {
    format!("date: {}\r\n", httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(kms_time)))
}

/// The date of a request's signature.
fn signed_at(asked: &Asked) -> u64 {
    let text = asked.header("x-amz-date");
    let [year, month, day, hour, minute, second] =
        [0..4, 4..6, 6..8, 9..11, 11..13, 13..15].map(|range| text[range].parse::<u32>().unwrap());
    let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month as usize - 1];
    // The one weekday that the reader of such dates accepts is the right one.
    let date = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"].iter().find_map(|weekday| {
        let text = format!("{weekday}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT");
        httpdate::parse_http_date(&text).ok()
    });
    date.unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// What a KMS whose clock says this makes of a request.
fn judge(asked: &Asked, kms_time: u64) -> Answer {
    let signed_at = signed_at(asked);
    let message = if signed_at + 5 * MINUTE < kms_time {
        "Signature expired: 20260101T000000Z is now earlier than 20260101T001500Z (20260101T002000Z - 5 min.)"
    } else if signed_at > kms_time + 5 * MINUTE {
        "Signature not yet current: 20260101T004000Z is still later than 20260101T002500Z (20260101T002000Z + 5 min.)"
    } else {
        return success(asked);
    };
    let body = format!(r#"{{"__type":"InvalidSignatureException","message":"{message}"}}"#);
    reply_with(400, &date(kms_time), &body)
}

#[tokio::test(start_paused = true)]
async fn a_clock_twenty_minutes_off_costs_one_request_and_stays_corrected() {
    let start = start_of_time().as_secs();
    for kms_time in [start + 20 * MINUTE, start - 20 * MINUTE, start + 23 * HOUR] {
        let kms = ScriptedKms::start(REAL_KMS, move |asked| judge(&asked, kms_time));
        let clock = Clock::settable(start_of_time());
        // Not even without retries is it an error: the signature is repaired, nothing is repeated.
        let builder = builder(&kms, &clock).credentials(enclave_credentials());
        let client = builder.retry(RetryPolicy::none()).build().unwrap();
        call(&client).await.unwrap();
        assert_eq!(kms.requests(), 2);
        call(&client).await.unwrap();
        assert_eq!(kms.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_right_again_is_followed() {
    let start = start_of_time();
    let (clock, kms_clock) = (Clock::settable(start), Clock::settable(start.saturating_add(Duration::from_secs(3600))));
    let kms_time = kms_clock.clone();
    let kms = ScriptedKms::start(REAL_KMS, move |asked| judge(&asked, kms_time.now().as_secs()));
    let client = builder(&kms, &clock).credentials(enclave_credentials()).build().unwrap();
    call(&client).await.unwrap();
    kms_clock.set(start).unwrap();
    call(&client).await.unwrap();
    assert_eq!(kms.requests(), 4);
    call(&client).await.unwrap();
    assert_eq!(kms.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_that_meet_the_wrong_clock_together_all_recover() {
    let kms_time = start_of_time().as_secs() + HOUR;
    let kms = ScriptedKms::start(REAL_KMS, move |asked| judge(&asked, kms_time));
    let client = client(&kms);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..10 {
        let client = client.clone();
        calls.spawn(async move { call(&client).await.unwrap() });
    }
    calls.join_all().await;
    assert!((11..=20).contains(&kms.requests()));
}

#[tokio::test(start_paused = true)]
async fn a_date_more_than_a_day_off_is_not_believed() {
    let start = start_of_time().as_secs();
    for kms_time in [start + 25 * HOUR, start - 25 * HOUR] {
        let kms = ScriptedKms::start(REAL_KMS, move |asked| judge(&asked, kms_time));
        let client = client(&kms);
        for _ in 0..2 {
            assert_eq!(code(call(&client).await), ServiceErrorCode::InvalidSignature);
            assert_eq!(kms.requests(), 1);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_other_reply_moves_the_date_of_a_signature() {
    let elsewhere = date(start_of_time().as_secs() + HOUR);
    let does_not_match = r#"{"__type":"InvalidSignatureException","message":"The request signature we calculated …"}"#;
    for (status, body) in [
        (200, ""),
        (400, r#"{"__type":"AccessDeniedException","message":"Signature expired: it has not"}"#),
        (
            400,
            r#"{"__type":"ExpiredTokenException","message":"The security token included in the request is expired"}"#,
        ),
        (400, does_not_match),
        (403, ""),
        (500, ""),
    ] {
        let dates = Arc::new(Mutex::new(Vec::new()));
        let (record, elsewhere) = (Arc::clone(&dates), elsewhere.clone());
        let kms = ScriptedKms::start(REAL_KMS, move |asked| {
            record.lock().unwrap().push(signed_at(&asked));
            match (status, success(&asked)) {
                (200, Answer::Bytes(bytes)) => {
                    let reply = String::from_utf8(bytes).unwrap();
                    Answer::Bytes(reply.replacen("\r\n", &format!("\r\n{elsewhere}"), 1).into_bytes())
                }
                _ => reply_with(status, &elsewhere, body),
            }
        });
        let client = client(&kms);
        for _ in 0..2 {
            assert_eq!(call(&client).await.is_ok(), status == 200, "{body}");
        }
        let dates = dates.lock().unwrap();
        assert!(dates.len() >= 2 && dates.iter().all(|date| *date == start_of_time().as_secs()), "{body}: {dates:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_about_time_without_a_usable_date_is_final() {
    for headers in ["", "date: yesterday\r\n", &date(start_of_time().as_secs())] {
        let headers = headers.to_owned();
        let body = r#"{"__type":"RequestTimeTooSkewed","message":"no"}"#;
        let kms = ScriptedKms::start(REAL_KMS, move |_| reply_with(403, &headers, body));
        assert_eq!(code(call(&client(&kms)).await), ServiceErrorCode::RequestTimeTooSkewed);
        assert_eq!(kms.requests(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_kms_whose_date_never_satisfies_it_is_asked_twice() {
    let body = r#"{"__type":"RequestExpired"}"#;
    let start = start_of_time().as_secs();
    let kms = ScriptedKms::start(REAL_KMS, move |asked| {
        reply_with(400, &date(start + HOUR + u64::try_from(asked.number).unwrap() * HOUR), body)
    });
    assert_eq!(code(call(&client(&kms)).await), ServiceErrorCode::RequestExpired);
    assert_eq!(kms.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn credentials_end_by_the_enclaves_clock_even_when_signatures_go_by_another() {
    let start = start_of_time();
    let kms_time = start.as_secs() + 20 * HOUR;
    let kms = ScriptedKms::start(REAL_KMS, move |asked| judge(&asked, kms_time));
    let expires_at = UnixTime::from_secs(start.as_secs() + HOUR);
    let credentials = Credentials::new(ENCLAVE_KEY, SECRET, None, Some(expires_at)).unwrap();
    let clock = Clock::settable(start);
    let client = builder(&kms, &clock).credentials(credentials).build().unwrap();
    call(&client).await.unwrap();
    call(&client).await.unwrap();
    clock.set(expires_at).unwrap();
    assert!(call(&client).await.is_err());
    assert_eq!(kms.requests(), 3);
}
