//! One group's served hits under watch: the level in use, what checks and reports have found at each level, and when
//! to move.
//!
//! Tightening is immediate: when the lower bound of the rate at the level in use exceeds the budget, when reports alone
//! prove as much, or when a change detector says that the rate has *become* too high (long good times must not hide a
//! bad day). The detector is a CUSUM of the bets of [`super::sequence`] (an e-detector: Shin, Ramdas, Rinaldo, 2022): if
//! the rate keeps to the budget, a thousand checks pass on average before it cries wolf. Loosening is slow: one step,
//! when the upper bound at a looser level is below half the budget.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::bounds::real;
use super::{ALPHA, LEVELS, Level, Tally};
use crate::domain::Timestamp;

/// Bets of the change detector, each that the rate is (1 + bet) times the budget.
const ALARMS: [f64; 3] = [1.0, 4.0, 16.0];
/// At this wealth of any of them the level is tightened.
const ALARM: f64 = 200.0;
/// At this wealth more hits are checked, to know soon.
const SUSPICION: f64 = 4.0;
const EAGER: f64 = 10.0;
/// Checks remembered of the time that the detector looks at.
const RECENT: usize = 512;
/// What is added to the wrong ones when a new level is looked for: with none seen, the rate is below the budget as
/// likely as not.
const DOUBT: f64 = 0.7;
/// Reports that are too few to judge everybody's traffic by.
const FEW: u64 = 5;
/// Checks wanted of what a looser level would let in besides.
const NEWCOMERS: u64 = 10;

/// What checks, services and reports there were of hits whose score belongs to one level.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Bin {
    /// Checks.
    pub checked: Tally,
    /// Hits served.
    pub served: u64,
    /// Hits reported as wrong.
    pub reported: u64,
}

/// One hit, compared with a fresh answer to the same request.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Check {
    /// The judge's score of the match.
    pub score: f32,
    /// Whether the answer was wrong.
    pub wrong: bool,
    /// With which probability this hit was picked.
    pub probability: f64,
    /// Whether it was served; otherwise the level refused it, and the upstream was asked anyway.
    pub served: bool,
}

/// A change of level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Move {
    /// The checks' lower bound is above the budget.
    LowerBound,
    /// The rate has become too high of late.
    Drift,
    /// Reports of wrong answers alone are above the budget.
    Reports,
    /// The upper bound is well below the budget.
    Loosened,
}

/// How far the budget is shown to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// This group's own checks show it at the level in use.
    Certified,
    /// Too few checks yet.
    NotYetCertified,
    /// The evidence spoke against a looser level, and does not yet speak for this one.
    Tightened,
    /// No level is shown to keep to the budget: matches by equality only.
    ExactOnly,
}

/// The state of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The level in use; `None` accepts nothing by meaning.
    level: Option<Level>,
    /// The level it began at.
    base: Option<Level>,
    /// Since when the evidence is counted.
    since: Timestamp,
    bins: Vec<Bin>,
    alarms: [f64; ALARMS.len()],
    recent: VecDeque<(Level, bool)>,
    /// The last move and when it was.
    moved: Option<(Move, Timestamp)>,
}

impl Watch {
    /// A group of which nothing is known, at the level that a calibration allows.
    #[must_use]
    pub fn new(base: Option<Level>, now: Timestamp) -> Self {
        Self {
            level: base,
            base,
            since: now,
            bins: vec![Bin::default(); usize::from(LEVELS)],
            alarms: [1.0; ALARMS.len()],
            recent: VecDeque::new(),
            moved: None,
        }
    }

    /// The level in use; `None`: by equality only.
    #[must_use]
    pub const fn level(&self) -> Option<Level> {
        self.level
    }

    /// Since when the evidence is counted.
    #[must_use]
    pub const fn since(&self) -> Timestamp {
        self.since
    }

    /// The last change of level.
    #[must_use]
    pub const fn moved(&self) -> Option<(Move, Timestamp)> {
        self.moved
    }

    /// Takes another calibration's level, or another budget's: what was found about scores stays.
    pub fn rebase(&mut self, base: Option<Level>, budget: f64, now: Timestamp) {
        if self.base != base {
            (self.base, self.level, self.moved) = (base, base, None);
            self.calm();
        }
        self.tighten_if_due(budget, now);
    }

    /// Whether what was read back from a record can be used.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.bins.len() == usize::from(LEVELS)
    }

    /// A hit of this score was served.
    pub fn served(&mut self, score: f32) {
        if let Some(bin) = self.bin(score) {
            bin.served += 1;
        }
    }

    /// A hit of this score was reported as wrong by who received it.
    pub fn reported(&mut self, score: f32, budget: f64, now: Timestamp) -> Option<Move> {
        self.bin(score)?.reported += 1;
        self.tighten_if_due(budget, now)
    }

    /// A hit was checked. Returns the move it led to.
    pub fn checked(&mut self, check: Check, budget: f64, now: Timestamp) -> Option<Move> {
        let own = Level::of(check.score)?;
        self.bin(check.score)?.checked.add(check.wrong, check.probability);
        if check.served && self.level.is_some_and(|level| level <= own) {
            self.sound_out(own, check.wrong, budget);
        }
        self.tighten_if_due(budget, now).or_else(|| self.loosen_if_due(budget, now))
    }

    /// How many times as many hits as usual are to be checked: more while the latest checks look bad, and after a
    /// tightening until this level has proven itself.
    #[must_use]
    pub fn eagerness(&self, budget: f64) -> f64 {
        let suspicious = self.alarms.iter().any(|wealth| *wealth >= SUSPICION);
        if suspicious || self.standing(budget) == Standing::Tightened { EAGER } else { 1.0 }
    }

    /// What is known of all hits that a level accepts.
    #[must_use]
    pub fn at(&self, level: Level) -> Bin {
        self.bins.iter().skip(level.number()).fold(Bin::default(), |sum, bin| Bin {
            checked: sum.checked.and(bin.checked),
            served: sum.served + bin.served,
            reported: sum.reported + bin.reported,
        })
    }

    /// What is known of the hits that the level in use accepts.
    #[must_use]
    pub fn now(&self) -> Bin {
        self.at(self.level.unwrap_or(Level::STRICTEST))
    }

    /// The bound that a certificate would state for a level: the choice among the levels is paid for.
    #[must_use]
    pub fn upper_bound(&self, level: Level) -> f64 {
        self.at(level).checked.upper(ALPHA / f64::from(LEVELS))
    }

    /// Whether that bound is below a rate.
    fn is_within(&self, level: Level, rate: f64) -> bool {
        self.at(level).checked.is_below(rate, ALPHA / f64::from(LEVELS))
    }

    /// How far the budget is shown to be kept.
    #[must_use]
    pub fn standing(&self, budget: f64) -> Standing {
        match self.level {
            None => Standing::ExactOnly,
            Some(level) if self.is_within(level, budget) => Standing::Certified,
            Some(level) if self.base.is_some_and(|base| level <= base) => Standing::NotYetCertified,
            Some(_) => Standing::Tightened,
        }
    }

    fn bin(&mut self, score: f32) -> Option<&mut Bin> {
        self.bins.get_mut(Level::of(score)?.number())
    }

    fn sound_out(&mut self, own: Level, wrong: bool, budget: f64) {
        for (wealth, bet) in self.alarms.iter_mut().zip(ALARMS) {
            let won = if wrong { 1.0 + bet } else { 1.0 };
            *wealth = wealth.max(1.0) * won / (1.0 + bet * budget);
        }
        if self.alarms.iter().all(|wealth| *wealth < 1.0) {
            self.recent.clear();
        } else {
            self.recent.push_back((own, wrong));
            if self.recent.len() > RECENT {
                self.recent.pop_front();
            }
        }
    }

    fn tighten_if_due(&mut self, budget: f64, now: Timestamp) -> Option<Move> {
        let level = self.level?;
        let Bin { checked, served, reported } = self.at(level);
        let why = if self.alarms.iter().any(|wealth| *wealth >= ALARM) {
            Move::Drift
        } else if checked.is_above(budget, ALPHA) {
            Move::LowerBound
        } else if reported >= FEW && Tally::counted(served, reported).is_above(budget, ALPHA) {
            Move::Reports
        } else {
            return None;
        };
        let stricter = Level::all().filter(|stricter| *stricter > level);
        self.level = stricter.into_iter().find(|stricter| self.would_do(*stricter, why, budget));
        // What was found before speaks of other traffic, or of hits that are served no more.
        self.bins.fill(Bin::default());
        self.calm();
        (self.since, self.moved) = (now, Some((why, now)));
        Some(why)
    }

    /// Whether what prompted a move would not have happened at this level, or within the budget.
    fn would_do(&self, level: Level, why: Move, budget: f64) -> bool {
        let Bin { checked, served, reported } = self.at(level);
        let (wrong, of) = match why {
            Move::Drift => {
                let accepted = self.recent.iter().filter(|(own, _)| *own >= level);
                (accepted.clone().filter(|(_, wrong)| *wrong).count() as f64, accepted.count() as f64)
            }
            Move::Reports => (real(reported), real(served)),
            Move::LowerBound | Move::Loosened => (checked.wrong_weight, checked.weight),
        };
        wrong == 0.0 || wrong + DOUBT <= budget * of
    }

    fn loosen_if_due(&mut self, budget: f64, now: Timestamp) -> Option<Move> {
        let known = self.level.map_or(0, |level| self.at(level).checked.checks);
        let (mut checked, mut due) = (Tally::default(), false);
        for (level, bin) in Level::all().zip(&self.bins).rev() {
            checked = checked.and(bin.checked);
            let newcomers = checked.checks - known.min(checked.checks);
            let looser = self.level.is_none_or(|now| level < now) && newcomers >= NEWCOMERS;
            let half = budget / 2.0;
            due |= looser && checked.estimate() <= Some(half) && checked.is_below(half, ALPHA / f64::from(LEVELS));
        }
        if !due {
            return None;
        }
        self.level = self.level.map_or(Some(Level::STRICTEST), Level::looser);
        self.calm();
        self.moved = Some((Move::Loosened, now));
        Some(Move::Loosened)
    }

    fn calm(&mut self) {
        self.alarms = [1.0; ALARMS.len()];
        self.recent.clear();
    }
}
