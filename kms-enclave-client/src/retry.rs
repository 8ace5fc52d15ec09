//! [`RetryPolicy`]: which failures are worth another attempt, when, and how many in all.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::error::Error;

/// How often and how soon a failed attempt is repeated.
///
/// Throttling, errors that KMS calls its own, and lost connections are repeated, within the call's deadline; refusals,
/// certificates that do not fit and malformed replies never. Waits are drawn evenly between nothing and a ceiling that
/// doubles with each retry ("full jitter"), so that callers who were turned away together do not come back together.
///
/// A bucket of tokens that all clones of a client share bounds the retries altogether: when KMS is down, they stop. It
/// holds 500 at first; a retry takes 5, one after a timeout 10. A call that succeeds after retries gives back what its
/// last one took, one that needed none gives back 1. These are the numbers of AWS's own SDKs.
///
/// ```
/// use std::time::Duration;
/// use kms_enclave_client::RetryPolicy;
///
/// let patient = RetryPolicy::default().max_attempts(8).max_wait(Duration::from_secs(5));
/// assert_ne!(patient, RetryPolicy::default());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct RetryPolicy {
    max_attempts: u32,
    base_wait: Duration,
    max_wait: Duration,
    attempt_timeout: Option<Duration>,
    tokens: u32,
}

impl RetryPolicy {
    /// One attempt, as long as the deadline lets it be.
    ///
    /// A kept-alive connection that turns out to be closed is still replaced, and a wrong clock corrected: neither is a
    /// failure of KMS.
    pub fn none() -> Self {
        Self { max_attempts: 1, attempt_timeout: None, ..Self::default() }
    }

    /// How many attempts there are at most, the first one included. 4 by default; 0 counts as 1.
    pub fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts.max(1);
        self
    }

    /// The most that is waited before the first retry; it doubles with each further one. 50 ms by default.
    pub fn base_wait(mut self, wait: Duration) -> Self {
        self.base_wait = wait;
        self
    }

    /// The most that is waited before any retry. 2 s by default.
    pub fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How long connecting and the exchange may take before the attempt is given up for another one; `None`: as long as
    /// the call's deadline allows. 5 s by default.
    pub fn attempt_timeout(mut self, timeout: Option<Duration>) -> Self {
        self.attempt_timeout = timeout;
        self
    }

    /// How many tokens the bucket holds. 500 by default.
    pub fn tokens(mut self, tokens: u32) -> Self {
        self.tokens = tokens;
        self
    }

    /// The most that is waited before retry number `retry`, counted from 1.
    fn ceiling(&self, retry: u32) -> Duration {
        let doubled = 2_u32.checked_pow(retry.saturating_sub(1)).and_then(|factor| self.base_wait.checked_mul(factor));
        doubled.unwrap_or(Duration::MAX).min(self.max_wait)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            base_wait: Duration::from_millis(50),
            max_wait: Duration::from_secs(2),
            attempt_timeout: Some(Duration::from_secs(5)),
            tokens: 500,
        }
    }
}

/// A policy and the tokens left under it.
#[derive(Debug)]
pub(crate) struct Retries {
    policy: RetryPolicy,
    tokens: AtomicU32,
    jitter: Jitter,
}

/// Draws a wait between nothing and the ceiling it is given.
type Jitter = fn(Duration) -> Duration;

impl Retries {
    pub(crate) fn new(policy: RetryPolicy) -> Self {
        Self::with_jitter(policy, full_jitter)
    }

    fn with_jitter(policy: RetryPolicy, jitter: Jitter) -> Self {
        Self { tokens: AtomicU32::new(policy.tokens), policy, jitter }
    }

    /// Begins to count the attempts of one call.
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts { retries: self, made: 1, refund: REFUND }
    }

    /// Does what one attempt consists of, for as long as one may take.
    pub(crate) async fn bound<T>(&self, attempt: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        let Some(timeout) = self.policy.attempt_timeout else { return attempt.await };
        tokio::time::timeout(timeout, attempt).await.unwrap_or(Err(Error::AttemptTimedOut { timeout }))
    }

    fn take(&self, cost: u32) -> bool {
        self.tokens.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| tokens.checked_sub(cost)).is_ok()
    }

    fn give_back(&self, amount: u32) {
        let full = self.policy.tokens;
        // The closure always gives a value, so there is no failure to handle.
        let _given = self
            .tokens
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |tokens| Some(tokens.saturating_add(amount).min(full)));
    }
}

/// The attempts of one call.
#[derive(Debug)]
pub(crate) struct Attempts<'a> {
    retries: &'a Retries,
    made: u32,
    refund: u32,
}

impl Attempts<'_> {
    /// How long to wait before the attempt that comes after `error`, if one comes: it is paid for then.
    pub(crate) fn retry_after(&mut self, error: &Error, deadline: Deadline) -> Option<Duration> {
        let policy = &self.retries.policy;
        if !error.is_transient() || self.made >= policy.max_attempts {
            return None;
        }
        let wait = (self.retries.jitter)(policy.ceiling(self.made));
        let cost = if matches!(error, Error::AttemptTimedOut { .. }) { RETRY_COST_AFTER_TIMEOUT } else { RETRY_COST };
        // A wait that the deadline would cut short is not begun: what KMS said is worth more to the caller.
        if !deadline.outlasts(wait) || !self.retries.take(cost) {
            return None;
        }
        self.made += 1;
        self.refund = cost;
        Some(wait)
    }

    pub(crate) fn succeeded(self) {
        self.retries.give_back(self.refund);
    }
}

/// Any wait up to the ceiling, each as likely as the others.
fn full_jitter(ceiling: Duration) -> Duration {
    let mut bytes = [0; 4];
    // Without random numbers the longest wait is the considerate one.
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        return ceiling;
    }
    let part = u128::from(u32::from_ne_bytes(bytes));
    Duration::from_nanos_u128(ceiling.as_nanos() * part / u128::from(u32::MAX))
}

const RETRY_COST: u32 = 5;
const RETRY_COST_AFTER_TIMEOUT: u32 = 10;
const REFUND: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    fn unreachable() -> Error {
        Error::Connect(std::io::ErrorKind::ConnectionRefused.into())
    }

    fn timed_out() -> Error {
        Error::AttemptTimedOut { timeout: Duration::from_secs(5) }
    }

    fn longest(ceiling: Duration) -> Duration {
        ceiling
    }

    fn none(_: Duration) -> Duration {
        Duration::ZERO
    }

    fn minute() -> Deadline {
        Deadline::after(Duration::from_secs(60))
    }

    #[tokio::test]
    async fn ceilings_double_up_to_the_longest_wait() {
        let policy = RetryPolicy::default().max_attempts(9);
        let retries = Retries::with_jitter(policy, longest);
        let mut attempts = retries.attempts();
        let waits: Vec<u128> =
            std::iter::from_fn(|| attempts.retry_after(&timed_out(), minute())).map(|wait| wait.as_millis()).collect();
        assert_eq!(waits, [50, 100, 200, 400, 800, 1600, 2000, 2000]);
    }

    #[test]
    fn no_policy_overflows() {
        let policy = RetryPolicy::default().base_wait(Duration::MAX).max_wait(Duration::MAX);
        assert_eq!(policy.ceiling(u32::MAX), Duration::MAX);
        assert!(full_jitter(Duration::MAX) <= Duration::MAX);
        assert_eq!(RetryPolicy::default().ceiling(u32::MAX), Duration::from_secs(2));
        assert_eq!(RetryPolicy::default().max_attempts(0), RetryPolicy::default().max_attempts(1));
    }

    #[test]
    fn jitter_is_spread_evenly_below_its_ceiling() {
        let ceiling = Duration::from_millis(1000);
        let mut tenths = [0_u32; 10];
        let mut seconds = 0.0;
        for _ in 0..10_000 {
            let wait = full_jitter(ceiling);
            assert!(wait <= ceiling);
            seconds += wait.as_secs_f64();
            tenths[usize::try_from(wait.as_millis() / 100).unwrap().min(9)] += 1;
        }
        // 1000 in each tenth, give or take 30; the mean is half a second, give or take 3 ms.
        assert!(tenths.iter().all(|count| (800..1200).contains(count)), "{tenths:?}");
        assert!((4800.0..5200.0).contains(&seconds), "{seconds}");
        assert_eq!(full_jitter(Duration::ZERO), Duration::ZERO);
    }

    #[tokio::test]
    async fn tokens_are_taken_and_given_back() {
        let retries = Retries::with_jitter(RetryPolicy::default().tokens(16), none);
        let left = || retries.tokens.load(Ordering::Relaxed);
        let mut attempts = retries.attempts();
        assert_eq!((attempts.retry_after(&timed_out(), minute()), left()), (Some(Duration::ZERO), 6));
        assert_eq!((attempts.retry_after(&unreachable(), minute()), left()), (Some(Duration::ZERO), 1));
        // There may be a fourth attempt, but it cannot be paid.
        assert_eq!((attempts.retry_after(&unreachable(), minute()), left()), (None, 1));
        // What its last retry took comes back, not what the others did.
        attempts.succeeded();
        assert_eq!(left(), 6);
        let mut attempts = retries.attempts();
        assert_eq!((attempts.retry_after(&timed_out(), minute()), left()), (None, 6));
        // A call without retries gives one token, and the bucket does not overflow.
        for filled in [7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 16] {
            retries.attempts().succeeded();
            assert_eq!(left(), filled);
        }
    }

    #[tokio::test]
    async fn nothing_is_taken_for_a_retry_that_does_not_come() {
        let retries = Retries::with_jitter(RetryPolicy::default(), longest);
        let final_errors = [Error::CredentialsMissing, Error::MissingCiphertextForRecipient];
        assert!(final_errors.iter().all(|error| retries.attempts().retry_after(error, minute()).is_none()));
        let soon = Deadline::after(Duration::from_millis(50));
        assert_eq!(retries.attempts().retry_after(&unreachable(), soon), None);
        let only = Retries::new(RetryPolicy::none());
        assert_eq!(only.attempts().retry_after(&unreachable(), minute()), None);
        for retries in [retries, only] {
            assert_eq!(retries.tokens.load(Ordering::Relaxed), 500);
        }
    }
}
