//! The second stage: candidates that the rules leave in doubt are read together with the prompt by a reranker, where the
//! operator has one. Whatever keeps it from answering leaves the rules' word standing: a miss.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use serde::Serialize;

use super::engine::Engine;
use super::lookup::Asking;
use crate::embed::{EmbedError, Reranker};
use crate::policy::judge::{Candidate, Judgement};
use crate::policy::rerank::{answer, in_doubt};

/// The reranker, if there is one, and what became of its readings.
#[derive(Debug, Default)]
pub(super) struct Reranking {
    model: ArcSwap<Option<Arc<dyn Reranker>>>,
    accepted: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
    failed: AtomicU64,
}

/// What one request's reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    /// A candidate was accepted.
    Accepted,
    /// None was.
    Refused,
    /// Too many waited, or it took too long.
    Late,
    /// The model failed.
    Failed,
}

/// Requests whose candidates the reranker was asked about, since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Readings {
    /// A candidate was accepted.
    pub accepted: u64,
    /// None was.
    pub refused: u64,
    /// Too many waited, or it took too long: none was accepted.
    pub late: u64,
    /// The model failed: none was accepted.
    pub failed: u64,
}

impl Reranking {
    pub(super) fn count(&self, reading: Reading) {
        let counter = match reading {
            Reading::Accepted => &self.accepted,
            Reading::Refused => &self.refused,
            Reading::Late => &self.late,
            Reading::Failed => &self.failed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// Puts a reranker in place of any, or takes it away.
    pub fn set_reranker(&self, reranker: Option<Arc<dyn Reranker>>) {
        self.reranking.model.store(Arc::new(reranker));
    }

    /// What became of the reranker's readings; `None` where there is no reranker.
    #[must_use]
    pub fn readings(&self) -> Option<Readings> {
        let Reranking { model, accepted, refused, late, failed } = &self.reranking;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let readings =
            Readings { accepted: read(accepted), refused: read(refused), late: read(late), failed: read(failed) };
        model.load().is_some().then_some(readings)
    }
}

impl Asking<'_> {
    /// Has the reranker read what the judgement leaves in doubt, nearest first, until it is sure of one; `None` where
    /// there is nothing to read, or nobody.
    pub(super) async fn rerank(
        &self,
        prompt: &str,
        candidates: &[Candidate<'_>],
        judgement: &mut Judgement,
    ) -> Option<Reading> {
        let reranker = Option::clone(&self.engine.reranking.model.load())?;
        in_doubt(judgement)?;
        while let Some(place) = in_doubt(judgement) {
            match reranker.sureness(prompt, candidates[place].prompt).await {
                Ok(sureness) => answer(judgement, place, sureness, &self.settings.rerank),
                Err(EmbedError::Busy | EmbedError::Timeout) => return Some(Reading::Late),
                Err(EmbedError::Fault(fault)) => {
                    tracing::warn!(%fault, "the reranker failed");
                    return Some(Reading::Failed);
                }
            }
        }
        Some(if judgement.chosen.is_some() { Reading::Accepted } else { Reading::Refused })
    }
}
