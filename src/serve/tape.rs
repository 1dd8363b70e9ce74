//! Recording an answer as it passes: the recorder, and what may switch it off.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::headers::codings;
use crate::domain::{Asked, Cause, Head, Recording, Shape};
use crate::wire::Recorder;
use crate::wire::content_coding::{Decoder, Undecodable};

/// The largest answer recorded, decoded. What is kept has a bound of its own, which is lower.
const MOST_RECORDED: usize = 64 << 20;

/// The recording of one answer.
#[derive(Debug)]
pub(super) struct Tape {
    streamed: bool,
    recording: Result<(Decoder, Recorder), Cause>,
}

impl Tape {
    /// A tape for the answer with this head to what was asked.
    pub(super) fn new(asked: &Asked, head: &Head) -> Self {
        let streamed = is_stream(&head.headers, asked.shape);
        let recording = if head.status.is_success() {
            let recorder = Recorder::new(asked.surface, streamed).asked(asked.traits.characters);
            let decoder = Decoder::new(&codings(&head.headers), MOST_RECORDED);
            decoder.map(|decoder| (decoder, recorder)).map_err(cause)
        } else {
            Err(Cause::Status)
        };
        Self { streamed: streamed && head.status.is_success(), recording }
    }

    /// Whether the answer comes in pieces that its client waits for one by one.
    pub(super) const fn streamed(&self) -> bool {
        self.streamed
    }

    /// Takes the next bytes, as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let Ok((decoder, recorder)) = &mut self.recording else { return };
        if decoder.is_identity() {
            return recorder.push(bytes);
        }
        match decoder.push(bytes) {
            Ok(decoded) => recorder.push(&decoded),
            Err(fault) => self.recording = Err(cause(fault)),
        }
    }

    /// The upstream broke off: whatever came, it is no answer.
    pub(super) fn cut(&mut self) {
        self.recording = Err(Cause::Cut);
    }

    /// The recording, or why there is none.
    pub(super) fn finish(self) -> Result<Recording, Cause> {
        let (decoder, recorder) = self.recording?;
        decoder.finish().map_err(cause)?;
        recorder.finish()
    }
}

/// Why an answer that cannot be decoded is not recorded.
pub(super) const fn cause(fault: Undecodable) -> Cause {
    match fault {
        Undecodable::Unknown | Undecodable::Damaged => Cause::Unreadable,
        Undecodable::Cut => Cause::Cut,
        Undecodable::TooLarge => Cause::AnswerTooLarge,
    }
}

/// Whether a body is an event stream or lines of JSON. Servers that do not say get what was asked of them.
fn is_stream(headers: &HeaderMap, wished: Shape) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("").to_ascii_lowercase();
    if kind.starts_with("text/event-stream") || kind.contains("ndjson") {
        return true;
    }
    wished.stream && !kind.starts_with("application/json")
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_content_type_says_whether_it_streams_else_the_wish() {
        let (stream, whole) = (Shape { stream: true, usage_chunk: false }, Shape { stream: false, usage_chunk: false });
        let of = |kind: &'static str| HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(kind))]);
        assert!(is_stream(&of("text/event-stream; charset=utf-8"), whole));
        assert!(is_stream(&of("application/x-ndjson"), whole));
        assert!(!is_stream(&of("application/json; charset=utf-8"), stream));
        assert!(is_stream(&HeaderMap::new(), stream));
        assert!(!is_stream(&HeaderMap::new(), whole));
    }
}
