//! `dejavu setup`: fetches ONNX Runtime and the models, and tries them.

use std::path::PathBuf;

use super::check_config;
use super::exit::{Exit, Failure};
use crate::embed::{self, OpenError, Progress, Settings, rerank};

/// Sets up the embedder and the reranker that a configuration asks for (the default ones if none is named) and says how
/// it went.
///
/// # Errors
/// 64 for a faulty configuration, 69 if a part is not to be had or does not work.
pub async fn run(config: Option<PathBuf>, offline: bool) -> Result<(), Exit> {
    let semantic = check_config::load(config.as_deref())?.semantic;
    let summary = set_up(semantic.embed(), &semantic.reranker.model(), offline)
        .await
        .map_err(|error| Exit::new(Failure::Unavailable, error))?;
    println!("{summary}");
    Ok(())
}

/// Brings everything both need into `DEJAVU_HOME`, starts them once, and returns what to tell the user. With `offline`
/// nothing is downloaded: what is there is checked.
async fn set_up(mut settings: Settings, reranker: &rerank::Settings, offline: bool) -> Result<String, OpenError> {
    settings.offline |= offline;
    let there = embed::provision(&settings, Progress::Shown).await?;
    let embedder = embed::open(&settings, Progress::Shown).await?;
    embed::open_reranker(reranker, &settings).await?;
    let space = embedder.space();
    Ok(format!(
        "dejavu is set up.\n  home     {}\n  runtime  {}\n  model    {}: {} dimensions, {} tokens\n  in       {}\n  reranker {}\n\
         Next: `dejavu demo` shows it at work, `dejavu serve` runs it.",
        there.home.display(),
        there.runtime.display(),
        space.model,
        space.dimension,
        space.max_tokens,
        there.model.display(),
        reranker.model,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn offline_with_nothing_there_says_what_is_missing_and_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings { home: Some(home.path().join("empty")), ..Settings::default() };
        let said = set_up(settings, &rerank::Settings::default(), true).await.unwrap_err().to_string();
        assert!(said.starts_with("ONNX Runtime 1.31.1 is not to be had"), "{said}");
        assert!(said.contains("offline"), "{said}");
        assert!(said.contains("dejavu setup"), "{said}");
        assert!(!home.path().join("empty").exists(), "looking must not create anything");
    }

    #[tokio::test]
    async fn set_up_tells_where_everything_is() {
        let said = set_up(Settings::default(), &rerank::Settings::default(), false).await.unwrap();
        assert!(said.contains("all-MiniLM-L6-v2: 384 dimensions, 256 tokens"), "{said}");
        assert!(said.contains("reranker built-in"), "{said}");
    }
}
