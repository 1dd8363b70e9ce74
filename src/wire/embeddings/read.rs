//! Reading an embedding request.

use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{Form, OLLAMA_OLDER, OPENAI};
use crate::domain::{Asked, Digest, Shape, Traits};
use crate::wire::canonical;
use crate::wire::turns::{frame, keep};

/// The fields that mean something to dejavu. All others (`dimensions`, `truncate`, `options`, unknown ones) are in the
/// key as they are.
#[derive(Deserialize)]
#[expect(dead_code, reason = "some fields are named only to keep them out of `rest`, and so out of the key")]
struct Request {
    model: String,
    input: Option<Value>,
    prompt: Option<Value>,
    encoding_format: Option<String>,
    user: Option<IgnoredAny>,
    keep_alive: Option<IgnoredAny>,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// A request as read.
pub(super) struct Read {
    /// The whole request.
    pub(super) asked: Asked,
    /// Its items; texts, or lists of tokens.
    pub(super) items: Vec<Value>,
}

pub(super) fn read(form: Form, body: Value) -> Option<Read> {
    // Who asks, and how long a model stays loaded afterwards, says nothing about a vector.
    let Request { model, input, prompt, encoding_format, user: _, keep_alive: _, rest: mut fields } =
        serde_json::from_value(body).ok()?;
    let (input, other) = if form == OLLAMA_OLDER { (prompt, ("input", input)) } else { (input, ("prompt", prompt)) };
    keep(&mut fields, other.0, other.1);
    // Numbers are what an OpenAI server sends when it is not told.
    keep(&mut fields, "encoding_format", encoding_format.filter(|format| form != OPENAI || format != "float"));
    let items = items(form, input.unwrap_or_default())?;
    let load_only = items.is_empty() || (form != OPENAI && items.iter().all(|item| item == "") && items.len() == 1);
    let last = match items.as_slice() {
        [item] => canonical::digest(item),
        several => canonical::digest(&Value::Array(several.to_vec())),
    };
    let text = |item: &Value| item.as_str().map_or(0, |text| text.chars().count() as u64);
    let asked = Asked {
        surface: form.surface,
        model: Arc::from(model),
        shape: Shape { stream: false, usage_chunk: false },
        frame: frame(&fields, &Digest::of(if items.len() == 1 { b"item" } else { b"items" })),
        history: Vec::new(),
        prompt: None,
        last,
        traits: Traits { load_only, characters: items.iter().map(text).sum(), ..Traits::default() },
    };
    Some(Read { asked, items })
}

/// The items of an input: a text is one, tokens are one, a list of either is as many.
fn items(form: Form, input: Value) -> Option<Vec<Value>> {
    let texts_only = form != OPENAI;
    match input {
        Value::Null if texts_only => Some(Vec::new()),
        text @ Value::String(_) => Some(vec![text]),
        Value::Array(_) if form == OLLAMA_OLDER => None,
        Value::Array(items) if items.is_empty() => texts_only.then(Vec::new),
        Value::Array(items) if items.iter().all(Value::is_string) => Some(items),
        _ if texts_only => None,
        tokens @ Value::Array(_) if is_tokens(&tokens) => Some(vec![tokens]),
        Value::Array(items) if items.iter().all(is_tokens) => Some(items),
        _ => None,
    }
}

fn is_tokens(item: &Value) -> bool {
    item.as_array().is_some_and(|tokens| !tokens.is_empty() && tokens.iter().all(Value::is_u64))
}
