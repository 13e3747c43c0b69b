//! What an executable map asks of the runtime around it: memory, random numbers, and, where a
//! collector runs beside it, to hear of the pointers that are overwritten.

use tophash_memory::{Address, Arena};

/// What an object of a map is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Piece {
    /// The header: `hmap` or `Map`.
    Header,
    /// The classic header's `mapextra`.
    Extra,
    /// The header of a slice of overflow buckets.
    OverflowList,
    /// The array behind such a slice, of so many pointers.
    OverflowArray(u64),
    /// An array of so many classic buckets, spare overflow buckets at its end included.
    Buckets(u64),
    /// One overflow bucket.
    OverflowBucket,
    /// A directory of so many pointers to tables.
    Directory(u64),
    /// A Swiss table.
    Table,
    /// An array of so many groups.
    Groups(u64),
    /// A cell for a key that is too large for a slot.
    Key,
    /// A cell for an elem that is too large for a slot.
    Elem,
    /// The bytes of a string, of so many.
    Text(u64),
}

/// A request for a zeroed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// What it is for.
    pub piece: Piece,
    /// Bytes wanted.
    pub size: u64,
    /// The collector need not look into it.
    pub is_noscan: bool,
}

/// The heap has no room for an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the simulated heap has no room for {size} bytes more")]
pub struct OutOfMemory {
    /// Bytes that were wanted.
    pub size: u64,
}

/// The runtime around an executable map.
pub trait Heap {
    /// Returns the memory that objects lie in.
    fn arena(&self) -> &Arena;

    /// Returns the memory that objects lie in, to write to.
    fn arena_mut(&mut self) -> &mut Arena;

    /// Provides a zeroed object.
    ///
    /// # Errors
    ///
    /// Fails where there is no room.
    fn allocate(&mut self, request: Request) -> Result<Address, OutOfMemory>;

    /// Returns the bytes that the allocator takes for a request of so many (`roundupsize`).
    fn round_up(&self, size: u64, is_noscan: bool) -> u64;

    /// Draws a random number (`rand`, `fastrand64`).
    fn random(&mut self) -> u64;

    /// Hears that a map no longer refers to an object. The runtime tells nobody, and a collector
    /// must not rely on it, since iterators may still refer to the object; accounts of live bytes
    /// do.
    fn retire(&mut self, at: Address, request: Request) {
        let _ = (at, request);
    }

    /// Hears that `len` bytes at `at`, which lie in an object that the collector looks into, are
    /// about to be overwritten with those in `new`, or cleared (the write barrier:
    /// `bulkBarrierPreWrite`). With no collector at work there is nothing to do.
    #[inline(always)]
    fn barrier(&mut self, at: Address, len: u64, new: Option<&[u8]>) {
        let _ = (at, len, new);
    }

    /// Hears that an operation on a map is over: what it allocated is now reached through the map,
    /// or is garbage. Until then, the operation's own frame holds it.
    #[inline(always)]
    fn operation_done(&mut self) {}
}
