//! The scoreboard for people and for programs.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::row::{Bar, Unit};
use crate::run::Plan;
use crate::stats::Summary;
use crate::verdict::{Cell, LimitScore, Outcome, Scores, Verdict};

/// A line a row, continued by one for each further peer and bar.
pub(crate) fn table(outcomes: &[Outcome], plan: &Plan) -> String {
    let mut lines = vec![HEADINGS.map(str::to_owned)];
    for outcome in outcomes {
        lines.extend(match &outcome.scores {
            Ok(scores) => row(outcome, scores),
            Err(reason) => {
                let [ours, pass] = [reason.clone(), "NO".to_owned()];
                vec![[outcome.name.to_owned(), ours, String::new(), String::new(), String::new(), String::new(), pass]]
            }
        });
    }
    let mut text = aligned(&lines);
    if plan.smoke {
        text.push_str("a smoke run: no bar on times judged\n");
    } else {
        let Plan { rounds, processes, reports, .. } = plan;
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "medians of at least {rounds} rounds in turns in each of {processes} processes (hostile: {reports} rounds in one; bytes: once), ± half the interquartile range; NITRO_VECTORS names real documents"
        );
    }
    text
}

const HEADINGS: [&str; 7] = ["name", "ours", "limit", "ratio", "peers (× ours)", "bar", "pass"];

fn row(outcome: &Outcome, scores: &Scores) -> Vec<[String; 7]> {
    let unit = scores.unit;
    let peers: Vec<_> = scores.peers.iter().map(|(name, cell)| peer(scores, name, cell)).collect();
    let verdicts = outcome.verdicts();
    let bars: Vec<_> = verdicts.iter().map(|&(bar, verdict)| (bar_text(bar, unit), verdict_text(verdict))).collect();
    let no_bar = ("none".to_owned(), if outcome.passes() { "–" } else { "NO" });
    (0..peers.len().max(bars.len()).max(1))
        .map(|line| {
            let first = |text: String| if line == 0 { text } else { String::new() };
            let (bar, pass) = match bars.get(line) {
                Some(bar) => bar.clone(),
                None if line == 0 => no_bar.clone(),
                None => (String::new(), ""),
            };
            [
                first(outcome.name.to_owned()),
                first(cell_text(&scores.ours, unit)),
                first(scores.limit.as_ref().map_or_else(|| "none".to_owned(), |limit| limit_text(limit, unit))),
                first(scores.ratio().map_or_else(String::new, |ratio| format!("{:.3}", ratio.median))),
                peers.get(line).cloned().unwrap_or_default(),
                bar,
                pass.to_owned(),
            ]
        })
        .collect()
}

fn peer(scores: &Scores, name: &str, cell: &Cell) -> String {
    let times = scores.advantage_over(name).map_or_else(String::new, |times| format!(" ({times:.2} ×)"));
    format!("{name}: {}{times}", cell_text(cell, scores.unit))
}

fn limit_text(limit: &LimitScore, unit: Unit) -> String {
    format!("{} × {} {}", limit.times, limit.name, cell_text(&limit.cell, unit))
}

fn cell_text(cell: &Cell, unit: Unit) -> String {
    match cell {
        Cell::Measured(measurement) => {
            let summary = &measurement.summary;
            let median = quantity(summary.median, unit);
            match (measurement.allocations, measurement.allocated_growth) {
                (Some(allocations), _) => {
                    format!("{median} in {}, peak {} B", allocations.count, allocations.peak_bytes)
                }
                (None, Some(growth)) => format!("{median} resident, {growth:+.0} B allocated"),
                (None, None) => {
                    let spread = quantity(summary.interquartile_range() / 2.0, unit);
                    let peak = measurement
                        .peak_resident
                        .map_or_else(String::new, |peak| format!(", peak {} resident", mebibytes(peak)));
                    format!("{median} ± {spread}{peak}")
                }
            }
        }
        Cell::Unavailable(reason) => reason.clone(),
        Cell::Failed(reason) => format!("FAILED: {reason}"),
    }
}

fn quantity(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Bytes => format!("{value:.0} B"),
        Unit::Growth => format!("{value:+.0} B"),
        _ if value < 1e3 => format!("{value:.0} ns"),
        _ if value < 1e6 => format!("{:.2} µs", value / 1e3),
        _ => format!("{:.2} ms", value / 1e6),
    }
}

fn mebibytes(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / (1024.0 * 1024.0))
}

fn bar_text(bar: Bar, unit: Unit) -> String {
    match bar {
        // Growth has a sign, but not what it stays below.
        Bar::Below(value) if unit == Unit::Growth => format!("< {} resident", quantity(value, Unit::Bytes)),
        Bar::Below(value) => format!("< {}", quantity(value, unit)),
        Bar::AllocatesBelow(value) => format!("< {} allocated", quantity(value, Unit::Bytes)),
        Bar::ResidentBelow(value) => format!("< {} resident", mebibytes(value)),
        Bar::TimesLimit(_) | Bar::PeerTakes { .. } => bar.to_string(),
    }
}

const fn verdict_text(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "yes",
        Verdict::Missed => "NO",
        Verdict::NotJudged => "not judged",
        Verdict::Unknown => "NO: unknown",
    }
}

fn aligned(lines: &[[String; 7]]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for line in lines {
        let padded: Vec<_> = line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// Times in nanoseconds.
pub(crate) fn json(outcomes: &[Outcome], plan: &Plan) -> Value {
    json!({
        "pass": outcomes.iter().all(Outcome::passes),
        "smoke": plan.smoke,
        "rows": outcomes.iter().map(row_json).collect::<Vec<_>>(),
    })
}

fn row_json(outcome: &Outcome) -> Value {
    let scores = match &outcome.scores {
        Ok(scores) => scores,
        Err(reason) => return json!({ "name": outcome.name, "failed": reason, "pass": false }),
    };
    let limit = scores.limit.as_ref().map(|limit| {
        json!({ "name": limit.name, "times": limit.times, "one": cell_json(&limit.cell), "total": scores.limit() })
    });
    let peers: Vec<_> = scores.peers.iter().map(|(name, cell)| {
        json!({ "name": name, "result": cell_json(cell), "times_ours": scores.advantage_over(name) })
    }).collect();
    let bars: Vec<_> = outcome
        .verdicts()
        .into_iter()
        .map(|(bar, verdict)| json!({ "bar": bar.to_string(), "verdict": verdict_json(verdict) }))
        .collect();
    json!({
        "name": outcome.name,
        "unit": if scores.unit.is_time() { "ns" } else { "bytes" },
        "clock": clock(scores.unit),
        "ours": cell_json(&scores.ours),
        "limit": limit,
        "ratio": scores.ratio().map(summary_json),
        "ratio_by_process": &scores.ratio_by_process,
        "peers": peers,
        "bars": bars,
        "pass": outcome.passes(),
    })
}

/// What a time was read from.
const fn clock(unit: Unit) -> Option<&'static str> {
    match unit {
        Unit::CpuTime => Some("processor time of the thread"),
        Unit::ProcessTime => Some("processor time of the process"),
        Unit::WallTime => Some("wall"),
        Unit::Percentile99 => Some("wall, 99th percentile of calls"),
        Unit::Bytes | Unit::Growth => None,
    }
}

fn cell_json(cell: &Cell) -> Value {
    match cell {
        Cell::Measured(measurement) => {
            let mut json = summary_json(measurement.summary);
            if let Some(allocations) = measurement.allocations {
                json["allocations"] = allocations.count.into();
                json["peak_bytes"] = allocations.peak_bytes.into();
            }
            if let Some(growth) = measurement.allocated_growth {
                json["allocated"] = growth.into();
            }
            if let Some(peak) = measurement.peak_resident {
                json["peak_resident"] = peak.into();
            }
            json
        }
        Cell::Unavailable(reason) => json!({ "unavailable": reason }),
        Cell::Failed(reason) => json!({ "failed": reason }),
    }
}

fn summary_json(summary: Summary) -> Value {
    json!({
        "median": summary.median,
        "lower_quartile": summary.lower_quartile,
        "upper_quartile": summary.upper_quartile,
        "interquartile_range": summary.interquartile_range(),
        "samples": summary.samples,
    })
}

const fn verdict_json(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => "met",
        Verdict::Missed => "missed",
        Verdict::NotJudged => "not judged",
        Verdict::Unknown => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::{Allocations, Measurement};

    fn measured(samples: &[f64]) -> Cell {
        let samples = samples.to_vec();
        Cell::Measured(Measurement {
            summary: Summary::of(samples.clone()).unwrap(),
            samples,
            allocations: None,
            allocated_growth: None,
            peak_resident: None,
        })
    }

    fn outcomes() -> Vec<Outcome> {
        let scores = Scores {
            unit: Unit::CpuTime,
            ours: measured(&[500_000.0, 600_000.0, 700_000.0]),
            limit: Some(LimitScore { name: "verify", times: 5.0, cell: measured(&[100_000.0; 3]) }),
            peers: vec![
                ("fast", measured(&[1_000_000.0, 1_200_000.0, 1_400_000.0])),
                ("absent", Cell::Unavailable("no time argument".to_owned())),
                ("broken", Cell::Failed("panicked: overflow".to_owned())),
            ],
            bars: vec![Bar::TimesLimit(1.15), Bar::PeerTakes { peer: "fast", times: 2.0 }],
            ratio_by_process: Vec::new(),
        };
        let row = Outcome { name: "subject-what", scores: Ok(scores), smoke: false };
        vec![
            row,
            Outcome { name: "subject-absent", scores: Err("cannot be set up: no document".to_owned()), smoke: false },
        ]
    }

    #[test]
    fn the_table_has_a_line_for_each_peer_and_bar() {
        let table = table(&outcomes(), &Plan::full());
        let lines: Vec<_> = table.lines().collect();
        let has = |line: usize, parts: &[&str]| {
            for part in parts {
                assert!(lines[line].contains(part), "line {line} without {part}:\n{table}");
            }
        };
        has(0, &HEADINGS);
        has(1, &["subject-what", "600.00 µs ± 50.00 µs", "5 × verify 100.00 µs", "1.200", "fast: 1.20 ms", "(2.00 ×)"]);
        has(1, &["≤ 1.15 × limit", "NO"]);
        has(2, &["absent: no time argument", "≥ 2 × faster than fast", "yes"]);
        has(3, &["broken: FAILED: panicked: overflow"]);
        has(4, &["subject-absent", "cannot be set up: no document", "NO"]);
    }

    #[test]
    fn the_json_has_the_spread_and_every_verdict() {
        let json = json(&outcomes(), &Plan::full());
        assert_eq!(json["pass"], false);
        let row = &json["rows"][0];
        assert_eq!((row["name"].as_str(), row["unit"].as_str()), (Some("subject-what"), Some("ns")));
        assert_eq!(row["ours"]["interquartile_range"], 100_000.0);
        assert_eq!(row["ours"]["samples"], 3);
        assert_eq!(row["limit"]["total"], 500_000.0);
        assert!((row["ratio"]["median"].as_f64().unwrap() - 1.2).abs() < 1e-9, "{row:#}");
        assert_eq!(row["peers"][1]["result"]["unavailable"], "no time argument");
        assert_eq!(row["peers"][2]["result"]["failed"], "panicked: overflow");
        assert_eq!(row["peers"][2]["times_ours"], Value::Null);
        assert_eq!((&row["bars"][0]["verdict"], &row["bars"][1]["verdict"]), (&json!("missed"), &json!("met")));
        assert_eq!(
            json["rows"][1],
            json!({ "name": "subject-absent", "failed": "cannot be set up: no document", "pass": false })
        );
    }

    #[test]
    fn bytes_come_with_their_number_and_peak() {
        let summary = Summary::of(vec![40_000.0]).unwrap();
        let allocations = Some(Allocations { count: 321, peak_bytes: 9_000 });
        let cell = Cell::Measured(Measurement {
            summary,
            samples: vec![40_000.0],
            allocations,
            allocated_growth: None,
            peak_resident: None,
        });
        assert_eq!(cell_text(&cell, Unit::Bytes), "40000 B in 321, peak 9000 B");
        assert_eq!(cell_json(&cell)["peak_bytes"], 9_000);
        assert_eq!(bar_text(Bar::Below(65_536.0), Unit::Bytes), "< 65536 B");
    }

    #[test]
    fn what_was_resident_at_most_comes_with_the_percentile() {
        let summary = Summary::of(vec![100_000.0]).unwrap();
        let peak_resident = Some(40.0 * 1024.0 * 1024.0);
        let samples = vec![100_000.0];
        let cell =
            Cell::Measured(Measurement { summary, samples, allocations: None, allocated_growth: None, peak_resident });
        assert_eq!(cell_text(&cell, Unit::Percentile99), "100.00 µs ± 0 ns, peak 40.0 MiB resident");
        assert_eq!(cell_json(&cell)["peak_resident"], 41_943_040.0);
        assert_eq!(bar_text(Bar::ResidentBelow(67_108_864.0), Unit::Percentile99), "< 64.0 MiB resident");
    }

    #[test]
    fn growth_is_that_of_the_process_and_of_what_was_allocated() {
        let summary = Summary::of(vec![-4096.0]).unwrap();
        let measurement = Measurement {
            summary,
            samples: vec![-4096.0],
            allocations: None,
            allocated_growth: Some(12.0),
            peak_resident: None,
        };
        let cell = Cell::Measured(measurement);
        assert_eq!(cell_text(&cell, Unit::Growth), "-4096 B resident, +12 B allocated");
        assert_eq!(cell_json(&cell)["allocated"], 12.0);
        assert_eq!(bar_text(Bar::AllocatesBelow(64.0), Unit::Growth), "< 64 B allocated");
        assert_eq!(bar_text(Bar::Below(64.0), Unit::Growth), "< 64 B resident");
    }
}
