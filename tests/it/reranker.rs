//! A reranker in a folder, asked over HTTP about what the rules leave in doubt.

use serde_json::json;

use crate::harness::{FakeUpstream, TestApp};

const ASKED: &str = "How do I paint my canoe?";
/// Near enough to be looked at, too far to be accepted for an exchanged word.
const UNSURE: &str = "How do I paint my fishing boat?";

/// The smallest reranker there is, which counts tokens (`tests/reranker`), with the default model's tokenizer.
async fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let settings = dejavu::embed::Settings::default();
    let model = dejavu::embed::provision(&settings, dejavu::embed::Progress::Logged).await.unwrap().model;
    for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "config.json"] {
        std::fs::copy(model.join(file), folder.path().join(file)).unwrap();
    }
    let graph = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reranker/model.onnx");
    std::fs::copy(graph, folder.path().join("model.onnx")).unwrap();
    folder
}

async fn app(reranker: &str) -> TestApp {
    let config = format!("[semantic.reranker]\ndeadline = \"60s\"\n{reranker}");
    TestApp::builder().upstream(FakeUpstream::openai().always("With paint.")).config(&config).semantic().start().await
}

#[tokio::test]
async fn what_was_in_doubt_is_read_and_served() {
    let folder = folder().await;
    let app = app(&format!("model = {:?}\n", folder.path())).await;
    app.chat(ASKED).send().await;
    let told = app.admin_post(
        "/admin/v1/explain",
        json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": UNSURE }] }),
    );
    let told = told.send().await.json();
    assert!(told["candidates"][0]["reranker"].as_f64().unwrap() > 0.99, "{told}");
    let reply = app.chat(UNSURE).send().await;
    assert_eq!((reply.outcome(), reply.header("x-cache-match")), ("HIT", "semantic"), "{told}");
    let metrics = app.admin_get("/metrics").send().await;
    assert!(metrics.text().contains("dejavu_reranked{outcome=\"accepted\"} 1"), "{}", metrics.text());
    // The first question, the explanation and the second each looked; only the latter two found what was in doubt.
    for (step, times) in [("embedding", 3), ("search", 3), ("reading", 3), ("judging", 3), ("reranking", 2)] {
        let line = format!("dejavu_lookup_step_duration_seconds_count{{step=\"{step}\"}} {times}\n");
        assert!(metrics.text().contains(&line), "{line} is not in {}", metrics.text());
    }
    let trap = app.chat("How do I paint your canoe?").send().await;
    assert_eq!((trap.outcome(), trap.reason()), ("MISS", "veto-pronoun"));
}

#[tokio::test]
async fn the_operator_says_how_sure_it_must_be_and_changes_that_while_it_runs() {
    let folder = folder().await;
    let model = format!("model = {:?}\n", folder.path());
    let app = app(&format!("{model}accept = 0.9999\n")).await;
    app.chat(ASKED).send().await;
    assert_eq!(app.chat(UNSURE).header("x-cache-mode", "read-only").send().await.outcome(), "MISS");
    app.reconfigure(|config| config.replace("accept = 0.9999", "accept = 0.9"));
    app.admin_post("/admin/v1/reload", json!({})).send().await;
    assert_eq!(app.chat(UNSURE).header("x-cache-mode", "read-only").send().await.outcome(), "HIT");
}

#[tokio::test]
async fn without_its_files_the_server_runs_as_without_a_reranker() {
    let app = app("model = \"/nowhere\"\n").await;
    app.chat(ASKED).send().await;
    let reply = app.chat(UNSURE).send().await;
    assert_eq!((reply.outcome(), reply.reason()), ("MISS", "below-threshold"));
    assert!(!app.admin_get("/metrics").send().await.text().contains("dejavu_reranked"));
}
