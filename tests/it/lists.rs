//! Model lists are merged over upstreams.

use serde_json::{Value, json};

use crate::harness::{Answer, FakeUpstream, TestApp};

fn list(ids: &[&str]) -> Answer {
    let data: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "object": "model" })).collect();
    Answer::raw(200, "application/json", json!({ "object": "list", "data": data }).to_string())
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|model| model["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn models_of_all_upstreams_are_one_list() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply(list(&["gpt-4o", "both"])))
        .upstream(FakeUpstream::openai().named("second").reply(list(&["both", "mine"])))
        .start()
        .await;
    let merged = app.get("/v1/models").send().await.json();
    assert_eq!((ids(&merged), &merged["object"]), (vec!["gpt-4o", "both", "mine"], &json!("list")));
}

#[tokio::test]
async fn an_upstream_that_fails_is_left_out() {
    let app = TestApp::builder()
        .upstream(FakeUpstream::openai().reply(Answer::error(401)).reply(Answer::error(401)))
        .upstream(FakeUpstream::openai().named("second").reply(list(&["mine"])).reply(Answer::error(500)))
        .start()
        .await;
    assert_eq!(ids(&app.get("/v1/models").send().await.json()), ["mine"]);
    assert_eq!(app.get("/v1/models").send().await.status, 401, "nobody knows any: the first says why");
}

#[tokio::test]
async fn a_single_upstreams_list_passes_as_it_is() {
    let odd = Answer::raw(200, "application/json", "{ \"object\" : \"list\", \"data\":[] , \"odd\":1}");
    let app = TestApp::with(FakeUpstream::openai().reply(odd)).await;
    assert_eq!(app.get("/v1/models").send().await.text(), "{ \"object\" : \"list\", \"data\":[] , \"odd\":1}");
}

#[tokio::test]
async fn ollamas_lists_and_version_come_from_ollama() {
    let app = TestApp::builder().upstream(FakeUpstream::openai()).upstream(FakeUpstream::ollama()).start().await;
    let tags = app.get("/api/tags").send().await.json();
    assert_eq!(tags["models"].as_array().unwrap().len(), 2);
    assert_eq!(app.get("/api/version").send().await.json()["version"], "0.12.0");
}
