//! The core: shards under locks, and what is atomic over one key, several, and all.
//!
//! A key's hash names its shard. Every operation takes the locks it needs, in the order of the
//! shards, does its part and lets go; nothing of a caller runs meanwhile, and no guard leaves this
//! file's siblings. From that follows:
//!
//! - An operation on one key is atomic, and takes effect at one moment while it runs: it is done
//!   under one lock.
//! - A [commit](Store::commit) of several keys holds the locks of all of them, checks that what was
//!   read still has its version, and writes all or nothing.
//! - Whoever reads several keys before a commit sees one state: a shard's version is raised while a
//!   writer holds its lock, and [`Store::still`] compares those of all shards read so far.
//! - A [snapshot](Store::snapshot) is one moment: all locks are held for as long as it takes to mark
//!   each shard, about a microsecond, and entries are copied afterwards, a few hundred under the lock
//!   at a time. Until a shard has been copied, a first change of an entry puts by what it was.
//!
//! Eviction is an operation of its own, done with no other lock held before a write is tried again.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::bounds::Limits;
use crate::clock::Clock;
use crate::event::{Change, Event, Hub};
use crate::shard::{Before, Counts, Entry, NEVER, Room, Shard, Term};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, MutexGuard, Ordering, lock};
use crate::value::{Value, key_bytes};

/// Buckets that a snapshot copies under a lock at a time.
const CHUNK: usize = 512;

/// Buckets in which every write looks for expired entries, and those it takes out at most: a table of
/// `n` is seen through in `n / 4` writes, so what has expired can't outweigh what is written.
const SWEPT_BY_A_WRITE: usize = 4;

/// In tables of no more entries than this, growth is worth evicting for.
const FEW: usize = 64;

/// How often room is made for one write before it is refused.
const MOST_EVICTIONS: usize = 1000;

/// A shard on cache lines of its own.
#[repr(align(128))]
#[derive(Debug)]
struct Cell {
    shard: Mutex<Shard>,
    /// The shard's version, to be read without its lock.
    version: AtomicU64,
}

#[derive(Debug)]
pub(crate) struct Store {
    cells: Box<[Cell]>,
    hasher: FixedState,
    limits: Limits,
    /// Kept only when there are limits.
    used_entries: AtomicUsize,
    used_bytes: AtomicUsize,
    next_victim: AtomicUsize,
    /// One snapshot at a time.
    snapshots: Mutex<()>,
    clock: Arc<dyn Clock>,
    can_expire: bool,
    hub: Arc<Hub>,
}

/// A key on its way to its entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub(crate) hash: u64,
    pub(crate) key: &'a str,
    pub(crate) shared: Option<&'a Arc<str>>,
    pub(crate) rule: u16,
    pub(crate) life: Life,
}

impl Place<'_> {
    fn shared_key(&self) -> Arc<str> {
        self.shared.map_or_else(|| self.key.into(), Arc::clone)
    }
}

/// How long an entry stays, in milliseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Life {
    pub(crate) ttl: Option<u64>,
    pub(crate) idle: Option<u64>,
    pub(crate) is_required: bool,
}

impl Life {
    /// When an entry is no more that is written now.
    fn from(self, now: u64) -> Term {
        let end = |time: Option<u64>| time.map_or(NEVER, |time| now.saturating_add(time));
        let ends = end(self.ttl);
        (ends.min(end(self.idle)), ends)
    }
}

/// What is to become of an entry.
#[derive(Debug)]
pub(crate) enum Action {
    Keep,
    Put(Value),
    Remove,
}

/// A bound that would be passed, and nothing could go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full(pub(crate) &'static str);

/// What a write lacks.
#[derive(Clone, Copy, Debug)]
enum Lack {
    Entries(usize),
    Bytes(usize),
    /// Slots of a table that may not grow.
    Slots(usize),
}

/// What was read of a key, to be compared later. An absent entry has no version.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) hash: u64,
    pub(crate) key: Arc<str>,
    pub(crate) version: Option<u64>,
    pub(crate) expires: u64,
}

/// A write of a commit; without a value, a removal.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) hash: u64,
    pub(crate) key: Arc<str>,
    pub(crate) rule: u16,
    pub(crate) life: Life,
    pub(crate) value: Option<Value>,
}

/// Why a commit did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitFault {
    Stale,
    Full(&'static str),
}

/// The version that each shard had when it was first read.
pub(crate) type ShardVersions = Vec<(usize, u64)>;

impl Store {
    pub(crate) fn new(
        shards: usize,
        limits: Limits,
        clock: Arc<dyn Clock>,
        can_expire: bool,
        hub: Arc<Hub>,
    ) -> Self {
        let cell = |_| Cell { shard: Mutex::new(Shard::default()), version: AtomicU64::new(0) };
        let shards = shards.clamp(1, 1 << 12).next_power_of_two();
        Self {
            cells: (0..shards).map(cell).collect(),
            hasher: FixedState::with_seed(seed()),
            limits,
            used_entries: AtomicUsize::new(0),
            used_bytes: AtomicUsize::new(0),
            next_victim: AtomicUsize::new(0),
            snapshots: Mutex::new(()),
            clock,
            can_expire,
            hub,
        }
    }

    pub(crate) fn hash(&self, key: &str) -> u64 {
        self.hasher.hash_one(key)
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Milliseconds of the clock.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.clock.now().as_millis()).unwrap_or(NEVER - 1)
    }

    /// The time, if any entry can expire; without need the clock is not asked.
    fn now_if_needed(&self) -> u64 {
        if self.can_expire { self.now() } else { 0 }
    }

    fn index(&self, hash: u64) -> usize {
        // The table takes its bits from both ends of the hash.
        (hash >> 40) as usize & (self.cells.len() - 1)
    }

    fn lock(&self, index: usize) -> MutexGuard<'_, Shard> {
        lock(&self.cells[index].shard)
    }

    /// Makes the version of a shard known; still under its lock.
    fn publish(&self, index: usize, shard: &Shard) {
        self.cells[index].version.store(shard.version(), Ordering::Release);
    }

    fn tell(&self, change: Change, key: &Arc<str>, value: Option<&Value>, version: u64) {
        if self.hub.is_observed() {
            let (key, value) = (Arc::clone(key), value.cloned());
            self.hub.tell(&Event { change, key, value, version, error: None });
        }
    }

    /// Takes an entry out, for whatever reason, and keeps the accounts.
    fn take(&self, index: usize, shard: &mut Shard, bucket: usize, why: Change) -> Option<Entry> {
        let bytes = if self.limits.are_set() { shard.bytes() } else { 0 };
        let entry = shard.remove(bucket, |key| self.hash(key))?;
        match why {
            Change::Expired => shard.counts.expirations += 1,
            Change::Evicted => shard.counts.evictions += 1,
            _ => shard.counts.removals += 1,
        }
        if why == Change::Evicted && shard.len() == 0 {
            // Small tables are kept for the next entry, but not when room is needed.
            shard.shrink(0, |key| self.hash(key));
        }
        if self.limits.are_set() {
            self.used_entries.fetch_sub(1, Ordering::Relaxed);
            self.settle(bytes, shard, 0);
        }
        self.publish(index, shard);
        self.tell(why, &entry.key, Some(&entry.value), shard.version());
        Some(entry)
    }

    /// Where the entry of a key lies. One that has expired is taken out first.
    fn find(
        &self,
        index: usize,
        shard: &mut Shard,
        hash: u64,
        key: &str,
        now: u64,
    ) -> Option<usize> {
        let bucket = shard.find(hash, key)?;
        if shard.may_have_expired(now)
            && shard.bucket(bucket).is_some_and(|entry| entry.is_expired(now))
        {
            self.take(index, shard, bucket, Change::Expired);
            return None;
        }
        Some(bucket)
    }

    /// Reads an entry, which counts as use of it.
    pub(crate) fn get<R>(
        &self,
        hash: u64,
        key: &str,
        life: impl FnOnce(u16) -> Life,
        read: impl FnOnce(&Entry) -> R,
    ) -> Option<R> {
        let index = self.index(hash);
        let mut shard = self.lock(index);
        if !self.can_expire {
            return shard.read(hash, key, read);
        }
        let now = self.now();
        let Some(bucket) = self.find(index, &mut shard, hash, key, now) else {
            shard.counts.misses += 1;
            return None;
        };
        shard.counts.hits += 1;
        self.touch(&mut shard, bucket, now, life);
        shard.bucket(bucket).map(read)
    }

    fn touch(&self, shard: &mut Shard, bucket: usize, now: u64, life: impl FnOnce(u16) -> Life) {
        let entry = shard.bucket(bucket).filter(|_| self.can_expire);
        let idle = entry.and_then(|entry| life(entry.rule).idle);
        shard.touch(bucket, idle.map(|idle| now.saturating_add(idle)));
    }

    /// Decides about an entry and does it, in one step. `decide` is called again when room had to be
    /// made, and is ours: it calls nothing of a caller.
    pub(crate) fn alter<R>(
        &self,
        place: &Place<'_>,
        mut decide: impl FnMut(Option<&Entry>) -> (Action, R),
    ) -> Result<R, Full> {
        for _ in 0..MOST_EVICTIONS {
            let now = self.now_if_needed();
            match self.try_alter(place, now, &mut decide) {
                Ok(result) => return Ok(result),
                Err(lack) => self.make_room(lack, place.key)?,
            }
        }
        Err(Full("entries"))
    }

    fn try_alter<R>(
        &self,
        place: &Place<'_>,
        now: u64,
        decide: &mut impl FnMut(Option<&Entry>) -> (Action, R),
    ) -> Result<R, Lack> {
        let index = self.index(place.hash);
        let mut shard = self.lock(index);
        let shard = &mut *shard;
        for _ in 0..SWEPT_BY_A_WRITE {
            let Some(bucket) = shard.next_expired(now, SWEPT_BY_A_WRITE) else { break };
            self.take(index, shard, bucket, Change::Expired);
        }
        let bucket = self.find(index, shard, place.hash, place.key, now);
        let (action, result) = decide(bucket.and_then(|bucket| shard.bucket(bucket)));
        match (action, bucket) {
            (Action::Keep, _) | (Action::Remove, None) => {}
            (Action::Remove, Some(bucket)) => {
                self.take(index, shard, bucket, Change::Removed);
            }
            (Action::Put(value), Some(bucket)) => {
                let (mut before, mut more) = (0, 0);
                if self.limits.are_set() {
                    before = shard.bytes();
                    let old = shard.bucket(bucket).map_or(0, |entry| entry.value.content_bytes());
                    more = value.content_bytes().saturating_sub(old);
                    self.take_bytes(more).map_err(Lack::Bytes)?;
                }
                let told = self.hub.is_observed().then(|| value.clone());
                let version = shard.overwrite(bucket, value, place.life.from(now));
                self.settle(before, shard, more);
                self.publish(index, shard);
                if let (Some(value), Some(entry)) = (told, shard.bucket(bucket)) {
                    self.tell(Change::Written, &entry.key, Some(&value), version);
                }
            }
            (Action::Put(value), None) => self.add(index, shard, place, value, now)?,
        }
        Ok(result)
    }

    fn add(
        &self,
        index: usize,
        shard: &mut Shard,
        place: &Place<'_>,
        value: Value,
        now: u64,
    ) -> Result<(), Lack> {
        let term = place.life.from(now);
        let entry = self.entry(place.shared_key(), value, place.rule, place.life, term);
        let mut reserved = 0;
        let mut before = 0;
        if self.limits.are_set() {
            let growth = match shard.room(|key| self.hash(key)) {
                Room::Ready => 0,
                Room::Grown(bytes) => bytes,
            };
            before = shard.bytes();
            self.take_entries(1).map_err(|()| Lack::Entries(1))?;
            let content = entry.content_bytes();
            if let Err(lacking) = self.take_bytes(content + growth) {
                self.used_entries.fetch_sub(1, Ordering::Relaxed);
                // Of a table worth growing, a few entries go rather than the bytes it would take.
                let is_for_growth = growth > 0 && shard.len() > FEW;
                return Err(if is_for_growth { Lack::Slots(index) } else { Lack::Bytes(lacking) });
            }
            reserved = content + growth;
        } else {
            // Makes a table anew that is full of marks only.
            shard.room(|key| self.hash(key));
        }
        let told = self.hub.is_observed().then(|| (Arc::clone(&entry.key), entry.value.clone()));
        let version = shard.insert(place.hash, entry, |key| self.hash(key));
        self.settle(before, shard, reserved);
        self.publish(index, shard);
        if let Some((key, value)) = told {
            self.tell(Change::Written, &key, Some(&value), version);
        }
        Ok(())
    }

    fn entry(&self, key: Arc<str>, value: Value, rule: u16, life: Life, term: Term) -> Entry {
        Entry {
            key,
            value,
            version: 0,
            touched: 0,
            expires: term.0,
            ends: term.1,
            born: self.now(),
            reads: 0,
            writes: 1,
            rule,
            is_required: life.is_required,
        }
    }

    fn take_entries(&self, count: usize) -> Result<(), ()> {
        let take =
            |used: usize| used.checked_add(count).filter(|after| *after <= self.limits.entries);
        let (after, order) = (&self.used_entries, Ordering::Relaxed);
        after.fetch_update(order, order, take).map(|_| ()).map_err(|_| ())
    }

    /// Takes bytes from what may be used; fails with how many are lacking.
    fn take_bytes(&self, bytes: usize) -> Result<(), usize> {
        if !self.limits.are_set() || bytes == 0 {
            return Ok(());
        }
        let take =
            |used: usize| used.checked_add(bytes).filter(|after| *after <= self.limits.bytes);
        let order = Ordering::Relaxed;
        self.used_bytes
            .fetch_update(order, order, take)
            .map(|_| ())
            .map_err(|used| used.saturating_add(bytes).saturating_sub(self.limits.bytes))
    }

    /// Sets right what was taken by an estimate, once a shard has its new size.
    fn settle(&self, before: usize, shard: &Shard, taken: usize) {
        if !self.limits.are_set() {
            return;
        }
        let after = shard.bytes();
        let assumed = before + taken;
        if after > assumed {
            self.used_bytes.fetch_add(after - assumed, Ordering::Relaxed);
        } else if assumed > after {
            self.used_bytes.fetch_sub(assumed - after, Ordering::Relaxed);
        }
    }

    /// Lets entries go until there is what was lacking, or nothing more can go.
    fn make_room(&self, lack: Lack, spared: &str) -> Result<(), Full> {
        let bound = match lack {
            Lack::Entries(_) => "entries",
            Lack::Bytes(_) | Lack::Slots(_) => "bytes",
        };
        match lack {
            // What would not fit an empty map does not cost the others their place.
            Lack::Entries(count) if count > self.used_entries.load(Ordering::Relaxed) => {
                return Err(Full(bound));
            }
            Lack::Bytes(bytes) if bytes > self.used_bytes.load(Ordering::Relaxed) => {
                return Err(Full(bound));
            }
            // Less may go than was asked for, since what expired goes together: as long as
            // anything did, the write is tried again.
            Lack::Entries(count) => {
                self.evict_anywhere(spared).ok_or(Full(bound))?;
                for _ in 1..count {
                    self.evict_anywhere(spared);
                }
            }
            Lack::Bytes(bytes) => {
                let mut freed = self.evict_anywhere(spared).ok_or(Full(bound))?;
                while freed < bytes {
                    let Some(more) = self.evict_anywhere(spared) else { break };
                    freed += more;
                }
            }
            Lack::Slots(index) => {
                let count = self.lock(index).len() / 16;
                self.evict_from(index, spared).ok_or(Full(bound))?;
                for _ in 0..count {
                    self.evict_from(index, spared);
                }
            }
        }
        Ok(())
    }

    /// Lets one entry go; tells the bytes that it held.
    fn evict_anywhere(&self, spared: &str) -> Option<usize> {
        let start = scatter(self.next_victim.fetch_add(1, Ordering::Relaxed));
        (0..self.cells.len())
            .find_map(|step| self.evict_from((start + step) & (self.cells.len() - 1), spared))
    }

    fn evict_from(&self, index: usize, spared: &str) -> Option<usize> {
        let now = self.now_if_needed();
        let mut shard = self.lock(index);
        let before = shard.bytes();
        if self.sweep_shard(index, &mut shard, now) == 0 {
            let start = scatter(self.next_victim.load(Ordering::Relaxed)) >> 7;
            let victim = shard.victim(self.limits.eviction, start, spared)?;
            self.take(index, &mut shard, victim, Change::Evicted)?;
        }
        Some(before.saturating_sub(shard.bytes()))
    }

    /// Takes out what has expired of a shard, at no cost when nothing can have.
    fn sweep_shard(&self, index: usize, shard: &mut Shard, now: u64) -> usize {
        if !shard.may_have_expired(now) {
            return 0;
        }
        let mut swept = 0;
        // Until a whole turn finds none: taking an entry out may make the table anew.
        while let Some(bucket) = shard.next_expired(now, usize::MAX) {
            self.take(index, shard, bucket, Change::Expired);
            swept += 1;
        }
        shard.renew_soonest();
        swept
    }

    /// Takes out all that has expired; tells how many.
    pub(crate) fn sweep(&self) -> usize {
        let now = self.now_if_needed();
        let sweep = |index| self.sweep_shard(index, &mut self.lock(index), now);
        (0..self.cells.len()).map(sweep).sum()
    }

    /// Gives back what the tables don't need.
    pub(crate) fn shrink(&self) {
        for index in 0..self.cells.len() {
            let mut shard = self.lock(index);
            let (before, len) = (shard.bytes(), shard.len());
            shard.shrink(len, |key| self.hash(key));
            self.settle(before, &shard, 0);
        }
    }

    /// Reads a key for a commit: a copy of the entry, if it is there. The shard's version goes to
    /// `seen`, unless it is there.
    pub(crate) fn read(
        &self,
        hash: u64,
        key: &str,
        life: impl FnOnce(u16) -> Life,
        seen: &mut ShardVersions,
    ) -> Option<Entry> {
        let now = self.now_if_needed();
        let index = self.index(hash);
        let mut shard = self.lock(index);
        let bucket = self.find(index, &mut shard, hash, key, now);
        if !seen.iter().any(|(shard, _)| *shard == index) {
            seen.push((index, shard.version()));
        }
        let bucket = bucket?;
        self.touch(&mut shard, bucket, now, life);
        shard.bucket(bucket).cloned()
    }

    /// Whether all that was read is still so, and was so at one moment.
    pub(crate) fn still(&self, reads: &[Read], seen: &mut ShardVersions) -> bool {
        let now = self.now_if_needed();
        if reads.iter().any(|read| read.expires <= now) {
            return false;
        }
        loop {
            let mut has_changed = false;
            for (index, version) in seen.iter_mut() {
                if self.cells[*index].version.load(Ordering::Acquire) == *version {
                    continue;
                }
                has_changed = true;
                let shard = self.lock(*index);
                let mut own = reads.iter().filter(|read| self.index(read.hash) == *index);
                if !own.all(|read| is_current(&shard, read)) {
                    return false;
                }
                *version = shard.version();
            }
            if !has_changed {
                return true;
            }
        }
    }

    /// Writes all or nothing, if what was read is still so. No two writes are of one key. With
    /// `replaces`, whatever is not written is removed.
    pub(crate) fn commit(
        &self,
        reads: &[Read],
        writes: &[Write],
        replaces: bool,
    ) -> Result<(), CommitFault> {
        for _ in 0..MOST_EVICTIONS {
            match self.try_commit(reads, writes, replaces)? {
                None => return Ok(()),
                Some(lack) => {
                    self.make_room(lack, "").map_err(|Full(bound)| CommitFault::Full(bound))?
                }
            }
        }
        Err(CommitFault::Full("entries"))
    }

    fn try_commit(
        &self,
        reads: &[Read],
        writes: &[Write],
        replaces: bool,
    ) -> Result<Option<Lack>, CommitFault> {
        let now = self.now_if_needed();
        let mut shards = self.lock_all(reads, writes, replaces);
        for read in reads {
            let (index, shard) = shard_of(&mut shards, self.index(read.hash));
            // An entry that expires after it was read has changed, too.
            self.find(index, shard, read.hash, &read.key, now);
            if !is_current(shard, read) {
                return Err(CommitFault::Stale);
            }
        }
        let mut left_out = Vec::new();
        if replaces {
            for (index, shard) in &shards {
                let gone = shard.entries().filter(|entry| {
                    writes.binary_search_by(|write| write.key.cmp(&entry.key)).is_err()
                });
                left_out.extend(gone.map(|entry| (*index, Arc::clone(&entry.key))));
            }
        }
        let taken = match self.take_for(&mut shards, writes, &left_out, now) {
            Ok(taken) => taken,
            Err(lack) => return Ok(Some(lack)),
        };
        self.apply(&mut shards, writes, now, &taken);
        // Removals come last: they may shrink a table that was grown for what is added.
        let removed = writes.iter().filter(|write| write.value.is_none());
        let removed = removed.map(|write| (self.index(write.hash), Arc::clone(&write.key)));
        for (index, key) in removed.chain(left_out) {
            let (index, shard) = shard_of(&mut shards, index);
            if let Some(bucket) = shard.find(self.hash(&key), &key) {
                self.take(index, shard, bucket, Change::Removed);
            }
        }
        Ok(None)
    }

    fn lock_all(
        &self,
        reads: &[Read],
        writes: &[Write],
        all: bool,
    ) -> Vec<(usize, MutexGuard<'_, Shard>)> {
        let mut indices: Vec<usize> = if all {
            (0..self.cells.len()).collect()
        } else {
            let read = reads.iter().map(|read| self.index(read.hash));
            read.chain(writes.iter().map(|write| self.index(write.hash))).collect()
        };
        indices.sort_unstable();
        indices.dedup();
        indices.into_iter().map(|index| (index, self.lock(index))).collect()
    }

    /// Takes what a commit needs at most: entries and bytes, less what it will give back.
    fn take_for(
        &self,
        shards: &mut [(usize, MutexGuard<'_, Shard>)],
        writes: &[Write],
        left_out: &[(usize, Arc<str>)],
        now: u64,
    ) -> Result<Taken, Lack> {
        let mut taken = Taken::default();
        let mut added = vec![0; self.cells.len()];
        let (mut removed, mut freed) = (0, 0);
        for (index, key) in left_out {
            let (_, shard) = shard_of(shards, *index);
            let bucket = shard.find(self.hash(key), key);
            removed += 1;
            freed += bucket.and_then(|bucket| shard.bucket(bucket)).map_or(0, Entry::content_bytes);
        }
        for write in writes {
            let (index, shard) = shard_of(shards, self.index(write.hash));
            let bucket = self.find(index, shard, write.hash, &write.key, now);
            let old = bucket.and_then(|bucket| shard.bucket(bucket));
            match (&write.value, old) {
                (Some(value), Some(old)) => {
                    taken.bytes += value.content_bytes();
                    freed += old.value.content_bytes();
                }
                (Some(value), None) => {
                    taken.entries += 1;
                    taken.bytes += value.content_bytes() + key_bytes(&write.key);
                    added[index] += 1;
                }
                (None, Some(old)) => {
                    removed += 1;
                    freed += old.content_bytes();
                }
                (None, None) => {}
            }
        }
        for (index, shard) in shards.iter() {
            taken.bytes += shard.growth(added[*index]);
        }
        if self.limits.are_set() {
            let entries = taken.entries.saturating_sub(removed);
            self.take_entries(entries).map_err(|()| {
                let used = self.used_entries.load(Ordering::Relaxed);
                Lack::Entries((used + entries).saturating_sub(self.limits.entries).max(1))
            })?;
            let bytes = taken.bytes.saturating_sub(freed);
            if let Err(lacking) = self.take_bytes(bytes) {
                self.used_entries.fetch_sub(entries, Ordering::Relaxed);
                return Err(Lack::Bytes(lacking));
            }
            // What is given back is given back as it goes; until then it is lent.
            self.used_entries.fetch_add(taken.entries - entries, Ordering::Relaxed);
            self.used_bytes.fetch_add(taken.bytes - bytes, Ordering::Relaxed);
        }
        for (index, shard) in shards.iter_mut() {
            let before = shard.bytes();
            shard.reserve(added[*index], |key| self.hash(key));
            taken.used += shard.bytes().saturating_sub(before);
        }
        Ok(taken)
    }

    /// Puts what room was taken for; can't fail.
    fn apply(
        &self,
        shards: &mut [(usize, MutexGuard<'_, Shard>)],
        writes: &[Write],
        now: u64,
        taken: &Taken,
    ) {
        let mut used = taken.used;
        for write in writes {
            let Some(value) = &write.value else { continue };
            let (index, shard) = shard_of(shards, self.index(write.hash));
            let bucket = shard.find(write.hash, &write.key);
            let before = shard.bytes();
            let version = match bucket {
                Some(bucket) => shard.overwrite(bucket, value.clone(), write.life.from(now)),
                None => {
                    let (key, value) = (Arc::clone(&write.key), value.clone());
                    let term = write.life.from(now);
                    let entry = self.entry(key, value, write.rule, write.life, term);
                    shard.insert(write.hash, entry, |key| self.hash(key))
                }
            };
            // What was taken by estimate is set right below, over all writes.
            used = (used + shard.bytes()).wrapping_sub(before);
            self.publish(index, shard);
            self.tell(Change::Written, &write.key, Some(value), version);
        }
        if self.limits.are_set() {
            // As wrapping arithmetic: writes may have freed more than they took.
            self.used_bytes.fetch_add(used.wrapping_sub(taken.bytes), Ordering::Relaxed);
        }
    }

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

    /// Looks at every shard in turn.
    fn sum<T>(&self, start: T, mut add: impl FnMut(&mut T, &Shard)) -> T {
        let mut total = start;
        for index in 0..self.cells.len() {
            add(&mut total, &self.lock(index));
        }
        total
    }

    /// Entries that are held, expired ones that were not met yet included.
    pub(crate) fn len(&self) -> usize {
        self.sum(0, |total, shard| *total += shard.len())
    }

    /// Bytes of the tables, keys and contents.
    pub(crate) fn bytes(&self) -> usize {
        self.sum(0, |total, shard| *total += shard.bytes())
    }

    pub(crate) fn counts(&self) -> Counts {
        self.sum(Counts::default(), |total, shard| {
            let counts = &shard.counts;
            total.hits += counts.hits;
            total.misses += counts.misses;
            total.writes += counts.writes;
            total.removals += counts.removals;
            total.expirations += counts.expirations;
            total.evictions += counts.evictions;
        })
    }

    /// How often a key was written since it came to be; 0 when it is not there.
    pub(crate) fn writes_of(&self, key: &str) -> u32 {
        let hash = self.hash(key);
        let shard = self.lock(self.index(hash));
        let bucket = shard.find(hash, key);
        bucket.and_then(|bucket| shard.bucket(bucket)).map_or(0, |entry| entry.writes)
    }
}

/// What a commit took by estimate, and what its tables used of it.
#[derive(Debug, Default)]
struct Taken {
    entries: usize,
    bytes: usize,
    used: usize,
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

fn is_current(shard: &Shard, read: &Read) -> bool {
    let bucket = shard.find(read.hash, &read.key);
    bucket.and_then(|bucket| shard.bucket(bucket)).map(|entry| entry.version) == read.version
}

/// One of the locked shards; each that is asked for was locked.
fn shard_of<'s>(
    shards: &'s mut [(usize, MutexGuard<'_, Shard>)],
    index: usize,
) -> (usize, &'s mut Shard) {
    let at = shards.partition_point(|(shard, _)| *shard < index);
    (index, &mut shards[at].1)
}

/// A number far from those of its neighbours.
fn scatter(number: usize) -> usize {
    (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(32) as usize
}

/// A seed that whoever picks the keys can't know; under shuttle always the same, since its
/// schedules must be repeatable.
fn seed() -> u64 {
    if cfg!(feature = "shuttle") {
        1
    } else {
        std::collections::hash_map::RandomState::new().hash_one(0)
    }
}
