//! The operators' listener.

use serde_json::{Value, json};

use crate::harness::{FakeUpstream, TestApp};

#[tokio::test]
async fn statistics_count_each_request_once() {
    let app = TestApp::with(FakeUpstream::openai().reply("one").reply("two")).await;
    app.chat("Count").send().await;
    app.chat("Count").send().await;
    app.chat("Count").header("cache-control", "no-store").send().await;
    app.chat("Count").header("x-cache-mode", "sometimes").send().await;
    let expected = json!({
        "hit_exact": 1, "hit_semantic": 0, "miss": 1, "bypass": 1, "stale": 0, "refresh": 0, "collapsed": 0, "error": 1,
    });
    assert_eq!(app.counted().await, expected);
    let stats = app.admin_get("/admin/v1/stats").send().await.json();
    assert_eq!(stats["by_surface"]["openai-chat"]["hit_exact"], 1);
    assert_eq!(stats["by_model"]["gpt-4o"]["miss"], 1);
    assert_eq!(stats["by_route"]["*"]["miss"], 1);
    assert_eq!(stats["reasons"]["no-store"], 1);
    assert_eq!(stats["saved"]["completion_tokens"], 1);
    let metrics = app.admin_get("/metrics").send().await;
    assert!(metrics.text().contains("dejavu_requests_total{outcome=\"hit_exact\""), "{}", metrics.text());
    assert!(metrics.text().contains("dejavu_upstream_up{upstream=\"openai\"} 1.0"), "{}", metrics.text());
}

#[tokio::test]
async fn savings_are_told_in_money_by_the_configured_prices() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("one"))
        .config("[[price]]\nmodel = \"gpt-4o*\"\ninput = 0\noutput = 3_000_000\n")
        .start()
        .await;
    app.chat("Count").send().await;
    app.chat("Count").send().await;
    app.chat("Count").send().await;
    let stats = app.admin_get("/admin/v1/stats").send().await.json();
    assert_eq!(stats["saved"]["money"], 6.0, "two hits of one token each");
    let metrics = app.admin_get("/metrics").send().await;
    assert!(metrics.text().contains("dejavu_saved_money_total 6"), "{}", metrics.text());
}

#[tokio::test]
async fn readiness_names_each_part() {
    let app = TestApp::with(FakeUpstream::openai()).await;
    assert_eq!(app.admin_get("/healthz").send().await.status, 200);
    let ready = app.admin_get("/readyz").send().await;
    assert_eq!(ready.status, 200, "{}", ready.text());
    for part in ["store", "embedder", "index", "upstreams"] {
        assert!(ready.json()["parts"][part].is_object(), "{}", ready.text());
    }
    assert_eq!(ready.json()["mode"], "exact-only");
}

#[tokio::test]
async fn a_token_guards_everything_but_health_and_the_empty_page() {
    let app = TestApp::builder().upstream(FakeUpstream::openai()).token("t0ken").start().await;
    for path in ["/admin/v1/stats", "/metrics", "/admin/v1/upstreams"] {
        assert_eq!(app.admin_get(path).send().await.status, 200, "{path}");
        let refused = app.admin_anonymous(path).send().await;
        assert_eq!(refused.status, 401, "{path}");
        assert!(refused.json()["error"]["message"].is_string());
    }
    for path in ["/healthz", "/readyz", "/"] {
        assert_eq!(app.admin_anonymous(path).send().await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn unknown_calls_are_said_to_be_unknown() {
    let app = TestApp::with(FakeUpstream::openai()).await;
    let unknown = app.admin_get("/admin/v1/nothing").send().await;
    assert_eq!(unknown.status, 404);
    assert!(unknown.json()["error"]["message"].is_string());
}

async fn page(app: &TestApp, query: &str) -> Value {
    let page = app.admin_get(&format!("/admin/v1/entries{query}")).send().await;
    assert_eq!(page.status, 200, "{}", page.text());
    page.json()
}

fn prompts(page: &Value) -> Vec<String> {
    let entries = page["entries"].as_array().unwrap();
    let mut prompts: Vec<_> = entries.iter().map(|entry| entry["prompt"].as_str().unwrap().to_owned()).collect();
    prompts.sort_unstable();
    prompts
}

#[tokio::test]
async fn entries_can_be_looked_at_and_dropped() {
    let app = TestApp::with(FakeUpstream::openai().reply("one two").reply("three").reply("four")).await;
    app.chat("Count").header("x-cache-tags", "numbers, demo").header("x-cache-namespace", "docs").send().await;
    app.chat("Go on").send().await;
    assert_eq!(prompts(&page(&app, "").await), ["Count", "Go on"]);
    assert_eq!(prompts(&page(&app, "?tag=numbers&model=gpt-4o&upstream=openai").await), ["Count"]);
    assert_eq!(prompts(&page(&app, "?namespace=").await), ["Go on"]);
    assert_eq!(prompts(&page(&app, "?model=other").await), Vec::<String>::new());

    let entry = page(&app, "?tag=demo").await["entries"][0].clone();
    assert_eq!((&entry["namespace"], &entry["surface"]), (&json!("docs"), &json!("openai-chat")));
    assert_eq!(
        (&entry["created"], &entry["expires"]),
        (&json!("2026-01-01T12:00:00.000Z"), &json!("2026-01-02T12:00:00.000Z"))
    );
    assert_eq!((&entry["tags"], &entry["tokens"], &entry["hits"]), (&json!(["numbers", "demo"]), &json!(9), &json!(0)));

    let id = entry["id"].as_str().unwrap();
    let one = app.admin_get(&format!("/admin/v1/entries/{id}")).send().await.json();
    assert_eq!(one["answer"]["choices"][0]["message"]["content"], "one two");
    assert_eq!(app.admin_delete(&format!("/admin/v1/entries/{id}")).send().await.status, 200);
    assert_eq!(app.admin_delete(&format!("/admin/v1/entries/{id}")).send().await.status, 404);
    assert_eq!(app.admin_get("/admin/v1/entries/nonsense").send().await.status, 400);
    assert_eq!(app.chat("Count").header("x-cache-namespace", "docs").send().await.said(), "four");
}

#[tokio::test]
async fn entries_come_in_pages() {
    let app = TestApp::with(FakeUpstream::openai().always("x")).await;
    for number in 0..5 {
        app.chat(&format!("Question {number}")).send().await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for left in [2, 2, 1] {
        let page = page(&app, &format!("?limit=2{cursor}")).await;
        assert_eq!(prompts(&page).len(), left);
        seen.extend(prompts(&page));
        cursor = page["cursor"].as_str().map_or(String::new(), |cursor| format!("&cursor={cursor}"));
    }
    seen.sort_unstable();
    seen.dedup();
    assert_eq!((seen.len(), cursor.as_str()), (5, ""));
}

#[tokio::test]
async fn a_purge_tells_first_and_does_when_told() {
    let app = TestApp::with(FakeUpstream::openai().reply("1").reply("2").reply("3")).await;
    app.chat("Count").header("x-cache-tags", "doc-7").send().await;
    app.chat("Go on").send().await;
    let dry = app.admin_post("/admin/v1/purge", json!({ "tag": "doc-7" })).send().await.json();
    assert_eq!((&dry["dry_run"], &dry["entries"]), (&json!(true), &json!(1)));
    assert_eq!(app.chat("Count").send().await.outcome(), "HIT");
    let done = app.admin_post("/admin/v1/purge", json!({ "tag": "doc-7", "dry_run": false })).send().await.json();
    assert_eq!((&done["dry_run"], &done["entries"]), (&json!(false), &json!(1)));
    assert_eq!(app.chat("Count").send().await.said(), "3");
    assert_eq!(app.chat("Go on").send().await.outcome(), "HIT");
    for nonsense in [json!({}), json!({ "tagg": "x" }), json!({ "all": true, "dry_run": "no" }), json!([])] {
        let refused = app.admin_post("/admin/v1/purge", nonsense.clone()).send().await;
        assert_eq!(refused.status, 400, "{nonsense}");
        assert!(refused.json()["error"]["message"].is_string(), "{nonsense}");
    }
}

/// What a document store's webhook would send when documents of a RAG application change.
#[tokio::test]
async fn a_changed_document_takes_the_answers_that_used_it_along() {
    let app = TestApp::with(FakeUpstream::openai().always("by the document")).await;
    let ask = |prompt: &str, tags: &str| app.chat(prompt).header("x-cache-tags", tags).send();
    for (prompt, tags) in [("one", "doc:7, prompt:v3"), ("two", "doc:8, prompt:v3"), ("three", "doc:9, prompt:v2")] {
        assert_eq!(ask(prompt, tags).await.outcome(), "MISS");
    }
    let changed = json!({ "tags": ["doc:7", "doc:9"], "dry_run": false });
    assert_eq!(app.admin_post("/admin/v1/purge", changed).send().await.json()["entries"], 2);
    for (prompt, outcome) in [("one", "MISS"), ("two", "HIT"), ("three", "MISS")] {
        assert_eq!(ask(prompt, "").await.outcome(), outcome, "{prompt}");
    }
    let narrowed = json!({ "tag": "prompt:v3", "tags": ["doc:8"] });
    assert_eq!(app.admin_post("/admin/v1/purge", narrowed).send().await.json()["entries"], 1);
}

#[tokio::test]
async fn what_was_purged_stays_gone_over_a_restart() {
    let mut app = TestApp::with(FakeUpstream::openai().reply("1").reply("2")).await;
    app.chat("Count").send().await;
    app.admin_post("/admin/v1/purge", json!({ "all": true, "dry_run": false })).send().await;
    app.restart().await;
    assert_eq!(app.chat("Count").send().await.said(), "2");
}

#[tokio::test]
async fn an_explanation_forwards_and_counts_nothing() {
    let app = TestApp::with(FakeUpstream::openai().reply("one")).await;
    let body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Count" }] });
    let before = app.admin_post("/admin/v1/explain", body.clone()).send().await.json();
    assert_eq!((&before["outcome"], &before["surface"]), (&json!("MISS"), &json!("openai-chat")));
    assert_eq!(before["may_match_by_meaning"], "exact-only");
    let cold = app.chat("Count").send().await;
    let after = app.admin_post("/admin/v1/explain", body.clone()).send().await.json();
    assert_eq!((&after["outcome"], &after["match"]), (&json!("HIT"), &json!("exact")));
    assert_eq!(after["served"]["id"], cold.header("x-cache-entry"));
    assert_eq!(app.counted().await["hit_exact"], 0);
    let hot = app.admin_post(
        "/admin/v1/explain",
        json!({ "model": "m", "messages": [{ "role": "user", "content": "A poem" }], "temperature": 1.9 }),
    );
    let hot = hot.send().await.json();
    assert_eq!((&hot["outcome"], &hot["reason"]), (&json!("BYPASS"), &json!("temperature")));
    let odd = app.admin_post("/admin/v1/explain", json!({ "odd": 1 })).send().await.json();
    assert_eq!(odd["reason"], "unreadable");
}

#[tokio::test]
async fn an_explanation_asks_as_the_tenant_it_is_told() {
    let app = TestApp::builder().upstream(FakeUpstream::openai().reply("one")).token("t0ken").start().await;
    app.chat("Count").key("sk-a").send().await;
    let body = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Count" }] });
    let explain = || app.admin_post("/admin/v1/explain", body.clone());
    assert_eq!(explain().send().await.json()["outcome"], "MISS");
    assert_eq!(explain().header("x-dejavu-authorization", "Bearer sk-a").send().await.json()["outcome"], "HIT");
    let elsewhere = explain().header("x-dejavu-authorization", "Bearer sk-a").header("x-cache-namespace", "docs");
    assert_eq!(elsewhere.send().await.json()["outcome"], "MISS");
}

#[tokio::test]
async fn a_bump_stops_a_models_answers() {
    let app = TestApp::with(FakeUpstream::openai().reply("old").reply("new")).await;
    app.chat("Count").send().await;
    let unknown =
        app.admin_post("/admin/v1/models/bump", json!({ "upstream": "nowhere", "model": "gpt-4o" })).send().await;
    assert_eq!(unknown.status, 404);
    let bumped =
        app.admin_post("/admin/v1/models/bump", json!({ "upstream": "openai", "model": "gpt-4o" })).send().await;
    assert_eq!(bumped.status, 200, "{}", bumped.text());
    let after = app.chat("Count").send().await;
    assert_eq!((after.outcome(), after.reason(), after.said().as_str()), ("MISS", "model-changed", "new"));
    let models = app.admin_get("/admin/v1/models").send().await.json();
    assert_eq!((&models["models"][0]["model"], &models["models"][0]["bumps"]), (&json!("gpt-4o"), &json!(1)));
}

#[tokio::test]
async fn a_reported_pair_never_matches_again() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("Use the reset link.").reply("Ask the support."))
        .config("[semantic]\nmin_similarity = 0.8\n")
        .semantic()
        .start()
        .await;
    app.chat("How do I reset my password?").send().await;
    let hit = app.chat("How can I reset my password?").send().await;
    assert_eq!(hit.header("x-cache-match"), "semantic");
    let report = json!({ "entry": hit.header("x-cache-entry"), "verdict": "wrong" });
    let reported = app.admin_post("/admin/v1/feedback", report).send().await;
    assert_eq!(reported.status, 200, "{}", reported.text());
    let after = app.chat("How can I reset my password?").send().await;
    assert_eq!((after.outcome(), after.reason(), after.said().as_str()), ("MISS", "feedback", "Ask the support."));
    assert_eq!(app.chat("How do I reset my password?").send().await.outcome(), "HIT", "the entry itself stands");
    for nonsense in [json!({ "entry": "x", "verdict": "wrong" }), json!({ "entry": "0".repeat(32), "verdict": "fine" })]
    {
        assert_eq!(app.admin_post("/admin/v1/feedback", nonsense).send().await.status, 400);
    }
}

#[tokio::test]
async fn a_reload_applies_a_changed_file_or_keeps_the_old_one_and_says_why() {
    let app = TestApp::with(FakeUpstream::openai().reply("1").reply("2").reply("3")).await;
    app.reconfigure(|text| text.replace("[cache]\n", "[cache]\nttl = \"1h\"\n"));
    assert_eq!(app.admin_post("/admin/v1/reload", json!({})).send().await.status, 200);
    app.chat("Count").send().await;
    app.advance(std::time::Duration::from_secs(3600));
    assert_eq!(app.chat("Count").send().await.said(), "2");
    app.reconfigure(|text| text.replace("ttl = \"1h\"", "ttl = \"soon\""));
    let refused = app.admin_post("/admin/v1/reload", json!({})).send().await;
    assert_eq!(refused.status, 400);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("cache.ttl"), "{}", refused.text());
    assert_eq!(app.chat("Go on").send().await.status, 200, "it goes on as it was");
}

#[tokio::test]
async fn the_api_describes_each_of_its_calls() {
    let app = TestApp::with(FakeUpstream::openai()).await;
    let described = app.admin_get("/admin/v1/openapi.json").send().await.json();
    let paths = described["paths"].as_object().unwrap();
    for (path, calls) in paths {
        for method in calls.as_object().unwrap().keys() {
            let url = path.replace("{id}", &"0".repeat(32));
            let reply = app.admin_send(method, &url).send().await;
            let known = reply.status != 404 || reply.text().contains("no such entry");
            assert!(known && reply.status != 405, "{method} {path}: {} {}", reply.status, reply.text());
        }
    }
    let router = include_str!("../../src/serve/mod.rs");
    let admin = &router[router.find("pub fn admin(").unwrap()..];
    for route in admin.split(".route(\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        assert!(paths.contains_key(route), "{route} is not described");
    }
}

#[tokio::test]
async fn the_dashboard_is_one_page_that_needs_nothing_else() {
    let app = TestApp::with(FakeUpstream::openai()).await;
    let page = app.admin_get("/").send().await;
    assert!(page.header("content-type").starts_with("text/html"));
    assert!(!page.text().contains("https://") && !page.text().contains("src="), "it loads something from elsewhere");
}
