//! What was worked out lately: results of pure functions, kept for as long as somebody asks for them again.
//!
//! Two generations: new results go into the young one; when that is full it becomes the old one, and what nobody asked
//! for since is forgotten. A result depends on its key alone, so it is never wrong, only missing.

use std::collections::HashMap;
use std::hash::Hash;

use parking_lot::RwLock;

/// A memory of results, bounded in bytes, roughly least recently used first out.
#[derive(Debug)]
pub struct Lately<K, V> {
    kept: RwLock<Generations<K, V>>,
    /// How many bytes one generation holds.
    most: usize,
}

#[derive(Debug)]
struct Generations<K, V> {
    young: HashMap<K, Known<V>>,
    old: HashMap<K, Known<V>>,
    /// Bytes of the young one.
    bytes: usize,
}

#[derive(Debug)]
struct Known<V> {
    result: V,
    bytes: usize,
}

impl<K: Eq + Hash, V: Clone> Lately<K, V> {
    /// Remembers at most `bytes` bytes of keys and results.
    #[must_use]
    pub fn new(bytes: usize) -> Self {
        let kept = Generations { young: HashMap::new(), old: HashMap::new(), bytes: 0 };
        Self { kept: RwLock::new(kept), most: bytes / 2 }
    }

    /// The result for `key`, if it is remembered.
    pub fn get(&self, key: &K) -> Option<V> {
        let kept = self.kept.read();
        if let Some(known) = kept.young.get(key) {
            return Some(known.result.clone());
        }
        let is_old = kept.old.contains_key(key);
        drop(kept);
        if !is_old {
            return None;
        }
        let mut kept = self.kept.write();
        let (key, known) = kept.old.remove_entry(key)?;
        let result = known.result.clone();
        let forgotten = kept.put(key, known, self.most);
        // Dropping many results takes its time: not under the lock.
        drop((kept, forgotten));
        Some(result)
    }

    /// Remembers a result, which takes `bytes` bytes with its key.
    pub fn put(&self, key: K, result: V, bytes: usize) {
        if bytes <= self.most {
            let forgotten = self.kept.write().put(key, Known { result, bytes }, self.most);
            drop(forgotten);
        }
    }
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// Puts a result into the young generation. The old one comes back where that had to make room.
    fn put(&mut self, key: K, known: Known<V>, most: usize) -> HashMap<K, Known<V>> {
        let mut forgotten = HashMap::new();
        if self.bytes + known.bytes > most {
            forgotten = std::mem::replace(&mut self.old, std::mem::take(&mut self.young));
            self.bytes = 0;
        }
        self.bytes += known.bytes;
        if let Some(before) = self.young.insert(key, known) {
            self.bytes -= before.bytes;
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_stays_and_what_is_not_goes() {
        let lately = Lately::new(80);
        lately.put(0, "often", 10);
        for n in 1..100 {
            lately.put(n, "once", 10);
            assert_eq!(lately.get(&0), Some("often"), "after {n}");
            assert_eq!(lately.get(&n), Some("once"));
            let kept = lately.kept.read();
            let held = |all: &HashMap<i32, Known<&str>>| all.values().map(|known| known.bytes).sum::<usize>();
            assert_eq!(kept.bytes, held(&kept.young));
            assert!(held(&kept.young) <= 40 && held(&kept.old) <= 40);
        }
        assert_eq!(lately.get(&1), None);
    }

    #[test]
    fn what_is_put_twice_counts_once() {
        let lately = Lately::new(80);
        for _ in 0..100 {
            lately.put(0, "again", 10);
        }
        lately.put(1, "other", 10);
        assert_eq!((lately.get(&0), lately.get(&1)), (Some("again"), Some("other")));
        assert_eq!(lately.kept.read().bytes, 20);
    }

    #[test]
    fn what_is_too_large_is_not_remembered() {
        let lately = Lately::new(80);
        lately.put(0, "large", 41);
        assert_eq!(lately.get(&0), None);
    }
}
