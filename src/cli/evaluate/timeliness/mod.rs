//! `dejavu evaluate --timeliness FILE`: how well the time-sensitivity of questions is told, on labelled ones.
//!
//! A line is `class<TAB>question` with `none`, `hours`, `minutes` or `live`, or a JSON object with `question` (or
//! `prompt`, `text`) and `timeliness` (such a class) or `time_dependent` (true or false). Each way of telling is scored
//! on questions it has not learned from: five folds, by a hash of the question, so that repeated ones stay together.

mod learn;
mod score;

use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use super::{Arguments, vectors};
use crate::policy::timeliness::{self, Timeliness, Weights};
use learn::{Learned, Manner, Row, learn};
use score::{Report, Score};

/// A question, and its class by its place in the file's classes.
#[derive(Debug, Clone)]
struct Labelled {
    question: String,
    class: usize,
}

/// What a file's labels can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Classes {
    /// Whether an answer lasts at all.
    Two,
    /// How long it lasts.
    Four,
}

impl Classes {
    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Two => &["lasting", "time-bound"],
            Self::Four => &["none", "hours", "minutes", "live"],
        }
    }

    /// Where a class of the program's stands among these.
    const fn place(self, class: Timeliness) -> usize {
        match (self, class) {
            (_, Timeliness::None) => 0,
            (Self::Two, _) => 1,
            (Self::Four, class) => class as usize,
        }
    }
}

/// How the shipped weights are learned, and every other model beside them.
const MANNER: Manner = Manner { rounds: 200, penalty: 0.5 };

/// Runs the command.
///
/// # Errors
/// When the file cannot be read or the weights cannot be written.
pub(super) async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&arguments.file)
        .with_context(|| format!("{} cannot be read", arguments.file.display()))?;
    let (labelled, classes) = read(&text, &arguments.file, arguments.limit)?;
    let signs: Vec<Row> = labelled.iter().map(by_signs).collect();
    if let Some(path) = &arguments.weights {
        if classes == Classes::Two {
            bail!("weights are learned from the four classes");
        }
        return super::write(path, &weights(&signs).write());
    }
    let mut scores = vec![
        score("keyword list", &labelled, classes, |_, one| {
            score::by_keyword(&one.question).min(classes.names().len() - 1)
        }),
        across("signs, cross-validated", &labelled, &signs, timeliness::count(), classes),
        score("the shipped weights", &labelled, classes, |_, one| classes.place(timeliness::timeliness(&one.question))),
    ];
    match vectors::of(labelled.iter().map(|one| &*one.question), arguments.model.as_deref()).await {
        Err(error) => eprintln!("without the embedder's vectors: {error:#}"),
        Ok(vectors) => {
            let own = |one: &Labelled| vectors[&*one.question].vector.as_slice().to_vec();
            let alone: Vec<Row> =
                labelled.iter().map(|one| Row { features: dense(0, &own(one)), class: one.class }).collect();
            let width = labelled.first().map_or(0, |one| own(one).len());
            let both: Vec<Row> = signs.iter().zip(&labelled).map(|(row, one)| beside(row, &own(one))).collect();
            scores.push(across("vector, cross-validated", &labelled, &alone, width, classes));
            let width = timeliness::count() + width;
            scores.push(across("signs and vector, cross-validated", &labelled, &both, width, classes));
        }
    }
    let report = Report { questions: labelled.len(), classes: classes.names(), scores };
    if arguments.json { super::print_json(&report) } else { score::show(&report) }
}

fn read(text: &str, path: &Path, limit: Option<usize>) -> anyhow::Result<(Vec<Labelled>, Classes)> {
    #[derive(Deserialize)]
    struct Line {
        #[serde(alias = "prompt", alias = "text")]
        question: String,
        timeliness: Option<String>,
        time_dependent: Option<bool>,
    }
    let lines = text.lines().filter(|line| !line.trim().is_empty()).take(limit.unwrap_or(usize::MAX));
    let mut classes = Classes::Four;
    let mut labelled = Vec::new();
    for (number, line) in lines.enumerate() {
        let what = || format!("{}:{}: no labelled question", path.display(), number + 1);
        let (question, class) = if line.starts_with('{') {
            let line: Line = serde_json::from_str(line).with_context(what)?;
            match (line.timeliness, line.time_dependent) {
                (Some(class), _) => (line.question, named(&class).with_context(what)?),
                (None, Some(depends)) => {
                    classes = Classes::Two;
                    (line.question, usize::from(depends))
                }
                (None, None) => bail!(what()),
            }
        } else {
            let (class, question) = line.split_once('\t').with_context(what)?;
            (question.to_owned(), named(class).with_context(what)?)
        };
        labelled.push(Labelled { question, class });
    }
    if labelled.is_empty() {
        bail!("{} is empty", path.display());
    }
    Ok((labelled, classes))
}

fn named(class: &str) -> Option<usize> {
    Timeliness::ALL.iter().position(|known| known.as_str() == class)
}

fn by_signs(one: &Labelled) -> Row {
    let features = timeliness::signs(&one.question).into_iter().map(|sign| (sign, 1.0)).collect();
    Row { features, class: one.class }
}

fn dense(from: usize, vector: &[f32]) -> Vec<(usize, f32)> {
    // As long as a handful of signs, so that the penalty weighs on both alike.
    const SCALE: f32 = 4.0;
    vector.iter().enumerate().map(|(at, value)| (from + at, SCALE * value)).collect()
}

fn beside(row: &Row, vector: &[f32]) -> Row {
    let mut features = row.features.clone();
    features.extend(dense(timeliness::count(), vector));
    Row { features, class: row.class }
}

/// The weights that labelled questions teach.
fn weights(rows: &[Row]) -> Weights {
    let Learned { bias, weights } = learn(rows.iter(), timeliness::count(), Timeliness::ALL.len(), MANNER);
    #[expect(clippy::cast_possible_truncation, reason = "two decimals are kept of them")]
    let four = |worth: &Vec<f64>| std::array::from_fn(|class| worth[class] as f32);
    Weights { bias: four(&bias), signs: weights.iter().map(four).collect() }
}

fn score(
    name: &'static str,
    labelled: &[Labelled],
    classes: Classes,
    mut tell: impl FnMut(usize, &Labelled) -> usize,
) -> Score {
    let told = labelled.iter().enumerate().map(|(at, one)| (one.class, tell(at, one))).collect::<Vec<_>>();
    Score::of(name, &told, classes.names())
}

/// Learns from four folds and tells the fifth, in turn.
fn across(name: &'static str, labelled: &[Labelled], rows: &[Row], features: usize, classes: Classes) -> Score {
    const FOLDS: u64 = 5;
    let folds: Vec<u64> = labelled.iter().map(|one| fold(&one.question) % FOLDS).collect();
    let learned: Vec<Learned> = (0..FOLDS)
        .map(|held_out| {
            let others = rows.iter().zip(&folds).filter(move |(_, fold)| **fold != held_out).map(|(row, _)| row);
            learn(others, features, classes.names().len(), MANNER)
        })
        .collect();
    let by_fold = |fold: u64| learned.get(usize::try_from(fold).unwrap_or_default());
    score(name, labelled, classes, |at, _| by_fold(folds[at]).map_or(0, |learned| learned.class(&rows[at].features)))
}

/// FNV-1a over the question, the same on every machine.
fn fold(question: &str) -> u64 {
    let hash = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    question.bytes().fold(0xcbf2_9ce4_8422_2325, hash) >> 20
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLES: &str = include_str!("../../../policy/timeliness/examples.tsv");

    fn examples() -> (Vec<Labelled>, Vec<Row>) {
        let (labelled, classes) = read(EXAMPLES, Path::new("examples.tsv"), None).unwrap();
        assert_eq!(classes, Classes::Four);
        let rows = labelled.iter().map(by_signs).collect();
        (labelled, rows)
    }

    #[test]
    fn the_shipped_weights_are_what_the_examples_teach() {
        let (_, rows) = examples();
        let taught = Weights::read(&weights(&rows).write()).unwrap();
        for (sign, (taught, shipped)) in taught.signs.iter().zip(&Weights::shipped().signs).enumerate() {
            let near = taught.iter().zip(shipped).all(|(a, b)| (a - b).abs() < 0.02);
            let name = timeliness::name(sign);
            assert!(near, "{name}: {shipped:?} is shipped, {taught:?} is taught; write the weights anew");
        }
    }

    #[test]
    fn signs_tell_more_than_a_keyword_list_on_questions_not_learned_from() {
        let (labelled, rows) = examples();
        let two: Vec<Labelled> =
            labelled.iter().map(|one| Labelled { class: one.class.min(1), ..one.clone() }).collect();
        let rows: Vec<Row> = rows.into_iter().map(|row| Row { class: row.class.min(1), ..row }).collect();
        let signs = across("signs", &two, &rows, timeliness::count(), Classes::Two);
        let keywords = score("list", &two, Classes::Two, |_, one| score::by_keyword(&one.question).min(1));
        assert!(signs.classes[1].f1 > keywords.classes[1].f1 + 0.1, "{signs:?} {keywords:?}");
        assert!(signs.classes[1].precision > 0.85 && signs.classes[1].recall > 0.85, "{signs:?}");
    }

    #[test]
    fn both_forms_of_lines_are_read_and_others_are_named() {
        let (two, classes) = read("{\"question\": \"q\", \"time_dependent\": true}\n", Path::new("f"), None).unwrap();
        assert_eq!((two[0].class, classes), (1, Classes::Two));
        let (four, classes) =
            read("{\"text\": \"q\", \"timeliness\": \"live\"}\nnone\tq\n", Path::new("f"), None).unwrap();
        assert_eq!((four[0].class, four[1].class, classes), (3, 0, Classes::Four));
        for bad in ["soon\tq", "{\"question\": \"q\"}", "no tab", ""] {
            assert!(read(bad, Path::new("f"), None).is_err(), "{bad}");
        }
    }
}
