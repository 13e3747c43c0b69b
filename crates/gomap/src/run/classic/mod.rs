//! The classic design, to Go 1.23 (`runtime/map.go`; under `GOEXPERIMENT=noswissmap` to 1.25).
//!
//! `1 << log2` buckets of eight cells, each the head of a chain of overflow buckets. A tophash says
//! of each cell whether it is taken, free, or free with nothing behind it. A map that is over its
//! load, or has as many overflow buckets as buckets, gets a new array, and every write then moves
//! one or two of the old buckets (`grow.rs`). Buckets without pointers are not looked into by the
//! collector; what hangs off them is kept alive by a list in the extra record.

mod bucket;
mod extra;
mod grow;
mod iter;

use tophash_memory::{Address, AddressRange, Arena};

use super::access::{add, clear, clear_slot, make_cells, retire_slot_cells, store_pointer};
use super::heap::{Heap, OutOfMemory, Piece, Request};
use super::keys::{Keys, StoredKeys, elem_at, key_at, slot_of};
use super::map_type::MapType;
use super::slot::Slot;
use crate::layout::SLOTS;
use bucket::{Bucket, EMPTY_ONE, EMPTY_REST, is_empty, top_of};
pub(super) use iter::Iter;

/// Where fields lie in the header, the same in every release.
const COUNT: u64 = 0;
const FLAGS: u64 = 8;
const LOG2: u64 = 9;
const OVERFLOW_COUNT: u64 = 10;
const SEED: u64 = 12;
const BUCKETS: u64 = 16;
const OLD_BUCKETS: u64 = 24;
const EVACUATED: u64 = 32;
/// Of headers that count calls of `clear`.
const CLEAR_COUNT: u64 = 40;

/// An iterator may be using the buckets, or the old ones; the growth keeps the size.
const ITERATOR: u8 = 1;
const OLD_ITERATOR: u8 = 2;
const SAME_SIZE: u8 = 8;

/// Larger maps than this fit no address space (`maxAlloc`).
const MAX_BYTES: u64 = 1 << 48;

/// A map's header in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MapHeader(pub(super) Address);

/// What operations look at first.
#[derive(Clone, Copy)]
struct View {
    count: u64,
    flags: u8,
    log2: u8,
    overflow_count: u16,
    seed: u64,
    buckets: Address,
    old_buckets: Address,
}

impl View {
    #[inline(always)]
    fn mask(&self) -> u64 {
        (1 << self.log2) - 1
    }

    #[inline(always)]
    fn is_growing(&self) -> bool {
        !self.old_buckets.is_null()
    }

    #[inline(always)]
    fn is_same_size(&self) -> bool {
        self.flags & SAME_SIZE != 0
    }

    /// How many old buckets there are (`noldbuckets`).
    #[inline(always)]
    fn old_units(&self) -> u64 {
        if self.is_same_size() { 1 << self.log2 } else { 1 << (self.log2 - 1) }
    }
}

impl MapHeader {
    /// Makes a map with room for `hint` entries (`makemap`).
    pub(super) fn new<H: Heap>(ty: &MapType, heap: &mut H, hint: u64) -> Result<Self, OutOfMemory> {
        let bytes = hint.saturating_mul(ty.facts.shape.group_size);
        let hint = if bytes > MAX_BYTES { 0 } else { hint };
        let size = Self::extra_field(ty) + 8;
        let header = Request { piece: Piece::Header, size, is_noscan: false };
        let map = Self(heap.allocate(header)?);
        map.reseed(heap);
        let mut log2 = 0;
        while is_over_load(ty, hint, log2) {
            log2 += 1;
        }
        heap.arena_mut().store(add(map.0, LOG2), [log2]);
        if log2 > 0 {
            let array = grow::make_array(ty, heap, log2)?;
            store_pointer(heap, add(map.0, BUCKETS), array.buckets);
            map.set_spare(ty, heap, array.spare)?;
        }
        Ok(map)
    }

    /// Where the header points to the extra record: behind the count of clears, if there is one.
    fn extra_field(ty: &MapType) -> u64 {
        if ty.facts.classic.counts_clears { 48 } else { 40 }
    }

    #[inline(always)]
    fn view(self, arena: &Arena) -> View {
        let bytes: &[u8; 32] = arena.array(self.0);
        let word = |at: u64| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at as usize..][..8]);
            u64::from_le_bytes(word)
        };
        let second = word(FLAGS);
        View {
            count: word(COUNT),
            flags: second as u8,
            log2: (second >> 8) as u8,
            overflow_count: (second >> 16) as u16,
            seed: second >> 32,
            buckets: Address::new(word(BUCKETS)),
            old_buckets: Address::new(word(OLD_BUCKETS)),
        }
    }

    /// Returns the number of entries.
    pub(super) fn len(self, arena: &Arena) -> u64 {
        arena.word(add(self.0, COUNT))
    }

    fn reseed<H: Heap>(self, heap: &mut H) {
        let seed = heap.random() as u32;
        heap.arena_mut().store(add(self.0, SEED), seed.to_le_bytes());
    }

    fn flags<H: Heap>(self, heap: &H) -> u8 {
        heap.arena().load::<1>(add(self.0, FLAGS))[0]
    }

    fn set_flags<H: Heap>(self, heap: &mut H, flags: u8) {
        heap.arena_mut().store(add(self.0, FLAGS), [flags]);
    }

    fn set_overflow_count<H: Heap>(self, heap: &mut H, count: u16) {
        heap.arena_mut().store(add(self.0, OVERFLOW_COUNT), count.to_le_bytes());
    }

    fn clears<H: Heap>(self, ty: &MapType, heap: &H) -> u64 {
        match ty.facts.classic.counts_clears {
            true => heap.arena().word(add(self.0, CLEAR_COUNT)),
            false => 0,
        }
    }

    /// Returns the chain that a hash belongs to: where it has not moved yet, the old one.
    #[inline(always)]
    fn chain(view: &View, ty: &MapType, arena: &Arena, hash: u64) -> Bucket {
        let mask = view.mask();
        let bucket = Bucket::of(ty, view.buckets, hash & mask);
        if !view.is_growing() {
            return bucket;
        }
        let old = Bucket::of(ty, view.old_buckets, hash & (view.old_units() - 1));
        if old.is_evacuated(arena) { bucket } else { old }
    }

    /// Finds a key (`mapaccessK`).
    #[inline(never)]
    pub(super) fn get<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> Option<Slot> {
        let view = self.view(heap.arena());
        if view.count == 0 {
            return None;
        }
        let hash = keys.hash(ty, heap, key, view.seed);
        let arena = heap.arena();
        let top = top_of(hash);
        let mut bucket = Self::chain(&view, ty, arena, hash);
        loop {
            let tops = bucket.tops(arena);
            for index in tops.equal_to(top) {
                let (key_slot, elem_slot) = slot_of(ty, bucket.0, index);
                let stored = key_at(ty, arena, key_slot);
                if keys.equal(ty, arena, key, stored) {
                    return Some(Slot { key: stored, elem: elem_at(ty, arena, elem_slot) });
                }
            }
            if tops.has_rest() {
                return None;
            }
            bucket = bucket.overflow(ty, arena)?;
        }
    }

    /// Finds a key or makes room for it, and says whether it is new (`mapassign`).
    #[inline(never)]
    pub(super) fn assign<K: StoredKeys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> Result<(Slot, bool), OutOfMemory> {
        let seed = self.view(heap.arena()).seed;
        let hash = keys.hash(ty, heap, key, seed);
        let top = top_of(hash);
        if self.view(heap.arena()).buckets.is_null() {
            let bucket = heap.allocate(grow::array_request(ty, heap, 0))?;
            store_pointer(heap, add(self.0, BUCKETS), bucket);
        }
        let (free, last, view) = 'again: loop {
            let view = self.view(heap.arena());
            let at = hash & view.mask();
            if view.is_growing() {
                self.grow_work(keys, ty, heap, at)?;
            }
            let mut bucket = Bucket::of(ty, view.buckets, at);
            let mut free = None;
            loop {
                let arena = heap.arena();
                let tops = bucket.tops(arena);
                for index in tops.equal_to(top) {
                    let (key_slot, elem_slot) = slot_of(ty, bucket.0, index);
                    let stored = key_at(ty, arena, key_slot);
                    if keys.equal(ty, arena, key, stored) {
                        let elem = elem_at(ty, arena, elem_slot);
                        if ty.facts.updates_key {
                            keys.store(ty, heap, stored, key);
                        }
                        return Ok((Slot { key: stored, elem }, false));
                    }
                }
                if free.is_none() {
                    free = tops.first_empty().map(|index| (bucket, index));
                }
                if tops.has_rest() {
                    break;
                }
                match bucket.overflow(ty, arena) {
                    Some(next) => bucket = next,
                    None => break,
                }
            }
            let view = self.view(heap.arena());
            let is_crowded = is_over_load(ty, view.count + 1, view.log2)
                || has_many_overflows(view.overflow_count, view.log2);
            if is_crowded && !view.is_growing() {
                self.start_growth(ty, heap)?;
                continue 'again;
            }
            break (free, bucket, view);
        };
        let (bucket, index) = match free {
            Some(place) => place,
            None => (self.add_overflow(ty, heap, last)?, 0),
        };
        let (key_slot, elem_slot) = slot_of(ty, bucket.0, index);
        let (stored, elem) = make_cells(ty, heap, key_slot, elem_slot)?;
        keys.store(ty, heap, stored, key);
        let arena = heap.arena_mut();
        arena.store(add(bucket.0, index), [top]);
        arena.set_word(add(self.0, COUNT), view.count + 1);
        Ok((Slot { key: stored, elem }, true))
    }

    /// Deletes a key; says whether it was there (`mapdelete`).
    #[inline(never)]
    pub(super) fn delete<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> Result<bool, OutOfMemory> {
        let view = self.view(heap.arena());
        if view.count == 0 {
            return Ok(false);
        }
        let hash = keys.hash(ty, heap, key, view.seed);
        let top = top_of(hash);
        let at = hash & view.mask();
        if view.is_growing() {
            self.grow_work(keys, ty, heap, at)?;
        }
        let head = Bucket::of(ty, view.buckets, at);
        let mut bucket = head;
        loop {
            let arena = heap.arena();
            let tops = bucket.tops(arena);
            let found = tops.equal_to(top).find(|index| {
                let (key_slot, _) = slot_of(ty, bucket.0, *index);
                keys.equal(ty, arena, key, key_at(ty, arena, key_slot))
            });
            if let Some(index) = found {
                let (key_slot, elem_slot) = slot_of(ty, bucket.0, index);
                let facts = &ty.facts;
                if facts.keeps_text_length {
                    // The fast variant for strings clears the pointer and leaves the length.
                    clear(heap, key_slot, 8, true);
                    clear(heap, elem_slot, facts.shape.elem_size, facts.elem_has_pointers);
                } else {
                    clear_slot(ty, heap, key_slot, elem_slot);
                }
                head.free_cell(ty, heap, bucket, index);
                heap.arena_mut().set_word(add(self.0, COUNT), view.count - 1);
                if view.count == 1 {
                    self.reseed(heap);
                }
                return Ok(true);
            }
            if tops.has_rest() {
                return Ok(false);
            }
            match bucket.overflow(ty, arena) {
                Some(next) => bucket = next,
                None => return Ok(false),
            }
        }
    }

    /// Deletes all entries and keeps the array (`mapclear`).
    pub(super) fn clear<H: Heap>(self, ty: &MapType, heap: &mut H) {
        let view = self.view(heap.arena());
        if view.count == 0 {
            return;
        }
        let own = grow::array_range(ty, heap, view.buckets, view.log2);
        retire_chains(ty, heap, own, 1 << view.log2);
        let mut old = AddressRange::default();
        if view.is_growing() {
            old = grow::array_range(ty, heap, view.old_buckets, old_log2(&view));
            retire_chains(ty, heap, old, view.old_units());
            let array = grow::array_request(ty, heap, old_log2(&view));
            heap.retire(view.old_buckets, array);
        }
        if ty.facts.classic.clear_marks {
            mark_empty(ty, heap, view.buckets, 1 << view.log2);
            if view.is_growing() {
                mark_empty(ty, heap, view.old_buckets, view.old_units());
            }
        }
        self.set_flags(heap, view.flags & !SAME_SIZE);
        store_pointer(heap, add(self.0, OLD_BUCKETS), Address::NULL);
        heap.arena_mut().set_word(add(self.0, EVACUATED), 0);
        self.set_overflow_count(heap, 0);
        heap.arena_mut().set_word(add(self.0, COUNT), 0);
        self.reseed(heap);
        if ty.facts.classic.counts_clears {
            let clears = self.clears(ty, heap);
            heap.arena_mut().set_word(add(self.0, CLEAR_COUNT), clears.wrapping_add(1));
        }
        self.clear_extra(ty, heap, [own, old]);
        let spare = grow::reset_array(ty, heap, view.buckets, view.log2);
        // The extra record is there since the array was made with spare buckets.
        self.put_spare(ty, heap, spare);
    }
}

/// Accounts for what the chains of an array alone hold: overflow buckets, keys and elems in cells.
fn retire_chains<H: Heap>(ty: &MapType, heap: &mut H, array: AddressRange, units: u64) {
    for unit in 0..units {
        let head = Bucket::of(ty, array.start(), unit);
        if !head.is_evacuated(heap.arena()) {
            retire_cells(ty, heap, head);
            retire_overflow(ty, heap, head, array);
        }
    }
}

/// Accounts for the keys and elems of a chain that lie in cells.
fn retire_cells<H: Heap>(ty: &MapType, heap: &mut H, head: Bucket) {
    let shape = &ty.facts.shape;
    if !shape.indirect_key && !shape.indirect_elem {
        return;
    }
    let mut next = Some(head);
    while let Some(bucket) = next {
        let tops = bucket.tops(heap.arena());
        for index in (0..SLOTS).filter(|index| !is_empty(tops.get(*index))) {
            let (key, elem) = slot_of(ty, bucket.0, index);
            retire_slot_cells(ty, heap, key, elem);
        }
        next = bucket.overflow(ty, heap.arena());
    }
}

/// Accounts for the overflow buckets of a chain, except the array's own. Those without pointers are
/// held by a list.
fn retire_overflow<H: Heap>(ty: &MapType, heap: &mut H, head: Bucket, array: AddressRange) {
    if ty.facts.shape.is_noscan {
        return;
    }
    let mut next = head.overflow(ty, heap.arena());
    while let Some(bucket) = next {
        next = bucket.overflow(ty, heap.arena());
        if !array.contains(bucket.0) {
            heap.retire(bucket.0, bucket::request(ty));
        }
    }
}

/// The size of the old array, as a power of two.
fn old_log2(view: &View) -> u8 {
    if view.is_same_size() { view.log2 } else { view.log2 - 1 }
}

/// Tells whether so many entries are too many for `1 << log2` buckets (`overLoadFactor`).
fn is_over_load(ty: &MapType, count: u64, log2: u8) -> bool {
    count > SLOTS && count > ty.facts.classic.load_by_two * ((1_u64 << log2) / 2)
}

/// Tells whether there are about as many overflow buckets as buckets
/// (`tooManyOverflowBuckets`).
fn has_many_overflows(overflow_count: u16, log2: u8) -> bool {
    overflow_count >= 1 << log2.min(15)
}

fn mark_empty<H: Heap>(ty: &MapType, heap: &mut H, array: Address, units: u64) {
    for unit in 0..units {
        let mut next = Some(Bucket::of(ty, array, unit));
        while let Some(bucket) = next {
            heap.arena_mut().set_word(bucket.0, 0);
            next = bucket.overflow(ty, heap.arena());
        }
    }
}

const _: () = assert!(EMPTY_REST == 0 && EMPTY_ONE == 1 && is_empty(1) && !is_empty(2));
