//! Reading request bodies, once for a body that comes again within a while.

use std::sync::Arc;

use bytes::Bytes;

use crate::cache::Lately;
use crate::domain::{Asked, Surface};
use crate::wire;

/// What is remembered, in bytes.
const MOST: u64 = 8 << 20;

/// Longer bodies are read each time they come: looking one up takes as long as its bytes are many, and there is room
/// for few.
const LONGEST: usize = 64 << 10;

/// What a body says.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// The model name in it, if one can be found.
    pub(super) model: Option<Arc<str>>,
    /// The request, if it is understood; embeddings are read item by item elsewhere.
    pub(super) asked: Option<Arc<Asked>>,
}

/// The bodies read lately. Reading is a function of surface and bytes alone, so nothing ever makes it wrong.
#[derive(Debug)]
pub struct Readings(Lately<(Surface, Bytes), Reading>);

impl Default for Readings {
    fn default() -> Self {
        Self(Lately::new(MOST))
    }
}

impl Readings {
    /// What `body` says to `surface`.
    pub(super) fn read(&self, surface: Surface, body: &Bytes) -> Reading {
        if surface.is_embedding() || body.len() > LONGEST {
            return read(surface, body);
        }
        self.0.get(&(surface, body.clone())).unwrap_or_else(|| {
            let reading = read(surface, body);
            // A copy: the body itself may be a small part of what its connection has read.
            self.0.put((surface, Bytes::copy_from_slice(body)), reading.clone(), weight(body));
            reading
        })
    }

    /// Forgets all of them: bodies hold prompts, and what is purged is to be gone from memory.
    pub(super) fn forget(&self) {
        self.0.clear();
    }
}

fn read(surface: Surface, body: &Bytes) -> Reading {
    let asked = if surface.is_embedding() { None } else { wire::read(surface, body).map(Arc::new) };
    Reading { model: wire::model_of(body).map(Arc::from), asked }
}

/// The body, and what is made of it: its texts once more, and a digest for each message.
fn weight(body: &Bytes) -> u64 {
    const FIXED: u64 = 1024;
    FIXED + 4 * body.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat(text: &str) -> Bytes {
        format!(r#"{{"model":"m","messages":[{{"role":"user","content":"{text}"}}]}}"#).into()
    }

    #[test]
    fn a_body_that_comes_again_is_read_once_and_says_the_same() {
        let readings = Readings::default();
        let first = readings.read(Surface::OpenaiChat, &chat("a"));
        let again = readings.read(Surface::OpenaiChat, &chat("a"));
        assert_eq!(again.model.as_deref(), Some("m"));
        assert!(Arc::ptr_eq(first.asked.as_ref().unwrap(), again.asked.as_ref().unwrap()));
    }

    #[test]
    fn other_bytes_and_other_surfaces_are_read_for_themselves() {
        let readings = Readings::default();
        let prompt = |reading: &Reading| reading.asked.as_ref().and_then(|asked| asked.prompt.clone());
        let first = readings.read(Surface::OpenaiChat, &chat("a"));
        let other = readings.read(Surface::OpenaiChat, &chat("b"));
        assert_ne!(prompt(&first), prompt(&other));
        let elsewhere = readings.read(Surface::OllamaChat, &chat("a"));
        assert_eq!(elsewhere.asked.unwrap().surface, Surface::OllamaChat);
        assert_eq!(first.asked.unwrap().surface, Surface::OpenaiChat);
    }

    #[test]
    fn what_is_not_understood_stays_so() {
        let readings = Readings::default();
        for _ in 0..2 {
            let reading = readings.read(Surface::OpenaiChat, &Bytes::from_static(br#"{"model":"m","model":"n"}"#));
            assert!(reading.asked.is_none() && reading.model.is_none());
        }
    }

    #[test]
    fn what_is_forgotten_is_read_anew_and_says_the_same() {
        let readings = Readings::default();
        let asked = || readings.read(Surface::OpenaiChat, &chat("a")).asked.unwrap();
        let before = asked();
        readings.forget();
        assert_eq!(readings.0.bytes(), 0);
        assert_eq!(asked(), before);
        assert!(!Arc::ptr_eq(&asked(), &before));
    }

    #[test]
    fn long_bodies_are_read_each_time() {
        let readings = Readings::default();
        let long = chat(&"a".repeat(LONGEST));
        let asked = || readings.read(Surface::OpenaiChat, &long).asked.unwrap();
        assert_eq!(asked(), asked());
        assert!(!Arc::ptr_eq(&asked(), &asked()));
    }
}
