//! A data folder full of entries, made without asking a model for each.

use std::path::Path;

use dejavu::domain::{Clock, Digest, Key, SystemClock, Vector};
use dejavu::embed;
use dejavu::store::{self, EntryStore};

use crate::bed::{Bed, chat, wording};

/// Fills `folder` with `entries` entries of one scope: `asked` real questions, and the rest under random vectors.
pub(crate) async fn fill(folder: &Path, entries: usize, asked: usize) {
    let bed = Bed::start(folder).await;
    for at in 0..asked {
        bed.ask_anew(&chat(&wording("How do I", at), false)).await;
    }
    bed.stop().await;

    let settings = store::Settings { path: folder.to_path_buf(), ..store::Settings::default() };
    let store = store::open(&settings, &SystemClock as &dyn Clock).expect("the store opens");
    let model = store.scan(None, 1).await.expect("entries").pop().expect("an entry");
    let mut random = fastrand::Rng::with_seed(7);
    for at in asked..entries {
        let mut entry = model.clone();
        entry.key = Key(Digest::of(&at.to_le_bytes()));
        entry.prompt = format!("A question of the crowd, number {at}").into();
        let place = entry.placement.as_mut().and_then(|place| place.embedded.as_mut()).expect("it was embedded");
        let raw = (0..place.vector.dimension()).map(|_| random.f32() - 0.5).collect();
        place.vector = Vector::normalised(raw).expect("a vector");
        store.put(&entry).await.expect("it is kept");
    }
    store.close().await.expect("the store closes");
}

/// The default embedder without its memory of recent texts, so that every text is computed.
pub(crate) fn fresh_embedding() -> embed::Settings {
    embed::Settings { recent: 0, ..embed::Settings::default() }
}
