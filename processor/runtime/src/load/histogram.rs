//! Microseconds, counted.
//!
//! Invariant: nothing is left out because it is too large: what lies beyond the top counts as the top, and so does a verdict that never
//! came.

use hdrhistogram::{CreationError, Histogram};
use serde::Serialize;

/// The top: a minute.
pub const TOP_US: u64 = 60_000_000;
/// Three digits: figures are within a thousandth.
const DIGITS: u8 = 3;
/// Points of a curve from one halving of what lies above to the next.
const CURVE_POINTS: u32 = 5;

fn made(histogram: Result<Histogram<u32>, CreationError>) -> Histogram<u32> {
    histogram.expect("the bounds and digits above are in HdrHistogram's range")
}

/// Times with their distribution.
#[derive(Debug, Clone)]
pub struct Times {
    histogram: Histogram<u32>,
    max: u64,
}

impl Times {
    /// For one that is made once.
    pub fn new() -> Times {
        Times::of(made(Histogram::new_with_bounds(1, TOP_US, DIGITS)))
    }

    /// For one of many: takes as much memory as its largest time needs.
    pub fn small() -> Times {
        Times::of(made(Histogram::new(DIGITS)))
    }

    fn of(histogram: Histogram<u32>) -> Times {
        Times { histogram, max: 0 }
    }

    pub fn record_ns(&mut self, ns: u64) {
        self.record_us(ns / 1_000, 1);
    }

    /// `count` verdicts that never came.
    pub fn record_missing(&mut self, count: u32) {
        if count > 0 {
            self.record_us(TOP_US, count);
        }
    }

    fn record_us(&mut self, us: u64, count: u32) {
        let us = us.min(TOP_US);
        self.max = self.max.max(us);
        // Not the saturating one: that never makes a small histogram larger.
        let recorded = self.histogram.record_n(us, count);
        recorded.expect("nothing is above the top");
    }

    pub fn add(&mut self, other: &Times) {
        let added = self.histogram.add(&other.histogram);
        added.expect("nothing above the top was ever recorded");
        self.max = self.max.max(other.max);
    }

    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    pub fn max_us(&self) -> u64 {
        self.max
    }

    /// The time within which this part of all lies.
    pub fn quantile_us(&self, quantile: f64) -> u64 {
        self.histogram.value_at_quantile(quantile).min(self.max)
    }

    /// As figures; None if nothing was recorded.
    pub fn summary(&self) -> Option<Summary> {
        (self.count() > 0).then(|| Summary {
            messages: self.count(),
            mean_us: self.histogram.mean().min(self.max as f64),
            p50_us: self.quantile_us(0.5),
            p90_us: self.quantile_us(0.9),
            p99_us: self.quantile_us(0.99),
            p99_9_us: self.quantile_us(0.999),
            max_us: self.max,
            curve: self.curve(),
        })
    }

    fn curve(&self) -> Vec<Point> {
        let points = self.histogram.iter_quantiles(CURVE_POINTS);
        points
            .map(|point| Point {
                quantile: point.quantile_iterated_to(),
                us: point.value_iterated_to().min(self.max),
            })
            .collect()
    }
}

/// A distribution as figures.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    pub messages: u64,
    pub mean_us: f64,
    pub p50_us: u64,
    pub p90_us: u64,
    pub p99_us: u64,
    pub p99_9_us: u64,
    pub max_us: u64,
    /// The whole distribution, denser towards its end.
    pub curve: Vec<Point>,
}

/// This part of all lies within this time.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Point {
    pub quantile: f64,
    pub us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_within_a_thousandth_and_the_maximum_is_exact() {
        let mut times = Times::new();
        for us in 1..=10_000u64 {
            times.record_ns(us * 1_000);
        }
        let summary = times.summary().expect("there are times");
        for (found, wanted) in [
            (summary.p50_us, 5_000),
            (summary.p90_us, 9_000),
            (summary.p99_us, 9_900),
            (summary.p99_9_us, 9_990),
        ] {
            assert!(found.abs_diff(wanted) <= wanted / 500, "{found} {wanted}");
        }
        assert_eq!((summary.messages, summary.max_us), (10_000, 10_000));
        assert!(
            summary
                .curve
                .windows(2)
                .all(|pair| pair[0].us <= pair[1].us && pair[0].quantile <= pair[1].quantile)
        );
    }

    #[test]
    fn what_never_came_and_what_is_beyond_the_top_counts_as_the_top() {
        let mut times = Times::small();
        times.record_ns(1_000_000);
        times.record_missing(2);
        times.record_ns(u64::MAX);
        assert_eq!(
            (times.count(), times.quantile_us(0.5), times.max_us()),
            (4, TOP_US, TOP_US)
        );
        let mut sum = Times::new();
        sum.add(&times);
        assert_eq!((sum.count(), sum.max_us()), (4, TOP_US));
        assert!(Times::new().summary().is_none());
    }
}
