//! Served answers are checked in the background, and the risk of serving them is told.

use crate::harness::{FakeUpstream, TestApp};

const ASKED: &str = "How do I reset my password?";
const REWORDED: &str = "How can I reset my password?";

async fn checking(upstream: FakeUpstream) -> TestApp {
    let config = "[semantic]\nmin_similarity = 0.8\n[semantic.shadow]\nrate = 1.0\n";
    TestApp::builder().upstream(upstream).config(config).semantic().start().await
}

#[tokio::test]
async fn a_served_answer_that_a_fresh_one_contradicts_is_served_no_more() {
    // The answer kept, the fresh one it is checked against, and that once more: the model is steady.
    let upstream =
        FakeUpstream::openai().reply("The code has 4 digits.").reply("It has 6 digits.").reply("It has 6 digits.");
    let app = checking(upstream.reply("It has 6 digits.")).await;
    app.chat(ASKED).send().await;
    assert_eq!(app.chat(REWORDED).send().await.header("x-cache-match"), "semantic");
    let risk = app.until_checked(1).await;
    let all = &risk["groups"][0];
    assert_eq!(
        (&all["kind"], &all["served"], &all["labelled"], &all["wrong"]),
        (&"all".into(), &1.into(), &1.into(), &1.into())
    );
    assert_eq!(risk["checks"]["calls_today"], 2);
    assert_eq!(risk["groups"].as_array().unwrap().len(), 4);
    let after = app.chat(REWORDED).send().await;
    assert_eq!((after.outcome(), after.reason()), ("MISS", "feedback"));
}

#[tokio::test]
async fn a_served_answer_that_a_fresh_one_repeats_counts_as_right() {
    let app = checking(FakeUpstream::openai().reply("On the account page.").reply("On the account page")).await;
    app.chat(ASKED).send().await;
    app.chat(REWORDED).send().await;
    let risk = app.until_checked(1).await;
    assert_eq!((&risk["groups"][0]["wrong"], &risk["standing"]), (&0.into(), &"not yet certified".into()));
    assert_eq!((&risk["max_false_hit_rate"], &risk["checks_needed_without_error"]), (&0.01.into(), &688.into()));
    assert_eq!(risk["calibration"]["curve"].as_array().unwrap().len(), 50);
    assert_eq!(app.chat(REWORDED).header("cache-control", "only-if-cached").send().await.outcome(), "HIT");
    let metrics = app.admin_get("/metrics").send().await;
    assert!(metrics.text().contains("dejavu_risk_least_score"), "{}", metrics.text());
}

/// Two answers that neither facts nor likeness tell apart.
const KEPT: &str = "Open the account page and follow the link about a forgotten password.";
const FRESH: &str = "Write to the help desk, and they will mail you a password for one day.";

async fn judged(word: &'static str) -> (TestApp, serde_json::Value) {
    let config = "[semantic.shadow]\nrate = 1.0\njudge_model = \"umpire\"\n[[route]]\nmodel = \"umpire\"\nto = [\"umpire\"]\n\
                  [[route]]\nmodel = \"*\"\nto = [\"openai\"]\n";
    let model = FakeUpstream::openai().reply(KEPT).always(FRESH);
    let umpire = FakeUpstream::openai().named("umpire").always(word);
    let app = TestApp::builder().upstream(model).upstream(umpire).config(config).semantic().start().await;
    app.chat(ASKED).send().await;
    assert_eq!(app.chat(REWORDED).send().await.header("x-cache-match"), "semantic");
    let told = app.until_checked(1).await;
    (app, told)
}

#[tokio::test]
async fn a_judge_model_tells_where_comparing_does_not() {
    for (word, wrong, after) in [("Same.", 0, ("HIT", "")), ("DIFFERENT", 1, ("MISS", "feedback"))] {
        let (app, risk) = judged(word).await;
        assert_eq!(
            (&risk["checks"]["told"], &risk["groups"][0]["wrong"]),
            (&1.into(), &wrong.into()),
            "{word}: {risk}"
        );
        let asked = &app.upstreams[1].seen()[0].json();
        assert_eq!(asked["model"], "umpire");
        let question = asked["messages"][0]["content"].as_str().unwrap();
        assert!([REWORDED, KEPT, FRESH].iter().all(|text| question.contains(text)), "{question}");
        let reply = app.chat(REWORDED).header("x-cache-mode", "read-only").send().await;
        assert_eq!((reply.outcome(), reply.reason()), after, "{word}");
    }
}

#[tokio::test]
async fn a_judge_model_that_says_neither_word_decides_nothing() {
    let (_app, risk) = judged("It depends on what one needs.").await;
    assert_eq!((&risk["checks"]["told"], &risk["checks"]["undecided"]), (&0.into(), &1.into()), "{risk}");
}
