//! The story: a first answer comes from the upstream, the same question again is answered from the cache, in the
//! shape each caller asks for.

use serde_json::json;

use crate::harness::{Answer, FakeUpstream, Gate, TestApp};

#[tokio::test]
async fn the_same_question_again_is_answered_from_the_cache() {
    let app = TestApp::with(FakeUpstream::openai().reply("Paris is the capital.")).await;
    let cold = app.chat("What is the capital of France?").send().await;
    let warm = app.chat("What is the capital of France?").send().await;
    assert_eq!((cold.outcome(), warm.outcome()), ("MISS", "HIT"));
    assert_eq!(cold.said(), "Paris is the capital.");
    let (mut cold, mut warm) = (cold.json(), warm.json());
    assert_ne!(cold["id"], warm["id"], "reused ids make downstream logs drop records");
    for answer in [&mut cold, &mut warm] {
        answer["id"].take();
        answer["created"].take();
    }
    assert_eq!(cold, warm);
}

#[tokio::test]
async fn another_question_is_not() {
    let app = TestApp::with(FakeUpstream::openai().reply("Paris").reply("Rome")).await;
    assert_eq!(app.chat("What is the capital of France?").send().await.said(), "Paris");
    let other = app.chat("What is the capital of Italy?").send().await;
    assert_eq!((other.outcome(), other.said().as_str()), ("MISS", "Rome"));
}

#[tokio::test]
async fn openai_answers_replay_in_either_shape_from_either_recording() {
    for recorded_as_stream in [false, true] {
        let app = TestApp::with(FakeUpstream::openai().reply("one two three")).await;
        let cold = app.chat("Count").stream(recorded_as_stream).send().await;
        assert_eq!((cold.outcome(), cold.said().as_str()), ("MISS", "one two three"));

        let whole = app.chat("Count").send().await;
        assert_eq!((whole.outcome(), whole.said().as_str()), ("HIT", "one two three"));
        assert_eq!(whole.header("content-type"), "application/json");
        assert_eq!(whole.json()["object"], "chat.completion");

        let streamed = app.chat("Count").stream(true).send().await;
        assert_eq!((streamed.outcome(), streamed.said().as_str()), ("HIT", "one two three"));
        assert!(streamed.header("content-type").starts_with("text/event-stream"));
        assert!(streamed.text().ends_with("data: [DONE]\n\n"));
        assert!(streamed.events().iter().all(|event| event.get("usage").is_none()));
    }
}

#[tokio::test]
async fn a_usage_chunk_is_sent_to_those_who_ask_for_it() {
    let app = TestApp::with(FakeUpstream::openai().reply("one two three")).await;
    app.chat("Count").send().await;
    let events = app.chat("Count").with_usage().send().await.events();
    let last = events.last().unwrap();
    assert_eq!(last["choices"], json!([]));
    assert_eq!(last["usage"]["completion_tokens"], 3);
}

#[tokio::test]
async fn ollama_answers_replay_in_either_shape_from_either_recording() {
    for recorded_as_stream in [false, true] {
        let app = TestApp::with(FakeUpstream::ollama().reply("one two three")).await;
        let cold = app.ollama_chat("Count").stream(recorded_as_stream).send().await;
        assert_eq!((cold.outcome(), cold.said().as_str()), ("MISS", "one two three"));

        let whole = app.ollama_chat("Count").stream(false).send().await;
        assert_eq!((whole.outcome(), whole.said().as_str()), ("HIT", "one two three"));
        assert_eq!(whole.json()["done"], true);

        let streamed = app.ollama_chat("Count").send().await;
        assert_eq!((streamed.outcome(), streamed.said().as_str()), ("HIT", "one two three"));
        assert_eq!(streamed.header("content-type"), "application/x-ndjson");
        assert_eq!(streamed.events().last().unwrap()["done"], true);
    }
}

#[tokio::test]
async fn anthropic_answers_replay_in_either_shape_from_either_recording() {
    let messages = json!([{ "role": "user", "content": "Count" }]);
    let body = json!({ "model": "claude-sonnet-4-5", "max_tokens": 100, "messages": messages });
    for recorded_as_stream in [false, true] {
        let app = TestApp::with(FakeUpstream::anthropic().reply("one two three")).await;
        let ask = |stream| {
            let ask = app.post("/v1/messages", body.clone()).header("anthropic-version", "2023-06-01");
            ask.header("x-api-key", "sk-ant").stream(stream).send()
        };
        let cold = ask(recorded_as_stream).await;
        assert_eq!((cold.outcome(), cold.said().as_str()), ("MISS", "one two three"));
        let whole = ask(false).await;
        assert_eq!((whole.outcome(), whole.said().as_str()), ("HIT", "one two three"));
        assert_eq!(whole.json()["stop_reason"], "end_turn");
        let streamed = ask(true).await;
        assert_eq!((streamed.outcome(), streamed.said().as_str()), ("HIT", "one two three"));
        assert!(streamed.text().trim_end().ends_with("data: {\"type\":\"message_stop\"}"), "{}", streamed.text());
        let other = app.post("/v1/messages", body.clone()).header("anthropic-version", "2023-01-01");
        let refused = other.header("x-api-key", "sk-ant").header("cache-control", "only-if-cached").send().await;
        assert_eq!(
            (refused.status, &refused.json()["type"]),
            (504, &json!("error")),
            "another version, another answer"
        );
    }
}

#[tokio::test]
async fn every_other_surface_tells_the_same_story() {
    let generate = json!({ "model": "llama3.2", "prompt": "Count", "stream": false });
    let complete = json!({ "model": "gpt-3.5-turbo-instruct", "prompt": "Count" });
    let chat = json!({ "model": "llama3.2", "messages": [{ "role": "user", "content": "Count" }] });
    for (path, body) in [("/api/generate", generate), ("/v1/completions", complete), ("/v1/chat/completions", chat)] {
        let app = TestApp::with(FakeUpstream::ollama().reply("one two")).await;
        for outcome in ["MISS", "HIT"] {
            let reply = app.post(path, body.clone()).send().await;
            assert_eq!((reply.outcome(), reply.said().as_str()), (outcome, "one two"), "{path}");
        }
    }
}

#[tokio::test]
async fn responses_are_kept_when_they_are_stateless() {
    let answer = json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4o", "error": null,
        "incomplete_details": null, "parallel_tool_calls": true, "tools": [], "metadata": {},
        "output": [{
            "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": "one two", "annotations": [] }],
        }],
        "usage": { "input_tokens": 3, "output_tokens": 2, "total_tokens": 5 },
    });
    let raw = || Answer::raw(200, "application/json", answer.to_string());
    let app = TestApp::with(FakeUpstream::openai().reply(raw()).reply(raw())).await;
    let ask = |store: bool| app.post("/v1/responses", json!({ "model": "gpt-4o", "input": "Count", "store": store }));
    assert_eq!(ask(false).send().await.outcome(), "MISS");
    let warm = ask(false).send().await;
    assert_eq!((warm.outcome(), &warm.json()["output"][0]["content"][0]["text"]), ("HIT", &json!("one two")));
    let streamed = ask(false).stream(true).send().await;
    assert_eq!(streamed.outcome(), "HIT");
    assert!(streamed.text().contains("event: response.completed"), "{}", streamed.text());
    let stateful = ask(true).send().await;
    assert_eq!((stateful.outcome(), stateful.reason()), ("BYPASS", "stateful"));
}

#[tokio::test]
async fn a_replayed_stream_can_be_paced() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("one two three"))
        .config("[replay]\npace = \"5ms\"\n")
        .start()
        .await;
    app.chat("Count").send().await;
    let paced = app.chat("Count").stream(true).send().await;
    assert_eq!((paced.outcome(), paced.said().as_str()), ("HIT", "one two three"));
    assert!(paced.text().ends_with("data: [DONE]\n\n"));
}

#[tokio::test]
async fn smoothing_a_live_stream_changes_none_of_its_bytes() {
    let asked = json!({ "model": "m", "messages": [{ "role": "user", "content": "Count" }], "stream": true });
    for (fake, path) in [(FakeUpstream::openai(), "/v1/chat/completions"), (FakeUpstream::ollama(), "/api/chat")] {
        let app = TestApp::builder()
            .upstream(fake.always(Answer::text("one two three").in_chunks_of(150)))
            .config("[replay]\nlive = \"2ms\"\n")
            .start()
            .await;
        let plain = app.post(path, asked.clone()).header("cache-control", "no-store").send().await;
        let cold = app.post(path, asked.clone()).send().await;
        assert_eq!((plain.outcome(), cold.outcome(), cold.said().as_str()), ("BYPASS", "MISS", "one two three"));
        assert_eq!(cold.body, plain.body);
        let warm = app.post(path, asked.clone()).send().await;
        assert_eq!((warm.outcome(), warm.said().as_str()), ("HIT", "one two three"));
    }
}

#[tokio::test]
async fn a_smoothed_stream_that_is_cut_is_seen_cut_and_not_kept() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply(Answer::text("one two").cut_after(2)).reply("one two"))
        .config("[replay]\nlive = \"2ms\"\n")
        .start()
        .await;
    let cut = app.chat("Count").stream(true).send().await;
    assert!(cut.cut && cut.text().contains("one ") && cut.text().ends_with("\n\n"), "{cut:?}");
    assert_eq!(app.chat("Count").stream(true).send().await.outcome(), "MISS");
}

#[tokio::test]
async fn a_client_that_leaves_a_smoothed_stream_does_not_lose_the_recording() {
    let gate = Gate::new();
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("hello").reply(Answer::text("one two").pause_after(2, &gate)))
        .config("[replay]\nlive = \"1h\"\nlongest = \"1h\"\n")
        .start()
        .await;
    app.chat("Hello").send().await;
    let live = app.chat("Count").stream(true).open().await;
    gate.reached().await;
    // Others are not held up by the pace of one, either: a caller of the whole answer has it as soon as it is there.
    let asking = app.chat("Count").send();
    let leaving = async {
        gate.open();
        drop(live);
    };
    let (warm, ()) = tokio::join!(asking, leaving);
    assert_eq!(warm.said(), "one two");
    assert_eq!(app.upstream().calls(), 2);
}

#[tokio::test]
async fn an_upstreams_own_cache_control_is_not_obeyed() {
    // Most AI services send it with every answer.
    let answer = Answer::text("Paris").header("cache-control", "no-cache, no-store, private");
    let app = TestApp::with(FakeUpstream::openai().reply(answer)).await;
    assert_eq!(app.chat("Capital?").send().await.header("cache-control"), "no-cache, no-store, private");
    assert_eq!(app.chat("Capital?").send().await.outcome(), "HIT");
}

#[tokio::test]
async fn answers_outlive_a_restart() {
    let mut app = TestApp::with(FakeUpstream::openai().reply("Paris")).await;
    app.chat("What is the capital of France?").send().await;
    app.restart().await;
    let warm = app.chat("What is the capital of France?").send().await;
    assert_eq!((warm.outcome(), warm.said().as_str()), ("HIT", "Paris"));
}

#[tokio::test]
async fn a_new_wording_is_answered_from_the_cache_and_a_near_miss_is_not() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("Use the reset link.").reply("Ask the support."))
        .config("[semantic]\nmin_similarity = 0.8\n")
        .semantic()
        .start()
        .await;
    app.chat("How do I reset my password?").send().await;
    let reworded = app.chat("How can I reset my password?").send().await;
    assert_eq!((reworded.outcome(), reworded.header("x-cache-match")), ("HIT", "semantic"), "{:?}", reworded.headers);
    assert_eq!(reworded.said(), "Use the reset link.");
    let similarity: f32 = reworded.header("x-cache-similarity").parse().unwrap();
    assert!((0.8..1.0).contains(&similarity) && reworded.header("x-cache-similarity").len() == 6);
    let trap = app.chat("How do I reset my password without the link number 7?").send().await;
    assert_eq!(trap.outcome(), "MISS");
}
