use std::sync::mpsc;

use super::*;
use crate::domain::{SpaceId, Vector};

/// A model that reports each batch and waits for leave to answer it.
struct Stepped {
    began: mpsc::Sender<Vec<Arc<str>>>,
    leave: Receiver<()>,
    batches: bool,
}

impl TextModel for Stepped {
    fn embed(&mut self, texts: &[Arc<str>]) -> Result<Vec<Embedding>, String> {
        self.began.send(texts.to_vec()).unwrap();
        self.leave.recv().map_err(|_| "the test is over".to_owned())?;
        texts.iter().map(|text| embedding(text)).collect()
    }

    fn batches(&self) -> bool {
        self.batches
    }
}

/// A vector that tells the text's length; `poison` panics and `bad` fails.
fn embedding(text: &str) -> Result<Embedding, String> {
    assert_ne!(text, "poison");
    if text == "bad" {
        return Err("it is bad".to_owned());
    }
    Ok(Embedding { vector: Vector::normalised(vec![text.len() as f32, 1.0]).unwrap(), unseen: None })
}

struct House {
    embedder: Arc<QueuedEmbedder>,
    began: Receiver<Vec<Arc<str>>>,
    leave: mpsc::Sender<()>,
}

const PATIENT: Duration = Duration::from_secs(60);

fn house(queue: usize, deadline: Duration, batches: bool) -> House {
    let (began_tx, began) = mpsc::channel();
    let (leave, leave_rx) = mpsc::channel();
    let model = Stepped { began: began_tx, leave: leave_rx, batches };
    let space = Space { id: SpaceId("test".into()), model: "test".to_owned(), dimension: 2, max_tokens: 8 };
    let limits = Limits { queue, deadline, recent: 16 };
    let embedder = Arc::new(QueuedEmbedder::start(space, vec![model], None, limits).unwrap());
    House { embedder, began, leave }
}

impl House {
    /// Starts embedding a text, on a task of its own.
    fn ask(&self, text: &'static str) -> tokio::task::JoinHandle<Result<Embedding, EmbedError>> {
        let embedder = Arc::clone(&self.embedder);
        tokio::runtime::Handle::current().spawn(async move { embedder.embed(text).await })
    }

    /// Occupies the model with a text, so that what is asked next waits in the queue.
    async fn occupy(&self) -> tokio::task::JoinHandle<Result<Embedding, EmbedError>> {
        let busy = self.ask("first");
        tokio::task::yield_now().await;
        assert_eq!(self.began.recv().unwrap().len(), 1);
        busy
    }
}

#[tokio::test]
async fn a_full_queue_is_refused_at_once() {
    let house = house(1, PATIENT, true);
    let first = house.occupy().await;
    let second = house.ask("second");
    tokio::task::yield_now().await;
    assert_eq!(house.embedder.embed("third").await, Err(EmbedError::Busy));
    house.leave.send(()).unwrap();
    house.leave.send(()).unwrap();
    assert!(first.await.unwrap().is_ok());
    assert!(second.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_the_wait_in_the_model_and_in_the_queue() {
    let house = house(8, Duration::from_millis(20), false);
    let first = house.occupy().await;
    let second = house.ask("second");
    assert_eq!(first.await.unwrap(), Err(EmbedError::Timeout));
    assert_eq!(second.await.unwrap(), Err(EmbedError::Timeout));
}

#[tokio::test]
async fn a_text_that_nobody_waits_for_any_more_is_skipped() {
    let house = house(8, PATIENT, false);
    let first = house.occupy().await;
    let second = house.ask("second");
    tokio::task::yield_now().await;
    second.abort();
    assert!(second.await.unwrap_err().is_cancelled());
    let third = house.ask("third");
    tokio::task::yield_now().await;
    house.leave.send(()).unwrap();
    house.leave.send(()).unwrap();
    assert_eq!(&*house.began.recv().unwrap()[0], "third");
    assert!(first.await.unwrap().is_ok());
    assert!(third.await.unwrap().is_ok());
}

#[tokio::test]
async fn texts_that_wait_together_run_together_and_each_gets_its_own_vector() {
    let house = house(8, PATIENT, true);
    let first = house.occupy().await;
    let waiting = [house.ask("ab"), house.ask("abcd"), house.ask("abc")];
    tokio::task::yield_now().await;
    house.leave.send(()).unwrap();
    house.leave.send(()).unwrap();
    assert_eq!(house.began.recv().unwrap().len(), 3);
    assert!(first.await.unwrap().is_ok());
    for (answer, text) in waiting.into_iter().zip(["ab", "abcd", "abc"]) {
        assert_eq!(answer.await.unwrap().unwrap(), embedding(text).unwrap());
    }
}

#[tokio::test]
async fn a_model_whose_batches_matter_gets_one_text_at_a_time() {
    let house = house(8, PATIENT, false);
    let first = house.occupy().await;
    let waiting = [house.ask("ab"), house.ask("abcd")];
    tokio::task::yield_now().await;
    for _ in 0..3 {
        house.leave.send(()).unwrap();
    }
    assert_eq!(house.began.recv().unwrap().len(), 1);
    assert_eq!(house.began.recv().unwrap().len(), 1);
    assert!(first.await.unwrap().is_ok());
    for answer in waiting {
        assert!(answer.await.unwrap().is_ok());
    }
}

#[tokio::test]
async fn a_text_that_breaks_the_model_spoils_neither_its_batch_nor_the_next() {
    let house = house(8, PATIENT, true);
    for _ in 0..16 {
        house.leave.send(()).unwrap();
    }
    let [poison, bad, good] = [house.ask("poison"), house.ask("bad"), house.ask("good")];
    assert_eq!(poison.await.unwrap(), Err(EmbedError::Fault("it panicked".to_owned())));
    assert_eq!(bad.await.unwrap(), Err(EmbedError::Fault("it is bad".to_owned())));
    assert_eq!(good.await.unwrap(), embedding("good").map_err(EmbedError::Fault));
    assert!(house.embedder.embed("later").await.is_ok());
}

#[tokio::test]
async fn what_nobody_waits_for_holds_up_no_request() {
    let stepped = || {
        let (began_tx, began) = mpsc::channel();
        let (leave, leave_rx) = mpsc::channel();
        (Stepped { began: began_tx, leave: leave_rx, batches: true }, began, leave)
    };
    let (model, _began, leave) = stepped();
    let (patient, aside_began, aside_leave) = stepped();
    let space = Space { id: SpaceId("test".into()), model: "test".to_owned(), dimension: 2, max_tokens: 8 };
    let limits = Limits { queue: 8, deadline: PATIENT, recent: 16 };
    let embedder = Arc::new(QueuedEmbedder::start(space, vec![model], Some(patient), limits).unwrap());
    let answer = {
        let embedder = Arc::clone(&embedder);
        tokio::runtime::Handle::current().spawn(async move { embedder.embed_aside("a long answer").await })
    };
    tokio::task::yield_now().await;
    assert_eq!(aside_began.recv().unwrap().len(), 1);
    leave.send(()).unwrap();
    assert!(embedder.embed("a prompt").await.is_ok());
    aside_leave.send(()).unwrap();
    assert_eq!(answer.await.unwrap(), embedding("a long answer").map_err(EmbedError::Fault));
}

#[cfg(target_os = "linux")]
#[test]
fn a_thread_that_steps_back_is_the_last_to_run() {
    let niceness = || {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        // Fields after the name, which stands in parentheses: niceness is the 17th of them.
        stat.rsplit(") ").next().unwrap().split(' ').nth(16).unwrap().parse::<i32>().unwrap()
    };
    let before = niceness();
    let after = std::thread::spawn(move || {
        step_back();
        niceness()
    });
    assert_eq!((after.join().unwrap(), niceness()), (19, before));
}

#[tokio::test]
async fn a_text_asked_again_is_remembered() {
    let house = house(8, PATIENT, true);
    house.leave.send(()).unwrap();
    let first = house.embedder.embed("again").await.unwrap();
    // No leave is given: an answer can only come from memory.
    assert_eq!(house.embedder.embed("again").await.unwrap(), first);
}

#[tokio::test]
async fn without_its_thread_every_text_is_a_fault() {
    struct Stubborn;
    impl TextModel for Stubborn {
        fn embed(&mut self, _: &[Arc<str>]) -> Result<Vec<Embedding>, String> {
            Ok(vec![])
        }
        fn batches(&self) -> bool {
            false
        }
    }
    let space = Space { id: SpaceId("test".into()), model: "test".to_owned(), dimension: 2, max_tokens: 8 };
    let limits = Limits { queue: 1, deadline: PATIENT, recent: 0 };
    let none = QueuedEmbedder::start::<Stubborn>(space.clone(), vec![], None, limits).unwrap();
    assert!(matches!(none.embed("text").await, Err(EmbedError::Fault(_))));
    let loses = QueuedEmbedder::start(space, vec![Stubborn], None, limits).unwrap();
    assert_eq!(loses.embed("text").await, Err(EmbedError::Fault("it lost a text".to_owned())));
}
