//! A model on threads of its own, behind a bounded queue.
//!
//! Running a model blocks for milliseconds and wants the model to itself, so it happens neither on the runtime's
//! threads nor under a lock. A caller never waits long: a full queue is refused at once, and a deadline ends the
//! wait; both mean that the request is forwarded. Texts that wait together run together where the model allows it.
//!
//! What no request waits for (the answers of checks, entries of an earlier model) has a model, a queue and a thread of its
//! own, which the system runs when the others leave it time: an answer of a few hundred words takes ten times as
//! long as a prompt, and prompts would wait behind it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use thread_priority::{ThreadPriority, set_current_thread_priority};
use tokio::sync::oneshot;

use super::recent::Recent;
use super::{EmbedError, Embedder, Embedding, Space};
use crate::domain::Digest;

/// A model that embeds on the thread that calls it.
pub(super) trait TextModel: Send + 'static {
    /// Embeds the texts, in order.
    ///
    /// # Errors
    /// What the model said, without the texts.
    fn embed(&mut self, texts: &[Arc<str>]) -> Result<Vec<Embedding>, String>;

    /// Whether a text's vector is the same whoever shares its batch.
    fn batches(&self) -> bool;
}

/// How the queue in front of a model behaves.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Texts that may wait.
    pub(super) queue: usize,
    /// How long a caller waits, queue included.
    pub(super) deadline: Duration,
    /// Embeddings that are remembered.
    pub(super) recent: usize,
}

/// Bytes of text, padding included, that run as one batch. More would let the first wait for the last: a batch of
/// this size takes about as long as one text as long as the window.
const BATCH_BYTES: usize = 1024;

/// How long a text waits that no request waits for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Embeds on threads of its own.
pub(super) struct QueuedEmbedder {
    space: Space,
    lane: Lane,
    /// For what no request waits for; where there is none, such texts go with the others.
    aside: Option<Lane>,
    recent: Arc<Mutex<Recent>>,
}

/// A queue, and how long one waits for what comes out of it.
struct Lane {
    jobs: SyncSender<Job>,
    deadline: Duration,
}

impl std::fmt::Debug for QueuedEmbedder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QueuedEmbedder").field("space", &self.space).finish_non_exhaustive()
    }
}

/// A text and whoever waits for its vector.
struct Job {
    text: Arc<str>,
    digest: Digest,
    reply: oneshot::Sender<Result<Embedding, EmbedError>>,
}

impl QueuedEmbedder {
    /// Starts one thread for each model; all serve one queue, but for the one that embeds `aside`. The threads end with
    /// the embedder.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start<M: TextModel>(
        space: Space,
        models: Vec<M>,
        aside: Option<M>,
        limits: Limits,
    ) -> std::io::Result<Self> {
        let recent = Arc::new(Mutex::new(Recent::new(limits.recent)));
        let lane = Lane::start(models, limits, &recent, "embed", || {})?;
        let patient = Limits { deadline: limits.deadline.max(PATIENCE), ..limits };
        let aside = aside.map(|model| Lane::start(vec![model], patient, &recent, "aside", step_back)).transpose()?;
        Ok(Self { space, lane, aside, recent })
    }

    async fn embed_in(&self, lane: &Lane, text: &str) -> Result<Embedding, EmbedError> {
        let digest = Digest::of(text.as_bytes());
        if let Some(known) = self.recent.lock().get(digest) {
            return Ok(known);
        }
        let (reply, answer) = oneshot::channel();
        match lane.jobs.try_send(Job { text: Arc::from(text), digest, reply }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(EmbedError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(EmbedError::Fault("its threads are gone".to_owned())),
        }
        match tokio::time::timeout(lane.deadline, answer).await {
            Err(_) => Err(EmbedError::Timeout),
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(EmbedError::Fault("its thread ended".to_owned())),
        }
    }
}

impl Lane {
    fn start<M: TextModel>(
        models: Vec<M>,
        limits: Limits,
        recent: &Arc<Mutex<Recent>>,
        name: &str,
        first: fn(),
    ) -> std::io::Result<Self> {
        let (jobs, queue) = sync_channel(limits.queue.max(1));
        let queue = Arc::new(Mutex::new(queue));
        for (number, model) in models.into_iter().enumerate() {
            let (queue, recent) = (Arc::clone(&queue), Arc::clone(recent));
            std::thread::Builder::new().name(format!("{name}-{number}")).spawn(move || {
                first();
                serve(model, &queue, &recent);
            })?;
        }
        Ok(Self { jobs, deadline: limits.deadline })
    }
}

/// Has this thread run when others leave it time.
fn step_back() {
    if let Err(fault) = set_current_thread_priority(ThreadPriority::Min) {
        tracing::debug!(?fault, "embedding in the background keeps its priority");
    }
}

#[async_trait]
impl Embedder for QueuedEmbedder {
    async fn embed(&self, text: &str) -> Result<Embedding, EmbedError> {
        self.embed_in(&self.lane, text).await
    }

    async fn embed_aside(&self, text: &str) -> Result<Embedding, EmbedError> {
        self.embed_in(self.aside.as_ref().unwrap_or(&self.lane), text).await
    }

    fn space(&self) -> &Space {
        &self.space
    }
}

/// Works through the queue until nobody can send to it any more.
fn serve<M: TextModel>(mut model: M, queue: &Mutex<Receiver<Job>>, recent: &Mutex<Recent>) {
    // Came out of the queue with the last batch, but did not fit into it.
    let mut held = None;
    loop {
        let (batch, left) = match held.take() {
            // Another thread may be waiting inside the queue: this text must not wait for it.
            Some(first) => match queue.try_lock() {
                Some(queue) => gather(first, &queue, model.batches()),
                None => (vec![first], None),
            },
            None => {
                let queue = queue.lock();
                let Ok(first) = queue.recv() else { return };
                gather(first, &queue, model.batches())
            }
        };
        held = left;
        run(&mut model, batch, recent);
    }
}

/// Takes with `first` what waits already and fits into one batch; nothing waits for a batch to fill. What came out
/// of the queue but does not fit is handed back.
fn gather(first: Job, queue: &Receiver<Job>, batches: bool) -> (Vec<Job>, Option<Job>) {
    let mut longest = first.text.len();
    let mut batch = vec![first];
    if !batches {
        return (batch, None);
    }
    while let Ok(next) = queue.try_recv() {
        if next.reply.is_closed() {
            continue;
        }
        // Texts of a batch are padded to the longest.
        longest = longest.max(next.text.len());
        if (batch.len() + 1) * longest > BATCH_BYTES {
            return (batch, Some(next));
        }
        batch.push(next);
    }
    (batch, None)
}

/// Runs one batch and answers those who still wait. A panic of the model is the batch's fault, not the thread's end.
fn run<M: TextModel>(model: &mut M, mut batch: Vec<Job>, recent: &Mutex<Recent>) {
    batch.retain(|job| !job.reply.is_closed());
    if batch.is_empty() {
        return;
    }
    let texts: Vec<Arc<str>> = batch.iter().map(|job| Arc::clone(&job.text)).collect();
    let result = catch_unwind(AssertUnwindSafe(|| model.embed(&texts)))
        .unwrap_or_else(|_| Err("it panicked".to_owned()))
        .and_then(|found| if found.len() == batch.len() { Ok(found) } else { Err("it lost a text".to_owned()) });
    match result {
        Ok(embeddings) => {
            for (job, embedding) in batch.into_iter().zip(embeddings) {
                recent.lock().put(job.digest, embedding.clone());
                let _ = job.reply.send(Ok(embedding));
            }
        }
        Err(why) if batch.len() > 1 => {
            // One bad text shall not spoil its neighbours' answers.
            tracing::warn!(texts = batch.len(), error = %why, "a batch failed to embed; its texts run one by one");
            batch.into_iter().for_each(|job| run(model, vec![job], recent));
        }
        Err(why) => {
            tracing::error!(error = %why, "a text failed to embed; its request goes on without");
            for job in batch {
                let _ = job.reply.send(Err(EmbedError::Fault(why.clone())));
            }
        }
    }
}

#[cfg(test)]
mod tests;
