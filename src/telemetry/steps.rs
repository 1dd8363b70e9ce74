//! Where the time of a lookup by meaning goes.

use std::time::Instant;

use prometheus_client::metrics::histogram::Histogram;

use super::Histograms;

/// Upper bounds of the histograms, in seconds.
const BOUNDS: [f64; 14] =
    [0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0];

/// A part of a lookup by meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// From the prompt to its vector, with waiting for a turn.
    Embedding,
    /// From the vector to the nearest entries' ids.
    Search,
    /// From their ids to the entries.
    Reading,
    /// The rules' decision.
    Judging,
    /// A reranker's word on what the rules leave in doubt.
    Reranking,
}

/// How long each part of the lookups by meaning took, since the start. Clones count together.
#[derive(Debug, Clone)]
pub struct Steps {
    family: Histograms,
    each: [Histogram; Step::ALL.len()],
}

impl Step {
    const ALL: [Self; 5] = [Self::Embedding, Self::Search, Self::Reading, Self::Judging, Self::Reranking];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Embedding => "embedding",
            Self::Search => "search",
            Self::Reading => "reading",
            Self::Judging => "judging",
            Self::Reranking => "reranking",
        }
    }
}

impl Default for Steps {
    fn default() -> Self {
        let family = Histograms::new_with_constructor(|| Histogram::new(BOUNDS));
        let each = Step::ALL.map(|step| family.get_or_create(&[("step", step.as_str())]).clone());
        Self { family, each }
    }
}

impl Steps {
    /// A step that began at `since` ends: the time at which it does.
    pub fn ended(&self, step: Step, since: Instant) -> Instant {
        let now = Instant::now();
        self.each[step as usize].observe(now.duration_since(since).as_secs_f64());
        now
    }

    /// For a scrape.
    pub(super) fn family(&self) -> Histograms {
        self.family.clone()
    }
}
