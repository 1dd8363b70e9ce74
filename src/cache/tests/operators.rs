//! Looking at what is kept and why what is served.

use super::house::{House, ask, said, settings, text};
use crate::cache::Filter;
use crate::domain::{Lifetimes, Match, Namespace, Outcome};

#[tokio::test]
async fn entries_are_listed_page_by_page_with_their_hits() {
    let house = House::open().await;
    for i in 0..5 {
        house.answer(&ask(&format!("question {i}")), "an answer").await;
    }
    house.hit(&ask("question 3")).await;
    let mut seen = Vec::new();
    let mut cursor = None;
    loop {
        let page = house.engine.entries(&Filter::default(), 2, cursor).await.unwrap();
        seen.extend(page.entries);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen.len(), 5);
    let hits: Vec<_> = seen.iter().map(|listed| (&*listed.entry.prompt, listed.hits)).collect();
    assert!(hits.contains(&("question 3", 1)) && hits.contains(&("question 2", 0)));
    let elsewhere = Filter { namespace: Some(Namespace("test".into())), ..Filter::default() };
    assert!(house.engine.entries(&elsewhere, 10, None).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn explaining_shows_every_candidate_and_changes_nothing() {
    let house = House::open().await;
    let entry = house.answer(&ask("How do I reset my password?"), "Click").await;
    house.embedder.place("How can I reset my password?", "How do I reset my password?", 0.97);
    let reworded = ask("How can I reset my password?");
    let told = house.engine.explain(reworded.query(), &reworded.directives, Lifetimes::default()).await;
    assert_eq!((told.outcome, told.candidates.len(), told.candidates[0].against), (Outcome::Hit, 1, None));
    let (served, how) = told.served.unwrap();
    assert_eq!((text(&served), matches!(how, Match::Semantic(_))), ("Click", true));
    let unlike = ask("What is the capital of Peru?");
    house.embedder.place("What is the capital of Peru?", "How do I reset my password?", 0.5);
    let told = house.engine.explain(unlike.query(), &unlike.directives, Lifetimes::default()).await;
    assert_eq!((told.outcome, told.candidates.len()), (Outcome::Miss, 1), "the nearest is shown however far it is");
    assert_eq!(told.reason.map(|reason| reason.as_str()), Some("below-threshold"));
    assert_eq!(house.engine.entry(entry.id()).await.unwrap().unwrap().hits, 0);
    assert_eq!(house.engine.census().flights, 0);
}

#[tokio::test]
async fn explaining_a_bypass_says_why() {
    let house = House::open().await;
    let private = ask("anything").with(|ask| ask.directives.no_store = true);
    let told = house.engine.explain(private.query(), &private.directives, Lifetimes::default()).await;
    assert_eq!(told.outcome, Outcome::Bypass);
    assert_eq!(told.reason.map(|reason| reason.as_str()), Some("no-store"));
}

#[tokio::test]
async fn a_match_reported_as_wrong_never_matches_again() {
    let house = House::open().await;
    let (asked, reworded) = (ask("How do I reset my password?"), ask("How can I reset my password?"));
    house.embedder.place(&reworded.prompt, &asked.prompt, 0.97);
    let id = house.answer(&asked, "Click").await.id();
    house.hit(&reworded).await;
    let reported = house.engine.wrong(id, None).await.unwrap();
    assert_eq!((reported.pairs, reported.reports, reported.quarantined), (1, 1, false));
    assert_eq!(said(&house.lookup(&reworded).await), ("MISS", Some("feedback")));
    house.hit(&asked).await;
    let again = House::over(house.store.clone(), settings()).await;
    again.embedder.place(&reworded.prompt, &asked.prompt, 0.97);
    again.engine.warm().await;
    assert_eq!(said(&again.lookup(&reworded).await), ("MISS", Some("feedback")));
}

#[tokio::test]
async fn an_entry_reported_repeatedly_is_served_to_nobody_until_it_is_answered_anew() {
    let house = House::open().await;
    let asked = ask("How do I reset my password?");
    let id = house.answer(&asked, "Click").await.id();
    house.engine.wrong(id, None).await.unwrap();
    assert!(house.engine.wrong(id, None).await.unwrap().quarantined);
    assert_eq!(said(&house.lookup(&asked).await), ("MISS", Some("feedback")));
    house.answer(&asked, "Ask your administrator").await;
    assert_eq!(text(&house.hit(&asked).await.entry), "Ask your administrator");
}
