//! Compressed requests and answers are understood, and pass as they came.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::harness::{Answer, FakeUpstream, Gate, TestApp, gunzip};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn a_compressed_answer_passes_as_it_came_and_is_kept_plain() {
    for stream in [false, true] {
        let app = TestApp::with(FakeUpstream::openai().reply(Answer::text("one two").gzipped())).await;
        let cold = app.chat("Count").stream(stream).header("accept-encoding", "gzip").send().await;
        assert_eq!((cold.outcome(), cold.header("content-encoding")), ("MISS", "gzip"));
        assert!(gunzip(&cold.body).contains("two"));
        let warm = app.chat("Count").stream(stream).header("accept-encoding", "gzip").send().await;
        assert_eq!((warm.outcome(), warm.header("content-encoding"), warm.said().as_str()), ("HIT", "", "one two"));
    }
}

#[tokio::test]
async fn an_answer_in_an_unknown_coding_passes_and_is_not_kept() {
    let odd = Answer::text("one").header("content-encoding", "rot13");
    let app = TestApp::with(FakeUpstream::openai().reply(odd).reply("two")).await;
    let cold = app.chat("Count").send().await;
    assert_eq!((cold.header("content-encoding"), cold.reason()), ("rot13", "unreadable"));
    assert_eq!(app.chat("Count").send().await.outcome(), "MISS");
}

#[tokio::test]
async fn a_compressed_request_is_read_and_passes_as_it_came() {
    let body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Count" }] }).to_string();
    let app = TestApp::with(FakeUpstream::openai().reply("one")).await;
    let coded = gzip(&body);
    let cold = app.send("POST", "/v1/chat/completions", coded.clone()).header("content-encoding", "gzip").send().await;
    assert_eq!((cold.outcome(), cold.said().as_str()), ("MISS", "one"));
    let seen = app.upstream().seen()[0].clone();
    assert_eq!((seen.body, seen.headers["content-encoding"].to_str().unwrap()), (coded.into(), "gzip"));
    assert_eq!(app.send("POST", "/v1/chat/completions", body).send().await.outcome(), "HIT");
}

#[tokio::test]
async fn a_model_name_is_replaced_inside_a_compressed_request() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("one"))
        .config("[[route]]\nmodel = \"fast\"\nto = [\"openai:gpt-4o-mini\"]\n")
        .start()
        .await;
    let body = json!({ "model": "fast", "messages": [{ "role": "user", "content": "Count" }] }).to_string();
    app.send("POST", "/v1/chat/completions", gzip(&body)).header("content-encoding", "gzip").send().await;
    let seen = app.upstream().seen()[0].clone();
    assert_eq!((seen.json()["model"].as_str(), seen.headers.get("content-encoding")), (Some("gpt-4o-mini"), None));
}

#[tokio::test]
async fn a_follower_that_cannot_decode_is_given_plain_bytes() {
    let gate = Gate::new();
    let answer = Answer::text("one two three").gzipped().pause_after(2, &gate);
    let app = TestApp::with(FakeUpstream::openai().reply(answer)).await;
    let leader = app.chat("Count").stream(true).header("accept-encoding", "gzip").open().await;
    gate.reached().await;
    let mut follower = app.chat("Count").stream(true).open().await;
    assert_eq!(follower.headers["x-cache-status"], "COLLAPSED");
    assert!(!follower.headers.contains_key("content-encoding"));
    follower.read_until("one").await;
    gate.open();
    assert!(follower.rest().await.unwrap().ends_with("[DONE]\n\n"));
    drop(leader);
}
