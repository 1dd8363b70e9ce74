//! The second stage, as the engine asks it: a reranker for what the rules leave in doubt.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Context as _;
use parking_lot::Mutex;

use super::Latency;
use crate::domain::Lasting;
use crate::embed::rerank::Model;
use crate::embed::{self, Reranker};
use crate::policy::judge::{Candidate, Judgement};
use crate::policy::rerank::{self, answer, in_doubt};

/// Which reranker is asked, and where its word is taken; by default the one that serves by default.
#[derive(Debug, Clone, clap::Args)]
#[group(id = "second-stage")]
pub struct Arguments {
    /// Who is asked about what the rules leave in doubt: `built-in`, `none`, or the cross-encoder in a folder
    /// (`semantic.reranker.model`).
    #[arg(long, value_name = "MODEL", default_value_t = Model::BuiltIn)]
    reranker: Model,
    /// The least sureness at which its word is taken (`semantic.reranker.accept`).
    #[arg(long, value_name = "SURENESS")]
    accept: Option<f32>,
}

/// The second stage, ready.
#[derive(Debug, Default)]
pub(super) struct Second {
    reranker: Option<Arc<dyn Reranker>>,
    rules: rerank::Settings,
    /// How long each reading took.
    micros: Mutex<Vec<f64>>,
}

impl Second {
    /// Loads it.
    ///
    /// # Errors
    /// When the folder holds no reranker.
    pub(super) async fn open(arguments: &Arguments) -> anyhow::Result<Self> {
        let Arguments { reranker, accept } = arguments;
        let rules = rerank::Settings { accept: accept.unwrap_or(rerank::Settings::default().accept) };
        anyhow::ensure!((0.0..1.0).contains(&rules.accept), "--accept must be at least 0, and below 1");
        let deadline = Lasting::seconds(3600);
        let settings =
            embed::rerank::Settings { model: reranker.clone(), deadline, ..embed::rerank::Settings::default() };
        let reranker = embed::open_reranker(&settings, &embed::Settings::default()).await.context("no reranker")?;
        Ok(Self { reranker, rules, micros: Mutex::default() })
    }

    /// How long it reads a pair; `None` where it read none.
    pub(super) fn latency(&self) -> Option<Latency> {
        let micros = self.micros.lock().clone();
        (!micros.is_empty()).then(|| Latency::of(micros))
    }

    /// Has what is in doubt read.
    ///
    /// # Errors
    /// When the model fails.
    pub(super) async fn read(
        &self,
        prompt: &str,
        candidates: &[Candidate<'_>],
        judgement: &mut Judgement,
    ) -> anyhow::Result<()> {
        let Some(reranker) = &self.reranker else { return Ok(()) };
        while let Some(place) = in_doubt(judgement) {
            let started = Instant::now();
            let sureness = reranker.sureness(prompt, candidates[place].prompt).await.context("the reranker failed")?;
            self.micros.lock().push(started.elapsed().as_secs_f64() * 1e6);
            answer(judgement, place, sureness, &self.rules);
        }
        Ok(())
    }
}
