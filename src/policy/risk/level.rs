//! The grid of acceptance levels, fixed before any label is seen.

use serde::{Deserialize, Serialize};

/// How many levels there are; certificates pay for the choice among them.
pub const LEVELS: u8 = 50;

/// A least score at which candidates are accepted. The first level accepts all that the judge does; each next one asks
/// for a fiftieth more of the way from the judge's own bar to the very same words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Level(u8);

impl Level {
    /// Accepts all that the judge does.
    pub const LOOSEST: Self = Self(0);
    /// Accepts next to nothing but the same words.
    pub const STRICTEST: Self = Self(LEVELS - 1);

    /// Every level, loosest first.
    pub fn all() -> impl DoubleEndedIterator<Item = Self> + ExactSizeIterator {
        (0..LEVELS).map(Self)
    }

    /// The level with this number, from 0 on; none beyond the grid.
    #[must_use]
    pub fn nth(number: usize) -> Option<Self> {
        u8::try_from(number).ok().filter(|number| *number < LEVELS).map(Self)
    }

    /// The strictest level that accepts this score; none below the loosest.
    #[must_use]
    pub fn of(score: f32) -> Option<Self> {
        // Found among the levels' own bars, so that it never disagrees with `accepts`.
        Self::all().rev().find(|level| level.accepts(score))
    }

    /// Its number, from 0 on.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }

    /// The least score it accepts.
    #[must_use]
    pub fn least(self) -> f32 {
        f32::from(self.0) / f32::from(LEVELS)
    }

    /// Whether it accepts a score.
    #[must_use]
    pub fn accepts(self, score: f32) -> bool {
        score >= self.least()
    }

    /// One step looser; none from the loosest.
    #[must_use]
    pub fn looser(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_score_is_accepted_up_to_its_own_level_and_no_further(score in -0.5_f32..1.5) {
            let own = Level::of(score);
            for level in Level::all() {
                prop_assert_eq!(level.accepts(score), own.is_some_and(|own| level <= own));
            }
        }
    }
}
