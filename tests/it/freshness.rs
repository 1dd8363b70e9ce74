//! How long answers may be given again, by what is asked and by what the request says.

use std::time::Duration;

use serde_json::json;

use crate::harness::{FakeUpstream, TestApp};

#[tokio::test]
async fn what_is_asked_of_this_moment_never_hits_and_what_lasts_does() {
    let app =
        TestApp::with(FakeUpstream::openai().reply("rain").reply("sun").reply("Shakespeare").reply("Boric")).await;
    for said in ["rain", "sun"] {
        let reply = app.chat("What is the weather right now?").send().await;
        assert_eq!((reply.outcome(), reply.reason(), reply.said().as_str()), ("BYPASS", "live", said));
    }
    assert_eq!(app.chat("Who wrote Hamlet?").send().await.outcome(), "MISS");
    assert_eq!(app.chat("Who wrote Hamlet?").send().await.outcome(), "HIT");

    let of_the_present = app.chat("Who is the president of Chile?").send().await;
    assert_eq!((of_the_present.outcome(), of_the_present.reason()), ("MISS", "short-lived"));
    app.advance(Duration::from_secs(6 * 3600 - 1));
    assert_eq!(app.chat("Who is the president of Chile?").send().await.outcome(), "HIT");
    app.advance(Duration::from_secs(1));
    let explained = app
        .admin_post(
            "/admin/v1/explain",
            json!({ "model": "gpt-4o", "messages": [{ "role": "user", "content": "Who is the president of Chile?" }] }),
        )
        .send()
        .await
        .json();
    assert_eq!(explained["reason"], "expired", "{explained}");
    assert_eq!(explained["timeliness"]["class"], "hours", "{explained}");
    assert_eq!(explained["ttl_s"], 6 * 3600, "{explained}");
}
