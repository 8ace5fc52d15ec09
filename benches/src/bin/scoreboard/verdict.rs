//! Results, and what they mean for the bars.

use serde::{Deserialize, Serialize};

use crate::row::{Bar, Failure, Unit};
use crate::stats::Summary;

/// What came of a contestant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Cell {
    Measured(Measurement),
    /// It was known beforehand that there would be nothing to measure, and why.
    Unavailable(String),
    /// It returned an error or panicked.
    Failed(String),
}

impl Cell {
    /// This as a multiple of `other`, round by round: what speeds up or slows down the machine for longer than a round
    /// concerns both.
    fn relative_to(&self, other: &Self) -> Option<Summary> {
        let (Self::Measured(these), Self::Measured(others)) = (self, other) else { return None };
        Summary::of(these.samples.iter().zip(&others.samples).map(|(this, other)| this / other).collect())
    }

    /// Adds the rounds of another process, in which only times are measured. A failure of either is one of both.
    fn add(&mut self, other: Self) {
        match (&mut *self, other) {
            (Self::Measured(these), Self::Measured(others)) => {
                these.samples.extend(others.samples);
                these.summary = Summary::of(these.samples.clone()).expect("there are some");
            }
            (Self::Failed(_), _) | (Self::Unavailable(_), Self::Measured(_) | Self::Unavailable(_)) => {}
            (Self::Measured(_) | Self::Unavailable(_), other) => *self = other,
        }
    }

    pub(crate) fn median(&self) -> Option<f64> {
        match self {
            Self::Measured(measurement) => Some(measurement.summary.median),
            Self::Unavailable(_) | Self::Failed(_) => None,
        }
    }

    pub(crate) fn allocated_growth(&self) -> Option<f64> {
        match self {
            Self::Measured(measurement) => measurement.allocated_growth,
            Self::Unavailable(_) | Self::Failed(_) => None,
        }
    }

    pub(crate) fn peak_resident(&self) -> Option<f64> {
        match self {
            Self::Measured(measurement) => measurement.peak_resident,
            Self::Unavailable(_) | Self::Failed(_) => None,
        }
    }
}

/// For one iteration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) summary: Summary,
    /// One a round, in the order of rounds.
    pub(crate) samples: Vec<f64>,
    pub(crate) allocations: Option<Allocations>,
    /// Of what this thread has allocated, beside the resident set's growth.
    pub(crate) allocated_growth: Option<f64>,
    /// Of the process that the row is about.
    pub(crate) peak_resident: Option<f64>,
}

/// Beside the total of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Allocations {
    pub(crate) count: u64,
    pub(crate) peak_bytes: u64,
}

/// A measured row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scores {
    pub(crate) unit: Unit,
    pub(crate) ours: Cell,
    pub(crate) limit: Option<LimitScore>,
    pub(crate) peers: Vec<(&'static str, Cell)>,
    pub(crate) bars: Vec<Bar>,
    /// The median ratio to the limit in each process; empty if there was one.
    pub(crate) ratio_by_process: Vec<f64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct LimitScore {
    pub(crate) name: &'static str,
    pub(crate) times: f64,
    /// Of one, not of `times`.
    pub(crate) cell: Cell,
}

impl Scores {
    /// What came of each contestant, by its name.
    pub(crate) fn into_cells(mut self) -> Vec<(String, Cell)> {
        self.cells_mut().into_iter().map(|(name, cell)| (name.to_owned(), cell.clone())).collect()
    }

    /// Adds the cells of another process.
    ///
    /// # Errors
    /// If they are not of the same contestants.
    pub(crate) fn add_process(&mut self, cells: Vec<(String, Cell)>) -> Result<(), Failure> {
        let names: Vec<_> = self.cells_mut().into_iter().map(|(name, _)| name).collect();
        let others: Vec<_> = cells.iter().map(|(name, _)| name.as_str()).collect();
        if names != others {
            return Err(format!("{names:?} are measured here, {others:?} in another process").into());
        }
        if self.ratio_by_process.is_empty() {
            self.ratio_by_process.extend(self.ratio().map(|ratio| ratio.median));
        }
        if let (Some(limit), [(_, ours), (_, cell), ..]) = (&self.limit, &cells[..]) {
            let ratio = ours.relative_to(cell).map(|ratio| ratio.divided_by(limit.times));
            self.ratio_by_process.extend(ratio.map(|ratio| ratio.median));
        }
        for ((_, own), (_, cell)) in self.cells_mut().into_iter().zip(cells) {
            own.add(cell);
        }
        Ok(())
    }

    /// Ours, the limit's if there is one, and the peers'.
    fn cells_mut(&mut self) -> Vec<(&'static str, &mut Cell)> {
        let limit = self.limit.as_mut().map(|limit| (limit.name, &mut limit.cell));
        let peers = self.peers.iter_mut().map(|(name, cell)| (*name, cell));
        [("ours", &mut self.ours)].into_iter().chain(limit).chain(peers).collect()
    }

    /// The limit, all of it.
    pub(crate) fn limit(&self) -> Option<f64> {
        let limit = self.limit.as_ref()?;
        Some(limit.times * limit.cell.median()?)
    }

    /// Ours as a multiple of the limit.
    pub(crate) fn ratio(&self) -> Option<Summary> {
        let limit = self.limit.as_ref()?;
        Some(self.ours.relative_to(&limit.cell)?.divided_by(limit.times))
    }

    /// How many times as much as ours a peer takes.
    pub(crate) fn advantage_over(&self, peer: &str) -> Option<f64> {
        let (_, cell) = self.peers.iter().find(|(name, _)| *name == peer)?;
        Some(cell.relative_to(&self.ours)?.median)
    }

    fn judge(&self, bar: Bar) -> Verdict {
        let met = match bar {
            Bar::TimesLimit(times) => self.ratio().map(|ratio| ratio.median <= times),
            Bar::PeerTakes { peer, times } => self.advantage_over(peer).map(|advantage| advantage >= times),
            Bar::Below(value) => self.ours.median().map(|ours| ours < value),
            Bar::AllocatesBelow(value) => self.ours.allocated_growth().map(|growth| growth < value),
            Bar::ResidentBelow(value) => self.ours.peak_resident().map(|peak| peak < value),
        };
        match met {
            Some(true) => Verdict::Met,
            Some(false) => Verdict::Missed,
            None => Verdict::Unknown,
        }
    }
}

/// Whether a bar is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Met,
    Missed,
    /// Not asked: of times a smoke run shows only that the row runs.
    NotJudged,
    /// What it compares with could not be measured: nothing is known to be met, so the row does not pass.
    Unknown,
}

/// What came of a row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) name: &'static str,
    /// Or why there are none.
    pub(crate) scores: Result<Scores, String>,
    pub(crate) smoke: bool,
}

impl Outcome {
    /// Each bar with its verdict.
    pub(crate) fn verdicts(&self) -> Vec<(Bar, Verdict)> {
        let Ok(scores) = &self.scores else { return Vec::new() };
        // Bytes are the same in every run; times of a smoke run mean nothing, nor does how a program grows that began.
        let is_judged = !self.smoke || scores.unit == Unit::Bytes;
        let verdict = |bar| if is_judged { scores.judge(bar) } else { Verdict::NotJudged };
        scores.bars.iter().map(|&bar| (bar, verdict(bar))).collect()
    }

    /// Whether ours ran (or had a reason not to) and no bar is missed or unknown.
    pub(crate) fn passes(&self) -> bool {
        let ran = self.scores.as_ref().is_ok_and(|scores| !matches!(scores.ours, Cell::Failed(_)));
        ran && self.verdicts().iter().all(|(_, verdict)| matches!(verdict, Verdict::Met | Verdict::NotJudged))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(median: f64) -> Cell {
        of_rounds(&[median])
    }

    fn of_rounds(samples: &[f64]) -> Cell {
        let samples = samples.to_vec();
        let summary = Summary::of(samples.clone()).unwrap();
        Cell::Measured(Measurement { summary, samples, allocations: None, allocated_growth: None, peak_resident: None })
    }

    fn unavailable() -> Cell {
        Cell::Unavailable("no time argument".to_owned())
    }

    fn failed() -> Cell {
        Cell::Failed("panicked: overflow".to_owned())
    }

    /// Ours against five times `limit`, and a peer.
    fn outcome(ours: Cell, limit: Cell, peer: Cell, bars: &[Bar]) -> Outcome {
        let limit = LimitScore { name: "limit", times: 5.0, cell: limit };
        let scores = Scores {
            unit: Unit::CpuTime,
            ours,
            limit: Some(limit),
            peers: vec![("peer", peer)],
            bars: bars.to_vec(),
            ratio_by_process: Vec::new(),
        };
        Outcome { name: "test", scores: Ok(scores), smoke: false }
    }

    const LIMIT: Bar = Bar::TimesLimit(1.15);
    const PEER: Bar = Bar::PeerTakes { peer: "peer", times: 3.0 };

    fn verdicts(outcome: &Outcome) -> Vec<Verdict> {
        outcome.verdicts().into_iter().map(|(_, verdict)| verdict).collect()
    }

    #[test]
    fn a_row_passes_if_every_bar_is_met() {
        let outcome = outcome(measured(115.0), measured(20.0), measured(345.0), &[LIMIT, PEER, Bar::Below(116.0)]);
        assert_eq!(verdicts(&outcome), [Verdict::Met; 3]);
        assert!(outcome.passes());
    }

    #[test]
    fn growth_is_held_against_both_of_its_bars_but_not_in_a_smoke_run() {
        let mut grown = of_rounds(&[5000.0]);
        let Cell::Measured(measurement) = &mut grown else { unreachable!("it was measured") };
        measurement.allocated_growth = Some(70.0);
        let bars = [Bar::Below(6000.0), Bar::AllocatesBelow(64.0)];
        let scores = Scores {
            unit: Unit::Growth,
            ours: grown,
            limit: None,
            peers: Vec::new(),
            bars: bars.to_vec(),
            ratio_by_process: Vec::new(),
        };
        let mut outcome = Outcome { name: "test", scores: Ok(scores), smoke: false };
        assert_eq!(verdicts(&outcome), [Verdict::Met, Verdict::Missed]);
        outcome.smoke = true;
        assert_eq!(verdicts(&outcome), [Verdict::NotJudged; 2]);
        assert!(outcome.passes());
    }

    #[test]
    fn a_server_under_attack_is_held_against_its_quiet_self_and_its_memory() {
        let attacked = |peak_resident| {
            let mut ours = of_rounds(&[900.0, 4000.0, 800.0]);
            let Cell::Measured(measurement) = &mut ours else { unreachable!("it was measured") };
            measurement.peak_resident = peak_resident;
            let limit = LimitScore { name: "quiet", times: 1.0, cell: of_rounds(&[90.0, 500.0, 100.0]) };
            let bars = vec![Bar::TimesLimit(10.0), Bar::ResidentBelow(64.0)];
            let scores = Scores {
                unit: Unit::Percentile99,
                ours,
                limit: Some(limit),
                peers: Vec::new(),
                bars,
                ratio_by_process: Vec::new(),
            };
            Outcome { name: "test", scores: Ok(scores), smoke: false }
        };
        assert_eq!(verdicts(&attacked(Some(63.0))), [Verdict::Met; 2]);
        assert_eq!(verdicts(&attacked(Some(64.0))), [Verdict::Met, Verdict::Missed]);
        assert_eq!(verdicts(&attacked(None)), [Verdict::Met, Verdict::Unknown]);
    }

    #[test]
    fn allocations_that_were_not_counted_leave_their_bar_unmet() {
        let outcome = outcome(measured(1.0), measured(20.0), measured(300.0), &[Bar::AllocatesBelow(64.0)]);
        assert_eq!(verdicts(&outcome), [Verdict::Unknown]);
    }

    #[test]
    fn one_missed_bar_fails_the_row() {
        let slow = outcome(measured(116.0), measured(20.0), measured(400.0), &[LIMIT, PEER]);
        assert_eq!(verdicts(&slow), [Verdict::Missed, Verdict::Met]);
        assert!(!slow.passes());

        let not_much_faster = outcome(measured(100.0), measured(20.0), measured(299.0), &[LIMIT, PEER]);
        assert_eq!(verdicts(&not_much_faster), [Verdict::Met, Verdict::Missed]);
        assert!(!not_much_faster.passes());

        let large = outcome(measured(100.0), measured(20.0), measured(300.0), &[Bar::Below(100.0)]);
        assert_eq!(verdicts(&large), [Verdict::Missed]);
        assert!(!large.passes());
    }

    #[test]
    fn a_peer_without_a_bar_may_be_unavailable_or_fail() {
        for peer in [unavailable(), failed()] {
            assert!(outcome(measured(100.0), measured(20.0), peer, &[LIMIT]).passes());
        }
    }

    #[test]
    fn a_bar_over_a_peer_that_was_not_measured_is_not_met() {
        for peer in [unavailable(), failed()] {
            let outcome = outcome(measured(100.0), measured(20.0), peer, &[LIMIT, PEER]);
            assert_eq!(verdicts(&outcome), [Verdict::Met, Verdict::Unknown]);
            assert!(!outcome.passes());
        }
    }

    #[test]
    fn a_bar_over_a_peer_that_is_not_there_is_not_met() {
        let bar = Bar::PeerTakes { peer: "another", times: 1.0 };
        assert_eq!(verdicts(&outcome(measured(1.0), measured(1.0), measured(9.0), &[bar])), [Verdict::Unknown]);
    }

    #[test]
    fn a_limit_that_was_not_measured_leaves_its_bar_unmet() {
        let outcome = outcome(measured(1.0), failed(), measured(300.0), &[LIMIT]);
        assert_eq!(verdicts(&outcome), [Verdict::Unknown]);
        assert!(!outcome.passes());
    }

    #[test]
    fn ours_must_run_unless_there_is_a_reason_and_no_bar() {
        assert!(!outcome(failed(), measured(20.0), measured(300.0), &[]).passes());
        assert!(!outcome(unavailable(), measured(20.0), measured(300.0), &[LIMIT]).passes());
        assert!(outcome(unavailable(), measured(20.0), measured(300.0), &[]).passes());
        assert!(!Outcome { name: "test", scores: Err("no document".to_owned()), smoke: true }.passes());
    }

    #[test]
    fn a_smoke_run_judges_no_time_but_ours_must_run() {
        let mut slow = outcome(measured(1e9), measured(20.0), failed(), &[LIMIT, PEER]);
        slow.smoke = true;
        assert_eq!(verdicts(&slow), [Verdict::NotJudged; 2]);
        assert!(slow.passes());

        let mut large = slow.clone();
        large.scores.as_mut().unwrap().unit = Unit::Bytes;
        assert!(!large.passes(), "bytes are judged");

        let mut broken = outcome(failed(), measured(20.0), measured(300.0), &[LIMIT]);
        broken.smoke = true;
        assert!(!broken.passes());
    }

    #[test]
    fn the_rounds_of_several_processes_count_alike() {
        let slow = outcome(of_rounds(&[140.0; 3]), of_rounds(&[20.0; 3]), measured(1.0), &[]).scores.unwrap();
        let mut scores = outcome(of_rounds(&[110.0; 4]), of_rounds(&[20.0; 4]), measured(2.0), &[]).scores.unwrap();
        scores.add_process(slow.clone().into_cells()).unwrap();
        assert_eq!(scores.ratio().unwrap().samples, 7);
        assert!((scores.ratio().unwrap().median - 1.1).abs() < 1e-9, "{scores:?}");
        scores.add_process(slow.clone().into_cells()).unwrap();
        assert!((scores.ratio().unwrap().median - 1.4).abs() < 1e-9, "{scores:?}");
        assert_eq!(scores.peers[0].1.median(), Some(1.0));
        let by_process = &scores.ratio_by_process;
        assert_eq!(by_process.len(), 3);
        assert!(
            by_process.iter().zip([1.1, 1.4, 1.4]).all(|(is, should)| (is - should).abs() < 1e-9),
            "{by_process:?}"
        );

        let mut failing = slow.clone();
        failing.peers[0].1 = failed();
        scores.add_process(failing.into_cells()).unwrap();
        scores.add_process(slow.clone().into_cells()).unwrap();
        assert_eq!((&scores.peers[0].1, scores.ratio().unwrap().samples), (&failed(), 16));
        let fewer = slow.into_cells().split_off(1);
        assert_eq!(
            scores.add_process(fewer).unwrap_err().to_string(),
            r#"["ours", "limit", "peer"] are measured here, ["limit", "peer"] in another process"#
        );
    }

    #[test]
    fn ratios_are_medians_of_those_of_rounds() {
        // The machine runs at half its speed in two rounds of five, and ours and the peer meet a hiccup once.
        let ours = of_rounds(&[110.0, 220.0, 900.0, 220.0, 110.0]);
        let limit = of_rounds(&[20.0, 40.0, 20.0, 40.0, 20.0]);
        let peer = of_rounds(&[330.0, 5000.0, 330.0, 660.0, 330.0]);
        let scores = outcome(ours, limit, peer, &[]).scores.unwrap();
        assert_eq!(scores.limit(), Some(100.0));
        let ratio = scores.ratio().unwrap();
        assert!((ratio.median - 1.1).abs() < 1e-9 && ratio.interquartile_range() < 1e-9, "{ratio:?}");
        assert_eq!(scores.advantage_over("peer"), Some(3.0));
    }
}
