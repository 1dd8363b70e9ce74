//! What goes wrong upstream reaches the client as it is, and is never kept.

use crate::harness::{Answer, FakeUpstream, TestApp};

#[tokio::test]
async fn an_upstream_error_is_passed_on_unchanged_and_not_kept() {
    let upstream = FakeUpstream::openai().reply(Answer::error(400).header("x-request-id", "req-1")).reply("fine");
    let app = TestApp::with(upstream).await;
    let failed = app.chat("Count").send().await;
    assert_eq!(failed.status, 400);
    assert_eq!(failed.text(), r#"{"error":{"message":"scripted","type":"scripted_error"}}"#);
    assert_eq!((failed.header("x-request-id"), failed.outcome(), failed.reason()), ("req-1", "MISS", "status"));
    assert_eq!(app.chat("Count").send().await.said(), "fine");
}

#[tokio::test]
async fn a_cut_stream_is_seen_cut_and_not_kept() {
    for cut_after in 0..5 {
        let upstream = FakeUpstream::openai().reply(Answer::text("one two").cut_after(cut_after)).reply("one two");
        let app = TestApp::with(upstream).await;
        let cut = app.chat("Count").stream(true).send().await;
        assert!(cut.cut || cut.status == 502, "cut after {cut_after}: {cut:?}");
        assert!(!cut.text().contains("[DONE]"));
        let after = app.chat("Count").stream(true).send().await;
        assert_eq!((after.outcome(), after.said().as_str()), ("MISS", "one two"), "cut after {cut_after}");
    }
}

#[tokio::test]
async fn a_stream_cut_anywhere_is_seen_cut_and_stores_nothing() {
    const CHUNK: usize = 11;
    let app = TestApp::with(FakeUpstream::openai().always(Answer::text("one two").in_chunks_of(CHUNK))).await;
    let whole = app.chat("How long is it?").header("cache-control", "no-store").stream(true).send().await.body.len();
    for cut_after in 0..whole.div_ceil(CHUNK) {
        app.upstream().then(Answer::text("one two").in_chunks_of(CHUNK).cut_after(cut_after));
        let cut = app.chat(&format!("Cut after {cut_after}")).stream(true).send().await;
        assert!(cut.cut, "cut after {cut_after}: {cut:?}");
        assert!(cut.body.len() < whole, "cut after {cut_after}");
    }
    let entries = app.admin_get("/admin/v1/entries").send().await.json();
    assert_eq!(entries["entries"].as_array().unwrap().len(), 0, "{entries}");
}

#[tokio::test]
async fn any_chunking_of_a_stream_replays_the_same() {
    let app = TestApp::with(FakeUpstream::openai().always("unused")).await;
    let mut answers = std::collections::BTreeSet::new();
    for chunk in [1, 2, 3, 5, 7, 64, 100_000] {
        app.upstream().then(Answer::text("one zwei drei").in_chunks_of(chunk));
        app.chat(&format!("In chunks of {chunk}")).stream(true).send().await;
        let warm = app.chat(&format!("In chunks of {chunk}")).send().await;
        assert_eq!(warm.outcome(), "HIT");
        let mut answer = warm.json();
        answer["id"].take();
        // Estimated from the prompts, which differ.
        answer["usage"].take();
        answers.insert(answer.to_string());
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[tokio::test]
async fn a_cut_whole_answer_is_a_bad_gateway_and_not_kept() {
    let app = TestApp::with(FakeUpstream::openai().reply(Answer::text("one two").cut_after(1)).reply("fine")).await;
    let cut = app.chat("Count").send().await;
    assert_eq!((cut.status, cut.cut), (502, false));
    assert!(cut.json()["error"]["message"].is_string());
    assert_eq!(app.chat("Count").send().await.said(), "fine");
}

#[tokio::test]
async fn answers_that_are_not_whole_are_not_kept() {
    for (finish, reason) in [("length", "truncated"), ("content_filter", "filtered")] {
        for stream in [false, true] {
            let upstream = FakeUpstream::openai().reply(Answer::text("on").finish(finish)).reply("one two");
            let app = TestApp::with(upstream).await;
            let first = app.chat("Count").stream(stream).send().await;
            assert_eq!(first.said(), "on");
            assert!(stream || first.reason() == reason, "{}", first.reason());
            assert_eq!(app.chat("Count").stream(stream).send().await.outcome(), "MISS");
        }
    }
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_a_bad_gateway_in_the_callers_protocol() {
    let mut app = TestApp::with(FakeUpstream::openai()).await;
    app.upstreams[0].stop().await;
    let openai = app.chat("Count").send().await;
    assert_eq!(openai.status, 502, "{}", openai.text());
    assert!(openai.json()["error"]["message"].is_string());
}

#[tokio::test]
async fn no_route_is_said_in_the_callers_protocol() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai())
        .config("[[route]]\nmodel = \"known\"\nto = [\"openai\"]\n")
        .start()
        .await;
    let unknown = app.chat("Count").send().await;
    assert_eq!(unknown.status, 404, "{}", unknown.text());
    assert!(unknown.json()["error"]["message"].as_str().unwrap().contains("gpt-4o"));
}

#[tokio::test]
async fn larger_bodies_are_refused_where_the_operator_says_so() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai())
        .config("[server]\nmax_body = \"1KiB\"\nlarger_bodies = \"refuse\"\n")
        .start()
        .await;
    let refused = app.chat(&"long ".repeat(500)).send().await;
    assert_eq!(refused.status, 413);
    assert!(refused.json()["error"]["message"].is_string());
    assert_eq!(app.send("POST", "/v1/files", "long ".repeat(500)).send().await.status, 413);
}

#[tokio::test]
async fn an_error_inside_a_stream_reaches_the_client_and_is_not_kept() {
    let body = concat!(
        "data: {\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\"choices\":[{\"index\":0,",
        "\"delta\":{\"role\":\"assistant\",\"content\":\"on\"},\"finish_reason\":null}]}\n\n",
        "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n",
    );
    let upstream = FakeUpstream::openai().reply(Answer::raw(200, "text/event-stream", body)).reply("one two");
    let app = TestApp::with(upstream).await;
    assert_eq!(app.chat("Count").stream(true).send().await.text(), body);
    assert_eq!(app.chat("Count").stream(true).send().await.outcome(), "MISS");
}
