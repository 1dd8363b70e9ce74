//! Labelled hits by level, and the certificate they give.

use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::bounds::{lower_bound, upper_bound};
use super::settings::UntilCertified;
use super::{ALPHA, LEVELS, Level};

/// Replayed hits with known right or wrong, counted by level: what `dejavu evaluate --calibrate` writes, and what is
/// shipped with the program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// What was replayed.
    pub source: String,
    /// What it does not tell.
    pub limits: String,
    /// When, as a date.
    pub date: String,
    /// The embedding model whose similarities the scores come from.
    pub model: String,
    /// One row for each level, loosest first.
    pub levels: Vec<Row>,
}

/// The hits that one level accepts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// The level's least score.
    pub score: f32,
    /// Hits of at least that score.
    pub hits: u64,
    /// Of those, the wrong ones.
    pub wrong: u64,
}

/// Why a calibration file is none.
#[derive(Debug, thiserror::Error)]
pub enum BadTable {
    /// It cannot be read as a table.
    #[error("{0}")]
    Unreadable(String),
    /// It counts by other levels than this program's.
    #[error("it must count by the {LEVELS} levels 0, 0.02, .. 0.98")]
    OtherLevels,
    /// A stricter level cannot have more hits or more wrong ones.
    #[error("row {0} has more hits, or more wrong ones, than the row before, or more wrong ones than hits")]
    Rising(usize),
}

/// What the evidence says about a budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Certificate {
    /// The largest share of wrong answers.
    pub budget: f64,
    /// The loosest level that keeps to it.
    pub level: Level,
    /// The hits it accepts among those labelled.
    pub hits: u64,
    /// Of those, the wrong ones.
    pub wrong: u64,
    /// The share of wrong ones is at most this, with 95 % confidence; the choice among the levels is paid for.
    pub upper_bound: f64,
    /// When it was counted.
    pub date: String,
    /// Of what.
    pub source: String,
}

impl Table {
    /// The table shipped with the program, from public data alone.
    #[must_use]
    pub fn shipped() -> Arc<Self> {
        static SHIPPED: OnceLock<Arc<Table>> = OnceLock::new();
        let parse = || Table::parse(include_str!("shipped.toml")).expect("a test reads the shipped table");
        SHIPPED.get_or_init(|| Arc::new(parse())).clone()
    }

    /// Reads a calibration file's text.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, BadTable> {
        let table: Self = toml::from_str(text).map_err(|fault| BadTable::Unreadable(fault.message().to_owned()))?;
        let fits = |(level, row): (Level, &Row)| (level.least() - row.score).abs() < 1e-4;
        if table.levels.len() != usize::from(LEVELS) || !Level::all().zip(&table.levels).all(fits) {
            return Err(BadTable::OtherLevels);
        }
        let rises = |(before, row): (&Row, &Row)| row.hits > before.hits || row.wrong > before.wrong;
        let rising = table.levels.iter().zip(&table.levels[1..]).position(rises).map(|at| at + 1);
        let over = table.levels.iter().position(|row| row.wrong > row.hits);
        match rising.or(over) {
            Some(at) => Err(BadTable::Rising(at + 1)),
            None => Ok(table),
        }
    }

    /// Counts hits, each by its score and whether it was wrong.
    #[must_use]
    pub fn count(hits: &[(f32, bool)]) -> Vec<Row> {
        let row = |level: Level| {
            let accepted = hits.iter().filter(|(score, _)| level.accepts(*score));
            let wrong = accepted.clone().filter(|(_, wrong)| *wrong).count() as u64;
            Row { score: level.least(), hits: accepted.count() as u64, wrong }
        };
        Level::all().map(row).collect()
    }

    /// Its text, as [`Table::parse`] reads it.
    #[must_use]
    pub fn write(&self) -> String {
        let mut text =
            String::from("# Labelled hits by level, for `semantic.calibration`; see docs/decision-policy.md.\n");
        for (name, value) in
            [("source", &self.source), ("limits", &self.limits), ("date", &self.date), ("model", &self.model)]
        {
            // A string writes itself as TOML wants it; writing to a String cannot fail.
            let _ = writeln!(text, "{name} = {}", toml::Value::String(value.clone()));
        }
        text.push_str("levels = [ # how many hits had at least this score, and how many of them were wrong\n");
        for Row { score, hits, wrong } in &self.levels {
            let _ = writeln!(text, "    {{ score = {score:.2}, hits = {hits}, wrong = {wrong} }},");
        }
        text.push_str("]\n");
        text
    }

    /// The loosest level whose rate of wrong hits is at most `budget`, with 95 % confidence over all levels together
    /// (Clopper and Pearson at alpha / levels). `None` where no level is shown to keep to it.
    #[must_use]
    pub fn certify(&self, budget: f64) -> Option<Certificate> {
        Level::all().find_map(|level| {
            let Row { hits, wrong, .. } = *self.levels.get(level.number())?;
            let upper_bound = self.upper_bound(level);
            (upper_bound <= budget).then(|| Certificate {
                budget,
                level,
                hits,
                wrong,
                upper_bound,
                date: self.date.clone(),
                source: self.source.clone(),
            })
        })
    }

    /// The level to begin with: the certified one; without a certificate, by `otherwise`, the loosest that the evidence
    /// does not speak against (its rate is not shown to be above the budget), or none.
    #[must_use]
    pub fn level(&self, budget: f64, otherwise: UntilCertified) -> Option<Level> {
        if let Some(certificate) = self.certify(budget) {
            return Some(certificate.level);
        }
        let stands = |level: &Level| {
            self.levels.get(level.number()).is_some_and(|row| lower_bound(row.hits, row.wrong, ALPHA) <= budget)
        };
        match otherwise {
            UntilCertified::Judge => Level::all().find(stands),
            UntilCertified::Exact => None,
        }
    }

    /// The bound on one level's rate; 1 where nothing is known.
    #[must_use]
    pub fn upper_bound(&self, level: Level) -> f64 {
        let row = self.levels.get(level.number());
        row.map_or(1.0, |row| upper_bound(row.hits, row.wrong, ALPHA / f64::from(LEVELS)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(levels: Vec<Row>) -> Table {
        let said = |text: &str| text.to_owned();
        Table { source: said("a \"log\""), limits: said("none"), date: said("2026-11-20"), model: said("m"), levels }
    }

    /// Right hits at scores over the whole grid, wrong ones below 0.4.
    fn mixed(right: u16, wrong: u16) -> Table {
        let share = |at: u16, of: u16| f32::from(at) / f32::from(of);
        let rights = (0..right).map(|at| (share(at, right), false));
        let wrongs = (0..wrong).map(|at| (0.4 * share(at, wrong), true));
        table(Table::count(&rights.chain(wrongs).collect::<Vec<_>>()))
    }

    #[test]
    fn the_loosest_level_within_the_budget_is_certified() {
        let certificate = mixed(2000, 100).certify(0.01).unwrap();
        assert!(certificate.upper_bound <= 0.01 && certificate.level > Level::LOOSEST);
        let looser = certificate.level.looser().unwrap();
        assert!(mixed(2000, 100).upper_bound(looser) > 0.01);
        assert_eq!(mixed(2000, 100).certify(1.0).map(|certificate| certificate.level), Some(Level::LOOSEST));
    }

    #[test]
    fn too_few_hits_certify_nothing() {
        assert_eq!(mixed(687, 0).certify(0.01), None);
        assert_eq!(mixed(688, 0).certify(0.01).map(|certificate| certificate.level), Some(Level::LOOSEST));
        assert_eq!(table(Table::count(&[])).certify(0.01), None);
    }

    #[test]
    fn without_a_certificate_the_judge_is_believed_as_far_as_nothing_speaks_against_it() {
        let few = mixed(100, 1);
        assert_eq!(few.certify(0.01), None);
        assert_eq!(few.level(0.01, UntilCertified::Judge), Some(Level::LOOSEST));
        assert_eq!(few.level(0.01, UntilCertified::Exact), None);
        // A tenth of its hits is wrong up to 0.4: that is shown to be too much, and what lies above is not.
        let bad = mixed(100, 10).level(0.01, UntilCertified::Judge).unwrap();
        assert!(bad.least() > 0.25 && bad.least() < 0.5, "{bad:?}");
    }

    #[test]
    fn a_table_reads_back_and_a_faulty_one_is_refused() {
        let written = mixed(100, 10);
        assert_eq!(Table::parse(&written.write()).unwrap(), written);
        let mut rising = written.clone();
        rising.levels[7].hits = 10_000;
        assert!(matches!(Table::parse(&rising.write()), Err(BadTable::Rising(8))));
        let mut short = written;
        short.levels.pop();
        assert!(matches!(Table::parse(&short.write()), Err(BadTable::OtherLevels)));
        assert!(matches!(Table::parse("levels = 3"), Err(BadTable::Unreadable(_))));
    }

    #[test]
    fn the_shipped_table_can_be_read_and_says_where_it_comes_from() {
        let shipped = Table::shipped();
        assert!(!shipped.source.is_empty() && !shipped.limits.is_empty() && shipped.levels[0].hits > 0);
        assert_eq!(Table::parse(&shipped.write()).unwrap(), *shipped);
    }
}
