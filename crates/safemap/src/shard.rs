//! One shard: a hash table of entries, and the account of what it holds.
//!
//! A shard is always under its lock, and nothing here calls out, so that no code of a caller ever
//! runs under a lock; nor does anything that takes longer the larger a value is. Values come with
//! their bytes counted, and those that go are handed out, to be dropped without the lock. Each change
//! goes through [`Shard::overwrite`], [`Shard::insert`] or [`Shard::remove`], which keep three things
//! true:
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
use crate::value::{Value, Weighed};

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
    /// What eviction wants to know of how entries were used.
    stamps: Stamps,
    accesses: u32,
    pub(crate) counts: Counts,
    version: u64,
    content: usize,
    /// Nothing expires earlier; what expires later may not be here any more.
    soonest: u64,
    pub(crate) before: Option<Box<Before>>,
    layout: u64,
    hand: usize,
    /// Where reads were last made to count less.
    aged: usize,
}

/// What is noted of an entry's use, in such a form that the least has to go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stamps {
    /// Nothing: no entry has to go.
    None,
    /// The shard's count of accesses at the last one.
    Uses,
    /// How often it was read of late, in the highest eight bits, and that count in the others.
    ///
    /// Counts of all reads ever would keep out what is new for good. So at one access in
    /// [`AGED`] the next bucket in turn has its reads halved: each entry's count half when as many
    /// accesses have gone by as there are buckets, times that.
    Reads,
}

/// Accesses after which an entry's reads are made to count less.
const AGED: u32 = 8;

impl Stamps {
    /// What a map needs that lets entries go by a policy; `None` is one that lets none go.
    pub(crate) fn of(eviction: Option<Eviction>) -> Self {
        match eviction {
            None | Some(Eviction::Refuse) => Self::None,
            Some(Eviction::LeastRecentlyUsed) => Self::Uses,
            Some(Eviction::LeastRead) => Self::Reads,
        }
    }

    /// The bits that hold a count of accesses.
    fn mask(self) -> u32 {
        if self == Self::Reads { u32::MAX >> 8 } else { u32::MAX }
    }

    /// The stamp of an entry that is used, and read so often with it.
    fn stamp(self, before: u32, accesses: u32, reads: u32) -> u32 {
        match self {
            Self::None => 0,
            Self::Uses => accesses,
            Self::Reads => {
                let reads = ((before >> 24) + reads).min(u32::MAX >> 24);
                reads << 24 | accesses
            }
        }
    }

    /// The stamp, once all counts of accesses are halved.
    fn halve_accesses(self, stamp: u32) -> u32 {
        let accesses = (stamp & self.mask()) / 2;
        stamp & !self.mask() | accesses
    }
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
    /// An empty shard.
    pub(crate) fn new(stamps: Stamps) -> Self {
        Self {
            table: HashTable::new(),
            epoch: 0,
            stamps,
            accesses: 0,
            counts: Counts::default(),
            version: 0,
            content: 0,
            soonest: NEVER,
            before: None,
            layout: 0,
            hand: 0,
            aged: 0,
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
        let stamps = self.stamps;
        if stamps != Stamps::None {
            self.count_access();
        }
        let Some(entry) = self.table.find_mut(hash, |entry| entry.name.is(key)) else {
            self.counts.misses += 1;
            return None;
        };
        self.counts.hits += 1;
        entry.reads = entry.reads.saturating_add(1);
        if stamps != Stamps::None {
            entry.touched = stamps.stamp(entry.touched, self.accesses, 1);
        }
        Some(entry)
    }

    /// Notes a read of an entry, which puts its end off to `expires`, as far as that may be.
    pub(crate) fn touch(&mut self, index: usize, expires: Option<u64>) {
        self.count_access();
        if let Some(entry) = self.table.get_bucket_mut(index) {
            entry.reads = entry.reads.saturating_add(1);
            if let Some(expires) = expires {
                let term = entry.term();
                entry.set_term(Term { expires: expires.min(term.ends), ..term });
            }
            entry.touched = self.stamps.stamp(entry.touched, self.accesses, 1);
        }
    }

    /// Notes that an entry was read, for the account alone: a write follows, which is the use of it.
    pub(crate) fn note_read(&mut self, index: usize) {
        if let Some(entry) = self.table.get_bucket_mut(index) {
            entry.reads = entry.reads.saturating_add(1);
        }
    }

    /// Counts an access, where that is asked for. Before the count is at its end, it and what it
    /// stamped are halved, which keeps their order: once in two billion accesses, or eight million.
    fn count_access(&mut self) {
        let stamps = self.stamps;
        if stamps == Stamps::None {
            return;
        }
        self.accesses += 1;
        if self.accesses == stamps.mask() {
            self.accesses /= 2;
            for entry in self.table.iter_mut() {
                entry.touched = stamps.halve_accesses(entry.touched);
            }
        }
        if stamps == Stamps::Reads && self.accesses.is_multiple_of(AGED) {
            self.aged = if self.aged + 1 < self.table.num_buckets() { self.aged + 1 } else { 0 };
            if let Some(entry) = self.table.get_bucket_mut(self.aged) {
                entry.touched = (entry.touched >> 25) << 24 | entry.touched & stamps.mask();
            }
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
        self.before.is_none() && self.stamps == Stamps::None
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

    /// Writes a value over that of an entry; returns the version of the write, and the value that was
    /// there, to be dropped once the lock is let go.
    pub(crate) fn overwrite(
        &mut self,
        index: usize,
        value: Weighed,
        term: Term,
    ) -> (u64, Option<Value>) {
        self.remember_bucket(index);
        self.soonest = self.soonest.min(term.expires);
        self.version += 1;
        self.count_access();
        self.counts.writes += 1;
        let mut old = None;
        if let Some(entry) = self.table.get_bucket_mut(index) {
            let before = entry.bytes();
            old = Some(entry.set_value(value));
            entry.set_version(self.version);
            entry.touched = self.stamps.stamp(entry.touched, self.accesses, 0);
            entry.set_term(term);
            entry.writes = entry.writes.saturating_add(1);
            self.content = (self.content + entry.bytes()).saturating_sub(before);
        }
        (self.version, old)
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
        self.counts.writes += 1;
        entry.set_version(self.version);
        if self.stamps != Stamps::None {
            self.count_access();
            entry.touched = self.stamps.stamp(0, self.accesses, 0);
        }
        self.content += entry.bytes();
        self.soonest = self.soonest.min(entry.expires());
        if self.table.len() == self.table.capacity() {
            self.layout += 1;
        }
        self.table.insert_unique(hash, entry, |entry| hasher(entry.name.as_bytes()));
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
        let bytes = least_table(buckets).saturating_add(32);
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
        let mut best: Option<(u32, usize)> = None;
        let mut seen = 0;
        for index in (start..buckets).chain(0..start) {
            let Some(entry) = self.table.get_bucket(index) else { continue };
            if entry.is_required() || entry.name.is(spared) {
                continue;
            }
            let rank = (entry.touched, index);
            best = Some(best.map_or(rank, |best| best.min(rank)));
            seen += 1;
            if seen == SAMPLE {
                break;
            }
        }
        best.map(|(_, index)| index)
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

/// Bytes of a table of so many buckets, at least.
fn least_table(buckets: usize) -> usize {
    buckets.saturating_mul(size_of::<Entry>() + 1)
}

/// Bytes of a table of so many entries, at least.
pub(crate) fn least_bytes(entries: usize) -> usize {
    if entries == 0 {
        return 0;
    }
    let mut buckets = 4;
    while full(buckets) < entries {
        buckets *= 2;
    }
    least_table(buckets)
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
        let entry = Entry::new(key, None, Weighed::of(Value::from(1)), 0, false);
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
        let mut shard = Shard::new(Stamps::Uses);
        for number in 0..5000 {
            let (told, before) = (shard.growth(1), shard.table.allocation_size());
            add(&mut shard, &number.to_string());
            let grown = shard.table.allocation_size() - before;
            assert!(grown <= told, "{number}: {grown} of {told}");
            assert!(least_bytes(number + 1) <= shard.table.allocation_size());
            assert!(told == 0 || grown > 0, "{number}: told {told}");
        }
    }

    #[test]
    fn a_table_shrinks_as_it_empties() {
        let mut shard = Shard::new(Stamps::Uses);
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
        let mut shard = Shard::new(Stamps::Uses);
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
        for stamps in [Stamps::Uses, Stamps::Reads] {
            let mut shard = Shard::new(stamps);
            shard.accesses = stamps.mask() - 3;
            for key in ["a", "b", "c"] {
                add(&mut shard, key);
            }
            shard.read(hash(b"a"), "a").unwrap();
            assert_eq!(shard.accesses, stamps.mask() / 2 + 1);
            let stamp = |key| shard.bucket(find(&shard, key)).unwrap().touched;
            assert!(stamp("b") <= stamp("c") && stamp("c") < stamp("a"));
        }
    }

    #[test]
    fn reads_of_late_count_more_than_those_of_long_ago() {
        let mut shard = Shard::new(Stamps::Reads);
        for key in ["old", "new"] {
            add(&mut shard, key);
        }
        for _ in 0..1000 {
            shard.read(hash(b"old"), "old").unwrap();
        }
        let reads = |shard: &Shard, key| shard.bucket(find(shard, key)).unwrap().touched >> 24;
        assert!(reads(&shard, "old") > 16, "{}", reads(&shard, "old"));
        for _ in 0..1000 {
            shard.read(hash(b"new"), "new").unwrap();
        }
        assert_eq!(reads(&shard, "old"), 0);
        assert_eq!(shard.bucket(find(&shard, "old")).unwrap().reads, 1000);
    }

    #[test]
    fn what_was_before_is_put_by_once() {
        let mut shard = Shard::new(Stamps::Uses);
        add(&mut shard, "a");
        shard.mark(1);
        let index = find(&shard, "a");
        shard.overwrite(index, Weighed::of(Value::from(2)), Term::NEVER);
        shard.overwrite(index, Weighed::of(Value::from(3)), Term::NEVER);
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
