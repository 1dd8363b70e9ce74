//! What the shipped default decides, rules and verifier together, on suites of pairs that neither was made from.

use dejavu::domain::Lasting;
use dejavu::embed::{self, Reranker, rerank::Settings};
use dejavu::policy::judge::{self, Candidate, judge};
use dejavu::policy::rerank::{self, answer, in_doubt};

/// Each with the most near-misses that may be accepted, and the fewest rewordings kept, in per cent. The goal is 5 and 75;
/// the phrasings are harder, and hold what they have.
const SUITES: [(&str, usize, usize); 4] =
    [("aside", 5, 75), ("apart", 5, 75), ("suite", 5, 75), ("phrasings-aside", 5, 62)];

/// Near-misses, how many are accepted, rewordings, how many are kept. The similarities stand with the pairs.
async fn tally(suite: &str, verifier: &dyn Reranker) -> [usize; 4] {
    let path = format!("{}/tests/pairs/{suite}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let [mut near_misses, mut accepted, mut rewordings, mut kept] = [0; 4];
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        let (asked, prompt) = (row["a"].as_str().unwrap(), row["b"].as_str().unwrap());
        let candidates = [Candidate { prompt, similarity: row["similarity"].as_f64().unwrap() as f32 }];
        let mut judgement = judge(asked, &candidates, None, &judge::Settings::default());
        while let Some(place) = in_doubt(&judgement) {
            let sureness = verifier.sureness(asked, prompt).await.unwrap();
            answer(&mut judgement, place, sureness, &rerank::Settings::default());
        }
        let same = row["same"].as_bool().unwrap();
        let (all, of_them) = if same { (&mut rewordings, &mut kept) } else { (&mut near_misses, &mut accepted) };
        *all += 1;
        *of_them += usize::from(judgement.chosen.is_some());
    }
    [near_misses, accepted, rewordings, kept]
}

/// A veto on a small word may be answered by the verifier, but not where its own table says that it must catch the pair.
#[tokio::test]
async fn what_a_veto_on_a_small_word_must_catch_stays_caught() {
    let settings = Settings { deadline: Lasting::seconds(120), ..Settings::default() };
    let verifier = embed::open_reranker(&settings, &embed::Settings::default()).await.unwrap().unwrap();
    let (mut read, mut served) = (0, Vec::new());
    for veto in ["question", "negation", "ordinal", "quantifier", "form", "action"] {
        let path = format!("{}/tests/pairs/veto-{veto}.tsv", env!("CARGO_MANIFEST_DIR"));
        let table = std::fs::read_to_string(path).unwrap();
        for pair in table.lines().filter_map(|line| line.strip_prefix("catch\t")) {
            let [asked, prompt] = <[&str; 2]>::try_from(pair.split('\t').collect::<Vec<_>>()).unwrap();
            let (asked, prompt) = (asked.replace("\\n", "\n"), prompt.replace("\\n", "\n"));
            let candidates = [Candidate { prompt: &prompt, similarity: 0.97 }];
            let mut judgement = judge(&asked, &candidates, None, &judge::Settings::default());
            while let Some(place) = in_doubt(&judgement) {
                read += 1;
                let sureness = verifier.sureness(&asked, &prompt).await.unwrap();
                answer(&mut judgement, place, sureness, &rerank::Settings::default());
            }
            if judgement.chosen.is_some() {
                served.push(pair.to_owned());
            }
        }
    }
    assert!(read >= 30, "{read} were read");
    assert!(served.is_empty(), "{served:?}");
}

/// No cluster that the verifier learned from shares a sentence with these (`nothing_is_asked_that_was_learned`).
#[tokio::test]
async fn what_was_not_learned_from_is_decided_well() {
    let settings = Settings { deadline: Lasting::seconds(120), ..Settings::default() };
    let verifier = embed::open_reranker(&settings, &embed::Settings::default()).await.unwrap().unwrap();
    for (suite, most, least) in SUITES {
        let [near_misses, accepted, rewordings, kept] = tally(suite, &*verifier).await;
        assert!(accepted * 100 <= near_misses * most, "{suite}: {accepted} of {near_misses} near-misses accepted");
        assert!(kept * 100 >= rewordings * least, "{suite}: {kept} of {rewordings} rewordings kept");
    }
}

#[test]
fn nothing_is_asked_that_was_learned() {
    use std::collections::HashSet;
    let folder = format!("{}/tests/pairs", env!("CARGO_MANIFEST_DIR"));
    let mut learned = HashSet::new();
    for file in std::fs::read_dir(format!("{folder}/clusters")).unwrap() {
        for line in std::fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let cluster: serde_json::Value = serde_json::from_str(line).unwrap();
            let list = |name: &str| cluster[name].as_array().unwrap().clone();
            let others = list("other").into_iter().map(|other| other[1].clone());
            let texts = list("same").into_iter().chain(list("topic")).chain(others).chain([cluster["ask"].clone()]);
            learned.extend(texts.map(|text| text.as_str().unwrap().to_lowercase()));
        }
    }
    assert!(learned.len() > 90_000, "{}", learned.len());
    for (suite, ..) in SUITES {
        for line in std::fs::read_to_string(format!("{folder}/{suite}.jsonl")).unwrap().lines() {
            let row: serde_json::Value = serde_json::from_str(line).unwrap();
            for text in ["a", "b"].map(|side| row[side].as_str().unwrap().to_lowercase()) {
                assert!(!learned.contains(&text), "{suite}: {text}");
            }
        }
    }
}
