//! Room: what is taken before a write and set right after it, and what goes when there is none.
//!
//! Entries and bytes in use are two counters of the whole map, kept only where there are limits. A
//! write takes what it needs at most, under its shard's lock, and gives back the rest when the shard
//! has its new size; so at no time is more held than is allowed. When nothing is left, the write lets
//! go of its lock, entries are evicted one shard at a time, and it is tried again.

use crate::entry::Entry;
use crate::event::Change;
use crate::shard::Shard;
use crate::sync::Ordering;

use super::{Full, Store};

/// What a write lacks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lack {
    Entries(usize),
    Bytes(usize),
    /// Slots of a table that may not grow.
    Slots(usize),
    /// More than there would be if all else went; the bound, in words.
    Never(&'static str),
}

impl Lack {
    /// The bound, in words.
    pub(super) fn bound(self) -> &'static str {
        match self {
            Self::Entries(_) => "entries",
            Self::Bytes(_) | Self::Slots(_) => "bytes",
            Self::Never(bound) => bound,
        }
    }
}

impl Store {
    pub(super) fn take_entries(&self, count: usize) -> Result<(), ()> {
        let take =
            |used: usize| used.checked_add(count).filter(|after| *after <= self.limits.entries);
        let (after, order) = (&self.used_entries, Ordering::Relaxed);
        after.fetch_update(order, order, take).map(|_| ()).map_err(|_| ())
    }

    /// Takes bytes from what may be used; fails with how many are lacking.
    pub(super) fn take_bytes(&self, bytes: usize) -> Result<(), usize> {
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
    pub(super) fn settle(&self, before: usize, shard: &Shard, taken: usize) {
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
    pub(super) fn make_room(&self, lack: Lack, spared: &str) -> Result<(), Full> {
        let bound = lack.bound();
        match lack {
            Lack::Never(_) => return Err(Full(bound)),
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
        let mut gone = Vec::new();
        let mut shard = self.lock_to_change(index);
        let before = shard.bytes();
        if self.sweep_shard(index, &mut shard, now, &mut gone) == 0 {
            let start = scatter(self.next_victim.load(Ordering::Relaxed)) >> 7;
            let victim = shard.victim(self.limits.eviction, start, spared)?;
            gone.push(self.take(index, &mut shard, victim, Change::Evicted)?);
        }
        Some(before.saturating_sub(shard.bytes()))
    }

    /// Takes out what has expired of a shard, at no cost when nothing can have, and puts it by to be
    /// dropped when the lock is let go.
    pub(super) fn sweep_shard(
        &self,
        index: usize,
        shard: &mut Shard,
        now: u64,
        gone: &mut Vec<Entry>,
    ) -> usize {
        if !shard.may_have_expired(now) {
            return 0;
        }
        let mut swept = 0;
        // Until a whole turn finds none: taking an entry out may make the table anew.
        while let Some(bucket) = shard.next_expired(now, usize::MAX) {
            gone.extend(self.take(index, shard, bucket, Change::Expired));
            swept += 1;
        }
        shard.renew_soonest();
        swept
    }

    /// Takes out all that has expired; tells how many.
    pub(crate) fn sweep(&self) -> usize {
        let now = self.now_if_needed();
        let sweep = |index| {
            let mut gone = Vec::new();
            let mut shard = self.lock_to_change(index);
            self.sweep_shard(index, &mut shard, now, &mut gone)
        };
        (0..self.cells.len()).map(sweep).sum()
    }

    /// Gives back what the tables don't need.
    pub(crate) fn shrink(&self) {
        for index in 0..self.cells.len() {
            let mut shard = self.lock(index);
            let (before, len) = (shard.bytes(), shard.len());
            shard.shrink(len, |key| self.hash_bytes(key));
            self.settle(before, &shard, 0);
        }
    }
}

/// A number far from those of its neighbours.
fn scatter(number: usize) -> usize {
    (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_right(32) as usize
}
