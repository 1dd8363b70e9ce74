//! A model that changes takes its old answers with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Answer, FakeUpstream, Gate, TestApp};

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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_apps_get_nothing_old_once_the_watcher_has_seen_the_new_digest() {
    const FLIPS: usize = 20;
    let app = TestApp::builder()
        .upstream(FakeUpstream::ollama().always("0"))
        .config("[versions]\npoll = \"100ms\"\n")
        .start()
        .await;
    let app = Arc::new(app);
    let seen = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..200 {
        let (app, seen) = (app.clone(), seen.clone());
        clients.spawn(async move {
            let mut hits = 0;
            loop {
                let before = seen.load(Ordering::SeqCst);
                // Some ask the same, some differ.
                let reply = app.ollama_chat(&format!("Count to {}", client % 20)).stream(false).send().await;
                let version: usize = reply.said().parse().unwrap();
                assert!(version >= before, "{version} came ({}) after {before} was seen", reply.outcome());
                hits += usize::from(reply.outcome() == "HIT");
                if before == FLIPS {
                    return hits;
                }
            }
        });
    }
    for flip in 1..=FLIPS {
        // What is generated from now on is new; then the digest changes, and some time later the watcher sees it.
        app.upstream().says(flip.to_string().as_str());
        app.upstream().pull("llama3.2:latest", &format!("digest-{flip}"));
        loop {
            let models = app.admin_get("/admin/v1/models").send().await.json();
            let versions = models["models"].as_array().unwrap();
            let told = versions.iter().find(|model| model["model"] == "llama3.2");
            if told.is_some_and(|model| model["version"] == format!("digest-{flip}")) {
                break;
            }
            tokio::task::yield_now().await;
        }
        seen.store(flip, Ordering::SeqCst);
    }
    let hits: usize = clients.join_all().await.into_iter().sum();
    assert!(hits > 0);
}

#[tokio::test]
async fn a_re_pull_in_the_middle_of_a_generation_keeps_nothing() {
    let gate = Gate::new();
    let upstream = FakeUpstream::ollama().reply(Answer::text("half old").pause_after(1, &gate)).reply("new");
    let app = TestApp::with(upstream).await;
    let mut live = app.ollama_chat("Count").open().await;
    live.read_until("half").await;
    app.upstream().pull("llama3.2:latest", "cccc");
    gate.open();
    live.rest().await.unwrap();
    let after = app.ollama_chat("Count").send().await;
    assert_eq!((after.outcome(), after.said().as_str()), ("MISS", "new"));
}
