//! Welch's t-test, with and without the slow tail.

/// How two samples differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Comparison {
    /// The second's less the first's.
    pub(crate) medians_apart: f64,
    /// Welch's t of all samples.
    pub(crate) t: f64,
    /// Of those that are left after cropping, at the percentile that makes it largest.
    pub(crate) cropped_t: f64,
    /// Which part of the samples that percentile leaves.
    pub(crate) kept: f64,
}

/// Compares two samples as dudect does: with all values, and with those below each of 100 percentiles of both together,
/// which lie the closer, the slower they are.
pub(crate) fn compare(first: &[f64], second: &[f64]) -> Comparison {
    let mut both = [first, second].concat();
    both.sort_by(f64::total_cmp);
    let (mut cropped_t, mut kept) = (0.0_f64, 1.0);
    for step in 1..=PERCENTILES {
        let part = 1.0 - 0.5_f64.powf(10.0 * f64::from(step) / f64::from(PERCENTILES));
        let threshold = quantile(&both, part);
        let below = |samples: &[f64]| -> Moments { samples.iter().copied().filter(|time| *time < threshold).collect() };
        let t = welch(below(first), below(second));
        if t.abs() > cropped_t.abs() {
            (cropped_t, kept) = (t, part);
        }
    }
    let all = |samples: &[f64]| samples.iter().copied().collect();
    Comparison { medians_apart: median(second) - median(first), t: welch(all(first), all(second)), cropped_t, kept }
}

/// Of no samples: 0.
pub(crate) fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// The value below which this part of the sorted samples lies.
fn quantile(sorted: &[f64], part: f64) -> f64 {
    // In 64 bits the product is exact enough, and not negative.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index, from a part of a length")]
    let index = (sorted.len() as f64 * part) as usize;
    sorted.get(index).or(sorted.last()).copied().unwrap_or(0.0)
}

/// Number, mean and sum of squared deviations, by Welford's method.
#[derive(Clone, Copy, Debug, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl FromIterator<f64> for Moments {
    fn from_iter<I: IntoIterator<Item = f64>>(samples: I) -> Self {
        samples.into_iter().fold(Self::default(), |Self { count, mean, squares }, sample| {
            let count = count + 1.0;
            let deviation = sample - mean;
            let mean = mean + deviation / count;
            Self { count, mean, squares: squares + deviation * (sample - mean) }
        })
    }
}

/// 0 of samples that say nothing: fewer than two, or without any spread.
fn welch(first: Moments, second: Moments) -> f64 {
    if first.count < 2.0 || second.count < 2.0 {
        return 0.0;
    }
    let variance = |moments: Moments| moments.squares / (moments.count - 1.0) / moments.count;
    let spread = (variance(first) + variance(second)).sqrt();
    if spread > 0.0 { (first.mean - second.mean) / spread } else { 0.0 }
}

const PERCENTILES: u8 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    /// Evenly spread over `centre ± 100`, in a mixed-up order.
    fn around(centre: f64) -> Vec<f64> {
        (0..1000).map(|index| centre - 100.0 + f64::from(index * 387 % 1000) / 5.0).collect()
    }

    #[test]
    fn welch_agrees_with_a_published_example() {
        // Example 1 of the article on Welch's t-test in the English Wikipedia: t = -2.46 (equal variances, equal sizes).
        let first = [27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4];
        let second = [27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4];
        let t = welch(first.into_iter().collect(), second.into_iter().collect());
        assert!((t - -2.46).abs() < 0.005, "{t}");
    }

    #[test]
    fn the_same_distribution_shows_no_difference() {
        let comparison = compare(&around(1000.0), &around(1000.0));
        assert_eq!((comparison.t, comparison.cropped_t, comparison.medians_apart), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_small_shift_is_seen_with_its_sign() {
        let comparison = compare(&around(1000.0), &around(1020.0));
        assert!(comparison.t < -4.5 && (comparison.medians_apart - 20.0).abs() < 0.5, "{comparison:?}");
    }

    #[test]
    fn cropping_finds_what_rare_interruptions_hide() {
        let interrupted = |centre| {
            let mut samples = around(centre);
            samples.iter_mut().step_by(50).for_each(|sample| *sample += 100_000.0);
            samples
        };
        let comparison = compare(&interrupted(1000.0), &interrupted(1020.0));
        assert!(comparison.t.abs() < 1.0, "{comparison:?}");
        assert!(comparison.cropped_t.abs() > 4.5 && comparison.kept < 1.0, "{comparison:?}");
    }

    #[test]
    fn what_says_nothing_is_zero() {
        assert_eq!(compare(&[], &[1.0]).t, 0.0);
        assert_eq!(compare(&[1.0; 5], &[2.0; 5]).t, 0.0);
        assert_eq!(median(&[]), 0.0);
    }
}
