//! A gate in the way of an answer: tests wait until something stands before it, and open it when they like.

use std::sync::Arc;

use tokio::sync::watch;

/// Closed until [`Gate::open`]. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate {
    open: Arc<watch::Sender<bool>>,
    waiting: Arc<watch::Sender<usize>>,
}

impl Gate {
    pub fn new() -> Self {
        Self { open: Arc::new(watch::Sender::new(false)), waiting: Arc::new(watch::Sender::new(0)) }
    }

    /// Lets everything through from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// Waits until `count` have come to the gate.
    pub async fn reached_by(&self, count: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting >= count).await.expect("the gate lives");
    }

    /// Waits until something has come to the gate.
    pub async fn reached(&self) {
        self.reached_by(1).await;
    }

    /// Stands before the gate until it opens.
    pub async fn pass(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.open.subscribe().wait_for(|open| *open).await.expect("the gate lives");
    }
}
