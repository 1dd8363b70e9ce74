//! The thread that builds graphs and keeps them sound.
//!
//! It alone changes graphs, for all partitions, a few steps at a time in turn. While it works, searches scan what the
//! graph does not have yet. Each row is looked for after it was added; what a graph does not lead to goes to the
//! overflow, at once or when an audit finds it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::cover::{Audit, Cover};
use super::graph::{Broken, Graph, Node};
use super::partition::{Partition, State};
use super::rows::Row;
use crate::domain::EntryId;

/// Vectors at least this similar share a node: more of them would cut other nodes off.
const NEAR_DUPLICATE: f32 = 0.985;
/// Steps taken for one partition before another has its turn.
const STEPS: usize = 64;
/// Rows asked for when recall is measured, and neighbours of each.
const SAMPLE: usize = 48;
const SAMPLE_NEIGHBOURS: usize = 8;
/// The share of true neighbours that a search must find.
const RECALL: f64 = 0.99;
/// The most candidates a search weighs for it.
const EF_MOST: usize = 512;

/// What the thread is told.
enum Message {
    /// There is work in this partition.
    Tend(Arc<Partition>),
    /// Answer when there is no work left.
    Idle(Sender<()>),
}

/// A handle on the thread. Dropping it stops the thread, wherever it is in its work, and waits for its end.
#[derive(Debug)]
pub(super) struct Gardener {
    messages: Option<Sender<Message>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Gardener {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the operating system refuses it.
    pub(super) fn start(scan_up_to: usize) -> std::io::Result<Self> {
        let (messages, inbox) = channel();
        let stopping = Arc::new(AtomicBool::new(false));
        let rounds = Rounds { scan_up_to, stopping: Arc::clone(&stopping), queue: VecDeque::new(), asking: Vec::new() };
        let thread = std::thread::Builder::new().name("dejavu-index".to_owned()).spawn(move || rounds.run(&inbox))?;
        Ok(Self { messages: Some(messages), stopping, thread: Some(thread) })
    }

    /// Asks for a partition to be looked after.
    pub(super) fn tend(&self, partition: &Arc<Partition>) {
        if partition.enqueue() {
            self.send(Message::Tend(Arc::clone(partition)));
        }
    }

    /// Returns when there is no work left.
    pub(super) fn wait(&self) {
        let (asking, answer) = channel();
        self.send(Message::Idle(asking));
        // An error means that the thread is gone, and with it the work.
        let _ = answer.recv();
    }

    fn send(&self, message: Message) {
        if let Some(messages) = &self.messages {
            // A thread that is gone leaves its partitions scanning.
            let _ = messages.send(message);
        }
    }
}

impl Drop for Gardener {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.messages = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The thread's own state.
struct Rounds {
    scan_up_to: usize,
    stopping: Arc<AtomicBool>,
    queue: VecDeque<Arc<Partition>>,
    asking: Vec<Sender<()>>,
}

impl Rounds {
    fn run(mut self, inbox: &Receiver<Message>) {
        while let Ok(message) = inbox.recv() {
            self.take(message);
            while let Some(partition) = self.queue.pop_front() {
                inbox.try_iter().for_each(|message| self.take(message));
                if self.stopping.load(Ordering::SeqCst) {
                    return;
                }
                partition.queued.store(false, Ordering::SeqCst);
                if self.tend(&partition) && partition.enqueue() {
                    self.queue.push_back(partition);
                }
            }
            for asking in self.asking.drain(..) {
                let _ = asking.send(());
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Tend(partition) => self.queue.push_back(partition),
            Message::Idle(asking) => self.asking.push(asking),
        }
    }

    /// Takes some steps for a partition, and says whether there are more to take.
    fn tend(&self, partition: &Partition) -> bool {
        let work = self.plan(partition);
        let result = match work {
            Work::None => return false,
            Work::Feed(which) => feed(partition, which, &self.stopping),
            Work::Promote => promote(partition),
            Work::Audit => audit(partition),
        };
        if let Err(Broken) = result {
            tracing::error!("the graph engine failed: a partition is scanned from now on");
            let mut state = partition.state.write();
            state.scan_only = true;
            let broken = (state.serving.take(), state.growing.take());
            drop(state);
            drop(broken);
        }
        true
    }

    /// What a partition needs next. Making and dropping covers is done here, at once.
    fn plan(&self, partition: &Partition) -> Work {
        let mut state = partition.state.write();
        let rows = state.matrix.len();
        if state.scan_only || rows <= self.scan_up_to / 2 {
            let unneeded = (state.serving.take(), state.growing.take());
            // Taking a graph apart takes a while: not under the lock.
            drop(state);
            drop(unneeded);
            return Work::None;
        }
        if state.serving.as_ref().is_some_and(|serving| serving.pending() > 0) {
            return Work::Feed(Which::Serving);
        }
        if let Some(growing) = &state.growing {
            return if growing.pending() > 0 { Work::Feed(Which::Growing) } else { Work::Promote };
        }
        match &state.serving {
            Some(serving) if serving.is_worn() => {}
            Some(serving) if serving.audit.is_due(serving.nodes()) => return Work::Audit,
            Some(_) => return Work::None,
            None if rows > self.scan_up_to => {}
            None => return Work::None,
        }
        let dimension = state.matrix.dimension();
        state.growing = Some(Cover::new(dimension, rows));
        Work::Feed(Which::Growing)
    }
}

/// What a partition needs.
enum Work {
    /// Nothing.
    None,
    /// Rows are to be given to a graph.
    Feed(Which),
    /// The growing graph is complete.
    Promote,
    /// The serving graph is to be checked.
    Audit,
}

/// One of a partition's two graphs.
#[derive(Debug, Clone, Copy)]
enum Which {
    Serving,
    Growing,
}

impl Which {
    fn of(self, state: &State) -> Option<&Cover> {
        match self {
            Self::Serving => state.serving.as_ref(),
            Self::Growing => state.growing.as_ref(),
        }
    }

    fn of_mut(self, state: &mut State) -> Option<&mut Cover> {
        match self {
            Self::Serving => state.serving.as_mut(),
            Self::Growing => state.growing.as_mut(),
        }
    }
}

/// Gives pending rows to a graph.
fn feed(partition: &Partition, which: Which, stopping: &AtomicBool) -> Result<(), Broken> {
    for _ in 0..STEPS {
        if stopping.load(Ordering::SeqCst) {
            break;
        }
        let Some((graph, ef, id, vector)) = pick(partition, which) else { break };
        // The slow part, without the lock: searches go on, rows come and go.
        let place = place(&graph, &vector, ef)?;

        let mut state = partition.state.write();
        let row = state.unchanged(id, &vector);
        let Some(cover) = which.of_mut(&mut state) else { break };
        if matches!(place, Place::New(_) | Place::Unreachable) {
            cover.grown();
        }
        // A row that changed meanwhile is pending again, as the row it is now.
        let Some(row) = row else { continue };
        match place {
            Place::Beside(node) | Place::New(node) => cover.settle(row, node),
            Place::Unreachable => cover.overflow(row),
        }
    }
    Ok(())
}

fn pick(partition: &Partition, which: Which) -> Option<(Arc<Graph>, usize, EntryId, Vec<f32>)> {
    let state = partition.state.read();
    let cover = which.of(&state)?;
    let row = cover.next_pending()?;
    Some((Arc::clone(&cover.graph), cover.ef, state.matrix.id(row), state.matrix.row(row).to_vec()))
}

/// Where a vector belongs in a graph.
enum Place {
    /// With a node that is nearly the same.
    Beside(Node),
    /// At a node of its own.
    New(Node),
    /// At a node of its own, to which no search leads.
    Unreachable,
}

fn place(graph: &Graph, vector: &[f32], ef: usize) -> Result<Place, Broken> {
    if let Some(nearest) = graph.search(vector, ef)?.first()
        && nearest.similarity >= NEAR_DUPLICATE
    {
        return Ok(Place::Beside(nearest.node));
    }
    let node = graph.insert(vector)?;
    let is_found = graph.search(vector, ef)?.iter().any(|found| found.node == node);
    Ok(if is_found { Place::New(node) } else { Place::Unreachable })
}

/// Lets the growing graph serve, with as many candidates to a search as good recall takes.
fn promote(partition: &Partition) -> Result<(), Broken> {
    let ef = calibrate(partition)?;
    let mut state = partition.state.write();
    let grown = state.growing.take().map(|mut cover| {
        cover.ef = ef;
        cover.completed();
        cover
    });
    let nodes = grown.as_ref().map_or(0, Cover::nodes);
    let former = std::mem::replace(&mut state.serving, grown);
    let vectors = state.matrix.len();
    drop(state);
    // Taking a graph apart takes a while: not under the lock.
    drop(former);
    tracing::info!(vectors, nodes, ef, "a partition is searched through a graph");
    Ok(())
}

/// The least number of candidates with which the growing graph finds nearly all true neighbours of a sample of rows.
fn calibrate(partition: &Partition) -> Result<usize, Broken> {
    let mut ef = 32;
    while ef < EF_MOST && recall(partition, ef)? < RECALL {
        ef *= 2;
    }
    Ok(ef)
}

#[expect(clippy::cast_precision_loss, reason = "a sample is small")]
fn recall(partition: &Partition, ef: usize) -> Result<f64, Broken> {
    let (mut found, mut all) = (0, 0);
    for sample in 0..SAMPLE {
        let state = partition.state.read();
        let rows = state.matrix.len();
        let Some(cover) = state.growing.as_ref().filter(|_| rows > 0) else { break };
        let query = state.matrix.row(Row::try_from(sample * rows / SAMPLE).map_err(|_| Broken)?);
        let truth = state.scan(query, SAMPLE_NEIGHBOURS, -1.0);
        let through_graph = state.search_graph(cover, query, SAMPLE_NEIGHBOURS, -1.0, ef)?;
        // By similarity, not by id: of several equally near any is right.
        let worst = truth.last().map_or(0.0, |last| last.similarity);
        found += through_graph.iter().filter(|near| near.similarity >= worst).count().min(truth.len());
        all += truth.len();
    }
    Ok(if all == 0 { 1.0 } else { found as f64 / all as f64 })
}

/// Looks for some nodes' members, and moves those that are not found to the overflow.
fn audit(partition: &Partition) -> Result<(), Broken> {
    for _ in 0..STEPS {
        let state = partition.state.read();
        let Some(cover) = state.serving.as_ref() else { return Ok(()) };
        let (node, nodes) = (cover.audit.next, cover.nodes());
        let vector = cover.members(node).first().map(|row| state.matrix.row(*row).to_vec());
        let (graph, ef) = (Arc::clone(&cover.graph), cover.ef);
        drop(state);
        let is_lost = match vector {
            None => false,
            Some(vector) => !graph.search(&vector, ef)?.iter().any(|found| found.node == node),
        };
        let mut state = partition.state.write();
        let Some(cover) = state.serving.as_mut() else { return Ok(()) };
        if is_lost {
            let members = cover.members(node).to_vec();
            members.into_iter().for_each(|row| cover.overflow(row));
        }
        cover.audit.next += 1;
        if cover.audit.next as usize >= nodes {
            cover.audit = Audit { next: 0, done_at: nodes };
            return Ok(());
        }
    }
    Ok(())
}
