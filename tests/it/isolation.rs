//! Nothing crosses a tenant, a namespace, or anything else that makes two requests different.

use serde_json::json;

use crate::harness::{FakeUpstream, TestApp};

#[tokio::test]
async fn tenants_are_told_apart_by_credential() {
    let app = TestApp::with(FakeUpstream::openai().reply("a").reply("b").reply("nobody")).await;
    for (key, said) in [(Some("sk-a"), "a"), (Some("sk-b"), "b"), (None, "nobody")] {
        for outcome in ["MISS", "HIT"] {
            let ask = app.chat("Count");
            let reply = key.map_or(app.chat("Count"), |key| ask.key(key)).send().await;
            assert_eq!((reply.outcome(), reply.said().as_str()), (outcome, said));
        }
    }
}

#[tokio::test]
async fn a_tenant_never_follows_anothers_request() {
    let gate = crate::harness::Gate::new();
    let app = TestApp::with(FakeUpstream::openai().always(crate::harness::Answer::text("x").behind(&gate))).await;
    let opening = async {
        gate.reached_by(2).await;
        gate.open();
    };
    let (a, b, ()) = tokio::join!(app.chat("Count").key("sk-a").send(), app.chat("Count").key("sk-b").send(), opening);
    assert_eq!((a.outcome(), b.outcome()), ("MISS", "MISS"));
}

#[tokio::test]
async fn everyone_can_share_one_cache_if_the_operator_says_so() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("shared"))
        .config("[cache]\nshare = \"everyone\"\n")
        .start()
        .await;
    assert_eq!(app.chat("Count").key("sk-a").send().await.outcome(), "MISS");
    assert_eq!(app.chat("Count").key("sk-b").send().await.outcome(), "HIT");
}

#[tokio::test]
async fn namespaces_are_caches_of_their_own() {
    let app = TestApp::with(FakeUpstream::openai().reply("docs").reply("default")).await;
    let docs = || app.chat("Count").header("x-cache-namespace", "docs").send();
    assert_eq!(docs().await.outcome(), "MISS");
    assert_eq!(app.chat("Count").send().await.said(), "default");
    let warm = docs().await;
    assert_eq!((warm.outcome(), warm.said().as_str()), ("HIT", "docs"));
}

#[tokio::test]
async fn every_field_and_every_header_that_changes_answers_is_identity() {
    let app = TestApp::with(FakeUpstream::openai().always("x")).await;
    let plain = || app.chat("Count");
    let variants = [
        plain(),
        plain().field("seed", 1),
        plain().field("max_tokens", 5),
        plain().field("model", "gpt-4o-mini"),
        plain().field("response_format", json!({ "type": "json_object" })),
        plain().field("never_heard_of_it", true),
        plain().header("openai-organization", "org-1"),
        plain().field(
            "messages",
            json!([{ "role": "system", "content": "Be brief." }, { "role": "user", "content": "Count" }]),
        ),
    ];
    let count = variants.len();
    for variant in variants {
        assert_eq!(variant.send().await.outcome(), "MISS");
    }
    assert_eq!(app.upstream().calls(), count);
    assert_eq!(plain().header("x-request-id", "7").field("user", "u-1").send().await.status, 200);
    assert_eq!(plain().header("x-request-id", "8").send().await.outcome(), "HIT");
}

#[tokio::test]
async fn headers_an_operator_names_are_identity_too() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("1").reply("2"))
        .config("[server]\nkey_headers = [\"x-variant\"]\n")
        .start()
        .await;
    assert_eq!(app.chat("Count").header("x-variant", "a").send().await.said(), "1");
    assert_eq!(app.chat("Count").header("x-variant", "b").send().await.said(), "2");
    assert_eq!(app.chat("Count").header("x-variant", "a").send().await.outcome(), "HIT");
}
