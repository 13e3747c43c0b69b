//! The core: shards under locks, and what is atomic over one key, several, and all.
//!
//! A key's hash names its shard. Every operation takes the locks it needs, in the order of the
//! shards, does its part and lets go; nothing of a caller runs meanwhile, nor anything that takes
//! longer the larger a value is, and no guard leaves this file's siblings. A clock that is not one of
//! ours is asked before a lock is taken. From that follows:
//!
//! - An operation on one key is atomic, and takes effect at one moment while it runs: it is done
//!   under one lock.
//! - A [commit](Store::commit) of several keys holds the locks of all of them, checks that what was
//!   read still has its version, and writes all or nothing.
//! - Whoever reads several keys before a commit sees one state: a shard's version is raised while a
//!   writer holds its lock, and [`Store::still`] compares those of all shards read so far.
//! - A [snapshot](Store::snapshot) is one moment: that at which it raises the `epoch`. A writer looks
//!   at the epoch once it holds all the locks it needs, and so belongs before that moment or after it
//!   as a whole. Who belongs after it marks its shards: in them a first change of an entry puts by
//!   what it was, until the snapshot has copied them, a few hundred entries under the lock at a time.
//!   A writer that belongs before still holds its locks, so the snapshot meets only what it has done.
//!
//! Eviction is an operation of its own, done with no other lock held before a write is tried again.

mod commit;
mod copy;
mod room;

use std::sync::Arc;

use foldhash::fast::FixedState;

use crate::bounds::Limits;
use crate::clock::{Clock, is_ours};
use crate::entry::{Entry, NEVER, Term};
use crate::event::{Change, Event, Hub};
use crate::name::Name;
use crate::schema::{Schema, hash_of};
use crate::shard::{Counts, Room, Shard, Stamps, least_bytes};
use crate::sync::{AtomicU64, AtomicUsize, Mutex, Ordering, ShortGuard, ShortLock};
use crate::value::{Value, Weighed};

pub(crate) use commit::{CommitFault, Read, ShardVersions, Write};
use room::Lack;

/// Buckets in which every write looks for expired entries, and those it takes out at most: a table of
/// `n` is seen through in `n / 4` writes, so what has expired can't outweigh what is written.
const SWEPT_BY_A_WRITE: usize = 4;

/// In tables of no more entries than this, growth is worth evicting for.
const FEW: usize = 64;

/// How often room is made for one write before it is refused.
const MOST_EVICTIONS: usize = 1000;

/// A shard on cache lines of its own.
#[repr(C, align(128))]
#[derive(Debug)]
struct Cell {
    shard: ShortLock<Shard>,
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
    /// How many snapshots were begun.
    epoch: AtomicU64,
    clock: Arc<dyn Clock>,
    /// Whether the clock may be asked under a lock.
    is_clock_ours: bool,
    /// When the store was made, in milliseconds of the clock.
    started: u64,
    can_expire: bool,
    /// Whether there is a limit of any kind, in time or in size.
    is_bound: bool,
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
    /// Whether the value that is there is used, which counts as a read of it.
    pub(crate) is_read: bool,
}

impl Place<'_> {
    /// The same, for who uses the value that is there.
    pub(crate) fn read(self) -> Self {
        Self { is_read: true, ..self }
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
        Term { expires: ends.min(end(self.idle)), ends }
    }
}

/// What is to become of an entry.
#[derive(Debug)]
pub(crate) enum Action {
    Keep,
    Put(Weighed),
    Remove,
}

/// A bound that would be passed, and nothing could go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full(pub(crate) &'static str);

impl Store {
    pub(crate) fn new(
        shards: usize,
        limits: Limits,
        clock: Arc<dyn Clock>,
        schema: &Schema,
        hub: Arc<Hub>,
    ) -> Self {
        let stamps = Stamps::of(limits.are_set().then_some(limits.eviction));
        let shard = || ShortLock::new(Shard::new(stamps));
        let cell = |_| Cell { shard: shard(), version: AtomicU64::new(0) };
        let shards = shards.clamp(1, 1 << 12).next_power_of_two();
        Self {
            cells: (0..shards).map(cell).collect(),
            hasher: schema.hasher(),
            is_bound: schema.can_expire() || limits.are_set(),
            limits,
            used_entries: AtomicUsize::new(0),
            used_bytes: AtomicUsize::new(0),
            next_victim: AtomicUsize::new(0),
            snapshots: Mutex::new(()),
            epoch: AtomicU64::new(0),
            started: milliseconds(&*clock),
            is_clock_ours: is_ours(&*clock),
            clock,
            can_expire: schema.can_expire(),
            hub,
        }
    }

    #[inline]
    pub(crate) fn hash(&self, key: &str) -> u64 {
        self.hash_bytes(key.as_bytes())
    }

    #[inline]
    fn hash_bytes(&self, key: &[u8]) -> u64 {
        hash_of(&self.hasher, key)
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.hub
    }

    /// Milliseconds of the clock.
    pub(crate) fn now(&self) -> u64 {
        milliseconds(&*self.clock)
    }

    /// When the store was made.
    pub(crate) fn started(&self) -> u64 {
        self.started
    }

    /// The time before a lock is taken, if it is asked for then; without need the clock is not asked.
    fn now_if_needed(&self) -> u64 {
        if self.can_expire || !self.is_clock_ours { self.now() } else { 0 }
    }

    #[inline]
    fn index(&self, hash: u64) -> usize {
        // The table takes its bits from both ends of the hash.
        (hash >> 40) as usize & (self.cells.len() - 1)
    }

    /// Takes the lock of a shard to look at it, or to note how it is used.
    #[inline]
    fn lock(&self, index: usize) -> ShortGuard<'_, Shard> {
        self.cells[index].shard.lock()
    }

    /// Takes the lock of a shard to change it.
    #[inline]
    fn lock_to_change(&self, index: usize) -> ShortGuard<'_, Shard> {
        let mut shard = self.lock(index);
        self.mark(&mut shard);
        shard
    }

    /// Marks a shard for a snapshot that has begun since it was last changed; under its lock.
    #[inline]
    fn mark(&self, shard: &mut Shard) {
        let epoch = self.epoch.load(Ordering::SeqCst);
        if shard.epoch() != epoch {
            shard.mark(epoch);
        }
    }

    /// Makes the version of a shard known; still under its lock.
    fn publish(&self, index: usize, shard: &Shard) {
        self.cells[index].version.store(shard.version(), Ordering::Release);
    }

    fn tell(&self, change: Change, name: &Name, value: &Value, version: u64) {
        // Nothing is made for an event before somebody is found who wants it.
        if self.hub.is_wanted(change, name.as_str()) {
            self.tell_wanted(change, name, value.clone(), version);
        }
    }

    /// As [`Store::tell`], of what is known to be wanted.
    fn tell_wanted(&self, change: Change, name: &Name, value: Value, version: u64) {
        let (key, value) = (name.shared(), Some(value));
        self.hub.tell(&Event { change, key, value, version, error: None });
    }

    /// Takes an entry out, for whatever reason, keeps the accounts, and gives back the room.
    fn take(&self, index: usize, shard: &mut Shard, bucket: usize, why: Change) -> Option<Entry> {
        let bytes = if self.limits.are_set() { shard.bytes() } else { 0 };
        let entry = self.take_out(index, shard, bucket, why)?;
        if self.limits.are_set() {
            self.used_entries.fetch_sub(1, Ordering::Relaxed);
            self.settle(bytes, shard, 0);
        }
        Some(entry)
    }

    /// As [`Store::take`], without giving back the room.
    fn take_out(
        &self,
        index: usize,
        shard: &mut Shard,
        bucket: usize,
        why: Change,
    ) -> Option<Entry> {
        let entry = shard.remove(bucket, |key| self.hash_bytes(key))?;
        match why {
            Change::Expired => shard.counts.expirations += 1,
            Change::Evicted => shard.counts.evictions += 1,
            _ => shard.counts.removals += 1,
        }
        if why == Change::Evicted && shard.len() == 0 {
            // Small tables are kept for the next entry, but not when room is needed.
            shard.shrink(0, |key| self.hash_bytes(key));
        }
        self.publish(index, shard);
        self.tell(why, &entry.name, &entry.value, shard.version());
        Some(entry)
    }

    /// Where the entry of a key lies. One that has expired is taken out first, and put by to be
    /// dropped when the lock is let go.
    fn find(
        &self,
        index: usize,
        shard: &mut Shard,
        hash: u64,
        key: &str,
        now: u64,
        gone: &mut Vec<Entry>,
    ) -> Option<usize> {
        let bucket = shard.find(hash, key)?;
        if shard.may_have_expired(now)
            && shard.bucket(bucket).is_some_and(|entry| entry.is_expired(now))
        {
            gone.extend(self.take(index, shard, bucket, Change::Expired));
            return None;
        }
        Some(bucket)
    }

    /// Whether anything expires in time.
    #[inline]
    pub(crate) fn can_expire(&self) -> bool {
        self.can_expire
    }

    /// The shard of a key, for who changes an entry where nothing expires.
    #[inline]
    pub(crate) fn lock_to_change_of(&self, hash: u64) -> ShortGuard<'_, Shard> {
        self.lock_to_change(self.index(hash))
    }

    /// Makes the version of the shard of a key known; still under its lock.
    #[inline]
    pub(crate) fn publish_of(&self, hash: u64, shard: &Shard) {
        self.publish(self.index(hash), shard);
    }

    /// The shard of a key, for who reads an entry where nothing expires.
    #[inline]
    pub(crate) fn lock_of(&self, hash: u64) -> ShortGuard<'_, Shard> {
        self.lock(self.index(hash))
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
        if !self.can_expire {
            return self.lock(index).read(hash, key).map(read);
        }
        let now = self.now();
        let mut gone = Vec::new();
        let mut shard = self.lock_to_change(index);
        let Some(bucket) = self.find(index, &mut shard, hash, key, now, &mut gone) else {
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

    /// Adds an entry that is not there, where nothing is bounded, expires or is watched, and the value
    /// is flat; only where the clock [may be asked](Store::is_clock_ours) under the lock.
    pub(crate) fn add_at_once(
        &self,
        hash: u64,
        mut shard: ShortGuard<'_, Shard>,
        key: (&str, Option<&Arc<str>>),
        value: Value,
        rule: u16,
        life: Life,
    ) {
        shard.room(|key| self.hash_bytes(key));
        let entry = self.entry(key, Weighed::of(value), rule, life, Term::NEVER, 0);
        shard.insert(hash, entry, |key| self.hash_bytes(key));
        self.publish_of(hash, &shard);
    }

    /// Whether the clock may be asked under a lock.
    #[inline]
    pub(crate) fn is_clock_ours(&self) -> bool {
        self.is_clock_ours
    }

    /// Removes an entry the short way, if it is there; `Err` says that there is none.
    #[inline]
    pub(crate) fn remove_at_once(&self, hash: u64, key: &str) -> Result<Option<Entry>, ()> {
        if self.is_bound {
            return Err(());
        }
        let index = self.index(hash);
        let mut shard = self.lock_to_change(index);
        if self.hub.is_wanted(Change::Removed, key) {
            return Err(());
        }
        let removed = shard.remove_key(hash, key, |key| self.hash_bytes(key));
        if let Ok(Some(_)) = &removed {
            self.publish(index, &shard);
        }
        removed
    }

    /// Whether there is a limit of any kind, in time or in size.
    #[inline]
    pub(crate) fn is_bound(&self) -> bool {
        self.is_bound
    }

    /// Decides about an entry and does it, in one step. `decide` is called again when room had to be
    /// made, and is ours: it calls nothing of a caller.
    pub(crate) fn alter<R>(
        &self,
        place: &Place<'_>,
        mut decide: impl FnMut(Option<&Entry>) -> (Action, R),
    ) -> Result<R, Full> {
        let mut full = Full("entries");
        for _ in 0..MOST_EVICTIONS {
            let now = self.now_if_needed();
            match self.try_alter(place, now, &mut decide) {
                Ok(result) => return Ok(result),
                Err(lack) => {
                    full = Full(lack.bound());
                    self.make_room(lack, place.key)?;
                }
            }
        }
        Err(full)
    }

    fn try_alter<R>(
        &self,
        place: &Place<'_>,
        now: u64,
        decide: &mut impl FnMut(Option<&Entry>) -> (Action, R),
    ) -> Result<R, Lack> {
        // What goes is dropped after the lock is let go: it may be large.
        let mut gone = Vec::new();
        let (mut removed, mut replaced) = (None, None);
        let index = self.index(place.hash);
        let mut guard = self.lock_to_change(index);
        let shard = &mut *guard;
        for _ in 0..SWEPT_BY_A_WRITE {
            let Some(bucket) = shard.next_expired(now, SWEPT_BY_A_WRITE) else { break };
            gone.extend(self.take(index, shard, bucket, Change::Expired));
        }
        let bucket = self.find(index, shard, place.hash, place.key, now, &mut gone);
        if place.is_read
            && let Some(bucket) = bucket
        {
            shard.note_read(bucket);
        }
        let (action, result) = decide(bucket.and_then(|bucket| shard.bucket(bucket)));
        match (action, bucket) {
            (Action::Keep, _) | (Action::Remove, None) => {}
            (Action::Remove, Some(bucket)) => {
                removed = self.take(index, shard, bucket, Change::Removed);
            }
            (Action::Put(value), Some(bucket)) => {
                let (mut before, mut more) = (0, 0);
                let term = place.life.from(now);
                if self.limits.are_set() {
                    before = shard.bytes();
                    let entry = shard.bucket(bucket);
                    let after = entry.map_or(0, |entry| entry.bytes_with(&value, term));
                    more = after.saturating_sub(entry.map_or(0, Entry::bytes));
                    self.take_bytes(more).map_err(|lacking| self.lack(after, lacking))?;
                }
                let told =
                    self.hub.is_wanted(Change::Written, place.key).then(|| value.value.clone());
                let version;
                (version, replaced) = shard.overwrite(bucket, value, term);
                self.settle(before, shard, more);
                self.publish(index, shard);
                if let (Some(value), Some(entry)) = (told, shard.bucket(bucket)) {
                    self.tell_wanted(Change::Written, &entry.name, value, version);
                }
            }
            (Action::Put(value), None) => self.add(index, shard, place, value, now)?,
        }
        drop(guard);
        drop((removed, replaced));
        Ok(result)
    }

    /// What is lacking of bytes for an entry of so many; where it would not fit by itself, no other
    /// has to go for it.
    fn lack(&self, bytes: usize, lacking: usize) -> Lack {
        let fits = bytes.saturating_add(least_bytes(1)) <= self.limits.bytes;
        if fits { Lack::Bytes(lacking) } else { Lack::Never("bytes") }
    }

    fn add(
        &self,
        index: usize,
        shard: &mut Shard,
        place: &Place<'_>,
        value: Weighed,
        now: u64,
    ) -> Result<(), Lack> {
        let term = place.life.from(now);
        let key = (place.key, place.shared);
        let entry = self.entry(key, value, place.rule, place.life, term, now);
        let mut reserved = 0;
        let mut before = 0;
        if self.limits.are_set() {
            let growth = match shard.room(|key| self.hash_bytes(key)) {
                Room::Ready => 0,
                Room::Grown(bytes) => bytes,
            };
            before = shard.bytes();
            self.take_entries(1).map_err(|()| Lack::Entries(1))?;
            let content = entry.bytes();
            if let Err(lacking) = self.take_bytes(content + growth) {
                self.used_entries.fetch_sub(1, Ordering::Relaxed);
                // Of a table worth growing, a few entries go rather than the bytes it would take.
                let is_for_growth = growth > 0 && shard.len() > FEW;
                return Err(match self.lack(content, lacking) {
                    Lack::Bytes(_) if is_for_growth => Lack::Slots(index),
                    lack => lack,
                });
            }
            reserved = content + growth;
        } else {
            // Makes a table anew that is full of marks only.
            shard.room(|key| self.hash_bytes(key));
        }
        let told = self.hub.is_wanted(Change::Written, place.key);
        let told = told.then(|| (entry.name.clone(), entry.value.clone()));
        let version = shard.insert(place.hash, entry, |key| self.hash_bytes(key));
        self.settle(before, shard, reserved);
        self.publish(index, shard);
        if let Some((key, value)) = told {
            self.tell_wanted(Change::Written, &key, value, version);
        }
        Ok(())
    }

    /// An entry for a key that is not there. `now` is the time, if it had to be asked for before the
    /// lock was taken.
    #[inline]
    fn entry(
        &self,
        (key, shared): (&str, Option<&Arc<str>>),
        value: Weighed,
        rule: u16,
        life: Life,
        term: Term,
        now: u64,
    ) -> Entry {
        let mut entry = Entry::new(key, shared, value, rule, life.is_required);
        let now = if self.can_expire || !self.is_clock_ours { now } else { self.now() };
        entry.set_born(now.saturating_sub(self.started));
        entry.set_term(term);
        entry
    }

    fn lock_all(
        &self,
        reads: &[Read],
        writes: &[Write],
        all: bool,
    ) -> Vec<(usize, ShortGuard<'_, Shard>)> {
        let mut indices: Vec<usize> = if all {
            (0..self.cells.len()).collect()
        } else {
            let read = reads.iter().map(|read| self.index(read.hash));
            read.chain(writes.iter().map(|write| self.index(write.hash))).collect()
        };
        indices.sort_unstable();
        indices.dedup();
        let mut shards: Vec<_> =
            indices.into_iter().map(|index| (index, self.lock(index))).collect();
        // Once all are held: so all of them are changed before a snapshot, or after it.
        let epoch = self.epoch.load(Ordering::SeqCst);
        for (_, shard) in shards.iter_mut().filter(|(_, shard)| shard.epoch() != epoch) {
            shard.mark(epoch);
        }
        shards
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

/// Milliseconds of a clock.
fn milliseconds(clock: &dyn Clock) -> u64 {
    u64::try_from(clock.coarse_now().as_millis()).unwrap_or(NEVER - 1)
}
