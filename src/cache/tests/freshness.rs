//! Answers past their time, and clocks that jump.

use std::time::Duration;

use super::house::{Ask, House, START, ask, said, settings, text};
use crate::domain::{Lasting, Lifetimes, Outcome, Timestamp};

fn short(prompt: &str) -> Ask {
    ask(prompt).with(|ask| ask.directives.ttl = Some(Duration::from_secs(600)))
}

async fn lenient() -> House {
    let mut settings = settings();
    settings.freshness.stale_while_revalidate = Lasting::seconds(60);
    settings.freshness.stale_if_error = Lasting::seconds(3600);
    House::with(settings).await
}

#[tokio::test]
async fn a_stale_answer_is_served_while_exactly_one_request_refreshes_it() {
    let house = lenient().await;
    let question = short("Who wrote Hamlet?");
    house.answer(&question, "Shakespeare").await;
    house.clock.advance(Duration::from_secs(630));
    let first = house.hit(&question).await;
    assert_eq!((first.outcome, text(&first.entry)), (Outcome::Stale, "Shakespeare"));
    let second = house.hit(&question).await;
    assert!(second.refresh.is_none());
    let refresh = first.refresh.unwrap();
    assert_eq!(refresh.outcome, Outcome::Refresh);
    refresh.fill(question.filling("Marlowe")).await.unwrap();
    let third = house.hit(&question).await;
    assert_eq!((third.outcome, text(&third.entry)), (Outcome::Hit, "Marlowe"));
}

#[tokio::test]
async fn a_route_may_have_windows_of_its_own() {
    let house = House::open().await;
    let windows = Lifetimes {
        ttl: Some(Duration::from_secs(600)),
        stale_while_revalidate: Some(Duration::from_secs(60)),
        stale_if_error: Some(Duration::from_secs(86_400)),
    };
    let question = ask("Who wrote Hamlet?").with(|ask| ask.lifetimes = windows);
    house.answer(&question, "Shakespeare").await;
    house.clock.advance(Duration::from_secs(630));
    assert_eq!(said(&house.lookup(&question).await), ("STALE", Some("revalidating")));
    assert_eq!(said(&house.lookup(&ask("Who wrote Hamlet?")).await), ("MISS", Some("expired")));
    // It stays for as long as its route may want it.
    house.clock.advance(Duration::from_secs(80_000));
    house.engine.sweep().await.unwrap();
    assert!(house.miss(&question).await.has_fallback());
}

#[tokio::test]
async fn a_refresh_that_comes_to_nothing_may_be_tried_again() {
    let house = lenient().await;
    let question = short("Who wrote Hamlet?");
    house.answer(&question, "Shakespeare").await;
    house.clock.advance(Duration::from_secs(630));
    drop(house.hit(&question).await.refresh);
    assert!(house.hit(&question).await.refresh.is_some());
}

#[tokio::test]
async fn a_stale_answer_stands_in_for_a_failing_upstream_unless_it_was_purged() {
    let house = lenient().await;
    let question = short("Who wrote Hamlet?");
    let id = house.answer(&question, "Shakespeare").await.id();
    house.clock.advance(Duration::from_secs(700));
    let mut ticket = house.miss(&question).await;
    assert!(ticket.has_fallback());
    let stale = ticket.take_fallback().unwrap();
    assert_eq!((stale.outcome, text(&stale.entry)), (Outcome::Stale, "Shakespeare"));
    drop(ticket);
    let mut ticket = house.miss(&question).await;
    house.engine.remove(id).await.unwrap();
    assert!(!ticket.has_fallback() && ticket.take_fallback().is_none());
}

#[tokio::test]
async fn a_popular_entry_is_refreshed_ahead_of_its_expiry() {
    let mut settings = settings();
    settings.refresh_ahead = 0.1;
    let house = House::with(settings).await;
    let (popular, other) = (short("Who wrote Hamlet?"), short("Who wrote Faust?"));
    house.answer(&popular, "Shakespeare").await;
    house.answer(&other, "Goethe").await;
    for _ in 0..3 {
        assert!(house.hit(&popular).await.refresh.is_none());
    }
    house.clock.advance(Duration::from_secs(550));
    let hit = house.hit(&popular).await;
    assert_eq!((hit.outcome, hit.refresh.is_some()), (Outcome::Hit, true));
    assert!(house.hit(&other).await.refresh.is_none());
}

#[tokio::test]
async fn lifetimes_spread_a_little_unless_the_request_names_one() {
    let mut settings = settings();
    settings.jitter = 0.1;
    let house = House::with(settings).await;
    let mut lives = Vec::new();
    for i in 0..20 {
        let entry = house.answer(&ask(&format!("question {i}")), "an answer").await;
        lives.push(entry.expires.since(entry.created));
    }
    let day = Duration::from_secs(86_400);
    assert!(lives.iter().all(|life| *life <= day && *life >= day.mul_f32(0.9)));
    lives.sort();
    lives.dedup();
    assert!(lives.len() > 15);
    let entry = house.answer(&short("a named one"), "an answer").await;
    assert_eq!(entry.expires.since(entry.created), Duration::from_secs(600));
}

#[tokio::test]
async fn a_clock_set_back_revives_nothing_and_what_comes_after_lives() {
    let house = House::open().await;
    let (old, lasting) = (short("Who wrote Hamlet?"), ask("Who wrote Faust?"));
    house.answer(&old, "Shakespeare").await;
    house.answer(&lasting, "Goethe").await;
    house.clock.advance(Duration::from_secs(601));
    assert_eq!(said(&house.lookup(&old).await), ("MISS", Some("expired")));
    house.clock.set(START.plus(Duration::from_secs(300)));
    assert_eq!(said(&house.lookup(&old).await), ("MISS", Some("expired")));
    house.hit(&lasting).await;
    house.answer(&old, "Marlowe").await;
    assert_eq!(text(&house.hit(&old).await.entry), "Marlowe");
}

#[tokio::test]
async fn a_clock_set_back_over_a_restart_revives_nothing_either() {
    let house = House::open().await;
    let (old, lasting) = (short("Who wrote Hamlet?"), ask("Who wrote Faust?"));
    house.answer(&old, "Shakespeare").await;
    house.answer(&lasting, "Goethe").await;
    house.clock.advance(Duration::from_secs(601));
    house.lookup(&old).await;
    house.engine.close().await.unwrap();
    // The new house's clock stands at the start again.
    let again = House::over(house.store.clone(), settings()).await;
    assert_eq!(said(&again.lookup(&old).await), ("MISS", Some("expired")));
    again.hit(&lasting).await;
}

#[tokio::test]
async fn a_clock_set_back_by_moments_stands_still() {
    let house = House::open().await;
    let question = short("Who wrote Hamlet?");
    house.answer(&question, "Shakespeare").await;
    house.clock.advance(Duration::from_secs(600));
    assert_eq!(said(&house.lookup(&question).await), ("MISS", Some("expired")));
    house.clock.set(Timestamp(START.0 + 599_000));
    assert_eq!(said(&house.lookup(&question).await), ("MISS", Some("expired")));
}

#[tokio::test]
async fn what_holds_for_the_moment_of_asking_is_neither_kept_nor_served() {
    let house = House::open().await;
    let now = ask("What is the weather right now?");
    assert_eq!(said(&house.lookup(&now).await), ("BYPASS", Some("live")));
    // Who names a lifetime knows what the answer is for; nobody else is given it.
    let named = now.clone().with(|ask| ask.directives.ttl = Some(Duration::from_secs(60)));
    house.answer(&named, "Rain").await;
    assert_eq!(text(&house.hit(&named).await.entry), "Rain");
    assert_eq!(said(&house.lookup(&now).await), ("BYPASS", Some("live")));
    let only = now.with(|ask| ask.directives.only_if_cached = true);
    assert_eq!(said(&house.lookup(&only).await), ("NOT-CACHED", Some("live")));
}

#[tokio::test]
async fn a_question_of_the_present_is_kept_for_less_time() {
    let house = House::open().await;
    for (prompt, short, seconds) in [
        ("Who is the president of Chile?", true, 6 * 3600),
        ("What is the weather in Turin?", true, 600),
        ("Who wrote Hamlet?", false, 86_400),
    ] {
        let question = ask(prompt);
        let (outcome, reason) = said(&house.lookup(&question).await);
        assert_eq!((outcome, reason == Some("short-lived")), ("MISS", short), "{prompt}: {reason:?}");
        let entry = house.answer(&question, "an answer").await;
        assert_eq!(entry.expires.since(entry.created), Duration::from_secs(seconds), "{prompt}");
        let told = house.engine.explain(ask(prompt).query(), &question.directives, question.lifetimes).await;
        assert_eq!(told.lifetime, Duration::from_secs(seconds), "{prompt}");
        assert!(!told.timeliness.unwrap().signs.is_empty());
    }
}

#[tokio::test]
async fn the_operator_may_leave_the_question_out_of_it() {
    let mut settings = settings();
    settings.freshness.by_question = None;
    let house = House::with(settings).await;
    let question = ask("What is the weather right now?");
    let entry = house.answer(&question, "Rain").await;
    assert_eq!(entry.expires.since(entry.created), Duration::from_secs(86_400));
    house.hit(&question).await;
}
