//! Bounds on a rate that hold at every moment at once, while the rate drifts and hits are checked with changing
//! probability.
//!
//! Each check says whether one served hit was wrong, and weighs one over the probability with which it was picked.
//! What is bounded is the weighted mean, over the checked hits, of each hit's own chance of being wrong: an estimate of
//! the share of wrong ones among all that were served. With w the weight over the heaviest, W whether it was wrong, and
//! p its chance of being wrong given all before,
//!
//! > E exp(l w W) <= 1 + w p (e^l - 1), so exp(l sum(w W) - sum(log(1 + w p (e^l - 1))))
//!
//! is a supermartingale for every l, positive or negative. The logarithm is concave, so the second sum is at most its
//! value at the mean. A fixed mixture over l exceeds 1/alpha at any time with probability alpha at most (Ville), and
//! the means at which it does are refused. (Howard, Ramdas, McAuliffe, Sekhon: "Time-uniform, nonparametric,
//! nonasymptotic confidence sequences", Annals of Statistics 49, 2021; betting form: Waudby-Smith and Ramdas, JRSS B 86,
//! 2024.)

use serde::{Deserialize, Serialize};

use super::bounds::{bisect, real};

/// Bets that the rate is higher than claimed: e^l - 1, each with the same stake.
const HIGHER: [f64; 9] = [0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0];
/// Bets that it is lower, with their stakes. The first is that nothing is ever wrong.
const LOWER: [(f64, f64); 7] =
    [(-1.0, 0.3), (-0.95, 0.15), (-0.85, 0.15), (-0.7, 0.1), (-0.5, 0.1), (-0.3, 0.1), (-0.15, 0.1)];

/// What some checks found.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Tally {
    /// Checks.
    pub checks: u64,
    /// Of those, how many found a wrong answer.
    pub wrong: u64,
    /// Sum of the weights of all checks: how many hits they stand for.
    pub weight: f64,
    /// Sum of the weights of those that found a wrong answer.
    pub wrong_weight: f64,
    /// The largest weight.
    pub heaviest: f64,
}

impl Tally {
    /// Adds a check of a hit that was picked with this probability.
    pub fn add(&mut self, wrong: bool, probability: f64) {
        let weight = 1.0 / probability.clamp(1e-6, 1.0);
        self.checks += 1;
        self.weight += weight;
        self.heaviest = self.heaviest.max(weight);
        if wrong {
            self.wrong += 1;
            self.wrong_weight += weight;
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            checks: self.checks + other.checks,
            wrong: self.wrong + other.wrong,
            weight: self.weight + other.weight,
            wrong_weight: self.wrong_weight + other.wrong_weight,
            heaviest: self.heaviest.max(other.heaviest),
        }
    }

    /// So many of `n`, each seen for certain.
    #[must_use]
    pub fn counted(n: u64, wrong: u64) -> Self {
        let wrong = wrong.min(n);
        Self { checks: n, wrong, weight: real(n), wrong_weight: real(wrong), heaviest: 1.0 }
    }

    /// The estimated share of wrong ones; `None` before the first check.
    #[must_use]
    pub fn estimate(&self) -> Option<f64> {
        (self.checks > 0).then(|| self.wrong_weight / self.weight)
    }

    /// A rate that the true one is not below, at every moment at once with probability 1 - `alpha`.
    #[must_use]
    pub fn lower(&self, alpha: f64) -> f64 {
        if self.wrong == 0 {
            return 0.0;
        }
        bisect(|rate| self.is_above(rate, alpha))
    }

    /// A rate that the true one is not above, at every moment at once with probability 1 - `alpha`.
    #[must_use]
    pub fn upper(&self, alpha: f64) -> f64 {
        bisect(|rate| !self.is_below(rate, alpha))
    }

    /// Whether the true rate is shown to be above this one: whether [`Tally::lower`] is, without looking for it.
    #[must_use]
    pub fn is_above(&self, rate: f64, alpha: f64) -> bool {
        let stake = 1.0 / real(HIGHER.len() as u64);
        HIGHER.iter().map(|bet| stake * self.wealth(*bet, rate)).sum::<f64>() >= 1.0 / alpha
    }

    /// Whether the true rate is shown to be below this one.
    #[must_use]
    pub fn is_below(&self, rate: f64, alpha: f64) -> bool {
        LOWER.iter().map(|(bet, stake)| stake * self.wealth(*bet, rate)).sum::<f64>() >= 1.0 / alpha
    }

    /// What a bet of e^l - 1 against `rate` has grown to.
    fn wealth(&self, bet: f64, rate: f64) -> f64 {
        if self.checks == 0 {
            return 1.0;
        }
        let (n, mean_weight) = (real(self.checks), self.weight / (self.heaviest * real(self.checks)));
        let won = if self.wrong_weight > 0.0 { (1.0 + bet).ln() * self.wrong_weight / self.heaviest } else { 0.0 };
        let paid = n * (bet * rate * mean_weight).ln_1p();
        (won - paid).exp()
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;
    use proptest::prelude::*;

    use super::super::ALPHA;
    use super::*;

    #[test]
    fn nothing_seen_says_nothing() {
        let none = Tally::default();
        assert_eq!((none.estimate(), none.lower(ALPHA)), (None, 0.0));
        assert!(none.upper(ALPHA) > 0.999_999);
    }

    #[test]
    fn the_price_of_looking_at_any_time_is_a_few_more_checks() {
        // Clopper and Pearson would have 1 % after 299 checks without error, for one look.
        let clean = |n| Tally::counted(n, 0).upper(ALPHA);
        assert!(clean(420) <= 0.01 && clean(299) > 0.01, "{} {}", clean(420), clean(299));
        let tenth = Tally::counted(200, 20);
        let (low, high) = (tenth.lower(ALPHA), tenth.upper(ALPHA));
        assert!(low > 0.04 && high < 0.2, "{low} {high}");
    }

    /// Runs in which a bound failed at any moment, of `runs`, while the rate drifts and so does the sampling.
    fn failures(runs: u64, rate_at: impl Fn(u32) -> f64, picked_at: impl Fn(u32) -> f64) -> (u32, u32) {
        let (mut low, mut high) = (0, 0);
        for seed in 0..runs {
            let mut rng = Rng::with_seed(seed);
            let (mut tally, mut chances) = (Tally::default(), 0.0);
            let (mut low_failed, mut high_failed) = (false, false);
            for step in 0..6000 {
                let (rate, picked) = (rate_at(step), picked_at(step));
                let wrong = rng.f64() < rate;
                if rng.f64() >= picked {
                    continue;
                }
                tally.add(wrong, picked);
                chances += rate / picked;
                let mean = chances / tally.weight;
                if tally.checks.is_multiple_of(7) {
                    low_failed |= tally.lower(ALPHA) > mean;
                    high_failed |= tally.upper(ALPHA) < mean;
                }
            }
            low += u32::from(low_failed);
            high += u32::from(high_failed);
        }
        (low, high)
    }

    #[test]
    fn both_bounds_hold_at_every_moment_in_nineteen_runs_of_twenty() {
        for (what, found) in [
            ("steady", failures(100, |_| 0.02, |_| 0.1)),
            ("drifting", failures(100, |step| if step < 3000 { 0.002 } else { 0.1 }, |_| 0.1)),
            ("improving", failures(100, |step| if step < 3000 { 0.2 } else { 0.01 }, |_| 0.1)),
            ("checked more often later", failures(100, |_| 0.03, |step| if step < 3000 { 0.05 } else { 0.25 })),
        ] {
            assert!(found.0 <= 5 && found.1 <= 5, "{what}: {found:?}");
        }
    }

    proptest! {
        #[test]
        fn the_estimate_lies_between_the_bounds(n in 1_u64..2000, wrong in 0_u64..2000) {
            let tally = Tally::counted(n, wrong);
            let estimate = tally.estimate().unwrap();
            prop_assert!(tally.lower(ALPHA) <= estimate + 1e-9 && estimate <= tally.upper(ALPHA) + 1e-9);
        }

        #[test]
        fn one_more_wrong_answer_never_lowers_a_bound(n in 1_u64..1000, wrong in 0_u64..1000) {
            let wrong = wrong.min(n - 1);
            let (before, after) = (Tally::counted(n, wrong), Tally::counted(n, wrong + 1));
            prop_assert!(after.lower(ALPHA) >= before.lower(ALPHA) - 1e-9);
            prop_assert!(after.upper(ALPHA) >= before.upper(ALPHA) - 1e-9);
        }

        #[test]
        fn equal_weights_are_no_weights(n in 1_u64..500, wrong in 0_u64..500, picked in 0.01_f64..1.0) {
            let wrong = wrong.min(n);
            let mut weighted = Tally::default();
            (0..n).for_each(|at| weighted.add(at < wrong, picked));
            let plain = Tally::counted(n, wrong);
            prop_assert!((weighted.upper(ALPHA) - plain.upper(ALPHA)).abs() < 1e-6);
            prop_assert!((weighted.lower(ALPHA) - plain.lower(ALPHA)).abs() < 1e-6);
        }
    }
}
