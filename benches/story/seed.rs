//! A data folder full of entries, made without asking a model for each.

use std::path::Path;

use dejavu::domain::{Clock, Digest, Key, SystemClock, Vector};
use dejavu::embed;
use dejavu::store::{self, EntryStore};

use crate::bed::{Bed, chat, wording};

/// Fills `folder` with `entries` entries of one scope: `asked` real questions, and the rest under vectors that lie
/// between those of two real prompts each.
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
    let crowd = crowd(entries).await;
    for at in asked..entries {
        let mut entry = model.clone();
        entry.key = Key(Digest::of(&at.to_le_bytes()));
        entry.prompt = format!("A question of the crowd, number {at}").into();
        let place = entry.placement.as_mut().and_then(|place| place.embedded.as_mut()).expect("it was embedded");
        let [one, other] = [(); 2].map(|()| crowd[random.usize(..crowd.len())].as_slice());
        let weight = random.f32();
        let between = one.iter().zip(other).map(|(x, y)| x + weight * y);
        place.vector = Vector::normalised(between.collect()).expect("a vector");
        store.put(&entry).await.expect("it is kept");
    }
    store.close().await.expect("the store closes");
}

/// Vectors of up to 2,000 prompts that people might send, from all over what the verifier learned from.
async fn crowd(entries: usize) -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pairs/clusters");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("clusters").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).expect("text"));
    let lines: Vec<String> = texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let embedder = embed::open(&fresh_embedding(), embed::Progress::Logged).await.expect("an embedder");
    let mut vectors = Vec::new();
    for line in lines.iter().step_by(lines.len().div_ceil(entries.min(2_000))) {
        let cluster: serde_json::Value = serde_json::from_str(line).expect("JSON");
        vectors.push(embedder.embed(cluster["ask"].as_str().expect("text")).await.expect("a vector").vector);
    }
    vectors
}

/// The default embedder without its memory of recent texts, so that every text is computed.
pub(crate) fn fresh_embedding() -> embed::Settings {
    embed::Settings { recent: 0, ..embed::Settings::default() }
}
