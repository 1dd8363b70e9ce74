//! Embeddings are kept per item: a batch asks only for what is not known, and is answered in order.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, FakeUpstream, Gate, Reply, TestApp};

fn vectors(reply: &Reply) -> Value {
    assert_eq!(reply.status, 200, "{}", reply.text());
    let answer = reply.json();
    let data = answer["data"].as_array().unwrap();
    for (at, item) in data.iter().enumerate() {
        assert_eq!(item["index"], at);
    }
    data.iter().map(|item| item["embedding"].clone()).collect()
}

async fn embed(app: &TestApp, input: Value) -> Reply {
    app.post("/v1/embeddings", json!({ "model": "text-embedding-3-small", "input": input })).send().await
}

#[tokio::test]
async fn a_batch_asks_only_for_what_is_not_known() {
    let app = TestApp::with(FakeUpstream::openai().reply("").reply("")).await;
    let first = embed(&app, json!(["a", "bb"])).await;
    assert_eq!((first.outcome(), first.header("cache-status")), ("MISS", "dejavu; fwd=miss; stored"));
    assert_eq!(vectors(&first), json!([[1, 1], [2, 2]]));

    let second = embed(&app, json!(["ccc", "bb", "a", "dddd"])).await;
    assert_eq!((second.outcome(), second.header("cache-status")), ("MISS", "dejavu; fwd=partial; stored"));
    assert_eq!(vectors(&second), json!([[3, 3], [2, 2], [1, 1], [4, 4]]));
    assert_eq!(app.upstream().seen()[1].json()["input"], json!(["ccc", "dddd"]));
    assert_eq!(second.json()["usage"], json!({ "prompt_tokens": 20, "total_tokens": 20 }));

    let third = embed(&app, json!(["a", "dddd"])).await;
    assert_eq!((third.outcome(), third.header("x-cache-match")), ("HIT", "exact"));
    assert_eq!(vectors(&third), json!([[1, 1], [4, 4]]));
    assert_eq!(vectors(&embed(&app, json!("ccc")).await), json!([[3, 3]]));
    assert_eq!(app.upstream().calls(), 2);
}

#[tokio::test]
async fn an_item_twice_in_a_batch_is_asked_once_and_answered_twice() {
    let app = TestApp::with(FakeUpstream::openai().reply("").reply("")).await;
    embed(&app, json!("a")).await;
    let twice = embed(&app, json!(["bb", "a", "bb"])).await;
    assert_eq!(vectors(&twice), json!([[2, 2], [1, 1], [2, 2]]));
    assert_eq!(app.upstream().seen()[1].json()["input"], json!(["bb"]));
}

#[tokio::test]
async fn other_dimensions_are_other_embeddings() {
    let app = TestApp::with(FakeUpstream::openai().reply("").reply("")).await;
    embed(&app, json!("a")).await;
    let body = json!({ "model": "text-embedding-3-small", "input": "a", "dimensions": 2 });
    assert_eq!(app.post("/v1/embeddings", body).send().await.outcome(), "MISS");
}

#[tokio::test]
async fn the_ollama_surfaces_do_the_same() {
    let app = TestApp::with(FakeUpstream::ollama().reply("").reply("").reply("")).await;
    let embed = |input: Value| app.post("/api/embed", json!({ "model": "llama3.2", "input": input })).send();
    embed(json!(["a", "bb"])).await;
    let partial = embed(json!(["bb", "ccc"])).await;
    assert_eq!(partial.json()["embeddings"], json!([[2, 2], [3, 3]]));
    assert_eq!(app.upstream().seen()[1].json()["input"], json!(["ccc"]));
    assert_eq!(embed(json!("ccc")).await.outcome(), "HIT");
    for outcome in ["MISS", "HIT"] {
        let older = app.post("/api/embeddings", json!({ "model": "llama3.2", "prompt": "a" })).send().await;
        assert_eq!((older.outcome(), &older.json()["embedding"]), (outcome, &json!([1, 1])));
    }
}

#[tokio::test]
async fn an_error_reaches_the_client_as_it_is_and_nothing_is_kept() {
    let app = TestApp::with(FakeUpstream::openai().reply("").reply(Answer::error(429)).reply("")).await;
    embed(&app, json!("a")).await;
    let failed = embed(&app, json!(["a", "bb"])).await;
    assert_eq!((failed.status, failed.json()["error"]["type"].as_str()), (429, Some("scripted_error")));
    assert_eq!(vectors(&embed(&app, json!(["a", "bb"])).await), json!([[1, 1], [2, 2]]));
}

#[tokio::test]
async fn batches_that_lead_each_others_items_do_not_wait_for_ever() {
    let gate = Gate::new();
    let app = TestApp::with(FakeUpstream::openai().always(Answer::text("").behind(&gate))).await;
    let opening = async {
        gate.reached_by(2).await;
        gate.open();
    };
    let (a, b, ()) =
        tokio::join!(embed(&app, json!(["a", "bb", "eeeee"])), embed(&app, json!(["bb", "ccc", "a"])), opening);
    assert_eq!(vectors(&a), json!([[1, 1], [2, 2], [5, 5]]));
    assert_eq!(vectors(&b), json!([[2, 2], [3, 3], [1, 1]]));
    let asked: usize = app.upstream().seen().iter().map(|seen| seen.json()["input"].as_array().unwrap().len()).sum();
    assert_eq!(asked, 4, "no item is asked for twice");
}

#[tokio::test]
async fn a_batch_that_is_not_understood_passes_untouched() {
    let odd = Answer::raw(400, "application/json", "{\"error\":\"odd\"}");
    let app = TestApp::with(FakeUpstream::openai().reply(odd)).await;
    let reply = embed(&app, json!({ "odd": 1 })).await;
    assert_eq!((reply.status, reply.outcome(), reply.reason()), (400, "BYPASS", "unreadable"));
}

#[tokio::test]
async fn controls_hold_for_whole_batches() {
    let app = TestApp::with(FakeUpstream::openai().reply("").reply("")).await;
    embed(&app, json!("a")).await;
    let body = json!({ "model": "text-embedding-3-small", "input": ["a", "bb"] });
    let only = app.post("/v1/embeddings", body.clone()).header("cache-control", "only-if-cached").send().await;
    assert_eq!(only.status, 504);
    let bypass = app.post("/v1/embeddings", body).header("cache-control", "no-store").send().await;
    assert_eq!((bypass.outcome(), vectors(&bypass)), ("BYPASS", json!([[1, 1], [2, 2]])));
}

async fn embed_with(app: &TestApp, input: Value, header: (&str, &str)) -> Reply {
    let body = json!({ "model": "text-embedding-3-small", "input": input });
    app.post("/v1/embeddings", body).header(header.0, header.1).send().await
}

#[tokio::test]
async fn stale_items_stand_in_for_an_upstream_that_fails() {
    let upstream = FakeUpstream::openai().reply("").reply("").reply(Answer::error(503)).reply(Answer::error(503));
    let mut app =
        TestApp::builder().upstream(upstream).config("[cache]\nttl = \"1m\"\nstale_if_error = \"1h\"\n").start().await;
    embed(&app, json!(["a", "bb"])).await;
    app.advance(Duration::from_secs(120));
    embed(&app, json!(["ccc"])).await;
    let down = embed(&app, json!(["a", "ccc", "bb"])).await;
    assert_eq!((down.outcome(), down.reason(), down.header("age")), ("STALE", "upstream-error", "120"));
    assert_eq!(vectors(&down), json!([[1, 1], [3, 3], [2, 2]]));
    assert_eq!(app.upstream().seen()[2].json()["input"], json!(["a", "bb"]));
    // What was never known cannot be made up: the upstream's own error reaches the client.
    let unknown = embed(&app, json!(["a", "dddd"])).await;
    assert_eq!((unknown.status, unknown.json()["error"]["type"].as_str()), (503, Some("scripted_error")));

    app.upstreams[0].stop().await;
    assert_eq!(vectors(&embed(&app, json!(["bb"])).await), json!([[2, 2]]));
    assert_eq!(embed(&app, json!(["bb", "dddd"])).await.status, 502);
    app.advance(Duration::from_secs(7200));
    assert_eq!(embed(&app, json!(["bb"])).await.status, 502, "too old even for that");
}

#[tokio::test]
async fn request_controls_hold_for_each_item() {
    let app = TestApp::with(FakeUpstream::openai().always("")).await;
    embed_with(&app, json!(["a"]), ("x-cache-ttl", "1m")).await;
    app.advance(Duration::from_secs(30));
    embed(&app, json!(["bb"])).await;
    let both = || json!(["a", "bb"]);
    let last_asked = || app.upstream().seen().last().unwrap().json()["input"].clone();

    assert_eq!(embed_with(&app, both(), ("cache-control", "max-age=30")).await.outcome(), "HIT");
    let partly = embed_with(&app, both(), ("cache-control", "max-age=29")).await;
    assert_eq!((partly.outcome(), partly.reason(), last_asked()), ("MISS", "not-fresh-enough", json!(["a"])));
    let refreshed = embed_with(&app, both(), ("cache-control", "no-cache")).await;
    assert_eq!((refreshed.outcome(), last_asked()), ("REFRESH", both()));
    assert_eq!(embed_with(&app, both(), ("x-cache-mode", "off")).await.outcome(), "BYPASS");
    assert_eq!(embed_with(&app, both(), ("x-cache-namespace", "other")).await.outcome(), "MISS");

    let known = embed_with(&app, both(), ("cache-control", "only-if-cached")).await;
    assert_eq!((known.outcome(), vectors(&known)), ("HIT", json!([[1, 1], [2, 2]])));
    embed_with(&app, json!(["ccc"]), ("x-cache-mode", "read-only")).await;
    let calls = app.upstream().calls();
    for input in [json!(["a", "ccc"]), json!({ "odd": 1 })] {
        assert_eq!(embed_with(&app, input, ("cache-control", "only-if-cached")).await.status, 504);
    }
    assert_eq!(app.upstream().calls(), calls, "nothing was forwarded");
    embed_with(&app, json!(["ccc"]), ("x-cache-ttl", "1m")).await;
    app.advance(Duration::from_secs(90));
    assert_eq!(embed_with(&app, json!(["ccc"]), ("cache-control", "max-stale=60")).await.outcome(), "STALE");
    assert_eq!(embed_with(&app, json!(["ccc"]), ("cache-control", "max-stale=9")).await.outcome(), "MISS");
}
