//! Connections are kept, bounded, and replaced when the other side has closed them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kms_enclave_client::{Error, KmsClient, MalformedReply, RetryPolicy};
use nsm_attest::Clock;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::hostile::{Answer, Identity, ScriptedKms};
use crate::support::*;
use crate::{DEADLINE, REAL_KMS, builder, call, client, success};

#[tokio::test(start_paused = true)]
async fn one_connection_serves_call_after_call() {
    let kms = ScriptedKms::start(REAL_KMS, |asked| success(&asked));
    let client = client(&kms);
    for _ in 0..5 {
        call(&client).await.unwrap();
        sleep(Duration::from_secs(19)).await;
    }
    call(&client.clone()).await.unwrap();
    assert_eq!((kms.requests(), kms.dialled(), kms.open()), (6, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_after_twenty_seconds_and_with_its_client() {
    let kms = ScriptedKms::start(REAL_KMS, |asked| success(&asked));
    let (client, began) = (client(&kms), Instant::now());
    call(&client).await.unwrap();
    // Nobody calls: it is closed all the same.
    kms.all_closed().await;
    assert!((20_000..20_010).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
    call(&client).await.unwrap();
    assert_eq!(kms.dialled(), 2);
    drop(client);
    kms.all_closed().await;
    assert!(began.elapsed() < Duration::from_secs(21));
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_kms_closed_while_idle_is_not_used_again() {
    let kms = ScriptedKms::start(REAL_KMS, |asked| match (asked.number, success(&asked)) {
        (0, Answer::Bytes(bytes)) => Answer::Close(bytes),
        (1, Answer::Bytes(bytes)) => Answer::BreakOff(bytes),
        (_, answer) => answer,
    });
    let clock = Clock::settable(start_of_time());
    let client = builder(&kms, &clock).credentials(enclave_credentials()).retry(RetryPolicy::none()).build().unwrap();
    for dialled in 1..=3 {
        call(&client).await.unwrap();
        assert_eq!((kms.requests(), kms.dialled()), (1, dialled));
    }
}

#[tokio::test(start_paused = true)]
async fn a_kept_connection_that_is_closed_instead_of_answering_is_replaced_at_once_and_once() {
    for closing in [Answer::Close, Answer::BreakOff] {
        // The second request on a connection is what finds it closed.
        let last = Arc::new(AtomicUsize::new(usize::MAX));
        let fails_from = Arc::clone(&last);
        let kms = ScriptedKms::start(REAL_KMS, move |asked| {
            let is_kept = [1, 3].contains(&asked.number);
            if is_kept || asked.number >= fails_from.load(Ordering::SeqCst) {
                closing(Vec::new())
            } else {
                success(&asked)
            }
        });
        let clock = Clock::settable(start_of_time());
        // It is no retry: there are none, and it takes no time.
        let builder = builder(&kms, &clock).credentials(enclave_credentials()).retry(RetryPolicy::none());
        let (client, began) = (builder.build().unwrap(), Instant::now());
        call(&client).await.unwrap();
        call(&client).await.unwrap();
        assert_eq!((kms.requests(), kms.dialled(), began.elapsed()), (3, 2, Duration::ZERO));
        // If the fresh connection is closed, too, something is wrong with KMS.
        last.store(4, Ordering::SeqCst);
        let failed = call(&client).await;
        assert!(matches!(failed, Err(Error::Http(_))), "{failed:?}");
        assert_eq!((kms.requests(), kms.dialled()), (2, 3));
    }
}

#[tokio::test(start_paused = true)]
async fn no_connection_is_used_again_after_a_reply_that_was_not_read_to_its_end() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n";
    let kms = ScriptedKms::start(REAL_KMS, |asked| match asked.number {
        0 => Answer::Bytes(head.to_vec()),
        _ => success(&asked),
    });
    let client = client(&kms);
    let refused = call(&client).await;
    assert!(matches!(refused, Err(Error::ReplyTooLong { max: 65_536 })), "{refused:?}");
    kms.all_closed().await;
    call(&client).await.unwrap();
    assert_eq!((kms.requests(), kms.dialled()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn what_kms_says_unasked_answers_no_later_call() {
    let kms = ScriptedKms::start(REAL_KMS, |asked| match (asked.number, success(&asked)) {
        (0, Answer::Bytes(mut bytes)) => {
            bytes.extend(b"HTTP/1.1 400 X\r\ncontent-length: 2\r\n\r\n{}");
            Answer::Bytes(bytes)
        }
        (_, answer) => answer,
    });
    let client = client(&kms);
    call(&client).await.unwrap();
    call(&client).await.unwrap();
    assert_eq!((kms.requests(), kms.dialled()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn when_kept_connections_fall_silent_the_second_attempt_goes_on_a_fresh_one() {
    let (gate, never) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held = Arc::clone(&gate);
    let kms = ScriptedKms::start(REAL_KMS, move |asked| match (asked.number, asked.connection) {
        (0..3, _) => Answer::Held(Arc::clone(&held), Box::new(success(&asked))),
        (_, 0..3) => Answer::Held(Arc::clone(&never), Box::new(success(&asked))),
        _ => success(&asked),
    });
    let client = client(&kms);
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let client = client.clone();
        calls.spawn(async move { call(&client).await.unwrap() });
    }
    // The paused runtime only lets time pass once nobody has anything left to do.
    sleep(Duration::from_millis(1)).await;
    assert_eq!((kms.requests(), kms.dialled()), (3, 3));
    gate.notify_waiters();
    calls.join_all().await;
    call(&client).await.unwrap();
    assert_eq!((kms.requests(), kms.dialled()), (2, 4));
}

#[tokio::test(start_paused = true)]
async fn when_kept_connections_fall_silent_until_a_calls_deadline_the_next_call_goes_on_a_fresh_one() {
    let (gate, never) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let held = Arc::clone(&gate);
    let kms = ScriptedKms::start(REAL_KMS, move |asked| match (asked.number, asked.connection) {
        (0..3, _) => Answer::Held(Arc::clone(&held), Box::new(success(&asked))),
        (_, 0..3) => Answer::Held(Arc::clone(&never), Box::new(success(&asked))),
        _ => success(&asked),
    });
    // Less than an attempt may take.
    let deadline = Duration::from_secs(3);
    let builder = builder(&kms, &Clock::settable(start_of_time())).credentials(enclave_credentials());
    let client = builder.deadline(deadline).build().unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..3 {
        let client = client.clone();
        calls.spawn(async move { call(&client).await.unwrap() });
    }
    sleep(Duration::from_millis(1)).await;
    gate.notify_waiters();
    calls.join_all().await;
    assert_eq!((kms.requests(), kms.dialled()), (3, 3));
    let silenced = call(&client).await;
    assert!(matches!(silenced, Err(Error::DeadlineExceeded { .. })), "{silenced:?}");
    call(&client).await.unwrap();
    assert_eq!(kms.dialled(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_leaves_no_connection_behind() {
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let kms = ScriptedKms::start(REAL_KMS, move |asked| match asked.number {
        0 => Answer::Held(Arc::clone(&held), Box::new(success(&asked))),
        _ => success(&asked),
    });
    let client = client(&kms);
    let given_up = tokio::time::timeout(Duration::from_secs(1), call(&client)).await;
    assert!(given_up.is_err());
    // The server notices once it may speak.
    gate.notify_one();
    kms.all_closed().await;
    call(&client).await.unwrap();
    assert_eq!((kms.requests(), kms.dialled()), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_bound_wait_in_line_for_as_long_as_they_may() {
    let gate = Arc::new(Notify::new());
    let held = Arc::clone(&gate);
    let kms = ScriptedKms::start(REAL_KMS, move |asked| Answer::Held(Arc::clone(&held), Box::new(success(&asked))));
    let clock = Clock::settable(start_of_time());
    let builder = builder(&kms, &clock).credentials(enclave_credentials()).max_connections(1);
    let client = builder.retry(RetryPolicy::default().attempt_timeout(None)).build().unwrap();
    let spawn = |client: &KmsClient| {
        let client = client.clone();
        tokio::spawn(async move { call(&client).await })
    };
    let (first, second, began) = (spawn(&client), spawn(&client), Instant::now());
    sleep(Duration::from_secs(3)).await;
    let third = spawn(&client);
    sleep(Duration::from_secs(6)).await;
    assert_eq!((kms.dialled(), kms.requests()), (1, 1));
    // The reply never comes, so that the deadline of the first two passes: in the exchange, and in the line.
    for out_of_time in [first, second] {
        let called = out_of_time.await.unwrap();
        assert!(matches!(called, Err(Error::DeadlineExceeded { deadline: DEADLINE })), "{called:?}");
        assert_eq!(began.elapsed(), DEADLINE);
    }
    // The third has three seconds more, and the connection to itself.
    sleep(Duration::from_secs(1)).await;
    gate.notify_waiters();
    third.await.unwrap().unwrap();
    assert_eq!(began.elapsed(), DEADLINE + Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_share_the_connections_they_may_have() {
    let kms = ScriptedKms::start(REAL_KMS, |asked| success(&asked));
    let clock = Clock::settable(start_of_time());
    let builder = builder(&kms, &clock).credentials(enclave_credentials());
    let client = builder.max_connections(4).build().unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let client = client.clone();
        calls.spawn(async move { call(&client).await.unwrap() });
    }
    calls.join_all().await;
    assert_eq!(kms.requests(), 100);
    assert!(kms.dialled() <= 4, "{}", kms.dialled());
    assert!(kms.open() <= 4);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reply_and_a_silent_peer_end_at_the_deadline() {
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n";
    let kms = ScriptedKms::start(REAL_KMS, |_| Answer::Trickle(head.to_vec()));
    let began = Instant::now();
    let slow = call(&client(&kms)).await;
    assert!(matches!(slow, Err(Error::DeadlineExceeded { deadline: DEADLINE })), "{slow:?}");
    assert_eq!(began.elapsed(), DEADLINE);
    // An attempt is given up before the call is: the second one came in its place.
    assert_eq!(kms.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_does_not_fit_is_no_reason_to_try_again() {
    let name = "kms.us-east-1.amazonaws.com";
    for identity in [Identity { name, ..REAL_KMS }, Identity { years: (2020, 2025), ..REAL_KMS }] {
        let kms = ScriptedKms::start(identity, |asked| success(&asked));
        let error = call(&client(&kms)).await.unwrap_err();
        assert!(matches!(error, Error::Tls { .. }) && !error.is_transient(), "{error:?}");
        assert_eq!((kms.requests(), kms.dialled()), (0, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn malformed_replies_are_no_reason_to_try_again() {
    let head = "HTTP/1.1 200 OK\r\n";
    for reply in [
        format!("{head}content-length: 1\r\n\r\n{{"),
        format!("{head}transfer-encoding: chunked\r\n\r\nnonsense\r\n"),
        "HTTP/1.1 302 X\r\ncontent-length: 0\r\n\r\n".to_owned(),
        "SSH-2.0-OpenSSH_9.9\r\n".to_owned(),
    ] {
        let bytes = reply.clone().into_bytes();
        let kms = ScriptedKms::start(REAL_KMS, move |_| Answer::Bytes(bytes.clone()));
        let error = call(&client(&kms)).await.unwrap_err();
        let is_malformed = matches!(
            error,
            Error::Http(_) | Error::MalformedReply(MalformedReply::Json | MalformedReply::Status { status: 302 })
        );
        assert!(is_malformed && !error.is_transient(), "{reply}: {error:?}");
        assert_eq!((kms.requests(), kms.dialled()), (1, 1), "{reply}");
    }
}
