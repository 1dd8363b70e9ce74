//! Folds the bytes of one answer, as they pass by, into a recording.

use std::fmt;

use serde_json::Value;

use super::adapter::{self, Adapter, Fold, Framing, Step, Verdict};
use super::ndjson::Lines;
use super::pieces::tokens;
use super::sse::Events;
use crate::domain::{Cause, Recording, Surface, Usage};

/// The most bytes of one answer that are looked at; a longer one is not recorded.
const MOST: usize = 64 << 20;

/// Folds the bytes of one answer into a [`Recording`]. Push chunks cut anywhere; the result is the same.
pub struct Recorder {
    surface: Surface,
    /// Characters of text in the request, for estimating its tokens.
    asked: u64,
    /// Bytes seen, and the most that may come.
    seen: usize,
    most: usize,
    body: Body,
}

enum Body {
    /// A body in one: kept as it is.
    Whole(Vec<u8>),
    /// A stream that has not ended.
    Events(Events, Box<dyn Fold>),
    /// The same, in lines.
    Lines(Lines, Box<dyn Fold>),
    /// A stream whose terminal marker has come.
    Done(Box<dyn Fold>),
    /// There will be no recording.
    Failed(Cause),
}

impl Recorder {
    /// A recorder for an answer to a request of `surface`; `streamed` says whether the upstream streams it (its
    /// `content-type` is an event stream or NDJSON).
    #[must_use]
    pub fn new(surface: Surface, streamed: bool) -> Self {
        let adapter = adapter::of(surface);
        let body = match adapter.framing() {
            _ if !streamed => Body::Whole(Vec::new()),
            Framing::Sse => Body::Events(Events::default(), adapter.fold()),
            Framing::Ndjson => Body::Lines(Lines::default(), adapter.fold()),
        };
        Self { surface, asked: 0, seen: 0, most: MOST, body }
    }

    /// Tells how many characters of text were asked ([`crate::domain::Traits::characters`]): the request's tokens
    /// are estimated from them when a stream does not count them.
    #[must_use]
    pub fn asked(self, characters: u64) -> Self {
        Self { asked: characters, ..self }
    }

    /// Gives up on answers of more than `bytes` on the wire, so that no memory is spent on what will not be kept.
    #[must_use]
    pub fn at_most(self, bytes: usize) -> Self {
        Self { most: bytes.min(MOST), ..self }
    }

    /// Takes the next bytes of the body.
    pub fn push(&mut self, chunk: &[u8]) {
        self.seen = self.seen.saturating_add(chunk.len());
        if self.seen > self.most && !matches!(self.body, Body::Failed(_)) {
            self.body = Body::Failed(Cause::AnswerTooLarge);
        }
        let pushed = match &mut self.body {
            Body::Whole(bytes) => {
                bytes.extend_from_slice(chunk);
                Ok(())
            }
            Body::Events(framing, fold) => {
                framing.push(chunk, |event| go_on(fold.take(event.name.as_deref(), &event.data)))
            }
            Body::Lines(framing, fold) => framing.push(chunk, |line| go_on(fold.take(None, line))),
            // What follows the terminal marker, or a failure, says nothing more.
            Body::Done(_) | Body::Failed(_) => Ok(()),
        };
        match pushed {
            Ok(()) => {}
            Err(End::Failed(cause)) => self.body = Body::Failed(cause),
            Err(End::Marker) => match std::mem::replace(&mut self.body, Body::Failed(Cause::Cut)) {
                Body::Events(_, fold) | Body::Lines(_, fold) => self.body = Body::Done(fold),
                other => self.body = other,
            },
        }
    }

    /// Ends the recording.
    ///
    /// # Errors
    /// Why there is none: cut before its terminal marker, an error inside the stream, not understood, too large.
    pub fn finish(self) -> Result<Recording, Cause> {
        let adapter = adapter::of(self.surface);
        match self.body {
            Body::Whole(bytes) => {
                let answer = serde_json::from_slice(&bytes)
                    .map_err(|fault| if fault.is_eof() { Cause::Cut } else { Cause::Unreadable })?;
                let verdict = adapter.verdict(&answer)?;
                let usage = usage(&verdict, self.asked);
                Ok(recording(self.surface, bytes, verdict, usage))
            }
            Body::Done(fold) => fold_up(self.surface, adapter, fold, self.asked),
            Body::Events(..) | Body::Lines(..) => Err(Cause::Cut),
            Body::Failed(cause) => Err(cause),
        }
    }
}

impl fmt::Debug for Recorder {
    /// Without the answer's text, which must never be logged.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("surface", &self.surface).field("seen", &self.seen).finish_non_exhaustive()
    }
}

/// Why a stream's events are not looked at any further.
enum End {
    Marker,
    Failed(Cause),
}

fn go_on(step: Result<Step, Cause>) -> Result<(), End> {
    match step {
        Ok(Step::More) => Ok(()),
        Ok(Step::Done) => Err(End::Marker),
        Err(cause) => Err(End::Failed(cause)),
    }
}

fn fold_up(surface: Surface, adapter: &dyn Adapter, fold: Box<dyn Fold>, asked: u64) -> Result<Recording, Cause> {
    let mut answer = Value::Object(fold.finish()?);
    let verdict = adapter.verdict(&answer)?;
    let usage = usage(&verdict, asked);
    if let (None, Value::Object(members)) = (verdict.usage, &mut answer) {
        adapter.count(members, usage);
    }
    let bytes = serde_json::to_vec(&answer).map_err(|_| Cause::Unreadable)?;
    Ok(recording(surface, bytes, verdict, usage))
}

fn usage(verdict: &Verdict, asked: u64) -> Usage {
    verdict.usage.unwrap_or_else(|| Usage { prompt: tokens(asked), completion: tokens(verdict.characters) })
}

fn recording(surface: Surface, answer: Vec<u8>, verdict: Verdict, usage: Usage) -> Recording {
    let Verdict { finish, model, usage: _, characters: _ } = verdict;
    Recording { surface, answer: answer.into(), finish, reported_model: model, usage: Some(usage) }
}
