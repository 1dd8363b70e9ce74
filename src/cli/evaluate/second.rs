//! The second stage, as the engine asks it: a reranker for what the rules leave in doubt.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;

use crate::domain::Lasting;
use crate::embed::{self, Reranker};
use crate::policy::judge::{Candidate, Judgement};
use crate::policy::rerank::{self, answer, in_doubt};

/// Which reranker is asked, and where its word is taken; by default none.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "second-stage")]
pub struct Arguments {
    /// Ask the cross-encoder in this folder about what the rules leave in doubt (`semantic.reranker.model`).
    #[arg(long, value_name = "FOLDER")]
    reranker: Option<PathBuf>,
    /// The least sureness at which its word is taken (`semantic.reranker.accept`).
    #[arg(long, value_name = "SURENESS", requires = "reranker")]
    accept: Option<f32>,
}

/// The second stage, ready.
#[derive(Debug, Default)]
pub(super) struct Second {
    reranker: Option<Arc<dyn Reranker>>,
    rules: rerank::Settings,
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
        Ok(Self { reranker, rules })
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
        let places = in_doubt(judgement);
        let texts: Vec<&str> = places.iter().map(|place| candidates[*place].prompt).collect();
        if texts.is_empty() {
            return Ok(());
        }
        let told = reranker.sureness(prompt, &texts).await.context("the reranker failed")?;
        for (place, sureness) in places.into_iter().zip(told) {
            answer(judgement, place, sureness, &self.rules);
        }
        Ok(())
    }
}
