//! Recording an answer as it passes: the recorder, and what may switch it off.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

use crate::domain::{Cause, Head, Recording, Shape, Surface};
use crate::wire::Recorder;

/// The largest answer recorded, in bytes as they came. What is kept has a bound of its own, which is lower.
const MOST_RECORDED: usize = 64 << 20;

/// The recording of one answer.
#[derive(Debug)]
pub(super) struct Tape {
    streamed: bool,
    recorder: Result<Recorder, Cause>,
    length: usize,
}

impl Tape {
    /// A tape for an answer with this head to a request that wished this shape.
    pub(super) fn new(surface: Surface, wished: Shape, head: &Head) -> Self {
        let streamed = is_stream(&head.headers, wished);
        let recorder = if head.status.is_success() {
            Ok(Recorder::new(surface, streamed)).and_then(|recorder| readable(&head.headers).map(|()| recorder))
        } else {
            Err(Cause::Status)
        };
        Self { streamed: streamed && head.status.is_success(), recorder, length: 0 }
    }

    /// Whether the answer comes in pieces that its client waits for one by one.
    pub(super) const fn streamed(&self) -> bool {
        self.streamed
    }

    /// Takes the next bytes.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        if self.length > MOST_RECORDED {
            self.recorder = Err(Cause::AnswerTooLarge);
        }
        if let Ok(recorder) = &mut self.recorder {
            recorder.push(bytes);
        }
    }

    /// The upstream broke off: whatever came, it is no answer.
    pub(super) fn cut(&mut self) {
        self.recorder = Err(Cause::Cut);
    }

    /// The recording, or why there is none.
    pub(super) fn finish(self) -> Result<Recording, Cause> {
        self.recorder?.finish()
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

fn readable(headers: &HeaderMap) -> Result<(), Cause> {
    let plain =
        headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if plain { Ok(()) } else { Err(Cause::Unreadable) }
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
