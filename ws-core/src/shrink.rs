//! Tables of connections and timers, which return memory after a peak.

use std::collections::HashMap;
use std::hash::Hash;

use slab::Slab;

/// Capacity up to which a table of connections keeps its memory.
pub(crate) const MIN_CAPACITY: usize = 1024;

/// Returns whether a table has more than four times the capacity that its entries need, and more than `min`. The
/// factor leaves room for entries that come and go, which then cost no reallocation.
#[inline]
pub(crate) fn is_sparse(len: usize, capacity: usize, min: usize) -> bool {
    capacity > min && len < capacity / 4
}

/// Returns memory of a map from which entries were removed.
pub(crate) fn shrink_map<K: Eq + Hash, V>(map: &mut HashMap<K, V>) {
    if is_sparse(map.len(), map.capacity(), MIN_CAPACITY) {
        map.shrink_to(2 * map.len());
    }
}

/// The decision when a slab returns memory.
///
/// A slab cannot move its entries, so one entry with a high key retains the memory before it. After an attempt the
/// next one therefore waits until half of the entries are gone, and a peak costs a few attempts.
#[derive(Debug, Default)]
pub(crate) struct SlabShrinker {
    /// Number of entries at the last attempt. `None` if there was none since the slab was last well filled.
    tried_at: Option<usize>,
}

impl SlabShrinker {
    /// Returns memory of a slab from which an entry was removed.
    pub(crate) fn after_remove<T>(&mut self, slab: &mut Slab<T>) {
        let len = slab.len();
        if !is_sparse(len, slab.capacity(), MIN_CAPACITY) {
            self.tried_at = None;
        } else if self.tried_at.is_none_or(|tried_at| len <= tried_at / 2) {
            self.tried_at = Some(len);
            slab.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A slab that counts the attempts to shrink it.
    #[derive(Default)]
    struct Table {
        slab: Slab<u64>,
        shrinker: SlabShrinker,
        attempts: usize,
    }

    impl Table {
        fn fill(len: u64) -> Self {
            let mut table = Self::default();
            (0..len).for_each(|entry| _ = table.slab.insert(entry));
            table
        }

        fn remove(&mut self, key: usize) {
            self.slab.remove(key);
            let before = self.shrinker.tried_at;
            self.shrinker.after_remove(&mut self.slab);
            let after = self.shrinker.tried_at;
            self.attempts += usize::from(after.is_some() && after != before);
        }
    }

    #[test]
    fn slab_returns_the_memory_of_a_peak() {
        let mut table = Table::fill(10_000);
        let peak = table.slab.capacity();
        (1..10_000).rev().for_each(|key| table.remove(key));
        let remaining = table.slab.capacity();
        assert!(peak >= 10_000 && remaining <= MIN_CAPACITY, "{remaining} of {peak}");
        assert_eq!((table.slab.len(), table.slab[0]), (1, 0));
        assert!(table.attempts <= 3, "{} attempts", table.attempts);
    }

    #[test]
    fn entry_with_a_high_key_costs_few_attempts() {
        let mut table = Table::fill(10_000);
        (0..9_999).for_each(|key| table.remove(key));
        assert!((1..=14).contains(&table.attempts), "{} attempts", table.attempts);
        assert_eq!((table.slab.len(), table.slab[9_999]), (1, 9_999));
        // The last entry has no other above it.
        table.remove(9_999);
        assert!(table.slab.capacity() <= MIN_CAPACITY);
    }

    #[test]
    fn entries_that_come_and_go_do_not_reallocate() {
        let mut table = Table::fill(10_000);
        let capacity = table.slab.capacity();
        for _ in 0..100 {
            (0..5_000).for_each(|key| table.remove(key));
            (0..5_000).for_each(|entry| _ = table.slab.insert(entry));
        }
        assert_eq!((table.attempts, table.slab.capacity()), (0, capacity));
    }

    #[test]
    fn map_returns_the_memory_of_a_peak() {
        let mut map: HashMap<u64, u64> = (0..10_000).map(|key| (key, key)).collect();
        for key in 1..10_000 {
            map.remove(&key);
            shrink_map(&mut map);
        }
        assert!(map.capacity() <= MIN_CAPACITY && map.len() == 1, "{}", map.capacity());
    }
}
