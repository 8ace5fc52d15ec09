//! Whether the time that opening an envelope takes tells why it failed: measured as dudect does.
//!
//! O. Reparaz, J. Balasch, I. Verbauwhede, "Dude, is my code constant time?", DATE 2017,
//! <https://eprint.iacr.org/2016/1123>: time two classes of inputs in random order, and ask Welch's t-test whether their
//! means differ, in all samples and in those below each of several percentiles, where interruptions are cropped away.
//!
//! For information: there is no bar, and the exit status is 0 whatever is found.

mod welch;

use std::fmt::Write as _;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use benches::attested::Failure;
use benches::enveloped::{Enveloped, Kind};
use clap::Parser;
use kms_enclave_client::cms::EnvelopedData;

use crate::welch::{Comparison, compare, median};

/// Times the opening of good envelopes and of such with a bad key, a bad length and bad padding, and compares them.
#[derive(Debug, Parser)]
#[command(name = "dudect")]
struct Arguments {
    /// How many times each kind is opened, on average.
    #[arg(long, default_value_t = 100_000)]
    samples: usize,
    /// A few samples: shows that it runs. Nothing follows from so few.
    #[arg(long)]
    smoke: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let samples = if arguments.smoke { 50 } else { arguments.samples };
    match measure(samples) {
        Ok(times) => {
            print!("{}", table(&times));
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Nanoseconds of each opening, by kind.
type Times = [Vec<f64>; Kind::ALL.len()];

/// Opens envelopes of all kinds in random order.
fn measure(samples: usize) -> Result<Times, Failure> {
    let enveloped = Enveloped::new()?;
    let mut blobs: [Vec<EnvelopedData>; Kind::ALL.len()] = Default::default();
    for (blobs, kind) in blobs.iter_mut().zip(Kind::ALL) {
        for _ in 0..BLOBS {
            blobs.push(EnvelopedData::from_bytes(&enveloped.another(kind)?)?);
        }
    }
    let mut times = Times::default();
    let mut random = Random(SEED);
    let warm_up = samples / 10;
    for sample in 0..samples * Kind::ALL.len() + warm_up {
        let class = random.below(Kind::ALL.len());
        let blob = &blobs[class][random.below(BLOBS)];
        let began = Instant::now();
        let opened = black_box(black_box(blob).open(black_box(&enveloped.recipient)));
        let nanoseconds = began.elapsed().as_secs_f64() * 1e9;
        if opened.is_ok() != (Kind::ALL[class] == Kind::Good) {
            return Err(format!("{}: {opened:?}", Kind::ALL[class].name()).into());
        }
        if sample >= warm_up {
            times[class].push(nanoseconds);
        }
    }
    Ok(times)
}

fn table(times: &Times) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{:<12} {:>8} {:>12}", "kind", "samples", "median");
    for (kind, times) in Kind::ALL.iter().zip(times) {
        let _ = writeln!(text, "{:<12} {:>8} {:>9.2} µs", kind.name(), times.len(), median(times) / 1e3);
    }
    let _ = writeln!(text, "\n{:<26} {:>13} {:>9} {:>22}", "pair", "medians apart", "t", "largest |t|, cropped");
    for (first, one) in Kind::ALL.iter().enumerate() {
        for (second, other) in Kind::ALL.iter().enumerate().skip(first + 1) {
            let pair = format!("{} / {}", one.name(), other.name());
            let Comparison { medians_apart, t, cropped_t, kept } = compare(&times[first], &times[second]);
            let verdict = if t.abs().max(cropped_t.abs()) > SUSPICIOUS { "differ" } else { "no difference seen" };
            let cropped = format!("{cropped_t:.2} at {:.1} %", kept * 100.0);
            let _ = writeln!(text, "{pair:<26} {medians_apart:>10.0} ns {t:>9.2} {cropped:>22}  {verdict}");
        }
    }
    let _ = writeln!(text, "|t| above {SUSPICIOUS} is taken for a difference; the cropped one is the largest of 100");
    text
}

/// SplitMix64: the order of classes must be random to the machine, not to an adversary.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ mixed >> 31) % (end as u64)).expect("below a usize")
    }
}

/// Of each kind, so that a class is no single input.
const BLOBS: usize = 256;
const SEED: u64 = 2017;
/// The customary threshold of the paper and of leakage assessment: a chance of less than 1 in 100,000 in one test.
const SUSPICIOUS: f64 = 4.5;
