//! Embeds many texts, each once, with a progress bar.

use std::collections::HashMap;

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream};
use indicatif::{ProgressBar, ProgressStyle};

use crate::domain::Lasting;
use crate::embed::{self, Embedding};

/// The embeddings of all texts, by text.
pub(super) async fn of<'a>(
    texts: impl IntoIterator<Item = &'a str>,
    model: Option<&str>,
) -> anyhow::Result<HashMap<&'a str, Embedding>> {
    const AT_ONCE: usize = 32;
    let mut unique: Vec<&str> = texts.into_iter().collect();
    unique.sort_unstable();
    unique.dedup();
    let mut settings = embed::Settings { deadline: Lasting::seconds(3600), recent: 0, ..embed::Settings::default() };
    if let Some(model) = model {
        model.clone_into(&mut settings.model);
    }
    let embedder = embed::open(&settings, embed::Progress::Shown).await.context("no embedder")?;
    let bar = bar(unique.len(), "embedding");
    let mut vectors = HashMap::with_capacity(unique.len());
    let mut running = stream::iter(unique)
        .map(|text| {
            let embedder = embedder.clone();
            async move { embedder.embed(text).await.map(|embedding| (text, embedding)) }
        })
        .buffer_unordered(AT_ONCE);
    while let Some(done) = running.next().await {
        let (text, embedding) = done.context("a text cannot be embedded")?;
        vectors.insert(text, embedding);
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(vectors)
}

/// A progress bar on standard error; hidden where that is no terminal.
pub(super) fn bar(length: usize, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length as u64).with_message(what);
    if let Ok(style) = ProgressStyle::with_template("{msg:10} {bar:40} {pos}/{len} {eta}") {
        bar.set_style(style);
    }
    bar
}
