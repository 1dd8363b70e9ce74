//! Backup, restore and warming up.

use bytes::Bytes;
use serde_json::json;

use crate::harness::{Answer, FakeUpstream, TestApp};

fn upstream() -> FakeUpstream {
    FakeUpstream::openai()
}

#[tokio::test]
async fn a_restored_entry_serves_the_same_tenants_as_before() {
    let old = TestApp::with(upstream().reply(Answer::text("one").model("gpt-4o-2024-08-06")).reply("b's")).await;
    old.chat("Count").key("sk-a").header("x-cache-tags", "demo").send().await;
    let backup = old.admin_get("/admin/v1/export").send().await;
    assert_eq!((backup.status, backup.header("content-type")), (200, "application/x-ndjson"));
    assert!(!backup.text().contains("sk-a"), "no credential is in a backup");

    let new = TestApp::with(upstream().reply("asked anew")).await;
    let restored = new.admin_body("/admin/v1/import", backup.body.clone()).send().await;
    assert_eq!(restored.json(), json!({ "kept": 1, "expired": 0 }), "{}", restored.text());
    let warm = new.chat("Count").key("sk-a").send().await;
    assert_eq!((warm.outcome(), warm.said().as_str()), ("HIT", "one"));
    assert_eq!(warm.header("x-upstream-model"), "gpt-4o-2024-08-06");
    assert_eq!(new.chat("Count").key("sk-b").send().await.said(), "asked anew");
    assert_eq!(old.chat("Count").key("sk-b").send().await.said(), "b's");
}

#[tokio::test]
async fn a_restored_entry_outlives_a_restart() {
    let old = TestApp::with(upstream().reply("one")).await;
    old.chat("Count").send().await;
    let backup = old.admin_get("/admin/v1/export").send().await.body;
    let mut new = TestApp::with(upstream()).await;
    new.admin_body("/admin/v1/import", backup).send().await;
    new.restart().await;
    assert_eq!(new.chat("Count").send().await.outcome(), "HIT");
}

#[tokio::test]
async fn expired_entries_are_not_restored() {
    let app = TestApp::with(upstream().reply("one")).await;
    app.chat("Count").send().await;
    let backup = app.admin_get("/admin/v1/export").send().await.body;
    app.advance(std::time::Duration::from_secs(86_400));
    let restored = app.admin_body("/admin/v1/import", backup).send().await;
    assert_eq!(restored.json(), json!({ "kept": 0, "expired": 1 }));
}

#[tokio::test]
async fn a_backup_of_another_installation_does_not_orphan_what_is_here() {
    let old = TestApp::with(upstream().reply("one")).await;
    old.chat("Count").send().await;
    let backup = old.admin_get("/admin/v1/export").send().await.body;
    let new = TestApp::with(upstream().reply("mine")).await;
    new.chat("Something").send().await;
    let refused = new.admin_body("/admin/v1/import", backup).send().await;
    assert_eq!(refused.status, 409, "{}", refused.text());
    assert_eq!(new.chat("Something").send().await.outcome(), "HIT");
}

#[tokio::test]
async fn what_is_no_backup_is_refused_by_line() {
    let app = TestApp::with(upstream()).await;
    for (body, said) in [("", "a backup begins"), ("{}", "line 1"), ("{\"entry\":1}\n", "line 1")] {
        let refused = app.admin_body("/admin/v1/import", body).send().await;
        assert_eq!(refused.status, 400);
        assert!(refused.text().contains(said), "{}", refused.text());
    }
}

#[tokio::test]
async fn answers_can_be_there_before_anybody_asks() {
    let app = TestApp::with(upstream()).await;
    let request = json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Count" }] });
    let answer = |finish: &str| {
        json!({
            "id": "x", "object": "chat.completion", "created": 1, "model": "gpt-4o",
            "choices": [{ "index": 0, "message": { "role": "assistant", "content": "one two" }, "finish_reason": finish }],
            "usage": { "prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3 },
        })
    };
    let headers = json!({ "authorization": "Bearer sk-a" });
    let lines = [
        json!({ "headers": headers, "request": request, "answer": answer("stop") }),
        json!({ "request": request, "answer": answer("length") }),
    ];
    let body: Bytes = lines.iter().map(|line| format!("{line}\n")).collect::<String>().into();
    let warmed = app.admin_body("/admin/v1/warm", body).send().await;
    assert_eq!(warmed.json(), json!({ "kept": 1, "left_out": { "truncated": 1 } }), "{}", warmed.text());
    let warm = app.chat("Count").key("sk-a").send().await;
    assert_eq!((warm.outcome(), warm.said().as_str()), ("HIT", "one two"));
    let refused = app.admin_body("/admin/v1/warm", "{\"request\":1}\n").send().await;
    assert!(refused.status == 400 && refused.text().contains("line 1"), "{}", refused.text());
}
