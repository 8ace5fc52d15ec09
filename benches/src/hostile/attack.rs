use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::attested::Failure;

/// What the attackers do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attack {
    /// Nothing, on connections that were served once.
    Idle,
    /// The same on as many connections as the server admits by default, while more keep coming.
    Surplus,
    /// Send the longest request byte by byte, and come back when they are told that this is too slow.
    SlowLoris,
    /// Announce 4 GiB, again and again.
    LongLengths,
    /// Answer a request that the server never made, again and again.
    UnaskedResponses,
    /// Make a request, and another of the same id, again and again.
    DuplicateIds,
    /// Send Pings as fast as they can, and read the Pongs.
    Pings,
    /// Send Cancels of requests that are not there as fast as they can.
    Cancels,
    /// Send anything, again and again.
    Garbage,
}

/// How large an attack, and how many calls at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Effort {
    /// To be measured.
    Full,
    /// To show that it runs.
    Smoke,
}

/// What attackers did and saw, from the beginning of the attack to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Connections that were made.
    pub connections: u64,
    /// Those that the server ended with the reason that this attack deserves.
    pub ended: u64,
    /// Those that were served and then left alone.
    pub held: u64,
    /// Frames of floods, and bytes of slow senders.
    pub sent: u64,
    /// Pongs and Responses.
    pub answers: u64,
}

impl Attack {
    /// How many connect at a time.
    #[must_use]
    pub const fn peers(self, effort: Effort) -> usize {
        match (self, effort) {
            (Self::Idle, Effort::Full) => 10_000,
            (Self::SlowLoris, Effort::Full) => 1_000,
            // One place is the good client's.
            (Self::Surplus, _) => DEFAULT_MAX_CONNECTIONS - 1 + SURPLUS,
            (_, Effort::Full) => 64,
            (Self::Idle | Self::SlowLoris, Effort::Smoke) => 50,
            (_, Effort::Smoke) => 4,
        }
    }

    /// How many connections are made at least before anything is measured.
    #[must_use]
    pub const fn arrivals(self, effort: Effort) -> u64 {
        match (self, effort) {
            (Self::Surplus, Effort::Full) => 10_000,
            _ => self.peers(effort) as u64,
        }
    }

    /// What the server's limit has to be raised to, so that it admits them all.
    #[must_use]
    pub const fn max_connections(self) -> Option<usize> {
        match self {
            Self::Idle | Self::SlowLoris => Some(self.peers(Effort::Full) + 1 + RETURNING),
            _ => None,
        }
    }

    /// How many descriptors the attackers, or the server, have open at most.
    #[must_use]
    pub const fn open_files(self) -> u64 {
        (self.peers(Effort::Full) + RETURNING) as u64 + 64
    }

    /// Whether the attack took place, and was answered as it should be.
    ///
    /// # Errors
    /// What there is too little of.
    pub fn judge(self, effort: Effort, report: &Report) -> Result<(), Failure> {
        let peers = self.peers(effort) as u64;
        let (held, ended, sent, answers) = match (self, effort) {
            (Self::Idle, _) => (peers, 0, 0, peers),
            (Self::Surplus, Effort::Full) => (peers - SURPLUS as u64, 500, 0, 0),
            (Self::Surplus, Effort::Smoke) => (peers - SURPLUS as u64, SURPLUS as u64, 0, 0),
            (Self::SlowLoris, Effort::Full) => (0, peers / 20, 50 * peers, 0),
            // None is cut off within a second.
            (Self::SlowLoris, Effort::Smoke) => (0, 0, peers, 0),
            (Self::Pings | Self::Cancels, Effort::Full) => (0, 0, 500_000, 500),
            (Self::Pings | Self::Cancels, Effort::Smoke) => (0, 0, 1_000, peers),
            (_, Effort::Full) => (0, 500, 0, 0),
            (_, Effort::Smoke) => (0, peers, 0, 0),
        };
        let least = Report { connections: self.arrivals(effort), ended, held, sent, answers };
        if report.has_at_least(&least) {
            Ok(())
        } else {
            Err(format!("the attack was {report:?}, which is less than {least:?}").into())
        }
    }
}

impl Effort {
    /// How many calls a percentile is taken of.
    #[must_use]
    pub const fn calls(self) -> usize {
        match self {
            Self::Full => 2_000,
            Self::Smoke => 100,
        }
    }

    /// The time over which slow senders are spread, so that they are cut off and come back evenly: the server's frame
    /// timeout.
    #[must_use]
    pub const fn spread(self) -> Duration {
        match self {
            Self::Full => Duration::from_secs(10),
            Self::Smoke => Duration::from_millis(200),
        }
    }
}

impl Report {
    fn has_at_least(&self, least: &Self) -> bool {
        let Self { connections, ended, held, sent, answers } = self;
        *connections >= least.connections
            && *ended >= least.ended
            && *held >= least.held
            && *sent >= least.sent
            && *answers >= least.answers
    }
}

/// The server's.
const DEFAULT_MAX_CONNECTIONS: usize = 256;
/// How many may have come back before the server has seen them leave.
const RETURNING: usize = 256;
/// How many keep coming when the server is full.
const SURPLUS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attack_that_did_not_happen_counts_for_none() {
        for attack in [Attack::Idle, Attack::Surplus, Attack::SlowLoris, Attack::Pings, Attack::Garbage] {
            for effort in [Effort::Full, Effort::Smoke] {
                let connections = attack.peers(effort) as u64;
                assert!(attack.judge(effort, &Report { connections, ..Report::default() }).is_err(), "{attack:?}");
            }
        }
        let enough = Report { connections: 64, ended: 500, ..Report::default() };
        assert!(Attack::Garbage.judge(Effort::Full, &enough).is_ok());
        let failure = Attack::Garbage.judge(Effort::Full, &Report { ended: 499, ..enough }).unwrap_err();
        assert!(failure.to_string().contains("ended: 499"), "{failure}");
    }
}
