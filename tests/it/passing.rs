//! What passes through: bytes, headers, unknown paths.

use std::io::Write;

use crate::harness::{Answer, FakeUpstream, TestApp};

#[tokio::test]
async fn a_body_that_is_not_understood_goes_on_untouched() {
    let upstream = || FakeUpstream::openai().reply(Answer::raw(200, "application/json", "{\"odd\":1}"));
    for body in ["not json at all", "{\"model\":\"m\"}", "{\"model\":\"m\",\"messages\":7}", ""] {
        let app = TestApp::with(upstream()).await;
        let reply =
            app.send("POST", "/v1/chat/completions", body).header("content-type", "application/json").send().await;
        assert_eq!((reply.outcome(), reply.reason(), reply.text()), ("BYPASS", "unreadable", "{\"odd\":1}"), "{body}");
        assert_eq!(app.upstream().seen()[0].body, body);
    }
}

#[tokio::test]
async fn a_bodys_bytes_reach_the_upstream_as_they_are() {
    let body = "{ \"messages\": [{\"content\":\"Count\\u0021\",\"role\":\"user\"}],\n\"model\":\"gpt-4o\", \"temperature\":0.50 }";
    let app = TestApp::with(FakeUpstream::openai().reply("one")).await;
    let cold =
        app.send("POST", "/v1/chat/completions?trace=1", body).header("content-type", "application/json").send().await;
    assert_eq!(cold.outcome(), "MISS");
    let seen = &app.upstream().seen()[0];
    assert_eq!((seen.body.as_ref(), seen.path.as_str()), (body.as_bytes(), "/v1/chat/completions?trace=1"));
}

#[tokio::test]
async fn end_to_end_headers_pass_both_ways() {
    let answer =
        Answer::text("one").header("x-ratelimit-remaining-requests", "41").header("openai-version", "2020-10-01");
    let app = TestApp::with(FakeUpstream::openai().reply(answer)).await;
    let cold = app
        .chat("Count")
        .key("sk-client")
        .header("x-custom", "1")
        .header("x-custom", "2")
        .header("user-agent", "app/1")
        .header("cache-control", "max-age=60")
        .header("x-cache-mode", "exact")
        .header("x-cache-tags", "a")
        .header("connection", "keep-alive, x-hop")
        .header("x-hop", "1")
        .send()
        .await;
    assert_eq!(cold.header("x-ratelimit-remaining-requests"), "41");
    assert_eq!(cold.header("openai-version"), "2020-10-01");
    let seen = &app.upstream().seen()[0].headers;
    assert_eq!(seen["authorization"], "Bearer sk-client");
    assert_eq!(seen["user-agent"], "app/1");
    assert_eq!(seen["cache-control"], "max-age=60");
    assert_eq!(seen.get_all("x-custom").iter().collect::<Vec<_>>(), ["1", "2"]);
    for stays in ["x-cache-mode", "x-cache-tags", "x-hop"] {
        assert!(!seen.contains_key(stays), "{stays} went on");
    }
}

#[tokio::test]
async fn hits_carry_nothing_of_the_first_answers_request() {
    let answer = Answer::text("one").header("x-request-id", "req-1").header("set-cookie", "session=1");
    let app = TestApp::with(FakeUpstream::openai().reply(answer)).await;
    assert_eq!(app.chat("Count").send().await.header("x-request-id"), "req-1");
    let warm = app.chat("Count").send().await;
    assert_eq!((warm.header("x-request-id"), warm.header("set-cookie")), ("", ""));
}

#[tokio::test]
async fn other_paths_and_methods_pass_untouched() {
    let file = Answer::raw(201, "application/octet-stream", &b"\x00\xff bytes"[..]).header("etag", "\"1\"");
    let app = TestApp::with(FakeUpstream::openai().reply(file.clone()).reply(file.clone()).reply(file)).await;
    for (method, path) in [
        ("POST", "/v1/files?purpose=batch"),
        ("GET", "/v1/chat/completions?limit=1"),
        ("DELETE", "/v1/responses/resp_1"),
    ] {
        let reply = app.send(method, path, &b"\x01\x02"[..]).send().await;
        assert_eq!((reply.status, reply.header("etag"), &reply.body[..]), (201, "\"1\"", &b"\x00\xff bytes"[..]));
        assert_eq!(reply.outcome(), "", "no cacheable surface, so nothing is said");
        let seen = app.upstream().seen().last().unwrap().clone();
        assert_eq!((seen.method.as_str(), seen.path.as_str()), (method, path));
    }
}

#[tokio::test]
async fn a_passed_answer_streams() {
    let gate = crate::harness::Gate::new();
    let answer = Answer::raw(200, "text/plain", "firstsecond!").pause_after(1, &gate);
    let app = TestApp::with(FakeUpstream::openai().reply(answer)).await;
    let mut live = app.send("POST", "/v1/audio/speech", "{}").open().await;
    live.read_until("first").await;
    gate.open();
    assert!(live.rest().await.unwrap().ends_with("econd!"));
}

#[tokio::test]
async fn nothing_but_the_surfaces_is_on_the_app_listener() {
    let app = TestApp::with(FakeUpstream::openai()).await;
    assert_eq!(app.get("/healthz").send().await.status, 200);
    for path in ["/admin/v1/stats", "/metrics", "/readyz", "/admin/v1/openapi.json"] {
        assert_eq!(app.get(path).send().await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn the_root_passes_to_the_upstream() {
    let running = Answer::raw(200, "text/plain; charset=utf-8", "Ollama is running");
    let app = TestApp::with(FakeUpstream::ollama().reply(running.clone()).reply(running)).await;
    assert_eq!(app.get("/").send().await.text(), "Ollama is running");
    let head = app.send("HEAD", "/", "").send().await;
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[tokio::test]
async fn an_upload_larger_than_dejavu_holds_goes_on_as_it_comes() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply(Answer::raw(200, "application/json", "{}")))
        .config("[server]\nmax_body = \"64KiB\"\n")
        .start()
        .await;
    let file: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    let reply = app.send("POST", "/v1/files", file.clone()).header("content-type", "audio/wav").send().await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let seen = app.upstream().seen()[0].clone();
    assert!(seen.body == file, "{} bytes arrived", seen.body.len());
    assert_eq!(
        (&seen.headers["content-type"], &seen.headers["content-length"]),
        (&"audio/wav".parse().unwrap(), &1_000_000.into())
    );
}

/// A chat that is larger than these tests let dejavu hold.
fn large_chat(model: &str) -> String {
    let prompt = "long ".repeat(100_000);
    format!("{{\"model\":\"{model}\", \"messages\":[{{\"role\":\"user\",\"content\":\"{prompt}\"}}]}}")
}

const HOLDS_LITTLE: &str = "[server]\nmax_body = \"64KiB\"\n";

#[tokio::test]
async fn a_body_larger_than_dejavu_holds_goes_on_uncached() {
    let app = TestApp::builder().upstream(FakeUpstream::openai().always("one")).config(HOLDS_LITTLE).start().await;
    let body = large_chat("gpt-4o");
    for path in ["/v1/chat/completions", "/v1/embeddings"] {
        for _ in 0..2 {
            let reply = app.send("POST", path, body.clone()).header("content-type", "application/json").send().await;
            assert_eq!((reply.status, reply.outcome(), reply.reason()), (200, "BYPASS", "too-large"), "{path}");
            let seen = app.upstream().seen().pop().unwrap();
            assert!(seen.body == body, "{} bytes arrived", seen.body.len());
            assert_eq!(seen.headers["content-length"], body.len().to_string());
        }
    }
    let only = app.send("POST", "/v1/chat/completions", body).header("cache-control", "only-if-cached").send().await;
    assert_eq!((only.status, only.reason(), app.upstream().calls()), (504, "too-large", 4));
}

#[tokio::test]
async fn a_body_that_is_larger_only_when_decoded_goes_on_as_it_came() {
    let app = TestApp::builder().upstream(FakeUpstream::openai().reply("one")).config(HOLDS_LITTLE).start().await;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(large_chat("gpt-4o").as_bytes()).unwrap();
    let body = encoder.finish().unwrap();
    let ask = app.send("POST", "/v1/chat/completions", body.clone()).header("content-encoding", "gzip");
    let reply = ask.send().await;
    assert_eq!((reply.outcome(), reply.reason()), ("BYPASS", "too-large"));
    assert!(app.upstream().seen()[0].body == body);
}

#[tokio::test]
async fn a_large_body_is_routed_by_the_model_at_its_beginning() {
    let routes = "
        [[route]]
        model = \"mine/*\"
        to = [\"ollama\"]
        strip_prefix = true
        [[route]]
        model = \"*\"
        to = [\"openai\"]
    ";
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().always("cloud"))
        .upstream(FakeUpstream::ollama().always("local"))
        .config(&format!("{HOLDS_LITTLE}{routes}"))
        .start()
        .await;
    let ask = |body: String| app.send("POST", "/v1/chat/completions", body).send();
    assert_eq!(ask(large_chat("gpt-4o")).await.said(), "cloud");
    let mine = ask(large_chat("mine/llama3.2")).await;
    assert_eq!((mine.outcome(), mine.said().as_str(), mine.header("x-upstream")), ("BYPASS", "local", "ollama"));
    let seen = app.upstreams[1].seen().pop().unwrap();
    assert!(seen.body == large_chat("llama3.2"));
    assert_eq!(seen.headers["content-length"], large_chat("llama3.2").len().to_string());
    // Where the model comes too late, nobody can say whether the request may leave for the cloud.
    let late =
        large_chat("mine/llama3.2").replace("\"model\":\"mine/llama3.2\", ", "").replace("}]}", "}],\"model\":\"m\"}");
    let refused = ask(late.clone()).await;
    assert_eq!((refused.status, refused.json()["error"]["code"].as_str()), (413, Some("request_too_large")));

    let one = TestApp::builder().upstream(FakeUpstream::openai().reply("one")).config(HOLDS_LITTLE).start().await;
    assert_eq!(one.send("POST", "/v1/chat/completions", late.clone()).send().await.said(), "one");
    let local = one.send("POST", "/v1/chat/completions", late).header("x-residency", "local").send().await;
    assert_eq!(local.status, 413);
}
