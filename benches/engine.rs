//! The engine alone, without HTTP and without a model: what a lookup costs by equality, by meaning, and when there is
//! nothing. `cargo bench --bench engine`.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dejavu::cache::{Engine, Filling, Lookup, Parts, Settings};
use dejavu::domain::{
    Asked, Digest, Directives, Finish, Head, Lifetimes, Location, Model, Namespace, Prompt, Query, Recording, Secret,
    Shape, Size, SpaceId, Surface, SystemClock, Target, TenantId, Traits, Vector, Version,
};
use dejavu::embed::{EmbedError, Embedder, Embedding, Space};
use dejavu::index::{self, Partitions};
use dejavu::store::{EntryStore, Ledger, MemoryStore};
use dejavu::telemetry::Steps;
use dejavu::upstream::{UpstreamError, VersionSource};
use http::{HeaderMap, StatusCode};
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A direction that follows from the text, at once: the model's own time is measured elsewhere.
#[derive(Debug)]
struct Instant(Space);

#[async_trait]
impl Embedder for Instant {
    async fn embed(&self, text: &str) -> Result<Embedding, EmbedError> {
        // Rewordings of one question ("...?" and "...??") lie in one place.
        let mut bytes = [0; 384];
        blake3::Hasher::new().update(text.trim_end_matches('?').as_bytes()).finalize_xof().fill(&mut bytes);
        let raw = bytes.iter().map(|byte| f32::from(*byte) - 127.5).collect();
        let vector = Vector::normalised(raw).map_err(|fault| EmbedError::Fault(fault.to_string()))?;
        Ok(Embedding { vector, unseen: None })
    }

    fn space(&self) -> &Space {
        &self.0
    }
}

#[derive(Debug)]
struct Always;

#[async_trait]
impl VersionSource for Always {
    async fn probe(&self, _: &Model) -> Result<Option<Version>, UpstreamError> {
        Ok(Some(Version("sha256:one".into())))
    }
}

fn query(prompt: &str) -> Query {
    let model = Model { upstream: "ollama".into(), name: "llama3".into() };
    Query {
        asked: Arc::new(Asked {
            surface: Surface::OpenaiChat,
            model: "llama3".into(),
            shape: Shape { stream: false, usage_chunk: false },
            frame: Digest::of(b"a system prompt"),
            history: Vec::new(),
            last: Digest::of(prompt.as_bytes()),
            prompt: Some(Prompt(prompt.into())),
            traits: Traits::default(),
        }),
        tenant: TenantId("0123456789abcdef0123456789abcdef".into()),
        namespace: Namespace::default(),
        headers: Digest::of(b""),
        targets: vec![Target { model, location: Location::Local }],
        route: "*".into(),
    }
}

fn filling() -> Filling {
    let model = Model { upstream: "ollama".into(), name: "llama3".into() };
    Filling {
        target: Target { model, location: Location::Local },
        head: Arc::new(Head { status: StatusCode::OK, headers: HeaderMap::new() }),
        recording: Ok(Recording {
            surface: Surface::OpenaiChat,
            answer: Bytes::from(vec![b'x'; 1500]),
            finish: Finish::Complete,
            reported_model: Some("llama3".into()),
            usage: None,
        }),
        took: Duration::from_secs(1),
    }
}

async fn engine<S: EntryStore + Ledger + 'static>(store: Arc<S>, hot_bytes: Size, entries: usize) -> Arc<Engine> {
    let parts = Parts {
        store: store.clone(),
        ledger: store,
        index: Arc::new(Partitions::new(index::Settings::default())),
        versions: Arc::new(Always),
        clock: Arc::new(SystemClock),
        secret: Secret::new([7; 32]),
        tasks: TaskTracker::new(),
        stop: CancellationToken::new(),
        steps: Steps::default(),
    };
    let engine = Engine::open(parts, Settings { hot_bytes, ..Settings::default() }).await;
    let space = Space { id: SpaceId("instant".into()), model: "instant".into(), dimension: 384, max_tokens: 256 };
    engine.set_embedder(Some(Arc::new(Instant(space))));
    let writing = Directives { no_cache: true, ..Directives::default() };
    for i in 0..entries {
        if let Lookup::Miss(ticket) = engine.lookup(query(&prompt(i)), &writing, Lifetimes::default()).await {
            ticket.fill(filling()).await.expect("it is kept");
        }
    }
    engine
}

fn prompt(i: usize) -> String {
    format!("how do the settings of section {i} work?")
}

fn hit(lookup: Lookup) {
    assert!(matches!(black_box(lookup), Lookup::Hit(_)), "a hit was expected");
}

fn exact(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let directives = Directives::default();
    let hot = runtime.block_on(engine(Arc::<MemoryStore>::default(), Size::mib(256), 1000));
    c.bench_function("exact hit, in memory", |b| {
        b.to_async(&runtime).iter_batched(
            || query(&prompt(7)),
            |query| async { hit(hot.lookup(query, &directives, Lifetimes::default()).await) },
            BatchSize::SmallInput,
        );
    });
    let folder = tempfile::tempdir().expect("a folder");
    let disk = Arc::new(dejavu::store::DiskStore::open(folder.path(), dejavu::domain::Timestamp(0)).expect("a store"));
    let cold = runtime.block_on(engine(disk, Size(0), 1000));
    c.bench_function("exact hit, on disk", |b| {
        b.to_async(&runtime).iter_batched(
            || query(&prompt(7)),
            |query| async { hit(cold.lookup(query, &directives, Lifetimes::default()).await) },
            BatchSize::SmallInput,
        );
    });
}

fn semantic(c: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let directives = Directives::default();
    for entries in [1_000, 10_000, 100_000] {
        let engine = runtime.block_on(engine(Arc::<MemoryStore>::default(), Size::mib(1024), entries));
        if entries > index::Settings::default().scan_up_to {
            // Until the graph is built in the background, a large partition is scanned.
            while engine.census().index.graphs == 0 {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
        c.bench_function(&format!("semantic hit among {entries}, embedding apart"), |b| {
            b.to_async(&runtime).iter_batched(
                || query(&format!("{}?", prompt(7))),
                |query| async { hit(engine.lookup(query, &directives, Lifetimes::default()).await) },
                BatchSize::SmallInput,
            );
        });
        if entries == 10_000 {
            let next = AtomicUsize::new(entries);
            c.bench_function("miss among 10000, looked up and kept", |b| {
                b.to_async(&runtime).iter_batched(
                    || query(&prompt(next.fetch_add(1, Ordering::Relaxed))),
                    |query| async {
                        match engine.lookup(query, &directives, Lifetimes::default()).await {
                            Lookup::Miss(ticket) => ticket.fill(filling()).await.expect("it is kept"),
                            _ => panic!("a miss was expected"),
                        }
                    },
                    BatchSize::SmallInput,
                );
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(Duration::from_secs(3));
    targets = exact, semantic
}
criterion_main!(benches);
