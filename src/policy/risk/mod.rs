//! Risk as a budget: the operator says which share of the answers served by meaning may be wrong, and the evidence
//! says how sure the judge must be for that to hold.
//!
//! The judge gives each candidate a [score](super::judge::Finding::score). A [`Level`] is the least score accepted, one
//! of a fixed grid. A [`Table`] of labelled hits says which levels keep to a budget, by a [`Certificate`]; a [`Watch`]
//! follows what is served since, and tightens as soon as the evidence speaks against the level in use. Without enough
//! evidence nothing is called certified. Method: `docs/decision-policy.md`, "Risk as a budget".

mod answers;
mod bounds;
mod level;
mod sequence;
mod settings;
mod table;
mod watch;
#[cfg(test)]
mod week;

pub use answers::{Agreement, compare};
pub use bounds::{lower_bound, upper_bound};
pub use level::{LEVELS, Level};
pub use sequence::Tally;
pub use settings::{Settings, Shadow, UntilCertified};
pub use table::{BadTable, Certificate, Row, Table};
pub use watch::{Bin, Check, Move, Standing, Watch};

use super::judge::Judgement;
use crate::domain::Cause;

/// One less the confidence at which everything here is stated: 95 %.
pub const ALPHA: f64 = 0.05;

/// Refuses what the judge accepted, where it is less sure than the level in use asks. Only ever tightens.
pub fn hold_to(judgement: &mut Judgement, level: Option<Level>) {
    for finding in &mut judgement.findings {
        if finding.against.is_none() && !level.is_some_and(|level| level.accepts(finding.score)) {
            finding.against = Some(Cause::RiskBudget.into());
        }
    }
    judgement.settle();
}

/// The checks without any error that it takes to certify a budget at one of the [`LEVELS`]: 688 for 1 %.
#[must_use]
pub fn checks_needed(budget: f64) -> u64 {
    let least = (ALPHA / f64::from(LEVELS)).ln() / (1.0 - budget.clamp(1e-9, 1.0 - 1e-9)).ln();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and at most 7e9")]
    let whole = least.ceil() as u64;
    whole
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::judge::{self, Candidate, judge};

    #[test]
    fn a_level_refuses_what_is_less_sure_and_nothing_else() {
        let near = |prompt, similarity| Candidate { prompt, similarity };
        let asked = "How do I reset my password?";
        let candidates = [near("How can I reset my password?", 0.85), near("How do I reset my password", 0.84)];
        let at = |level| {
            let mut judgement = judge(asked, &candidates, None, &judge::Settings::default());
            hold_to(&mut judgement, level);
            (judgement.chosen, judgement.reason)
        };
        // 0.85 is two fifths of the way from the bar of 0.75 to the same words.
        assert_eq!(at(Level::nth(19)), (Some(0), None));
        assert_eq!(at(Level::nth(21)), (None, Some(Cause::RiskBudget.into())));
        assert_eq!(at(None), (None, Some(Cause::RiskBudget.into())));
    }

    #[test]
    fn one_per_cent_takes_688_checks() {
        assert_eq!(checks_needed(0.01), 688);
        assert_eq!(checks_needed(0.05), 135);
    }
}
