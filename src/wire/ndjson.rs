//! Newline-delimited JSON, cut anywhere: the framing of Ollama's streams (`application/x-ndjson`).
//!
//! A line counts when its line feed has come; what stands after the last line feed was cut.

/// Splits pushed bytes into lines.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The line that has not ended yet.
    line: Vec<u8>,
}

impl Lines {
    /// Takes the next bytes and hands every line they complete to `take`, without its line end; blank lines are
    /// skipped.
    ///
    /// # Errors
    /// The first error `take` gives; the rest of the bytes is not looked at then.
    pub(super) fn push<E>(&mut self, bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.line.extend_from_slice(&rest[..end]);
            rest = &rest[end + 1..];
            let line = std::mem::take(&mut self.line);
            let line = line.trim_ascii();
            if !line.is_empty() {
                take(line)?;
            }
        }
        self.line.extend_from_slice(rest);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_chunking_finds_the_same_lines_and_the_unended_one_is_none() {
        let stream = b"{\"a\":1}\r\n\n{\"b\":2}\n{\"c\"";
        for size in 1..=stream.len() {
            let mut found = Vec::new();
            let mut framing = Lines::default();
            for chunk in stream.chunks(size) {
                let taken: Result<(), ()> = framing.push(chunk, |line| {
                    found.push(line.to_vec());
                    Ok(())
                });
                taken.unwrap();
            }
            assert_eq!(found, [&b"{\"a\":1}"[..], b"{\"b\":2}"], "chunks of {size}");
        }
    }
}
