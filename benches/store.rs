//! How long keeping entries takes: put, get, remove, and reading everything back at start-up.
//!
//! `cargo bench --bench store`. The start-up scan reads 100,000 entries as the program does when it starts;
//! `DEJAVU_BENCH_LARGEST` changes the number.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use dejavu::domain::{
    Answerer, Digest, Embedded, Entry, EntryId, Finish, Key, Location, Model, Namespace, Placement, Recording, Scope,
    SpaceId, Surface, TenantId, Timestamp, Usage, Vector, Version,
};
use dejavu::store::{DiskStore, EntryStore};
use fastrand::Rng;

/// An entry as a chat makes it: a prompt of 60 characters, an answer of 1,200 in JSON, a vector of 384 components.
fn entry(n: u64) -> Entry {
    let mut rng = Rng::with_seed(n);
    let words = ["cache", "token", "river", "seven", "answer", "about", "which", "green", "model", "paper", "north"];
    let mut text =
        |count: usize| -> String { (0..count).map(|_| words[rng.usize(..words.len())].to_owned() + " ").collect() };
    let (prompt, said) = (text(10), text(190));
    let answer = format!(
        r#"{{"id":"chatcmpl-{n}","object":"chat.completion","choices":[{{"message":{{"content":"{said}"}}}}]}}"#
    );
    let vector = Vector::normalised((0..384).map(|_| rng.f32() - 0.5).collect()).expect("noise has a direction");
    Entry {
        key: Key(Digest::of(&n.to_be_bytes())),
        tenant: TenantId("0123456789abcdef0123456789abcdef".into()),
        namespace: Namespace::default(),
        answerer: Answerer {
            model: Model { upstream: "ollama".into(), name: "llama3.2".into() },
            reported: Some("llama3.2".into()),
            version: Version("a80c4f17acd55265feec403c7aef86be0c25983ab279d83f3bcd3abbcb5b8b72".into()),
            location: Location::Local,
        },
        prompt: prompt.into(),
        tags: Vec::new(),
        created: Timestamp(1_700_000_000_000),
        expires: Timestamp(1_700_086_400_000),
        placement: Some(Placement {
            scope: Scope(Digest::of(b"scope")),
            wider: None,
            embedded: Some(Embedded { vector, space: SpaceId("space".into()), unseen: None, earlier: Vec::new() }),
        }),
        took: Duration::from_millis(900),
        recording: Recording {
            surface: Surface::OpenaiChat,
            answer: answer.into(),
            finish: Finish::Complete,
            reported_model: Some("llama3.2".into()),
            usage: Some(Usage { prompt: 20, completion: 190 }),
        },
    }
}

fn store(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let largest: u64 = std::env::var("DEJAVU_BENCH_LARGEST").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let folder = tempfile::tempdir().expect("a folder");
    let open = || DiskStore::open(folder.path(), Timestamp(0)).expect("the folder opens");
    let mut group = criterion.benchmark_group("store");

    {
        let store = open();
        let start = Instant::now();
        runtime.block_on(async {
            for n in 0..largest {
                store.put(&entry(n)).await.expect("put");
            }
            store.close().await.expect("flush");
        });
        println!("{largest} puts, one after another, and a flush: {:.2?}; {:?}", start.elapsed(), store.volume());
    }
    let start = Instant::now();
    let store = open();
    let opened = start.elapsed();
    let found = runtime.block_on(async {
        let (mut found, mut after) = (0, None);
        loop {
            let page = store.scan(after, 1000).await.expect("scan");
            let Some(last) = page.last() else { return found };
            (found, after) = (found + page.len(), Some(last.id()));
        }
    });
    println!("start-up: opened in {opened:.2?}, {found} entries read in {:.2?}", start.elapsed());

    let mut n = 0;
    let mut next = || {
        n = (n + 7919) % largest;
        n
    };
    group.bench_function("get", |bencher| {
        bencher.iter(|| {
            let id = EntryId::from(Key(Digest::of(&next().to_be_bytes())));
            black_box(runtime.block_on(store.get(id)).expect("get"))
        });
    });
    group.bench_function("put (replacing)", |bencher| {
        bencher.iter_batched(
            || entry(next()),
            |entry| runtime.block_on(store.put(&entry)).expect("put"),
            criterion::BatchSize::SmallInput,
        );
    });
    group.bench_function("remove (durable)", |bencher| {
        bencher.iter(|| {
            let id = EntryId::from(Key(Digest::of(&next().to_be_bytes())));
            runtime.block_on(store.remove(&[id])).expect("remove");
        });
    });
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).without_plots();
    targets = store
}
criterion_main!(benches);
