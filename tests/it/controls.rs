//! Request controls: what one request asks of the cache by its headers.

use std::time::Duration;

use crate::harness::{Answer, FakeUpstream, TestApp};

const QUESTION: &str = "What is the capital of France?";

async fn warmed(upstream: FakeUpstream) -> TestApp {
    let app = TestApp::with(upstream).await;
    assert_eq!(app.chat(QUESTION).send().await.outcome(), "MISS");
    app
}

#[tokio::test]
async fn no_cache_refreshes_the_entry() {
    let app = warmed(FakeUpstream::openai().reply("old").reply("new")).await;
    let refreshed = app.chat(QUESTION).header("cache-control", "no-cache").send().await;
    assert_eq!((refreshed.outcome(), refreshed.reason(), refreshed.said().as_str()), ("REFRESH", "no-cache", "new"));
    let after = app.chat(QUESTION).send().await;
    assert_eq!((after.outcome(), after.said().as_str()), ("HIT", "new"));
}

#[tokio::test]
async fn no_store_neither_reads_nor_writes() {
    let app = TestApp::with(FakeUpstream::openai().reply("1").reply("2").reply("3")).await;
    for said in ["1", "2"] {
        let reply = app.chat(QUESTION).header("cache-control", "no-store").send().await;
        assert_eq!((reply.outcome(), reply.reason(), reply.said().as_str()), ("BYPASS", "no-store", said));
    }
    assert_eq!(app.chat(QUESTION).send().await.said(), "3");
}

#[tokio::test]
async fn only_if_cached_never_forwards() {
    let app = TestApp::with(FakeUpstream::openai().reply("Paris")).await;
    let nothing = app.chat(QUESTION).header("cache-control", "only-if-cached").send().await;
    assert_eq!(nothing.status, 504);
    assert!(nothing.json()["error"]["message"].is_string(), "{}", nothing.text());
    app.chat(QUESTION).send().await;
    let warm = app.chat(QUESTION).header("cache-control", "only-if-cached").send().await;
    assert_eq!((warm.outcome(), warm.said().as_str()), ("HIT", "Paris"));
}

#[tokio::test]
async fn only_if_cached_refuses_in_the_callers_protocol() {
    let app = TestApp::with(FakeUpstream::ollama()).await;
    let ollama = app.ollama_chat(QUESTION).header("cache-control", "only-if-cached").send().await;
    assert_eq!(ollama.status, 504);
    assert!(ollama.json()["error"].is_string(), "{}", ollama.text());
}

#[tokio::test]
async fn max_age_and_min_fresh_are_limits() {
    let app = warmed(FakeUpstream::openai().reply("1").reply("2").reply("3")).await;
    app.advance(Duration::from_secs(100));
    assert_eq!(app.chat(QUESTION).header("cache-control", "max-age=100").send().await.outcome(), "HIT");
    let too_old = app.chat(QUESTION).header("cache-control", "max-age=99").send().await;
    assert_eq!((too_old.outcome(), too_old.reason()), ("MISS", "not-fresh-enough"));
    assert_eq!(app.chat(QUESTION).header("cache-control", "min-fresh=86400").send().await.outcome(), "HIT");
    let not_fresh = app.chat(QUESTION).header("cache-control", "min-fresh=86401").send().await;
    assert_eq!((not_fresh.outcome(), not_fresh.reason()), ("MISS", "not-fresh-enough"));
}

#[tokio::test]
async fn max_stale_takes_an_expired_answer() {
    let app = warmed(FakeUpstream::openai().reply("old").reply("new")).await;
    app.advance(Duration::from_secs(86_400 + 60));
    let stale = app.chat(QUESTION).header("cache-control", "max-stale=60").send().await;
    assert_eq!((stale.outcome(), stale.said().as_str()), ("STALE", "old"));
    assert!(stale.header("cache-status").starts_with("dejavu; hit; ttl=-60"), "{}", stale.header("cache-status"));
    assert_eq!(stale.header("age"), "86460");
    let fresh = app.chat(QUESTION).header("cache-control", "max-stale=59").send().await;
    assert_eq!((fresh.outcome(), fresh.reason()), ("MISS", "expired"));
}

#[tokio::test]
async fn modes_limit_what_the_cache_does() {
    let app = TestApp::with(FakeUpstream::openai().reply("1").reply("2").reply("3").reply("4").reply("5")).await;
    let ask = |mode: &str| app.chat(QUESTION).header("x-cache-mode", mode).send();
    let off = ask("off").await;
    assert_eq!((off.outcome(), off.reason()), ("BYPASS", "off"));
    let reads = ask("read-only").await;
    assert_eq!((reads.outcome(), reads.said().as_str()), ("MISS", "2"));
    assert_eq!(ask("exact").await.outcome(), "MISS", "read-only must not have written");
    assert_eq!(ask("read-only").await.outcome(), "HIT");
    let writes = ask("write-only").await;
    assert_eq!((writes.reason(), writes.said().as_str()), ("write-only", "4"));
    assert_eq!(ask("exact").await.said(), "4");
    assert_eq!(ask("off").await.said(), "5");
}

#[tokio::test]
async fn a_ttl_is_the_callers_within_the_operators_bound() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("1").reply("2").reply("3"))
        .config("[cache]\nttl = \"1h\"\nmax_ttl = \"2h\"\n")
        .start()
        .await;
    app.chat(QUESTION).header("x-cache-ttl", "10m").send().await;
    app.advance(Duration::from_secs(600));
    let expired = app.chat(QUESTION).header("x-cache-ttl", "7d").send().await;
    assert_eq!((expired.outcome(), expired.reason()), ("MISS", "expired"));
    app.advance(Duration::from_secs(7199));
    assert_eq!(app.chat(QUESTION).send().await.outcome(), "HIT");
    app.advance(Duration::from_secs(1));
    assert_eq!(app.chat(QUESTION).send().await.said(), "3");
}

#[tokio::test]
async fn a_malformed_control_of_dejavus_own_is_refused_in_the_callers_protocol() {
    let app = TestApp::with(FakeUpstream::openai()).await;
    for (name, value) in [("x-cache-mode", "sometimes"), ("x-cache-ttl", "soon"), ("x-cache-min-similarity", "7")] {
        let refused = app.chat(QUESTION).header(name, value).send().await;
        assert_eq!(refused.status, 400, "{name}");
        let message = refused.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains(name), "{message}");
    }
}

#[tokio::test]
async fn an_operator_can_switch_controls_off() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply("1"))
        .config("[server.controls]\ncache_control = false\nmode = false\n")
        .start()
        .await;
    app.chat(QUESTION).send().await;
    let warm = app.chat(QUESTION).header("cache-control", "no-store").header("x-cache-mode", "sometimes").send().await;
    assert_eq!(warm.outcome(), "HIT");
}

#[tokio::test]
async fn a_request_that_must_stay_local_never_reaches_a_cloud() {
    let app = TestApp::with(FakeUpstream::openai().reply("from the cloud")).await;
    let refused = app.chat(QUESTION).header("x-residency", "local").send().await;
    assert_eq!(refused.status, 403, "{}", refused.text());
    app.chat(QUESTION).send().await;
    let still = app.chat(QUESTION).header("x-residency", "local").send().await;
    assert_eq!(still.status, 403, "{}", still.text());
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_a_failing_upstream() {
    let upstream = FakeUpstream::openai().reply("old").reply(Answer::error(500)).reply(Answer::error(400));
    let app = TestApp::builder().upstream(upstream).config("[cache]\nstale_if_error = \"1h\"\n").start().await;
    app.chat(QUESTION).send().await;
    app.advance(Duration::from_secs(86_400 + 60));
    let stale = app.chat(QUESTION).send().await;
    assert_eq!((stale.outcome(), stale.reason(), stale.said().as_str()), ("STALE", "upstream-error", "old"));
    assert_eq!(app.chat(QUESTION).send().await.status, 400, "the request's own fault is no failure of the upstream");
}

#[tokio::test]
async fn stale_answers_are_refreshed_behind_the_clients_back() {
    let upstream = FakeUpstream::openai().reply("old").reply("new");
    let app = TestApp::builder().upstream(upstream).config("[cache]\nstale_while_revalidate = \"1h\"\n").start().await;
    app.chat(QUESTION).send().await;
    app.advance(Duration::from_secs(86_400 + 60));
    let stale = app.chat(QUESTION).send().await;
    assert_eq!((stale.outcome(), stale.reason(), stale.said().as_str()), ("STALE", "revalidating", "old"));
    // Joins the refresh if it is still under way, else finds what it left.
    let fresh = app.chat(QUESTION).header("cache-control", "min-fresh=1").send().await;
    assert_eq!(fresh.said(), "new");
    assert!(["HIT", "COLLAPSED"].contains(&fresh.outcome()), "{}", fresh.outcome());
}

#[tokio::test]
async fn an_app_can_report_a_wrong_answer_of_its_own_cache() {
    let app = TestApp::builder()
        .upstream(
            FakeUpstream::openai().reply("Use the reset link.").reply("fine").reply("fine").reply("Ask the support."),
        )
        .config("[semantic]\nmin_similarity = 0.8\n")
        .semantic()
        .start()
        .await;
    let (asked, reworded) = ("How do I reset my password?", "How can I reset my password?");
    app.chat(asked).key("sk-a").send().await;
    let hit = app.chat(reworded).key("sk-a").send().await;
    assert_eq!(hit.header("x-cache-match"), "semantic");
    let report = format!("wrong; entry={}", hit.header("x-cache-entry"));

    let thank =
        |key| app.chat("Thanks").key(key).header("x-cache-mode", "off").header("x-cache-feedback", &report).send();
    thank("sk-b").await;
    assert_eq!(
        app.chat(reworded).key("sk-a").send().await.outcome(),
        "HIT",
        "another tenant's word counts for nothing"
    );

    thank("sk-a").await;
    assert!(!app.upstream().seen().last().unwrap().headers.contains_key("x-cache-feedback"));
    let after = app.chat(reworded).key("sk-a").send().await;
    assert_eq!((after.outcome(), after.reason()), ("MISS", "feedback"));
    assert_eq!(app.chat(reworded).header("x-cache-feedback", "nonsense").send().await.status, 400);
}
