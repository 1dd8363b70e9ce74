//! What every replay of a whole answer writes anew, and where it stands: found once for as many replays as there are.

use std::ops::Range;

use bytes::Bytes;
use serde_json::Value;

use super::{Fresh, adapter};
use crate::domain::Recording;

/// Places in an answer and what stands there in a replay, in order; none overlaps another.
pub(super) type Places = Vec<(Range<usize>, Anew)>;

/// A whole answer, and the places in it that every replay writes anew. Every other byte stays as it was.
#[derive(Debug, Clone)]
pub struct Mould {
    answer: Bytes,
    places: Places,
}

/// What a replay writes instead of a recorded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Anew {
    /// An id in the style of this one.
    IdLike(String),
    /// The present, in whole seconds since the epoch.
    Seconds,
    /// The same, so many seconds later.
    SecondsAfter(u64),
    /// The present, as RFC 3339 writes it.
    Instant,
    /// `null`.
    Null,
}

impl Anew {
    pub(super) fn value(&self, fresh: Fresh) -> Value {
        match self {
            Self::IdLike(old) => fresh.id_like(old).into(),
            Self::Seconds => fresh.now.seconds().into(),
            Self::SecondsAfter(later) => (fresh.now.seconds() + later).into(),
            Self::Instant => fresh.now.rfc3339().into(),
            Self::Null => Value::Null,
        }
    }
}

impl Mould {
    /// The mould of a recording's answer. One that is no JSON object, which only a damaged recording holds, stays as
    /// it is.
    #[must_use]
    pub fn of(recording: &Recording) -> Self {
        let answer = recording.answer.clone();
        let places = adapter::of(recording.surface).anew(&answer).unwrap_or_default();
        Self { answer, places }
    }

    /// The answer with a new identity.
    #[must_use]
    pub fn cast(&self, fresh: Fresh) -> Bytes {
        if self.places.is_empty() {
            return self.answer.clone();
        }
        // New values are about as long as old ones.
        let mut out = Vec::with_capacity(self.answer.len() + 32);
        let mut copied = 0;
        for (at, anew) in &self.places {
            out.extend_from_slice(&self.answer[copied..at.start]);
            serde_json::to_writer(&mut out, &anew.value(fresh)).expect("writing JSON into memory cannot fail");
            copied = at.end;
        }
        out.extend_from_slice(&self.answer[copied..]);
        out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Finish, Surface, Timestamp};

    fn mould(surface: Surface, answer: &str) -> Mould {
        let answer = Bytes::copy_from_slice(answer.as_bytes());
        Mould::of(&Recording { surface, answer, finish: Finish::Complete, reported_model: None, usage: None })
    }

    fn fresh(nonce: u128) -> Fresh {
        Fresh { now: Timestamp(1_700_000_000_123), nonce }
    }

    #[test]
    fn every_cast_is_new_and_every_other_byte_stays() {
        let mould =
            mould(Surface::OpenaiChat, r#"{ "id" : "chatcmpl-12", "x":[1.0, "id"], "created":7 , "z": "é\u00e9"}"#);
        let first = mould.cast(fresh(1));
        let text = std::str::from_utf8(&first).unwrap();
        let (before, rest) = text.split_once("chatcmpl-").unwrap();
        assert_eq!(before, r#"{ "id" : ""#);
        assert_eq!(&rest[2..], r#"", "x":[1.0, "id"], "created":1700000000 , "z": "é\u00e9"}"#);
        assert_ne!(first, mould.cast(fresh(2)));
        assert_eq!(first, mould.cast(fresh(1)));
    }

    #[test]
    fn what_has_no_identity_stays_as_it_is() {
        for (surface, answer) in [(Surface::OpenaiChat, r#"{"choices":[]}"#), (Surface::OllamaChat, "damaged")] {
            assert_eq!(mould(surface, answer).cast(fresh(1)), answer);
        }
    }
}
