//! Ollama's dialect: what its two generating surfaces have in common.
//!
//! Source: Ollama API reference (`docs/api.md` of the Ollama repository). Streams are NDJSON; the last line has
//! `done: true`, why it ended, token counts and durations in nanoseconds. A failure in the middle of a stream is a
//! line with `error`, under the status 200 that has already been sent.

use serde_json::{Map, Value};

use super::adapter::{Fold, Step, Verdict};
use super::members::members;
use super::merge::grow;
use super::mould::{Anew, Places};
use super::pieces::{Pieces, tokens_in, words};
use super::{Fresh, Piece};
use crate::domain::{Cause, Finish, Usage};

pub(super) mod chat;
pub(super) mod generate;

/// An answer's `created_at`.
fn anew(answer: &[u8]) -> Option<Places> {
    let at = members(answer)?.into_iter().find(|(key, _)| key == "created_at");
    Some(at.map(|(_, at)| (at, Anew::Instant)).into_iter().collect())
}

/// Reads an answer whose texts and calls have been found already.
fn verdict(answer: &Value, characters: usize, calls: bool) -> Verdict {
    let done = answer.get("done") == Some(&Value::Bool(true));
    let finish = match answer.get("done_reason").and_then(Value::as_str) {
        // Tool calls count even though Ollama calls that `stop`.
        Some("stop") if done && calls => Finish::ToolCalls,
        Some("stop") if done => Finish::Complete,
        Some("length") if done => Finish::Truncated,
        _ => Finish::Unfinished,
    };
    let model = answer.get("model").and_then(Value::as_str).map(Into::into);
    Verdict { finish, model, usage: usage_of(answer), characters: characters as u64 }
}

/// Reads the token counts. Ollama leaves the prompt's count out when it had the whole prompt in a cache of its own.
fn usage_of(answer: &Value) -> Option<Usage> {
    let count = |name: &str| answer.get(name).and_then(Value::as_u64);
    Some(Usage { prompt: count("prompt_eval_count").unwrap_or(0), completion: count("eval_count")? })
}

/// Writes token counts.
fn count(answer: &mut Map<String, Value>, usage: Usage) {
    answer.insert("prompt_eval_count".into(), usage.prompt.into());
    answer.insert("eval_count".into(), usage.completion.into());
}

/// An answer that is an error instead, under whatever status.
fn refuse_errors(answer: &Value) -> Result<(), Cause> {
    match answer.get("error") {
        None | Some(Value::Null) => Ok(()),
        Some(_) => Err(Cause::Unfinished),
    }
}

/// Whether a member holds a list with something in it.
fn lists(object: Option<&Value>, member: &str) -> bool {
    object.and_then(|object| object.get(member)).and_then(Value::as_array).is_some_and(|list| !list.is_empty())
}

/// The temperature among a request's `options`; `None` when it is there and no number.
fn temperature(options: Option<&Map<String, Value>>) -> Option<Option<f32>> {
    match options.and_then(|options| options.get("temperature")) {
        None | Some(Value::Null) => Some(None),
        Some(value) => value.as_f64().map(|temperature| Some(temperature as f32)),
    }
}

/// Lines so far, as one growing answer: texts and lists grow, everything else is what the latest line says.
#[derive(Default)]
struct Lines(Map<String, Value>);

impl Fold for Lines {
    fn take(&mut self, _: Option<&str>, line: &[u8]) -> Result<Step, Cause> {
        let line: Value = serde_json::from_slice(line).map_err(|_| Cause::Unreadable)?;
        refuse_errors(&line)?;
        let step = if line.get("done") == Some(&Value::Bool(true)) { Step::Done } else { Step::More };
        let Value::Object(mut line) = line else { return Err(Cause::Unreadable) };
        if let (Some(Value::Object(message)), Some(Value::Object(more))) =
            (self.0.get_mut("message"), line.get_mut("message"))
        {
            // Every line of a chat names the role again.
            more.shift_remove("role");
            grow(message, std::mem::take(more), true);
        }
        grow(&mut self.0, line, false);
        Ok(step)
    }

    fn finish(self: Box<Self>) -> Result<Map<String, Value>, Cause> {
        Ok(self.0)
    }
}

/// A replayed stream on its way.
struct Replayed {
    /// The members every line begins with, without the closing brace.
    head: String,
    pieces: Pieces,
    /// Members for the first line only.
    first: Option<String>,
}

impl Replayed {
    /// Begins a stream; `first` goes with its first line.
    fn new(answer: &Map<String, Value>, first: &Map<String, Value>, fresh: Fresh) -> Self {
        let mut head = Map::new();
        for key in ["model", "remote_model", "remote_host", "created_at"] {
            if let Some(value) = answer.get(key) {
                head.insert(key.into(), value.clone());
            }
        }
        if head.contains_key("created_at") {
            head.insert("created_at".into(), fresh.now.rfc3339().into());
        }
        let head = members_of(&head);
        Self { head: format!("{{{head}"), pieces: Pieces::default(), first: Some(members_of(first)) }
    }

    /// A text, word by word, or token by token where their log probabilities spell it. `line` wraps one word into
    /// the members that carry it.
    fn text(&mut self, text: &str, logprobs: Option<&Value>, line: impl Fn(&str) -> String) {
        match logprobs.and_then(|logprobs| aligned(logprobs, text)) {
            Some(entries) => {
                for (token, entry) in entries {
                    let line = format!("{},\"done\":false,\"logprobs\":[{entry}]", line(token));
                    self.line(&line, tokens_in(token));
                }
            }
            None => words(text).for_each(|word| self.line(&format!("{},\"done\":false", line(word)), tokens_in(word))),
        }
    }

    /// One line with these members.
    fn line(&mut self, members: &str, tokens: u32) {
        let first = self.first.take().unwrap_or_default();
        let comma = |members: &str| if members.is_empty() { "" } else { "," };
        let begun = if self.head.len() > 1 { comma(members) } else { "" };
        let parts = [self.head.as_str(), begun, members, comma(&first), &first, "}\n"];
        self.pieces.push(&parts, tokens);
    }

    /// The last line: what the answer holds beside its texts.
    fn finish(mut self, last: &Map<String, Value>) -> Vec<Piece> {
        self.line(&members_of(last), 0);
        self.pieces.finish()
    }
}

/// The members of an object as JSON text, without its braces.
fn members_of(object: &Map<String, Value>) -> String {
    let text = serde_json::to_string(object).unwrap_or_default();
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default().to_owned()
}

/// Log probabilities token by token, if together they spell the text.
fn aligned<'a>(logprobs: &'a Value, text: &str) -> Option<Vec<(&'a str, &'a Value)>> {
    let entries = logprobs.as_array()?.iter().map(|entry| Some((entry.get("token")?.as_str()?, entry)));
    let entries: Vec<_> = entries.collect::<Option<_>>()?;
    let spelled: String = entries.iter().map(|(token, _)| *token).collect();
    (spelled == text && !text.is_empty()).then_some(entries)
}
