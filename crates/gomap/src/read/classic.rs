//! The classic map (`runtime/map.go` to Go 1.23, `runtime/map_noswiss.go` in 1.24 and 1.25).
//!
//! An array of 2^B buckets of eight slots; a bucket that is full chains to overflow buckets, by
//! the pointer in its last word. Arrays of 16 buckets and more carry overflow buckets of their own
//! behind the last bucket. While the map grows, old buckets move one by one as writes touch them;
//! one whose first tophash is a mark has moved. Maps without pointers in their buckets keep their
//! overflow buckets alive through lists that hang off the header's extra record.

use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use super::{
    Allocations, ClassicHeader, Growth, Header, MapReading, NotAMap, check_array, control,
    indirect_cells, slot_of,
};
use crate::layout::{ClassicLayout, MapLayout, MapShape, SLOTS};

/// The runtime rehashes a map of about as many overflow buckets as buckets. Where there are more
/// than this many for each bucket, and this many besides, chains run in circles or into one another.
const MAX_OVERFLOW: u64 = 4;
const MAX_OVERFLOW_BESIDES: u64 = 1 << 10;
/// Tophashes and link.
const MIN_BUCKET: u64 = 16;
/// An array is read in pieces of this size where it can't be borrowed.
const PIECE: u64 = 1 << 20;

struct Reader<'r, M: ?Sized, A: ?Sized> {
    memory: &'r M,
    allocations: &'r A,
    size: u64,
    /// Where arrays lie, with the overflow buckets they carry.
    arrays: [AddressRange; 2],
    own: ByteSize,
    /// How many more overflow buckets are believed.
    overflow_left: u64,
}

#[derive(Default)]
struct Totals {
    full: u64,
    deleted: u64,
    overflow: u64,
    evacuated: u64,
}

pub(super) fn read<M: Memory + ?Sized, A: Allocations + ?Sized>(
    memory: &M,
    allocations: &A,
    layout: &ClassicLayout,
    shape: &MapShape,
    header: &ClassicHeader,
) -> Result<MapReading, NotAMap> {
    let mut reading = MapReading { own: slot_of(allocations, header.at), ..MapReading::default() };
    if header.buckets.is_null() {
        return Ok(reading);
    }
    let size = shape.group_size;
    if size < MIN_BUCKET {
        return Err(NotAMap::BadShape { group_size: size });
    }
    let units = 1 << header.log2;
    let current = check_array(allocations, header.buckets, units, size)?;
    let old = match header.old_buckets.is_null() {
        true => None,
        false => check_array(allocations, header.old_buckets, header.old_units, size)?,
    };
    let range = |at: Address, allocation: Option<super::Allocation>| {
        let len = allocation.map_or(ByteSize::new(size), |allocation| allocation.usable);
        AddressRange::from_size(at, len)
    };
    let mut reader = Reader {
        memory,
        allocations,
        size,
        arrays: [range(header.buckets, current), range(header.old_buckets, old)],
        own: ByteSize::ZERO,
        overflow_left: 0,
    };
    let now = reader.read_array(header.buckets, units, false)?;
    reading.entries = now.full;
    reading.tombstones = now.deleted;
    reading.overflow_buckets = now.overflow;
    reading.slots = SLOTS * (units + now.overflow);
    if !header.old_buckets.is_null() {
        let before = reader.read_array(header.old_buckets, header.old_units, true)?;
        reading.entries += before.full;
        let (evacuated, of) = (before.evacuated, header.old_units);
        reading.growth = match header.is_same_size {
            true => Growth::SameSize { evacuated, of },
            false => Growth::Doubling { evacuated, of },
        };
    }
    if reading.entries != header.count {
        if !header.is_writing {
            return Err(NotAMap::WrongCount { header: header.count, counted: reading.entries });
        }
        reading.is_approximate = true;
    }
    reading.own += reader.own;
    for allocation in [current, old].into_iter().flatten() {
        reading.own += allocation.slot;
    }
    reading.own += extra_bytes(memory, allocations, layout, header);
    let header = Header::Classic(*header);
    let layout = MapLayout::Classic(layout.clone());
    reading.own += indirect_cells(memory, allocations, &layout, shape, &header);
    Ok(reading)
}

impl<M: Memory + ?Sized, A: Allocations + ?Sized> Reader<'_, M, A> {
    fn read_array(&mut self, at: Address, units: u64, is_old: bool) -> Result<Totals, NotAMap> {
        let mut totals = Totals::default();
        self.overflow_left = units.saturating_mul(MAX_OVERFLOW) + MAX_OVERFLOW_BESIDES;
        let per_piece = (PIECE / self.size).max(1);
        let whole = self.memory.bytes(at, ByteSize::new(self.size) * units).is_some();
        let mut unit = 0;
        while unit < units {
            let taken = if whole { units } else { per_piece.min(units - unit) };
            let start = at + ByteSize::new(unit * self.size);
            let bytes = self.memory.read_bytes(start, ByteSize::new(taken * self.size))?;
            for (index, bucket) in bytes.chunks_exact(self.size as usize).enumerate() {
                let bucket_at = start + ByteSize::new(index as u64 * self.size);
                self.read_chain(bucket_at, bucket, is_old, &mut totals)?;
            }
            unit += taken;
        }
        Ok(totals)
    }

    fn read_chain(
        &mut self,
        at: Address,
        bucket: &[u8],
        is_old: bool,
        totals: &mut Totals,
    ) -> Result<(), NotAMap> {
        let word = |bytes: &[u8]| bytes.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        let tophash = word(bucket);
        let mut next = Address::new(bucket.last_chunk().map_or(0, |w| u64::from_le_bytes(*w)));
        let moved = is_old && control::is_evacuated(tophash);
        let mut ended = false;
        if moved {
            totals.evacuated += 1;
        } else {
            self.count(at, tophash, &mut ended, totals)?;
        }
        while !next.is_null() {
            self.overflow_left =
                self.overflow_left.checked_sub(1).ok_or(NotAMap::BadChain { at: next })?;
            self.check_overflow(next)?;
            let tophash = self.memory.read_u64(next)?;
            if !moved {
                self.count(next, tophash, &mut ended, totals)?;
                totals.overflow += 1;
            }
            next = self.memory.read_address(next + ByteSize::new(self.size - 8))?;
        }
        Ok(())
    }

    fn count(
        &self,
        at: Address,
        tophash: u64,
        ended: &mut bool,
        totals: &mut Totals,
    ) -> Result<(), NotAMap> {
        let counts = control::classic(tophash, ended)
            .ok_or(NotAMap::BadControl { at, control: tophash.to_le_bytes() })?;
        totals.full += counts.full;
        totals.deleted += counts.deleted;
        Ok(())
    }

    /// An overflow bucket is an object of its own, or lies behind the buckets of an array.
    fn check_overflow(&mut self, at: Address) -> Result<(), NotAMap> {
        for array in self.arrays {
            if let Some(into) = at.checked_offset_from(array.start())
                && array.contains(at)
            {
                return match into.get().is_multiple_of(self.size) {
                    true => Ok(()),
                    false => Err(NotAMap::BadChain { at }),
                };
            }
        }
        match self.allocations.allocation_holding(at) {
            Some(allocation) if allocation.start == at => {
                self.own += allocation.slot;
                Ok(())
            }
            // Behind the buckets of an array that growth has left: the chain keeps it alive.
            Some(allocation)
                if (at - allocation.start).get().is_multiple_of(self.size)
                    && allocation.usable.get() / 17 >= self.size =>
            {
                Ok(())
            }
            _ => Err(NotAMap::BadChain { at }),
        }
    }
}

/// The extra record and the lists that hang off it.
fn extra_bytes<M: Memory + ?Sized, A: Allocations + ?Sized>(
    memory: &M,
    allocations: &A,
    layout: &ClassicLayout,
    header: &ClassicHeader,
) -> ByteSize {
    if header.extra.is_null() {
        return ByteSize::ZERO;
    }
    let mut own = slot_of(allocations, header.extra);
    for list in [layout.overflow, layout.old_overflow] {
        let Ok(slice) = list.read_address(memory, header.extra) else { continue };
        if slice.is_null() {
            continue;
        }
        own += slot_of(allocations, slice);
        if let Ok(array) = memory.read_address(slice) {
            own += slot_of(allocations, array);
        }
    }
    own
}
