//! What the rules leave in doubt, read by a reranker that says what it is told.

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use super::house::{Ask, House, ask, said, settings};
use crate::cache::{Readings, Settings};
use crate::domain::{Lifetimes, Outcome};
use crate::embed::{EmbedError, Reranker};
use crate::policy::risk::UntilCertified;

const ASKED: &str = "How do I paint my canoe?";
/// Another thing, or the same in other words: no list knows, and similarity alone does not answer.
const UNSURE: &str = "How do I paint my fishing boat?";

#[derive(Debug)]
struct Told(Mutex<Result<f32, EmbedError>>);

#[async_trait]
impl Reranker for Told {
    async fn sureness(&self, _: &str, _: &str) -> Result<f32, EmbedError> {
        self.0.lock().clone()
    }
}

async fn house(settings: Settings, told: Result<f32, EmbedError>) -> House {
    let house = House::with(settings).await;
    house.embedder.place(UNSURE, ASKED, 0.83);
    house.answer(&ask(ASKED), "With boat paint").await;
    house.engine.set_reranker(Some(Arc::new(Told(Mutex::new(told)))));
    house
}

fn unsure() -> Ask {
    ask(UNSURE)
}

#[tokio::test]
async fn a_sure_reranker_makes_a_hit_of_what_was_in_doubt() {
    let house = house(settings(), Ok(0.97)).await;
    assert_eq!(said(&house.lookup(&unsure()).await), ("HIT", None));
    assert_eq!(house.engine.readings(), Some(Readings { accepted: 1, ..Readings::default() }));
    house.engine.set_reranker(None);
    assert_eq!(said(&house.lookup(&unsure()).await), ("MISS", Some("below-threshold")));
    assert_eq!(house.engine.readings(), None);
}

#[tokio::test]
async fn whatever_keeps_it_from_being_sure_leaves_a_miss() {
    let reasons = [
        (Ok(0.5), Readings { refused: 1, ..Readings::default() }),
        (Err(EmbedError::Busy), Readings { late: 1, ..Readings::default() }),
        (Err(EmbedError::Timeout), Readings { late: 1, ..Readings::default() }),
        (Err(EmbedError::Fault("told so".into())), Readings { failed: 1, ..Readings::default() }),
    ];
    for (told, readings) in reasons {
        let house = house(settings(), told.clone()).await;
        assert_eq!(said(&house.lookup(&unsure()).await), ("MISS", Some("below-threshold")), "{told:?}");
        assert_eq!(house.engine.readings(), Some(readings), "{told:?}");
    }
}

#[tokio::test]
async fn vetoes_floors_and_the_risk_budget_stand() {
    let sure = house(settings(), Ok(1.0)).await;
    sure.embedder.place("How do I unpaint my canoe?", ASKED, 0.97);
    assert_eq!(said(&sure.lookup(&ask("How do I unpaint my canoe?")).await), ("MISS", Some("veto-antonym")));
    let strict = unsure().with(|ask| ask.directives.min_similarity = Some(0.9));
    assert_eq!(said(&sure.lookup(&strict).await), ("MISS", Some("below-threshold")));
    assert_eq!(sure.engine.readings(), Some(Readings::default()));

    let mut exact = settings();
    exact.risk.until_certified = UntilCertified::Exact;
    let exact = house(exact, Ok(1.0)).await;
    assert_eq!(said(&exact.lookup(&unsure()).await), ("MISS", Some("risk-budget")));
}

#[tokio::test]
async fn explaining_asks_it_and_counts_nothing() {
    let house = house(settings(), Ok(0.97)).await;
    let told = house.engine.explain(unsure().query(), &unsure().directives, Lifetimes::default()).await;
    assert_eq!(told.outcome, Outcome::Hit);
    assert_eq!(told.candidates[0].finding.as_ref().unwrap().sureness, Some(0.97));
    assert_eq!(house.engine.readings(), Some(Readings::default()));
}
