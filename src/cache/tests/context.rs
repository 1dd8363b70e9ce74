//! Conversations: how much of what was said before must be the same.

use proptest::prelude::*;

use super::house::{Ask, House, ask, said, settings, text};
use crate::cache::{Lookup, Settings};
use crate::domain::{Match, Speech, Turn};
use crate::policy::context::Context;

const ASKED: &str = "How do I reset my password?";
const REWORDED: &str = "How can I reset my password?";
const LONG: &str = "You will find it under settings, where there is a button for it; then follow the link in the mail.";

fn after(history: Vec<Turn>, prompt: &str) -> Ask {
    ask(prompt).with(|ask| ask.history = history)
}

fn under(context: &str) -> Settings {
    Settings { context: context.parse().expect("a rule"), ..settings() }
}

async fn house(context: &str) -> House {
    let house = House::with(under(context)).await;
    house.embedder.place(REWORDED, ASKED, 0.97);
    house.embedder.place("How can I delete my account?", "How do I delete my account?", 0.96);
    house
}

#[tokio::test]
async fn by_default_the_whole_history_is_equal() {
    let house = house("strict").await;
    house.answer(&after(vec![Turn::user("Hello there, who are you?"), Turn::model(LONG)], ASKED), "Click").await;
    house.hit(&after(vec![Turn::user("Hello there, who are you?"), Turn::model(LONG)], REWORDED)).await;
    for other in [vec![Turn::user("Hi, who are you?"), Turn::model(LONG)], vec![Turn::model(LONG)], vec![]] {
        assert_eq!(said(&house.lookup(&after(other, REWORDED)).await), ("MISS", None));
    }
}

#[tokio::test]
async fn a_window_forgets_what_was_said_before_it() {
    let house = house("window:1").await;
    house.answer(&after(vec![Turn::user("Is there a free plan?"), Turn::model(LONG)], ASKED), "Click").await;
    let hit = house.hit(&after(vec![Turn::user("Which plans are there?"), Turn::model(LONG)], REWORDED)).await;
    assert!(matches!(hit.how, Match::Semantic(_)));
    for other in [
        vec![Turn::user("Is there a free plan?"), Turn::model("No")],
        vec![],
        vec![Turn::system("in French"), Turn::model(LONG)],
    ] {
        assert_eq!(said(&house.lookup(&after(other, REWORDED)).await), ("MISS", None));
    }
    let exact = after(vec![Turn::user("Which plans are there?"), Turn::model(LONG)], ASKED);
    assert!(matches!(house.hit(&exact).await.how, Match::Semantic(_)), "another history is another request");
}

#[tokio::test]
async fn earlier_questions_are_compared_by_meaning_in_order() {
    let house = house("questions").await;
    let told = |question: &str| vec![Turn::user(question), Turn::model(&format!("{question} {LONG}"))];
    house.answer(&after(told("How do I delete my account?"), ASKED), "Click").await;
    house.hit(&after(told("How can I delete my account?"), REWORDED)).await;
    let other = after(told("How do I create my account?"), REWORDED);
    house.embedder.place("How do I create my account?", "How do I delete my account?", 0.98);
    assert_eq!(said(&house.lookup(&other).await), ("MISS", Some("history")));
    let far = after(told("Who wrote Hamlet?"), REWORDED);
    assert_eq!(said(&house.lookup(&far).await), ("MISS", Some("history")));
    let more = [told("How do I delete my account?"), told("Who wrote Hamlet?")].concat();
    assert_eq!(said(&house.lookup(&after(more, REWORDED)).await), ("MISS", None));
    let strict = after(told("How can I delete my account?"), REWORDED).with(|ask| {
        ask.directives.min_similarity = Some(0.965);
    });
    assert_eq!(said(&house.lookup(&strict).await), ("MISS", Some("history")), "the caller's floor holds for all");
}

#[tokio::test]
async fn a_follow_up_matches_by_meaning_only_where_its_whole_history_is_equal() {
    for context in ["window:1", "questions"] {
        let house = house(context).await;
        house.embedder.place("And in the winter?", "And in winter?", 0.97);
        let roses = vec![Turn::user("When do I prune roses in a garden?"), Turn::model(LONG)];
        let paths = vec![Turn::user("When do I prune the roses in a garden?"), Turn::model(LONG)];
        house.embedder.place("When do I prune the roses in a garden?", "When do I prune roses in a garden?", 0.99);
        house.answer(&after(roses.clone(), "And in winter?"), "Leave them").await;
        house.hit(&after(roses, "And in the winter?")).await;
        let other = house.lookup(&after(paths.clone(), "And in the winter?")).await;
        assert_eq!(said(&other), ("MISS", Some("follow-up")), "{context}");
        // Nor does an entry that leans answer a question that does not.
        house.embedder.place("How do I prune roses in winter?", "And in winter?", 0.99);
        let alone = house.lookup(&after(paths, "How do I prune roses in winter?")).await;
        assert_eq!(said(&alone).0, "MISS", "{context}");
    }
}

#[tokio::test]
async fn what_was_kept_under_one_rule_is_found_under_another_by_equality_only() {
    let house = house("window:1").await;
    let (one, other) = (
        vec![Turn::user("Is there a free plan?"), Turn::model(LONG)],
        vec![Turn::user("What is new?"), Turn::model(LONG)],
    );
    house.answer(&after(one.clone(), ASKED), "Click").await;
    for context in ["strict", "window:2", "questions"] {
        house.engine.configure(under(context));
        assert_eq!(said(&house.lookup(&after(other.clone(), REWORDED)).await).0, "MISS", "{context}");
        house.hit(&after(one.clone(), REWORDED)).await;
    }
    house.engine.configure(under("window:1"));
    house.hit(&after(other, REWORDED)).await;
}

#[tokio::test]
async fn another_embedder_sees_the_earlier_questions_too() {
    let house = house("questions").await;
    let told = |question: &str| vec![Turn::user(question), Turn::model(LONG)];
    house.answer(&after(told("How do I delete my account?"), ASKED), "Click").await;
    let second = std::sync::Arc::new(super::house::FakeEmbedder::new("second"));
    second.place(REWORDED, ASKED, 0.95);
    second.place("How can I delete my account?", "How do I delete my account?", 0.95);
    house.engine.set_embedder(Some(second));
    house.tasks_done().await;
    let hit = house.hit(&after(told("How can I delete my account?"), REWORDED)).await;
    assert_eq!(text(&hit.entry), "Click");
}

#[tokio::test]
async fn explain_says_what_of_a_conversation_counts() {
    let house = house("questions").await;
    let told = |prompt: &str| after(vec![Turn::user("How do I delete my account?"), Turn::model(LONG)], prompt).query();
    let explain = async |prompt: &str| {
        let (directives, lifetimes) = Default::default();
        house.engine.explain(told(prompt), &directives, lifetimes).await.history
    };
    use crate::policy::context::{History, Whole};
    use crate::policy::leaning::Leaning;
    assert!(
        matches!(explain(ASKED).await, Some((Context::Questions, History::Part(part))) if part.questions.len() == 1)
    );
    let leans = (Context::Questions, History::Whole(Whole::Leans(Leaning::Opening)));
    assert_eq!(explain("And in winter?").await, Some(leans));
}

/// Few messages and few rules, so that conversations meet.
fn steps() -> impl Strategy<Value = Vec<(Vec<Turn>, &'static str, &'static str)>> {
    let message = prop_oneof![
        prop::sample::select(vec!["How do I delete my account?", "How can I delete my account?", "Who wrote Hamlet?"])
            .prop_map(Turn::user),
        prop::sample::select(vec![LONG, "yes"]).prop_map(Turn::model),
        prop::sample::select(vec!["be brief", "be verbose"]).prop_map(Turn::system),
    ];
    let prompt = prop::sample::select(vec![ASKED, REWORDED, "And in winter?"]);
    let context = prop::sample::select(vec!["strict", "window:1", "window:2", "questions"]);
    prop::collection::vec((prop::collection::vec(message, 0..4), prompt, context), 1..24)
}

/// Whether a rule lets an answer to `a` answer `b`, spelt out plainly.
fn allowed(a: &(Vec<Turn>, &str), b: &(Vec<Turn>, &str), context: &str) -> bool {
    if a.0 == b.0 {
        return (a.1 == "And in winter?") == (b.1 == "And in winter?");
    }
    let told = |turns: &[Turn]| -> Vec<Turn> {
        turns.iter().filter(|turn| turn.speech == Speech::Instruction).cloned().collect()
    };
    let last = |turns: &[Turn], n: usize| -> Vec<Turn> {
        let spoken: Vec<Turn> = turns.iter().filter(|turn| turn.speech != Speech::Instruction).cloned().collect();
        spoken[spoken.len().saturating_sub(n)..].to_vec()
    };
    let account = |turn: &Turn| turn.user_text().is_some_and(|text| text.contains("account"));
    let alike = |(x, y): (&Turn, &Turn)| x == y || account(x) && account(y);
    [a.1, b.1].iter().all(|prompt| *prompt != "And in winter?")
        && told(&a.0) == told(&b.0)
        && match context {
            "window:1" => last(&a.0, 1) == last(&b.0, 1),
            "window:2" => last(&a.0, 2) == last(&b.0, 2),
            "questions" => a.0.len() == b.0.len() && a.0.iter().zip(&b.0).all(alike),
            _ => false,
        }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_rule_and_no_change_of_rules_crosses_answers(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = house("strict").await;
            let mut answered: Vec<(Vec<Turn>, &str)> = Vec::new();
            for (turns, prompt, context) in steps {
                house.engine.configure(under(context));
                let asked = (turns, prompt);
                match house.lookup(&after(asked.0.clone(), prompt)).await {
                    Lookup::Hit(hit) => {
                        let kept: usize = text(&hit.entry).parse().unwrap();
                        assert!(allowed(&answered[kept], &asked, context), "{context}: {:?} for {asked:?}", answered[kept]);
                    }
                    Lookup::Miss(ticket) => {
                        let strictly = answered.iter().any(|kept| kept.0 == asked.0 && allowed(kept, &asked, "strict"));
                        assert!(!strictly, "{context}: an equal history always suffices: {asked:?}");
                        let name = answered.len().to_string();
                        answered.push(asked.clone());
                        ticket.fill(after(asked.0, prompt).filling(&name)).await.unwrap();
                    }
                    other => panic!("{:?}", said(&other)),
                }
            }
        });
    }
}
