//! The enclave is killed while callers are served, and boots again: nobody gets a wrong answer, all who get none are told
//! that they may come back, and then they are served.

use std::cell::Cell;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Serialize;
use sha3::{Digest, Keccak256};
use signer_protocol::client::{ClientError, ReferenceAnswer};
use signer_protocol::record::KeyId;
use tokio::time::{Instant, sleep, timeout};

use crate::hardware::{Emulation, Site};
use crate::stack::{Ground, Parent, REFERENCE_REQUEST};

/// What an outage came to.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Outage {
    /// Requests that were answered, before, between and after.
    pub(crate) answered: u32,
    /// Requests that were told to come back.
    pub(crate) told_to_retry: u32,
    /// From the second boot to the first signature with a key that was sealed before, in milliseconds.
    pub(crate) recovered_ms: u64,
}

/// Kills the enclave under load and boots it again.
///
/// # Errors
/// An answer that is neither right nor an invitation to come back, or no recovery in time.
pub(crate) async fn survive(
    ground: &Ground,
    emulation: &Emulation,
    parent: &Parent,
    key: &KeyId,
    expected: &ReferenceAnswer,
) -> anyhow::Result<Outage> {
    let tally = Tally::default();
    let load = || ask_until_over(parent, key, expected, &tally);
    let story = async {
        tally.until("answers before the kill", |tally| tally.answered.get() >= SOME).await?;
        emulation.kill(Site::Genuine).await?;
        tally.until("a request that is told to come back", |tally| tally.told_to_retry.get() > 0).await?;
        let booted_at = Instant::now();
        let before = tally.answered.get();
        emulation.boot(ground, Site::Genuine).await?;
        tally.until("an answer after the reboot", |tally| tally.answered.get() > before).await?;
        let recovered = booted_at.elapsed();
        tally.until("more answers after the reboot", |tally| tally.answered.get() >= before + SOME).await?;
        tally.is_over.set(true);
        anyhow::Ok(u64::try_from(recovered.as_millis())?)
    };
    let (recovered_ms, (), (), (), ()) = tokio::try_join!(story, load(), load(), load(), load())?;
    Ok(Outage { answered: tally.answered.get(), told_to_retry: tally.told_to_retry.get(), recovered_ms })
}

/// What the callers, all on one task, have seen.
#[derive(Debug, Default)]
struct Tally {
    answered: Cell<u32>,
    told_to_retry: Cell<u32>,
    is_over: Cell<bool>,
}

impl Tally {
    async fn until(&self, what: &str, done: impl Fn(&Self) -> bool) -> anyhow::Result<()> {
        let waiting = async {
            while !done(self) {
                sleep(LOOK).await;
            }
        };
        timeout(DEADLINE, waiting).await.with_context(|| format!("not within {DEADLINE:?}: {what}; {self:?}"))
    }
}

async fn ask_until_over(parent: &Parent, key: &KeyId, expected: &ReferenceAnswer, tally: &Tally) -> anyhow::Result<()> {
    while !tally.is_over.get() {
        let body = format!(r#"{{"transaction_payload":{REFERENCE_REQUEST},"secret_id":"{key}"}}"#);
        match parent.client.sign_reference(body).await {
            Ok(answer) => {
                let hash = format!("0x{}", hex::encode(Keccak256::digest(&answer.transaction_signed)));
                ensure!(hash == expected.transaction_hash, "the same request was signed otherwise: {hash}");
                tally.answered.set(tally.answered.get() + 1);
            }
            // What the API's docs say of an enclave that is gone, or back without credentials.
            Err(ClientError::Problem(problem)) if matches!(problem.status, 503 | 504) => {
                tally.told_to_retry.set(tally.told_to_retry.get() + 1);
                sleep(RETRY).await;
            }
            Err(error) => bail!("neither an answer nor told to come back: {error:#}"),
        }
    }
    Ok(())
}

/// Answers that show that it works.
const SOME: u32 = 8;
const DEADLINE: Duration = Duration::from_secs(180);
const LOOK: Duration = Duration::from_millis(20);
/// What a caller waits that was told to come back.
const RETRY: Duration = Duration::from_millis(200);
