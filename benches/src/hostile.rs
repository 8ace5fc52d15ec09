//! A server under attack, three processes: the server, the attackers, and this one, which has a client that calls the server
//! all the time and takes note of how long that takes.

/// What is done to the server, and what it must have done in return.
pub mod attack;
/// The attackers' process.
pub mod attackers;
mod child;
mod peers;
mod processors;
/// The server's process.
pub mod server;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_bytes::ByteBuf;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use tokio::time::{MissedTickBehavior, interval};
use vsock_rpc::Client;

use self::attack::{Attack, Effort, Report};
use self::attackers::Command;
use self::child::ChildProcess;
use self::processors::Confined;
use self::server::Order;
use crate::attested::Failure;
use crate::echo;

/// A server, those who attack it, and its good client.
#[derive(Debug)]
pub struct World {
    attack: Attack,
    server: ChildProcess,
    attackers: ChildProcess,
    client: Client,
    runtime: Runtime,
    path: PathBuf,
    /// How many descriptors the server has open while nobody attacks it.
    quiet_descriptors: usize,
    #[expect(dead_code, reason = "held so that the socket has a place")]
    directory: TempDir,
    #[expect(dead_code, reason = "held while the client calls")]
    confined: Confined,
}

/// What the client and the server went through in an attack.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ordeal {
    /// See [`World::quiet`].
    pub p99: Duration,
    /// The most bytes that were ever resident in the server's process.
    pub peak_resident: f64,
}

impl World {
    /// Starts the processes, and connects the client.
    ///
    /// # Errors
    /// If a process does not start, or the server does not answer.
    pub fn new(attack: Attack) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("server");
        let confined = Confined::to_clients()?;
        let mut server = ChildProcess::start(server::ARGUMENT)?;
        let attackers = ChildProcess::start(attackers::ARGUMENT)?;
        let order =
            Order { path: path.clone(), processors: confined.servers(), max_connections: attack.max_connections() };
        let served: Result<(), String> = server.ask(&order)?;
        served?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let client = {
            let _entered = runtime.enter();
            echo::client(&path)
        };
        let mut world =
            Self { attack, server, attackers, client, runtime, path, quiet_descriptors: 0, directory, confined };
        world.runtime.block_on(call(&world.client))?;
        world.quiet_descriptors = world.server.descriptors()?;
        Ok(world)
    }

    /// The time that 99 of 100 calls do not exceed while nobody attacks.
    ///
    /// # Errors
    /// If a call fails, or the server holds on to connections of an attack that is over.
    pub fn quiet(&self, effort: Effort) -> Result<Duration, Failure> {
        self.settle()?;
        self.p99(effort)
    }

    /// The same while the attack goes on, all of it.
    ///
    /// # Errors
    /// If a call fails, the attackers do not get as far as they mean to, or the server answers them otherwise than it
    /// should.
    pub fn attacked(&mut self, effort: Effort) -> Result<Ordeal, Failure> {
        self.settle()?;
        let begin = Command::Begin { attack: self.attack, effort, path: self.path.clone() };
        self.attackers.ask::<_, Result<Report, String>>(&begin)??;
        let p99 = self.p99(effort);
        let report = self.attackers.ask::<_, Result<Report, String>>(&Command::End)??;
        self.attack.judge(effort, &report)?;
        Ok(Ordeal { p99: p99?, peak_resident: self.server.peak_resident()? })
    }

    /// Waits until nothing is left of the attack before.
    fn settle(&self) -> Result<(), Failure> {
        let began = Instant::now();
        while self.server.descriptors()? > self.quiet_descriptors {
            if began.elapsed() > SETTLING {
                return Err("the server still has connections of an attack that is over".into());
            }
            self.runtime.block_on(call(&self.client))?;
        }
        Ok(())
    }

    fn p99(&self, effort: Effort) -> Result<Duration, Failure> {
        let times: Result<Vec<Duration>, Failure> = self.runtime.block_on(async {
            let mut ticks = interval(BETWEEN_CALLS);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut times = Vec::with_capacity(effort.calls());
            for _ in 0..effort.calls() {
                ticks.tick().await;
                let began = Instant::now();
                call(&self.client).await?;
                times.push(began.elapsed());
            }
            Ok(times)
        });
        percentile_99(times?).ok_or_else(|| "no calls".into())
    }
}

/// Raises this process's limit on open files, which its children inherit, to what it may be.
///
/// # Errors
/// If that is not enough for `needed`: what the limit is.
pub fn may_open(needed: u64) -> Result<(), String> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).map_err(|error| error.to_string())?;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Err(format!("needs {needed} open files, the limit is {limit}")),
        _ => Ok(()),
    }
}

async fn call(client: &Client) -> Result<(), Failure> {
    let payload = ByteBuf::from([0x5a; echo::PAYLOAD_LEN]);
    if echo::call(client, &payload).await? == payload { Ok(()) } else { Err("another answer".into()) }
}

/// What 99 of 100 do not exceed; `None` of none.
fn percentile_99(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get((times.len() * 99).div_ceil(100).checked_sub(1)?).copied()
}

/// The good client leaves the processor to the attackers most of the time.
const BETWEEN_CALLS: Duration = Duration::from_millis(1);
/// How long the server may take to notice that attackers are gone.
const SETTLING: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_a_hundred_may_take_longer_than_the_percentile() {
        let of = |times: &[u64]| percentile_99(times.iter().map(|&ms| Duration::from_millis(ms)).collect());
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7]), Some(Duration::from_millis(7)));
        let mut times: Vec<_> = (1..=200).rev().collect();
        assert_eq!(of(&times), Some(Duration::from_millis(198)));
        times[..2].fill(9000);
        assert_eq!(of(&times), Some(Duration::from_millis(198)), "two of two hundred are one in a hundred");
        times[2] = 8000;
        assert_eq!(of(&times), Some(Duration::from_millis(8000)));
    }

    #[test]
    fn a_limit_that_does_not_suffice_is_said() {
        assert_eq!(may_open(1), Ok(()));
        let refused = may_open(u64::MAX).unwrap_err();
        assert!(refused.contains("open files, the limit is"), "{refused}");
    }
}
