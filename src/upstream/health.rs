//! How an upstream has been doing lately.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;

/// How many recent answers the median is taken over.
const WINDOW: usize = 64;

/// Times to the head of an answer, over recent requests.
#[derive(Debug, Default)]
pub(super) struct Latency(Mutex<VecDeque<Duration>>);

impl Latency {
    pub(super) fn record(&self, took: Duration) {
        let mut recent = self.0.lock();
        if recent.len() == WINDOW {
            recent.pop_front();
        }
        recent.push_back(took);
    }

    /// Their median, in milliseconds; `None` before the first.
    pub(super) fn median_ms(&self) -> Option<f64> {
        let mut recent: Vec<Duration> = self.0.lock().iter().copied().collect();
        recent.sort_unstable();
        recent.get(recent.len() / 2).map(|median| median.as_secs_f64() * 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_of_recent_requests_only() {
        let latency = Latency::default();
        assert_eq!(latency.median_ms(), None);
        for _ in 0..WINDOW {
            latency.record(Duration::from_millis(900));
        }
        for _ in 0..WINDOW {
            latency.record(Duration::from_millis(30));
        }
        assert_eq!(latency.median_ms(), Some(30.0));
    }
}
