//! Through dejavu and straight to the upstream: the same request must arrive, and the same answer come back, but for
//! what belongs to one hop and for what dejavu says of itself. Requests are written by hand, so that no client library
//! adds or orders anything.

use std::collections::BTreeMap;
use std::io::Write;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, FakeUpstream, Gate, TestApp};

/// What belongs to one hop, what the next connection sets for itself, and what dejavu adds to answers.
const OF_ONE_HOP: [&str; 5] = ["connection", "transfer-encoding", "host", "content-length", "date"];
const DEJAVUS_OWN: [&str; 6] =
    ["cache-status", "x-cache-status", "x-cache-entry", "x-cache-reason", "x-upstream", "x-upstream-model"];

/// Header lines by name, in order where a name stands more than once.
type Lines = BTreeMap<String, Vec<Vec<u8>>>;

#[derive(Debug, PartialEq)]
struct Answered {
    status: String,
    headers: Lines,
    body: Vec<u8>,
}

/// Sends a request of these bytes, and reads the answer until the connection closes.
async fn exchange(to: SocketAddr, request: &[u8]) -> Answered {
    let mut socket = TcpStream::connect(to).await.unwrap();
    socket.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.unwrap();
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a whole head") + 4;
    let mut lines = answer[..end - 4].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let status = String::from_utf8(lines.next().unwrap().to_vec()).unwrap();
    let mut headers = Lines::new();
    for line in lines {
        let colon = line.iter().position(|byte| *byte == b':').unwrap();
        let name = String::from_utf8(line[..colon].to_ascii_lowercase()).unwrap();
        headers.entry(name).or_default().push(line[colon + 1..].trim_ascii().to_vec());
    }
    let body = &answer[end..];
    let chunked = headers.get("transfer-encoding").is_some_and(|codings| codings[0] == b"chunked");
    let body = if chunked { unchunked(body) } else { body.to_vec() };
    Answered { status, headers, body }
}

/// RFC 9112, 7.1.
fn unchunked(mut coded: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = coded.windows(2).position(|window| window == b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&coded[..end]).unwrap(), 16).unwrap();
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&coded[end + 2..end + 2 + size]);
        coded = &coded[end + 2 + size + 2..];
    }
}

fn request(line: &str, headers: &[(&str, &[u8])], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{line} HTTP/1.1\r\nhost: here\r\nconnection: close\r\n").into_bytes();
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    }
    write!(bytes, "content-length: {}\r\n\r\n", body.len()).unwrap();
    bytes.extend_from_slice(body);
    bytes
}

fn end_to_end(headers: Lines, without: &[&str]) -> Lines {
    headers.into_iter().filter(|(name, _)| !OF_ONE_HOP.contains(&&**name) && !without.contains(&&**name)).collect()
}

/// Makes the same request both ways and holds what happened against each other; gives what came back.
async fn both_ways(upstream: FakeUpstream, bytes: &[u8]) -> Answered {
    let app = TestApp::with(upstream).await;
    let mut seen = Vec::new();
    let mut answers = Vec::new();
    for to in [app.upstream().address(), app.address()] {
        let answered = exchange(to, bytes).await;
        answers.push(Answered { headers: end_to_end(answered.headers, &DEJAVUS_OWN), ..answered });
        let arrived = app.upstream().seen().pop().unwrap();
        let mut lines = Lines::new();
        for (name, value) in &arrived.headers {
            lines.entry(name.to_string()).or_default().push(value.as_bytes().to_vec());
        }
        // dejavu's HTTP client says that it takes any answer, which is what saying nothing means (RFC 9110, 12.5.1).
        if lines.get("accept").is_some_and(|accepted| *accepted == [b"*/*"]) {
            lines.remove("accept");
        }
        seen.push((arrived.method, arrived.path, end_to_end(lines, &[]), arrived.body));
    }
    assert_eq!(app.upstream().calls(), 2);
    assert_eq!(seen[0], seen[1], "what arrived");
    assert_eq!(answers[0], answers[1], "what came back");
    answers.pop().unwrap()
}

/// Odd, but a client's own: repeated names, bytes beyond ASCII, an empty value.
const HEADERS: [(&str, &[u8]); 9] = [
    ("Content-Type", b"application/json"),
    ("Authorization", b"Bearer sk-client"),
    ("anthropic-version", b"2023-06-01"),
    ("User-Agent", b"App/1.0 (odd; \"agent\")"),
    ("X-Custom", b"one, two"),
    ("X-Custom", b"three"),
    ("X-Latin", b"gr\xfc\xdfe"),
    ("X-Empty", b""),
    ("traceparent", b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
];

fn odd(answer: Answer) -> Answer {
    answer.header("x-request-id", "req-1").header("set-cookie", "a=1").header("set-cookie", "b=2").header("x-odd", "")
}

#[tokio::test]
async fn every_surface_whole_and_streamed() {
    let chat = r#"{ "messages": [{"role":"user","content":"Count \u00fc"}],"model" : "m", "max_tokens":9"#;
    let prompt = r#"{"prompt":"Count","model":"m""#;
    let input = r#"{"input":["a" , "bb"],"model":"m""#;
    for (path, body, streams) in [
        ("/v1/chat/completions", chat, true),
        ("/v1/completions", prompt, false),
        ("/v1/messages", chat, true),
        ("/v1/embeddings", input, false),
        ("/api/chat", chat, true),
        ("/api/generate", prompt, true),
        ("/api/embed", input, false),
    ] {
        for stream in [false, true] {
            if stream && !streams {
                continue;
            }
            let body = format!("{body}, \"stream\" :{stream}}}\n");
            let bytes = request(&format!("POST {path}?q=%20a"), &HEADERS, body.as_bytes());
            let answered = both_ways(FakeUpstream::ollama().always(odd(Answer::text("one two"))), &bytes).await;
            assert_eq!(answered.status, "HTTP/1.1 200 OK", "{path}");
            assert_eq!(answered.headers["set-cookie"].len(), 2);
        }
    }
}

#[tokio::test]
async fn compressed_answers_and_errors_and_what_is_not_understood() {
    let asked = br#"{"model":"m","messages":[{"role":"user","content":"Count"}],"stream":true}"#;
    let taking = [&HEADERS[..], &[("Accept-Encoding", b"gzip"), ("Accept", b"text/event-stream")]].concat();
    let streamed = request("POST /v1/chat/completions", &taking, asked);
    let gzipped = both_ways(FakeUpstream::openai().always(odd(Answer::text("one two").gzipped())), &streamed).await;
    assert_eq!(gzipped.headers["content-encoding"], [b"gzip"]);
    for status in [400, 401, 404, 429, 500, 503, 529] {
        let answered = both_ways(FakeUpstream::openai().always(odd(Answer::error(status))), &streamed).await;
        assert!(answered.status.starts_with(&format!("HTTP/1.1 {status}")), "{}", answered.status);
    }
    let odd_answer = || FakeUpstream::openai().always(odd(Answer::raw(200, "text/plain", "no JSON at all")));
    for body in [&b"no JSON either"[..], b"", b"\xff\x00", br#"{"model":"m"}"#] {
        both_ways(odd_answer(), &request("POST /v1/chat/completions", &HEADERS, body)).await;
    }
    for line in
        ["POST /v1/files?a=1&a=2", "GET /v1/files/f%2Fg", "DELETE /v1/threads/1", "PUT /v1/x", "POST /v1/audio/speech"]
    {
        both_ways(odd_answer(), &request(line, &HEADERS, b"--boundary\r\nany bytes \xff\r\n")).await;
    }
}

#[tokio::test]
async fn a_stream_reaches_the_client_piece_by_piece() {
    let gate = Gate::new();
    let app = TestApp::with(FakeUpstream::openai().reply(Answer::text("one two").pause_after(2, &gate))).await;
    let mut live = app.chat("Count").stream(true).open().await;
    // The upstream stands before the gate, so this came while the answer was under way.
    live.read_until("one ").await;
    gate.open();
    assert!(live.rest().await.unwrap().ends_with("[DONE]\n\n"));
}
