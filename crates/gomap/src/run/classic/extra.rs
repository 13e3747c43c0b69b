//! The extra record: spare overflow buckets, and the lists of those in use where the collector does
//! not look into buckets (`mapextra` of `runtime/map.go`).

use tophash_memory::{Address, AddressRange};

use super::super::access::{add, store_pointer};
use super::super::heap::{Heap, OutOfMemory, Piece, Request};
use super::super::map_type::MapType;
use super::bucket::{self, Bucket};
use super::{LOG2, MapHeader, OVERFLOW_COUNT};

/// Where fields lie in the record.
const OVERFLOW: u64 = 0;
const OLD_OVERFLOW: u64 = 8;
const SPARE: u64 = 16;

/// A slice's header: where its array is, how long it is, and how much longer it may get.
const LIST_LEN: u64 = 8;
const LIST_CAPACITY: u64 = 16;

/// From this capacity on, slices grow by a quarter and some (`nextslicecap`).
const LARGE_SLICE: u64 = 256;

const RECORD: Request = Request { piece: Piece::Extra, size: 24, is_noscan: false };
const LIST: Request = Request { piece: Piece::OverflowList, size: 24, is_noscan: false };

impl MapHeader {
    fn extra<H: Heap>(self, ty: &MapType, heap: &H) -> Option<Address> {
        let extra = Address::new(heap.arena().word(add(self.0, Self::extra_field(ty))));
        (!extra.is_null()).then_some(extra)
    }

    fn make_extra<H: Heap>(self, ty: &MapType, heap: &mut H) -> Result<Address, OutOfMemory> {
        if let Some(extra) = self.extra(ty, heap) {
            return Ok(extra);
        }
        let extra = heap.allocate(RECORD)?;
        store_pointer(heap, add(self.0, Self::extra_field(ty)), extra);
        Ok(extra)
    }

    /// Notes where an array's spare buckets start, if it has any.
    pub(super) fn set_spare<H: Heap>(
        self,
        ty: &MapType,
        heap: &mut H,
        spare: Option<Address>,
    ) -> Result<(), OutOfMemory> {
        if spare.is_some() {
            self.make_extra(ty, heap)?;
            self.put_spare(ty, heap, spare);
        }
        Ok(())
    }

    /// The same, where there is a record already.
    pub(super) fn put_spare<H: Heap>(self, ty: &MapType, heap: &mut H, spare: Option<Address>) {
        if let (Some(extra), Some(spare)) = (self.extra(ty, heap), spare) {
            store_pointer(heap, add(extra, SPARE), spare);
        }
    }

    /// Forgets lists and spare buckets, and keeps the record.
    /// `arrays` are the current and the old one.
    pub(super) fn clear_extra<H: Heap>(
        self,
        ty: &MapType,
        heap: &mut H,
        arrays: [AddressRange; 2],
    ) {
        let Some(extra) = self.extra(ty, heap) else { return };
        for (list, array) in [OVERFLOW, OLD_OVERFLOW].into_iter().zip(arrays) {
            retire_list(ty, heap, add(extra, list), array);
        }
        for field in [OVERFLOW, OLD_OVERFLOW, SPARE] {
            store_pointer(heap, add(extra, field), Address::NULL);
        }
    }

    /// Makes the list of overflow buckets (`createOverflow`) and returns it.
    pub(super) fn make_list<H: Heap>(
        self,
        ty: &MapType,
        heap: &mut H,
    ) -> Result<Address, OutOfMemory> {
        let extra = self.make_extra(ty, heap)?;
        let list = Address::new(heap.arena().word(add(extra, OVERFLOW)));
        if !list.is_null() {
            return Ok(list);
        }
        let list = heap.allocate(LIST)?;
        store_pointer(heap, add(extra, OVERFLOW), list);
        Ok(list)
    }

    /// Returns the lists of overflow buckets that are current and old.
    pub(super) fn lists<H: Heap>(self, ty: &MapType, heap: &H) -> [Address; 2] {
        match self.extra(ty, heap) {
            Some(extra) => [OVERFLOW, OLD_OVERFLOW]
                .map(|list| Address::new(heap.arena().word(add(extra, list)))),
            None => [Address::NULL; 2],
        }
    }

    /// Makes the current list the old one, when a growth starts.
    pub(super) fn age_list<H: Heap>(self, ty: &MapType, heap: &mut H) {
        let Some(extra) = self.extra(ty, heap) else { return };
        let current = Address::new(heap.arena().word(add(extra, OVERFLOW)));
        if !current.is_null() {
            store_pointer(heap, add(extra, OLD_OVERFLOW), current);
            store_pointer(heap, add(extra, OVERFLOW), Address::NULL);
        }
    }

    /// Forgets the old list, when a growth is over.
    pub(super) fn drop_old_list<H: Heap>(self, ty: &MapType, heap: &mut H, old: AddressRange) {
        let Some(extra) = self.extra(ty, heap) else { return };
        retire_list(ty, heap, add(extra, OLD_OVERFLOW), old);
        store_pointer(heap, add(extra, OLD_OVERFLOW), Address::NULL);
    }

    /// Hangs an overflow bucket off the last one of a chain (`newoverflow`).
    #[cold]
    pub(super) fn add_overflow<H: Heap>(
        self,
        ty: &MapType,
        heap: &mut H,
        last: Bucket,
    ) -> Result<Bucket, OutOfMemory> {
        let spare = self.extra(ty, heap).map(|extra| add(extra, SPARE));
        let spare = spare
            .map(|field| (field, Address::new(heap.arena().word(field))))
            .filter(|(_, bucket)| !bucket.is_null());
        let bucket = match spare {
            Some((field, at)) => {
                let bucket = Bucket(at);
                // The last of the spare buckets is told by a link that is not null.
                let next = if bucket.overflow(ty, heap.arena()).is_none() {
                    add(at, ty.facts.shape.group_size)
                } else {
                    bucket.set_overflow(ty, heap, Address::NULL);
                    Address::NULL
                };
                store_pointer(heap, field, next);
                bucket
            }
            None => Bucket(heap.allocate(bucket::request(ty))?),
        };
        self.count_overflow(heap);
        if ty.facts.shape.is_noscan {
            let list = self.make_list(ty, heap)?;
            append(heap, list, bucket.0)?;
        }
        last.set_overflow(ty, heap, bucket.0);
        Ok(bucket)
    }

    /// Counts an overflow bucket: exactly up to 2^15 buckets, and by chance beyond
    /// (`incrnoverflow`).
    fn count_overflow<H: Heap>(self, heap: &mut H) {
        let [log2] = heap.arena().load(add(self.0, LOG2));
        if log2 >= 16 {
            let mask = (1_u32 << (log2 - 15)) - 1;
            if heap.random() as u32 & mask != 0 {
                return;
            }
        }
        let count = u16::from_le_bytes(heap.arena().load(add(self.0, OVERFLOW_COUNT)));
        self.set_overflow_count(heap, count.wrapping_add(1));
    }
}

fn array_request(capacity: u64) -> Request {
    Request { piece: Piece::OverflowArray(capacity), size: 8 * capacity, is_noscan: false }
}

/// Appends to a slice of pointers (`growslice`).
fn append<H: Heap>(heap: &mut H, list: Address, bucket: Address) -> Result<(), OutOfMemory> {
    let arena = heap.arena();
    let array = Address::new(arena.word(list));
    let (len, capacity) = (arena.word(add(list, LIST_LEN)), arena.word(add(list, LIST_CAPACITY)));
    let mut to = array;
    if len == capacity {
        let wanted = match capacity {
            0 => 1,
            small if small < LARGE_SLICE => 2 * small,
            large => large + (large + 3 * LARGE_SLICE) / 4,
        };
        let room = heap.round_up(8 * wanted, false) / 8;
        to = heap.allocate(array_request(room))?;
        if len > 0 {
            super::super::access::copy(heap, array, to, 8 * len, true);
            heap.retire(array, array_request(capacity));
        }
        store_pointer(heap, list, to);
        heap.arena_mut().set_word(add(list, LIST_CAPACITY), room);
    }
    store_pointer(heap, add(to, 8 * len), bucket);
    heap.arena_mut().set_word(add(list, LIST_LEN), len + 1);
    Ok(())
}

/// Accounts for a list that nothing refers to any longer, and for its buckets that are not an
/// array's own.
fn retire_list<H: Heap>(ty: &MapType, heap: &mut H, field: Address, own: AddressRange) {
    let list = Address::new(heap.arena().word(field));
    if list.is_null() {
        return;
    }
    let arena = heap.arena();
    let array = Address::new(arena.word(list));
    let (len, capacity) = (arena.word(add(list, LIST_LEN)), arena.word(add(list, LIST_CAPACITY)));
    for index in 0..len {
        let bucket = Address::new(heap.arena().word(add(array, 8 * index)));
        if !own.contains(bucket) {
            heap.retire(bucket, bucket::request(ty));
        }
    }
    if !array.is_null() {
        heap.retire(array, array_request(capacity));
    }
    heap.retire(list, LIST);
}
