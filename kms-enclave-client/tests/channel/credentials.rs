//! Credentials: refreshed ahead of their expiry, once for all, and shown to nobody.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kms_enclave_client::{BoxFuture, Credentials, Error, KmsClient, ProvideCredentials, RetryPolicy, ServiceErrorCode};
use nsm_attest::{Clock, UnixTime};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::hostile::{Asked, ScriptedKms, exception};
use crate::support::*;
use crate::{DEADLINE, REAL_KMS, builder, call, code, success};

const MINUTE: Duration = Duration::from_secs(60);

/// Access key ids that are told apart by their number.
fn access_key(number: usize) -> String {
    format!("ASIAIOSFODNN{number:08}")
}

fn credentials(number: usize, expires_at: Option<UnixTime>) -> Credentials {
    Credentials::new(access_key(number), SECRET, Some(SESSION_TOKEN.to_owned()), expires_at).unwrap()
}

/// Gives credentials number 0, 1, 2 … that hold for an hour by `clock`, or does what else it is told to.
#[derive(Debug)]
struct Provider {
    clock: Clock,
    asked: AtomicUsize,
    mood: Mutex<Mood>,
}

#[derive(Clone, Debug)]
enum Mood {
    Gives,
    /// Gives ones that have ended.
    GivesEnded,
    Fails,
    Waits(Arc<Notify>),
    Hangs,
    Panics,
}

impl Provider {
    fn new(clock: &Clock) -> Arc<Self> {
        Arc::new(Self { clock: clock.clone(), asked: AtomicUsize::new(0), mood: Mutex::new(Mood::Gives) })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }
}

impl ProvideCredentials for Provider {
    fn provide(&self) -> BoxFuture<'_, Result<Credentials, Box<dyn std::error::Error + Send + Sync>>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let mood = self.mood.lock().unwrap().clone();
        Box::pin(async move {
            match mood {
                Mood::Gives => {}
                Mood::GivesEnded => return Ok(credentials(number, Some(self.clock.now()))),
                Mood::Fails => return Err(io::Error::other("the parent is away").into()),
                Mood::Waits(gate) => gate.notified().await,
                Mood::Hangs => std::future::pending().await,
                Mood::Panics => panic!("a provider's own fault"),
            }
            Ok(credentials(number, Some(self.clock.now().saturating_add(60 * MINUTE))))
        })
    }
}

struct Scene {
    clock: Clock,
    provider: Arc<Provider>,
    kms: Arc<ScriptedKms>,
    client: KmsClient,
    /// The access key ids that requests were signed with.
    signers: Arc<Mutex<Vec<String>>>,
}

fn signer(asked: &Asked) -> String {
    let authorization = asked.header("authorization");
    authorization.split_once("Credential=").unwrap().1.split_once('/').unwrap().0.to_owned()
}

/// A client that has a provider and nothing else yet.
fn scene() -> Scene {
    let clock = Clock::settable(start_of_time());
    let provider = Provider::new(&clock);
    let signers = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&signers);
    let kms = ScriptedKms::start(REAL_KMS, move |asked| {
        record.lock().unwrap().push(signer(&asked));
        success(&asked)
    });
    let client = builder(&kms, &clock).credentials_provider(provider.clone()).build().unwrap();
    Scene { clock, provider, kms, client, signers }
}

impl Scene {
    fn pass(&self, time: Duration) {
        self.clock.set(self.clock.now().saturating_add(time)).unwrap();
    }

    fn last_signer(&self) -> String {
        self.signers.lock().unwrap().last().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn without_credentials_or_with_expired_ones_nobody_is_dialled() {
    let clock = Clock::settable(start_of_time());
    let kms = ScriptedKms::start(REAL_KMS, |asked| success(&asked));
    let client = builder(&kms, &clock).build().unwrap();
    assert!(matches!(call(&client).await, Err(Error::CredentialsMissing)));
    client.set_credentials(credentials(0, Some(start_of_time())));
    let expired = call(&client).await.unwrap_err();
    assert!(matches!(expired, Error::CredentialsExpired { expired_at, now } if expired_at == now), "{expired:?}");
    assert!(!expired.is_transient());
    assert_eq!(kms.dialled(), 0);
    client.set_credentials(credentials(0, None));
    call(&client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn credentials_that_end_while_a_connection_is_made_sign_nothing() {
    #[derive(Debug)]
    struct Slow(Arc<ScriptedKms>, Clock);
    impl kms_enclave_client::Transport for Slow {
        fn connect(&self) -> BoxFuture<'_, io::Result<Box<dyn kms_enclave_client::ByteStream>>> {
            self.1.set(self.1.now().saturating_add(MINUTE)).unwrap();
            self.0.connect()
        }
    }
    let clock = Clock::settable(start_of_time());
    let kms = ScriptedKms::start(REAL_KMS, |asked| success(&asked));
    let expires_at = start_of_time().saturating_add(MINUTE);
    let client = builder(&kms, &clock)
        .transport(Arc::new(Slow(kms.clone(), clock.clone())))
        .credentials(credentials(0, Some(expires_at)))
        .build()
        .unwrap();
    assert!(matches!(call(&client).await, Err(Error::CredentialsExpired { .. })));
    assert_eq!((kms.dialled(), kms.requests()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn all_who_wait_share_one_question_to_the_provider() {
    let scene = scene();
    let gate = Arc::new(Notify::new());
    scene.provider.is(Mood::Waits(Arc::clone(&gate)));
    assert!(scene.client.check_credentials().is_ok(), "there is somebody to ask");
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let client = scene.client.clone();
        calls.spawn(async move { call(&client).await.unwrap() });
    }
    // Whoever gives up takes the answer from nobody else.
    let given_up = tokio::time::timeout(Duration::from_secs(1), call(&scene.client)).await;
    assert!(given_up.is_err());
    assert_eq!(scene.kms.dialled(), 0);
    gate.notify_one();
    calls.join_all().await;
    assert_eq!((scene.provider.asked(), scene.kms.requests()), (1, 20));
}

#[tokio::test(start_paused = true)]
async fn credentials_are_refreshed_in_the_background_within_five_minutes_of_their_expiry() {
    let scene = scene();
    call(&scene.client).await.unwrap();
    scene.pass(54 * MINUTE);
    call(&scene.client).await.unwrap();
    assert_eq!((scene.provider.asked(), scene.last_signer()), (1, access_key(0)));
    // The old ones go on while the new ones are fetched, and they are fetched once.
    let gate = Arc::new(Notify::new());
    scene.provider.is(Mood::Waits(Arc::clone(&gate)));
    scene.pass(2 * MINUTE);
    sleep(Duration::from_secs(5)).await;
    for _ in 0..3 {
        call(&scene.client).await.unwrap();
        assert_eq!((scene.provider.asked(), scene.last_signer()), (2, access_key(0)));
    }
    gate.notify_one();
    // The paused runtime only lets time pass once nobody has anything left to do.
    sleep(Duration::from_millis(1)).await;
    call(&scene.client).await.unwrap();
    assert_eq!((scene.provider.asked(), scene.last_signer()), (2, access_key(1)));
}

#[tokio::test(start_paused = true)]
async fn while_the_old_ones_hold_a_failing_provider_harms_nobody_and_is_not_pestered() {
    let scene = scene();
    call(&scene.client).await.unwrap();
    scene.provider.is(Mood::Fails);
    scene.pass(56 * MINUTE);
    sleep(Duration::from_secs(5)).await;
    for _ in 0..10 {
        call(&scene.client).await.unwrap();
    }
    assert_eq!(scene.provider.asked(), 2);
    sleep(Duration::from_secs(5)).await;
    call(&scene.client).await.unwrap();
    assert_eq!(scene.provider.asked(), 3);
    // Once they have ended the provider's error is the call's, and the provider gets another chance with every call.
    scene.pass(4 * MINUTE);
    let Err(Error::CredentialsUnavailable(error)) = call(&scene.client).await else { panic!("there are none") };
    assert_eq!(error.to_string(), "the parent is away");
    scene.provider.is(Mood::Gives);
    call(&scene.client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn credentials_that_have_ended_replace_none_that_still_hold() {
    let scene = scene();
    call(&scene.client).await.unwrap();
    scene.provider.is(Mood::GivesEnded);
    scene.pass(56 * MINUTE);
    sleep(Duration::from_secs(5)).await;
    for _ in 0..3 {
        call(&scene.client).await.unwrap();
        // The paused runtime only lets time pass once nobody has anything left to do.
        sleep(Duration::from_millis(1)).await;
        assert_eq!((scene.provider.asked(), scene.last_signer()), (2, access_key(0)));
    }
    scene.pass(4 * MINUTE);
    let ended = call(&scene.client).await;
    assert!(matches!(ended, Err(Error::CredentialsExpired { .. })), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_hangs_costs_the_deadline_and_is_given_up_after_thirty_seconds() {
    let scene = scene();
    scene.provider.is(Mood::Hangs);
    let began = Instant::now();
    for calls in 1..=2 {
        let hung = call(&scene.client).await;
        assert!(matches!(hung, Err(Error::DeadlineExceeded { deadline: DEADLINE })), "{hung:?}");
        assert_eq!((began.elapsed(), scene.provider.asked()), (calls * DEADLINE, 1));
    }
    sleep(Duration::from_secs(11)).await;
    scene.provider.is(Mood::Gives);
    call(&scene.client).await.unwrap();
    assert_eq!(scene.provider.asked(), 2);
    // Whoever has the time to wait is told.
    scene.provider.is(Mood::Hangs);
    let patient = builder(&scene.kms, &scene.clock).credentials_provider(scene.provider.clone());
    let (patient, began) = (patient.deadline(MINUTE).build().unwrap(), Instant::now());
    let Err(Error::CredentialsUnavailable(error)) = call(&patient).await else { panic!("there are none") };
    assert!(error.to_string().contains("timed out"), "{error}");
    assert_eq!(began.elapsed(), Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_panics_takes_nobody_with_it() {
    let scene = scene();
    scene.provider.is(Mood::Panics);
    assert!(matches!(call(&scene.client).await, Err(Error::Local(_))));
    scene.provider.is(Mood::Gives);
    call(&scene.client).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn credentials_that_kms_calls_expired_are_replaced_and_the_call_signed_again() {
    let clock = Clock::settable(start_of_time());
    let provider = Provider::new(&clock);
    let kms = ScriptedKms::start(REAL_KMS, |asked| {
        if signer(&asked) == access_key(0) { exception("ExpiredTokenException") } else { success(&asked) }
    });
    let builder = builder(&kms, &clock).credentials_provider(provider.clone());
    let client = builder.retry(RetryPolicy::none()).build().unwrap();
    call(&client).await.unwrap();
    assert_eq!((provider.asked(), kms.requests()), (2, 2));
    call(&client).await.unwrap();
    assert_eq!((provider.asked(), kms.requests()), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn without_anybody_to_ask_expired_credentials_are_an_error() {
    let clock = Clock::settable(start_of_time());
    let kms = ScriptedKms::start(REAL_KMS, |_| exception("ExpiredTokenException"));
    let client = builder(&kms, &clock).credentials(credentials(0, None)).build().unwrap();
    assert_eq!(code(call(&client).await), ServiceErrorCode::ExpiredToken);
    assert_eq!(kms.requests(), 1);
    // And with a provider that knows no better, after one more.
    let stubborn = builder(&kms, &clock).credentials_provider(Provider::new(&clock)).build().unwrap();
    assert_eq!(code(call(&stubborn).await), ServiceErrorCode::ExpiredToken);
    assert_eq!(kms.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn pushed_credentials_are_used_beside_a_provider() {
    let scene = scene();
    scene.client.set_credentials(credentials(77, None));
    call(&scene.client).await.unwrap();
    assert_eq!((scene.provider.asked(), scene.last_signer()), (0, access_key(77)));
}

#[tokio::test(start_paused = true)]
async fn credentials_pushed_while_the_provider_is_asked_outlive_its_answer() {
    let scene = scene();
    let gate = Arc::new(Notify::new());
    scene.provider.is(Mood::Waits(Arc::clone(&gate)));
    let client = scene.client.clone();
    let waiting = tokio::spawn(async move { call(&client).await });
    sleep(Duration::from_millis(1)).await;
    scene.client.set_credentials(credentials(77, None));
    gate.notify_one();
    waiting.await.unwrap().unwrap();
    call(&scene.client).await.unwrap();
    assert_eq!((scene.provider.asked(), scene.last_signer()), (1, access_key(77)));
}

#[tokio::test(start_paused = true)]
async fn nothing_secret_is_in_what_debug_shows() {
    let clock = Clock::settable(start_of_time());
    let kms = ScriptedKms::start(REAL_KMS, |asked| success(&asked));
    let provider = Provider::new(&clock);
    let builder = builder(&kms, &clock).credentials(credentials(7, None)).credentials_provider(provider);
    let mut shown = format!("{builder:?} {builder:#?}");
    let client = builder.build().unwrap();
    call(&client).await.unwrap();
    shown += &format!("{client:?} {client:#?} {:?}", credentials(7, None));
    for secret in [SECRET, SESSION_TOKEN, &access_key(7), "AWS4"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
