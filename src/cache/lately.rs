//! What was asked for lately, in memory, within a bound in bytes. Never the truth: moka may refuse a newcomer or drop
//! anything at any time. The only file that knows moka.

use std::fmt;
use std::hash::Hash;

use moka::sync::Cache;

/// A memory of bounded size.
pub struct Lately<K, V>(Cache<K, Weighed<V>>);

#[derive(Clone)]
struct Weighed<V> {
    value: V,
    bytes: u32,
}

impl<K, V> Lately<K, V>
where
    K: Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    /// Holds at most `bytes` bytes of keys and values.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self(Cache::builder().max_capacity(bytes).weigher(|_, known: &Weighed<V>| known.bytes).build())
    }

    /// The value for `key`, if it is here.
    pub fn get(&self, key: &K) -> Option<V> {
        self.0.get(key).map(|known| known.value)
    }

    /// Keeps a value, which takes `bytes` bytes with its key.
    pub fn put(&self, key: K, value: V, bytes: u64) {
        self.0.insert(key, Weighed { value, bytes: u32::try_from(bytes).unwrap_or(u32::MAX) });
    }

    /// Forgets one value.
    pub fn remove(&self, key: &K) {
        self.0.invalidate(key);
    }

    /// Forgets everything, and gives its memory back.
    pub fn clear(&self) {
        self.0.invalidate_all();
        self.0.run_pending_tasks();
    }

    /// Approximate bytes held.
    pub fn bytes(&self) -> u64 {
        self.0.weighted_size()
    }
}

/// Says nothing of what is inside: prompts have no place in a log.
impl<K, V> fmt::Debug for Lately<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lately(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_what_it_has_room_for_and_no_more() {
        let lately = Lately::new(80);
        (0..100).for_each(|n| lately.put(n, n, 10));
        lately.put(100, 100, 81);
        lately.0.run_pending_tasks();
        assert_eq!((lately.bytes(), lately.get(&100)), (80, None));
        assert_eq!((0..100).filter_map(|n| lately.get(&n)).count(), 8);
    }

    #[test]
    fn what_is_forgotten_takes_no_memory() {
        let lately = Lately::new(80);
        (0..4).for_each(|n| lately.put(n, "known", 10));
        lately.remove(&0);
        assert_eq!((lately.get(&0), lately.get(&1)), (None, Some("known")));
        lately.clear();
        assert_eq!((lately.get(&1), lately.bytes()), (None, 0));
    }
}
