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

use hashbrown::{HashMap, HashTable};

use crate::bounds::Eviction;
use crate::entry::{Entry, NEVER, Term};
use crate::name::Name;
use crate::value::Value;

/// How many entries are compared to find a victim.
const SAMPLE: usize = 16;

/// Tables of so few buckets are left as they are.
const SMALL: usize = 16;

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
pub(crate) type Before = HashMap<Name, Option<Box<Entry>>, foldhash::fast::RandomState>;

/// What every operation needs lies at the front, on one line of the cache with the lock.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Shard {
    table: HashTable<Entry>,
    /// The last snapshot that a writer or the snapshot itself has marked this shard for.
    epoch: u64,
    /// Whether eviction wants to know when entries were used.
    is_stamped: bool,
    accesses: u32,
    pub(crate) counts: Counts,
    version: u64,
    content: usize,
    /// Nothing expires earlier; what expires later may not be here any more.
    soonest: u64,
    pub(crate) before: Option<Box<Before>>,
    layout: u64,
    hand: usize,
}

/// What a shard keeps of all its writes.
pub(crate) struct Account<'a> {
    version: &'a mut u64,
    writes: &'a mut u64,
    content: &'a mut usize,
}

impl Account<'_> {
    /// Notes that so many bytes of content took the place of others; returns the version of the write.
    #[inline]
    pub(crate) fn overwritten(self, before: usize, after: usize) -> u64 {
        *self.version += 1;
        *self.writes += 1;
        if before != after {
            *self.content = (*self.content + after).saturating_sub(before);
        }
        *self.version
    }
}

/// Whether a table has room for one entry more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// It has.
    Ready,
    /// It would have, once it has grown by so many bytes.
    Grown(usize),
}

impl Shard {
    /// An empty shard. Without `is_stamped` no entry can be told to be used longer ago than another.
    pub(crate) fn new(is_stamped: bool) -> Self {
        Self {
            table: HashTable::new(),
            epoch: 0,
            is_stamped,
            accesses: 0,
            counts: Counts::default(),
            version: 0,
            content: 0,
            soonest: NEVER,
            before: None,
            layout: 0,
            hand: 0,
        }
    }

    /// The last snapshot that this shard was marked for.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// From now on, what an entry was before its first change is put by for a snapshot.
    #[cold]
    pub(crate) fn mark(&mut self, epoch: u64) {
        self.epoch = epoch;
        self.before = Some(Box::default());
    }

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
        self.table.find_bucket_index(hash, |entry| entry.name.is(key))
    }

    /// Reads an entry that can't expire, which counts as use of it.
    #[inline]
    pub(crate) fn read(&mut self, hash: u64, key: &str) -> Option<&Entry> {
        if self.is_stamped {
            self.accesses += 1;
            self.keep_countable();
        }
        let Some(entry) = self.table.find_mut(hash, |entry| entry.name.is(key)) else {
            self.counts.misses += 1;
            return None;
        };
        self.counts.hits += 1;
        entry.reads = entry.reads.saturating_add(1);
        entry.touched = self.accesses;
        Some(entry)
    }

    /// Notes a read of an entry, which puts its end off to `expires`, as far as that may be.
    pub(crate) fn touch(&mut self, index: usize, expires: Option<u64>) {
        if let Some(entry) = self.table.get_bucket_mut(index) {
            entry.reads = entry.reads.saturating_add(1);
            if let Some(expires) = expires {
                let term = entry.term();
                entry.set_term(Term { expires: expires.min(term.ends), ..term });
            }
            if self.is_stamped {
                self.accesses += 1;
                entry.touched = self.accesses;
            }
        }
        self.keep_countable();
    }

    /// Before the count of accesses is at its end, it and what it stamped are halved, which keeps
    /// their order: once in two billion accesses.
    fn keep_countable(&mut self) {
        if self.accesses == u32::MAX {
            self.accesses /= 2;
            self.table.iter_mut().for_each(|entry| entry.touched /= 2);
        }
    }

    fn remember(&mut self, name: &Name, index: Option<usize>) {
        if let Some(before) = &mut self.before
            && !before.contains_key(name)
        {
            let entry = index.and_then(|index| self.table.get_bucket(index));
            before.insert(name.clone(), entry.cloned().map(Box::new));
        }
    }

    fn remember_bucket(&mut self, index: usize) {
        if self.before.is_some()
            && let Some(entry) = self.table.get_bucket(index)
        {
            let name = entry.name.clone();
            self.remember(&name, Some(index));
        }
    }

    /// Whether to overwrite an entry asks for nothing but a note in the account.
    #[inline]
    pub(crate) fn is_plain(&self) -> bool {
        self.before.is_none() && !self.is_stamped
    }

    /// An entry, and what has to be told of a write of it.
    #[inline]
    pub(crate) fn find_mut(&mut self, hash: u64, key: &str) -> Option<(&mut Entry, Account<'_>)> {
        let entry = self.table.find_mut(hash, |entry| entry.name.is(key))?;
        let (version, writes) = (&mut self.version, &mut self.counts.writes);
        Some((entry, Account { version, writes, content: &mut self.content }))
    }

    /// Takes an entry out, if it is there; `Err` says that it may not go just so.
    #[inline]
    pub(crate) fn remove_key(
        &mut self,
        hash: u64,
        key: &str,
        hasher: impl Fn(&[u8]) -> u64,
    ) -> Result<Option<Entry>, ()> {
        let Ok(entry) = self.table.find_entry(hash, |entry| entry.name.is(key)) else {
            return Ok(None);
        };
        if self.before.is_some() || entry.get().is_required() {
            return Err(());
        }
        let (entry, _) = entry.remove();
        self.counts.removals += 1;
        self.removed(&entry, hasher);
        Ok(Some(entry))
    }

    fn removed(&mut self, entry: &Entry, hasher: impl Fn(&[u8]) -> u64) {
        self.version += 1;
        self.content = self.content.saturating_sub(entry.bytes());
        let buckets = self.table.num_buckets();
        if buckets > SMALL && self.table.len() < buckets / 8 {
            self.shrink(self.table.len() * 2, hasher);
        }
    }

    /// Writes a value over that of an entry; returns the version of the write.
    pub(crate) fn overwrite(&mut self, index: usize, value: Value, term: Term) -> u64 {
        self.remember_bucket(index);
        self.soonest = self.soonest.min(term.expires);
        self.version += 1;
        self.accesses += u32::from(self.is_stamped);
        self.counts.writes += 1;
        if let Some(entry) = self.table.get_bucket_mut(index) {
            let before = entry.bytes();
            entry.value = value;
            entry.set_version(self.version);
            entry.touched = self.accesses;
            entry.set_term(term);
            entry.writes = entry.writes.saturating_add(1);
            self.content = (self.content + entry.bytes()).saturating_sub(before);
        }
        self.keep_countable();
        self.version
    }

    /// Adds an entry that is not there; fills in its version, which is returned.
    pub(crate) fn insert(
        &mut self,
        hash: u64,
        mut entry: Entry,
        hasher: impl Fn(&[u8]) -> u64,
    ) -> u64 {
        if self.before.is_some() {
            let name = entry.name.clone();
            self.remember(&name, None);
        }
        self.version += 1;
        self.accesses += u32::from(self.is_stamped);
        self.counts.writes += 1;
        entry.set_version(self.version);
        entry.touched = self.accesses;
        self.content += entry.bytes();
        self.soonest = self.soonest.min(entry.expires());
        if self.table.len() == self.table.capacity() {
            self.layout += 1;
        }
        self.table.insert_unique(hash, entry, |entry| hasher(entry.name.as_bytes()));
        self.keep_countable();
        self.version
    }

    /// Takes an entry out.
    pub(crate) fn remove(&mut self, index: usize, hasher: impl Fn(&[u8]) -> u64) -> Option<Entry> {
        self.remember_bucket(index);
        let (entry, _) = self.table.get_bucket_entry(index).ok()?.remove();
        self.removed(&entry, hasher);
        Some(entry)
    }

    /// Gives back what the table does not need for so many entries.
    pub(crate) fn shrink(&mut self, entries: usize, hasher: impl Fn(&[u8]) -> u64) {
        self.layout += 1;
        if entries == 0 && self.table.is_empty() {
            self.table = HashTable::new();
        } else {
            self.table.shrink_to(entries, |entry| hasher(entry.name.as_bytes()));
        }
    }

    /// Whether the table takes one entry more. A table that is full of the marks of removed entries
    /// is made anew in its size, which leaves room for one in sixteen at least.
    pub(crate) fn room(&mut self, hasher: impl Fn(&[u8]) -> u64) -> Room {
        if self.table.len() < self.table.capacity() {
            return Room::Ready;
        }
        let buckets = self.table.num_buckets();
        if buckets > SMALL && self.table.len() <= full(buckets) / 16 * 15 {
            let mut fresh = HashTable::with_capacity(full(buckets));
            for entry in self.table.drain() {
                fresh.insert_unique(hasher(entry.name.as_bytes()), entry, |entry| {
                    hasher(entry.name.as_bytes())
                });
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
    pub(crate) fn reserve(&mut self, more: usize, hasher: impl Fn(&[u8]) -> u64) {
        if self.table.len() + more > self.table.capacity() {
            self.layout += 1;
            self.table.reserve(more, |entry| hasher(entry.name.as_bytes()));
        }
    }

    /// The entry to go first: the best by the policy of a few from `start` on.
    pub(crate) fn victim(&self, eviction: Eviction, start: usize, spared: &str) -> Option<usize> {
        let buckets = self.table.num_buckets();
        if self.table.is_empty() || eviction == Eviction::Refuse {
            return None;
        }
        let start = start % buckets;
        let mut best: Option<(u32, u32, usize)> = None;
        let mut seen = 0;
        for index in (start..buckets).chain(0..start) {
            let Some(entry) = self.table.get_bucket(index) else { continue };
            if entry.is_required() || entry.name.is(spared) {
                continue;
            }
            let rank = match eviction {
                Eviction::LeastRead => (entry.reads, entry.touched, index),
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
        self.soonest = self.table.iter().map(|entry| entry.expires()).min().unwrap_or(NEVER);
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

    fn hash(key: &[u8]) -> u64 {
        FixedState::with_seed(1).hash_one(key)
    }

    fn add(shard: &mut Shard, key: &str) {
        let entry = Entry::new(key, None, Value::from(1), 0, false);
        shard.insert(hash(key.as_bytes()), entry, hash);
    }

    fn find(shard: &Shard, key: &str) -> usize {
        shard.find(hash(key.as_bytes()), key).unwrap()
    }

    fn drop_key(shard: &mut Shard, key: &str) {
        let index = find(shard, key);
        shard.remove(index, hash).unwrap();
    }

    #[test]
    fn the_growth_told_is_the_growth_at_most() {
        let mut shard = Shard::new(true);
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
        let mut shard = Shard::new(true);
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
        let mut shard = Shard::new(true);
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
    fn stamps_keep_their_order_when_they_are_halved() {
        let mut shard = Shard::new(true);
        shard.accesses = u32::MAX - 3;
        for key in ["a", "b", "c"] {
            add(&mut shard, key);
        }
        assert_eq!(shard.accesses, u32::MAX / 2);
        shard.read(hash(b"a"), "a").unwrap();
        let stamp = |key| shard.bucket(find(&shard, key)).unwrap().touched;
        assert!(stamp("b") <= stamp("c") && stamp("c") < stamp("a"));
    }

    #[test]
    fn what_was_before_is_put_by_once() {
        let mut shard = Shard::new(true);
        add(&mut shard, "a");
        shard.mark(1);
        let index = find(&shard, "a");
        shard.overwrite(index, Value::from(2), Term::NEVER);
        shard.overwrite(index, Value::from(3), Term::NEVER);
        add(&mut shard, "b");
        drop_key(&mut shard, "b");
        let before = shard.before.take().unwrap();
        assert_eq!(
            before[&Name::of("a", None)].as_ref().map(|entry| entry.value.clone()),
            Some(Value::from(1))
        );
        assert!(before[&Name::of("b", None)].is_none());
    }
}
