//! The engine over the real store: restarts, and processes killed in the middle of their work.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use super::house::{Ask, FaultyStore, House, START, ask, said, settings, text};
use crate::cache::{Filter, Settings};
use crate::domain::{Namespace, Size, Tag};
use crate::store::DiskStore;

fn store(path: &Path) -> Arc<FaultyStore> {
    Arc::new(FaultyStore::over(Arc::new(DiskStore::open(path, START).unwrap())))
}

#[tokio::test]
async fn answers_versions_and_reports_outlive_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let (asked, reworded) = (ask("How do I reset my password?"), ask("How can I reset my password?"));
    let other = ask("How could I reset my password?");
    let place = |house: &House| {
        house.embedder.place(&reworded.prompt, &asked.prompt, 0.97);
        house.embedder.place(&other.prompt, &asked.prompt, 0.97);
    };
    {
        let house = House::over(store(folder.path()), settings()).await;
        place(&house);
        house.versions.tell(&asked.targets[0], "sha256:one");
        let id = house.answer(&asked, "Click").await.id();
        house.hit(&reworded).await;
        house.engine.wrong(id, None).await.unwrap();
        house.close().await;
    }
    let house = House::over(store(folder.path()), settings()).await;
    place(&house);
    house.versions.tell(&asked.targets[0], "sha256:one");
    assert_eq!(text(&house.hit(&asked).await.entry), "Click");
    house.engine.warm().await;
    assert_eq!(said(&house.lookup(&reworded).await), ("MISS", Some("feedback")));
    house.hit(&other).await;
}

#[tokio::test]
async fn a_hit_comes_from_the_store_when_memory_has_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let cold = Settings { hot_bytes: Size(0), ..settings() };
    let house = House::over(store(folder.path()), cold).await;
    house.answer(&ask("Who wrote Hamlet?"), "Shakespeare").await;
    assert_eq!(text(&house.hit(&ask("Who wrote Hamlet?")).await.entry), "Shakespeare");
}

const FOLDER: &str = "DEJAVU_TEST_VICTIM_FOLDER";
const FIRST: &str = "DEJAVU_TEST_VICTIM_FIRST";

fn question(round: usize, i: usize) -> Ask {
    let ask = ask(&format!("question {i} of round {round}")).with(|ask| ask.directives.tags = vec![tag(round)]);
    // Every other round has a namespace of its own, and is purged by it: one note, and the disk follows.
    if round.is_multiple_of(2) {
        ask
    } else {
        ask.with(|ask| ask.namespace = Box::leak(format!("space-{round}").into_boxed_str()))
    }
}

fn namespace(round: usize) -> Namespace {
    Namespace(format!("space-{round}").into())
}

fn purge_of(round: usize) -> Filter {
    let namespace = (!round.is_multiple_of(2)).then(|| namespace(round));
    Filter { tag: namespace.is_none().then(|| tag(round)), namespace, ..Filter::default() }
}

fn tag(round: usize) -> Tag {
    Tag(format!("round-{round}").into())
}

/// The process that is killed: keeps answers and purges them while others are still being kept, and says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn victim() {
    let (Ok(folder), Ok(first)) = (std::env::var(FOLDER), std::env::var(FIRST)) else { return };
    let house = House::over(store(Path::new(&folder)), settings()).await;
    for round in first.parse().unwrap().. {
        for i in 0..4 {
            house.answer(&question(round, i), "kept before").await;
        }
        let mut racing = tokio::task::JoinSet::new();
        for i in 4..8 {
            let ticket = house.miss(&question(round, i)).await;
            racing.spawn(ticket.fill(question(round, i).filling("kept meanwhile")));
        }
        house.engine.purge(&purge_of(round), false).await.unwrap();
        println!("purged {round}");
        racing.join_all().await;
    }
}

fn start_victim(folder: &Path, first: usize) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["cache::tests::disk::victim", "--exact", "--nocapture"])
        .env(FOLDER, folder)
        .env(FIRST, first.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Rounds are few here, for time; `DEJAVU_TEST_KILLS` asks for more.
#[tokio::test]
async fn what_was_purged_stays_gone_when_the_process_is_killed() {
    let kills: usize = std::env::var("DEJAVU_TEST_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(3);
    let folder = tempfile::tempdir().unwrap();
    let mut next = 0;
    let mut acknowledged = Vec::new();
    for kill in 0..kills {
        let mut victim = start_victim(folder.path(), next);
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        // Lines of the test harness itself come in between, and before the first.
        let rounds = lines
            .map_while(Result::ok)
            .filter_map(|line| line.split_once("purged ").and_then(|(_, round)| round.trim().parse::<usize>().ok()));
        acknowledged.extend(rounds.take(kill % 4 + 1));
        victim.kill().unwrap();
        victim.wait().unwrap();
        let house = House::over(store(folder.path()), settings()).await;
        for i in 0..8 {
            // Before anything is loaded the disk itself is asked.
            let last = question(*acknowledged.last().unwrap(), i);
            assert_eq!(said(&house.lookup(&last).await).0, "MISS", "{last:?}");
        }
        house.engine.warm().await;
        for round in &acknowledged {
            let filter = Filter { tag: Some(tag(*round)), ..Filter::default() };
            assert_eq!(house.engine.purge(&filter, true).await.unwrap().entries, 0, "round {round}");
        }
        house.close().await;
        // Rounds begun but never acknowledged are not begun again.
        next = acknowledged.last().unwrap() + 1000;
    }
}
