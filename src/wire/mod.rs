//! Bytes to vocabulary and back: one adapter per protocol surface.
//!
//! The door: [`read`] understands a request body, [`Recorder`] folds an answer's bytes into a recording, [`replay`]
//! turns a recording back into bytes of either shape, [`refuse()`] speaks dejavu's own errors in the caller's
//! protocol. Pure: no sockets, no cache, no clock.
//!
//! Inside, `adapter` holds the one table from surface to adapter; `docs/protocols.md` tells how to add a row.

use bytes::Bytes;

use crate::domain::{Asked, Protocol, Recording, Shape, Surface, Timestamp};

mod adapter;
mod anthropic;
mod canonical;
pub mod content_coding;
pub mod embeddings;
mod fresh;
#[cfg(test)]
mod laws;
mod members;
mod merge;
mod mould;
mod ndjson;
mod ollama;
mod openai;
mod own;
mod pieces;
mod recorder;
mod refuse;
mod sse;
mod strict;
mod turns;

pub use members::{model_in_head, model_of, rename_model, rename_model_in_head};
pub use mould::Mould;
pub use own::{Spoken, fingerprint, question, spoken};
pub use recorder::Recorder;
pub use refuse::{Refusal, refuse};

/// Understands a request body. `None` is never an error to the client: the body is forwarded untouched.
#[must_use]
pub fn read(surface: Surface, body: &[u8]) -> Option<Asked> {
    adapter::of(surface).read(strict::parse(body)?)
}

/// What is new about each replay of a recording.
#[derive(Debug, Clone, Copy)]
pub struct Fresh {
    /// The present, for `created`.
    pub now: Timestamp,
    /// Randomness for a new `id`.
    pub nonce: u128,
}

/// One piece of a replayed body, and how much it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Bytes to send: whole events or lines.
    pub bytes: Bytes,
    /// About how many tokens of text it carries, for pacing; 0 when it only frames.
    pub tokens: u32,
}

/// A recording as bytes of the wished shape: one piece when whole, several when streamed. No pieces at all when the
/// recording holds no answer of its surface, which only a damaged one does.
#[must_use]
pub fn replay(recording: &Recording, shape: Shape, fresh: Fresh) -> Vec<Piece> {
    let adapter = adapter::of(recording.surface);
    if !shape.stream {
        return vec![Piece {
            bytes: Mould::of(recording).cast(fresh),
            tokens: recording.usage.map_or(0, |usage| usage.completion.min(1 << 30) as u32),
        }];
    }
    let Ok(answer) = serde_json::from_slice(&recording.answer) else { return Vec::new() };
    adapter.stream(answer, recording.usage.unwrap_or_default(), shape, fresh)
}

/// The `content-type` of a surface's answers: whole, or streamed.
#[must_use]
pub const fn content_type(surface: Surface, stream: bool) -> &'static str {
    match (stream, surface.protocol()) {
        (false, _) => "application/json",
        (true, Protocol::OpenAi | Protocol::Anthropic) => "text/event-stream; charset=utf-8",
        (true, Protocol::Ollama) => "application/x-ndjson",
    }
}
