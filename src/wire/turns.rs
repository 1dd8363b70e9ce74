//! Conversations: what the chat surfaces' messages mean for identity and for comparison by meaning.

use serde_json::{Map, Value};

use super::canonical;
use crate::domain::{Digest, FieldHasher, Prompt, Speech, Turn};

/// What one message says, as its protocol writes content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Said {
    /// The role it has.
    pub(super) role: String,
    /// Its text, when it is nothing but text.
    pub(super) text: Option<String>,
    /// Characters of text in it, plain or not.
    pub(super) characters: u64,
    /// It carries something that is no text: an image, audio, a file.
    pub(super) attachments: bool,
}

/// A list of messages, read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conversation {
    /// The messages before the last.
    pub(super) history: Vec<Turn>,
    /// The last message's text, if a user wrote it and it is plain.
    pub(super) prompt: Option<Prompt>,
    /// The whole last message.
    pub(super) last: Digest,
    /// The last message without its text: role, name, unknown fields.
    pub(super) rim: Digest,
    /// Any message carries something that is no text.
    pub(super) attachments: bool,
    /// Characters of text in all messages.
    pub(super) characters: u64,
}

impl Conversation {
    /// Reads messages; `said` understands one. `None` when there is no message, or one is not understood. The text
    /// of a message lies in its `content` member.
    pub(super) fn read(
        mut messages: Vec<Map<String, Value>>,
        said: impl Fn(&Map<String, Value>) -> Option<Said>,
    ) -> Option<Self> {
        let mut last = messages.pop()?;
        let (mut attachments, mut characters) = (false, 0);
        let mut note = |message: &Map<String, Value>| {
            let said = said(message)?;
            attachments |= said.attachments;
            characters += said.characters;
            Some(said)
        };
        let mut history = Vec::with_capacity(messages.len());
        for message in &messages {
            history.push(Turn { digest: canonical::object(message), speech: speech(message, note(message)?) });
        }
        let asked = note(&last)?;
        let prompt = asked.text.filter(|text| asked.role == "user" && !text.trim().is_empty());
        let prompt = prompt.map(|text| Prompt(text.into()));
        let whole = canonical::object(&last);
        last.shift_remove("content");
        Some(Self { history, prompt, last: whole, rim: canonical::object(&last), attachments, characters })
    }
}

/// What a message before the last is in its conversation. Only what is surely nothing but text is a question or an
/// answer: a message that calls tools, or says anything beside its content, is neither.
fn speech(message: &Map<String, Value>, said: Said) -> Speech {
    let text = said.text.filter(|text| !text.trim().is_empty() && is_bare(message));
    match (said.role.as_str(), text) {
        ("system" | "developer", _) => Speech::Instruction,
        ("user", Some(text)) => Speech::Question(text.into()),
        ("assistant", Some(_)) => Speech::Answer(said.characters),
        _ => Speech::Other,
    }
}

/// Whether a message says nothing beside its content: other members only label it, or are empty.
fn is_bare(message: &Map<String, Value>) -> bool {
    message.iter().all(|(key, value)| {
        matches!(key.as_str(), "role" | "content" | "type" | "id" | "status")
            || value.is_null()
            || value.as_array().is_some_and(Vec::is_empty)
    })
}

/// The digest of a request's frame: the fields that can change its answer, and what surrounds the last text.
pub(super) fn frame(fields: &Map<String, Value>, rim: &Digest) -> Digest {
    FieldHasher::unkeyed("frame").field(&canonical::object(fields).0).field(&rim.0).digest()
}

/// Puts a typed field back among the fields of the frame; one that is absent or `null` is not there.
pub(super) fn keep(fields: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        fields.insert(name.to_owned(), value.into());
    }
}
