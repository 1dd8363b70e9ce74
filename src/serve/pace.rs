//! Smoothing: the events of a live stream at a steady pace, because some front ends stutter on bursts.
//!
//! It is the last step before a client, so it changes neither what is recorded nor what other clients of the same
//! answer see; and it changes when bytes leave, never which.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use tokio::time::{Instant, sleep_until};

use super::ReplaySettings;

/// Bytes that may wait; while there are more, events leave as they come.
const MOST_HELD: usize = 1 << 20;

/// A live answer's body: at the pace of `[replay] live`, or as it comes where none is set, where it is no stream, and
/// where a content coding hides its events.
pub(super) fn body<E>(
    headers: &HeaderMap,
    pieces: impl Stream<Item = Result<Bytes, E>> + Send + 'static,
    settings: ReplaySettings,
) -> Body
where
    E: std::error::Error + Send + Sync + 'static,
{
    match Framing::of(headers).filter(|_| !settings.live.0.is_zero()) {
        Some(framing) => Body::from_stream(smoothed(pieces.boxed(), framing, settings)),
        None => Body::from_stream(pieces),
    }
}

fn smoothed<E: Send>(
    source: BoxStream<'static, Result<Bytes, E>>,
    framing: Framing,
    settings: ReplaySettings,
) -> impl Stream<Item = Result<Bytes, E>> {
    let (step, longest) = (settings.live.0, settings.longest.0);
    let smooth = Smooth {
        source: Some(source),
        framing,
        step,
        longest,
        begun: BytesMut::new(),
        waiting: VecDeque::new(),
        held: 0,
        left: None,
        cut: None,
    };
    stream::unfold(smooth, Smooth::next)
}

struct Smooth<E> {
    /// Where the pieces come from, until they end.
    source: Option<BoxStream<'static, Result<Bytes, E>>>,
    framing: Framing,
    /// The time between two events, and the longest that one may wait.
    step: Duration,
    longest: Duration,
    /// An event that has not ended yet.
    begun: BytesMut,
    /// Whole events, and when each must have left; their bytes together.
    waiting: VecDeque<(Bytes, Instant)>,
    held: usize,
    /// When the last one left.
    left: Option<Instant>,
    /// How the source broke off.
    cut: Option<E>,
}

impl<E> Smooth<E> {
    async fn next(mut self) -> Option<(Result<Bytes, E>, Self)> {
        loop {
            let due = self.due();
            match (&mut self.source, due) {
                (Some(source), None) => {
                    let piece = source.next().await;
                    self.take(piece);
                }
                (Some(source), Some(due)) => tokio::select! {
                    biased;
                    () = sleep_until(due) => return self.leave(),
                    piece = source.next() => self.take(piece),
                },
                (None, Some(due)) => {
                    sleep_until(due).await;
                    return self.leave();
                }
                (None, None) => {
                    let cut = self.cut.take()?;
                    // What came before must leave before the connection is cut.
                    tokio::task::yield_now().await;
                    return Some((Err(cut), self));
                }
            }
        }
    }

    /// When the next event leaves; none waits beyond its time, so the more there are, the shorter the step.
    fn due(&self) -> Option<Instant> {
        let (_, first) = self.waiting.front()?;
        let Some(left) = self.left.filter(|_| self.cut.is_none() && self.held <= MOST_HELD) else {
            return Some(*first - self.longest);
        };
        let steps = self.waiting.iter().zip(1..).map(|((_, by), nth)| by.saturating_duration_since(left) / nth);
        Some(left + steps.min().unwrap_or_default().min(self.step))
    }

    fn leave(mut self) -> Option<(Result<Bytes, E>, Self)> {
        let (event, _) = self.waiting.pop_front()?;
        self.held -= event.len();
        self.left = Some(Instant::now());
        Some((Ok(event), self))
    }

    fn take(&mut self, piece: Option<Result<Bytes, E>>) {
        match piece {
            Some(Ok(bytes)) => {
                self.begun.extend_from_slice(&bytes);
                while let Some(end) = self.framing.end(&self.begun) {
                    self.wait(end);
                }
                if self.begun.len() <= MOST_HELD {
                    return;
                }
            }
            Some(Err(cut)) => (self.source, self.cut) = (None, Some(cut)),
            None => self.source = None,
        }
        // What is no whole event, at the end or too long for one.
        if !self.begun.is_empty() {
            self.wait(self.begun.len());
        }
    }

    fn wait(&mut self, end: usize) {
        self.held += end;
        self.waiting.push_back((self.begun.split_to(end).freeze(), Instant::now() + self.longest));
    }
}

/// How a stream is cut into events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// Server-sent events: an empty line ends each, and lines end in LF, CR LF or CR.
    Events,
    /// NDJSON: a line feed ends each.
    Lines,
}

impl Framing {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?.to_ascii_lowercase();
        if headers.contains_key(CONTENT_ENCODING) {
            return None;
        }
        match kind {
            kind if kind.starts_with("text/event-stream") => Some(Self::Events),
            kind if kind.contains("ndjson") => Some(Self::Lines),
            _ => None,
        }
    }

    /// Where the first event ends, once it has.
    fn end(self, bytes: &[u8]) -> Option<usize> {
        let line_ends = |byte: &u8| *byte == b'\n' || (*byte == b'\r' && self == Self::Events);
        let mut from = 0;
        loop {
            let at = from + bytes[from..].iter().position(line_ends)?;
            let next = match (bytes[at], bytes.get(at + 1)) {
                (b'\n', _) => at + 1,
                (_, Some(b'\n')) => at + 2,
                (_, Some(_)) => at + 1,
                // A line feed may follow.
                (_, None) => return None,
            };
            if at == from || self == Self::Lines {
                return Some(next);
            }
            from = next;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Lasting;

    type Sent = Vec<(u64, Result<String, &'static str>)>;

    /// What leaves, and after how many milliseconds, when these pieces come after these.
    async fn sent(settings: (u64, u64), framing: Framing, pieces: &[(u64, Result<&str, &'static str>)]) -> Sent {
        let settings = ReplaySettings {
            live: Lasting::millis(settings.0),
            longest: Lasting::millis(settings.1),
            ..ReplaySettings::default()
        };
        let start = Instant::now();
        let pieces: Vec<_> =
            pieces.iter().map(|(at, piece)| (*at, piece.map(|text| Bytes::from(text.to_owned())))).collect();
        let source = stream::iter(pieces).then(move |(at, piece)| async move {
            sleep_until(start + Duration::from_millis(at)).await;
            piece
        });
        let text = |piece: Bytes| String::from_utf8(piece.to_vec()).unwrap();
        let left = smoothed(source.boxed(), framing, settings);
        left.map(|piece| (start.elapsed().as_millis() as u64, piece.map(text))).collect().await
    }

    fn expected(sent: &[(u64, &str)]) -> Sent {
        sent.iter().map(|(at, text)| (*at, Ok((*text).to_owned()))).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_leaves_event_by_event() {
        let sent =
            sent((20, 5000), Framing::Events, &[(0, Ok("data: a\n\ndata: b\r\n\r\n: c\n\nda")), (5, Ok("ta: d\n\n"))]);
        let expected = expected(&[(0, "data: a\n\n"), (20, "data: b\r\n\r\n"), (40, ": c\n\n"), (60, "data: d\n\n")]);
        assert_eq!(sent.await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_slowly_leaves_as_it_comes() {
        let sent = sent((20, 5000), Framing::Lines, &[(0, Ok("1\n")), (50, Ok("2\n")), (70, Ok("3\n4\n"))]);
        assert_eq!(sent.await, expected(&[(0, "1\n"), (50, "2\n"), (70, "3\n"), (90, "4\n")]));
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_waits_longer_than_the_longest() {
        let burst = "x\n".repeat(101);
        let sent = sent((20, 200), Framing::Lines, &[(0, Ok(&burst))]).await;
        let times: Vec<u64> = sent.iter().map(|(at, _)| *at).collect();
        assert_eq!((times.len(), times[0], times[50], times[100]), (101, 0, 100, 200));
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_before_a_cut_leaves_at_once_and_the_cut_follows() {
        let sent = sent((20, 5000), Framing::Lines, &[(0, Ok("1\n2\n3\n4")), (30, Err("cut"))]);
        let mut expected = expected(&[(0, "1\n"), (20, "2\n"), (30, "3\n"), (30, "4")]);
        expected.push((30, Err("cut")));
        assert_eq!(sent.await, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_end_as_no_event_leave_too() {
        assert_eq!(sent((20, 50), Framing::Events, &[(0, Ok("data: a\ndat"))]).await, expected(&[(0, "data: a\ndat")]));
        let long = "x".repeat(MOST_HELD + 1);
        assert_eq!(sent((20, 50), Framing::Lines, &[(0, Ok(&long)), (9, Ok("y\n"))]).await.len(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn any_chunking_leaves_the_same() {
        let stream = "data: a\r\n\r\n\ndata: b\rid: 1\r\r: ping\n\ndata: c";
        for size in 1..=stream.len() {
            let chunks = stream.as_bytes().chunks(size).map(|chunk| (0, Ok(std::str::from_utf8(chunk).unwrap())));
            let chunks: Vec<_> = chunks.collect();
            let events = ["data: a\r\n\r\n", "\n", "data: b\rid: 1\r\r", ": ping\n\n", "data: c"];
            let expected: Vec<_> = (0..).step_by(20).zip(events).collect();
            assert_eq!(sent((20, 5000), Framing::Events, &chunks).await, self::expected(&expected), "chunks of {size}");
        }
    }

    #[test]
    fn only_streams_in_clear_are_cut_into_events() {
        let of = |lines: &[(http::HeaderName, &'static str)]| {
            let line = |(name, value): &(http::HeaderName, &'static str)| (name.clone(), value.parse().unwrap());
            Framing::of(&lines.iter().map(line).collect())
        };
        assert_eq!(of(&[(CONTENT_TYPE, "text/event-stream; charset=utf-8")]), Some(Framing::Events));
        assert_eq!(of(&[(CONTENT_TYPE, "application/x-ndjson")]), Some(Framing::Lines));
        assert_eq!(of(&[(CONTENT_TYPE, "application/json")]), None);
        assert_eq!(of(&[(CONTENT_TYPE, "text/event-stream"), (CONTENT_ENCODING, "gzip")]), None);
    }
}
