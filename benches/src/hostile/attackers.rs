use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::attack::{Attack, Effort, Report};
use super::child;
use super::peers::{Peer, Wrong};
use super::processors::come_after_others;
use crate::attested::Failure;

/// The argument by which a program that calls [`attack`] is told to.
pub const ARGUMENT: &str = "--attack-hostile";

/// What the attackers are told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Command {
    /// Set up the attack, and leave it running.
    Begin {
        /// What to do.
        attack: Attack,
        /// How much of it.
        effort: Effort,
        /// Where the server is.
        path: PathBuf,
    },
    /// Stop it.
    End,
}

/// Attacks as standard input says until that ends.
///
/// # Errors
/// If it is told something else.
pub fn attack() -> Result<(), Failure> {
    come_after_others()?;
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let mut running: Option<Assault> = None;
    child::answer(|command: Command| -> Result<Report, String> {
        let done = match (command, running.take()) {
            (Command::Begin { attack, effort, path }, None) => {
                let begun = runtime.block_on(Assault::begin(attack, effort, path));
                begun.map(|assault| running.insert(assault).tally.report())
            }
            (Command::End, Some(assault)) => runtime.block_on(assault.end()),
            (Command::Begin { .. }, Some(_)) => Err("there is an attack already".into()),
            (Command::End, None) => Err("there is no attack".into()),
        };
        done.map_err(|wrong| wrong.to_string())
    })
}

/// An attack that goes on.
struct Assault {
    peers: JoinSet<Result<(), Wrong>>,
    stop: watch::Sender<bool>,
    tally: Arc<Tally>,
}

impl Assault {
    /// Returns when every peer has done its part once.
    async fn begin(attack: Attack, effort: Effort, path: PathBuf) -> Result<Self, Wrong> {
        let (tally, path) = (Arc::new(Tally::default()), Arc::from(path));
        let (stop, stopped) = watch::channel(false);
        let mut peers = JoinSet::new();
        let count = attack.peers(effort);
        let (ready, mut is_ready) = mpsc::channel(count);
        for number in 0..count {
            let peer = Peer::new(Arc::clone(&path), Arc::clone(&tally), ready.clone(), number);
            let mut stopped = stopped.clone();
            peers.spawn(async move {
                tokio::select! {
                    biased;
                    _ = stopped.wait_for(|&stopped| stopped) => Ok(()),
                    ended = timeout(LONGEST, peer.attack(attack, effort)) => ended?,
                }
            });
        }
        timeout(PREPARATION, async {
            for _ in 0..count {
                tokio::select! {
                    biased;
                    Some(ended) = peers.join_next() => {
                        ended??;
                        return Err(Wrong::from("an attacker ended before it was told to"));
                    }
                    _ = is_ready.recv() => {}
                }
            }
            Ok(())
        })
        .await??;
        Ok(Self { peers, stop, tally })
    }

    /// Returns when every peer has stopped and closed its connection; if one ended earlier, with the reason.
    async fn end(mut self) -> Result<Report, Wrong> {
        let report = self.tally.report();
        self.stop.send_replace(true);
        while let Some(ended) = self.peers.join_next().await {
            ended??;
        }
        Ok(report)
    }
}

/// The numbers of a [`Report`] while they are counted.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) connections: AtomicU64,
    pub(super) ended: AtomicU64,
    pub(super) held: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) answers: AtomicU64,
}

impl Tally {
    fn report(&self) -> Report {
        let of = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Report {
            connections: of(&self.connections),
            ended: of(&self.ended),
            held: of(&self.held),
            sent: of(&self.sent),
            answers: of(&self.answers),
        }
    }
}

/// What it may take until all attackers have begun.
const PREPARATION: Duration = Duration::from_secs(60);
/// No attack goes on for longer than this.
const LONGEST: Duration = Duration::from_secs(300);
