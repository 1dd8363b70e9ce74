//! Conversations: what the chat surfaces' messages mean for identity and for comparison by meaning.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::canonical;
use crate::domain::{Digest, FieldHasher, Prompt, Turn};

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
        let mut note = |said: Said| {
            attachments |= said.attachments;
            characters += said.characters;
            let text = said.text.filter(|text| said.role == "user" && !text.trim().is_empty());
            text.map(Arc::<str>::from)
        };
        let mut history = Vec::with_capacity(messages.len());
        for message in &messages {
            history.push(Turn { digest: canonical::object(message), user_text: note(said(message)?) });
        }
        let prompt = note(said(&last)?).map(Prompt);
        let whole = canonical::object(&last);
        last.shift_remove("content");
        Some(Self { history, prompt, last: whole, rim: canonical::object(&last), attachments, characters })
    }
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
