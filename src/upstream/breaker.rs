//! The circuit breaker of one server. Pure: time is an argument.
//!
//! Closed, it counts failures in a row. Open, it keeps requests away, longer after each trip. Then, half-open, it
//! lets one request through as a trial, whose outcome closes or opens it again.

use std::time::Duration;

use tokio::time::Instant;

/// Failures in a row that open a closed breaker.
const PATIENCE: u32 = 5;
/// How long the first trip lasts; each further one lasts twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long a trip lasts at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether a server is worth asking.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    trips: u32,
    /// When the next trial may go; `None` while closed.
    trial: Option<Trial>,
}

#[derive(Debug, Clone, Copy)]
struct Trial {
    from: Instant,
    under_way: bool,
}

/// The breaker's state as operators see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Closed,
    Open,
    HalfOpen,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
            Self::HalfOpen => "half-open",
        }
    }
}

impl Breaker {
    pub(super) fn state(&self, now: Instant) -> State {
        match self.trial {
            None => State::Closed,
            Some(trial) if trial.under_way || now >= trial.from => State::HalfOpen,
            Some(_) => State::Open,
        }
    }

    /// Whether a request may go now. A `true` while not closed makes this request the trial: a second one is let
    /// through only after another pause, in case the first is never heard of again.
    pub(super) fn admits(&mut self, now: Instant) -> bool {
        let pause = self.pause();
        match &mut self.trial {
            None => true,
            Some(trial) if now >= trial.from => {
                *trial = Trial { from: now + pause, under_way: true };
                true
            }
            Some(_) => false,
        }
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    pub(super) fn failed(&mut self, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        let trial_failed = self.trial.is_some_and(|trial| trial.under_way);
        let patience_ended = self.trial.is_none() && self.failures >= PATIENCE;
        if trial_failed || patience_ended {
            self.trip(now);
        }
    }

    fn trip(&mut self, now: Instant) {
        self.trips = self.trips.saturating_add(1);
        self.trial = Some(Trial { from: now + self.pause(), under_way: false });
    }

    fn pause(&self) -> Duration {
        FIRST_PAUSE.saturating_mul(1 << self.trips.saturating_sub(1).min(10)).min(LONGEST_PAUSE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..PATIENCE {
            assert!(breaker.admits(now));
            breaker.failed(now);
        }
        breaker
    }

    #[test]
    fn failures_in_a_row_open_it_and_a_success_between_them_does_not() {
        let now = Instant::now();
        assert_eq!(opened(now).state(now), State::Open);
        let mut breaker = Breaker::default();
        for _ in 0..3 * PATIENCE {
            breaker.failed(now);
            breaker.succeeded();
        }
        assert_eq!(breaker.state(now), State::Closed);
    }

    #[test]
    fn after_the_pause_one_trial_goes_and_closes_it() {
        let start = Instant::now();
        let mut breaker = opened(start);
        assert!(!breaker.admits(start));
        let later = start + FIRST_PAUSE;
        assert_eq!(breaker.state(later), State::HalfOpen);
        assert!(breaker.admits(later));
        assert!(!breaker.admits(later), "one trial at a time");
        breaker.succeeded();
        assert_eq!(breaker.state(later), State::Closed);
        assert!(breaker.admits(later) && breaker.admits(later));
    }

    #[test]
    fn each_failed_trial_doubles_the_pause_up_to_a_limit() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        for pause in [1, 2, 4, 8, 16, 30, 30] {
            let pause = Duration::from_secs(pause);
            assert!(!breaker.admits(now + pause - Duration::from_millis(1)), "{pause:?}");
            now += pause;
            assert!(breaker.admits(now), "{pause:?}");
            breaker.failed(now);
        }
    }

    #[test]
    fn a_trial_that_is_never_heard_of_again_blocks_nothing() {
        let start = Instant::now();
        let mut breaker = opened(start);
        assert!(breaker.admits(start + FIRST_PAUSE));
        assert!(breaker.admits(start + 2 * FIRST_PAUSE));
    }

    #[test]
    fn late_failures_of_older_requests_do_not_prolong_the_pause() {
        let start = Instant::now();
        let mut breaker = opened(start);
        breaker.failed(start + FIRST_PAUSE / 2);
        assert!(breaker.admits(start + FIRST_PAUSE));
    }
}
