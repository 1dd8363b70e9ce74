//! Bodies of JSON lines, read one by one as they come, of any length in all.

use axum::body::{Body, BodyDataStream};
use bytes::BytesMut;
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::Fault;

/// The longest line.
const LONGEST: usize = 64 << 20;

/// Lines of JSON.
pub(super) struct Lines {
    body: BodyDataStream,
    read: BytesMut,
    /// The number of the line read last, from 1.
    number: usize,
    ended: bool,
}

impl Lines {
    pub(super) fn of(body: Body) -> Self {
        Self { body: body.into_data_stream(), read: BytesMut::new(), number: 0, ended: false }
    }

    /// The next line that is not empty; `None` at the end.
    ///
    /// # Errors
    /// A line that is not such JSON, or far too long, and a body that breaks off.
    pub(super) async fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, Fault> {
        loop {
            let Some(line) = self.line().await? else { return Ok(None) };
            self.number += 1;
            if !line.trim_ascii().is_empty() {
                return serde_json::from_slice(&line).map(Some).map_err(|fault| self.fault(&fault.to_string()));
            }
        }
    }

    /// A fault in the line read last.
    pub(super) fn fault(&self, why: &str) -> Fault {
        Fault::bad_request(format!("line {}: {why}", self.number))
    }

    async fn line(&mut self) -> Result<Option<BytesMut>, Fault> {
        let mut searched = 0;
        loop {
            if let Some(end) = self.read[searched..].iter().position(|byte| *byte == b'\n') {
                return Ok(Some(self.read.split_to(searched + end + 1)));
            }
            searched = self.read.len();
            if self.ended {
                return Ok((!self.read.is_empty()).then(|| self.read.split()));
            }
            if searched > LONGEST {
                return Err(Fault::bad_request(format!("line {} is too long", self.number + 1)));
            }
            match self.body.next().await {
                Some(Ok(bytes)) => self.read.extend_from_slice(&bytes),
                Some(Err(_)) => return Err(Fault::bad_request("the request's body broke off")),
                None => self.ended = true,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use serde_json::{Value, json};

    use super::*;

    #[tokio::test]
    async fn lines_may_be_cut_anywhere_and_the_last_need_not_end() {
        let pieces = ["{\"a\"", ":1}\n\n[2", "]\r\n3"].map(Ok::<_, std::io::Error>);
        let mut lines = Lines::of(Body::from_stream(stream::iter(pieces)));
        let mut read: Vec<Value> = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            read.push(line);
        }
        assert_eq!(read, [json!({ "a": 1 }), json!([2]), json!(3)]);
    }

    #[tokio::test]
    async fn a_line_that_is_no_json_is_named() {
        let mut lines = Lines::of(Body::from("1\n\nx\n"));
        assert_eq!(lines.next::<Value>().await.unwrap(), Some(json!(1)));
        let fault = lines.next::<Value>().await.unwrap_err();
        assert!(fault.message.starts_with("line 3: "), "{fault:?}");
    }
}
