//! Latencies in logarithmic buckets: percentiles within 6%, in constant memory, without a lock.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde::Serialize;

/// Upper bounds of the Prometheus histogram, in seconds.
pub(super) const BOUNDS: [f64; 16] =
    [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0, 120.0];

/// Buckets per doubling, and doublings from one microsecond on: up to about 70 minutes.
const STEPS: usize = 8;
const BUCKETS: usize = STEPS * 32;

/// A set of observed durations.
#[derive(Debug)]
pub(super) struct Latency([AtomicU64; BUCKETS]);

impl Default for Latency {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU64::new(0)))
    }
}

/// Percentiles of a set of durations, in milliseconds; `None` while nothing was observed.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Percentiles {
    /// How many were observed.
    pub count: u64,
    /// The median.
    pub p50_ms: Option<f64>,
    /// Nine of ten are below it.
    pub p90_ms: Option<f64>,
    /// Ninety-nine of a hundred are below it.
    pub p99_ms: Option<f64>,
}

impl Latency {
    /// Adds one.
    pub(super) fn observe(&self, took: Duration) {
        self.0[bucket(took)].fetch_add(1, Ordering::Relaxed);
    }

    /// The percentiles of all so far.
    pub(super) fn percentiles(&self) -> Percentiles {
        let counts: Vec<u64> = self.0.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        let count = counts.iter().sum();
        let at = |part: f64| percentile(&counts, count, part);
        Percentiles { count, p50_ms: at(0.50), p90_ms: at(0.90), p99_ms: at(0.99) }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a logarithm of microseconds, clamped into the table"
)]
fn bucket(took: Duration) -> usize {
    let micros = took.as_micros().max(1) as f64;
    ((micros.log2() * STEPS as f64) as usize).min(BUCKETS - 1)
}

/// The geometric middle of the bucket that holds the wished part, rounded to a microsecond.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "ranks and bucket numbers are small"
)]
fn percentile(counts: &[u64], total: u64, part: f64) -> Option<f64> {
    let rank = ((total as f64) * part).ceil() as u64;
    let mut seen = 0;
    let place = counts.iter().position(|count| {
        seen += count;
        total > 0 && seen >= rank.max(1)
    })?;
    let micros = ((place as f64 + 0.5) / STEPS as f64).exp2();
    Some((micros).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_a_bucket_of_the_truth() {
        let latency = Latency::default();
        assert_eq!(latency.percentiles(), Percentiles::default());
        for millis in 1..=1000 {
            latency.observe(Duration::from_millis(millis));
        }
        let found = latency.percentiles();
        for (got, truth) in [(found.p50_ms, 500.0), (found.p90_ms, 900.0), (found.p99_ms, 990.0)] {
            let got = got.unwrap();
            assert!((got / truth - 1.0).abs() < 0.06, "{got} for {truth}");
        }
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_bucket() {
        assert_eq!(bucket(Duration::ZERO), 0);
        assert_eq!(bucket(Duration::MAX), BUCKETS - 1);
    }
}
