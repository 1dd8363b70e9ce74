//! Conversations on every chat surface: what of the earlier messages must be the same.

use serde_json::{Value, json};

use crate::harness::{Answer, FakeUpstream, Reply, TestApp};

const ANSWERED: &str =
    "You can delete it under settings, at the very bottom of the page, after entering your password.";

/// One chat surface: where it is, and how a conversation is written for it.
struct Surface {
    path: &'static str,
    upstream: fn() -> FakeUpstream,
    body: fn(&[Value]) -> Value,
}

fn messages(model: &str, said: &[Value]) -> Value {
    json!({ "model": model, "messages": said, "stream": false, "max_tokens": 99 })
}

const SURFACES: [Surface; 4] = [
    Surface { path: "/v1/chat/completions", upstream: FakeUpstream::openai, body: |said| messages("gpt-4o", said) },
    Surface {
        path: "/v1/responses",
        upstream: FakeUpstream::openai,
        body: |said| {
            // The model's words as an app sends them back: an output item with its parts.
            let items: Vec<Value> = said
                .iter()
                .map(|said| match said["role"].as_str() {
                    Some("assistant") => json!({
                        "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
                        "content": [{ "type": "output_text", "text": said["content"], "annotations": [] }],
                    }),
                    _ => said.clone(),
                })
                .collect();
            json!({ "model": "gpt-4o", "input": items, "store": false })
        },
    },
    Surface { path: "/v1/messages", upstream: FakeUpstream::anthropic, body: |said| messages("claude-x", said) },
    Surface { path: "/api/chat", upstream: FakeUpstream::ollama, body: |said| messages("llama3.2", said) },
];

fn said(role: &str, text: &str) -> Value {
    json!({ "role": role, "content": text })
}

fn conversation(first: &str, answer: &str, last: &str) -> Vec<Value> {
    vec![said("user", first), said("assistant", answer), said("user", last)]
}

async fn app(surface: &Surface, context: &str) -> TestApp {
    let response = json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "gpt-4o", "tools": [],
        "output": [{
            "type": "message", "id": "msg_1", "status": "completed", "role": "assistant",
            "content": [{ "type": "output_text", "text": "As you like it", "annotations": [] }],
        }],
    });
    let answer = match surface.path {
        "/v1/responses" => Answer::raw(200, "application/json", response.to_string()),
        _ => Answer::text("As you like it"),
    };
    let upstream = (surface.upstream)().always(answer);
    let config = format!("[semantic]\ncontext = \"{context}\"\n");
    TestApp::builder().upstream(upstream).config(&config).semantic().start().await
}

async fn ask(app: &TestApp, surface: &Surface, said: &[Value]) -> Reply {
    let reply = app.post(surface.path, (surface.body)(said)).send().await;
    assert_eq!(reply.status, 200, "{}: {}", surface.path, reply.text());
    reply
}

#[tokio::test]
async fn by_default_earlier_messages_must_be_equal() {
    for surface in &SURFACES {
        let app = app(surface, "strict").await;
        ask(&app, surface, &conversation("How do I delete my account?", ANSWERED, "How do I reset my password?")).await;
        let equal = conversation("How do I delete my account?", ANSWERED, "How can I reset my password?");
        assert_eq!(ask(&app, surface, &equal).await.header("x-cache-match"), "semantic", "{}", surface.path);
        let other = conversation("How can I delete my account?", ANSWERED, "How can I reset my password?");
        assert_eq!(ask(&app, surface, &other).await.outcome(), "MISS", "{}", surface.path);
    }
}

#[tokio::test]
async fn in_a_window_only_the_last_messages_must_be_equal() {
    for surface in &SURFACES {
        let app = app(surface, "window:1").await;
        ask(&app, surface, &conversation("How do I delete my account?", ANSWERED, "How do I reset my password?")).await;
        let same_answer = conversation("Where do I leave?", ANSWERED, "How can I reset my password?");
        assert_eq!(ask(&app, surface, &same_answer).await.header("x-cache-match"), "semantic", "{}", surface.path);
        let other = conversation("How do I delete my account?", "No idea.", "How can I reset my password?");
        assert_eq!(ask(&app, surface, &other).await.outcome(), "MISS", "{}", surface.path);
        ask(&app, surface, &conversation("How do I delete my account?", ANSWERED, "And on a phone?")).await;
        let leans = ask(&app, surface, &conversation("Where do I leave?", ANSWERED, "and on the phone?")).await;
        assert_eq!((leans.outcome(), leans.reason()), ("MISS", "follow-up"), "{}", surface.path);
    }
}

#[tokio::test]
async fn earlier_questions_may_be_reworded_where_the_operator_says_so() {
    for surface in &SURFACES {
        let app = app(surface, "questions").await;
        ask(&app, surface, &conversation("How do I delete my account?", ANSWERED, "How do I reset my password?")).await;
        let other_words = format!("{ANSWERED} That is all.");
        let same = conversation("How can I delete my account?", &other_words, "How can I reset my password?");
        assert_eq!(ask(&app, surface, &same).await.header("x-cache-match"), "semantic", "{}", surface.path);
        let opposite = conversation("How do I create my account?", ANSWERED, "How can I reset my password?");
        let reply = ask(&app, surface, &opposite).await;
        assert_eq!((reply.outcome(), reply.reason()), ("MISS", "history"), "{}", surface.path);
    }
}

#[tokio::test]
async fn a_system_prompt_is_always_compared_by_equality() {
    for context in ["window:1", "questions"] {
        let surface = &SURFACES[0];
        let app = app(surface, context).await;
        let told = |system: &str, last: &str| {
            let mut all = vec![said("system", system)];
            all.extend(conversation("How do I delete my account?", ANSWERED, last));
            all
        };
        ask(&app, surface, &told("Answer in French.", "How do I reset my password?")).await;
        let other = ask(&app, surface, &told("Answer in German.", "How can I reset my password?")).await;
        assert_eq!(other.outcome(), "MISS", "{context}");
    }
}

#[tokio::test]
async fn rules_change_with_a_reload_and_conversations_outlive_a_restart() {
    let surface = &SURFACES[0];
    let mut app = app(surface, "questions").await;
    ask(&app, surface, &conversation("How do I delete my account?", ANSWERED, "How do I reset my password?")).await;
    app.restart().await;
    let explained = |last: &str| {
        let said = conversation("How can I delete my account?", ANSWERED, last);
        app.admin_post("/admin/v1/explain", (surface.body)(&said)).header("x-dejavu-path", surface.path).send()
    };
    let mut told = explained("How can I reset my password?").await.json();
    for _ in 0..600 {
        if told["served"].is_object() {
            break;
        }
        // The embedder and what is kept are being read again.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        told = explained("How can I reset my password?").await.json();
    }
    assert_eq!(told["match"], "semantic", "{told}");
    let expected = json!({ "context": "questions", "counts": "part", "leans": null, "questions_by_meaning": 1 });
    assert_eq!(told["history"], expected);
    assert_eq!(explained("why?").await.json()["history"]["leans"], "fragment");

    app.reconfigure(|text| text.replace("context = \"questions\"", "context = \"strict\""));
    assert_eq!(app.admin_post("/admin/v1/reload", json!({})).send().await.status, 200);
    let told = explained("How can I reset my password?").await.json();
    assert_eq!((told["served"].is_null(), &told["history"]["counts"]), (true, &json!("whole")), "{told}");
}
