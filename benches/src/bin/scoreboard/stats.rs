//! Medians and quartiles.

use serde::{Deserialize, Serialize};

/// The distribution of some samples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) median: f64,
    /// A quarter of the samples is below.
    pub(crate) lower_quartile: f64,
    /// A quarter of the samples is above.
    pub(crate) upper_quartile: f64,
    pub(crate) samples: usize,
}

impl Summary {
    /// `None` of no samples.
    pub(crate) fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        Some(Self {
            median: quantile(&samples, 2)?,
            lower_quartile: quantile(&samples, 1)?,
            upper_quartile: quantile(&samples, 3)?,
            samples: samples.len(),
        })
    }

    /// The distribution of the samples divided by something positive.
    pub(crate) fn divided_by(self, divisor: f64) -> Self {
        let Self { median, lower_quartile, upper_quartile, samples } = self;
        Self {
            median: median / divisor,
            lower_quartile: lower_quartile / divisor,
            upper_quartile: upper_quartile / divisor,
            samples,
        }
    }

    /// How far the middle half of the samples is spread.
    pub(crate) fn interquartile_range(&self) -> f64 {
        self.upper_quartile - self.lower_quartile
    }
}

/// The value below which `quarters` quarters of the sorted samples lie; between two samples it is interpolated.
fn quantile(sorted: &[f64], quarters: usize) -> Option<f64> {
    let position = quarters * sorted.len().checked_sub(1)?;
    let (below, remainder) = (*sorted.get(position / 4)?, position % 4);
    let above = *sorted.get(position.div_ceil(4))?;
    let fraction = [0.0, 0.25, 0.5, 0.75][remainder];
    Some(below + (above - below) * fraction)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(samples: &[f64]) -> (f64, f64, f64) {
        let summary = Summary::of(samples.to_vec()).unwrap();
        assert_eq!(summary.samples, samples.len());
        (summary.lower_quartile, summary.median, summary.upper_quartile)
    }

    #[test]
    fn the_median_is_the_middle_sample_or_between_the_two_middle_ones() {
        assert_eq!(summary(&[3.0, 1.0, 2.0]), (1.5, 2.0, 2.5));
        assert_eq!(summary(&[4.0, 1.0, 3.0, 2.0]), (1.75, 2.5, 3.25));
        assert_eq!(summary(&[7.0]), (7.0, 7.0, 7.0));
        assert_eq!(summary(&[1.0, 2.0, 3.0, 4.0, 5.0]), (2.0, 3.0, 4.0));
    }

    #[test]
    fn one_outlier_moves_neither_median_nor_quartiles() {
        assert_eq!(summary(&[1.0, 2.0, 3.0, 4.0, 5.0]), summary(&[1.0, 2.0, 3.0, 4.0, 5e9]));
    }

    #[test]
    fn the_spread_is_that_of_the_middle_half() {
        assert_eq!(Summary::of(vec![1.0, 2.0, 3.0, 4.0, 500.0]).unwrap().interquartile_range(), 2.0);
        assert_eq!(Summary::of(vec![8.0; 9]).unwrap().interquartile_range(), 0.0);
    }

    #[test]
    fn no_samples_have_no_median() {
        assert_eq!(Summary::of(Vec::new()), None);
    }
}
