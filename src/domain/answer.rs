//! Answers: the head of an upstream's response, and the recording of a whole one.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};

use super::Surface;

/// Status and end-to-end headers of a response, before its body.
#[derive(Debug, Clone)]
pub struct Head {
    /// The status the upstream gave.
    pub status: StatusCode,
    /// Its headers, hop-by-hop ones removed.
    pub headers: HeaderMap,
}

/// Tokens, as the answer reports them, or estimated from its length where it does not say (`docs/protocols.md`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens read.
    pub prompt: u64,
    /// Tokens written.
    pub completion: u64,
}

/// How an answer ended, whatever word its protocol has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finish {
    /// The model had said all it wanted to.
    Complete,
    /// It asks for tools to be called.
    ToolCalls,
    /// A length limit cut it.
    Truncated,
    /// A content filter cut it.
    Filtered,
    /// The model declined.
    Refused,
    /// It paused, or ended in a way that is no answer.
    Unfinished,
}

/// One whole answer, in a form from which every wire shape of its surface can be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The surface whose shapes it can take.
    pub surface: Surface,
    /// The body of the not-streamed answer: the upstream's own bytes when it answered so, else folded from its
    /// stream.
    pub answer: Bytes,
    /// How the answer ended; only [`Finish::Complete`] is kept without further permission.
    pub finish: Finish,
    /// The model name the answer reports.
    pub reported_model: Option<Arc<str>>,
    /// Tokens, counted or estimated; nothing where the protocol knows no tokens.
    pub usage: Option<Usage>,
}
