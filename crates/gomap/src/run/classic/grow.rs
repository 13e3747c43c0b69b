//! New arrays, and moving the entries of old ones (`hashGrow`, `growWork`, `evacuate` of
//! `runtime/map.go`).

use tophash_memory::{Address, AddressRange, ByteSize};

use super::super::access::{add, clear, copy, store_pointer};
use super::super::heap::{Heap, OutOfMemory, Piece, Request};
use super::super::keys::{Keys, key_at, slot_of};
use super::super::map_type::MapType;
use super::bucket::{Bucket, EVACUATED_EMPTY, EVACUATED_X, MIN_TOP, is_empty, top_of};
use super::{
    BUCKETS, EVACUATED, ITERATOR, LOG2, MapHeader, OLD_BUCKETS, OLD_ITERATOR, SAME_SIZE,
    is_over_load, old_log2, retire_overflow,
};
use crate::layout::SLOTS;

/// From this many buckets on, an array carries spare ones.
const SPARE_LOG2: u8 = 4;
/// Old buckets that one step of moving looks past.
const MOST_SKIPPED: u64 = 1024;

/// An array, and the first of its spare buckets.
pub(super) struct Array {
    pub(super) buckets: Address,
    pub(super) spare: Option<Address>,
}

/// Buckets that an array of `1 << log2` has in all.
fn units_of<H: Heap>(ty: &MapType, heap: &H, log2: u8) -> u64 {
    let base = 1_u64 << log2;
    if log2 < SPARE_LOG2 {
        return base;
    }
    let shape = &ty.facts.shape;
    // As many more as the median number of entries is likely to need, and as the allocator gives.
    let wanted = base + (base >> 4);
    let size = wanted.saturating_mul(shape.group_size);
    heap.round_up(size, shape.is_noscan) / shape.group_size
}

/// Asks for an array.
pub(super) fn array_request<H: Heap>(ty: &MapType, heap: &H, log2: u8) -> Request {
    let units = units_of(ty, heap, log2);
    let shape = &ty.facts.shape;
    Request {
        piece: Piece::Buckets(units),
        size: units.saturating_mul(shape.group_size),
        is_noscan: shape.is_noscan,
    }
}

/// Returns where an array lies, its spare buckets included.
pub(super) fn array_range<H: Heap>(
    ty: &MapType,
    heap: &H,
    buckets: Address,
    log2: u8,
) -> AddressRange {
    let size = array_request(ty, heap, log2).size;
    AddressRange::from_size(buckets, ByteSize::new(size))
}

/// Makes an array (`makeBucketArray`).
pub(super) fn make_array<H: Heap>(
    ty: &MapType,
    heap: &mut H,
    log2: u8,
) -> Result<Array, OutOfMemory> {
    let buckets = heap.allocate(array_request(ty, heap, log2))?;
    let spare = prepare_spare(ty, heap, buckets, log2);
    Ok(Array { buckets, spare })
}

/// Zeroes an array and makes its spare buckets anew; returns the first one.
pub(super) fn reset_array<H: Heap>(
    ty: &MapType,
    heap: &mut H,
    buckets: Address,
    log2: u8,
) -> Option<Address> {
    let shape = &ty.facts.shape;
    let bytes = units_of(ty, heap, log2) * shape.group_size;
    clear(heap, buckets, bytes, !shape.is_noscan);
    prepare_spare(ty, heap, buckets, log2)
}

/// The last spare bucket's link leads to the array, which tells it from those before it.
fn prepare_spare<H: Heap>(
    ty: &MapType,
    heap: &mut H,
    buckets: Address,
    log2: u8,
) -> Option<Address> {
    let base = 1 << log2;
    let units = units_of(ty, heap, log2);
    if units == base {
        return None;
    }
    Bucket::of(ty, buckets, units - 1).set_overflow(ty, heap, buckets);
    Some(Bucket::of(ty, buckets, base).0)
}

/// Where entries move to.
struct Destination {
    bucket: Bucket,
    index: u64,
}

impl MapHeader {
    /// Makes a new array and starts to move (`hashGrow`): twice as large, or as large where there
    /// are only too many overflow buckets.
    #[cold]
    pub(super) fn start_growth<H: Heap>(
        self,
        ty: &MapType,
        heap: &mut H,
    ) -> Result<(), OutOfMemory> {
        let view = self.view(heap.arena());
        let is_larger = is_over_load(ty, view.count + 1, view.log2);
        let log2 = view.log2 + u8::from(is_larger);
        let array = make_array(ty, heap, log2)?;
        if array.spare.is_some() {
            self.set_spare(ty, heap, array.spare)?;
        }
        let mut flags = view.flags & !(ITERATOR | OLD_ITERATOR);
        if view.flags & ITERATOR != 0 {
            flags |= OLD_ITERATOR;
        }
        if !is_larger {
            flags |= SAME_SIZE;
        }
        self.set_flags(heap, flags);
        heap.arena_mut().store(add(self.0, LOG2), [log2]);
        store_pointer(heap, add(self.0, OLD_BUCKETS), view.buckets);
        store_pointer(heap, add(self.0, BUCKETS), array.buckets);
        heap.arena_mut().set_word(add(self.0, EVACUATED), 0);
        self.set_overflow_count(heap, 0);
        self.age_list(ty, heap);
        Ok(())
    }

    /// Moves the old bucket that is needed, and one more (`growWork`).
    pub(super) fn grow_work<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        bucket: u64,
    ) -> Result<(), OutOfMemory> {
        let view = self.view(heap.arena());
        self.evacuate(keys, ty, heap, bucket & (view.old_units() - 1))?;
        if self.view(heap.arena()).is_growing() {
            let next = heap.arena().word(add(self.0, EVACUATED));
            self.evacuate(keys, ty, heap, next)?;
        }
        Ok(())
    }

    fn evacuate<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        old: u64,
    ) -> Result<(), OutOfMemory> {
        let view = self.view(heap.arena());
        let units = view.old_units();
        let head = Bucket::of(ty, view.old_buckets, old);
        if !head.is_evacuated(heap.arena()) {
            let destination =
                |at| Destination { bucket: Bucket::of(ty, view.buckets, at), index: 0 };
            // With as many buckets as before, there is no second half.
            let mut halves = [destination(old), destination(old + units)];
            let mut next = Some(head);
            while let Some(bucket) = next {
                self.evacuate_bucket(keys, ty, heap, bucket, &mut halves)?;
                next = bucket.overflow(ty, heap.arena());
            }
            let is_unlinked = view.flags & OLD_ITERATOR == 0 && !ty.facts.shape.is_noscan;
            if is_unlinked {
                let old = array_range(ty, heap, view.old_buckets, old_log2(&view));
                retire_overflow(ty, heap, head, old);
                // Unlinks the overflow buckets; the tophashes say that the bucket moved.
                clear(heap, add(head.0, SLOTS), ty.facts.shape.group_size - SLOTS, true);
            }
        }
        if old == heap.arena().word(add(self.0, EVACUATED)) {
            self.advance(ty, heap, units);
        }
        Ok(())
    }

    fn evacuate_bucket<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        bucket: Bucket,
        halves: &mut [Destination; 2],
    ) -> Result<(), OutOfMemory> {
        let facts = &ty.facts;
        let shape = &facts.shape;
        let view = self.view(heap.arena());
        let units = view.old_units();
        for index in 0..SLOTS {
            let mut top = bucket.tops(heap.arena()).get(index);
            if is_empty(top) {
                heap.arena_mut().store(add(bucket.0, index), [EVACUATED_EMPTY]);
                continue;
            }
            debug_assert!(top >= MIN_TOP, "a bucket that moved in part");
            let (key, elem) = slot_of(ty, bucket.0, index);
            let mut half = 0;
            if !view.is_same_size() {
                let stored = key_at(ty, heap.arena(), key);
                let hash = keys.hash_stored(ty, heap, stored, view.seed);
                let is_nan = !facts.is_reflexive && !keys.equals_itself(ty, heap.arena(), stored);
                if view.flags & ITERATOR != 0 && is_nan {
                    // A NaN has another hash each time. An iterator must find it where the low bit
                    // of its tophash says, which then is drawn anew for the next growth.
                    half = usize::from(top & 1);
                    top = top_of(hash);
                } else {
                    half = usize::from(hash & units != 0);
                }
            }
            heap.arena_mut().store(add(bucket.0, index), [EVACUATED_X + half as u8]);
            let to = &mut halves[half];
            if to.index == SLOTS {
                to.bucket = self.add_overflow(ty, heap, to.bucket)?;
                to.index = 0;
            }
            heap.arena_mut().store(add(to.bucket.0, to.index), [top]);
            let (to_key, to_elem) = slot_of(ty, to.bucket.0, to.index);
            let key_scans = facts.key_has_pointers || shape.indirect_key;
            copy(heap, key, to_key, facts.stored_key, key_scans);
            let elem_scans = facts.elem_has_pointers || shape.indirect_elem;
            copy(heap, elem, to_elem, facts.stored_elem, elem_scans);
            to.index += 1;
        }
        Ok(())
    }

    /// Counts the old buckets that have moved from the first on, and ends the growth when all have
    /// (`advanceEvacuationMark`).
    fn advance<H: Heap>(self, ty: &MapType, heap: &mut H, units: u64) {
        let view = self.view(heap.arena());
        let mut moved = heap.arena().word(add(self.0, EVACUATED)) + 1;
        let stop = units.min(moved + MOST_SKIPPED);
        while moved != stop && Bucket::of(ty, view.old_buckets, moved).is_evacuated(heap.arena()) {
            moved += 1;
        }
        heap.arena_mut().set_word(add(self.0, EVACUATED), moved);
        if moved == units {
            let array = array_request(ty, heap, old_log2(&view));
            store_pointer(heap, add(self.0, OLD_BUCKETS), Address::NULL);
            heap.retire(view.old_buckets, array);
            let old = array_range(ty, heap, view.old_buckets, old_log2(&view));
            self.drop_old_list(ty, heap, old);
            let flags = self.flags(heap);
            self.set_flags(heap, flags & !SAME_SIZE);
        }
    }
}
