//! The decision alone: eight candidates of 64 words each, all near enough to be read, as in the worst lookup.
//!
//! `cargo bench --bench judge` prints criterion's estimates and, first, the percentiles of 20,000 single decisions.

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use dejavu::policy::judge::{self, Candidate, Settings, judge};

/// A long question with room for what differs.
fn long(number: usize, what: &str) -> String {
    format!(
        "I run a small bakery with {number} ovens and two part time helpers, and since last spring the rye bread that \
         we bake on weekday mornings comes out {what} in the middle while the crust is already dark. The flour comes \
         from the same mill as before and the starter is fed every evening. What could be the reason for this, and \
         how do I change the temperature or the baking time?"
    )
}

/// The decision's cost by the length of the prompts.
fn decisions(c: &mut Criterion) {
    judge::prepare();
    let asked = long(3, "wet");
    let others: Vec<String> = (0..8).map(|n| long(3 + n % 3, ["wet", "dry", "sticky", "raw"][n % 4])).collect();
    let words = asked.split_whitespace().count();
    assert!((60..=80).contains(&words), "{words} words");
    let candidates: Vec<Candidate<'_>> = others.iter().map(|prompt| Candidate { prompt, similarity: 0.97 }).collect();
    let settings = Settings::default();

    let mut micros: Vec<f64> = (0..20_000)
        .map(|_| {
            let started = Instant::now();
            black_box(judge(black_box(&asked), &candidates, None, &settings));
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    micros.sort_by(f64::total_cmp);
    let at = |share: usize| micros[micros.len() * share / 1000];
    println!(
        "eight candidates of {words} words: p50 {:.0} us, p99 {:.0} us, p99.9 {:.0} us",
        at(500),
        at(990),
        at(999)
    );

    c.bench_function("judge: 8 candidates of 64 words", |b| {
        b.iter(|| judge(black_box(&asked), &candidates, None, &settings));
    });
    let short = [Candidate { prompt: "How do I switch off dark mode in the app?", similarity: 0.97 }; 8];
    c.bench_function("judge: 8 candidates of 10 words", |b| {
        b.iter(|| judge(black_box("How do I switch on dark mode in the app?"), &short, None, &settings));
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50);
    targets = decisions
}
criterion_main!(benches);
