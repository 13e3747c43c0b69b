//! Several keys as one: reads that are compared, and writes that are all done or none.

use std::sync::Arc;

use crate::entry::{Entry, extra_bytes};
use crate::event::Change;
use crate::name::Name;
use crate::shard::{Shard, least_bytes};
use crate::sync::{Ordering, ShortGuard};
use crate::value::{Value, Weighed};

use super::room::Lack;
use super::{Full, Life, MOST_EVICTIONS, Store};

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
    pub(crate) value: Option<Weighed>,
}

/// Why a commit did nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CommitFault {
    Stale,
    Full(&'static str),
}

/// The version that each shard had when it was first read.
pub(crate) type ShardVersions = Vec<(usize, u64)>;

/// Entries and bytes.
#[derive(Clone, Copy, Debug, Default)]
struct Amount {
    entries: usize,
    bytes: usize,
}

/// What a commit took by estimate, less what it will give back, and what its shards held before.
#[derive(Clone, Copy, Debug, Default)]
struct Taken {
    taken: Amount,
    before: Amount,
}

/// What a commit put out of its place, to be dropped once the locks are let go.
#[derive(Debug, Default)]
struct Gone {
    entries: Vec<Entry>,
    values: Vec<Value>,
}

impl Store {
    /// Reads a key for a commit: a copy of the entry, if it is there. The shard's version goes to
    /// `seen`, unless it is there. Without `life` it is no use of the entry.
    pub(crate) fn read(
        &self,
        hash: u64,
        key: &str,
        life: Option<&dyn Fn(u16) -> Life>,
        seen: &mut ShardVersions,
    ) -> Option<Entry> {
        let now = self.now_if_needed();
        let index = self.index(hash);
        let mut gone = Vec::new();
        let mut shard = self.lock_to_change(index);
        let bucket = self.find(index, &mut shard, hash, key, now, &mut gone);
        if !seen.iter().any(|(shard, _)| *shard == index) {
            seen.push((index, shard.version()));
        }
        let bucket = bucket?;
        if let Some(life) = life {
            self.touch(&mut shard, bucket, now, life);
        }
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
        let mut full = CommitFault::Full("entries");
        for attempt in 0..MOST_EVICTIONS {
            let Some(lack) = self.try_commit(reads, writes, replaces)? else { return Ok(()) };
            // Which no eviction changes, so that it is asked once.
            if attempt == 0
                && let Some(bound) = self.is_passed_by(writes)
            {
                return Err(CommitFault::Full(bound));
            }
            full = CommitFault::Full(lack.bound());
            self.make_room(lack, "").map_err(|Full(bound)| CommitFault::Full(bound))?;
        }
        Err(full)
    }

    /// The bound that what is written would pass if nothing else was there: no entry has to make room
    /// for it in vain.
    fn is_passed_by(&self, writes: &[Write]) -> Option<&'static str> {
        let (mut entries, mut bytes) = (0, 0_usize);
        let mut of_shards = vec![0; self.cells.len()];
        for write in writes {
            let Some(value) = &write.value else { continue };
            let name = Name::of(&write.key, Some(&write.key)).content_bytes();
            bytes = bytes.saturating_add(name).saturating_add(value.bytes);
            entries += 1;
            of_shards[self.index(write.hash)] += 1;
        }
        let tables = of_shards.into_iter().map(least_bytes);
        if entries > self.limits.entries {
            Some("entries")
        } else {
            (tables.fold(bytes, usize::saturating_add) > self.limits.bytes).then_some("bytes")
        }
    }

    fn try_commit(
        &self,
        reads: &[Read],
        writes: &[Write],
        replaces: bool,
    ) -> Result<Option<Lack>, CommitFault> {
        let now = self.now_if_needed();
        let mut gone = Gone::default();
        let mut shards = self.lock_all(reads, writes, replaces);
        for read in reads {
            let (index, shard) = shard_of(&mut shards, self.index(read.hash));
            // An entry that expires after it was read has changed, too.
            self.find(index, shard, read.hash, &read.key, now, &mut gone.entries);
            if !is_current(shard, read) {
                return Err(CommitFault::Stale);
            }
        }
        let mut left_out = Vec::new();
        if replaces {
            for (index, shard) in &shards {
                let others = shard.entries().filter(|entry| {
                    let name = entry.name.as_bytes();
                    writes.binary_search_by(|write| write.key.as_bytes().cmp(name)).is_err()
                });
                left_out.extend(others.map(|entry| (*index, entry.name.shared())));
            }
        }
        let taken = match self.take_for(&mut shards, writes, &left_out, now, &mut gone) {
            Ok(taken) => taken,
            Err(lack) => return Ok(Some(lack)),
        };
        self.apply(&mut shards, writes, now, &mut gone);
        // Removals come last: they may shrink a table that was grown for what is added.
        let removed = writes.iter().filter(|write| write.value.is_none());
        let removed = removed.map(|write| (self.index(write.hash), Arc::clone(&write.key)));
        for (index, key) in removed.chain(left_out) {
            let (index, shard) = shard_of(&mut shards, index);
            if let Some(bucket) = shard.find(self.hash(&key), &key) {
                let has_expired = shard.bucket(bucket).is_some_and(|entry| entry.is_expired(now));
                let why = if has_expired { Change::Expired } else { Change::Removed };
                gone.entries.extend(self.take_out(index, shard, bucket, why));
            }
        }
        if self.limits.are_set() {
            // What was taken by estimate is set right over all that was done: as wrapping arithmetic,
            // since more may have been freed than was taken. Till here no more was taken than will be
            // held, so that no other writer found less room than there is.
            let (Taken { taken, before }, after) = (taken, held(&shards));
            let more = |after: usize, before: usize, taken: usize| {
                after.wrapping_sub(before).wrapping_sub(taken)
            };
            let entries = more(after.entries, before.entries, taken.entries);
            let bytes = more(after.bytes, before.bytes, taken.bytes);
            self.used_entries.fetch_add(entries, Ordering::Relaxed);
            self.used_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        Ok(None)
    }

    /// Takes what a commit needs at most: entries and bytes, less what it will give back.
    fn take_for(
        &self,
        shards: &mut [(usize, ShortGuard<'_, Shard>)],
        writes: &[Write],
        left_out: &[(usize, Arc<str>)],
        now: u64,
        gone: &mut Gone,
    ) -> Result<Taken, Lack> {
        let mut needed = Amount::default();
        let mut added = vec![0; self.cells.len()];
        let (mut removed, mut freed) = (0, 0);
        for (index, key) in left_out {
            let (_, shard) = shard_of(shards, *index);
            let bucket = shard.find(self.hash(key), key);
            removed += 1;
            freed += bucket.and_then(|bucket| shard.bucket(bucket)).map_or(0, Entry::bytes);
        }
        for write in writes {
            let (index, shard) = shard_of(shards, self.index(write.hash));
            let entries = &mut gone.entries;
            let bucket = self.find(index, shard, write.hash, &write.key, now, entries);
            let old = bucket.and_then(|bucket| shard.bucket(bucket));
            match (&write.value, old) {
                (Some(value), Some(old)) => {
                    needed.bytes += old.bytes_with(value, write.life.from(now));
                    freed += old.bytes();
                }
                (Some(value), None) => {
                    needed.entries += 1;
                    let name = Name::of(&write.key, Some(&write.key)).content_bytes();
                    let extra = extra_bytes(&value.value, write.life.from(now));
                    needed.bytes += value.bytes + name + extra;
                    added[index] += 1;
                }
                (None, Some(old)) => {
                    removed += 1;
                    freed += old.bytes();
                }
                (None, None) => {}
            }
        }
        for (index, shard) in shards.iter() {
            needed.bytes += shard.growth(added[*index]);
        }
        let mut taken = Amount::default();
        if self.limits.are_set() {
            let entries = needed.entries.saturating_sub(removed);
            self.take_entries(entries).map_err(|()| {
                let used = self.used_entries.load(Ordering::Relaxed);
                Lack::Entries((used + entries).saturating_sub(self.limits.entries).max(1))
            })?;
            let bytes = needed.bytes.saturating_sub(freed);
            if let Err(lacking) = self.take_bytes(bytes) {
                self.used_entries.fetch_sub(entries, Ordering::Relaxed);
                return Err(Lack::Bytes(lacking));
            }
            taken = Amount { entries, bytes };
        }
        let before = held(shards);
        for (index, shard) in shards.iter_mut() {
            shard.reserve(added[*index], |key| self.hash_bytes(key));
        }
        Ok(Taken { taken, before })
    }

    /// Puts what room was taken for; can't fail.
    fn apply(
        &self,
        shards: &mut [(usize, ShortGuard<'_, Shard>)],
        writes: &[Write],
        now: u64,
        gone: &mut Gone,
    ) {
        for write in writes {
            let Some(value) = &write.value else { continue };
            let (index, shard) = shard_of(shards, self.index(write.hash));
            let bucket = shard.find(write.hash, &write.key);
            let version = match bucket {
                Some(bucket) => {
                    let (version, old) =
                        shard.overwrite(bucket, value.clone(), write.life.from(now));
                    // Of a number there is nothing to drop.
                    gone.values.extend(old.filter(|old| !old.is_scalar()));
                    version
                }
                None => {
                    let key = (&*write.key, Some(&write.key));
                    let (term, value) = (write.life.from(now), value.clone());
                    let entry = self.entry(key, value, write.rule, write.life, term, now);
                    shard.insert(write.hash, entry, |key| self.hash_bytes(key))
                }
            };
            self.publish(index, shard);
            self.tell(
                Change::Written,
                &Name::of(&write.key, Some(&write.key)),
                &value.value,
                version,
            );
        }
    }
}

/// What shards hold.
fn held(shards: &[(usize, ShortGuard<'_, Shard>)]) -> Amount {
    let entries = shards.iter().map(|(_, shard)| shard.len()).sum();
    Amount { entries, bytes: shards.iter().map(|(_, shard)| shard.bytes()).sum() }
}

fn is_current(shard: &Shard, read: &Read) -> bool {
    let bucket = shard.find(read.hash, &read.key);
    bucket.and_then(|bucket| shard.bucket(bucket)).map(|entry| entry.version()) == read.version
}

/// One of the locked shards; each that is asked for was locked.
fn shard_of<'s>(
    shards: &'s mut [(usize, ShortGuard<'_, Shard>)],
    index: usize,
) -> (usize, &'s mut Shard) {
    let at = shards.partition_point(|(shard, _)| *shard < index);
    (index, &mut shards[at].1)
}
