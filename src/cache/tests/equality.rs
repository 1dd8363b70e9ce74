//! The very same request.

use std::time::Duration;

use super::house::{House, STREAMED, ask, ended, head, said, settings, target, text};
use crate::domain::{Cause, Finish, Location, Match, MaxStale, Mode, Outcome};

#[tokio::test]
async fn a_kept_answer_is_served_again_in_any_shape() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    house.answer(&question, "Shakespeare").await;
    house.clock.advance(Duration::from_secs(60));
    let hit = house.hit(&question.clone().with(|ask| ask.shape = STREAMED)).await;
    assert_eq!((text(&hit.entry), hit.how, hit.outcome), ("Shakespeare", Match::Exact, Outcome::Hit));
    assert_eq!(hit.age, Duration::from_secs(60));
    assert_eq!(hit.remaining, Duration::from_secs(86_400 - 60));
}

#[tokio::test]
async fn whatever_makes_a_request_different_makes_it_a_miss() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    house.answer(&question, "Shakespeare").await;
    let others = [
        question.clone().with(|ask| ask.tenant = "bob"),
        question.clone().with(|ask| ask.namespace = "test"),
        question.clone().with(|ask| ask.frame = "be verbose"),
        question.clone().with(|ask| ask.prompt = "Who wrote Faust?".into()),
        question.clone().with(|ask| ask.targets = vec![target("ollama", "qwen", Location::Local)]),
        question.clone().with(|ask| ask.targets = vec![target("other", "llama3", Location::Local)]),
    ];
    for other in &others {
        assert_eq!(said(&house.lookup(other).await).0, "MISS", "{other:?}");
    }
}

#[tokio::test]
async fn only_complete_successful_answers_are_kept() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    let mut fillings: Vec<_> = [
        (Finish::ToolCalls, Cause::ToolCalls),
        (Finish::Truncated, Cause::Truncated),
        (Finish::Filtered, Cause::Filtered),
        (Finish::Refused, Cause::Refused),
        (Finish::Unfinished, Cause::Unfinished),
    ]
    .into_iter()
    .map(|(finish, cause)| {
        let mut filling = question.filling("Shakesp");
        if let Ok(recording) = &mut filling.recording {
            recording.finish = finish;
        }
        (filling, cause)
    })
    .collect();
    let mut failed = question.filling("oh no");
    failed.head = head(500);
    fillings.push((failed, Cause::Status));
    for cause in [Cause::Cut, Cause::Unreadable] {
        let mut filling = question.filling("");
        filling.recording = ended(cause);
        fillings.push((filling, cause));
    }
    for (filling, cause) in fillings {
        assert_eq!(house.miss(&question).await.fill(filling).await.err(), Some(cause));
    }
    assert_eq!(said(&house.lookup(&question).await), ("MISS", None));
}

#[tokio::test]
async fn an_answer_expires_and_a_new_one_takes_its_place() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?").with(|ask| ask.directives.ttl = Some(Duration::from_secs(10)));
    house.answer(&question, "Shakespeare").await;
    house.clock.advance(Duration::from_secs(10));
    assert_eq!(said(&house.lookup(&question).await), ("MISS", Some("expired")));
    house.answer(&question, "Marlowe").await;
    assert_eq!(text(&house.hit(&question).await.entry), "Marlowe");
}

#[tokio::test]
async fn a_caller_may_take_a_stale_answer_or_none_at_all() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?").with(|ask| ask.directives.ttl = Some(Duration::from_secs(10)));
    house.answer(&question, "Shakespeare").await;
    house.clock.advance(Duration::from_secs(15));
    let patient = question.clone().with(|ask| ask.directives.max_stale = Some(MaxStale::Any));
    assert_eq!(said(&house.lookup(&patient).await).0, "STALE");
    let offline = question.clone().with(|ask| ask.directives.only_if_cached = true);
    assert_eq!(said(&house.lookup(&offline).await), ("NOT-CACHED", Some("expired")));
}

#[tokio::test]
async fn a_refresh_reads_nothing_and_renews_the_entry() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    house.answer(&question, "Shakespeare").await;
    let fresh = question.clone().with(|ask| ask.directives.no_cache = true);
    let ticket = house.miss(&fresh).await;
    assert_eq!(ticket.outcome, Outcome::Refresh);
    ticket.fill(fresh.filling("Marlowe")).await.unwrap();
    assert_eq!(text(&house.hit(&question).await.entry), "Marlowe");
}

#[tokio::test]
async fn a_reading_mode_keeps_nothing_and_a_writing_mode_reads_nothing() {
    let house = House::open().await;
    let mode = |mode| ask("Who wrote Hamlet?").with(|ask| ask.directives.mode = Some(mode));
    let reading = mode(Mode::ReadOnly);
    let ticket = house.miss(&reading).await;
    assert_eq!(ticket.entry, None);
    assert_eq!(ticket.fill(reading.filling("no")).await.err(), Some(Cause::ReadOnly));
    let writing = mode(Mode::WriteOnly);
    house.answer(&writing, "Shakespeare").await;
    assert_eq!(said(&house.lookup(&writing).await), ("MISS", Some("write-only")));
    assert_eq!(text(&house.hit(&reading).await.entry), "Shakespeare");
}

#[tokio::test]
async fn an_answer_from_a_cloud_is_not_read_by_who_must_stay_local() {
    let house = House::open().await;
    let targets = vec![target("both", "m", Location::Cloud)];
    let question = ask("Who wrote Hamlet?").with(|ask| ask.targets = targets);
    house.answer(&question, "Shakespeare").await;
    let local = question.clone().with(|ask| ask.directives.local_only = true);
    assert_eq!(said(&house.lookup(&local).await), ("MISS", Some("residency")));
}

#[tokio::test]
async fn an_answer_given_by_a_fallback_is_kept_under_who_gave_it() {
    let house = House::open().await;
    let (first, second) = (target("ollama", "llama3", Location::Local), target("openai", "gpt", Location::Cloud));
    let both = ask("Who wrote Hamlet?").with(|ask| ask.targets = vec![first, second.clone()]);
    let mut filling = both.filling("Shakespeare");
    filling.target = second.clone();
    house.miss(&both).await.fill(filling).await.unwrap();
    assert_eq!(said(&house.lookup(&both).await).0, "MISS");
    let direct = both.clone().with(|ask| ask.targets = vec![second]);
    assert_eq!(text(&house.hit(&direct).await.entry), "Shakespeare");
}

#[tokio::test]
async fn a_failing_store_forwards_with_a_reason() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    *house.store.writes_fail.lock() = true;
    let ticket = house.miss(&question).await;
    assert_eq!(ticket.fill(question.filling("Shakespeare")).await.err(), Some(Cause::StoreFault));

    let house = House::open().await;
    house.answer(&question, "Shakespeare").await;
    let again = House::over(house.store.clone(), settings()).await;
    again.engine.warm().await;
    *house.store.reads_fail.lock() = true;
    assert_eq!(said(&again.lookup(&question).await), ("MISS", Some("store-fault")));
}

#[tokio::test]
async fn the_store_is_not_asked_for_what_it_is_known_to_lack() {
    let store = House::open().await.store.clone();
    *store.reads_fail.lock() = true;
    let house = House::over(store.clone(), settings()).await;
    let question = ask("Who wrote Hamlet?");
    assert_eq!(said(&house.lookup(&question).await), ("MISS", Some("store-fault")), "nothing is known yet");
    *store.reads_fail.lock() = false;
    house.engine.warm().await;
    *store.reads_fail.lock() = true;
    assert_eq!(said(&house.lookup(&question).await), ("MISS", None));
}
