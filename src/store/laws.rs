//! What every store must do, run against each of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::{DiskStore, EntryStore, Ledger, MemoryStore};
use crate::domain::{
    Answerer, Digest, Embedded, Entry, EntryId, Finish, Key, Location, Model, Namespace, Placement, Recording, Scope,
    Seen, SpaceId, Surface, Tag, TenantId, Timestamp, Usage, Vector, Version, Wider,
};

/// An entry whose id and content follow from `n` and `answer`.
pub(super) fn entry(n: u64, answer: Bytes) -> Entry {
    let digest = Digest::of(&n.to_be_bytes());
    Entry {
        key: Key(digest),
        tenant: TenantId(Arc::from("0123456789abcdef0123456789abcdef")),
        namespace: Namespace::default(),
        answerer: Answerer {
            model: Model { upstream: "ollama".into(), name: "llama3.2".into() },
            reported: Some("llama3.2".into()),
            version: Version("sha256:ab".into()),
            location: Location::Local,
        },
        prompt: format!("What is {n} squared?").into(),
        tags: vec![Tag("sums".into())],
        created: Timestamp(1_700_000_000_000 + n),
        expires: Timestamp(1_700_000_060_000 + n),
        placement: Some(Placement {
            scope: Scope(Digest::of(b"scope")),
            wider: None,
            embedded: Some(Embedded {
                vector: Vector::normalised(vec![0.6, 0.8]).unwrap(),
                space: SpaceId("space".into()),
                unseen: None,
                earlier: Vec::new(),
            }),
        }),
        took: Duration::from_micros(1_234_567),
        recording: Recording {
            surface: Surface::OpenaiChat,
            answer,
            finish: Finish::Complete,
            reported_model: Some("llama3.2".into()),
            usage: Some(Usage { prompt: 7, completion: 3 }),
        },
    }
}

fn any_text() -> impl Strategy<Value = Arc<str>> {
    "\\PC{0,24}".prop_map(Arc::from)
}

fn any_digest() -> impl Strategy<Value = Digest> {
    any::<[u8; 32]>().prop_map(Digest)
}

prop_compose! {
    fn any_placement()(
        scope in any_digest(),
        raw in prop::collection::vec(-1.0_f32..1.0, 1..400),
        space in any_text(),
        unseen in prop::option::of(any_digest()),
        placed in any::<bool>(),
        wider in prop::option::of((any_digest(), prop::collection::vec(any_text(), 0..3))),
    ) -> Option<Placement> {
        let wider = wider.map(|(scope, questions)| Wider { scope: Scope(scope), questions });
        let embedded = Vector::normalised(raw).ok().map(|vector| {
            let seen = Seen { vector: vector.clone(), unseen };
            let earlier = wider.iter().flat_map(|wider| &wider.questions).map(|_| seen.clone()).collect();
            Embedded { vector, space: SpaceId(space), unseen, earlier }
        });
        placed.then_some(Placement { scope: Scope(scope), wider, embedded })
    }
}

prop_compose! {
    fn any_answerer()(
        upstream in any_text(),
        name in any_text(),
        reported in prop::option::of(any_text()),
        version in any_text(),
        cloud in any::<bool>(),
    ) -> Answerer {
        let location = if cloud { Location::Cloud } else { Location::Local };
        Answerer { model: Model { upstream, name }, reported, version: Version(version), location }
    }
}

prop_compose! {
    fn any_recording()(
        surface in prop::sample::select(&Surface::ALL[..]),
        answer in prop::collection::vec(any::<u8>(), 0..20_000),
        repeated in 1..4_usize,
        finish in prop::sample::select(vec![
            Finish::Complete, Finish::ToolCalls, Finish::Truncated, Finish::Filtered, Finish::Refused,
            Finish::Unfinished,
        ]),
        reported_model in prop::option::of(any_text()),
        usage in prop::option::of((any::<u64>(), any::<u64>())),
    ) -> Recording {
        let usage = usage.map(|(prompt, completion)| Usage { prompt, completion });
        Recording { surface, answer: answer.repeat(repeated).into(), finish, reported_model, usage }
    }
}

prop_compose! {
    /// Any entry, its key among a few so that entries replace each other.
    fn any_entry()(
        key in 0..6_u8,
        (tenant, namespace, prompt) in (any_text(), any_text(), any_text()),
        answerer in any_answerer(),
        tags in prop::collection::vec(any_text().prop_map(Tag), 0..3),
        (created, expires, took) in (any::<u64>(), any::<u64>(), any::<Duration>()),
        placement in any_placement(),
        recording in any_recording(),
    ) -> Entry {
        let (tenant, namespace) = (TenantId(tenant), Namespace(namespace));
        let (created, expires) = (Timestamp(created), Timestamp(expires));
        let key = Key(Digest::of(&[key]));
        Entry { key, tenant, namespace, answerer, prompt, tags, created, expires, placement, took, recording }
    }
}

#[derive(Debug, Clone)]
enum Act {
    Put(Box<Entry>),
    Remove(Vec<u8>),
    Write(u8, Vec<u8>),
}

fn any_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => any_entry().prop_map(|entry| Act::Put(Box::new(entry))),
        2 => prop::collection::vec(0..6_u8, 0..4).prop_map(Act::Remove),
        1 => (0..3_u8, prop::collection::vec(any::<u8>(), 0..9000)).prop_map(|(name, record)| Act::Write(name, record)),
    ]
}

/// Runs acts on a store and on a plain map, and compares everything that can be asked.
async fn obeys(store: &(impl EntryStore + Ledger), acts: Vec<Act>, page: usize) {
    let mut entries: BTreeMap<EntryId, Entry> = BTreeMap::new();
    let mut records: HashMap<String, Vec<u8>> = HashMap::new();
    for act in acts {
        match act {
            Act::Put(entry) => {
                store.put(&entry).await.unwrap();
                entries.insert(entry.id(), *entry);
            }
            Act::Remove(keys) => {
                let ids: Vec<EntryId> = keys.iter().map(|key| Key(Digest::of(&[*key])).into()).collect();
                store.remove(&ids).await.unwrap();
                ids.iter().for_each(|id| drop(entries.remove(id)));
            }
            Act::Write(name, record) => {
                let name = "n".repeat(usize::from(name));
                store.write(&name, &record).await.unwrap();
                records.insert(name, record);
            }
        }
        for key in 0..6_u8 {
            let id = Key(Digest::of(&[key])).into();
            assert_eq!(store.get(id).await.unwrap().as_ref(), entries.get(&id));
        }
    }
    for name in 0..3 {
        let name = "n".repeat(name);
        assert_eq!(store.read(&name).await.unwrap().as_ref(), records.get(&name));
    }
    assert_eq!(everything(store, page).await, entries.into_values().collect::<Vec<_>>());
}

/// All entries of a store, by pages.
pub(super) async fn everything(store: &impl EntryStore, page: usize) -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    loop {
        let found = store.scan(all.last().map(Entry::id), page).await.unwrap();
        assert!(found.len() <= page);
        if found.is_empty() {
            return all;
        }
        all.extend(found);
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn the_memory_store_obeys(acts in prop::collection::vec(any_act(), 0..12), page in 1..5_usize) {
        block_on(obeys(&MemoryStore::default(), acts, page));
    }

    #[test]
    fn the_disk_store_obeys_and_holds_the_same_after_reopening(
        acts in prop::collection::vec(any_act(), 0..12),
        page in 1..5_usize,
    ) {
        block_on(async {
            let folder = tempfile::tempdir().unwrap();
            let store = DiskStore::open(folder.path(), Timestamp(0)).unwrap();
            obeys(&store, acts, page).await;
            let before = (everything(&store, page).await, store.volume().entries, store.volume().bytes);
            drop(store);
            let store = DiskStore::open(folder.path(), Timestamp(0)).unwrap();
            let after = (everything(&store, page).await, store.volume().entries, store.volume().bytes);
            assert_eq!(before, after);
            assert_eq!(before.0.len() as u64, before.1);
        });
    }
}
