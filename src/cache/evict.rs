//! Keeping within the limits: the entries least worth keeping go.
//!
//! GreedyDual-Size-Frequency (L. Cherkasova, HPL-98-69): an entry is worth the cache's age when it was last used,
//! plus its uses times what generating it took, divided by its size. The age is the worth of the last one evicted,
//! so that what was once popular and is no longer asked for goes in time.

use std::sync::Arc;

use super::facts::Facts;
use super::settings::Settings;
use super::shelf::{Changing, Shelf};
use crate::domain::EntryId;
use crate::store::StoreError;

/// Takes out the entries least worth keeping while there are too many or too large ones; `newest` stays. Returns how
/// many went.
///
/// # Errors
/// When the store fails.
pub(super) async fn make_room(
    shelf: &Shelf,
    changing: &Changing<'_>,
    newest: EntryId,
    settings: &Settings,
) -> Result<usize, StoreError> {
    let (entries, bytes) = shelf.catalog().size();
    if entries <= settings.max_entries && bytes <= settings.max_bytes.0 {
        return Ok(0);
    }
    // A little more than needed, so that the reckoning over all entries is not done for every new one.
    let (most_entries, most_bytes) = (roomy(settings.max_entries), roomy(settings.max_bytes.0));
    let mut ranked = shelf.catalog().select(|facts| facts.id != newest);
    ranked.sort_by(|a, b| a.worth().total_cmp(&b.worth()).then(a.created.cmp(&b.created)));
    let (mut entries, mut bytes) = (entries, bytes);
    let victims: Vec<Arc<Facts>> = ranked
        .into_iter()
        .take_while(|facts| {
            let over = entries > most_entries || bytes > most_bytes;
            if over {
                entries -= 1;
                bytes = bytes.saturating_sub(facts.bytes);
            }
            over
        })
        .collect();
    let ids: Vec<_> = victims.iter().map(|facts| facts.id).collect();
    changing.remove(&ids).await?;
    if let Some(last) = victims.last() {
        shelf.grow_old(last.worth());
    }
    tracing::debug!(entries = ids.len(), "entries made room for others");
    Ok(ids.len())
}

/// A limit less three hundredths.
fn roomy(limit: u64) -> u64 {
    limit - limit / 32
}
