//! What is tried again, how soon, how often, and what never is.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kms_enclave_client::{Error, KmsClient, RetryPolicy, ServiceErrorCode};
use nsm_attest::Clock;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::hostile::{Answer, Connecting, ScriptedKms, exception, reply};
use crate::support::*;
use crate::{DEADLINE, REAL_KMS, builder, call, client, code, success};

fn client_with(kms: &Arc<ScriptedKms>, retry: RetryPolicy) -> KmsClient {
    let clock = Clock::settable(start_of_time());
    builder(kms, &clock).credentials(enclave_credentials()).retry(retry).build().unwrap()
}

const HALF: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{";

#[tokio::test(start_paused = true)]
async fn throttling_failures_of_kms_and_lost_connections_are_tried_again() {
    let failures: [fn() -> Answer; 12] = [
        || exception("ThrottlingException"),
        || exception("TooManyRequestsException"),
        || exception("KMSInternalException"),
        || exception("DependencyTimeoutException"),
        || exception("KeyUnavailableException"),
        || reply(429, ""),
        || reply(500, "<html>"),
        || reply(503, r#"{"__type":"SomethingNewException"}"#),
        || Answer::Close(Vec::new()),
        || Answer::BreakOff(Vec::new()),
        || Answer::Close(HALF.to_vec()),
        || Answer::BreakOff(HALF.to_vec()),
    ];
    for (index, failure) in failures.into_iter().enumerate() {
        let kms = ScriptedKms::start(REAL_KMS, move |asked| if asked.number < 3 { failure() } else { success(&asked) });
        let called = call(&client(&kms)).await;
        assert!(called.is_ok(), "{index}: {called:?}");
        assert_eq!(kms.requests(), 4, "{index}");
        // The fourth attempt is the last.
        let kms = ScriptedKms::start(REAL_KMS, move |_| failure());
        let error = call(&client(&kms)).await.unwrap_err();
        assert!(error.is_transient(), "{index}: {error:?}");
        assert_eq!(kms.requests(), 4, "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_final() {
    let refusals: [(u16, &str); 9] = [
        (400, r#"{"__type":"AccessDeniedException","message":"no"}"#),
        (403, r#"{"__type":"AccessDenied"}"#),
        (400, r#"{"__type":"ValidationException"}"#),
        (400, r#"{"__type":"InvalidCiphertextException"}"#),
        (400, r#"{"__type":"KMSInvalidStateException"}"#),
        (400, r#"{"__type":"LimitExceededException"}"#),
        (
            403,
            r#"{"__type":"InvalidSignatureException","message":"The request signature we calculated does not match"}"#,
        ),
        (400, ""),
        (404, "<html>"),
    ];
    for (status, body) in refusals {
        let kms = ScriptedKms::start(REAL_KMS, move |_| reply(status, body));
        let error = call(&client(&kms)).await.unwrap_err();
        assert!(matches!(error, Error::Service(_)) && !error.is_transient(), "{body}: {error:?}");
        assert_eq!(kms.requests(), 1, "{body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_after_a_retry_is_final() {
    let kms = ScriptedKms::start(REAL_KMS, |asked| {
        exception(if asked.number == 0 { "ThrottlingException" } else { "AccessDeniedException" })
    });
    assert_eq!(code(call(&client(&kms)).await), ServiceErrorCode::AccessDenied);
    assert_eq!(kms.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn connecting_is_tried_again() {
    let connecting = |number| if number < 3 { Connecting::IsRefused } else { Connecting::Succeeds };
    let kms = ScriptedKms::reached_so(connecting, REAL_KMS, |asked| success(&asked));
    call(&client(&kms)).await.unwrap();
    assert_eq!((kms.requests(), kms.dialled()), (1, 4));
    let kms = ScriptedKms::reached_so(|_| Connecting::IsRefused, REAL_KMS, |asked| success(&asked));
    let refused = call(&client(&kms)).await;
    assert!(matches!(refused, Err(Error::Connect(_))), "{refused:?}");
    assert_eq!((kms.requests(), kms.dialled()), (0, 4));
    let kms = ScriptedKms::reached_so(|_| Connecting::IsRefused, REAL_KMS, |asked| success(&asked));
    assert!(matches!(call(&client_with(&kms, RetryPolicy::none())).await, Err(Error::Connect(_))));
    assert_eq!(kms.dialled(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_hangs_is_given_up_for_another_one() {
    let connecting = |number| if number == 0 { Connecting::NeverEnds } else { Connecting::Succeeds };
    let kms = ScriptedKms::reached_so(connecting, REAL_KMS, |asked| success(&asked));
    let began = Instant::now();
    call(&client(&kms)).await.unwrap();
    let timeout = Duration::from_secs(5);
    assert!(began.elapsed() >= timeout && began.elapsed() <= timeout + Duration::from_millis(51));
    // If there may be no other, the deadline alone counts.
    let kms = ScriptedKms::reached_so(connecting, REAL_KMS, |asked| success(&asked));
    let began = Instant::now();
    let hung = call(&client_with(&kms, RetryPolicy::none())).await;
    assert!(matches!(hung, Err(Error::DeadlineExceeded { .. })), "{hung:?}");
    assert_eq!(began.elapsed(), DEADLINE);
    // When the attempts are used up before the deadline, it was they that took too long.
    let kms = ScriptedKms::reached_so(|_| Connecting::NeverEnds, REAL_KMS, |asked| success(&asked));
    let timeout = Duration::from_secs(1);
    let impatient = RetryPolicy::default().max_attempts(2).attempt_timeout(Some(timeout));
    let error = call(&client_with(&kms, impatient)).await.unwrap_err();
    assert!(matches!(error, Error::AttemptTimedOut { timeout: found } if found == timeout), "{error:?}");
    assert!(error.is_transient());
}

#[tokio::test(start_paused = true)]
async fn waits_are_drawn_between_nothing_and_a_ceiling_that_doubles() {
    let times = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&times);
    let kms = ScriptedKms::start(REAL_KMS, move |asked| {
        record.lock().unwrap().push(asked.at);
        exception("ThrottlingException")
    });
    let policy = RetryPolicy::default().max_attempts(6).max_wait(Duration::from_millis(300));
    let client = client_with(&kms, policy);
    let mut waits = BTreeSet::new();
    for _ in 0..8 {
        times.lock().unwrap().clear();
        assert_eq!(code(call(&client).await), ServiceErrorCode::Throttling);
        let times = times.lock().unwrap();
        for (pair, ceiling) in times.windows(2).zip([50, 100, 200, 300, 300]) {
            let wait = pair[1] - pair[0];
            // The runtime's timers are exact to a millisecond, and late rather than early.
            assert!(wait <= Duration::from_millis(ceiling + 1), "{wait:?} of {ceiling} ms");
            waits.insert(wait.as_millis());
        }
        assert_eq!(times.len(), 6);
    }
    assert!(waits.len() > 8, "waits differ: {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_throttling_storm_ends_within_the_deadline_and_with_what_kms_said() {
    let kms = ScriptedKms::start(REAL_KMS, |_| exception("ThrottlingException"));
    let policy = RetryPolicy::default().max_attempts(u32::MAX).tokens(u32::MAX);
    let client = client_with(&kms, policy);
    for _ in 0..8 {
        let began = Instant::now();
        assert_eq!(code(call(&client).await), ServiceErrorCode::Throttling);
        // The next wait would have ended after the deadline: its ceiling is 2 s.
        assert!(began.elapsed() < DEADLINE && began.elapsed() > Duration::from_secs(5), "{:?}", began.elapsed());
        assert!((8..=60).contains(&kms.requests()));
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_storm_all_clones_together_have_no_more_retries_than_tokens() {
    let kms = ScriptedKms::start(REAL_KMS, |_| exception("ThrottlingException"));
    let client = client_with(&kms, RetryPolicy::default().tokens(50));
    let mut calls = JoinSet::new();
    for _ in 0..40 {
        let client = client.clone();
        calls.spawn(async move { assert_eq!(code(call(&client).await), ServiceErrorCode::Throttling) });
    }
    calls.join_all().await;
    assert_eq!(kms.requests(), 40 + 50 / 5);
    // From now on every call has its first attempt, and no other.
    assert_eq!(code(call(&client).await), ServiceErrorCode::Throttling);
    assert_eq!(kms.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn successes_fill_the_bucket_again() {
    let is_down = Arc::new(Mutex::new(true));
    let state = Arc::clone(&is_down);
    let kms = ScriptedKms::start(REAL_KMS, move |asked| {
        if *state.lock().unwrap() { exception("ThrottlingException") } else { success(&asked) }
    });
    let client = client_with(&kms, RetryPolicy::default().tokens(5));
    for (down, requests) in [(true, 2), (true, 1), (false, 1), (false, 1), (false, 1), (false, 1)] {
        *is_down.lock().unwrap() = down;
        assert_eq!(call(&client).await.is_err(), down);
        assert_eq!(kms.requests(), requests);
    }
    // Four successes are four tokens: one short of a retry.
    *is_down.lock().unwrap() = true;
    assert_eq!((call(&client).await.is_err(), kms.requests()), (true, 1));
    *is_down.lock().unwrap() = false;
    assert!(call(&client).await.is_ok());
    *is_down.lock().unwrap() = true;
    assert_eq!((call(&client).await.is_err(), kms.requests()), (true, 3));
}

#[tokio::test(start_paused = true)]
async fn without_retries_the_first_failure_is_the_last() {
    let kms = ScriptedKms::start(REAL_KMS, |_| exception("ThrottlingException"));
    let client = client_with(&kms, RetryPolicy::none());
    assert_eq!(code(call(&client).await), ServiceErrorCode::Throttling);
    assert_eq!(kms.requests(), 1);
}
