//! Identical requests in flight. The list follows the cache-lock tests of cloudflare/pingora.

use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use proptest::prelude::*;

use super::house::{Ask, House, STREAMED, ask, ended, head, said, settings, text};
use crate::cache::{Broken, Followed, Follower, Settings, Ticket};
use crate::domain::{Cause, Finish, Lasting, Size};

fn streamed() -> Ask {
    ask("Who wrote Hamlet?").with(|ask| ask.shape = STREAMED)
}

fn piece(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

async fn rest(follower: &mut Follower) -> Result<String, Broken> {
    let mut all = String::new();
    while let Some(chunk) = follower.next().await {
        all.push_str(std::str::from_utf8(&chunk?).unwrap());
    }
    Ok(all)
}

async fn opened(house: &House, question: &Ask) -> Ticket {
    let mut ticket = house.miss(question).await;
    ticket.head(head(200), question.targets[0].clone());
    ticket
}

async fn is_live(follower: &mut Follower) -> bool {
    matches!(follower.begin().await, Followed::Live(..))
}

#[tokio::test]
async fn followers_of_one_shape_get_all_bytes_as_they_come_early_or_late() {
    let house = House::open().await;
    let question = streamed();
    let mut ticket = house.miss(&question).await;
    let mut own = ticket.follow();
    let mut early = house.join(&question).await;
    ticket.head(head(200), question.targets[0].clone());
    ticket.chunk(piece("Shake")).await;
    assert!(is_live(&mut early).await);
    assert_eq!(early.next().await, Some(Ok(piece("Shake"))));
    let mut late = house.join(&question).await;
    ticket.chunk(piece("speare")).await;
    ticket.fill(question.filling("Shakespeare")).await.unwrap();
    assert!(is_live(&mut late).await && is_live(&mut own).await);
    assert_eq!(rest(&mut early).await.as_deref(), Ok("speare"));
    assert_eq!(rest(&mut late).await.as_deref(), Ok("Shakespeare"));
    assert_eq!(rest(&mut own).await.as_deref(), Ok("Shakespeare"));
    assert_eq!(text(&house.hit(&question).await.entry), "Shakespeare");
}

#[tokio::test]
async fn a_follower_of_another_shape_waits_for_the_entry() {
    let house = House::open().await;
    let ticket = opened(&house, &streamed()).await;
    let mut other = house.join(&ask("Who wrote Hamlet?")).await;
    ticket.fill(streamed().filling("Shakespeare")).await.unwrap();
    match other.begin().await {
        Followed::Whole(entry) => assert_eq!(text(&entry), "Shakespeare"),
        followed => panic!("{followed:?}"),
    }
}

#[tokio::test]
async fn a_follower_of_another_shape_gets_an_answer_that_is_not_kept() {
    let house = House::open().await;
    let ticket = opened(&house, &streamed()).await;
    let mut other = house.join(&ask("Who wrote Hamlet?")).await;
    let mut filling = streamed().filling("Shakesp");
    if let Ok(recording) = &mut filling.recording {
        recording.finish = Finish::Truncated;
    }
    assert_eq!(ticket.fill(filling).await.err(), Some(Cause::Truncated));
    assert!(matches!(other.begin().await, Followed::Whole(_)));
    assert_eq!(said(&house.lookup(&streamed()).await), ("MISS", None));
}

#[tokio::test]
async fn a_leader_that_fails_before_its_head_frees_the_followers_and_one_leads_anew() {
    let house = House::open().await;
    let question = streamed();
    let ticket = house.miss(&question).await;
    let (mut same, mut other) = (house.join(&question).await, house.join(&ask("Who wrote Hamlet?")).await);
    drop(ticket);
    assert!(matches!(same.begin().await, Followed::Failed));
    assert!(matches!(other.begin().await, Followed::Failed));
    let _second = house.miss(&question).await;
    house.join(&question).await;
}

#[tokio::test]
async fn a_leader_dropped_in_the_middle_cuts_its_followers() {
    let house = House::open().await;
    let question = streamed();
    let mut ticket = opened(&house, &question).await;
    let (mut same, mut other) = (house.join(&question).await, house.join(&ask("Who wrote Hamlet?")).await);
    ticket.chunk(piece("Shake")).await;
    drop(ticket);
    assert!(is_live(&mut same).await);
    assert_eq!(same.next().await, Some(Ok(piece("Shake"))));
    assert_eq!(same.next().await, Some(Err(Broken)));
    assert_eq!(same.next().await, None);
    assert!(matches!(other.begin().await, Followed::Failed));
}

#[tokio::test]
async fn an_upstream_that_cuts_is_seen_cut_and_keeps_nothing() {
    let house = House::open().await;
    let question = streamed();
    let mut ticket = opened(&house, &question).await;
    let mut same = house.join(&question).await;
    ticket.chunk(piece("Shake")).await;
    ticket.cut();
    let mut filling = question.filling("");
    filling.recording = ended(Cause::Cut);
    assert_eq!(ticket.fill(filling).await.err(), Some(Cause::Cut));
    assert!(is_live(&mut same).await);
    assert_eq!(rest(&mut same).await, Err(Broken));
    assert_eq!(said(&house.lookup(&question).await), ("MISS", None));
}

#[tokio::test]
async fn an_error_status_reaches_followers_of_the_same_shape_as_it_is() {
    let house = House::open().await;
    let question = streamed();
    let mut ticket = house.miss(&question).await;
    let (mut same, mut other) = (house.join(&question).await, house.join(&ask("Who wrote Hamlet?")).await);
    ticket.head(head(429), question.targets[0].clone());
    ticket.chunk(piece("slow down")).await;
    let mut filling = question.filling("");
    filling.head = head(429);
    filling.recording = ended(Cause::Status);
    assert_eq!(ticket.fill(filling).await.err(), Some(Cause::Status));
    match same.begin().await {
        Followed::Live(head, _) => assert_eq!(head.status.as_u16(), 429),
        followed => panic!("{followed:?}"),
    }
    assert_eq!(rest(&mut same).await.as_deref(), Ok("slow down"));
    assert!(matches!(other.begin().await, Followed::Failed));
}

#[tokio::test]
async fn a_client_that_leaves_does_not_lose_the_recording() {
    let house = House::open().await;
    let question = streamed();
    let mut ticket = opened(&house, &question).await;
    drop(ticket.follow());
    ticket.chunk(piece("Shakespeare")).await;
    ticket.fill(question.filling("Shakespeare")).await.unwrap();
    assert_eq!(text(&house.hit(&question).await.entry), "Shakespeare");
}

#[tokio::test]
async fn two_keys_do_not_wait_for_each_other() {
    let house = House::open().await;
    let _first = house.miss(&ask("Who wrote Hamlet?")).await;
    let _second = house.miss(&ask("Who wrote Faust?")).await;
    let _third = house.miss(&ask("Who wrote Hamlet?").with(|ask| ask.tenant = "bob")).await;
}

#[tokio::test]
async fn who_must_stay_local_does_not_join_who_may_go_to_a_cloud() {
    use super::house::target;
    use crate::domain::Location::{Cloud, Local};
    let house = House::open().await;
    let (near, far) = (target("ollama", "llama3", Local), target("openai", "gpt", Cloud));
    let _anywhere = house.miss(&streamed().with(|ask| ask.targets = vec![near.clone(), far])).await;
    let local = streamed().with(|ask| (ask.targets, ask.directives.local_only) = (vec![near], true));
    let _local = house.miss(&local).await;
}

fn small(bytes: u64) -> Settings {
    let mut settings = Settings { hold: Size(bytes), patience: Lasting::seconds(10), ..settings() };
    settings.retain.max_answer = Size(bytes);
    settings
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_holds_up_the_others_for_so_long_and_no_longer() {
    let house = House::with(small(4)).await;
    let question = streamed();
    let mut ticket = opened(&house, &question).await;
    let mut quick = ticket.follow();
    let mut slow = house.join(&question).await;
    let pump = async {
        for _ in 0..4 {
            ticket.chunk(piece("four")).await;
        }
        ticket.fill(question.filling("four times")).await.err()
    };
    let (_, read) = tokio::join!(pump, rest(&mut quick));
    assert_eq!(read.as_deref(), Ok("fourfourfourfour"));
    assert_eq!(rest(&mut slow).await, Err(Broken));
}

#[tokio::test(start_paused = true)]
async fn a_reader_alone_may_be_as_slow_as_it_likes() {
    let house = House::with(small(4)).await;
    let question = streamed();
    let mut ticket = opened(&house, &question).await;
    let mut alone = ticket.follow();
    let pump = async {
        for _ in 0..3 {
            ticket.chunk(piece("four")).await;
        }
        ticket.fill(question.filling("thrice")).await.err()
    };
    let reader = async {
        let mut all = Vec::new();
        while let Some(chunk) = alone.next().await {
            all.push(chunk.unwrap());
            tokio::time::sleep(Duration::from_secs(60)).await;
        }
        all.len()
    };
    assert_eq!(tokio::join!(pump, reader).1, 3);
}

#[tokio::test]
async fn an_answer_too_large_to_hold_can_no_longer_be_joined() {
    let house = House::with(small(4)).await;
    let question = streamed();
    let mut ticket = opened(&house, &question).await;
    for _ in 0..3 {
        ticket.chunk(piece("four")).await;
    }
    let _own = house.miss(&question).await;
    let filled = ticket.fill(question.filling("fourfourfour")).await;
    assert_eq!(filled.err(), Some(Cause::AnswerTooLarge));
}

#[tokio::test]
async fn a_finished_flight_leaves_its_entry_behind_even_for_who_looked_before() {
    let house = House::open().await;
    let question = streamed();
    house.versions.tell(&question.targets[0], "sha256:one");
    let mut tasks = tokio::task::JoinSet::new();
    let house = std::sync::Arc::new(house);
    for _ in 0..100 {
        let (house, question) = (house.clone(), question.clone());
        tasks.spawn(async move {
            match house.lookup(&question).await {
                crate::cache::Lookup::Miss(ticket) => {
                    ticket.fill(question.filling("Shakespeare")).await.unwrap();
                    1
                }
                _ => 0,
            }
        });
    }
    assert_eq!(tasks.join_all().await.into_iter().sum::<usize>(), 1);
}

/// What may happen to a flight, in any order.
#[derive(Debug, Clone)]
enum Event {
    Join,
    Leave(usize),
    Read(usize),
    Chunk(u8),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        Just(Event::Join),
        (0..8_usize).prop_map(Event::Leave),
        (0..8_usize).prop_map(Event::Read),
        (1..5_u8).prop_map(Event::Chunk),
    ];
    prop::collection::vec(event, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn every_reader_sees_the_same_bytes_however_all_of_them_come_and_go(events in events(), whole in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let house = House::open().await;
            let question = streamed();
            let mut ticket = opened(&house, &question).await;
            let mut readers: Vec<(Follower, Vec<u8>)> = Vec::new();
            let mut sent = Vec::new();
            for event in events {
                match event {
                    Event::Join => readers.push((house.join(&question).await, Vec::new())),
                    Event::Leave(i) if i < readers.len() => drop(readers.swap_remove(i)),
                    Event::Read(i) if i < readers.len() => {
                        if let Some(Some(Ok(bytes))) = readers[i].0.next().now_or_never() {
                            readers[i].1.extend_from_slice(&bytes);
                        }
                    }
                    Event::Chunk(size) => {
                        let bytes = vec![size; usize::from(size)];
                        sent.extend_from_slice(&bytes);
                        ticket.chunk(bytes.into()).await;
                    }
                    Event::Leave(_) | Event::Read(_) => {}
                }
            }
            if whole {
                ticket.fill(question.filling("an answer")).await.unwrap();
            } else {
                drop(ticket);
            }
            for (mut reader, mut seen) in readers {
                let end = loop {
                    match reader.next().await {
                        Some(Ok(bytes)) => seen.extend_from_slice(&bytes),
                        end => break end,
                    }
                };
                assert_eq!(seen, sent);
                assert_eq!(end, if whole { None } else { Some(Err(Broken)) });
            }
        });
    }
}
