//! How long finding the nearest vectors takes, by scan and through a graph.
//!
//! `cargo bench --bench index`. Before criterion's own figures it prints what building costs, in time and memory, and
//! the recall of searches. `DEJAVU_BENCH_LARGEST` bounds the number of vectors (default 100000, of which the graph
//! alone takes some minutes to build), `DEJAVU_BENCH_LARGEST_GRAPH` those in graphs.

use std::hint::black_box;
use std::time::Instant;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use dejavu::domain::{Digest, EntryId, Scope, Vector};
use dejavu::index::{Partitions, Settings, VectorIndex};
use dejavu::policy::judge;
use fastrand::Rng;

const DIMENSION: usize = 384;
/// Directions in which prompts differ: embeddings of text fill far fewer than they have components.
const LATENT: usize = 40;
const NEIGHBOURS: usize = 8;

/// Vectors that lie as embedded prompts do: in clusters of several sizes, in a low-dimensional part of the space.
struct Prompts {
    rng: Rng,
    axes: Vec<Vec<f32>>,
    topics: Vec<Vec<f32>>,
}

impl Prompts {
    fn new() -> Self {
        let mut rng = Rng::with_seed(42);
        let mut normal =
            |count: usize| -> Vec<f32> { (0..count).map(|_| (0..6).map(|_| rng.f32() - 0.5).sum()).collect() };
        let axes = (0..LATENT).map(|_| normal(DIMENSION)).collect();
        let topics = (0..2000).map(|_| normal(LATENT)).collect();
        Self { rng, axes, topics }
    }

    fn next(&mut self) -> Vector {
        let Self { rng, axes, topics } = self;
        let topic = &topics[rng.usize(..topics.len())];
        let at: Vec<f32> = topic.iter().map(|x| x + 0.5 * (0..6).map(|_| rng.f32() - 0.5).sum::<f32>()).collect();
        let raw = (0..DIMENSION).map(|c| {
            let meant: f32 = axes.iter().zip(&at).map(|(axis, x)| axis[c] * x).sum();
            meant + 0.3 * (rng.f32() - 0.5)
        });
        Vector::normalised(raw.collect()).expect("noise has a direction")
    }
}

fn scope() -> Scope {
    Scope(Digest::of(b"bench"))
}

fn id(n: usize) -> EntryId {
    EntryId((n as u128).to_be_bytes())
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    status.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}

fn build(vectors: &[Vector], scan_up_to: usize) -> Partitions {
    let before = resident_bytes();
    let index = Partitions::new(Settings { scan_up_to });
    let start = Instant::now();
    for (n, vector) in vectors.iter().enumerate() {
        index.insert(scope(), id(n), vector.clone());
    }
    let inserted = start.elapsed();
    index.settle();
    let census = index.census();
    println!(
        "{} vectors, {} graphs: inserted in {inserted:.2?}, settled after {:.2?}; {} bytes a vector by census, {} resident",
        census.vectors,
        census.graphs,
        start.elapsed(),
        census.bytes / vectors.len(),
        resident_bytes().saturating_sub(before) / vectors.len(),
    );
    index
}

fn recall(index: &Partitions, exact: &Partitions, queries: &[Vector]) -> f64 {
    let mut found = 0;
    for query in queries {
        let truth = exact.search(scope(), query, NEIGHBOURS, -1.0);
        let worst = truth.last().map_or(0.0, |last| last.similarity);
        found += index.search(scope(), query, NEIGHBOURS, -1.0).iter().filter(|near| near.similarity >= worst).count();
    }
    found as f64 / (queries.len() * NEIGHBOURS) as f64
}

fn searches(criterion: &mut Criterion) {
    let bound = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let (largest, largest_graph) = (bound("DEJAVU_BENCH_LARGEST"), bound("DEJAVU_BENCH_LARGEST_GRAPH"));
    let mut prompts = Prompts::new();
    let vectors: Vec<_> = (0..largest).map(|_| prompts.next()).collect();
    let queries: Vec<_> = (0..256).map(|_| prompts.next()).collect();
    let least = judge::Settings::default().reach(None);
    let mut group = criterion.benchmark_group("search");
    for count in [1000, 10_000, 20_000, 50_000, 100_000].into_iter().filter(|count| *count <= largest) {
        let exact = build(&vectors[..count], usize::MAX);
        let mut next = queries.iter().cycle();
        group.bench_function(BenchmarkId::new("scan", count), |bencher| {
            bencher.iter(|| exact.search(scope(), black_box(next.next().expect("endless")), NEIGHBOURS, least));
        });
        if count < 10_000 || count > largest_graph {
            continue;
        }
        let graph = build(&vectors[..count], count / 2);
        println!("recall@{NEIGHBOURS} through the graph: {:.4}", recall(&graph, &exact, &queries));
        group.bench_function(BenchmarkId::new("graph", count), |bencher| {
            bencher.iter(|| graph.search(scope(), black_box(next.next().expect("endless")), NEIGHBOURS, least));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(30).without_plots();
    targets = searches
}
criterion_main!(benches);
