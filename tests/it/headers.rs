//! What every answer says of the cache's part in it.

use crate::harness::{Answer, FakeUpstream, TestApp};

#[tokio::test]
async fn a_miss_and_its_hit() {
    let app = TestApp::with(FakeUpstream::openai().reply(Answer::text("Paris").model("gpt-4o-2024-08-06"))).await;
    let cold = app.chat("Capital?").send().await;
    assert_eq!(cold.header("cache-status"), "dejavu; fwd=miss; stored");
    assert_eq!((cold.outcome(), cold.header("x-cache-match"), cold.reason()), ("MISS", "", ""));
    assert_eq!((cold.header("x-upstream"), cold.header("x-upstream-model")), ("openai", "gpt-4o-2024-08-06"));
    assert_eq!(cold.header("age"), "");
    app.advance(std::time::Duration::from_secs(60));
    let warm = app.chat("Capital?").send().await;
    assert_eq!(warm.header("cache-status"), "dejavu; hit; ttl=86340; detail=exact");
    assert_eq!((warm.outcome(), warm.header("x-cache-match"), warm.reason()), ("HIT", "exact", ""));
    assert_eq!((warm.header("x-upstream"), warm.header("x-upstream-model")), ("openai", "gpt-4o-2024-08-06"));
    assert_eq!((warm.header("age"), warm.header("x-cache-similarity")), ("60", ""));
    assert_eq!(warm.header("x-cache-entry").len(), 32);
    assert_eq!(warm.header("x-cache-entry"), cold.header("x-cache-entry"));
}

#[tokio::test]
async fn a_streamed_miss_says_what_is_known_at_its_beginning() {
    let app = TestApp::with(FakeUpstream::openai().reply("Paris")).await;
    let cold = app.chat("Capital?").stream(true).send().await;
    assert_eq!((cold.header("cache-status"), cold.header("x-cache-entry")), ("dejavu; fwd=miss", ""));
    assert_eq!((cold.header("x-upstream"), cold.header("x-upstream-model")), ("openai", "gpt-4o"));
}

#[tokio::test]
async fn a_bypass_says_why() {
    let app = TestApp::with(FakeUpstream::openai().reply("a poem")).await;
    let bypass = app.chat("A poem?").field("temperature", 1.9).send().await;
    assert_eq!(bypass.header("cache-status"), "dejavu; fwd=bypass; detail=temperature");
    assert_eq!((bypass.outcome(), bypass.reason()), ("BYPASS", "temperature"));
    assert_eq!((bypass.header("x-upstream"), bypass.header("x-cache-entry")), ("openai", ""));
}

#[tokio::test]
async fn a_refresh_says_it_was_asked_for() {
    let app = TestApp::with(FakeUpstream::openai().reply("1").reply("2")).await;
    app.chat("Capital?").send().await;
    let refreshed = app.chat("Capital?").header("cache-control", "no-cache").send().await;
    assert_eq!(refreshed.header("cache-status"), "dejavu; fwd=request; stored; detail=no-cache");
}

#[tokio::test]
async fn an_answer_that_is_not_kept_says_why() {
    let app = TestApp::with(FakeUpstream::openai().reply(Answer::text("cut sh").finish("length"))).await;
    let truncated = app.chat("Capital?").send().await;
    assert_eq!(truncated.header("cache-status"), "dejavu; fwd=miss; detail=truncated");
    assert_eq!((truncated.reason(), truncated.header("x-cache-entry")), ("truncated", ""));
}

#[tokio::test]
async fn caches_behind_us_keep_their_say() {
    let upstream = FakeUpstream::openai().reply(Answer::text("Paris").header("cache-status", "origin; hit"));
    let app = TestApp::with(upstream).await;
    let cold = app.chat("Capital?").send().await;
    let said: Vec<_> = cold.headers.get_all("cache-status").iter().collect();
    assert_eq!(said, ["origin; hit", "dejavu; fwd=miss; stored"]);
}

#[tokio::test]
async fn refusals_have_the_headers_too() {
    let app = TestApp::with(FakeUpstream::openai()).await;
    let refused = app.chat("Capital?").header("cache-control", "only-if-cached").send().await;
    assert_eq!((refused.status, refused.outcome(), refused.header("cache-status")), (504, "MISS", "dejavu"));
}

#[tokio::test]
async fn a_similarity_can_be_hidden() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("Use the reset link."))
        .config("[server]\nshow_similarity = false\n[semantic]\nmin_similarity = 0.8\n")
        .semantic()
        .start()
        .await;
    app.chat("How do I reset my password?").send().await;
    let reworded = app.chat("How can I reset my password?").send().await;
    assert_eq!((reworded.header("x-cache-match"), reworded.header("x-cache-similarity")), ("semantic", ""));
}
