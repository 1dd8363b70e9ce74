//! `--calibrate FILE`: the log's hits by meaning, counted by level, as a file that `semantic.calibration` loads.
//!
//! The log is replayed as traffic, so each hit is the nearest stored prompt that the policy accepted, not a pair that
//! somebody made up. The earlier two thirds of the hits say what the later third should look like, since a split at
//! random would hide every drift. Where the later third agrees, the file counts all of them; where it contradicts, the
//! traffic has changed, and the file counts the later third alone.

use serde::Serialize;

use super::Arguments;
use super::replay::{Replayed, hits};
use crate::domain::{Clock as _, SystemClock};
use crate::embed;
use crate::policy::risk::{ALPHA, Certificate, Table, checks_needed, lower_bound};

/// A table, and what the rest of the log says of it.
#[derive(Debug, Serialize)]
pub(super) struct Calibrated {
    /// All hits, or the later ones alone where they contradict the earlier.
    pub(super) table: Table,
    /// The share of wrong hits asked for.
    pub(super) budget: f64,
    /// What the table certifies; nothing where it does not suffice.
    pub(super) certificate: Option<Certificate>,
    /// The later part, at the level that the earlier one certifies.
    pub(super) later: Later,
}

/// Hits after those that made the table.
#[derive(Debug, Serialize)]
pub(super) struct Later {
    pub(super) hits: u64,
    pub(super) wrong: u64,
    /// The rate there is above the bound beyond doubt: the traffic drifts.
    pub(super) contradicts: bool,
}

/// Counts the hits of the policy at `floor`.
///
/// # Errors
/// When no two prompts carry classes.
pub(super) fn calibrate(replayed: &Replayed, floor: f32, arguments: &Arguments) -> anyhow::Result<Calibrated> {
    let hits: Vec<(f32, bool)> = hits(replayed, floor).into_iter().map(|(_, score, wrong)| (score, wrong)).collect();
    anyhow::ensure!(!hits.is_empty(), "no hit has a class on both sides: there is nothing to calibrate by");
    let name = arguments.file.file_name().unwrap_or_default().to_string_lossy();
    let today = SystemClock.now().rfc3339();
    let frame = Table {
        source: format!("{name}, replayed in order"),
        limits: "holds for traffic like this log's, under this embedding model, judge and policy".to_owned(),
        date: today.get(..10).unwrap_or_default().to_owned(),
        model: arguments.model.clone().unwrap_or_else(|| embed::Settings::default().model),
        levels: Vec::new(),
    };
    Ok(split(&hits, arguments.max_false_hit_rate, &frame))
}

fn split(hits: &[(f32, bool)], budget: f64, frame: &Table) -> Calibrated {
    let (earlier, latest) = hits.split_at(hits.len() * 2 / 3);
    let of = |hits| Table { levels: Table::count(hits), ..frame.clone() };
    let expected = of(earlier).certify(budget);
    let level = expected.as_ref().map(|expected| expected.level);
    let served: Vec<_> = latest.iter().filter(|(score, _)| level.is_some_and(|level| level.accepts(*score))).collect();
    let wrong = served.iter().filter(|(_, wrong)| *wrong).count() as u64;
    let bound = expected.map_or(1.0, |expected| expected.upper_bound);
    let contradicts = lower_bound(served.len() as u64, wrong, ALPHA) > bound;
    let table = of(if contradicts { latest } else { hits });
    let later = Later { hits: served.len() as u64, wrong, contradicts };
    Calibrated { budget, certificate: table.certify(budget), later, table }
}

/// Prints what the calibration says.
pub(super) fn show(calibrated: &Calibrated) -> anyhow::Result<()> {
    let all = calibrated.table.levels[0];
    println!("{} hits, {} of them wrong, at the loosest level", all.hits, all.wrong);
    match &calibrated.certificate {
        Some(one) => {
            println!(
                "certified for {:.2} %: level {:.2}, {} hits, {} wrong, at most {:.2} % with 95 % confidence",
                one.budget * 100.0,
                one.level.least(),
                one.hits,
                one.wrong,
                one.upper_bound * 100.0
            );
            let Later { hits, wrong, contradicts } = calibrated.later;
            let verdict =
                if contradicts { "which contradicts it: the traffic drifts" } else { "which does not contradict it" };
            println!("the later third: {wrong} of {hits} wrong, {verdict}");
        }
        None => {
            let (percent, needed) = (calibrated.budget * 100.0, checks_needed(calibrated.budget));
            println!(
                "not certified: no level's bound is within {percent:.2} %, which takes {needed} hits without error"
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_part_that_contradicts_counts_alone() {
        let none = String::new;
        let frame = Table { source: none(), limits: none(), date: none(), model: none(), levels: Vec::new() };
        let mut hits = vec![(0.5, false); 1200];
        let steady = split(&hits, 0.01, &frame);
        assert_eq!((steady.table.levels[0].hits, steady.later.hits, steady.later.contradicts), (1200, 400, false));
        hits[1000..].iter_mut().for_each(|hit| hit.1 = true);
        let drifting = split(&hits, 0.01, &frame);
        assert_eq!((drifting.certificate, drifting.table.levels[0].hits), (None, 400));
        assert!(drifting.later.contradicts);
        assert_eq!(split(&hits[..600], 0.01, &frame).certificate, None);
    }
}
