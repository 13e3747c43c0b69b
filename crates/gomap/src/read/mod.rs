//! Reading maps over any [`Memory`](tophash_memory::Memory).
//!
//! A header is read first ([`read_header`]), which needs no type; then the whole map
//! ([`read_map`]), which needs the size of a bucket or group. Every invariant of the runtime is
//! checked, so that bytes which are no map are refused with a reason: [`NotAMap`].

mod classic;
mod control;
mod entries;
mod header;
mod swiss;

pub use entries::{Entries, Entry, entries};
pub use header::{ClassicHeader, Header, SwissHeader, read_header};

use tophash_memory::{Address, ByteSize, Memory, ReadError};

use crate::layout::{MapLayout, MapShape};

/// A live heap object, as the allocator sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allocation {
    /// Its first byte, behind a malloc header.
    pub start: Address,
    /// The bytes it may use.
    pub usable: ByteSize,
    /// The bytes the allocator took for it.
    pub slot: ByteSize,
}

/// The heap that a map lies in.
pub trait Allocations {
    /// Finds the live object that holds an address; `None` on stacks, among globals and in free
    /// slots.
    fn allocation_holding(&self, at: Address) -> Option<Allocation>;
}

/// How far a table's growth has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Growth {
    /// No growth is under way (a Swiss map grows within one write).
    #[default]
    None,
    /// The entries move to twice as many buckets.
    Doubling {
        /// Old buckets that have moved.
        evacuated: u64,
        /// Old buckets in all.
        of: u64,
    },
    /// The entries move to as many buckets, to be rid of overflow.
    SameSize {
        /// Old buckets that have moved.
        evacuated: u64,
        /// Old buckets in all.
        of: u64,
    },
}

/// What a map holds and costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MapReading {
    /// Live entries, counted in the arrays.
    pub entries: u64,
    /// Slots of the current arrays, overflow included.
    pub slots: u64,
    /// Slots of the current arrays whose entry was deleted and which are not free for good
    /// (`emptyOne`, or a deleted control byte).
    pub tombstones: u64,
    /// Overflow buckets in the chains of the current array (classic).
    pub overflow_buckets: u64,
    /// Tables (Swiss); 0 for a small map.
    pub tables: u64,
    /// Whether it grows.
    pub growth: Growth,
    /// Every allocation that belongs to the map.
    pub own: ByteSize,
    /// A write was under way: the counts are of the arrays, and the header says otherwise.
    pub is_approximate: bool,
}

/// Why bytes are no map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotAMap {
    /// A part could not be read.
    #[error("a part of the map could not be read")]
    Unreadable(#[from] ReadError),
    /// A field of the header has no such value.
    #[error("the header's {field} can't be {value:#x}")]
    BadHeader {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u64,
    },
    /// The map's type has buckets or groups of a size that can't be.
    #[error("no map has buckets or groups of {group_size} bytes")]
    BadShape {
        /// The size.
        group_size: u64,
    },
    /// An array is not where an array of the size can be.
    #[error("no array of {units} buckets or groups of {size} bytes is at {at}")]
    NoArray {
        /// Where it should be.
        at: Address,
        /// How many units it should have.
        units: u64,
        /// The size of each.
        size: u64,
    },
    /// A bucket's or group's control bytes have no such value.
    #[error("no control bytes {control:02x?} can be at {at}")]
    BadControl {
        /// The bucket or group.
        at: Address,
        /// Its first eight bytes.
        control: [u8; 8],
    },
    /// An overflow chain leads nowhere or does not end.
    #[error("the overflow chain at {at} is damaged")]
    BadChain {
        /// The bucket that the chain was followed to.
        at: Address,
    },
    /// A table's fields do not agree with one another or with the directory.
    #[error("the table at {at} has a bad {field}")]
    BadTable {
        /// The table.
        at: Address,
        /// Which field.
        field: &'static str,
    },
    /// The arrays hold another number of entries than the header says, and nothing is written.
    #[error("the header counts {header} entries, the arrays hold {counted}")]
    WrongCount {
        /// The header's count.
        header: u64,
        /// The entries found.
        counted: u64,
    },
}

/// Reads the whole map of a header.
///
/// # Errors
///
/// Says which invariant does not hold.
pub fn read_map<M: Memory + ?Sized, A: Allocations + ?Sized>(
    memory: &M,
    allocations: &A,
    layout: &MapLayout,
    shape: &MapShape,
    header: &Header,
) -> Result<MapReading, NotAMap> {
    match (layout, header) {
        (MapLayout::Classic(layout), Header::Classic(header)) => {
            classic::read(memory, allocations, layout, shape, header)
        }
        (MapLayout::Swiss(layout), Header::Swiss(header)) => {
            swiss::read(memory, allocations, layout, shape, header)
        }
        _ => Err(NotAMap::BadHeader { field: "design", value: 0 }),
    }
}

/// Adds up the allocations of a map that are known by an address in them.
fn slot_of<A: Allocations + ?Sized>(allocations: &A, at: Address) -> ByteSize {
    allocations
        .allocation_holding(at)
        .filter(|allocation| allocation.start == at)
        .map_or(ByteSize::ZERO, |allocation| allocation.slot)
}

/// Checks that an array of `units` lies at the start of an object with room for it; outside of the
/// heap (frames), that it is a single bucket or group.
fn check_array<A: Allocations + ?Sized>(
    allocations: &A,
    at: Address,
    units: u64,
    size: u64,
) -> Result<Option<Allocation>, NotAMap> {
    let fault = NotAMap::NoArray { at, units, size };
    match allocations.allocation_holding(at) {
        Some(allocation) => {
            let fits = units.checked_mul(size).is_some_and(|len| len <= allocation.usable.get());
            if allocation.start == at && fits { Ok(Some(allocation)) } else { Err(fault) }
        }
        None if units == 1 && !at.is_null() => Ok(None),
        None => Err(fault),
    }
}

/// Adds the cells behind the slots of a map with indirect keys or elems.
fn indirect_cells<M: Memory + ?Sized, A: Allocations + ?Sized>(
    memory: &M,
    allocations: &A,
    layout: &MapLayout,
    shape: &MapShape,
    header: &Header,
) -> ByteSize {
    let mut own = ByteSize::ZERO;
    if !shape.indirect_key && !shape.indirect_elem {
        return own;
    }
    for entry in entries(memory, layout, shape, header).map_while(Result::ok) {
        if shape.indirect_key {
            own += slot_of(allocations, entry.key);
        }
        if shape.indirect_elem {
            own += slot_of(allocations, entry.elem);
        }
    }
    own
}
