//! `dejavu setup`: fetches ONNX Runtime and the embedding model, and tries them.

use crate::embed::{self, OpenError, Progress, Settings};

/// Brings everything the embedder needs into `DEJAVU_HOME`, embeds one sentence with it, and returns what to tell
/// the user, in a few lines. With `offline` nothing is downloaded: what is there is checked.
///
/// # Errors
/// When a part is not to be had or does not work: the program's exit code is then 69 (a needed service is missing).
pub async fn run(mut settings: Settings, offline: bool) -> Result<String, OpenError> {
    settings.offline |= offline;
    let there = embed::provision(&settings, Progress::Shown).await?;
    let embedder = embed::open(&settings, Progress::Shown).await?;
    let space = embedder.space();
    Ok(format!(
        "dejavu is set up.\n  home     {}\n  runtime  {}\n  model    {} ({}, {} dimensions, {} tokens)\n  in       {}\n\
         Next: `dejavu demo` shows it at work, `dejavu serve` runs it.",
        there.home.display(),
        there.runtime.display(),
        space.model,
        settings.precision.as_str(),
        space.dimension,
        space.max_tokens,
        there.model.display(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn offline_with_nothing_there_says_what_is_missing_and_what_to_do() {
        let home = tempfile::tempdir().unwrap();
        let settings = Settings { home: Some(home.path().join("empty")), ..Settings::default() };
        let said = run(settings, true).await.unwrap_err().to_string();
        assert!(said.starts_with("ONNX Runtime 1.31.1 is not to be had"), "{said}");
        assert!(said.contains("offline"), "{said}");
        assert!(said.contains("dejavu setup"), "{said}");
        assert!(!home.path().join("empty").exists(), "looking must not create anything");
    }
}
