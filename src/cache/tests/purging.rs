//! What is purged is gone, everywhere, for good.

use std::sync::Arc;
use std::time::Duration;

use super::house::{Ask, House, STREAMED, ask, said, settings, target};
use crate::cache::{Filter, Followed, PurgeError};
use crate::domain::{Cause, Lasting, Location, Namespace, Tag, TenantId};
use crate::embed::EmbedError;
use crate::store::EntryStore;

fn tagged(prompt: &str, tag: &str) -> Ask {
    ask(prompt).with(|ask| ask.directives.tags = vec![Tag(tag.into())])
}

fn by_tag(tag: &str) -> Filter {
    Filter { tag: Some(Tag(tag.into())), ..Filter::default() }
}

#[tokio::test]
async fn each_filter_takes_what_it_names_and_nothing_else() {
    let house = House::open().await;
    let plain = ask("Who wrote Hamlet?");
    let cases = [
        (by_tag("doc-1"), tagged("one", "doc-1")),
        (
            Filter { namespace: Some(Namespace("test".into())), ..Filter::default() },
            ask("two").with(|ask| (ask.namespace, ask.directives.namespace) = ("test", Namespace("test".into()))),
        ),
        (
            Filter { tenant: Some(TenantId("bob".into())), ..Filter::default() },
            ask("three").with(|ask| ask.tenant = "bob"),
        ),
        (
            Filter { upstream: Some("openai".into()), ..Filter::default() },
            ask("four").with(|ask| ask.targets = vec![target("openai", "gpt", Location::Cloud)]),
        ),
        (
            Filter { model: Some("qwen".into()), ..Filter::default() },
            ask("five").with(|ask| ask.targets = vec![target("ollama", "qwen", Location::Local)]),
        ),
    ];
    house.answer(&plain, "Shakespeare").await;
    for (_, question) in &cases {
        house.answer(question, "an answer").await;
    }
    for (filter, question) in cases {
        assert_eq!(house.engine.purge(&filter, true).await.unwrap().entries, 1, "{filter:?}");
        house.hit(&question).await;
        let id = house.hit(&question).await.entry.id();
        assert_eq!(house.engine.purge(&filter, false).await.unwrap().entries, 1);
        assert_eq!(said(&house.lookup(&question).await).0, "MISS");
        if filter.namespace.is_some() {
            // A whole namespace leaves the disk behind the answer.
            house.tasks_done().await;
        }
        assert_eq!(house.store.get(id).await.unwrap(), None);
    }
    house.hit(&plain).await;
    let everything = Filter { all: true, ..Filter::default() };
    assert_eq!(house.engine.purge(&everything, false).await.unwrap().entries, 1);
    let census = house.engine.census();
    assert_eq!((census.entries, census.bytes, census.index.vectors), (0, 0, 0));
}

#[tokio::test]
async fn age_and_likeness_are_filters_too() {
    let house = House::open().await;
    house.embedder.place("the old price list", "price list", 0.95);
    house.answer(&ask("the old price list"), "ten").await;
    house.clock.advance(Duration::from_secs(100));
    house.answer(&ask("Who wrote Hamlet?"), "Shakespeare").await;
    let old = Filter { older_than: Some(Lasting::seconds(50)), ..Filter::default() };
    assert_eq!(house.engine.purge(&old, true).await.unwrap().entries, 1);
    let like = Filter { similar_to: Some("price list".into()), ..Filter::default() };
    assert_eq!(house.engine.purge(&like, false).await.unwrap().entries, 1);
    house.hit(&ask("Who wrote Hamlet?")).await;
    *house.embedder.fault.lock() = Some(EmbedError::Timeout);
    assert!(matches!(house.engine.purge(&like, true).await, Err(PurgeError::Embedding(Cause::EmbedTimeout))));
}

#[tokio::test]
async fn a_filter_that_says_nothing_is_refused() {
    let house = House::open().await;
    assert!(matches!(house.engine.purge(&Filter::default(), false).await, Err(PurgeError::Empty)));
}

#[tokio::test]
async fn an_answer_under_way_loses_against_a_purge_that_names_it() {
    let house = House::open().await;
    let (named, other) = (tagged("Who wrote Hamlet?", "doc-1"), tagged("Who wrote Faust?", "doc-2"));
    let (first, second) = (house.miss(&named).await, house.miss(&other).await);
    house.engine.purge(&by_tag("doc-1"), false).await.unwrap();
    assert_eq!(first.fill(named.filling("Shakespeare")).await.err(), Some(Cause::Purged));
    second.fill(other.filling("Goethe")).await.unwrap();
    assert_eq!(said(&house.lookup(&named).await).0, "MISS");
    house.answer(&named, "Shakespeare, revised").await;
    house.hit(&named).await;
}

#[tokio::test]
async fn nobody_joins_what_was_under_way_before_a_purge_but_who_is_on_board_arrives() {
    let house = House::open().await;
    let question = tagged("Who wrote Hamlet?", "doc-1").with(|ask| ask.shape = STREAMED);
    house.versions.tell(&question.targets[0], "sha256:one");
    let ticket = house.miss(&question).await;
    let mut other_shape = house.join(&tagged("Who wrote Hamlet?", "doc-1")).await;
    house.engine.purge(&by_tag("doc-1"), false).await.unwrap();
    let after = house.miss(&question).await;
    // The earlier flight's end does not take the later one off the list.
    assert_eq!(ticket.fill(question.filling("Shakespeare")).await.err(), Some(Cause::Purged));
    assert!(matches!(other_shape.begin().await, Followed::Whole(_)));
    house.join(&question).await;
    after.fill(question.filling("Shakespeare, revised")).await.unwrap();
    house.hit(&question).await;
}

#[tokio::test]
async fn one_entry_can_be_removed_even_while_it_is_renewed() {
    let house = House::open().await;
    let question = ask("Who wrote Hamlet?");
    let id = house.answer(&question, "Shakespeare").await.id();
    let renewing = house.miss(&question.clone().with(|ask| ask.directives.no_cache = true)).await;
    assert!(house.engine.remove(id).await.unwrap());
    assert!(!house.engine.remove(id).await.unwrap());
    assert_eq!(renewing.fill(question.filling("Shakespeare")).await.err(), Some(Cause::Purged));
    assert_eq!(said(&house.lookup(&question).await).0, "MISS");
}

#[tokio::test]
async fn a_purge_that_the_store_refuses_is_not_acknowledged_and_serves_no_more() {
    let house = House::open().await;
    let question = tagged("Who wrote Hamlet?", "doc-1");
    house.answer(&question, "Shakespeare").await;
    *house.store.writes_fail.lock() = true;
    assert!(matches!(house.engine.purge(&by_tag("doc-1"), false).await, Err(PurgeError::Store(_))));
    assert_eq!(said(&house.lookup(&question).await).0, "MISS");
    assert_eq!(house.engine.census().entries, 0);
}

fn in_test(prompt: &str) -> Ask {
    ask(prompt).with(|ask| (ask.namespace, ask.directives.namespace) = ("test", Namespace("test".into())))
}

fn the_test_namespace() -> Filter {
    Filter { namespace: Some(Namespace("test".into())), ..Filter::default() }
}

#[tokio::test]
async fn a_namespace_is_empty_before_the_disk_has_let_go_of_it() {
    let house = House::open().await;
    let (inside, outside) = (in_test("Who wrote Hamlet?"), ask("Who wrote Hamlet?"));
    let id = house.answer(&inside, "Shakespeare").await.id();
    house.answer(&outside, "Shakespeare").await;
    // Nothing leaves the disk for now.
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    *house.store.gate.lock() = Some(gate.clone());
    assert_eq!(house.engine.purge(&the_test_namespace(), false).await.unwrap().entries, 1);
    assert_eq!(said(&house.lookup(&inside).await).0, "MISS");
    house.hit(&outside).await;
    assert_eq!(house.engine.census().entries, 1);
    assert_eq!(house.engine.purge(&the_test_namespace(), true).await.unwrap().entries, 0);
    assert!(house.engine.entries(&Filter::default(), 10, None).await.unwrap().entries.len() == 1);
    assert_eq!(house.engine.export(None, 10).await.unwrap().len(), 1);
    assert!(house.store.get(id).await.unwrap().is_some());
    *house.store.gate.lock() = None;
    gate.close();
    house.tasks_done().await;
    assert_eq!(house.store.get(id).await.unwrap(), None);
    // What is answered anew stays.
    house.answer(&inside, "Shakespeare, revised").await;
    house.tasks_done().await;
    house.hit(&inside).await;
}

#[tokio::test]
async fn an_emptied_namespace_stays_empty_when_the_process_dies_before_the_disk_follows() {
    let house = House::open().await;
    let mut ids = Vec::new();
    for i in 0..300 {
        ids.push(house.answer(&in_test(&format!("question {i}")), "an answer").await.id());
    }
    house.answer(&ask("Who wrote Hamlet?"), "Shakespeare").await;
    *house.store.gate.lock() = Some(Arc::new(tokio::sync::Semaphore::new(0)));
    house.engine.purge(&the_test_namespace(), false).await.unwrap();
    // As after a crash: the disk holds everything, and the note.
    *house.store.gate.lock() = None;
    let again = House::over(house.store.clone(), settings()).await;
    for i in [0, 299] {
        assert_eq!(said(&again.lookup(&in_test(&format!("question {i}"))).await).0, "MISS");
    }
    again.hit(&ask("Who wrote Hamlet?")).await;
    again.engine.warm().await;
    assert_eq!(again.engine.census().entries, 1);
    again.tasks_done().await;
    for id in ids {
        assert_eq!(again.store.get(id).await.unwrap(), None);
    }
    again.clock.advance(Duration::from_secs(1));
    again.answer(&in_test("question 0"), "another answer").await;
    let third = House::over(house.store.clone(), settings()).await;
    third.hit(&in_test("question 0")).await;
}

#[tokio::test]
async fn a_purge_that_could_not_reach_the_disk_is_brought_to_its_end_by_the_next() {
    let house = House::open().await;
    let question = tagged("Who wrote Hamlet?", "doc-1");
    let id = house.answer(&question, "Shakespeare").await.id();
    *house.store.writes_fail.lock() = true;
    house.engine.purge(&by_tag("doc-1"), false).await.unwrap_err();
    *house.store.writes_fail.lock() = false;
    house.engine.purge(&by_tag("doc-1"), false).await.unwrap();
    assert_eq!(house.store.get(id).await.unwrap(), None);
}

#[tokio::test]
async fn filters_combine_and_likeness_is_one_of_them() {
    let house = House::open().await;
    house.embedder.place("the old price list", "price list", 0.95);
    house.embedder.place("the price list of last year", "price list", 0.9);
    house.answer(&tagged("the old price list", "doc-1"), "ten").await;
    house.answer(&tagged("the price list of last year", "doc-2"), "nine").await;
    house.answer(&tagged("Who wrote Hamlet?", "doc-1"), "Shakespeare").await;
    let like = Filter { similar_to: Some("price list".into()), ..Filter::default() };
    let count = async |filter: Filter| house.engine.purge(&filter, true).await.unwrap().entries;
    assert_eq!(count(like.clone()).await, 2);
    assert_eq!(count(Filter { min_similarity: Some(0.92), ..like.clone() }).await, 1);
    assert_eq!(count(Filter { tag: Some(Tag("doc-2".into())), ..like.clone() }).await, 1);
    assert_eq!(count(Filter { tenant: Some(TenantId("bob".into())), ..like.clone() }).await, 0);
    assert_eq!(count(Filter { namespace: Some(Namespace("test".into())), ..like.clone() }).await, 0);
    assert_eq!(count(Filter { older_than: Some(Lasting::seconds(9)), ..like.clone() }).await, 0);
    let both = Filter { tag: Some(Tag("doc-1".into())), model: Some("llama3".into()), ..like };
    assert_eq!(house.engine.purge(&both, false).await.unwrap().entries, 1);
    assert_eq!(house.engine.census().entries, 2);
    let nothing = Filter { min_similarity: Some(0.9), ..Filter::default() };
    assert!(matches!(house.engine.purge(&nothing, true).await, Err(PurgeError::Empty)));
}
