//! Keeping within the limits: the entries least worth keeping go.
//!
//! GreedyDual-Size-Frequency (L. Cherkasova, HPL-98-69): an entry is worth the cache's age when it was last used,
//! plus its uses times what generating it took, divided by its size. The age is the worth of the last one evicted,
//! so that what was once popular and is no longer asked for goes in time.

use std::sync::Arc;

use super::catalog::Catalog;
use super::engine::Engine;
use super::facts::Facts;
use super::settings::Settings;
use super::shelf::Changing;
use crate::domain::EntryId;
use crate::store::StoreError;

/// Takes out the entries least worth keeping while there are too many or too large ones; `newest` stays. Returns how
/// many went.
///
/// # Errors
/// When the store fails.
pub(super) async fn make_room(
    engine: &Arc<Engine>,
    changing: &Changing<'_>,
    newest: EntryId,
    settings: &Settings,
) -> Result<usize, StoreError> {
    let (entries, bytes) = engine.shelf.catalog().size();
    if entries <= settings.max_entries && bytes <= settings.max_bytes.0 {
        return Ok(0);
    }
    // A little more than needed, so that the reckoning over all entries is not done for every new one.
    let (most_entries, most_bytes) = (roomy(settings.max_entries), roomy(settings.max_bytes.0));
    let catalog = engine.clone();
    // Ranking a million entries takes a good part of a second, which no request should wait for.
    let ranking =
        tokio::task::spawn_blocking(move || victims(catalog.shelf.catalog(), newest, most_entries, most_bytes));
    let victims = ranking.await.map_err(|fault| StoreError::Engine(fault.to_string()))?;
    let ids: Vec<_> = victims.iter().map(|facts| facts.id).collect();
    changing.remove(&ids).await?;
    if let Some(last) = victims.last() {
        engine.shelf.grow_old(last.worth());
    }
    tracing::debug!(entries = ids.len(), "entries made room for others");
    Ok(ids.len())
}

/// The entries least worth keeping, least first, as many as are over the limits.
fn victims(catalog: &Catalog, newest: EntryId, most_entries: u64, most_bytes: u64) -> Vec<Arc<Facts>> {
    let (mut entries, mut bytes) = catalog.size();
    let mut ranked = catalog.select(|facts| facts.id != newest);
    ranked.sort_by(|a, b| a.worth().total_cmp(&b.worth()).then(a.created.cmp(&b.created)));
    let over = ranked.iter().take_while(|facts| {
        let over = entries > most_entries || bytes > most_bytes;
        if over {
            entries -= 1;
            bytes = bytes.saturating_sub(facts.bytes);
        }
        over
    });
    let count = over.count();
    ranked.truncate(count);
    ranked
}

/// A limit less three hundredths.
fn roomy(limit: u64) -> u64 {
    limit - limit / 32
}
