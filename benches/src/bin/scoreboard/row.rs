//! What a row of the scoreboard is: add one by writing a function that returns its [`Contest`], and listing it in
//! `rows`.

use std::fmt;

use crate::run::Plan;

/// A row by its name; what it needs is set up only if it is going to be measured.
pub(crate) struct Row {
    /// `subject-what`.
    pub(crate) name: &'static str,
    pub(crate) setup: fn() -> Result<Contest, Failure>,
}

impl Row {
    /// Whether `name` is this row's, or its subject.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        self.name.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    }
}

/// Everything that is measured together, in turns.
pub(crate) struct Contest {
    pub(crate) unit: Unit,
    pub(crate) ours: Contestant,
    pub(crate) limit: Option<Limit>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) bars: Vec<Bar>,
}

/// The least that ours could cost: `times` a simpler thing.
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    pub(crate) times: f64,
    pub(crate) contestant: Contestant,
}

/// Somebody else's implementation.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) contestant: Contestant,
}

/// Something to be measured.
pub(crate) enum Contestant {
    /// Does the work once and checks its result.
    Run(Box<dyn FnMut() -> Result<(), Failure>>),
    /// Says itself what it comes to in a round.
    Report(Box<ReportOnRound>),
    /// Known beforehand not to be measurable here, with the reason.
    Unavailable(String),
}

type ReportOnRound = dyn FnMut(&Plan) -> Result<Reading, Failure>;

impl Contestant {
    pub(crate) fn run(work: impl FnMut() -> Result<(), Failure> + 'static) -> Self {
        Self::Run(Box::new(work))
    }

    pub(crate) fn report(work: impl FnMut(&Plan) -> Result<Reading, Failure> + 'static) -> Self {
        Self::Report(Box::new(work))
    }

    pub(crate) fn unavailable(reason: impl Into<String>) -> Self {
        Self::Unavailable(reason.into())
    }
}

/// What a contestant says of a round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Reading {
    /// In the row's unit.
    pub(crate) value: f64,
    /// The most bytes that were resident in the process that the row is about, if it is about one, until now.
    pub(crate) peak_resident: Option<f64>,
}

/// What is counted for one iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Nanoseconds of processor time of this thread: right for work that neither waits nor uses other threads, because
    /// it leaves out what else the machine did meanwhile.
    CpuTime,
    /// Nanoseconds of processor time of this process: for work that other threads of it have a part in.
    ProcessTime,
    /// Nanoseconds on the wall: for work that several processors share.
    WallTime,
    /// Nanoseconds on the wall that 99 of 100 calls of a round do not exceed, as the contestants report them.
    Percentile99,
    /// Bytes allocated by this thread, in total.
    Bytes,
    /// Bytes by which memory has grown after many iterations: the process's resident set, and this thread's allocations.
    Growth,
}

impl Unit {
    /// Whether it is a time so short that it depends on where a process has its code and data.
    pub(crate) const fn depends_on_process(self) -> bool {
        match self {
            Self::CpuTime | Self::ProcessTime | Self::WallTime => true,
            Self::Percentile99 | Self::Bytes | Self::Growth => false,
        }
    }

    /// Whether it is nanoseconds.
    pub(crate) const fn is_time(self) -> bool {
        match self {
            Self::CpuTime | Self::ProcessTime | Self::WallTime | Self::Percentile99 => true,
            Self::Bytes | Self::Growth => false,
        }
    }
}

/// What is promised.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bar {
    /// Ours is at most this many times the limit.
    TimesLimit(f64),
    /// The peer takes at least this many times as much as ours.
    PeerTakes { peer: &'static str, times: f64 },
    /// Ours is below this many units.
    Below(f64),
    /// Ours has grown by less than this many bytes that the allocator was asked for.
    AllocatesBelow(f64),
    /// Ours never has so many bytes resident.
    ResidentBelow(f64),
}

impl fmt::Display for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TimesLimit(times) => write!(f, "≤ {times} × limit"),
            Self::PeerTakes { peer, times } => write!(f, "≥ {times} × faster than {peer}"),
            Self::Below(value) => write!(f, "< {value}"),
            Self::AllocatesBelow(value) => write!(f, "< {value} allocated"),
            Self::ResidentBelow(value) => write!(f, "< {value} resident"),
        }
    }
}

/// Why something could not be set up, or did not do its work.
pub(crate) type Failure = Box<dyn std::error::Error>;
