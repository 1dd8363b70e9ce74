//! What a user feels: `cargo bench --bench story`.
//!
//! The real server over loopback in front of a bare model server, with the clients, all in this one process: the
//! figures are those of a machine that does all of it. One row per scenario: requests a second, and percentiles of the
//! time of one request. Dated figures stand in `docs/performance.md`. Scenarios can be picked by name, as in
//! `cargo bench --bench story -- equality misses embedding 1000 10000 100000`.

mod bed;
mod client;
mod seed;

use std::time::Instant;

use bed::{Bed, chat, wording};
use bytes::Bytes;
use client::{measure, row};

/// Clients at work at once where throughput is asked for.
const CROWD: usize = 16;
const REQUESTS: usize = 20_000;
/// Questions asked in other words, each once.
const WORDINGS: usize = 500;

fn main() {
    // `cargo test --all-targets` runs this without `--bench`, and does not mean minutes of load.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(story());
}

async fn story() {
    let picked: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_picked = |name: &str| picked.is_empty() || picked.iter().any(|picked| picked == name);
    println!("{:<44} {:>9} {:>9} {:>9} {:>9}", "scenario", "req/s", "p50 ms", "p90 ms", "p99 ms");
    let folder = tempfile::tempdir().expect("a folder can be made");
    let bed = Bed::start(folder.path()).await;
    if is_picked("equality") {
        equality(&bed).await;
    }
    if is_picked("misses") {
        misses(&bed).await;
    }
    bed.stop().await;
    if is_picked("embedding") {
        embedding().await;
    }
    for entries in [1_000, 10_000, 100_000] {
        if is_picked(&entries.to_string()) {
            meaning(entries).await;
        }
    }
}

/// Exact hits beside a bare handler that returns the same bytes, in the same run.
async fn equality(bed: &Bed) {
    let question = chat(&wording("How do I", 0), false);
    bed.ask(&question).await;
    let hit = bed.ask(&question).await;
    assert_eq!(hit.headers()["x-cache-status"], "HIT");
    let bare = bed.bare(hit.into_body()).await;
    for crowd in [1, CROWD] {
        let clients = format!("{crowd} client{}", if crowd == 1 { "" } else { "s" });
        let same = || always(question.clone());
        measure(&format!("bare handler, same bytes, {clients}"), crowd, REQUESTS, &bare, &[], same()).await;
        measure(&format!("exact hit, {clients}"), crowd, REQUESTS, &bed.url, &[], same()).await;
    }
    let streamed = always(chat(&wording("How do I", 0), true));
    measure("exact hit replayed as a stream, 1 client", 1, REQUESTS, &bed.url, &[], streamed).await;
}

fn always(body: Bytes) -> impl Fn(usize) -> Bytes + Send + Sync + Clone {
    move |_| body.clone()
}

/// What passing through costs where nothing is found, beyond the embedding.
async fn misses(bed: &Bed) {
    const MISSES: usize = 5_000;
    let asked = |run: &'static str| move |at: usize| chat(&format!("{run} question {at}"), false);
    measure("upstream, asked directly", 1, MISSES, &bed.upstream, &[], asked("direct")).await;
    let equal = [("x-cache-mode", "exact")];
    measure("exact miss, answer kept", 1, MISSES, &bed.url, &equal, asked("exact")).await;
    let off = [("x-cache-mode", "off")];
    measure("bypass", 1, MISSES, &bed.url, &off, asked("off")).await;
    measure("semantic miss, embedded and kept", 1, 1_000, &bed.url, &[], asked("semantic")).await;
}

/// The embedding alone, of the wordings that the semantic scenarios ask.
async fn embedding() {
    let embedder =
        dejavu::embed::open(&seed::fresh_embedding(), dejavu::embed::Progress::Logged).await.expect("an embedder");
    let mut times = Vec::with_capacity(WORDINGS);
    let started = Instant::now();
    for at in 0..WORDINGS {
        let begun = Instant::now();
        embedder.embed(&wording("How can I", at)).await.expect("a vector");
        times.push(begun.elapsed());
    }
    row("embedding alone, prompts of about 10 tokens", times, started.elapsed());
}

/// Semantic hits among many entries of one scope, and what starting with that many takes.
async fn meaning(entries: usize) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    seed::fill(folder.path(), entries, WORDINGS).await;
    let started = Instant::now();
    let bed = Bed::start(folder.path()).await;
    let listening = started.elapsed();
    bed.until_rebuilt(entries).await;
    println!(
        "start-up with {entries} entries: listening after {listening:.2?}, index whole after {:.2?}",
        started.elapsed()
    );
    let before = bed.semantic_hits().await;
    let label = format!("semantic hit among {entries} entries");
    let mean = measure(&label, 1, WORDINGS, &bed.url, &[], |at| chat(&wording("How can I", at), false)).await;
    let hits = bed.semantic_hits().await - before;
    assert!(hits as usize >= WORDINGS * 9 / 10, "only {hits} of {WORDINGS} were semantic hits");
    let [embedding, search, reading, judging] = bed.steps(["embedding", "search", "reading", "judging"]).await;
    println!(
        "    on average {:.3} ms: embedding {embedding:.3}, search {search:.3}, reading {reading:.3}, judging {judging:.3}; \
         all but the embedding {:.3}",
        mean.as_secs_f64() * 1e3,
        mean.as_secs_f64() * 1e3 - embedding
    );
    bed.stop().await;
}
