//! What every surface's adapter does, and the one table that names them all.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::mould::Places;
use super::{Fresh, Piece, anthropic, embeddings, ollama, openai};
use crate::domain::{Asked, Cause, Finish, Shape, Surface, Usage};

/// The adapter of each surface.
pub(super) const fn of(surface: Surface) -> &'static dyn Adapter {
    match surface {
        Surface::OpenaiChat => &openai::chat::Chat,
        Surface::OpenaiCompletions => &openai::completions::Completions,
        Surface::OpenaiResponses => &openai::responses::Responses,
        Surface::OpenaiEmbeddings => &embeddings::Openai,
        Surface::AnthropicMessages => &anthropic::Messages,
        Surface::OllamaChat => &ollama::chat::Chat,
        Surface::OllamaGenerate => &ollama::generate::Generate,
        Surface::OllamaEmbed => &embeddings::OllamaEmbed,
        Surface::OllamaEmbeddings => &embeddings::OllamaEmbeddings,
    }
}

/// One surface: its requests, its answers, and the two shapes of each answer.
pub(super) trait Adapter: Sync {
    /// How its streams are cut into events.
    fn framing(&self) -> Framing;

    /// Understands a request, already known to be unambiguous JSON.
    fn read(&self, body: Value) -> Option<Asked>;

    /// Begins to fold one stream.
    fn fold(&self) -> Box<dyn Fold>;

    /// Reads what a whole answer says about itself.
    ///
    /// # Errors
    /// [`Cause::Empty`] when it carries nothing, [`Cause::Unfinished`] when it is an error, [`Cause::Unreadable`]
    /// when it has not the surface's form.
    fn verdict(&self, answer: &Value) -> Result<Verdict, Cause>;

    /// Writes token counts into an answer folded from a stream that gave none.
    fn count(&self, answer: &mut Map<String, Value>, usage: Usage);

    /// The places of an answer's bytes that each replay writes anew, in order; `None` when it is no JSON object.
    fn anew(&self, answer: &[u8]) -> Option<Places>;

    /// The answer as a stream with a new identity. `usage` is for answers that hold no counts themselves.
    fn stream(&self, answer: Map<String, Value>, usage: Usage, shape: Shape, fresh: Fresh) -> Vec<Piece>;
}

/// How a surface's streams are cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// Server-sent events.
    Sse,
    /// Newline-delimited JSON.
    Ndjson,
}

/// A stream on its way to becoming the whole answer it stands for.
pub(super) trait Fold: Send {
    /// Takes one event: its name, where the framing has names, and its data.
    ///
    /// # Errors
    /// When the event is an error, or is not understood: there will be no recording.
    fn take(&mut self, name: Option<&str>, data: &[u8]) -> Result<Step, Cause>;

    /// The whole answer, once the terminal marker has been taken.
    ///
    /// # Errors
    /// When what came does not make an answer.
    fn finish(self: Box<Self>) -> Result<Map<String, Value>, Cause>;
}

/// Whether a stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// More events are to come.
    More,
    /// That was the terminal marker.
    Done,
}

/// The fold of a surface that never streams.
pub(super) struct NeverStreams;

impl Fold for NeverStreams {
    fn take(&mut self, _: Option<&str>, _: &[u8]) -> Result<Step, Cause> {
        Err(Cause::Unreadable)
    }

    fn finish(self: Box<Self>) -> Result<Map<String, Value>, Cause> {
        Err(Cause::Unreadable)
    }
}

/// What an answer says about itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Verdict {
    /// How it ended; of several choices, the worst.
    pub(super) finish: Finish,
    /// The model it says it is from.
    pub(super) model: Option<Arc<str>>,
    /// The tokens it counts.
    pub(super) usage: Option<Usage>,
    /// Characters of text written, for an estimate.
    pub(super) characters: u64,
}

/// The worse of two endings: the one that forbids more.
pub(super) fn worse(a: Finish, b: Finish) -> Finish {
    const fn rank(finish: Finish) -> u8 {
        match finish {
            Finish::Complete => 0,
            Finish::ToolCalls => 1,
            Finish::Truncated => 2,
            Finish::Refused => 3,
            Finish::Filtered => 4,
            Finish::Unfinished => 5,
        }
    }
    if rank(a) >= rank(b) { a } else { b }
}
