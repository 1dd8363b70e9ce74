//! The vectors of the latest texts, so that a text asked again within a while is not embedded again.
//!
//! Two generations: new and used entries go into the young one; when that is full it becomes the old one, and what
//! nobody asked for since is forgotten. Texts are kept as digests only.

use std::collections::HashMap;

use super::Embedding;
use crate::domain::Digest;

/// A bounded memory of embeddings, roughly least recently used first out.
#[derive(Debug)]
pub(super) struct Recent {
    /// How many entries one generation holds.
    generation: usize,
    young: HashMap<Digest, Embedding>,
    old: HashMap<Digest, Embedding>,
}

impl Recent {
    /// Remembers at most `capacity` embeddings; the latest half of them for certain.
    pub(super) fn new(capacity: usize) -> Self {
        Self { generation: capacity / 2, young: HashMap::new(), old: HashMap::new() }
    }

    /// The embedding of the text with this digest, if it is remembered.
    pub(super) fn get(&mut self, text: Digest) -> Option<Embedding> {
        if let Some(found) = self.young.get(&text) {
            return Some(found.clone());
        }
        let found = self.old.remove(&text)?;
        self.put(text, found.clone());
        Some(found)
    }

    /// Remembers an embedding.
    pub(super) fn put(&mut self, text: Digest, embedding: Embedding) {
        if self.generation == 0 {
            return;
        }
        if self.young.len() >= self.generation {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(text, embedding);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Vector;

    fn embedding(x: f32) -> Embedding {
        Embedding { vector: Vector::normalised(vec![x, 1.0]).unwrap(), unseen: None }
    }

    #[test]
    fn what_is_used_stays_and_what_is_not_goes() {
        let mut recent = Recent::new(8);
        let text = |n: usize| Digest::of(&n.to_le_bytes());
        recent.put(text(0), embedding(0.0));
        for n in 1..100 {
            recent.put(text(n), embedding(n as f32));
            assert_eq!(recent.get(text(0)), Some(embedding(0.0)), "after {n}");
            assert_eq!(recent.get(text(n)), Some(embedding(n as f32)));
            assert!(recent.young.len() + recent.old.len() <= 8);
        }
        assert_eq!(recent.get(text(1)), None);
    }

    #[test]
    fn a_capacity_of_none_remembers_nothing() {
        let mut recent = Recent::new(0);
        recent.put(Digest::of(b"a"), embedding(1.0));
        assert_eq!(recent.get(Digest::of(b"a")), None);
    }
}
