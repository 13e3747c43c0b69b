//! One shard: a hash table of entries, and the account of what it holds.
//!
//! A shard is always under its lock, and nothing here calls out, so that no code of a caller ever
//! runs under a lock. Each change goes through [`Shard::put`], [`Shard::remove`] or a sweep, which
//! keep three things true:
//!
//! - `content` is the bytes of all keys and contents; with the table's own allocation it is what the
//!   shard takes.
//! - A version is given to one write of the shard and never again, so that equal versions of a key
//!   mean an untouched entry.
//! - While a snapshot is taken, what an entry was before its first change is put by (`before`).
//!   Buckets keep their places as long as `layout` stays, so a snapshot can copy a few at a time.
//!
//! The table doubles when it is full and halves its way down when seven eighths of it are empty, so
//! memory comes back after removals at a cost that is constant over the removals.

use std::sync::Arc;

use hashbrown::{HashMap, HashTable};

use crate::bounds::Eviction;
use crate::value::{Value, key_bytes};

/// How many entries are compared to find a victim.
const SAMPLE: usize = 16;

/// Tables of so few buckets are left as they are.
const SMALL: usize = 16;

/// A time that never comes.
pub(crate) const NEVER: u64 = u64::MAX;

#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) key: Arc<str>,
    pub(crate) value: Value,
    pub(crate) version: u64,
    /// The shard's count of accesses at the last one.
    pub(crate) touched: u64,
    /// Milliseconds of the clock at which the entry is no more, as things stand.
    pub(crate) expires: u64,
    /// Milliseconds at which it is no more even if it is read.
    pub(crate) ends: u64,
    /// Milliseconds of the clock at which it came to be.
    pub(crate) born: u64,
    pub(crate) reads: u32,
    pub(crate) writes: u32,
    pub(crate) rule: u16,
    pub(crate) is_required: bool,
}

impl Entry {
    pub(crate) fn content_bytes(&self) -> usize {
        key_bytes(&self.key) + self.value.content_bytes()
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires <= now
    }
}

/// When an entry is no more: as things stand, and even if it is read.
pub(crate) type Term = (u64, u64);

/// What a shard has done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) writes: u64,
    pub(crate) removals: u64,
    pub(crate) expirations: u64,
    pub(crate) evictions: u64,
}

/// Entries as they were before their first change, absent ones as `None`.
pub(crate) type Before = HashMap<Arc<str>, Option<Entry>>;

#[derive(Debug)]
pub(crate) struct Shard {
    table: HashTable<Entry>,
    content: usize,
    version: u64,
    accesses: u64,
    layout: u64,
    hand: usize,
    /// Nothing expires earlier; what expires later may not be here any more.
    soonest: u64,
    pub(crate) before: Option<Before>,
    pub(crate) counts: Counts,
}

/// Whether a table has room for one entry more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It has.
    Ready,
    /// It would have, once it has grown by so many bytes.
    Grown(usize),
}

impl Default for Shard {
    fn default() -> Self {
        Self {
            table: HashTable::new(),
            content: 0,
            version: 0,
            accesses: 0,
            layout: 0,
            hand: 0,
            soonest: NEVER,
            before: None,
            counts: Counts::default(),
        }
    }
}

impl Shard {
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// Bytes of the table, the keys and the contents.
    pub(crate) fn bytes(&self) -> usize {
        self.table.allocation_size() + self.content
    }

    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    pub(crate) fn layout(&self) -> u64 {
        self.layout
    }

    pub(crate) fn buckets(&self) -> usize {
        self.table.num_buckets()
    }

    pub(crate) fn bucket(&self, index: usize) -> Option<&Entry> {
        self.table.get_bucket(index)
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.table.iter()
    }

    /// Where an entry lies, expired or not.
    pub(crate) fn find(&self, hash: u64, key: &str) -> Option<usize> {
        self.table.find_bucket_index(hash, |entry| *entry.key == *key)
    }

    /// Reads an entry that can't expire, which counts as use of it.
    pub(crate) fn read<R>(
        &mut self,
        hash: u64,
        key: &str,
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let Some(entry) = self.table.find_mut(hash, |entry| *entry.key == *key) else {
            self.counts.misses += 1;
            return None;
        };
        self.counts.hits += 1;
        self.accesses += 1;
        entry.touched = self.accesses;
        entry.reads = entry.reads.saturating_add(1);
        Some(read(entry))
    }

    /// Notes a read of an entry, which puts its end off to `expires`, as far as that may be.
    pub(crate) fn touch(&mut self, index: usize, expires: Option<u64>) {
        self.accesses += 1;
        if let Some(entry) = self.table.get_bucket_mut(index) {
            entry.touched = self.accesses;
            entry.reads = entry.reads.saturating_add(1);
            if let Some(expires) = expires {
                entry.expires = expires.min(entry.ends);
            }
        }
    }

    fn remember(&mut self, key: &Arc<str>, index: Option<usize>) {
        if let Some(before) = &mut self.before
            && !before.contains_key(key)
        {
            let entry = index.and_then(|index| self.table.get_bucket(index));
            before.insert(Arc::clone(key), entry.cloned());
        }
    }

    fn remember_bucket(&mut self, index: usize) {
        if self.before.is_some()
            && let Some(entry) = self.table.get_bucket(index)
        {
            let key = Arc::clone(&entry.key);
            self.remember(&key, Some(index));
        }
    }

    /// Writes a value over that of an entry; returns the version of the write.
    pub(crate) fn overwrite(&mut self, index: usize, value: Value, (expires, ends): Term) -> u64 {
        self.remember_bucket(index);
        self.soonest = self.soonest.min(expires);
        self.version += 1;
        self.accesses += 1;
        self.counts.writes += 1;
        if let Some(entry) = self.table.get_bucket_mut(index) {
            self.content =
                (self.content + value.content_bytes()).saturating_sub(entry.value.content_bytes());
            entry.value = value;
            entry.version = self.version;
            entry.touched = self.accesses;
            entry.expires = expires;
            entry.ends = ends;
            entry.writes = entry.writes.saturating_add(1);
        }
        self.version
    }

    /// Adds an entry that is not there; fills in its version, which is returned.
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        mut entry: Entry,
        hasher: impl Fn(&str) -> u64,
    ) -> u64 {
        self.remember(&entry.key, None);
        self.version += 1;
        self.accesses += 1;
        self.counts.writes += 1;
        entry.version = self.version;
        entry.touched = self.accesses;
        self.content += entry.content_bytes();
        self.soonest = self.soonest.min(entry.expires);
        if self.table.len() == self.table.capacity() {
            self.layout += 1;
        }
        self.table.insert_unique(hash, entry, |entry| hasher(&entry.key));
        self.version
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, index: usize, hasher: impl Fn(&str) -> u64) -> Option<Entry> {
        self.remember_bucket(index);
        let (entry, _) = self.table.get_bucket_entry(index).ok()?.remove();
        self.version += 1;
        self.content = self.content.saturating_sub(entry.content_bytes());
        let buckets = self.table.num_buckets();
        if buckets > SMALL && self.table.len() < buckets / 8 {
            self.shrink(self.table.len() * 2, hasher);
        }
        Some(entry)
    }

    /// Gives back what the table does not need for so many entries.
    pub(crate) fn shrink(&mut self, entries: usize, hasher: impl Fn(&str) -> u64) {
        self.layout += 1;
        if entries == 0 && self.table.is_empty() {
            self.table = HashTable::new();
        } else {
            self.table.shrink_to(entries, |entry| hasher(&entry.key));
        }
    }

    /// Whether the table takes one entry more. A table that is full of the marks of removed entries
    /// is made anew in its size, which leaves room for one in sixteen at least.
    pub(crate) fn room(&mut self, hasher: impl Fn(&str) -> u64) -> Room {
        if self.table.len() < self.table.capacity() {
            return Room::Ready;
        }
        let buckets = self.table.num_buckets();
        if buckets > SMALL && self.table.len() <= full(buckets) / 16 * 15 {
            let mut fresh = HashTable::with_capacity(full(buckets));
            for entry in self.table.drain() {
                fresh.insert_unique(hasher(&entry.key), entry, |entry| hasher(&entry.key));
            }
            self.table = fresh;
            self.layout += 1;
            return Room::Ready;
        }
        Room::Grown(self.growth(1))
    }

    /// Bytes that the table would grow by to take so many entries more; at most.
    pub(crate) fn growth(&self, more: usize) -> usize {
        let after = self.table.len().saturating_add(more);
        if after <= self.table.capacity() {
            return 0;
        }
        let capacity = after.max(full(self.table.num_buckets()) + 1);
        let buckets = (capacity.saturating_mul(8) / 7 + 1).next_power_of_two().max(4);
        let bytes = buckets.saturating_mul(size_of::<Entry>() + 1).saturating_add(32);
        bytes.saturating_sub(self.table.allocation_size())
    }

    /// Makes room in the table for so many entries more.
    pub(crate) fn reserve(&mut self, more: usize, hasher: impl Fn(&str) -> u64) {
        if self.table.len() + more > self.table.capacity() {
            self.layout += 1;
            self.table.reserve(more, |entry| hasher(&entry.key));
        }
    }

    /// The entry to go first: the best by the policy of a few from `start` on.
    pub(crate) fn victim(&self, eviction: Eviction, start: usize, spared: &str) -> Option<usize> {
        let buckets = self.table.num_buckets();
        if self.table.is_empty() || eviction == Eviction::Refuse {
            return None;
        }
        let start = start % buckets;
        let mut best: Option<(u64, u64, usize)> = None;
        let mut seen = 0;
        for index in (start..buckets).chain(0..start) {
            let Some(entry) = self.table.get_bucket(index) else { continue };
            if entry.is_required || *entry.key == *spared {
                continue;
            }
            let rank = match eviction {
                Eviction::LeastRead => (entry.reads.into(), entry.touched, index),
                _ => (entry.touched, 0, index),
            };
            best = Some(best.map_or(rank, |best| best.min(rank)));
            seen += 1;
            if seen == SAMPLE {
                break;
            }
        }
        best.map(|(_, _, index)| index)
    }

    /// Whether anything can have expired.
    pub(crate) fn may_have_expired(&self, now: u64) -> bool {
        self.soonest <= now
    }

    /// Looks for the soonest end anew, once all that has expired is out.
    pub(crate) fn renew_soonest(&mut self) {
        self.soonest = self.table.iter().map(|entry| entry.expires).min().unwrap_or(NEVER);
    }

    /// Finds an expired entry among the next few buckets, and remembers where it stopped.
    pub(crate) fn next_expired(&mut self, now: u64, buckets: usize) -> Option<usize> {
        if !self.may_have_expired(now) {
            return None;
        }
        let all = self.table.num_buckets();
        for _ in 0..buckets.min(all) {
            self.hand = if self.hand + 1 < all { self.hand + 1 } else { 0 };
            if self.table.get_bucket(self.hand).is_some_and(|entry| entry.is_expired(now)) {
                return Some(self.hand);
            }
        }
        None
    }
}

/// Entries that so many buckets take.
fn full(buckets: usize) -> usize {
    if buckets < 8 { buckets.saturating_sub(1) } else { buckets / 8 * 7 }
}

#[cfg(test)]
mod tests {
    use std::hash::BuildHasher;

    use foldhash::fast::FixedState;

    use super::*;

    fn hash(key: &str) -> u64 {
        FixedState::with_seed(1).hash_one(key)
    }

    fn add(shard: &mut Shard, key: &str) {
        let entry = Entry {
            key: key.into(),
            value: Value::from(1),
            version: 0,
            touched: 0,
            expires: NEVER,
            ends: NEVER,
            born: 0,
            reads: 0,
            writes: 1,
            rule: 0,
            is_required: false,
        };
        shard.insert(hash(key), entry, hash);
    }

    fn drop_key(shard: &mut Shard, key: &str) {
        let index = shard.find(hash(key), key).unwrap();
        shard.remove(index, hash).unwrap();
    }

    #[test]
    fn the_growth_told_is_the_growth_at_most() {
        let mut shard = Shard::default();
        for number in 0..5000 {
            let (told, before) = (shard.growth(1), shard.table.allocation_size());
            add(&mut shard, &number.to_string());
            let grown = shard.table.allocation_size() - before;
            assert!(grown <= told, "{number}: {grown} of {told}");
            assert!(told == 0 || grown > 0, "{number}: told {told}");
        }
    }

    #[test]
    fn a_table_shrinks_as_it_empties() {
        let mut shard = Shard::default();
        for number in 0..4096 {
            add(&mut shard, &number.to_string());
        }
        for number in 0..4096 {
            drop_key(&mut shard, &number.to_string());
            let buckets = shard.buckets();
            assert!(buckets <= SMALL || shard.len() * 8 >= buckets, "{} in {buckets}", shard.len());
        }
        assert_eq!(shard.content, 0);
    }

    #[test]
    fn churn_does_not_make_a_table_grow() {
        let mut shard = Shard::default();
        for number in 0..1000 {
            add(&mut shard, &number.to_string());
        }
        let buckets = shard.buckets();
        for number in 1000..100_000 {
            drop_key(&mut shard, &(number - 1000).to_string());
            if shard.room(hash) == Room::Ready {
                add(&mut shard, &number.to_string());
            } else {
                panic!("grown at {number}");
            }
        }
        assert_eq!(shard.buckets(), buckets);
    }

    #[test]
    fn what_was_before_is_put_by_once() {
        let mut shard = Shard::default();
        add(&mut shard, "a");
        shard.before = Some(Before::new());
        let index = shard.find(hash("a"), "a").unwrap();
        shard.overwrite(index, Value::from(2), (NEVER, NEVER));
        shard.overwrite(index, Value::from(3), (NEVER, NEVER));
        add(&mut shard, "b");
        drop_key(&mut shard, "b");
        let before = shard.before.take().unwrap();
        assert_eq!(before["a"].as_ref().map(|entry| entry.value.clone()), Some(Value::from(1)));
        assert!(before["b"].is_none());
    }
}
