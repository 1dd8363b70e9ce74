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
