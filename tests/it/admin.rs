//! The operators' listener.

use serde_json::json;

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
    assert_eq!(stats["reasons"]["no-store"], 1);
    assert_eq!(stats["saved"]["completion_tokens"], 1);
    let metrics = app.admin_get("/metrics").send().await;
    assert!(metrics.text().contains("dejavu_requests_total{outcome=\"hit_exact\""), "{}", metrics.text());
    assert!(metrics.text().contains("dejavu_upstream_up{upstream=\"openai\"} 1.0"), "{}", metrics.text());
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
