//! The share of wrong answers among those served by meaning, and what is done about it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::house::{Ask, House, ask, said, settings};
use crate::cache::{Compared, Group, Settings};
use crate::domain::{Directives, Mode};
use crate::policy::risk::{self, Agreement, Move, Shadow, Standing, UntilCertified};

/// So many questions that are answered, each with a rewording at this cosine.
async fn answered(house: &House, count: usize, cosine: f32) -> Vec<Ask> {
    const WORDS: [&str; 12] = [
        "router",
        "printer",
        "kettle",
        "bicycle",
        "telescope",
        "blender",
        "guitar",
        "freezer",
        "scanner",
        "heater",
        "projector",
        "toaster",
    ];
    let mut reworded = Vec::new();
    for word in &WORDS[..count] {
        let (asked, other) = (format!("How do I reset my {word}?"), format!("How can I reset my {word}?"));
        house.embedder.place(&other, &asked, cosine);
        house.answer(&ask(&asked), &format!("Unplug the {word}")).await;
        reworded.push(ask(&other));
    }
    reworded
}

fn with(shadow: Shadow) -> Settings {
    Settings { risk: risk::Settings { shadow, ..risk::Settings::default() }, ..settings() }
}

fn every_hit() -> Shadow {
    Shadow { rate: 1.0, ..Shadow::default() }
}

#[tokio::test]
async fn too_many_reports_tighten_the_level_and_a_restart_forgets_nothing_of_it() {
    let house = House::open().await;
    let reworded = answered(&house, 8, 0.85).await;
    for ask in &reworded[..5] {
        let hit = house.hit(ask).await;
        house.engine.wrong(hit.entry.id(), None).await.unwrap();
    }
    let (level, standing) = house.engine.operating_level();
    assert!(level.is_none_or(|level| level.least() > 0.4), "{level:?}");
    assert_ne!(standing, Standing::Certified);
    assert_eq!(said(&house.lookup(&reworded[6]).await), ("MISS", Some("risk-budget")));
    let all = house.engine.risk().groups.into_iter().find(|(group, _)| *group == Group::All).unwrap().1;
    assert_eq!(all.moved().map(|(why, _)| why), Some(Move::Reports));
    let store = house.store.clone();
    house.close().await;
    let again = House::over(store, settings()).await;
    assert_eq!(again.engine.operating_level().0, level);
}

#[tokio::test]
async fn a_few_reports_are_taken_of_their_own_pairs_only() {
    let house = House::open().await;
    let reworded = answered(&house, 4, 0.85).await;
    for ask in &reworded[..3] {
        let hit = house.hit(ask).await;
        house.engine.wrong(hit.entry.id(), None).await.unwrap();
    }
    house.hit(&reworded[3]).await;
}

#[tokio::test]
async fn the_operator_may_want_a_certificate_first() {
    let risk = risk::Settings {
        max_false_hit_rate: 1e-6,
        until_certified: UntilCertified::Exact,
        ..risk::Settings::default()
    };
    let house = House::with(Settings { risk, ..settings() }).await;
    let reworded = answered(&house, 1, 0.99).await;
    assert_eq!(said(&house.lookup(&reworded[0]).await), ("MISS", Some("risk-budget")));
    assert_eq!(house.engine.operating_level(), (None, Standing::ExactOnly));
    // The budget is the operator's to change, at once.
    house.engine.configure(settings());
    house.hit(&reworded[0]).await;
}

#[tokio::test]
async fn a_check_that_finds_a_wrong_answer_blocks_the_pair_and_is_counted() {
    let house = House::with(with(every_hit())).await;
    let reworded = answered(&house, 2, 0.9).await;
    let hit = house.hit(&reworded[0]).await;
    house.engine.checked(*hit.check.expect("every hit is checked"), Compared::Different, 30).await;
    assert_eq!(said(&house.lookup(&reworded[0]).await).0, "MISS");
    let hit = house.hit(&reworded[1]).await;
    house.engine.checked(*hit.check.expect("every hit is checked"), Compared::Undecided, 12).await;
    let report = house.engine.risk();
    let (told, undecided, tokens) = (report.spending.told, report.spending.undecided, report.spending.tokens);
    assert_eq!((told, undecided, tokens, report.spending.calls), (1, 1, 42, 2));
    for (group, watch) in &report.groups {
        let bin = watch.now();
        assert_eq!((bin.served, bin.checked.checks, bin.checked.wrong), (2, 1, 1), "{group}");
    }
    assert_eq!(report.groups.len(), 4);
}

#[tokio::test]
async fn wrong_answers_found_by_checks_tighten_at_once() {
    let house = House::with(with(every_hit())).await;
    let reworded = answered(&house, 12, 0.85).await;
    let mut refused = 0;
    for ask in &reworded {
        match house.lookup(ask).await {
            crate::cache::Lookup::Hit(hit) => {
                house.engine.checked(*hit.check.expect("every hit is checked"), Compared::Different, 1).await;
            }
            other => {
                assert_eq!(said(&other), ("MISS", Some("risk-budget")));
                refused += 1;
            }
        }
    }
    assert!(refused >= 8, "{refused}");
}

#[tokio::test]
async fn requests_that_forbid_a_second_call_are_never_checked() {
    let house = House::with(with(every_hit())).await;
    let reworded = answered(&house, 1, 0.95).await.remove(0);
    let forbidding: [fn(&mut Directives); 3] = [
        |directives| directives.only_if_cached = true,
        |directives| directives.local_only = true,
        |directives| directives.mode = Some(Mode::ReadOnly),
    ];
    for forbid in forbidding {
        let hit = house.hit(&reworded.clone().with(|ask| forbid(&mut ask.directives))).await;
        assert!(hit.check.is_none());
    }
    assert!(house.hit(&reworded).await.check.is_some());
}

#[tokio::test]
async fn checks_keep_to_what_a_day_may_cost() {
    let house = House::with(with(Shadow { calls_per_day: 2, ..every_hit() })).await;
    let reworded = answered(&house, 1, 0.95).await.remove(0);
    let mut picked = Vec::new();
    for _ in 0..4 {
        picked.push(house.hit(&reworded).await.check.is_some());
    }
    assert_eq!(picked, [true, true, false, false]);
    house.clock.advance(Duration::from_secs(86_400));
    house.answer(&ask("How do I reset my router?"), "Unplug it").await;
    assert!(house.hit(&reworded).await.check.is_some());
}

#[tokio::test]
async fn who_has_next_to_no_hits_pays_nothing() {
    let house = House::with(with(Shadow { rate: 0.1, ..Shadow::default() })).await;
    let reworded = answered(&house, 1, 0.95).await.remove(0);
    for _ in 0..9 {
        assert!(house.hit(&reworded).await.check.is_none());
    }
    let off = House::with(with(Shadow { rate: 0.0, ..Shadow::default() })).await;
    let reworded = answered(&off, 1, 0.95).await.remove(0);
    for _ in 0..20 {
        assert!(off.hit(&reworded).await.check.is_none());
    }
}

#[tokio::test]
async fn what_the_level_refuses_is_compared_with_the_answer_that_comes_for_nothing() {
    let risk = risk::Settings {
        max_false_hit_rate: 1e-6,
        until_certified: UntilCertified::Exact,
        ..risk::Settings::default()
    };
    let house = House::with(Settings { risk, ..settings() }).await;
    let chat = |text: &str| format!(r#"{{"choices":[{{"message":{{"content":"{text}"}}}}]}}"#);
    let (asked, other) = (ask("How do I reset my router?"), ask("How can I reset my router?"));
    house.embedder.place(&other.prompt, &asked.prompt, 0.95);
    house.answer(&asked, &chat("Hold it for 10 seconds.")).await;
    house.answer(&other, &chat("Hold it for 30 seconds.")).await;
    house.tasks_done().await;
    let all = house.engine.risk().groups.into_iter().find(|(group, _)| *group == Group::All).unwrap().1;
    let found = all.at(risk::Level::LOOSEST);
    assert_eq!((found.checked.checks, found.checked.wrong, found.served), (1, 1, 0));
}

#[tokio::test]
async fn answers_are_embedded_aside_and_only_where_their_words_do_not_tell() {
    let house = House::open().await;
    let long = |subject: &str| format!("It is about {subject}. {}", "There is much to be said about that. ".repeat(8));
    assert_eq!(house.engine.agreement("Yes, it is.", "yes it is").await, Agreement::Same);
    assert_eq!(house.engine.agreement("Yes, it is.", "No, it is not.").await, Agreement::Different);
    assert_eq!(house.embedder.calls(), 0);
    house.engine.agreement(&long("trees"), &long("stones")).await;
    assert_eq!((house.embedder.calls(), house.embedder.aside.load(Ordering::SeqCst)), (2, 2));
}
