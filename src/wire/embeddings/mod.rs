//! Embeddings: kept per input item, so that a batch with some items known forwards only the others.
//!
//! [`Batch`] is the door. It reads a request into items, each of them an [`Asked`] as if it had been asked alone;
//! writes the request for those that are not known; splits the answer to it into one recording an item; and puts one
//! answer together from all of them. Vectors are never parsed: their bytes stay as the upstream wrote them.
//!
//! Sources: OpenAI API reference, "Embeddings"; Ollama API reference, "Generate Embeddings" and "Generate Embedding".

use serde_json::{Map, Value};

use super::adapter::{Adapter, Fold, Framing, NeverStreams, Verdict};
use super::mould::Places;
use super::{Fresh, Piece};
use crate::domain::{Asked, Cause, Finish, Shape, Surface, Usage};

mod batch;
mod read;

pub use batch::Batch;

/// `POST /v1/embeddings`.
pub(super) struct Openai;
/// `POST /api/embed`.
pub(super) struct OllamaEmbed;
/// `POST /api/embeddings`.
pub(super) struct OllamaEmbeddings;

/// How one surface writes its requests and answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Form {
    surface: Surface,
    /// The request's member that holds the input.
    input: &'static str,
    /// The answer's member that holds the vectors.
    vectors: &'static str,
    /// An element of it is an object that holds the vector in this member, and its place in `index`.
    element: Option<&'static str>,
}

impl Form {
    /// The form of an embedding surface; `None` for the others.
    const fn of(surface: Surface) -> Option<Self> {
        match surface {
            Surface::OpenaiEmbeddings => Some(OPENAI),
            Surface::OllamaEmbed => Some(OLLAMA),
            Surface::OllamaEmbeddings => Some(OLLAMA_OLDER),
            Surface::OpenaiChat
            | Surface::OpenaiCompletions
            | Surface::OpenaiResponses
            | Surface::AnthropicMessages
            | Surface::OllamaChat
            | Surface::OllamaGenerate => None,
        }
    }
}

const OPENAI: Form =
    Form { surface: Surface::OpenaiEmbeddings, input: "input", vectors: "data", element: Some("embedding") };
const OLLAMA: Form = Form { surface: Surface::OllamaEmbed, input: "input", vectors: "embeddings", element: None };
const OLLAMA_OLDER: Form =
    Form { surface: Surface::OllamaEmbeddings, input: "prompt", vectors: "embedding", element: None };

macro_rules! adapter {
    ($name:ident, $form:expr) => {
        /// Whole requests and answers, as one item each; [`Batch`] sees the items.
        impl Adapter for $name {
            fn framing(&self) -> Framing {
                Framing::Sse
            }

            fn read(&self, body: Value) -> Option<Asked> {
                read::read($form, body).map(|read| read.asked)
            }

            fn fold(&self) -> Box<dyn Fold> {
                Box::new(NeverStreams)
            }

            fn verdict(&self, answer: &Value) -> Result<Verdict, Cause> {
                verdict($form, answer)
            }

            fn count(&self, _: &mut Map<String, Value>, _: Usage) {}

            fn anew(&self, _: &[u8]) -> Option<Places> {
                Some(Vec::new())
            }

            fn stream(&self, _: Map<String, Value>, _: Usage, _: Shape, _: Fresh) -> Vec<Piece> {
                Vec::new()
            }
        }
    };
}

adapter!(Openai, OPENAI);
adapter!(OllamaEmbed, OLLAMA);
adapter!(OllamaEmbeddings, OLLAMA_OLDER);

fn verdict(form: Form, answer: &Value) -> Result<Verdict, Cause> {
    if answer.get("error").is_some_and(|error| !error.is_null()) {
        return Err(Cause::Unfinished);
    }
    let vectors = answer.get(form.vectors).and_then(Value::as_array).ok_or(Cause::Unreadable)?;
    let says = |element: &Value| match form.element.map_or(Some(element), |member| element.get(member)) {
        Some(Value::String(encoded)) => !encoded.is_empty(),
        Some(Value::Array(numbers)) => !numbers.is_empty(),
        Some(Value::Number(_)) => form == OLLAMA_OLDER,
        _ => false,
    };
    if vectors.is_empty() || !vectors.iter().all(says) {
        return Err(Cause::Empty);
    }
    Ok(Verdict {
        finish: Finish::Complete,
        model: answer.get("model").and_then(Value::as_str).map(Into::into),
        usage: Some(usage_of(form, answer)),
        characters: 0,
    })
}

/// The tokens read. The older Ollama surface counts none.
fn usage_of(form: Form, answer: &Value) -> Usage {
    let count = match form.surface {
        Surface::OpenaiEmbeddings => answer.get("usage").and_then(|usage| usage.get("prompt_tokens")),
        _ => answer.get("prompt_eval_count"),
    };
    Usage { prompt: count.and_then(Value::as_u64).unwrap_or(0), completion: 0 }
}
