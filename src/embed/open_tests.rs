//! The real model, from provisioning to vectors. The vectors compared with were made by another implementation
//! (`tests/fixtures/embeddings`), for texts of our own.

use serde::Deserialize;

use super::*;
use crate::domain::{Digest, Lasting, Vector};
use crate::embed::export::Kind;
use crate::embed::{Embedding, Precision, exported};

#[derive(Deserialize)]
struct Fixture {
    texts: Vec<Known>,
}

#[derive(Deserialize)]
struct Known {
    text: String,
    tokens: usize,
    vector: Vec<f32>,
}

fn known() -> Vec<Known> {
    let file = include_str!("../../tests/fixtures/embeddings/all-MiniLM-L6-v2.json");
    serde_json::from_str::<Fixture>(file).unwrap().texts
}

/// The default model. Test machines are slow when busy: the deadline is long.
async fn real(precision: Precision) -> Arc<dyn Embedder> {
    let settings = Settings { precision, recent: 0, deadline: Lasting::seconds(120), ..Settings::default() };
    open(&settings, Progress::Logged).await.unwrap()
}

async fn agree(embedder: &dyn Embedder, at_least: f32) {
    for Known { text, vector, .. } in known() {
        let found = embedder.embed(&text).await.unwrap();
        let cosine = found.vector.cosine(&Vector::normalised(vector).unwrap());
        assert!(cosine >= at_least, "{cosine} for {text:?}");
    }
}

fn all_at_once(embedder: &Arc<dyn Embedder>, texts: &[String]) -> impl Future<Output = Vec<Embedding>> {
    let waiting = texts.iter().map(|text| {
        let (embedder, text) = (Arc::clone(embedder), text.clone());
        async move { embedder.embed(&text).await.unwrap() }
    });
    futures_util::future::join_all(waiting.collect::<Vec<_>>())
}

#[tokio::test]
async fn in_floating_point_the_model_is_the_model() {
    let embedder = real(Precision::Fp32).await;
    assert_eq!((embedder.space().dimension, embedder.space().max_tokens), (384, 256));
    agree(&*embedder, 0.9999).await;

    // Together or alone, a text has the same vector.
    let texts: Vec<String> = known().into_iter().map(|known| known.text).collect();
    let together = all_at_once(&embedder, &texts).await;
    for (text, batched) in texts.iter().zip(together) {
        let alone = embedder.embed(text).await.unwrap();
        assert!(alone.vector.cosine(&batched.vector) > 0.999_999, "{text:?}");
        assert_eq!(alone.unseen, batched.unseen);
    }
}

#[tokio::test]
async fn in_eight_bits_it_stays_close_and_company_changes_nothing() {
    let embedder = real(Precision::Int8).await;
    assert_ne!(embedder.space().id, real(Precision::Fp32).await.space().id);
    agree(&*embedder, 0.985).await;

    let texts: Vec<String> = known().into_iter().map(|known| known.text).collect();
    let together = all_at_once(&embedder, &texts).await;
    for (text, batched) in texts.iter().zip(together) {
        assert_eq!(embedder.embed(text).await.unwrap(), batched, "{text:?}");
    }
}

#[tokio::test]
async fn what_lies_beyond_the_window_is_told_apart_from_what_was_seen() {
    let embedder = real(Precision::Int8).await;
    for Known { text, tokens, .. } in known() {
        assert_eq!(embedder.embed(&text).await.unwrap().unseen.is_some(), tokens > 256, "{text:?}");
    }

    // 254 words, a token each, fill the window; the two special tokens take the rest.
    let full = vec!["river"; 254].join(" ");
    let seen = embedder.embed(&full).await.unwrap();
    assert_eq!(seen.unseen, None);
    let tail = " and a different ending";
    let more = embedder.embed(&format!("{full}{tail}")).await.unwrap();
    assert_eq!(more.vector, seen.vector, "the head is the same, so the vectors collide");
    assert_eq!(more.unseen, Some(Digest::of(tail.as_bytes())), "the rest begins after the last token seen");

    // Far beyond: the text is cut before it is tokenised, and the digest still covers all the rest.
    let long = "é".repeat(200_000);
    let [a, b] = [format!("{long}a"), format!("{long}b")];
    let (a, b) = (embedder.embed(&a).await.unwrap(), embedder.embed(&b).await.unwrap());
    assert_eq!(a.vector, b.vector);
    assert_ne!(a.unseen, b.unseen);
}

#[tokio::test]
async fn a_folder_with_the_same_model_is_the_same_space() {
    let there = provision(&Settings::default(), Progress::Logged).await.unwrap();
    let settings = Settings { model: there.model.display().to_string(), offline: true, ..Settings::default() };
    let from_folder = open(&settings, Progress::Logged).await.unwrap();
    let default = open(&Settings { offline: true, ..Settings::default() }, Progress::Logged).await.unwrap();
    assert_eq!(from_folder.space().id, default.space().id);
}

#[tokio::test]
async fn an_onnx_folder_is_used_as_it_is_and_is_a_space_of_its_own() {
    let there = provision(&Settings::default(), Progress::Logged).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    // The tokenizer's own files are left out: their defaults are those of BERT.
    for file in ["config.json", "tokenizer.json", "sentence_bert_config.json"] {
        std::fs::copy(there.model.join(file), folder.path().join(file)).unwrap();
    }
    let config = std::fs::read(there.model.join("config.json")).unwrap();
    let (weights, exports) = (there.model.join("model.safetensors"), there.home.join("exports"));
    let exported = exported::bert(Kind::Encoder, &config, &weights, None, Precision::Fp32, &exports).unwrap();
    std::fs::write(folder.path().join("model.onnx"), &exported.graph).unwrap();

    let settings = Settings {
        model: folder.path().display().to_string(),
        deadline: Lasting::seconds(120),
        offline: true,
        ..Settings::default()
    };
    let embedder = open(&settings, Progress::Logged).await.unwrap();
    assert_ne!(embedder.space().id, real(Precision::Fp32).await.space().id);
    agree(&*embedder, 0.9999).await;
}

#[tokio::test]
async fn a_name_that_nobody_knows_is_said_before_anything_is_fetched() {
    let settings = Settings { model: "all-MiniLM-L7".to_owned(), ..Settings::default() };
    assert!(matches!(provision(&settings, Progress::Logged).await, Err(OpenError::UnknownModel(_))));
}

#[tokio::test]
async fn a_named_runtime_that_is_not_there_is_not_replaced_by_another() {
    let settings = Settings { runtime: Some("/nowhere/libonnxruntime.so".into()), ..Settings::default() };
    let said = open(&settings, Progress::Logged).await.unwrap_err().to_string();
    assert!(said.contains("/nowhere/libonnxruntime.so was named and is not there"), "{said}");
}

#[tokio::test]
async fn a_cross_encoder_in_a_folder_reads_two_texts_together() {
    let folder = tempfile::tempdir().unwrap();
    let embed = Settings::default();
    let tokens = provision(&embed, Progress::Logged).await.unwrap().model;
    for file in ["tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"] {
        std::fs::copy(tokens.join(file), folder.path().join(file)).unwrap();
    }
    std::fs::write(folder.path().join("config.json"), r#"{"pad_token_id": 0, "max_position_embeddings": 24}"#).unwrap();
    let settings =
        rerank::Settings { model: Model::Folder(folder.path().into()), deadline: Lasting::seconds(120), threads: 1 };
    let refused = open_reranker(&settings, &embed).await.unwrap_err().to_string();
    assert!(refused.contains("model.onnx"), "{refused}");

    // What it says is known: see make.py beside it.
    let graph = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/reranker/model.onnx");
    std::fs::copy(graph, folder.path().join("model.onnx")).unwrap();
    let reranker = open_reranker(&settings, &embed).await.unwrap().unwrap();
    let asked = "How do I paint my canoe?";
    let mut told = Vec::new();
    for other in ["how do i paint my CANOE?", "Why is the sky blue", &"paint ".repeat(20)] {
        told.push(reranker.sureness(asked, other).await.unwrap());
    }
    let known = |share: f32| 1.0 / (1.0 + (-20.0 * (share - 0.45)).exp());
    // Of nine tokens, [CLS] and [SEP] among them, the second text has all but [CLS], or but [SEP] none.
    assert!((told[0] - known(8.0 / 9.0)).abs() < 1e-4, "{told:?}");
    assert!((told[1] - known(1.0 / 9.0)).abs() < 1e-4, "{told:?}");
    assert_eq!(told[2], 0.0, "the window does not hold both");
    let none = rerank::Settings { model: Model::None, ..settings };
    assert!(open_reranker(&none, &embed).await.unwrap().is_none());
}

#[tokio::test]
async fn the_verifier_says_what_its_head_says_where_it_was_trained() {
    #[derive(Deserialize)]
    struct Told {
        a: String,
        b: String,
        logit: f32,
    }
    #[derive(Deserialize)]
    struct Fixture {
        pairs: Vec<Told>,
    }
    let known: Fixture = serde_json::from_str(include_str!("../../tests/fixtures/verifier.json")).unwrap();
    let settings = rerank::Settings { deadline: Lasting::seconds(120), ..rerank::Settings::default() };
    let verifier = open_reranker(&settings, &Settings::default()).await.unwrap().unwrap();
    for Told { a, b, logit } in known.pairs {
        let (there, back) = (verifier.sureness(&a, &b).await.unwrap(), verifier.sureness(&b, &a).await.unwrap());
        assert_eq!(there, back, "{a} | {b}");
        let found = (there / (1.0 - there)).ln();
        assert!((found - logit).abs() < 0.05, "{a} | {b}: {found}, not {logit}");
    }
    let long = "river ".repeat(200);
    assert_eq!(verifier.sureness(&long, &long).await, Ok(0.0), "the window does not hold both");
}
