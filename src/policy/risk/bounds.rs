//! Bounds on a rate from a number of independent trials: Clopper and Pearson, Biometrika 26 (1934), one-sided.

use statrs::function::beta::checked_beta_reg;

/// Steps of a bisection: more than a `f64` has bits.
const STEPS: u32 = 64;

/// The largest rate at which seeing `wrong` or fewer of `n` is no less likely than `alpha`; 1 where nothing was seen.
#[must_use]
pub fn upper_bound(n: u64, wrong: u64, alpha: f64) -> f64 {
    if wrong >= n {
        return 1.0;
    }
    // P(at most `wrong` of `n`) falls as the rate grows.
    bisect(|rate| at_least(n, wrong + 1, rate) <= 1.0 - alpha)
}

/// The smallest rate at which seeing `wrong` or more of `n` is no less likely than `alpha`; 0 where none was wrong.
#[must_use]
pub fn lower_bound(n: u64, wrong: u64, alpha: f64) -> f64 {
    if wrong == 0 {
        return 0.0;
    }
    if wrong >= n {
        return alpha.powf(1.0 / real(n.max(1)));
    }
    bisect(|rate| at_least(n, wrong, rate) <= alpha)
}

/// P(at least `k` of `n`) at this rate, for 0 < k <= n: the regularised incomplete beta function.
fn at_least(n: u64, k: u64, rate: f64) -> f64 {
    checked_beta_reg(real(k), real(n - k + 1), rate).unwrap_or(1.0)
}

/// The largest number in [0, 1] for which `holds`, which holds from 0 up to there.
pub(super) fn bisect(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..STEPS {
        let middle = 0.5 * (low + high);
        if holds(middle) { low = middle } else { high = middle }
    }
    high
}

#[expect(clippy::cast_precision_loss, reason = "counts of hits are far below 2^52")]
pub(super) fn real(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn near(found: f64, known: f64) {
        assert!((found - known).abs() < 5e-5, "{found} is not {known}");
    }

    #[test]
    fn known_intervals() {
        // Two-sided 95 % intervals as R's binom.test gives them.
        for (wrong, n, low, high) in [
            (10, 100, 0.049_005, 0.176_223),
            (5, 50, 0.033_275, 0.218_135),
            (1, 20, 0.001_265, 0.248_733),
            (0, 30, 0.0, 0.115_703),
            (30, 30, 0.884_297, 1.0),
        ] {
            near(lower_bound(n, wrong, 0.025), low);
            near(upper_bound(n, wrong, 0.025), high);
        }
    }

    #[test]
    fn without_errors_the_bound_has_a_closed_form() {
        for n in [1_u64, 59, 688, 40_000] {
            near(upper_bound(n, 0, 0.001), 1.0 - 0.001_f64.powf(1.0 / real(n)));
        }
        assert!(upper_bound(688, 0, 0.001) <= 0.01 && upper_bound(687, 0, 0.001) > 0.01);
        assert_eq!((upper_bound(0, 0, 0.05), lower_bound(0, 0, 0.05)), (1.0, 0.0));
    }

    #[test]
    fn large_counts_converge() {
        // By the normal approximation, good to a few parts in a thousand here.
        let (n, wrong) = (100_000_u64, 1000_u64);
        let sigma = (0.01_f64 * 0.99 / real(n)).sqrt();
        assert!((upper_bound(n, wrong, 0.025) - (0.01 + 1.96 * sigma)).abs() < 0.1 * sigma);
        assert!((lower_bound(n, wrong, 0.025) - (0.01 - 1.96 * sigma)).abs() < 0.1 * sigma);
    }

    proptest! {
        #[test]
        fn the_bounds_hold_the_rate_between_them_and_move_the_right_way(n in 1_u64..3000, share in 0.0_f64..1.0) {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of n")]
            let wrong = (share * real(n)) as u64;
            let rate = real(wrong) / real(n);
            let (low, high) = (lower_bound(n, wrong, 0.05), upper_bound(n, wrong, 0.05));
            prop_assert!(low <= rate && rate <= high);
            prop_assert!(upper_bound(n, wrong, 0.001) >= high && lower_bound(n, wrong, 0.001) <= low);
            prop_assert!(upper_bound(n + 1, wrong + 1, 0.05) >= high - 1e-9);
            prop_assert!(upper_bound(n + 1, wrong, 0.05) <= high + 1e-9);
        }
    }
}
