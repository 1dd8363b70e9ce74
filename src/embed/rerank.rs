//! A model that reads two texts together and says how surely they ask the same: the built-in verifier, or a
//! cross-encoder, as rerankers are.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::EmbedError;
use crate::domain::Lasting;

/// Which reranker is asked, and how it is run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Which one.
    pub model: Model,
    /// How long a request waits for a reading, queue included, before the rules' own word stands.
    pub deadline: Lasting,
    /// Cores one run of the model uses. `0` means every core of the machine, four at most.
    pub threads: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { model: Model::BuiltIn, deadline: Lasting::millis(50), threads: 0 }
    }
}

/// Which reranker there is. In configurations one word: `built-in`, `none`, or the folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Model {
    /// The verifier: a head that this program brings, upon the default embedding model.
    BuiltIn,
    /// Nobody is asked.
    None,
    /// A folder with a cross-encoder of one logit as ONNX (`model.onnx`, or in `onnx/`) and its tokenizer's files.
    Folder(PathBuf),
}

impl From<String> for Model {
    fn from(word: String) -> Self {
        match word.as_str() {
            "built-in" => Self::BuiltIn,
            "none" => Self::None,
            _ => Self::Folder(word.into()),
        }
    }
}

impl From<Model> for String {
    fn from(model: Model) -> Self {
        model.to_string()
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn => f.write_str("built-in"),
            Self::None => f.write_str("none"),
            Self::Folder(path) => path.display().fmt(f),
        }
    }
}

/// Says how surely two texts ask the same.
#[async_trait]
pub trait Reranker: Send + Sync + std::fmt::Debug {
    /// How sure it is, in [0, 1], within its own deadline. The same whichever of the two is asked about the other. 0 for
    /// a pair that the model's window does not hold.
    ///
    /// # Errors
    /// When too many wait, the deadline passes, or the model fails.
    async fn sureness(&self, text: &str, other: &str) -> Result<f32, EmbedError>;
}

/// A model that reads pairs on the thread that calls it.
pub(super) trait PairModel: Send + 'static {
    /// The logit of a pair.
    ///
    /// # Errors
    /// What the model said, without the texts.
    fn logit(&mut self, text: &str, other: &str) -> Result<f32, String>;

    /// Whether the model's window holds both texts whole.
    ///
    /// # Errors
    /// What the tokenizer said.
    fn sees(&self, text: &str, other: &str) -> Result<bool, String>;

    /// Whether a pair has the same logit either way round.
    fn is_symmetric(&self) -> bool;
}

/// One model that reads one pair at a time, and lets a few wait.
pub(super) struct OneByOne<M> {
    model: Arc<Mutex<M>>,
    seats: Arc<Semaphore>,
    deadline: Duration,
}

impl<M> std::fmt::Debug for OneByOne<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OneByOne").field("seats", &self.seats).field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl<M> OneByOne<M> {
    /// Requests that it works on or that wait for it; a further one is refused at once.
    const SEATS: usize = 8;

    pub(super) fn new(model: M, deadline: Duration) -> Self {
        Self { model: Arc::new(Mutex::new(model)), seats: Arc::new(Semaphore::new(Self::SEATS)), deadline }
    }
}

#[async_trait]
impl<M: PairModel> Reranker for OneByOne<M> {
    async fn sureness(&self, text: &str, other: &str) -> Result<f32, EmbedError> {
        let seat = self.seats.clone().try_acquire_owned().map_err(|_| EmbedError::Busy)?;
        let (model, text, other) = (self.model.clone(), text.to_owned(), other.to_owned());
        let reading = tokio::task::spawn_blocking(move || {
            // Held until the model is done, even where nobody waits any more.
            let _seat = seat;
            let mut model = model.lock();
            catch_unwind(AssertUnwindSafe(|| read(&mut *model, &text, &other)))
                .unwrap_or_else(|_| Err("it panicked".to_owned()))
        });
        match tokio::time::timeout(self.deadline, reading).await {
            Err(_) => Err(EmbedError::Timeout),
            Ok(Ok(answer)) => answer.map_err(EmbedError::Fault),
            Ok(Err(_)) => Err(EmbedError::Fault("its thread ended".to_owned())),
        }
    }
}

/// Reads a pair both ways round, where that can make a difference, and believes the less sure of the two: a
/// cross-encoder need not be symmetric, and whether two prompts ask the same must not depend on which came first.
fn read(model: &mut impl PairModel, text: &str, other: &str) -> Result<f32, String> {
    if !model.sees(text, other)? {
        return Ok(0.0);
    }
    let there = sigmoid(model.logit(text, other)?);
    if model.is_symmetric() {
        return Ok(there);
    }
    Ok(there.min(sigmoid(model.logit(other, text)?)))
}

/// A logit that is no number is no sureness at all.
fn sigmoid(logit: f32) -> f32 {
    if logit.is_nan() { 0.0 } else { 1.0 / (1.0 + (-logit).exp()) }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Is as sure as its first text is longer, unless that text says something else.
    struct Lengths(mpsc::Receiver<()>);

    impl PairModel for Lengths {
        fn logit(&mut self, text: &str, other: &str) -> Result<f32, String> {
            match text {
                "poison" => panic!("poisoned"),
                "bad" => Err("it is bad".to_owned()),
                "wait" => self.0.recv().map(|()| 0.0).map_err(|why| why.to_string()),
                _ => Ok(text.len() as f32 - other.len() as f32),
            }
        }

        fn sees(&self, text: &str, _: &str) -> Result<bool, String> {
            Ok(text != "endless")
        }

        fn is_symmetric(&self) -> bool {
            false
        }
    }

    fn reranker() -> (Arc<OneByOne<Lengths>>, mpsc::Sender<()>) {
        let (leave, left) = mpsc::channel();
        (Arc::new(OneByOne::new(Lengths(left), Duration::from_secs(60))), leave)
    }

    #[tokio::test]
    async fn the_less_sure_order_is_believed() {
        let (reranker, _leave) = reranker();
        let (there, back) = (reranker.sureness("abcd", "ab").await, reranker.sureness("ab", "abcd").await);
        assert_eq!(there, back);
        assert!((there.unwrap() - 1.0 / (1.0 + 2.0_f32.exp())).abs() < 1e-6);
        assert_eq!(reranker.sureness("ab", "cd").await, Ok(0.5));
        assert_eq!(reranker.sureness("endless", "ab").await, Ok(0.0));
    }

    #[tokio::test]
    async fn faults_and_panics_end_one_reading_and_no_other() {
        let (reranker, _leave) = reranker();
        assert_eq!(reranker.sureness("bad", "ab").await, Err(EmbedError::Fault("it is bad".to_owned())));
        assert_eq!(reranker.sureness("poison", "ab").await, Err(EmbedError::Fault("it panicked".to_owned())));
        assert!(reranker.sureness("ab", "ab").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_ends_the_wait_and_a_full_house_is_refused() {
        let (reranker, leave) = reranker();
        let waiting: Vec<_> = (0..OneByOne::<Lengths>::SEATS)
            .map(|_| {
                let reranker = reranker.clone();
                tokio::runtime::Handle::current().spawn(async move { reranker.sureness("wait", "ab").await })
            })
            .collect();
        tokio::task::yield_now().await;
        assert_eq!(reranker.sureness("ab", "ab").await, Err(EmbedError::Busy));
        tokio::time::advance(Duration::from_secs(61)).await;
        for one in waiting {
            assert_eq!(one.await.unwrap(), Err(EmbedError::Timeout));
        }
        drop(leave);
    }

    #[test]
    fn a_model_is_one_word_or_a_folder() {
        for (word, model) in
            [("built-in", Model::BuiltIn), ("none", Model::None), ("/a/folder", Model::Folder("/a/folder".into()))]
        {
            assert_eq!((Model::from(word.to_owned()), String::from(model.clone())), (model, word.to_owned()));
        }
    }

    #[test]
    fn no_number_is_no_sureness() {
        assert_eq!((sigmoid(f32::NAN), sigmoid(0.0), sigmoid(f32::INFINITY)), (0.0, 0.5, 1.0));
    }
}
