//! Ranging over a map that may change meanwhile (`hiter`, `mapiternext` of `runtime/map.go`).
//!
//! The array is walked from a random bucket on, each bucket from a random cell on, as it was when
//! the iterator was made. Where an entry has moved since, the map says whether it is still there.

use tophash_memory::Address;

use super::super::heap::{Heap, OutOfMemory};
use super::super::keys::{Keys, elem_at, key_at, slot_of};
use super::super::map_type::MapType;
use super::super::slot::Slot;
use super::bucket::{Bucket, EVACUATED_EMPTY, EVACUATED_X, is_empty};
use super::{ITERATOR, MapHeader, OLD_ITERATOR};
use crate::layout::SLOTS;

/// The state of one `range`.
#[derive(Debug, Clone)]
pub(crate) struct Iter {
    map: MapHeader,
    /// The map was empty, so that there is nothing to come.
    is_empty: bool,
    buckets: Address,
    log2: u8,
    /// The lists that keep overflow buckets alive.
    lists: [Address; 2],
    start: u64,
    offset: u64,
    clears: u64,
    has_wrapped: bool,
    /// The next bucket.
    next: u64,
    bucket: Option<Bucket>,
    cell: u64,
    /// Of an old bucket, the cells that will move to this bucket are meant.
    only_for: Option<u64>,
}

impl Iter {
    /// Starts (`mapiterinit`).
    pub(crate) fn new<H: Heap>(
        ty: &MapType,
        heap: &mut H,
        map: MapHeader,
    ) -> Result<Self, OutOfMemory> {
        let view = map.view(heap.arena());
        let mut iter = Self {
            map,
            is_empty: view.count == 0,
            buckets: view.buckets,
            log2: view.log2,
            lists: [Address::NULL; 2],
            start: 0,
            offset: 0,
            clears: map.clears(ty, heap),
            has_wrapped: false,
            next: 0,
            bucket: None,
            cell: 0,
            only_for: None,
        };
        if iter.is_empty {
            return Ok(iter);
        }
        if ty.facts.shape.is_noscan {
            map.make_list(ty, heap)?;
            iter.lists = map.lists(ty, heap);
        }
        let random = heap.random();
        iter.start = random & view.mask();
        iter.offset = (random >> view.log2) % SLOTS;
        iter.next = iter.start;
        map.set_flags(heap, view.flags | ITERATOR | OLD_ITERATOR);
        Ok(iter)
    }

    /// Returns the objects that the iterator itself holds.
    pub(crate) fn roots(&self) -> impl Iterator<Item = Address> {
        let bucket = self.bucket.map(|bucket| bucket.0);
        let [current, old] = self.lists;
        [Some(self.map.0), Some(self.buckets), bucket, Some(current), Some(old)]
            .into_iter()
            .flatten()
            .filter(|at| !at.is_null())
    }

    /// Goes on to the next entry (`mapiternext`).
    pub(crate) fn next<K: Keys, H: Heap>(
        &mut self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
    ) -> Option<Slot> {
        if self.is_empty {
            return None;
        }
        loop {
            let bucket = match self.bucket {
                Some(bucket) => bucket,
                None => self.next_bucket(ty, heap)?,
            };
            while self.cell < SLOTS {
                let index = (self.cell + self.offset) % SLOTS;
                self.cell += 1;
                if let Some(slot) = self.entry_at(keys, ty, heap, bucket, index) {
                    self.bucket = Some(bucket);
                    return Some(slot);
                }
            }
            self.bucket = bucket.overflow(ty, heap.arena());
            self.cell = 0;
        }
    }

    /// Goes on to the next bucket of the array that the iterator was made on.
    fn next_bucket<H: Heap>(&mut self, ty: &MapType, heap: &H) -> Option<Bucket> {
        if self.next == self.start && self.has_wrapped {
            return None;
        }
        let at = self.next;
        let view = self.map.view(heap.arena());
        let mut bucket = Bucket::of(ty, self.buckets, at);
        self.only_for = None;
        if view.is_growing() && self.log2 == view.log2 {
            // Made while the map grew: what has not moved is still in the old array.
            let old = Bucket::of(ty, view.old_buckets, at & (view.old_units() - 1));
            if !old.is_evacuated(heap.arena()) {
                bucket = old;
                self.only_for = Some(at);
            }
        }
        self.next = at + 1;
        if self.next == 1 << self.log2 {
            self.next = 0;
            self.has_wrapped = true;
        }
        self.cell = 0;
        Some(bucket)
    }

    fn entry_at<K: Keys, H: Heap>(
        &self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        bucket: Bucket,
        index: u64,
    ) -> Option<Slot> {
        let top = bucket.tops(heap.arena()).get(index);
        if is_empty(top) || top == EVACUATED_EMPTY {
            return None;
        }
        let (key, elem) = slot_of(ty, bucket.0, index);
        let key = key_at(ty, heap.arena(), key);
        let view = self.map.view(heap.arena());
        let is_nan = !ty.facts.is_reflexive && !keys.equals_itself(ty, heap.arena(), key);
        if let Some(wanted) = self.only_for
            && !view.is_same_size()
        {
            let goes_here = if is_nan {
                // The low bit of its tophash says where a NaN goes.
                wanted >> (self.log2 - 1) == u64::from(top & 1)
            } else {
                let hash = keys.hash_stored(ty, heap, key, view.seed);
                hash & ((1 << self.log2) - 1) == wanted
            };
            if !goes_here {
                return None;
            }
        }
        let has_moved = top & !1 == EVACUATED_X;
        let is_same = self.clears == self.map.clears(ty, heap);
        if is_same && (!has_moved || is_nan) {
            return Some(Slot { key, elem: elem_at(ty, heap.arena(), elem) });
        }
        keys.with_stored(ty, heap, key, |heap, key| self.map.get(keys, ty, heap, key))
    }
}
