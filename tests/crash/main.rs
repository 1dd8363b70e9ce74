//! kill -9 in the middle of writing: what was acknowledged stays, what was removed stays away, nothing is altered.
//!
//! A child process (this binary once more, running [`child`]) writes and says what it did on its standard output;
//! the parent kills it at some moment and reads what is left.

mod full;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use dejavu::domain::{
    Answerer, Digest, Entry, EntryId, Finish, Key, Location, Model, Namespace, Recording, Surface, Tag, TenantId,
    Timestamp, Version,
};
use dejavu::store::{DiskStore, EntryStore};

const FOLDER: &str = "DEJAVU_CRASH_FOLDER";
const FIRST: &str = "DEJAVU_CRASH_FIRST";
const NOW: Timestamp = Timestamp(0);
/// What a put promises: on the disk within this.
const DURABLE_WITHIN: Duration = Duration::from_secs(1);

/// The entry of a number: everything in it follows from the number.
fn entry(n: u64) -> Entry {
    let mut rng = fastrand::Rng::with_seed(n);
    let answer: Bytes = (0..rng.usize(..20_000)).map(|_| rng.u8(..)).collect();
    let name: Arc<str> = format!("model-{n}").into();
    Entry {
        key: Key(Digest::of(&n.to_be_bytes())),
        tenant: TenantId("tenant".into()),
        namespace: Namespace::default(),
        answerer: Answerer {
            model: Model { upstream: "ollama".into(), name },
            reported: None,
            version: Version::unknown(),
            location: Location::Local,
        },
        prompt: n.to_string().into(),
        tags: vec![Tag("crash".into())],
        created: Timestamp(n),
        expires: Timestamp::NEVER,
        placement: None,
        took: Duration::from_millis(n),
        recording: Recording {
            surface: Surface::OllamaChat,
            answer,
            finish: Finish::Complete,
            reported_model: None,
            usage: None,
        },
    }
}

/// The child's part: writes for ever. In the parent's run of all tests it has nothing to do.
#[tokio::test]
async fn child() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let first: u64 = first.parse().unwrap();
    let store = DiskStore::open(Path::new(&folder), NOW).unwrap();
    assert_eq!(store.opening().set_aside, None);
    let mut out = std::io::stdout();
    for n in first.. {
        store.put(&entry(n)).await.unwrap();
        writeln!(out, "\nput {n}").unwrap();
        if n % 7 == 6 {
            writeln!(out, "\nremoving {}", n - 3).unwrap();
            store.remove(&[entry(n - 3).id()]).await.unwrap();
            writeln!(out, "\nremoved {}", n - 3).unwrap();
        }
        if n % 50 == 49 {
            store.close().await.unwrap();
            writeln!(out, "\nflushed {n}").unwrap();
        }
    }
}

/// What the child said, and when it was heard.
#[derive(Default)]
struct Heard {
    put: BTreeMap<u64, Instant>,
    removing: Vec<u64>,
    removed: Vec<u64>,
    flushed: Option<u64>,
}

impl Heard {
    fn hear(&mut self, line: &str) {
        let Some((word, n)) = line.split_once(' ') else { return };
        let Ok(n) = n.parse() else { return };
        match word {
            "put" => drop(self.put.insert(n, Instant::now())),
            "removing" => self.removing.push(n),
            "removed" => self.removed.push(n),
            "flushed" => self.flushed = Some(n),
            _ => {}
        }
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_being_killed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data");
    let mut rng = fastrand::Rng::with_seed(5);
    let mut expected: BTreeMap<EntryId, Entry> = BTreeMap::new();
    let mut first = 0;
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(FOLDER, &path)
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut heard = Heard::default();
        // Killed after some acknowledgements; in the last round, only after the promised second has passed.
        let enough = rng.usize(20..200);
        let start = Instant::now();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while heard.put.len() < enough || (round == 4 && start.elapsed() < DURABLE_WITHIN * 2) {
            heard.hear(&lines.next().expect("the child writes until it is killed").unwrap());
        }
        child.kill().unwrap();
        let killed = Instant::now();
        child.wait().unwrap();
        lines.map_while(Result::ok).for_each(|line| heard.hear(&line));

        let store = DiskStore::open(&path, NOW).unwrap();
        assert_eq!(store.opening().set_aside, None, "round {round}");
        let mut found = BTreeMap::new();
        loop {
            let page = store.scan(found.last_key_value().map(|(id, _)| *id), 100).await.unwrap();
            if page.is_empty() {
                break;
            }
            found.extend(page.into_iter().map(|entry| (entry.id(), entry)));
        }
        for n in heard.removed {
            expected.remove(&entry(n).id());
            assert!(!found.contains_key(&entry(n).id()), "round {round}: removed entry {n} is back");
        }
        for (n, acknowledged) in &heard.put {
            let promised = heard.flushed.is_some_and(|flushed| *n <= flushed)
                || killed.saturating_duration_since(*acknowledged) > DURABLE_WITHIN;
            if promised && !heard.removing.contains(n) {
                assert!(found.contains_key(&entry(*n).id()), "round {round}: entry {n} is lost");
            }
        }
        for id in expected.keys() {
            assert!(found.contains_key(id), "round {round}: an entry of an earlier round is lost");
        }
        let number = |found: &Entry| found.prompt.parse::<u64>().unwrap();
        assert!(found.values().all(|found| *found == entry(number(found))), "round {round}: an entry is altered");
        first = found.values().map(number).max().map_or(0, |last| last + 1).max(first + 10);
        expected = found;
    }
}
