//! A model that changes takes its old answers with it.

use crate::harness::{Answer, FakeUpstream, TestApp};

#[tokio::test]
async fn a_model_pulled_anew_stops_its_old_answers() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::ollama().reply("old").reply("new"))
        .config("[versions]\npoll = \"100ms\"\n")
        .start()
        .await;
    assert_eq!(app.ollama_chat("Count").send().await.said(), "old");
    assert_eq!(app.ollama_chat("Count").send().await.outcome(), "HIT");
    app.upstream().pull("llama3.2:latest", "cccc");
    // The watcher asks on its own clock; an answer of the old model is served until it has.
    let changed = loop {
        let reply = app.ollama_chat("Count").send().await;
        if reply.outcome() != "HIT" {
            break reply;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((changed.outcome(), changed.reason(), changed.said().as_str()), ("MISS", "model-changed", "new"));
    assert_eq!(app.ollama_chat("Count").send().await.said(), "new");
}

#[tokio::test]
async fn another_models_answers_stay() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::ollama().reply("one"))
        .config("[versions]\npoll = \"100ms\"\n")
        .start()
        .await;
    app.ollama_chat("Count").send().await;
    app.upstream().pull("qwen3:latest", "cccc");
    for _ in 0..5 {
        assert_eq!(app.ollama_chat("Count").send().await.outcome(), "HIT");
    }
}

#[tokio::test]
async fn a_dated_model_name_in_an_answer_is_a_version() {
    let upstream = FakeUpstream::openai()
        .reply(Answer::text("old").model("gpt-4o-2024-05-13"))
        .reply(Answer::text("x").model("gpt-4o-2024-08-06"))
        .reply(Answer::text("new").model("gpt-4o-2024-08-06"));
    let app = TestApp::with(upstream).await;
    app.chat("Count").send().await;
    assert_eq!(app.chat("Count").send().await.outcome(), "HIT");
    app.chat("Something else").send().await;
    let changed = app.chat("Count").send().await;
    assert_eq!((changed.outcome(), changed.reason(), changed.said().as_str()), ("MISS", "model-changed", "new"));
}

#[tokio::test]
async fn a_model_that_anthropic_reports_is_a_version() {
    let upstream = FakeUpstream::anthropic()
        .reply(Answer::text("old").model("claude-sonnet-4-20250514"))
        .reply(Answer::text("x").model("claude-sonnet-4-20250929"))
        .reply(Answer::text("new").model("claude-sonnet-4-20250929"));
    let app = TestApp::with(upstream).await;
    let ask = |prompt: &str| {
        let messages = serde_json::json!([{ "role": "user", "content": prompt }]);
        let body = serde_json::json!({ "model": "claude-sonnet-4", "max_tokens": 64, "messages": messages });
        app.post("/v1/messages", body).header("anthropic-version", "2023-06-01")
    };
    ask("Count").send().await;
    assert_eq!(ask("Count").send().await.outcome(), "HIT");
    ask("Something else").send().await;
    let changed = ask("Count").send().await;
    assert_eq!((changed.outcome(), changed.reason()), ("MISS", "model-changed"));
}

#[tokio::test]
async fn a_canary_is_asked_beside_all_counting() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("iron"))
        .config("[[canary]]\nupstream = \"openai\"\nmodel = \"gpt-4o\"\nprompts = [\"Which element?\"]\ndrift = 1\nlearn = 1\n")
        .start()
        .await;
    let canary = loop {
        let models = app.admin_get("/admin/v1/models").send().await.json()["models"].clone();
        if models[0]["canary"]["asked"].is_string() {
            break models[0]["canary"].clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!((canary["state"].as_str(), canary["differing"].as_u64()), (Some("same"), Some(0)));
    let counted = app.counted().await;
    assert!(counted.as_object().unwrap().values().all(|count| count == 0), "{counted}");
    assert_eq!(app.admin_get("/admin/v1/stats").send().await.json()["entries"], 0);
    let ready = app.admin_get("/readyz").send().await.json();
    assert_eq!(ready["parts"]["canaries"]["state"], "ready", "{ready}");
    let metrics = app.admin_get("/metrics").send().await.text().to_owned();
    assert!(metrics.contains("dejavu_canary_drifted{upstream=\"openai\",model=\"gpt-4o\"} 0"), "{metrics}");
}
