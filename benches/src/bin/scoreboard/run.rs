//! Measuring: all contestants of a row in turns, many short rounds, so that whatever else the machine does meets them
//! alike.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::processes;
use crate::row::{Contest, Contestant, Failure, Row, Unit};
use crate::stats::Summary;
use crate::verdict::{Allocations, Cell, LimitScore, Measurement, Outcome, Scores};

/// How long to measure.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// At least, in each process.
    pub(crate) rounds: usize,
    /// Rows whose rounds are short get more of them.
    at_least: Duration,
    /// Of one contestant in one round, at least one iteration. Short, so that contestants meet the same machine.
    turn: Duration,
    warm_up: Duration,
    /// How many iterations come before growth is looked at, and how many it is looked at for.
    growth: (u32, u32),
    /// How many processes measure a row of times, each for as long.
    pub(crate) processes: usize,
    /// How many rounds there are where contestants report, each of which takes seconds.
    pub(crate) reports: usize,
    pub(crate) smoke: bool,
}

impl Plan {
    pub(crate) const fn full() -> Self {
        Self {
            rounds: 60,
            at_least: Duration::from_millis(800),
            turn: Duration::from_millis(1),
            warm_up: Duration::from_millis(200),
            growth: (10_000, 100_000),
            processes: 5,
            reports: 5,
            smoke: false,
        }
    }

    pub(crate) const fn smoke() -> Self {
        Self {
            rounds: 1,
            at_least: Duration::ZERO,
            turn: Duration::ZERO,
            warm_up: Duration::ZERO,
            growth: (10, 50),
            processes: 2,
            reports: 1,
            smoke: true,
        }
    }
}

/// Measures a row. No failure or panic in it ends the scoreboard.
pub(crate) fn row(row: &Row, plan: &Plan) -> Outcome {
    let scores = in_this_process(row, plan).and_then(|mut scores| {
        let processes = if scores.unit.depends_on_process() { plan.processes } else { 1 };
        for _ in 1..processes {
            processes::add_another(row.name, plan, &mut scores).map_err(|failure| failure.to_string())?;
        }
        Ok(scores)
    });
    Outcome { name: row.name, scores, smoke: plan.smoke }
}

/// One process's part of a row.
pub(crate) fn in_this_process(row: &Row, plan: &Plan) -> Result<Scores, String> {
    let contest = guarded(row.setup).map_err(|reason| format!("cannot be set up: {reason}"))?;
    Ok(contend(contest, plan))
}

fn contend(contest: Contest, plan: &Plan) -> Scores {
    let Contest { unit, ours, limit, peers, bars } = contest;
    let (limit, floor) = limit.map(|limit| ((limit.name, limit.times), limit.contestant)).unzip();
    let (names, peers): (Vec<_>, Vec<_>) = peers.into_iter().map(|peer| (peer.name, peer.contestant)).unzip();
    let mut entrants: Vec<_> = [ours].into_iter().chain(floor).chain(peers).map(Entrant::new).collect();
    match unit {
        Unit::CpuTime => race(&mut entrants, plan, cpu_time),
        Unit::ProcessTime => race(&mut entrants, plan, process_time),
        Unit::WallTime => race(&mut entrants, plan, wall_time),
        Unit::Percentile99 => collect(&mut entrants, plan),
        Unit::Bytes => entrants.iter_mut().for_each(Entrant::count),
        Unit::Growth => entrants.iter_mut().for_each(|entrant| entrant.grow(plan)),
    }
    let mut cells = entrants.into_iter().map(Entrant::into_cell);
    let mut next = || cells.next().unwrap_or_else(|| Cell::Failed("was not measured".to_owned()));
    Scores {
        unit,
        ours: next(),
        limit: limit.map(|(name, times)| LimitScore { name, times, cell: next() }),
        peers: names.into_iter().map(|name| (name, next())).collect(),
        bars,
        ratio_by_process: Vec::new(),
    }
}

fn race(entrants: &mut [Entrant], plan: &Plan, clock: Clock) {
    // Times are not to contain the counting.
    allocation_counter::opt_out(|| {
        for entrant in entrants.iter_mut() {
            entrant.warm_up(plan, clock);
        }
        let (began, mut round) = (clock(), 0);
        while round < plan.rounds || clock().saturating_sub(began) < plan.at_least {
            in_turns(entrants, round, |entrant| entrant.take_turn(clock));
            round += 1;
        }
    });
}

fn collect(entrants: &mut [Entrant], plan: &Plan) {
    allocation_counter::opt_out(|| {
        for round in 0..plan.reports {
            in_turns(entrants, round, |entrant| entrant.report(plan));
        }
    });
}

/// Nobody always comes after the same one.
fn in_turns(entrants: &mut [Entrant], round: usize, turn: impl FnMut(&mut Entrant)) {
    let first = round % entrants.len();
    let (late, early) = entrants.split_at_mut(first);
    early.iter_mut().chain(late).for_each(turn);
}

/// A contestant and what is known of it so far.
struct Entrant {
    contestant: Contestant,
    /// A turn's.
    iterations: u32,
    samples: Vec<f64>,
    allocations: Option<Allocations>,
    allocated_growth: Option<f64>,
    peak_resident: Option<f64>,
    failure: Option<String>,
}

impl Entrant {
    const fn new(contestant: Contestant) -> Self {
        Self {
            contestant,
            iterations: 1,
            samples: Vec::new(),
            allocations: None,
            allocated_growth: None,
            peak_resident: None,
            failure: None,
        }
    }

    /// Runs it until caches are warm and its speed is known.
    fn warm_up(&mut self, plan: &Plan, clock: Clock) {
        let (began, mut runs) = (clock(), 0_u32);
        while self.runs() && (runs == 0 || clock().saturating_sub(began) < plan.warm_up) {
            self.iterate(1);
            runs += 1;
        }
        if self.runs() && runs > 0 {
            let one = clock().saturating_sub(began) / runs;
            let iterations = plan.turn.as_nanos() / one.as_nanos().max(1);
            self.iterations = u32::try_from(iterations).unwrap_or(u32::MAX).max(1);
        }
    }

    fn take_turn(&mut self, clock: Clock) {
        // What ran before left its own code and data in the caches.
        self.iterate(1);
        let began = clock();
        self.iterate(self.iterations);
        let elapsed = clock().saturating_sub(began);
        if self.runs() {
            self.samples.push(elapsed.as_secs_f64() * 1e9 / f64::from(self.iterations));
        }
    }

    /// Takes down what it says.
    fn report(&mut self, plan: &Plan) {
        let Contestant::Report(work) = &mut self.contestant else { return };
        if self.failure.is_some() {
            return;
        }
        match guarded(|| work(plan)) {
            Ok(reading) => {
                self.samples.push(reading.value);
                self.peak_resident = self.peak_resident.into_iter().chain(reading.peak_resident).reduce(f64::max);
            }
            Err(failure) => self.failure = Some(failure),
        }
    }

    /// Counts one run's allocations, after one for everything that is set up once.
    fn count(&mut self) {
        self.iterate(1);
        let counted = allocation_counter::measure(|| self.iterate(1));
        if self.runs() {
            // Exact below 2^53.
            self.samples.push(counted.bytes_total as f64);
            self.allocations = Some(Allocations { count: counted.count_total, peak_bytes: counted.bytes_max });
        }
    }

    /// Looks at the memory before and after many iterations.
    fn grow(&mut self, plan: &Plan) {
        let (settling, counted) = plan.growth;
        self.iterate(settling);
        let before = resident_bytes();
        let allocated = allocation_counter::measure(|| self.iterate(counted));
        let after = resident_bytes();
        if self.runs() {
            match before.and_then(|before| Ok(after? - before)) {
                // Exact below 2^53.
                Ok(growth) => self.samples.push(growth),
                Err(failure) => self.failure = Some(failure.to_string()),
            }
            self.allocated_growth = Some(allocated.bytes_current as f64);
        }
    }

    /// Once it failed it is out.
    fn iterate(&mut self, iterations: u32) {
        let Contestant::Run(work) = &mut self.contestant else { return };
        if self.failure.is_none() {
            self.failure = guarded(|| (0..iterations).try_for_each(|_| work())).err();
        }
    }

    fn runs(&self) -> bool {
        self.failure.is_none() && matches!(self.contestant, Contestant::Run(_))
    }

    fn into_cell(self) -> Cell {
        if let Contestant::Unavailable(reason) = self.contestant {
            return Cell::Unavailable(reason);
        }
        match (self.failure, Summary::of(self.samples.clone())) {
            (None, Some(summary)) => {
                let Self { samples, allocations, allocated_growth, peak_resident, .. } = self;
                Cell::Measured(Measurement { summary, samples, allocations, allocated_growth, peak_resident })
            }
            (failure, _) => Cell::Failed(failure.unwrap_or_else(|| "was not measured".to_owned())),
        }
    }
}

/// What a unit of time is read from.
type Clock = fn() -> Duration;

/// Of this thread since it began. Reading it is a system call, a microsecond a turn.
fn cpu_time() -> Duration {
    read(ClockId::ThreadCPUTime)
}

/// Of all threads of this process, ended ones too.
fn process_time() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn wall_time() -> Duration {
    read(ClockId::Monotonic)
}

fn read(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).expect("no time since a beginning is negative")
}

/// The memory that this process has, as the kernel counts it: what C code allocates is in it.
fn resident_bytes() -> Result<f64, Failure> {
    let text = std::fs::read_to_string("/proc/self/smaps_rollup")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Rss:")).ok_or("no resident set")?;
    let kilobytes: f64 = line.trim().strip_suffix(" kB").ok_or("another unit than kB")?.trim().parse()?;
    Ok(kilobytes * 1024.0)
}

/// Turns errors and panics into their message.
fn guarded<T>(work: impl FnOnce() -> Result<T, Failure>) -> Result<T, String> {
    // What a panic leaves half done is never looked at again.
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|failure| failure.to_string()),
        Err(panic) => Err(format!("panicked: {}", message(panic.as_ref()))),
    }
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;

    use super::*;
    use crate::row::{Bar, Limit, Peer, Reading};

    fn plan(rounds: usize) -> Plan {
        Plan { rounds, ..Plan::smoke() }
    }

    fn nothing() -> Contestant {
        Contestant::run(|| Ok(()))
    }

    fn contest(unit: Unit, ours: Contestant, peers: Vec<Peer>) -> Contest {
        let limit = Limit { name: "limit", times: 2.0, contestant: nothing() };
        Contest { unit, ours, limit: Some(limit), peers, bars: vec![Bar::TimesLimit(1.0)] }
    }

    #[test]
    fn contestants_take_turns() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let noting = |name: &'static str| {
            let order = Rc::clone(&order);
            Contestant::run(move || {
                order.borrow_mut().push(name);
                Ok(())
            })
        };
        let peers = vec![Peer { name: "peer", contestant: noting("peer") }];
        let scores = contend(contest(Unit::CpuTime, noting("ours"), peers), &plan(3));
        // A warm-up each, then an untimed and a timed run a turn; the first of a round changes.
        let turns: Vec<_> = order.borrow()[2..].chunks(2).map(|turn| (turn[0], turn[1])).collect();
        let (ours, peer) = (("ours", "ours"), ("peer", "peer"));
        assert_eq!(turns, [ours, peer, peer, ours, peer, ours]);
        let Cell::Measured(measurement) = &scores.ours else { panic!("{:?}", scores.ours) };
        assert_eq!(measurement.summary.samples, 3);
        assert!(measurement.summary.median > 0.0, "time passes while the thread runs");
    }

    #[test]
    fn a_peer_that_panics_or_fails_is_out_and_the_others_go_on() {
        let mut runs = 0;
        let late = Contestant::run(move || {
            runs += 1;
            if runs > 4 { Err("tired".into()) } else { Ok(()) }
        });
        let peers = vec![
            Peer { name: "panics", contestant: Contestant::run(|| panic!("at {}", "once")) },
            Peer { name: "fails", contestant: late },
            Peer { name: "absent", contestant: Contestant::unavailable("a reason") },
            Peer { name: "works", contestant: nothing() },
        ];
        let scores = contend(contest(Unit::CpuTime, nothing(), peers), &plan(5));
        let cells: Vec<_> = scores.peers.iter().map(|(_, cell)| cell).collect();
        assert_eq!(cells[0], &Cell::Failed("panicked: at once".to_owned()));
        assert_eq!(cells[1], &Cell::Failed("tired".to_owned()));
        assert_eq!(cells[2], &Cell::Unavailable("a reason".to_owned()));
        assert!(matches!(cells[3], Cell::Measured(_)) && matches!(scores.ours, Cell::Measured(_)));
    }

    #[test]
    fn a_row_that_cannot_be_set_up_does_not_pass() {
        let fails = Row { name: "fails", setup: || Err("no document".into()) };
        assert_eq!(row(&fails, &plan(1)).scores, Err("cannot be set up: no document".to_owned()));
        let panics = Row { name: "panics", setup: || panic!("no document") };
        let outcome = row(&panics, &plan(1));
        assert_eq!(outcome.scores, Err("cannot be set up: panicked: no document".to_owned()));
        assert!(!outcome.passes());
    }

    #[test]
    fn every_clock_goes_forward_and_a_process_has_its_threads_time() {
        let busy = || {
            let began = read(ClockId::ThreadCPUTime);
            while read(ClockId::ThreadCPUTime) - began < Duration::from_millis(20) {}
        };
        let before = (cpu_time(), process_time(), wall_time());
        std::thread::spawn(busy).join().unwrap();
        assert!(wall_time() - before.2 >= Duration::from_millis(20));
        assert!(process_time() - before.1 >= Duration::from_millis(20), "another thread's work is the process's");
        assert!(cpu_time() - before.0 < Duration::from_millis(20), "and not this thread's");
    }

    #[test]
    fn growth_is_what_is_kept() {
        let mut kept = Vec::new();
        let hoard = Contestant::run(move || {
            kept.push(std::hint::black_box(vec![1_u8; 100_000]));
            Ok(())
        });
        let grown = contend(contest(Unit::Growth, hoard, Vec::new()), &plan(1)).ours;
        let Cell::Measured(measurement) = &grown else { panic!("{grown:?}") };
        // Fifty of them, and the list itself.
        assert!((5e6..6e6).contains(&grown.allocated_growth().unwrap()), "{grown:?}");
        assert!(measurement.summary.median > 4e6, "{grown:?}");
        let frugal = contend(contest(Unit::Growth, nothing(), Vec::new()), &plan(1)).ours;
        assert_eq!(frugal.allocated_growth(), Some(0.0));
    }

    #[test]
    fn reports_are_taken_down_in_turns_until_one_fails() {
        let order = Rc::new(RefCell::new(Vec::new()));
        let reporting = |name: &'static str, peaks: [f64; 3]| {
            let (order, mut peaks) = (Rc::clone(&order), peaks.into_iter());
            Contestant::report(move |plan| {
                assert!(plan.smoke);
                order.borrow_mut().push(name);
                let peak_resident = peaks.next();
                Ok(Reading { value: peak_resident.ok_or("tired")?, peak_resident })
            })
        };
        let mut contest = contest(Unit::Percentile99, reporting("ours", [5.0, 7.0, 6.0]), Vec::new());
        contest.limit = Some(Limit { name: "quiet", times: 1.0, contestant: reporting("quiet", [1.0; 3]) });
        let scores = contend(contest, &Plan { reports: 3, ..Plan::smoke() });
        assert_eq!(*order.borrow(), ["ours", "quiet", "quiet", "ours", "ours", "quiet"]);
        assert_eq!((scores.ours.median(), scores.ours.peak_resident()), (Some(6.0), Some(7.0)));
        assert_eq!(scores.ratio().map(|ratio| ratio.median), Some(6.0));

        let fails = Contestant::report(|_| Err("no attack".into()));
        let scores = contend(self::contest(Unit::Percentile99, fails, Vec::new()), &Plan::smoke());
        assert_eq!(scores.ours, Cell::Failed("no attack".to_owned()));
    }

    #[test]
    fn allocations_are_those_of_one_run() {
        let allocate = || {
            let first = std::hint::black_box(vec![1_u8; 1000]);
            drop(first);
            std::hint::black_box(vec![2_u8; 500]);
            Ok(())
        };
        let scores = contend(contest(Unit::Bytes, Contestant::run(allocate), Vec::new()), &plan(1));
        let Cell::Measured(measurement) = &scores.ours else { panic!("{:?}", scores.ours) };
        assert_eq!(measurement.summary.median, 1500.0);
        assert_eq!(measurement.allocations, Some(Allocations { count: 2, peak_bytes: 1000 }));
        assert_eq!(scores.limit(), Some(0.0));
    }
}
