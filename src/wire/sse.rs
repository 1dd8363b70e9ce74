//! Server-sent events, cut anywhere: the framing of OpenAI's and Anthropic's streams.
//!
//! Source: WHATWG HTML, 9.2.6 "Interpreting an event stream". Lines end in LF, CR LF or CR; an event ends at an empty
//! line, and what stands after the last empty line is no event.

/// One event: its type, if it names one, and its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Event {
    /// The `event:` field.
    pub(super) name: Option<String>,
    /// The `data:` lines, joined by line feeds.
    pub(super) data: Vec<u8>,
}

/// Splits pushed bytes into events.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// The last byte ended a line by CR: a LF right after it belongs to that line end.
    after_cr: bool,
    /// A first line has been seen; before it a byte order mark may stand.
    begun: bool,
    name: Option<String>,
    data: Option<Vec<u8>>,
}

impl Events {
    /// Takes the next bytes and hands every event they complete to `take`.
    ///
    /// # Errors
    /// The first error `take` gives; the rest of the bytes is not looked at then.
    pub(super) fn push<E>(&mut self, bytes: &[u8], mut take: impl FnMut(Event) -> Result<(), E>) -> Result<(), E> {
        let mut rest = bytes;
        while let Some(first) = rest.first() {
            if std::mem::take(&mut self.after_cr) && *first == b'\n' {
                rest = &rest[1..];
                continue;
            }
            let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) else {
                self.line.extend_from_slice(rest);
                return Ok(());
            };
            self.line.extend_from_slice(&rest[..end]);
            self.after_cr = rest[end] == b'\r';
            rest = &rest[end + 1..];
            if let Some(event) = self.end_line() {
                take(event)?;
            }
        }
        Ok(())
    }

    fn end_line(&mut self) -> Option<Event> {
        let line = std::mem::take(&mut self.line);
        let line = if std::mem::replace(&mut self.begun, true) {
            &line[..]
        } else {
            line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&line)
        };
        if line.is_empty() {
            let name = self.name.take();
            return self.data.take().map(|data| Event { name, data });
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => self.name = Some(String::from_utf8_lossy(value).into_owned()),
            b"data" => match &mut self.data {
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
                None => self.data = Some(value.to_vec()),
            },
            // Comments, `id`, `retry` and unknown fields say nothing about an answer.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn events(chunks: &[&[u8]]) -> Vec<(Option<String>, String)> {
        let mut found = Vec::new();
        let mut framing = Events::default();
        for chunk in chunks {
            let taken: Result<(), ()> = framing.push(chunk, |event| {
                found.push((event.name, String::from_utf8(event.data).unwrap()));
                Ok(())
            });
            taken.unwrap();
        }
        found
    }

    #[test]
    fn fields_comments_line_ends_and_byte_order_marks() {
        let stream = "\u{feff}data: a\r\ndata:b\r\n\r\n: ping\n\nevent: x\ndata\n\rid: 7\rdata:  c\r\rdata: lost";
        let named = |name: Option<&str>, data: &str| (name.map(str::to_owned), data.to_owned());
        let expected = [named(None, "a\nb"), named(Some("x"), ""), named(None, " c")];
        assert_eq!(events(&[stream.as_bytes()]), expected);
    }

    proptest! {
        #[test]
        fn any_chunking_finds_the_same_events(
            stream in "(data: ?[ab:]{0,3}|event: e|:c|\r|\n|\r\n){0,12}",
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
            places.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for place in places {
                chunks.push(&stream.as_bytes()[from..place]);
                from = place;
            }
            chunks.push(&stream.as_bytes()[from..]);
            prop_assert_eq!(events(&chunks), events(&[stream.as_bytes()]));
        }
    }
}
