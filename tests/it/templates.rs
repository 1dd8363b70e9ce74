//! Templated traffic, as pipelines send it: a few frames, many parts. What is alike in it is the frame, and no answer
//! may be served for that.

use crate::harness::{FakeUpstream, Reply, TestApp};

/// Frames around `{}`: before it, after it, on both sides, without any delimiter.
const FRAMES: [&str; 8] = [
    "Classify the sentiment of this review as positive, negative or mixed. Answer with one word only: {}",
    "Translate to French: {}",
    "You are an assistant for a hotel's front desk. Label the guest's message with one of: room, food, bill, other.\nMessage: {}",
    "{}\n\nSummarize the text above in five words.",
    "Extract the product and the complaint as JSON from this text:\n\"\"\"\n{}\n\"\"\"",
    "Write a short and cheerful reply to a guest who wrote \"{}\" and sign it with Marta from the front desk",
    "Rewrite the following sentence so that a child understands it: {}",
    "Which department of the hotel should take care of a guest who says {} when leaving the house",
];

/// Parts that are alike in pairs and triples, and mean other things.
const PARTS: [&str; 24] = [
    "The room was clean and the staff was friendly",
    "The room was dirty and the staff was friendly",
    "The room was clean but the staff was unfriendly",
    "The room was clean and the food was good",
    "The breakfast was cold on both mornings",
    "The breakfast was cold on one morning",
    "The breakfast was served on both mornings",
    "The shower did not work at all",
    "The shower did not work at first",
    "The heating did not work at all",
    "We waited twenty minutes for the key",
    "We waited ten minutes for the key",
    "We waited twenty minutes for the bill",
    "The pool was closed for repairs",
    "The pool was open despite the repairs",
    "The sauna was closed for repairs",
    "I was charged for a minibar that I never opened",
    "I was charged for a minibar that I opened once",
    "I was charged twice for the parking",
    "The bed was too soft for my back",
    "The bed was too hard for my back",
    "The pillow was too soft for my neck",
    "Nobody answered the phone at night",
    "Somebody answered the phone at night",
];

async fn app() -> TestApp {
    TestApp::builder().upstream(FakeUpstream::openai().always("As you like it")).semantic().start().await
}

async fn ask(app: &TestApp, prompt: &str) -> Reply {
    app.chat(prompt).send().await
}

#[tokio::test]
async fn no_answer_is_served_for_its_frame() {
    let app = app().await;
    let mut wrong = Vec::new();
    for frame in FRAMES {
        for part in PARTS {
            let prompt = frame.replace("{}", part);
            let reply = ask(&app, &prompt).await;
            if reply.outcome() != "MISS" {
                wrong.push(format!("{prompt} ({})", reply.header("x-cache-similarity")));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} served wrongly:\n{}",
        wrong.len(),
        FRAMES.len() * PARTS.len(),
        wrong.join("\n")
    );
    // The same parts again, in other dress, are answered; and none of it keeps plain questions from being reworded.
    for (frame, part) in FRAMES.iter().zip(PARTS) {
        let prompt = frame.replace("{}", part);
        assert_eq!(ask(&app, &prompt).await.header("x-cache-match"), "exact");
        let dressed = prompt.replace("The room", "the  ROOM").replace("Classify", "classify");
        if dressed != prompt {
            assert_eq!(ask(&app, &dressed).await.header("x-cache-match"), "semantic", "{dressed}");
        }
    }
    for (asked, reworded) in [
        ("How do I reset my password?", "How can I reset my password?"),
        ("What is the capital of France?", "Could you tell me what the capital of France is?"),
        ("How long does it take to boil an egg?", "How long does boiling an egg take?"),
        ("Who wrote Hamlet?", "Who is the author of Hamlet?"),
    ] {
        assert_eq!(ask(&app, asked).await.outcome(), "MISS");
        let again = ask(&app, reworded).await;
        assert_eq!(
            (again.outcome(), again.header("x-cache-match")),
            ("HIT", "semantic"),
            "{reworded}: {}",
            again.reason()
        );
    }
}

#[tokio::test]
async fn questions_of_one_form_are_told_apart_by_their_parts() {
    let app = app().await;
    let things =
        ["canoe", "fishing boat", "garden fence", "kitchen door", "old bike", "wooden chair", "metal gate", "shed"];
    for thing in things {
        let reply = ask(&app, &format!("What is the best way to paint my {thing}?")).await;
        assert_eq!(reply.outcome(), "MISS", "{thing}");
    }
    let again = ask(&app, "What's the best way to paint my canoe?").await;
    assert_eq!(again.header("x-cache-match"), "semantic", "{}", again.reason());
}
