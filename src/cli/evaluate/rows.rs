//! Reads the file to replay.

use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// What a file holds.
#[derive(Debug)]
pub(super) enum Input {
    /// Labelled pairs.
    Pairs(Vec<Pair>),
    /// Prompts in the order they came.
    Log(Vec<Line>),
}

/// Two prompts, and whether they ask the same.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Pair {
    pub(super) a: String,
    pub(super) b: String,
    pub(super) same: bool,
    #[serde(default, alias = "source", alias = "kind")]
    pub(super) tag: Option<String>,
    /// Their cosine similarity, where it is known already: then no embedder is needed.
    #[serde(default)]
    pub(super) similarity: Option<f32>,
}

/// One prompt of a log.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Line {
    #[serde(alias = "text", alias = "question")]
    pub(super) prompt: String,
    /// Prompts of different classes never have the same answer.
    #[serde(default, alias = "intent", alias = "label")]
    pub(super) class: Option<String>,
}

/// Reads up to `limit` lines; what they are is told by the first.
pub(super) fn read(path: &Path, limit: Option<usize>) -> anyhow::Result<Input> {
    let file = std::fs::File::open(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut lines = Vec::new();
    for line in BufReader::new(file).lines().take(limit.unwrap_or(usize::MAX)) {
        let line = line.with_context(|| format!("{} cannot be read", path.display()))?;
        if !line.trim().is_empty() {
            lines.push(line);
        }
    }
    let Some(first) = lines.first() else { bail!("{} is empty", path.display()) };
    if serde_json::from_str::<Pair>(&named_once(first)?).is_ok() {
        Ok(Input::Pairs(parsed(&lines, path)?))
    } else {
        Ok(Input::Log(parsed(&lines, path)?))
    }
}

fn parsed<T: for<'de> Deserialize<'de>>(lines: &[String], path: &Path) -> anyhow::Result<Vec<T>> {
    let one = |(number, line): (usize, &String)| {
        serde_json::from_str(&named_once(line)?).with_context(|| {
            format!("{}:{}: neither a pair (a, b, same) nor a prompt (prompt or text)", path.display(), number + 1)
        })
    };
    lines.iter().enumerate().map(one).collect()
}

/// A row may carry both `tag` and `source`: the tag tells more, so the other goes.
fn named_once(line: &str) -> anyhow::Result<String> {
    let mut row: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(line).context("not a JSON object")?;
    for (name, others) in
        [("tag", ["source", "kind"]), ("prompt", ["text", "question"]), ("class", ["intent", "label"])]
    {
        if row.contains_key(name) {
            others.iter().for_each(|other| {
                row.shift_remove(*other);
            });
        } else if row.contains_key(others[0]) {
            row.shift_remove(others[1]);
        }
    }
    Ok(serde_json::Value::Object(row).to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    fn reading(text: &str) -> anyhow::Result<Input> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        read(file.path(), None)
    }

    #[test]
    fn pairs_and_logs_are_told_apart() {
        let pairs =
            reading("{\"a\": \"x\", \"b\": \"y\", \"same\": true, \"source\": \"s\", \"tag\": \"t\"}\n\n").unwrap();
        let Input::Pairs(pairs) = pairs else { panic!("{pairs:?}") };
        assert_eq!((pairs[0].tag.as_deref(), pairs[0].similarity), (Some("t"), None));
        let log = reading("{\"text\": \"x\", \"intent\": \"i\"}\n{\"prompt\": \"y\"}\n").unwrap();
        let Input::Log(log) = log else { panic!("{log:?}") };
        assert_eq!((log[0].class.as_deref(), &*log[1].prompt), (Some("i"), "y"));
    }

    #[test]
    fn a_bad_line_is_named_by_its_number() {
        let fault = reading("{\"prompt\": \"x\"}\n{\"else\": 1}\n").unwrap_err();
        assert!(format!("{fault:#}").contains(":2:"), "{fault:#}");
        assert!(reading("").is_err());
    }
}
