//! What only the store on disk can suffer: damage, two processes, other formats, bloat.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use fastrand::Rng;
use migrations::Tables;
use tempfile::TempDir;

use super::*;
use crate::store::laws::{entry, everything};

const NOW: Timestamp = Timestamp(1_700_000_000_123);

fn open(folder: &TempDir) -> DiskStore {
    DiskStore::open(&folder.path().join("data"), NOW).unwrap()
}

fn engine(folder: &TempDir) -> Engine {
    Engine::open(&folder.path().join("data/db")).unwrap()
}

fn answer(bytes: usize, seed: u64) -> Bytes {
    let mut rng = Rng::with_seed(seed);
    (0..bytes).map(|_| rng.u8(..)).collect()
}

/// Files under a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(folder).unwrap().map(|item| item.unwrap().path());
    items.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_second_process_is_told_that_the_folder_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let path = folder.path().join("data");
    assert_eq!(DiskStore::open(&path, NOW).unwrap_err(), StoreError::Locked(path.clone()));
    drop(store);
    assert!(DiskStore::open(&path, NOW).is_ok());
}

#[tokio::test]
async fn a_damaged_entry_is_absent_and_dropped_and_its_neighbours_stay() {
    let folder = tempfile::tempdir().unwrap();
    let entries: Vec<_> = (0..5).map(|n| entry(n, answer(9000, n))).collect();
    {
        let store = open(&folder);
        for entry in &entries {
            store.put(entry).await.unwrap();
        }
    }
    let damaged = entries[2].id();
    {
        // The middle one of three parts, with one bit flipped.
        let engine = engine(&folder);
        let (key, part) = parts::standing(&engine, Table::Entries, &damaged.0).unwrap()[1].clone();
        let mut part = part.to_vec();
        part[17] ^= 1;
        let mut changes = super::sled::Changes::default();
        changes.put(&key, &part);
        engine.apply(Table::Entries, changes).unwrap();
    }
    let store = open(&folder);
    assert_eq!(store.volume().entries, 5);
    assert_eq!(store.get(damaged).await, Ok(None));
    assert_eq!(store.volume().entries, 4);
    let mut left: Vec<_> = entries.into_iter().filter(|entry| entry.id() != damaged).collect();
    left.sort_by_key(Entry::id);
    assert_eq!(everything(&store, 2).await, left);
}

#[tokio::test]
async fn a_scan_goes_on_behind_a_page_of_damaged_entries() {
    let folder = tempfile::tempdir().unwrap();
    let mut entries: Vec<_> = (0..6).map(|n| entry(n, answer(10, n))).collect();
    entries.sort_by_key(Entry::id);
    {
        let store = open(&folder);
        for entry in &entries {
            store.put(entry).await.unwrap();
        }
    }
    {
        let engine = engine(&folder);
        let mut changes = super::sled::Changes::default();
        for entry in &entries[..4] {
            changes.put(&parts::split(&entry.id().0, b"x").unwrap()[0].0, b"nonsense");
        }
        engine.apply(Table::Entries, changes).unwrap();
    }
    assert_eq!(everything(&open(&folder), 2).await, entries[4..]);
}

#[tokio::test]
async fn a_damaged_ledger_record_is_an_error_until_it_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).write("secret", b"one").await.unwrap();
    {
        let mut changes = super::sled::Changes::default();
        changes.put(&parts::split(&ledger::key("secret"), b"x").unwrap()[0].0, b"nonsense of more than sixteen bytes");
        engine(&folder).apply(Table::Ledger, changes).unwrap();
    }
    let store = open(&folder);
    assert!(matches!(store.read("secret").await, Err(StoreError::Damaged(_))));
    store.write("secret", b"two").await.unwrap();
    assert_eq!(store.read("secret").await, Ok(Some(b"two".to_vec())));
}

#[tokio::test]
async fn files_of_nonsense_are_set_aside_and_a_new_store_begins() {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(&folder);
        store.put(&entry(1, answer(100, 1))).await.unwrap();
        store.close().await.unwrap();
    }
    for file in files(&folder.path().join("data/db")) {
        fs::write(file, answer(5000, 9)).unwrap();
    }
    let store = open(&folder);
    let aside = folder.path().join("data.corrupt-2023-11-14T22-13-20-123Z");
    assert_eq!(store.opening().set_aside.as_ref(), Some(&aside));
    assert!(aside.join("db").is_dir());
    assert_eq!(everything(&store, 10).await, []);
    store.put(&entry(2, answer(100, 2))).await.unwrap();
    drop(store);
    assert_eq!(open(&folder).opening().set_aside, None);
}

/// Whatever bit turns over in whichever file: the store opens, and what it gives out was put in.
#[tokio::test]
async fn flipped_bits_never_become_wrong_answers() {
    let mut rng = Rng::with_seed(11);
    let entries: Vec<_> = (0..40).map(|n| entry(n, answer(300 * n as usize, n))).collect();
    let original = tempfile::tempdir().unwrap();
    {
        let store = open(&original);
        for entry in &entries {
            store.put(entry).await.unwrap();
        }
    }
    let db = original.path().join("data/db");
    let mut unharmed = 0;
    for _ in 0..24 {
        let folder = tempfile::tempdir().unwrap();
        let copy = folder.path().join("data/db");
        for file in files(&db) {
            let to = copy.join(file.strip_prefix(&db).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(file, to).unwrap();
        }
        let targets: Vec<_> = files(&copy).into_iter().filter(|file| file.metadata().unwrap().len() > 0).collect();
        let target = &targets[rng.usize(..targets.len())];
        let mut bytes = fs::read(target).unwrap();
        // In the part of the file that is in use, where a flip has a chance to matter.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(1, |last| last + 1);
        for _ in 0..=rng.usize(..3) {
            bytes[rng.usize(..used)] ^= 1 << rng.u8(..8);
        }
        fs::write(target, bytes).unwrap();

        let store = open(&folder);
        for expected in &entries {
            // An error is as good as an absence: neither is a wrong answer.
            if let Ok(Some(found)) = store.get(expected.id()).await {
                assert_eq!(found, *expected);
                unharmed += 1;
            }
        }
        let _ = store.put(&entries[0]).await;
    }
    assert!(unharmed > 0, "the flips are to hit single records too, not the whole folder every time");
}

#[tokio::test]
async fn a_newer_folder_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    open(&folder).put(&entry(1, answer(10, 1))).await.unwrap();
    let newer = migrations::NEWEST + 1;
    {
        let mut changes = super::sled::Changes::default();
        changes.put(migrations::FORMAT, &[newer.to_be_bytes(), (!newer).to_be_bytes()].concat());
        engine(&folder).apply(Table::Meta, changes).unwrap();
    }
    let path = folder.path().join("data");
    let expected = StoreError::Newer { found: newer, known: migrations::NEWEST };
    assert_eq!(DiskStore::open(&path, NOW).unwrap_err(), expected);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was set aside");
}

#[tokio::test]
async fn a_bloated_database_is_written_afresh() {
    let folder = tempfile::tempdir().unwrap();
    let kept = entry(1, answer(100, 1));
    {
        let store = open(&folder);
        store.put(&kept).await.unwrap();
        store.write("name", b"record").await.unwrap();
        let bloat: Vec<_> = (2..10).map(|n| entry(n, answer(3 << 19, n))).collect();
        for entry in &bloat {
            store.put(entry).await.unwrap();
        }
        store.remove(&bloat.iter().map(Entry::id).collect::<Vec<_>>()).await.unwrap();
        assert!(store.volume().disk_bytes > 8 << 20, "{:?}", store.volume());
    }
    let store = open(&folder);
    let gain = store.opening().compacted.unwrap();
    assert!(gain.after < gain.before / 4, "{gain:?}");
    assert_eq!(everything(&store, 10).await, [kept]);
    assert_eq!(store.read("name").await, Ok(Some(b"record".to_vec())));
    assert_eq!(store.volume().entries, 1);
}

#[tokio::test]
async fn a_compaction_cut_short_between_its_renames_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let kept = entry(1, answer(100, 1));
    open(&folder).put(&kept).await.unwrap();
    let data = folder.path().join("data");
    fs::rename(data.join("db"), data.join("db.fresh")).unwrap();
    fs::create_dir(data.join("db.old")).unwrap();
    assert_eq!(everything(&open(&folder), 10).await, [kept]);
    assert!(!data.join("db.old").exists());
}

#[tokio::test]
async fn a_compaction_cut_short_while_copying_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let kept = entry(1, answer(100, 1));
    open(&folder).put(&kept).await.unwrap();
    fs::create_dir(folder.path().join("data/db.fresh")).unwrap();
    assert_eq!(everything(&open(&folder), 10).await, [kept]);
    assert!(!folder.path().join("data/db.fresh").exists());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entry_replaced_while_it_is_read_is_one_or_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder);
    let (small, large) = (entry(1, answer(5000, 1)), entry(1, answer(30_000, 2)));
    store.put(&small).await.unwrap();
    let writing = async {
        for _ in 0..40 {
            store.put(&large).await.unwrap();
            store.put(&small).await.unwrap();
        }
    };
    let reading = async {
        for _ in 0..200 {
            let found = store.get(small.id()).await.unwrap().unwrap();
            assert!(found == small || found == large);
        }
    };
    tokio::join!(writing, reading);
}

/// Every recorded format opens with today's program. A missing recording of today's format is made, and the test
/// fails so that it is looked at and committed.
#[tokio::test]
async fn recorded_databases_of_every_format_open() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations/fixtures");
    let expected = [entry(1, Bytes::from_static(b"{}")), entry(2, vec![b'a'; 10_000].into())];
    for format in 1..=migrations::NEWEST {
        let recording = fixtures.join(format!("v{format:04}.dump"));
        let Ok(text) = fs::read_to_string(&recording) else {
            fs::write(&recording, record_database(&expected).await.to_string()).unwrap();
            panic!("recorded {}: look at it, commit it, and run again", recording.display());
        };
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("data")).unwrap();
        {
            let engine = engine(&folder);
            for (table, key, value) in Tables::parse(&text).unwrap().records() {
                migrations::Database::put(&mut &engine, table, key, value).unwrap();
            }
        }
        let store = open(&folder);
        assert_eq!(store.opening().format_found, Some(format));
        assert_eq!(store.opening().set_aside, None);
        assert_eq!(store.read("secret").await, Ok(Some(vec![7; 32])), "format {format}");
        let mut expected = expected.to_vec();
        expected.sort_by_key(Entry::id);
        assert_eq!(everything(&store, 10).await, expected, "format {format}");
    }
}

async fn record_database(entries: &[Entry]) -> Tables {
    let folder = tempfile::tempdir().unwrap();
    {
        let store = open(&folder);
        for entry in entries {
            store.put(entry).await.unwrap();
        }
        store.write("secret", &[7; 32]).await.unwrap();
    }
    let engine = engine(&folder);
    let mut tables = Tables::default();
    for table in ["entries", "ledger", "meta"] {
        let mut after = None;
        while let Some((key, value)) = migrations::Database::next(&&engine, table, after.as_deref()).unwrap() {
            migrations::Database::put(&mut tables, table, &key, &value).unwrap();
            after = Some(key);
        }
    }
    tables
}
