//! Copies of all entries: as they were at one moment, or a shard at a time.

use crate::shard::{Before, Entry};
use crate::sync::lock;

use super::Store;

/// Buckets that a snapshot copies under a lock at a time.
const CHUNK: usize = 512;

impl Store {
    /// Copies of all entries as they were at one moment, and that moment.
    pub(crate) fn snapshot(&self) -> (Vec<Entry>, u64) {
        let _one_at_a_time = lock(&self.snapshots);
        let marks = Marks::set(self);
        let now = marks.now;
        let mut entries = Vec::with_capacity(marks.entries);
        for index in 0..self.cells.len() {
            self.copy_shard(index, &mut entries);
        }
        drop(marks);
        entries.retain(|entry| !entry.is_expired(now));
        (entries, now)
    }

    /// Copies a shard as it was when it was marked, and takes the mark away.
    fn copy_shard(&self, index: usize, entries: &mut Vec<Entry>) {
        let start = entries.len();
        let mut layout = None;
        let mut restarts = 0;
        let mut next = 0;
        loop {
            let mut shard = self.lock(index);
            if layout.replace(shard.layout()).is_some_and(|layout| layout != shard.layout()) {
                // Entries have moved: begin again, and the third time in one go.
                entries.truncate(start);
                next = 0;
                restarts += 1;
            }
            let buckets = shard.buckets();
            let end = if restarts < 2 { buckets.min(next + CHUNK) } else { buckets };
            let before = shard.before.as_ref();
            let is_same = |entry: &&Entry| before.is_none_or(|old| !old.contains_key(&entry.key));
            entries.extend(
                (next..end).filter_map(|bucket| shard.bucket(bucket)).filter(is_same).cloned(),
            );
            next = end;
            if next == buckets {
                let before = shard.before.take().unwrap_or_default();
                drop(shard);
                // What was copied before its first change is here a second time.
                self.mend(entries, start, before);
                return;
            }
        }
    }

    fn mend(&self, entries: &mut Vec<Entry>, start: usize, before: Before) {
        if before.is_empty() {
            return;
        }
        let copied = entries.split_off(start);
        entries.extend(copied.into_iter().filter(|entry| !before.contains_key(&entry.key)));
        entries.extend(before.into_values().flatten());
    }

    /// Copies of the entries of one shard as they are now; `None` past the last shard.
    pub(crate) fn shard_entries(&self, index: usize) -> Option<Vec<Entry>> {
        if index >= self.cells.len() {
            return None;
        }
        let now = self.now_if_needed();
        let shard = self.lock(index);
        Some(shard.entries().filter(|entry| !entry.is_expired(now)).cloned().collect())
    }
}

/// Every shard marked for a snapshot; marks that are left are taken away at the end.
struct Marks<'a> {
    store: &'a Store,
    now: u64,
    entries: usize,
}

impl<'a> Marks<'a> {
    fn set(store: &'a Store) -> Self {
        let mut shards = store.lock_all(&[], &[], true);
        let now = store.now_if_needed();
        let mut entries = 0;
        for (_, shard) in &mut shards {
            shard.before = Some(Before::new());
            entries += shard.len();
        }
        Self { store, now, entries }
    }
}

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for index in 0..self.store.cells.len() {
                self.store.lock(index).before = None;
            }
        }
    }
}
