//! The listeners: draining, limits, and clients that do not keep their part.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Answer, FakeUpstream, Gate, TestApp};

/// Sends raw bytes and reads until the server closes the connection.
async fn raw(app: &TestApp, bytes: &str) -> String {
    let mut socket = TcpStream::connect(app.address()).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn stopping_lets_answers_under_way_finish_and_keeps_them() {
    let gate = Gate::new();
    let upstream = FakeUpstream::openai().reply("hello").reply(Answer::text("one two").pause_after(2, &gate));
    let mut app = TestApp::with(upstream).await;
    app.chat("Hello").send().await;
    let mut live = app.chat("Count").stream(true).open().await;
    live.read_until("one").await;
    gate.reached().await;
    let late = app.chat("Late");
    let running = app.take_running();
    let stopping = tokio::task::LocalSet::new();
    stopping
        .run_until(async {
            let stopped = tokio::task::spawn_local(running.shutdown());
            // No connection is taken any more once stopping has begun.
            while late.try_send().await {}
            gate.open();
            assert!(live.rest().await.unwrap().ends_with("[DONE]\n\n"));
            stopped.await.unwrap();
        })
        .await;
    app.start_again().await;
    assert_eq!(app.chat("Count").send().await.outcome(), "HIT");
}

#[tokio::test]
async fn what_outlives_the_drain_deadline_is_cut() {
    let gate = Gate::new();
    let mut app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply(Answer::raw(200, "text/plain", "first second").pause_after(1, &gate)))
        .config("[server]\ndrain = \"50ms\"\n")
        .start()
        .await;
    let mut live = app.send("POST", "/v1/audio/speech", "{}").open().await;
    live.read_until("first").await;
    app.stop().await;
    assert!(live.rest().await.is_err());
}

#[tokio::test]
async fn a_head_that_does_not_come_is_not_waited_for() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai())
        .config("[server]\nheader_timeout = \"100ms\"\n")
        .start()
        .await;
    let answer = raw(&app, "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\n").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test]
async fn a_body_that_stops_coming_is_refused() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai())
        .config("[server]\nbody_timeout = \"100ms\"\n")
        .start()
        .await;
    let head = "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 50\r\n\r\n{";
    let answer = raw(&app, head).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("stopped coming"), "{answer}");
}

#[tokio::test]
async fn too_many_and_too_large_headers_are_refused() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai())
        .config("[server]\nmax_headers = 10\nmax_head = \"8KiB\"\n")
        .start()
        .await;
    let many = "x-a: 1\r\n".repeat(11);
    let answer = raw(&app, &format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let large = "a".repeat(20_000);
    let answer = raw(&app, &format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: {large}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_their_turn() {
    let gate = Gate::new();
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply(Answer::text("one").behind(&gate)).reply("two"))
        .config("[server]\nmax_connections = 1\n")
        .start()
        .await;
    let head = |body: &str| {
        format!(
            "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let first = head(r#"{"model":"gpt-4o","messages":[{"role":"user","content":"1"}]}"#);
    let second = head(r#"{"model":"gpt-4o","messages":[{"role":"user","content":"2"}]}"#);
    let order = async {
        gate.reached().await;
        assert_eq!(app.upstream().calls(), 1);
        gate.open();
    };
    let (first, second, ()) = tokio::join!(raw(&app, &first), raw(&app, &second), order);
    assert!(first.contains("200 OK") && second.contains("200 OK"));
}
