//! A kept answer with all that is known about it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Answerer, Digest, Key, Namespace, Recording, Scope, SpaceId, Surface, Tag, TenantId, Timestamp, Vector};

/// Names an entry outside: the first 128 bits of its key, as 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId(pub [u8; 16]);

impl From<Key> for EntryId {
    fn from(key: Key) -> Self {
        let mut id = [0; 16];
        id.copy_from_slice(&key.0.0[..16]);
        Self(id)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without the machinery for numbers: it is written into a header of every answer.
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut text = [0; 32];
        for (two, byte) in text.chunks_exact_mut(2).zip(self.0) {
            two.copy_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
        f.write_str(std::str::from_utf8(&text).expect("hex digits are ASCII"))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 32 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry id is 32 hex digits")]
pub struct InvalidEntryId;

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(InvalidEntryId);
        }
        u128::from_str_radix(text, 16).map(|id| Self(id.to_be_bytes())).map_err(|_| InvalidEntryId)
    }
}

impl Serialize for EntryId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Where an entry stands in semantic search. What depends on the embedder stands apart, so that another embedder
/// can place the entry anew.
#[derive(Debug, Clone, PartialEq)]
pub struct Placement {
    /// What a request must share with it before the two are compared by meaning.
    pub scope: Scope,
    /// Where it can be found besides, if not the whole of its history must be equal.
    pub wider: Option<Wider>,
    /// The prompt as an embedder saw it; `None` until one has.
    pub embedded: Option<Embedded>,
}

/// Where an entry can be found by requests whose history is not equal in whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wider {
    /// What such a request must share with it. The rule of comparison is part of it, so that requests and entries
    /// of two rules never meet.
    pub scope: Scope,
    /// Earlier questions, first one first, that must mean the same.
    pub questions: Vec<Arc<str>>,
}

/// A prompt's place in one embedder's space.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedded {
    /// Its vector.
    pub vector: Vector,
    /// The space of that vector.
    pub space: SpaceId,
    /// Digest of the text beyond the embedder's window; `None` when all was seen.
    pub unseen: Option<Digest>,
    /// The same of each of [`Wider::questions`].
    pub earlier: Vec<Seen>,
}

/// One earlier question as an embedder saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Its vector.
    pub vector: Vector,
    /// Digest of the text beyond the embedder's window; `None` when all was seen.
    pub unseen: Option<Digest>,
}

impl Placement {
    /// The index partitions it is searched in; none until it is embedded.
    #[must_use]
    pub fn partitions(&self) -> Vec<Scope> {
        let Some(at) = &self.embedded else { return Vec::new() };
        let scopes = std::iter::once(self.scope).chain(self.wider.as_ref().map(|wider| wider.scope));
        scopes.map(|scope| scope.partition(&at.space, at.unseen)).collect()
    }
}

/// One kept answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The exact request it answers.
    pub key: Key,
    /// Whose it is.
    pub tenant: TenantId,
    /// In which cache of theirs.
    pub namespace: Namespace,
    /// Who answered.
    pub answerer: Answerer,
    /// The prompt as asked, for judging candidates and for operators; empty where there is no plain text.
    pub prompt: Arc<str>,
    /// Labels for purging.
    pub tags: Vec<Tag>,
    /// When the answer was generated.
    pub created: Timestamp,
    /// From when on it is stale.
    pub expires: Timestamp,
    /// Its place in semantic search, if it may be found by meaning.
    pub placement: Option<Placement>,
    /// How long the upstream took to answer in full: what a hit saves.
    pub took: Duration,
    /// The answer.
    pub recording: Recording,
}

impl Entry {
    /// Its public name.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.key.into()
    }

    /// The surface it answers on.
    #[must_use]
    pub fn surface(&self) -> Surface {
        self.recording.surface
    }

    /// Approximate size in memory and on disk, in bytes: key, prompt, vectors, earlier questions and answer.
    #[must_use]
    pub fn weight(&self) -> u64 {
        const FIXED: usize = 512;
        let embedded = self.placement.as_ref().and_then(|at| at.embedded.as_ref());
        let vectors = embedded.map_or(0, |at| (1 + at.earlier.len()) * at.vector.dimension() * size_of::<f32>());
        let wider = self.placement.as_ref().and_then(|at| at.wider.as_ref());
        let questions: usize = wider.map_or(0, |wider| wider.questions.iter().map(|text| text.len()).sum());
        (FIXED + self.prompt.len() + vectors + questions + self.recording.answer.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_refuses_anything_else() {
        let id = EntryId(0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128.to_be_bytes());
        assert_eq!(id.to_string(), "0123456789abcdeffedcba9876543210");
        assert_eq!(id.to_string().parse::<EntryId>(), Ok(id));
        for bad in ["", "ab", "+b000000000000000000000000000000a", &"g".repeat(32)] {
            assert_eq!(bad.parse::<EntryId>(), Err(InvalidEntryId), "{bad}");
        }
    }
}
