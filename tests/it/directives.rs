//! RFC 9111, 5.2.1 and RFC 5861 on every surface: what each request directive does to an answer of a given age, alone
//! and with others. The cases are those of the public HTTP cache test-suite's request directives, asked by POST.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Answer, Ask, FakeUpstream, Reply, TestApp};

/// One way of asking: path, whether streamed, and who answers.
#[derive(Debug, Clone, Copy)]
struct Way {
    path: &'static str,
    stream: bool,
}

const fn way(path: &'static str, stream: bool) -> Way {
    Way { path, stream }
}

const WAYS: [Way; 14] = [
    way("/v1/chat/completions", false),
    way("/v1/chat/completions", true),
    way("/v1/completions", false),
    way("/v1/responses", false),
    way("/v1/embeddings", false),
    way("/v1/messages", false),
    way("/v1/messages", true),
    way("/api/chat", false),
    way("/api/chat", true),
    way("/api/generate", false),
    way("/api/generate", true),
    way("/api/embed", false),
    way("/api/embeddings", false),
    // Embeddings of several texts are looked up one by one.
    way("/v1/embeddings#two", false),
];

impl Way {
    fn path(self) -> &'static str {
        self.path.split('#').next().unwrap()
    }

    fn upstream(self) -> FakeUpstream {
        let upstream = match self.path() {
            "/v1/messages" => FakeUpstream::anthropic(),
            path if path.starts_with("/api/") => FakeUpstream::ollama(),
            _ => FakeUpstream::openai(),
        };
        match self.path() {
            "/v1/responses" => upstream.always(Answer::raw(200, "application/json", response().to_string())),
            _ => upstream.always("an answer"),
        }
    }

    fn ask(self, app: &TestApp, prompt: &str) -> Ask {
        let messages = json!([{ "role": "user", "content": prompt }]);
        let body = match self.path {
            "/v1/chat/completions" => json!({ "model": "gpt-4o", "messages": messages }),
            "/v1/completions" => json!({ "model": "gpt-4o", "prompt": prompt }),
            "/v1/responses" => json!({ "model": "gpt-4o", "input": prompt, "store": false }),
            "/v1/embeddings" => json!({ "model": "gpt-4o", "input": prompt }),
            "/v1/embeddings#two" => json!({ "model": "gpt-4o", "input": [prompt, format!("{prompt} too")] }),
            "/v1/messages" => json!({ "model": "claude", "max_tokens": 9, "messages": messages }),
            "/api/chat" => json!({ "model": "llama3.2", "messages": messages }),
            "/api/generate" | "/api/embeddings" => json!({ "model": "llama3.2", "prompt": prompt }),
            "/api/embed" => json!({ "model": "llama3.2", "input": prompt }),
            other => panic!("{other}"),
        };
        let ask = app.post(self.path(), body);
        match self.path() {
            "/v1/chat/completions" | "/v1/messages" | "/api/chat" | "/api/generate" => ask.stream(self.stream),
            _ => ask,
        }
    }
}

fn response() -> Value {
    let text = json!({ "type": "output_text", "text": "an answer", "annotations": [] });
    json!({
        "id": "resp_1", "object": "response", "created_at": 1_700_000_000, "status": "completed", "model": "gpt-4o",
        "output": [{ "type": "message", "id": "msg_1", "status": "completed", "role": "assistant", "content": [text] }],
        "usage": { "input_tokens": 1, "output_tokens": 2, "total_tokens": 3 },
    })
}

/// What becomes of a request with these directives when an answer of this age, in seconds, is kept for a hundred.
type Case = (u64, &'static str, u16, &'static str, &'static str);

const CASES: &[Case] = &[
    (30, "", 200, "HIT", ""),
    (99, "", 200, "HIT", ""),
    (100, "", 200, "MISS", "expired"),
    // max-age
    (30, "max-age=0", 200, "MISS", "not-fresh-enough"),
    (30, "max-age=30", 200, "HIT", ""),
    (31, "max-age=30", 200, "MISS", "not-fresh-enough"),
    (30, "max-age=3600", 200, "HIT", ""),
    (30, "MAX-AGE=29", 200, "MISS", "not-fresh-enough"),
    // What nobody can understand says nothing.
    (30, "max-age=soon, private, x=1", 200, "HIT", ""),
    // max-stale
    (150, "max-stale", 200, "STALE", "expired"),
    (110, "max-stale=10", 200, "STALE", "expired"),
    (111, "max-stale=10", 200, "MISS", "expired"),
    (99, "max-stale=10", 200, "HIT", ""),
    // min-fresh
    (70, "min-fresh=30", 200, "HIT", ""),
    (71, "min-fresh=30", 200, "MISS", "not-fresh-enough"),
    (30, "min-fresh=3600", 200, "MISS", "not-fresh-enough"),
    // no-cache, no-store, only-if-cached
    (30, "no-cache", 200, "REFRESH", "no-cache"),
    (30, "no-store", 200, "BYPASS", "no-store"),
    (30, "only-if-cached", 200, "HIT", ""),
    (100, "only-if-cached", 504, "MISS", "expired"),
    // Together.
    (30, "max-age=40, min-fresh=70", 200, "HIT", ""),
    (30, "max-age=40, min-fresh=71", 200, "MISS", "not-fresh-enough"),
    (110, "max-age=200, max-stale=10", 200, "STALE", "expired"),
    (110, "max-age=50, max-stale=10", 200, "MISS", "not-fresh-enough"),
    (110, "max-age=200", 200, "MISS", "expired"),
    (110, "only-if-cached, max-stale", 200, "STALE", "expired"),
    (31, "only-if-cached, max-age=30", 504, "MISS", "not-fresh-enough"),
    (71, "only-if-cached, min-fresh=30", 504, "MISS", "not-fresh-enough"),
    (30, "no-cache, only-if-cached", 504, "MISS", "no-cache"),
    (30, "no-store, only-if-cached", 504, "MISS", "no-store"),
    (110, "no-cache, max-stale", 200, "REFRESH", "no-cache"),
    (30, "no-store, no-cache", 200, "BYPASS", "no-store"),
];

fn said(reply: &Reply) -> (u16, String, String) {
    let word = |name: &str| reply.headers.get(name).map(|value| value.to_str().unwrap().to_owned()).unwrap_or_default();
    (reply.status, word("x-cache-status"), word("x-cache-reason"))
}

#[tokio::test]
async fn every_request_directive_means_the_same_on_every_surface() {
    let mut faults = Vec::new();
    for way in WAYS {
        let config = "[cache]\nttl = \"100s\"\n";
        let app = TestApp::builder().upstream(way.upstream()).config(config).start().await;
        for (number, (age, directives, status, outcome, reason)) in CASES.iter().enumerate() {
            let prompt = format!("Count to {number}");
            let first = way.ask(&app, &prompt).send().await;
            assert_eq!(said(&first).1, "MISS", "{way:?}: {}", first.text());
            app.advance(Duration::from_secs(*age));
            let ask = way.ask(&app, &prompt);
            let ask = if directives.is_empty() { ask } else { ask.header("cache-control", directives) };
            let reply = ask.send().await;
            let (got_status, got, why) = said(&reply);
            if (got_status, &*got, &*why) != (*status, *outcome, *reason) {
                faults.push(format!(
                    "{way:?}, {age} s, {directives:?}: {got_status} {got} {why}, not {status} {outcome} {reason}"
                ));
            }
            if matches!(&*got, "HIT" | "STALE") {
                let told: u64 = reply.header("age").parse().unwrap();
                assert_eq!(told, *age, "{way:?} {directives:?}");
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[tokio::test]
async fn stale_windows_hold_on_every_surface() {
    for way in WAYS {
        let config = "[cache]\nttl = \"100s\"\nstale_while_revalidate = \"10s\"\nstale_if_error = \"60s\"\n";
        let app = TestApp::builder().upstream(way.upstream()).config(config).start().await;
        let warmed = async |prompt: &str, age: u64| {
            assert_eq!(said(&way.ask(&app, prompt).send().await).1, "MISS", "{way:?}");
            app.advance(Duration::from_secs(age));
        };
        warmed("Count to one", 105).await;
        let stale = way.ask(&app, "Count to one").send().await;
        assert_eq!(said(&stale), (200, "STALE".into(), "revalidating".into()), "{way:?}");
        // It joins the refreshing, or finds what that left.
        let fresh = way.ask(&app, "Count to one").header("cache-control", "min-fresh=50").send().await;
        assert!(["HIT", "COLLAPSED", "MISS"].contains(&&*said(&fresh).1), "{way:?}: {:?}", said(&fresh));
        warmed("Count to two", 105).await;
        let strict = way.ask(&app, "Count to two").header("cache-control", "max-age=200").send().await;
        assert_eq!(said(&strict).1, "MISS", "{way:?}: who limits the age takes nothing stale");
        warmed("Count to three", 150).await;
        app.upstream().then(Answer::error(500));
        let stands_in = way.ask(&app, "Count to three").send().await;
        assert_eq!(said(&stands_in), (200, "STALE".into(), "upstream-error".into()), "{way:?}");
        app.upstream().then(Answer::error(500));
        let refused = way.ask(&app, "Count to three").header("cache-control", "max-age=200").send().await;
        assert_eq!(refused.status, 500, "{way:?}: who limits the age is told the truth");
        app.advance(Duration::from_secs(11));
        app.upstream().then(Answer::error(500));
        assert_eq!(way.ask(&app, "Count to three").send().await.status, 500, "{way:?}: past the window");
    }
}
