//! Which build of a model answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::house::{FaultyStore, House, ask, said, settings, text};
use crate::cache::{Filling, Fingerprint, Followed, Lookup, Source, WhenUnsure};
use crate::domain::{Cause, Version};
use crate::upstream::VersionSink;

async fn told(version: &str) -> (House, super::house::Ask) {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    house.versions.tell(&question.targets[0], version);
    (house, question)
}

#[tokio::test]
async fn a_new_version_hides_old_answers_at_once_and_a_rollback_brings_them_back() {
    let (house, question) = told("sha256:one").await;
    let model = question.targets[0].model.clone();
    let entry = house.answer(&question, "Shakespeare").await;
    assert_eq!(&*entry.answerer.version.0, "sha256:one");
    house.engine.seen(&model, &Version("sha256:two".into())).await;
    house.versions.tell(&question.targets[0], "sha256:two");
    assert_eq!(said(&house.lookup(&question).await), ("MISS", Some("model-changed")));
    house.answer(&question, "Marlowe").await;
    assert_eq!(text(&house.hit(&question).await.entry), "Marlowe");
    house.engine.seen(&model, &Version("sha256:one".into())).await;
    assert_eq!(text(&house.hit(&question).await.entry), "Shakespeare");
}

#[tokio::test]
async fn other_wordings_do_not_cross_versions_either() {
    let (house, question) = told("sha256:one").await;
    house.embedder.place("Hamlet was written by whom?", "Who wrote Hamlet?", 0.99);
    house.answer(&question, "Shakespeare").await;
    house.engine.seen(&question.targets[0].model, &Version("sha256:two".into())).await;
    let reworded = ask("Hamlet was written by whom?");
    assert_eq!(said(&house.lookup(&reworded).await), ("MISS", None));
}

#[tokio::test]
async fn an_answer_during_which_the_model_changed_is_not_kept() {
    let (house, question) = told("sha256:one").await;
    let ticket = house.miss(&question).await;
    house.versions.tell(&question.targets[0], "sha256:two");
    assert_eq!(ticket.fill(question.filling("Shakespeare")).await.err(), Some(Cause::ModelChanged));
    assert_eq!(house.engine.census().entries, 0);
    // What the filling saw holds for the next lookup, watcher or none.
    assert_eq!(&*house.engine.models()[0].version().0, "sha256:two");
}

#[tokio::test]
async fn an_answer_whose_version_cannot_be_told_is_not_kept() {
    let (house, question) = told("sha256:one").await;
    let ticket = house.miss(&question).await;
    *house.versions.unreachable.lock() = true;
    assert_eq!(ticket.fill(question.filling("Shakespeare")).await.err(), Some(Cause::VersionUnknown));
}

#[tokio::test]
async fn where_the_upstream_says_nothing_the_answers_tell() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    let answer = |dated: &'static str| {
        let mut filling = question.filling(dated);
        if let Ok(recording) = &mut filling.recording {
            recording.reported_model = Some(dated.into());
        }
        filling
    };
    let other = ask("Who wrote Faust?");
    house.miss(&question).await.fill(answer("gpt-4o-2024-05-13")).await.unwrap();
    assert_eq!(text(&house.hit(&question).await.entry), "gpt-4o-2024-05-13");
    assert_eq!(house.engine.models()[0].source, Source::Answers);
    house.miss(&other).await.fill(answer("gpt-4o-2024-08-06")).await.unwrap();
    assert_eq!(said(&house.lookup(&question).await), ("MISS", Some("model-changed")));
}

/// An answer with a fingerprint, or none.
fn printed(question: &super::house::Ask, print: Option<&str>) -> Filling {
    let mut filling = question.filling("");
    if let Ok(recording) = &mut filling.recording {
        recording.reported_model = Some("gpt-4o-2024-08-06".into());
        recording.answer = serde_json::json!({ "system_fingerprint": print }).to_string().into();
    }
    filling
}

#[tokio::test]
async fn a_fingerprint_is_a_version_only_where_the_operator_says_so() {
    for (rule, after) in [(Fingerprint::Ignore, "HIT"), (Fingerprint::Version, "MISS")] {
        let mut settings = settings();
        settings.versions.fingerprint = rule;
        let house = House::with(settings).await;
        let (question, other, third) = (ask("Who wrote Hamlet?"), ask("Who wrote Faust?"), ask("Who wrote Emma?"));
        house.miss(&question).await.fill(printed(&question, Some("fp_1"))).await.unwrap();
        house.hit(&question).await;
        // An answer without one says nothing about it.
        house.miss(&third).await.fill(printed(&third, None)).await.unwrap();
        house.hit(&question).await;
        house.miss(&other).await.fill(printed(&other, Some("fp_2"))).await.unwrap();
        assert_eq!(said(&house.lookup(&question).await).0, after, "{rule:?}");
        // And one that was seen before brings its answers back.
        let fourth = ask("Who wrote Ulysses?");
        house.miss(&fourth).await.fill(printed(&fourth, Some("fp_1"))).await.unwrap();
        house.hit(&question).await;
    }
}

#[tokio::test]
async fn an_upstream_that_tells_no_version_any_more_leaves_the_last_one_in_doubt() {
    let (house, question) = told("sha256:one").await;
    house.answer(&question, "Shakespeare").await;
    house.versions.tells_nothing();
    house.clock.advance(Duration::from_secs(61));
    assert_eq!(said(&house.lookup(&question).await), ("STALE", Some("version-unknown")));
}

#[tokio::test]
async fn a_models_first_answer_is_joined_until_it_is_found() {
    let store = Arc::new(FaultyStore::default());
    let house = House::over(store.clone(), settings()).await;
    let question = ask("Who wrote Hamlet?");
    let mut filling = question.filling("Shakespeare");
    if let Ok(recording) = &mut filling.recording {
        recording.reported_model = Some("gpt-4o-2024-05-13".into());
    }
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    *store.gate.lock() = Some(gate.clone());
    let ticket = house.miss(&question).await;
    let filled = ticket.fill(filling);
    tokio::pin!(filled);
    while store.waiting.load(Ordering::SeqCst) == 0 {
        tokio::select! {
            _ = &mut filled => unreachable!("the store holds it back"),
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!(said(&house.lookup(&question).await).0, "JOIN");
    gate.close();
    filled.await.unwrap();
    assert_eq!(text(&house.hit(&question).await.entry), "Shakespeare");
}

#[tokio::test]
async fn the_operator_may_declare_a_new_version() {
    let (house, question) = told("sha256:one").await;
    house.answer(&question, "Shakespeare").await;
    let version = house.engine.bump(&question.targets[0].model).await.unwrap();
    assert_eq!(&*version.0, "sha256:one bump 1");
    assert_eq!(said(&house.lookup(&question).await), ("MISS", Some("model-changed")));
    // Seeing the same digest again does not undo it, and answers are kept under it.
    house.engine.seen(&question.targets[0].model, &Version("sha256:one".into())).await;
    house.answer(&question, "Marlowe").await;
    assert_eq!(text(&house.hit(&question).await.entry), "Marlowe");
}

#[tokio::test]
async fn versions_outlive_a_restart_but_are_asked_for_anew() {
    let (house, question) = told("sha256:one").await;
    house.answer(&question, "Shakespeare").await;
    house.engine.bump(&question.targets[0].model).await.unwrap();
    let again = House::over(house.store.clone(), settings()).await;
    again.versions.tell(&question.targets[0], "sha256:one");
    assert_eq!(said(&again.lookup(&question).await).0, "MISS");
    let third = House::over(house.store.clone(), settings()).await;
    third.versions.tell(&question.targets[0], "sha256:two");
    third.lookup(&question).await;
    assert_eq!(&*third.engine.models()[0].version().0, "sha256:two bump 1");
}

#[tokio::test]
async fn versions_that_could_not_be_written_are_written_with_the_next_answer() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    *house.store.writes_fail.lock() = true;
    let unkept = house.miss(&question).await.fill(question.filling("Shakespeare")).await;
    assert_eq!(unkept.err(), Some(Cause::StoreFault));
    *house.store.writes_fail.lock() = false;
    house.answer(&question, "Shakespeare").await;
    let again = House::over(house.store.clone(), settings()).await;
    assert_eq!(text(&again.hit(&question).await.entry), "Shakespeare");
}

#[tokio::test]
async fn a_version_not_heard_of_for_long_is_in_doubt_and_the_operator_says_what_then() {
    for (rule, expected) in [
        (WhenUnsure::Serve, ("HIT", None)),
        (WhenUnsure::Stale, ("STALE", Some("version-unknown"))),
        (WhenUnsure::Bypass, ("MISS", Some("version-unknown"))),
    ] {
        let mut settings = settings();
        settings.versions.when_unsure = rule;
        let house = House::with(settings).await;
        let question = ask("Who wrote Hamlet?");
        house.versions.tell(&question.targets[0], "sha256:one");
        house.answer(&question, "Shakespeare").await;
        *house.versions.unreachable.lock() = true;
        house.clock.advance(Duration::from_secs(61));
        assert_eq!(said(&house.lookup(&question).await), expected);
    }
}

#[tokio::test]
async fn word_that_was_asked_for_before_a_change_does_not_undo_it() {
    let (house, question) = told("sha256:one").await;
    let ticket = house.miss(&question).await;
    // The filling asks, and is told the old version only after the watcher has seen the new one.
    let held = house.versions.hold();
    let filling = house.tasks.spawn(ticket.fill(question.filling("Shakespeare")));
    while held.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    house.engine.seen(&question.targets[0].model, &Version("sha256:two".into())).await;
    house.versions.release();
    assert_eq!(filling.await.unwrap().err(), Some(Cause::ModelChanged));
    assert_eq!(&*house.engine.models()[0].version().0, "sha256:two");
}

#[tokio::test]
async fn after_an_idle_time_the_upstream_is_asked_before_anything_is_doubted() {
    let (house, question) = told("sha256:one").await;
    house.answer(&question, "Shakespeare").await;
    house.clock.advance(Duration::from_secs(3600));
    assert_eq!(said(&house.lookup(&question).await), ("HIT", None));
    house.clock.advance(Duration::from_secs(3600));
    house.versions.tell(&question.targets[0], "sha256:two");
    assert_eq!(said(&house.lookup(&question).await), ("MISS", Some("model-changed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_see_nothing_of_the_old_version_once_the_new_one_was_seen() {
    const FLIPS: usize = 20;
    let house = Arc::new(House::open().await);
    let question = ask("Who wrote Hamlet?");
    house.versions.tell(&question.targets[0], "0");
    let seen = Arc::new(AtomicUsize::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let (house, question, seen) = (house.clone(), question.clone(), seen.clone());
        clients.spawn(async move {
            let mut hits = 0;
            loop {
                let before = seen.load(Ordering::SeqCst);
                let entry = match house.lookup(&question).await {
                    Lookup::Hit(hit) => Some(hit.entry),
                    Lookup::Miss(ticket) => {
                        tokio::task::yield_now().await;
                        ticket.fill(question.filling("Shakespeare")).await.ok()
                    }
                    Lookup::Join(mut follower) => match follower.begin().await {
                        Followed::Whole(entry) => Some(entry),
                        Followed::Live(..) | Followed::Failed => None,
                    },
                    other => panic!("{:?}", said(&other)),
                };
                if let Some(entry) = entry {
                    let version: usize = entry.answerer.version.0.parse().unwrap();
                    assert!(version >= before, "{version} was served after {before} had been seen");
                    hits += 1;
                }
                if before == FLIPS {
                    return hits;
                }
                tokio::task::yield_now().await;
            }
        });
    }
    for flip in 1..=FLIPS {
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        house.versions.tell(&question.targets[0], &flip.to_string());
        house.engine.seen(&question.targets[0].model, &Version(flip.to_string().into())).await;
        seen.store(flip, Ordering::SeqCst);
    }
    let hits: usize = clients.join_all().await.into_iter().sum();
    assert!(hits > 0);
}
