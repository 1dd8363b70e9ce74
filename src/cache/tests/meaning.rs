//! Another wording of the same question.

use std::time::Duration;

use super::house::{House, ask, said, text};
use crate::domain::{Match, Outcome};
use crate::embed::EmbedError;

const ASKED: &str = "How do I reset my password?";
const REWORDED: &str = "How can I reset my password?";

async fn answered() -> House {
    let house = House::open().await;
    house.embedder.place(REWORDED, ASKED, 0.97);
    house.answer(&ask(ASKED), "Click on forgot password").await;
    house
}

#[tokio::test]
async fn a_reworded_question_gets_the_answer() {
    let house = answered().await;
    let hit = house.hit(&ask(REWORDED)).await;
    assert_eq!((text(&hit.entry), hit.outcome), ("Click on forgot password", Outcome::Hit));
    assert!(matches!(hit.how, Match::Semantic(similarity) if (similarity - 0.97).abs() < 1e-3));
}

#[tokio::test]
async fn nothing_crosses_a_scope_however_alike_the_words() {
    let house = answered().await;
    let others = [
        ask(REWORDED).with(|ask| ask.tenant = "bob"),
        ask(REWORDED).with(|ask| ask.namespace = "test"),
        ask(REWORDED).with(|ask| ask.frame = "answer in French"),
    ];
    for other in &others {
        assert_eq!(said(&house.lookup(other).await), ("MISS", None), "{other:?}");
    }
}

#[tokio::test]
async fn a_far_question_is_a_miss_with_its_reason() {
    let house = answered().await;
    house.embedder.place("How do I feed my parrot?", ASKED, 0.5);
    assert_eq!(said(&house.lookup(&ask("How do I feed my parrot?")).await), ("MISS", Some("below-threshold")));
}

#[tokio::test]
async fn a_caller_may_ask_for_more_similarity() {
    let house = answered().await;
    let strict = ask(REWORDED).with(|ask| ask.directives.min_similarity = Some(0.99));
    assert_eq!(said(&house.lookup(&strict).await), ("MISS", Some("below-threshold")));
}

#[tokio::test]
async fn each_embedder_fault_is_a_reason_to_forward() {
    let house = answered().await;
    let faults = [
        (EmbedError::Busy, "embed-busy"),
        (EmbedError::Timeout, "embed-timeout"),
        (EmbedError::Fault("told so".into()), "embed-fault"),
    ];
    for (fault, reason) in faults {
        *house.embedder.fault.lock() = Some(fault);
        assert_eq!(said(&house.lookup(&ask(REWORDED)).await), ("MISS", Some(reason)));
    }
    house.engine.set_embedder(None);
    assert_eq!(said(&house.lookup(&ask(REWORDED)).await), ("MISS", Some("no-embedder")));
    assert_eq!(said(&house.lookup(&ask(ASKED)).await), ("HIT", None));
}

#[tokio::test]
async fn a_prompt_is_embedded_once_from_lookup_to_entry() {
    let house = House::open().await;
    let entry = house.answer(&ask(ASKED), "Click").await;
    assert!(entry.placement.as_ref().is_some_and(|placement| placement.embedded.is_some()));
    assert_eq!(house.embedder.calls(), 1);
    house.hit(&ask(ASKED)).await;
    assert_eq!(house.embedder.calls(), 1);
}

#[tokio::test]
async fn a_stale_candidate_is_not_offered() {
    let house = answered().await;
    house.clock.advance(Duration::from_secs(86_400));
    assert_eq!(said(&house.lookup(&ask(REWORDED)).await), ("MISS", Some("expired")));
}

#[tokio::test]
async fn prompts_over_the_window_meet_only_where_the_unseen_rest_is_the_same() {
    let house = House::open().await;
    let head = "x".repeat(house.embedder.window);
    house.answer(&ask(&format!("{head} tell me about cats")), "Cats").await;
    let other = ask(&format!("{head} tell me about dogs"));
    assert_eq!(said(&house.lookup(&other).await), ("MISS", None));
}
