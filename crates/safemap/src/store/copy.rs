//! Copies of all entries: as they were at one moment, or a shard at a time.
//!
//! Writers are held up for no longer than a few hundred slots take to be looked at. So nothing is
//! marked under all locks together, and copies go to a buffer that is in memory already: fresh memory
//! is fetched from the system, and the snapshot grows, with no lock held.

use crate::entry::Entry;
use crate::name::Name;
use crate::shard::Before;
use crate::sync::{Ordering, lock};
use crate::value::Value;

use super::Store;

/// Slots that a snapshot looks at under a lock at a time.
const CHUNK: usize = 256;

/// What a snapshot takes of an entry.
pub(crate) trait Taken: From<Entry> {
    fn of(entry: &Entry) -> Self;
    fn name(&self) -> &Name;
}

impl Taken for Entry {
    fn of(entry: &Entry) -> Self {
        entry.clone()
    }

    fn name(&self) -> &Name {
        &self.name
    }
}

impl From<Entry> for (Name, Value) {
    fn from(entry: Entry) -> Self {
        (entry.name, entry.value)
    }
}

impl Taken for (Name, Value) {
    fn of(entry: &Entry) -> Self {
        (entry.name.clone(), entry.value.clone())
    }

    fn name(&self) -> &Name {
        &self.0
    }
}

impl Store {
    /// Copies of all entries as they were at one moment.
    pub(crate) fn snapshot<T: Taken>(&self) -> Vec<T> {
        let _one_at_a_time = lock(&self.snapshots);
        let marks = Marks(self);
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        // Read after that, so that no writer before the moment has seen a later time.
        let now = self.now_if_needed();
        let mut entries = Vec::with_capacity(self.len());
        for index in 0..self.cells.len() {
            self.copy_shard(index, epoch, now, &mut entries);
        }
        drop(marks);
        entries
    }

    /// Copies a shard as it was at the moment of the epoch, and takes the mark away.
    fn copy_shard<T: Taken>(&self, index: usize, epoch: u64, now: u64, entries: &mut Vec<T>) {
        let start = entries.len();
        let mut chunk: Vec<T> = Vec::with_capacity(CHUNK);
        let mut layout = None;
        let mut restarts = 0;
        let mut next = 0;
        loop {
            let mut shard = self.lock(index);
            if shard.epoch() != epoch {
                shard.mark(epoch);
            }
            if layout.replace(shard.layout()).is_some_and(|layout| layout != shard.layout()) {
                // Entries have moved: begin again, and the third time in one go.
                entries.truncate(start);
                next = 0;
                restarts += 1;
            }
            let buckets = shard.buckets();
            let end = if restarts < 2 { buckets.min(next + CHUNK) } else { buckets };
            let changed = shard.before.as_ref();
            let is_same = |entry: &&Entry| {
                changed.is_none_or(|before| before.is_empty() || !before.contains_key(&entry.name))
                    && !entry.is_expired(now)
            };
            let found = (next..end).filter_map(|bucket| shard.bucket(bucket));
            chunk.extend(found.filter(is_same).map(T::of));
            next = end;
            let before = (next == buckets).then(|| shard.before.take().unwrap_or_default());
            drop(shard);
            entries.append(&mut chunk);
            if let Some(before) = before {
                // What was copied before its first change is here a second time.
                mend(entries, start, now, *before);
                return;
            }
        }
    }

    /// Copies of the entries of one shard as they are now; `None` past the last shard.
    pub(crate) fn shard_entries(&self, index: usize) -> Option<Vec<(Name, Value)>> {
        if index >= self.cells.len() {
            return None;
        }
        let now = self.now_if_needed();
        let shard = self.lock(index);
        Some(shard.entries().filter(|entry| !entry.is_expired(now)).map(Taken::of).collect())
    }
}

fn mend<T: Taken>(entries: &mut Vec<T>, start: usize, now: u64, before: Before) {
    if before.is_empty() {
        return;
    }
    let copied = entries.split_off(start);
    entries.extend(copied.into_iter().filter(|taken| !before.contains_key(taken.name())));
    let old = before.into_values().flatten().filter(|entry| !entry.is_expired(now));
    entries.extend(old.map(|entry| T::from(*entry)));
}

/// Takes marks away that a snapshot leaves behind which comes to no end.
struct Marks<'a>(&'a Store);

impl Drop for Marks<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for index in 0..self.0.cells.len() {
                let mut shard = self.0.lock_to_change(index);
                shard.before = None;
            }
        }
    }
}
