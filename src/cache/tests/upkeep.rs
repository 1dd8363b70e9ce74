//! Restarts, limits, expiry, another embedder.

use std::sync::Arc;
use std::time::Duration;

use super::house::{FakeEmbedder, House, ask, recording, said, settings, text};
use crate::cache::{Filter, Settings};
use crate::domain::{Cause, Size};
use crate::embed::EmbedError;
use crate::store::EntryStore;

#[tokio::test]
async fn after_a_restart_everything_is_found_again() {
    let house = House::open().await;
    for i in 0..600 {
        house.answer(&ask(&format!("question {i}")), "an answer").await;
    }
    house.answer(&ask("How do I reset my password?"), "Click").await;
    let again = House::over(house.store.clone(), settings()).await;
    // Exact matches do not wait for the rebuilding.
    again.hit(&ask("question 599")).await;
    again.engine.warm().await;
    let census = again.engine.census();
    assert_eq!((census.entries, census.index.vectors, census.loaded, census.warm), (601, 601, 601, true));
    again.embedder.place("How can I reset my password?", "How do I reset my password?", 0.97);
    assert_eq!(text(&again.hit(&ask("How can I reset my password?")).await.entry), "Click");
}

#[tokio::test]
async fn a_purge_before_the_rebuilding_is_done_reaches_everything() {
    let house = House::open().await;
    for i in 0..600 {
        house.answer(&ask(&format!("question {i}")), "an answer").await;
    }
    let again = House::over(house.store.clone(), settings()).await;
    again.hit(&ask("question 599")).await;
    let purged = again.engine.purge(&Filter { all: true, ..Filter::default() }, false).await.unwrap();
    assert_eq!(purged.entries, 600);
    again.engine.warm().await;
    assert_eq!(said(&again.lookup(&ask("question 599")).await).0, "MISS");
    assert_eq!(again.engine.census().entries, 0);
}

#[tokio::test]
async fn an_index_that_names_what_the_store_lost_heals_itself() {
    let house = House::open().await;
    let id = house.answer(&ask("Who wrote Hamlet?"), "Shakespeare").await.id();
    house.store.remove(&[id]).await.unwrap();
    let empty = Settings { hot_bytes: Size(0), ..settings() };
    let again = House::over(house.store.clone(), empty).await;
    again.engine.warm().await;
    assert_eq!(said(&again.lookup(&ask("Who wrote Hamlet?")).await), ("MISS", None));
}

#[tokio::test]
async fn beyond_the_limit_the_least_worth_goes_and_the_newest_stays() {
    let house = House::with(Settings { max_entries: 3, ..settings() }).await;
    let questions: Vec<_> = (0..3).map(|i| ask(&format!("question {i}"))).collect();
    for question in &questions {
        house.answer(question, "an answer").await;
    }
    for often_asked in [0, 2] {
        house.hit(&questions[often_asked]).await;
    }
    house.answer(&ask("a new question"), "a new answer").await;
    assert_eq!(house.engine.census().entries, 3);
    assert_eq!(said(&house.lookup(&questions[1]).await).0, "MISS");
    for question in [&questions[0], &questions[2], &ask("a new question")] {
        house.hit(question).await;
    }
}

#[tokio::test]
async fn what_was_dear_and_small_outlives_what_was_cheap_and_large() {
    let house = House::with(Settings { max_bytes: Size(100_000), ..settings() }).await;
    let keep = async |name: &str, size: usize, millis: u64| {
        let mut filling = ask(name).filling("");
        filling.recording = Ok(recording(&"x".repeat(size)));
        filling.took = Duration::from_millis(millis);
        house.miss(&ask(name)).await.fill(filling).await.unwrap();
    };
    keep("dear and small", 1_000, 20_000).await;
    keep("cheap and large", 60_000, 100).await;
    keep("middling", 50_000, 1_000).await;
    house.hit(&ask("dear and small")).await;
    house.hit(&ask("middling")).await;
    assert_eq!(said(&house.lookup(&ask("cheap and large")).await).0, "MISS");
}

#[tokio::test]
async fn what_was_popular_once_goes_in_time() {
    let house = House::with(Settings { max_entries: 2, ..settings() }).await;
    let once = ask("popular once");
    house.answer(&once, "an answer").await;
    for _ in 0..5 {
        house.hit(&once).await;
    }
    for i in 0..20 {
        house.answer(&ask(&format!("question {i}")), "an answer").await;
    }
    assert_eq!(said(&house.lookup(&once).await).0, "MISS");
}

#[tokio::test]
async fn expired_entries_leave_when_nobody_may_have_them_any_more() {
    let house = House::open().await;
    let short = ask("short").with(|ask| ask.directives.ttl = Some(Duration::from_secs(10)));
    let id = house.answer(&short, "an answer").await.id();
    house.answer(&ask("long"), "an answer").await;
    house.clock.advance(Duration::from_secs(11));
    assert_eq!(house.engine.sweep().await.unwrap(), 0);
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(house.engine.sweep().await.unwrap(), 1);
    assert_eq!(house.store.get(id).await.unwrap(), None);
    house.hit(&ask("long")).await;
}

#[tokio::test]
async fn another_embedder_sees_everything_anew_while_exact_matches_go_on() {
    let house = House::open().await;
    house.answer(&ask("Who wrote Hamlet?"), "Shakespeare").await;
    let other = Arc::new(FakeEmbedder::new("other"));
    other.place("Hamlet was written by whom?", "Who wrote Hamlet?", 0.97);
    house.engine.set_embedder(Some(other.clone()));
    house.hit(&ask("Who wrote Hamlet?")).await;
    house.tasks_done().await;
    let hit = house.hit(&ask("Hamlet was written by whom?")).await;
    let at = hit.entry.placement.as_ref().and_then(|placement| placement.embedded.as_ref());
    assert_eq!(at.map(|at| &*at.space.0), Some("other"));
    assert_eq!(house.engine.census().index.vectors, 1);
}

#[tokio::test(start_paused = true)]
async fn embedding_anew_tells_how_far_it_is() {
    let house = House::open().await;
    for i in 0..3 {
        house.answer(&ask(&format!("question {i}")), "an answer").await;
    }
    let other = Arc::new(FakeEmbedder::new("other"));
    *other.fault.lock() = Some(EmbedError::Busy);
    house.engine.set_embedder(Some(other.clone()));
    while house.engine.census().to_embed == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.engine.census().to_embed, 3);
    house.hit(&ask("question 0")).await;
    *other.fault.lock() = None;
    house.tasks_done().await;
    assert_eq!(house.engine.census().to_embed, 0);
}

#[tokio::test]
async fn what_was_kept_without_an_embedder_is_found_by_meaning_once_there_is_one() {
    let house = House::open().await;
    house.engine.set_embedder(None);
    house.answer(&ask("Who wrote Hamlet?"), "Shakespeare").await;
    house.embedder.place("Hamlet was written by whom?", "Who wrote Hamlet?", 0.97);
    house.engine.set_embedder(Some(house.embedder.clone()));
    house.tasks_done().await;
    house.hit(&ask("Hamlet was written by whom?")).await;
}

#[tokio::test(start_paused = true)]
async fn a_prompt_the_embedder_had_no_time_for_is_embedded_later() {
    let house = House::open().await;
    *house.embedder.fault.lock() = Some(EmbedError::Busy);
    house.answer(&ask("Who wrote Hamlet?"), "Shakespeare").await;
    *house.embedder.fault.lock() = None;
    house.tasks_done().await;
    house.embedder.place("Hamlet was written by whom?", "Who wrote Hamlet?", 0.97);
    house.hit(&ask("Hamlet was written by whom?")).await;
}

#[tokio::test]
async fn no_store_fault_reaches_a_client() {
    let house = House::open().await;
    *house.store.reads_fail.lock() = true;
    *house.store.writes_fail.lock() = true;
    for i in 0..3 {
        let question = ask(&format!("question {i}"));
        let ticket = house.miss(&question).await;
        assert_eq!(ticket.fill(question.filling("an answer")).await.err(), Some(Cause::StoreFault));
    }
}

#[tokio::test]
async fn how_often_an_entry_was_served_outlives_a_restart() {
    let house = House::open().await;
    let (popular, other) = (ask("Who wrote Hamlet?"), ask("Who wrote Faust?"));
    house.answer(&popular, "Shakespeare").await;
    house.answer(&other, "Goethe").await;
    for _ in 0..3 {
        house.hit(&popular).await;
    }
    house.engine.close().await.unwrap();
    let again = House::over(house.store.clone(), settings()).await;
    again.engine.warm().await;
    let hits = async |house: &House| {
        let page = house.engine.entries(&Filter::default(), 10, None).await.unwrap();
        let mut hits: Vec<_> = page.entries.iter().map(|listed| listed.hits).collect();
        hits.sort_unstable();
        hits
    };
    assert_eq!(hits(&again).await, [0, 3]);
    // And once more, though nothing was served in between.
    again.engine.close().await.unwrap();
    let third = House::over(house.store.clone(), settings()).await;
    third.engine.warm().await;
    assert_eq!(hits(&third).await, [0, 3]);
}
