//! Precision and recall, class by class.

use serde::Serialize;

use super::super::share;
use super::super::show::table;

/// Everything about a file of labelled questions.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) questions: usize,
    pub(super) classes: &'static [&'static str],
    pub(super) scores: Vec<Score>,
}

/// How well one way of telling does.
#[derive(Debug, Serialize)]
pub(super) struct Score {
    pub(super) by: &'static str,
    /// Share of all questions told right.
    pub(super) right: f64,
    pub(super) classes: Vec<OfClass>,
}

/// How well one class is told from the others.
#[derive(Debug, Serialize)]
pub(super) struct OfClass {
    pub(super) class: &'static str,
    /// Questions of it.
    pub(super) questions: usize,
    /// Of those told to be of it, the share that is.
    pub(super) precision: f64,
    /// Of those that are of it, the share told to be.
    pub(super) recall: f64,
    /// The harmonic mean of both.
    pub(super) f1: f64,
}

impl Score {
    /// From pairs of what is and what was told. A way that tells fewer classes than there are is scored on those.
    pub(super) fn of(by: &'static str, told: &[(usize, usize)], classes: &[&'static str]) -> Self {
        let of_class = |(class, name): (usize, &&'static str)| {
            let both = told.iter().filter(|pair| **pair == (class, class)).count();
            let questions = told.iter().filter(|(is, _)| *is == class).count();
            let precision = share(both, told.iter().filter(|(_, told)| *told == class).count());
            let recall = share(both, questions);
            let sum = precision + recall;
            let f1 = if sum == 0.0 { 0.0 } else { 2.0 * precision * recall / sum };
            OfClass { class: name, questions, precision, recall, f1 }
        };
        let right = share(told.iter().filter(|(is, told)| is == told).count(), told.len());
        Self { by, right, classes: classes.iter().enumerate().map(of_class).collect() }
    }
}

/// What a cache without a model would do: look for these words, the most urgent first. By class.
const KEYWORDS: [(usize, &[&str]); 3] = [
    (3, &["now", "at the moment", "what time", "live"]),
    (2, &["weather", "news", "price", "score", "traffic", "forecast", "stock", "delayed"]),
    (
        1,
        &[
            "today",
            "tonight",
            "tomorrow",
            "yesterday",
            "current",
            "currently",
            "latest",
            "last",
            "recent",
            "next",
            "new",
            "this year",
            "this week",
            "still",
        ],
    ),
];

/// The class of the first of them that stands in a question.
pub(super) fn by_keyword(question: &str) -> usize {
    let words = question.to_lowercase().replace(|c: char| !c.is_alphanumeric(), " ");
    let words = format!(" {words} ");
    let stands = |keyword: &&str| words.contains(&format!(" {keyword} "));
    KEYWORDS.iter().find(|(_, keywords)| keywords.iter().any(stands)).map_or(0, |(class, _)| *class)
}

/// Prints the report.
pub(super) fn show(report: &Report) -> anyhow::Result<()> {
    println!("{} labelled questions", report.questions);
    let mut header = vec!["precision / recall".to_owned(), "right".to_owned()];
    if let Some(first) = report.scores.first() {
        header.extend(first.classes.iter().map(|class| format!("{} ({})", class.class, class.questions)));
    }
    let mut table = table(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for score in &report.scores {
        let cells =
            score.classes.iter().map(|class| format!("{} / {}", percent(class.precision), percent(class.recall)));
        table.add_row([score.by.to_owned(), percent(score.right)].into_iter().chain(cells));
    }
    println!("{table}");
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:.1}%", share * 100.0)
}
