//! A log of prompts, replayed as traffic: each prompt looks among the earlier ones that were stored; a hit is served,
//! a miss is stored. Where prompts carry classes, a hit on another class is a false hit.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use serde::Serialize;

use super::plot::Curve;
use super::rows::Line;
use super::second::Second;
use super::{Judge, Latency, Point, points, share, vectors};
use crate::domain::{Cause, Reason};
use crate::embed::Embedding;
use crate::policy::judge::{self, Candidate, Settings, judge};

/// How many candidates the engine judges.
const CANDIDATES: usize = 8;
/// Neighbours remembered of each prompt: more than are judged, as not all of them will have been stored.
const NEIGHBOURS: usize = 64;
/// Nothing below this is looked at.
const LEAST: f32 = 0.70;

/// A log with, for each prompt, its nearest earlier ones and what the policy says of them.
pub(super) struct Replayed {
    lines: Vec<Line>,
    /// For each line, earlier lines by falling similarity, with the policy's reason against each.
    neighbours: Vec<Vec<Neighbour>>,
    micros: Vec<f64>,
}

#[derive(Debug, Clone)]
struct Neighbour {
    line: usize,
    similarity: f32,
    against: Option<Reason>,
    detail: String,
    /// The judge's score.
    score: f32,
}

/// Embeds every prompt and judges its neighbours.
pub(super) async fn replay(lines: Vec<Line>, model: Option<&str>, second: &Second) -> anyhow::Result<Replayed> {
    let embeddings = vectors::of(lines.iter().map(|line| &*line.prompt), model).await?;
    let placed: Vec<&Embedding> = lines.iter().map(|line| &embeddings[&*line.prompt]).collect();
    judge::prepare();
    let bar = vectors::bar(lines.len(), "judging");
    let mut neighbours = Vec::with_capacity(lines.len());
    let mut micros = Vec::with_capacity(lines.len());
    for at in 0..lines.len() {
        let mut near = nearest(at, &placed, &lines);
        micros.extend(judged(at, &mut near, &lines, second).await?);
        neighbours.push(near);
        bar.inc(1);
    }
    bar.finish_and_clear();
    drop(placed);
    Ok(Replayed { neighbours, micros, lines })
}

fn nearest(at: usize, placed: &[&Embedding], lines: &[Line]) -> Vec<Neighbour> {
    let comparable =
        |line: &usize| placed[*line].unseen == placed[at].unseen && lines[*line].prompt != lines[at].prompt;
    let mut near: Vec<Neighbour> = (0..at)
        .filter(comparable)
        .map(|line| (line, placed[at].vector.cosine(&placed[line].vector)))
        .filter(|(_, similarity)| *similarity >= LEAST)
        .map(|(line, similarity)| Neighbour { line, similarity, against: None, detail: String::new(), score: 0.0 })
        .collect();
    near.sort_by(|x, y| y.similarity.total_cmp(&x.similarity));
    near.truncate(NEIGHBOURS);
    near
}

/// Judges all neighbours, in portions as the engine would; returns the time of the first.
async fn judged(at: usize, near: &mut [Neighbour], lines: &[Line], second: &Second) -> anyhow::Result<Option<f64>> {
    let settings = Settings { min_similarity: -1.0 };
    let mut first = None;
    for portion in near.chunks_mut(CANDIDATES) {
        let candidates: Vec<Candidate<'_>> = portion
            .iter()
            .map(|near| Candidate { prompt: &lines[near.line].prompt, similarity: near.similarity })
            .collect();
        let started = Instant::now();
        let mut judgement = judge(&lines[at].prompt, &candidates, None, &settings);
        first = first.or(Some(started.elapsed().as_secs_f64() * 1e6));
        second.read(&lines[at].prompt, &candidates, &mut judgement).await?;
        for (near, finding) in portion.iter_mut().zip(judgement.findings) {
            near.against = finding.against;
            near.score = finding.score;
            near.detail = finding.objections.first().map(|found| found.detail.clone()).unwrap_or_default();
        }
    }
    Ok(first)
}

/// What came of the whole log at one operating point.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Score {
    #[serde(flatten)]
    pub(super) point: Point,
    /// Share of prompts served by equality.
    pub(super) exact: f64,
    /// Share of prompts served by meaning.
    pub(super) semantic: f64,
    /// Share of wrong answers among those served by meaning, where prompts carry classes.
    pub(super) wrong: Option<f64>,
}

/// A false hit, to read.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Mistake {
    pub(super) similarity: f32,
    pub(super) prompt: String,
    pub(super) class: String,
    pub(super) served: String,
    pub(super) served_class: String,
}

/// Everything about a log.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) prompts: usize,
    pub(super) scores: Vec<Score>,
    /// Why the policy missed, where a candidate was near.
    pub(super) reasons: BTreeMap<&'static str, usize>,
    pub(super) false_hits: Vec<Mistake>,
    /// Of the decision about up to eight candidates.
    pub(super) latency_us: Latency,
    /// Of the second stage's reading of one pair, where it read any.
    pub(super) reading_us: Option<Latency>,
}

/// Sums up, with the policy at `floor` and the worst `errors` false hits.
pub(super) fn report(replayed: &Replayed, floor: f32, errors: usize, second: &Second) -> Report {
    let mut reasons = BTreeMap::new();
    let mut false_hits = Vec::new();
    let policy = Point { by: Judge::Policy, floor };
    stream(replayed, policy, |at, served| match served {
        Served::ByMeaning(near) if differ(replayed, at, near.line) == Some(true) => {
            let class = |line: usize| replayed.lines[line].class.clone().unwrap_or_default();
            false_hits.push(Mistake {
                similarity: near.similarity,
                prompt: replayed.lines[at].prompt.clone(),
                class: class(at),
                served: replayed.lines[near.line].prompt.clone(),
                served_class: class(near.line),
            });
        }
        Served::Missed(Some(reason)) => *reasons.entry(reason.as_str()).or_default() += 1,
        _ => {}
    });
    false_hits.sort_by(|x, y| y.similarity.total_cmp(&x.similarity));
    false_hits.truncate(errors);
    Report {
        prompts: replayed.lines.len(),
        scores: points(floor).into_iter().map(|point| score(replayed, point)).collect(),
        reasons,
        false_hits,
        latency_us: Latency::of(replayed.micros.clone()),
        reading_us: second.latency(),
    }
}

enum Served<'a> {
    Exactly,
    ByMeaning(&'a Neighbour),
    Missed(Option<Reason>),
}

/// Replays the log at one operating point and tells what became of each prompt.
fn stream<'a>(replayed: &'a Replayed, point: Point, mut tell: impl FnMut(usize, Served<'a>)) {
    let mut stored: HashMap<&str, usize> = HashMap::new();
    let mut is_stored = vec![false; replayed.lines.len()];
    for (at, line) in replayed.lines.iter().enumerate() {
        if stored.contains_key(&*line.prompt) {
            tell(at, Served::Exactly);
            continue;
        }
        let near = replayed.neighbours[at].iter().filter(|near| is_stored[near.line]).take(CANDIDATES);
        let accepts =
            |near: &&Neighbour| near.similarity >= point.floor && (point.by == Judge::Cosine || near.against.is_none());
        if let Some(hit) = near.clone().find(accepts) {
            tell(at, Served::ByMeaning(hit));
            continue;
        }
        let nearest = near.clone().next();
        let reason = nearest.map(|near| match near.against {
            Some(reason) if near.similarity >= point.floor => reason,
            _ => Cause::BelowThreshold.into(),
        });
        tell(at, Served::Missed(reason));
        stored.insert(&line.prompt, at);
        is_stored[at] = true;
    }
}

/// Whether two prompts carry different classes; `None` where one carries none.
fn differ(replayed: &Replayed, one: usize, other: usize) -> Option<bool> {
    let class = |line: usize| replayed.lines[line].class.as_deref();
    Some(class(one)? != class(other)?)
}

/// Every hit by meaning of the policy at `floor`, in order: where in the log, the judge's score, and whether it was
/// wrong. Prompts without a class tell nothing and are left out.
pub(super) fn hits(replayed: &Replayed, floor: f32) -> Vec<(usize, f32, bool)> {
    let mut hits = Vec::new();
    stream(replayed, Point { by: Judge::Policy, floor }, |at, served| {
        if let Served::ByMeaning(near) = served
            && let Some(wrong) = differ(replayed, at, near.line)
        {
            hits.push((at, near.score, wrong));
        }
    });
    hits
}

fn score(replayed: &Replayed, point: Point) -> Score {
    let (mut exact, mut semantic, mut classed, mut wrong) = (0, 0, 0, 0);
    stream(replayed, point, |at, served| match served {
        Served::Exactly => exact += 1,
        Served::ByMeaning(near) => {
            semantic += 1;
            if let Some(differ) = differ(replayed, at, near.line) {
                classed += 1;
                wrong += usize::from(differ);
            }
        }
        Served::Missed(_) => {}
    });
    let prompts = replayed.lines.len();
    let wrong = (classed > 0).then(|| share(wrong, classed));
    Score { point, exact: share(exact, prompts), semantic: share(semantic, prompts), wrong }
}

/// Hit rate against false-hit rate, at every floor.
pub(super) fn curves(replayed: &Replayed) -> Vec<Curve> {
    let curve = |name, by| {
        let points = (0..=30).map(|step: u8| Point { by, floor: LEAST + f32::from(step) / 100.0 });
        let scores = points.map(|point| score(replayed, point));
        Curve { name, points: scores.map(|score| (score.wrong.unwrap_or_default(), score.semantic)).collect() }
    };
    vec![curve("cosine alone", Judge::Cosine), curve("policy", Judge::Policy)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_looks_only_among_what_was_stored() {
        let line = |prompt: &str, class: &str| Line { prompt: prompt.into(), class: Some(class.into()) };
        let near = |line, similarity| Neighbour { line, similarity, against: None, detail: String::new(), score: 0.0 };
        let replayed = Replayed {
            lines: vec![line("a", "x"), line("b", "x"), line("c", "y"), line("a", "x")],
            // "b" hits "a", so it is not stored; "c" is near both and can only hit "a", wrongly.
            neighbours: vec![vec![], vec![near(0, 0.95)], vec![near(1, 0.93), near(0, 0.9)], vec![]],
            micros: vec![],
        };
        let score = score(&replayed, Point { by: Judge::Policy, floor: 0.85 });
        assert_eq!((score.exact, score.semantic, score.wrong), (0.25, 0.5, Some(0.5)));
        let report = report(&replayed, 0.92, 3, &Second::default());
        assert_eq!((report.reasons["below-threshold"], report.false_hits.len()), (1, 0));
    }
}
