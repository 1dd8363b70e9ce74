//! Request bodies too large to hold: what comes after their beginning is sent on as it comes, once.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use parking_lot::Mutex;

/// The rest of a body, which is sent on as it comes. It can be sent once, so there is no second try with it. Clones are the same
/// body.
#[derive(Clone)]
pub struct Upload {
    length: Option<u64>,
    body: Arc<Mutex<Option<BoxStream<'static, io::Result<Bytes>>>>>,
    progress: Arc<Progress>,
}

/// How far a body has got.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pieces: AtomicU64,
    broke: AtomicBool,
}

impl Upload {
    /// A rest of `length` bytes, where the client told. Its stream must end by itself when the client goes silent.
    #[must_use]
    pub fn new(length: Option<u64>, body: BoxStream<'static, io::Result<Bytes>>) -> Self {
        Self { length, body: Arc::new(Mutex::new(Some(body))), progress: Arc::default() }
    }

    /// How long it is, where that is known.
    pub(super) const fn length(&self) -> Option<u64> {
        self.length
    }

    /// The body itself, the first time.
    pub(super) fn take(&self) -> Option<BoxStream<'static, io::Result<Bytes>>> {
        let body = self.body.lock().take()?;
        let progress = Arc::clone(&self.progress);
        let noted = body.inspect(move |piece| {
            progress.pieces.fetch_add(1, Ordering::Relaxed);
            progress.broke.fetch_or(piece.is_err(), Ordering::Relaxed);
        });
        Some(noted.boxed())
    }

    /// How many pieces have been sent.
    pub(super) fn pieces(&self) -> u64 {
        self.progress.pieces.load(Ordering::Relaxed)
    }

    /// Whether the client broke it off, which is no fault of the upstream's.
    pub(super) fn broke(&self) -> bool {
        self.progress.broke.load(Ordering::Relaxed)
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload").field("length", &self.length).finish_non_exhaustive()
    }
}
