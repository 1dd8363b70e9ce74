//! Labelled pairs: how many near-misses are accepted, how many rewordings kept.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::Serialize;

use super::plot::Curve;
use super::rows::Pair;
use super::second::Second;
use super::{Judge, Latency, Point, points, share, vectors};
use crate::domain::Cause;
use crate::policy::judge::{self, Candidate, Finding, Settings, judge};

/// A pair with what was found about it, at no floor at all.
#[derive(Debug)]
pub(super) struct Measured {
    pair: Pair,
    similarity: f32,
    /// The embedder saw both whole, or the same rest of both is unseen.
    comparable: bool,
    finding: Finding,
    micros: f64,
}

impl Measured {
    fn accepted(&self, point: Point) -> bool {
        let near = self.similarity >= point.floor;
        match point.by {
            Judge::Cosine => near,
            Judge::Policy => near && self.comparable && self.finding.against.is_none(),
        }
    }

    /// Why the policy refuses it at this floor.
    fn reason(&self, floor: f32) -> &'static str {
        if !self.comparable {
            return Cause::TooLong.as_str();
        }
        match self.finding.against {
            _ if self.similarity < floor => Cause::BelowThreshold.as_str(),
            Some(reason) => reason.as_str(),
            None => "accepted",
        }
    }
}

/// Embeds and judges every pair.
pub(super) async fn measure(pairs: Vec<Pair>, model: Option<&str>, second: &Second) -> anyhow::Result<Vec<Measured>> {
    let similarities: Vec<(f32, bool)> = if pairs.iter().all(|pair| pair.similarity.is_some()) {
        pairs.iter().map(|pair| (pair.similarity.unwrap_or_default(), true)).collect()
    } else {
        let vectors = vectors::of(pairs.iter().flat_map(|pair| [&*pair.a, &*pair.b]), model).await?;
        let measured = |pair: &Pair| {
            let (a, b) = (&vectors[&*pair.a], &vectors[&*pair.b]);
            (a.vector.cosine(&b.vector), a.unseen == b.unseen)
        };
        pairs.iter().map(measured).collect()
    };
    judge::prepare();
    let settings = Settings { min_similarity: -1.0 };
    let mut measured = Vec::with_capacity(pairs.len());
    for (pair, (similarity, comparable)) in pairs.into_iter().zip(similarities) {
        let candidates = [Candidate { prompt: &pair.b, similarity }];
        let started = Instant::now();
        let mut judgement = judge(&pair.a, &candidates, None, &settings);
        let micros = started.elapsed().as_secs_f64() * 1e6;
        second.read(&pair.a, &candidates, &mut judgement).await?;
        measured.push(Measured { pair, similarity, comparable, finding: judgement.findings.remove(0), micros });
    }
    Ok(measured)
}

/// What one operating point makes of some pairs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Score {
    #[serde(flatten)]
    pub(super) point: Point,
    /// Share of near-misses accepted.
    pub(super) accepted: f64,
    /// Share of rewordings kept.
    pub(super) kept: f64,
    /// Share of wrong answers among those accepted.
    pub(super) wrong: f64,
}

/// The scores of one kind of pairs.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Kind {
    pub(super) tag: String,
    pub(super) near_misses: usize,
    pub(super) rewordings: usize,
    pub(super) scores: Vec<Score>,
}

/// One wrong decision, to read.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Mistake {
    pub(super) similarity: f32,
    pub(super) tag: String,
    pub(super) a: String,
    pub(super) b: String,
    /// What spoke against it, with what differs.
    pub(super) against: Vec<String>,
}

/// Everything about a file of pairs.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) all: Kind,
    pub(super) kinds: Vec<Kind>,
    /// By reason: near-misses refused (or accepted) for it, rewordings refused (or kept) for it.
    pub(super) reasons: BTreeMap<&'static str, (usize, usize)>,
    pub(super) wrongly_accepted: Vec<Mistake>,
    pub(super) wrongly_refused: Vec<Mistake>,
    /// Of the decision about one candidate.
    pub(super) latency_us: Latency,
    /// Of the second stage's reading of one pair, where it read any.
    pub(super) reading_us: Option<Latency>,
}

/// Sums up, with the policy at `floor` and the worst `errors` of each sort.
pub(super) fn report(measured: &[Measured], floor: f32, errors: usize, second: &Second) -> Report {
    let mut by_tag: BTreeMap<&str, Vec<&Measured>> = BTreeMap::new();
    let mut reasons: BTreeMap<&'static str, (usize, usize)> = BTreeMap::new();
    for one in measured {
        by_tag.entry(one.pair.tag.as_deref().unwrap_or("")).or_default().push(one);
        let count = reasons.entry(one.reason(floor)).or_default();
        if one.pair.same { count.1 += 1 } else { count.0 += 1 }
    }
    let all: Vec<&Measured> = measured.iter().collect();
    let policy = Point { by: Judge::Policy, floor };
    let worst = |same: bool| {
        let mut wrong: Vec<&Measured> =
            all.iter().copied().filter(|one| one.pair.same == same && one.accepted(policy) != same).collect();
        wrong.sort_by(|x, y| y.similarity.total_cmp(&x.similarity));
        wrong.into_iter().take(errors).map(mistake).collect()
    };
    Report {
        kinds: by_tag.iter().map(|(tag, of_tag)| kind(tag, of_tag, floor)).collect(),
        reasons,
        wrongly_accepted: worst(false),
        wrongly_refused: worst(true),
        latency_us: Latency::of(all.iter().map(|one| one.micros).collect()),
        reading_us: second.latency(),
        all: kind("all", &all, floor),
    }
}

fn kind(tag: &str, pairs: &[&Measured], floor: f32) -> Kind {
    let rewordings = pairs.iter().filter(|one| one.pair.same).count();
    let near_misses = pairs.len() - rewordings;
    let scores = points(floor).into_iter().map(|point| score(pairs, point, near_misses, rewordings)).collect();
    Kind { tag: tag.to_owned(), near_misses, rewordings, scores }
}

fn score(pairs: &[&Measured], point: Point, near_misses: usize, rewordings: usize) -> Score {
    let count = |same: bool| pairs.iter().filter(|one| one.pair.same == same && one.accepted(point)).count();
    let (wrong, right) = (count(false), count(true));
    Score {
        point,
        accepted: share(wrong, near_misses),
        kept: share(right, rewordings),
        wrong: share(wrong, wrong + right),
    }
}

fn mistake(one: &Measured) -> Mistake {
    let against = one.finding.objections.iter().map(|found| format!("{} ({})", found.veto.as_str(), found.detail));
    Mistake {
        similarity: one.similarity,
        tag: one.pair.tag.clone().unwrap_or_default(),
        a: one.pair.a.clone(),
        b: one.pair.b.clone(),
        against: against.collect(),
    }
}

/// Kept against accepted, at every floor.
pub(super) fn curves(measured: &[Measured]) -> Vec<Curve> {
    let all: Vec<&Measured> = measured.iter().collect();
    let rewordings = all.iter().filter(|one| one.pair.same).count();
    let near_misses = all.len() - rewordings;
    let curve = |name, by| {
        let points = (0..=100).map(|step: u8| Point { by, floor: 0.5 + f32::from(step) / 200.0 });
        let scores = points.map(|point| score(&all, point, near_misses, rewordings));
        Curve { name, points: scores.map(|score| (score.accepted, score.kept)).collect() }
    };
    vec![curve("cosine alone", Judge::Cosine), curve("policy", Judge::Policy)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(a: &str, b: &str, same: bool, similarity: f32) -> Pair {
        Pair { a: a.into(), b: b.into(), same, tag: Some("t".into()), similarity: Some(similarity) }
    }

    #[tokio::test]
    async fn a_trap_counts_against_cosine_and_not_against_the_policy() {
        let rows = vec![
            pair("How do I turn on dark mode?", "How do I turn off dark mode?", false, 0.97),
            pair("How do I reset my password?", "How can I reset my password?", true, 0.99),
            pair("How do I reset my password?", "I forgot my password, what now?", true, 0.4),
        ];
        let measured = measure(rows, None, &Second::default()).await.unwrap();
        let report = report(&measured, 0.8, 5, &Second::default());
        let of = |name: &str| report.all.scores.iter().find(|score| score.point.name() == name).unwrap();
        assert_eq!((of("cosine >= 0.90").accepted, of("cosine >= 0.90").kept), (1.0, 0.5));
        assert_eq!((of("policy >= 0.80").accepted, of("policy >= 0.80").kept), (0.0, 0.5));
        assert_eq!(report.reasons["veto-antonym"], (1, 0));
        assert_eq!(report.wrongly_refused.len(), 1);
        assert!(report.wrongly_accepted.is_empty());
    }
}
