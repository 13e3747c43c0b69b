//! The header alone: what it says, and whether it can be one.

use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use super::NotAMap;
use crate::layout::{ClassicLayout, MapLayout, SLOTS, SwissLayout};

/// `iterator`, `oldIterator`, `hashWriting`, `sameSizeGrow`.
const CLASSIC_FLAGS: u64 = 15;
const HASH_WRITING: u64 = 4;
const SAME_SIZE_GROW: u64 = 8;
/// Larger arrays do not fit into the address space.
const MAX_LOG2: u64 = 40;
/// Slots of the largest table (`maxTableCapacity`); the directory has at most 2^48 entries.
const MAX_DEPTH: u64 = 40;

/// A map's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Header {
    /// Of the classic design.
    Classic(ClassicHeader),
    /// Of the Swiss design.
    Swiss(SwissHeader),
}

/// A `runtime.hmap`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassicHeader {
    /// Where it is.
    pub at: Address,
    /// Entries.
    pub count: u64,
    /// Buckets, as a power of two.
    pub log2: u32,
    /// The hash seed.
    pub seed: u32,
    /// The current array; null before the first write.
    pub buckets: Address,
    /// The array that is being moved from; null where none is.
    pub old_buckets: Address,
    /// Buckets of the old array, moved or not.
    pub old_units: u64,
    /// How many of them have moved for certain.
    pub evacuated: u64,
    /// The extra record; null where there is none.
    pub extra: Address,
    /// The growth keeps the size.
    pub is_same_size: bool,
    /// A write is under way.
    pub is_writing: bool,
}

/// A `maps.Map`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwissHeader {
    /// Where it is.
    pub at: Address,
    /// Entries.
    pub used: u64,
    /// The hash seed.
    pub seed: u64,
    /// The directory, or the one group of a small map; null before the first write.
    pub directory: Address,
    /// Entries of the directory; 0 for a small map.
    pub directory_len: u64,
    /// The directory's length, as a power of two.
    pub global_depth: u32,
    /// A write is under way.
    pub is_writing: bool,
}

/// Reads a header and checks what it says against itself.
///
/// # Errors
///
/// Says which field can't be a header's.
pub fn read_header<M: Memory + ?Sized>(
    memory: &M,
    layout: &MapLayout,
    at: Address,
) -> Result<Header, NotAMap> {
    let bytes = memory.read_bytes(at, layout.header_size())?;
    match layout {
        MapLayout::Classic(layout) => classic(layout, at, &bytes).map(Header::Classic),
        MapLayout::Swiss(layout) => swiss(layout, at, &bytes).map(Header::Swiss),
    }
}

fn classic(layout: &ClassicLayout, at: Address, bytes: &[u8]) -> Result<ClassicHeader, NotAMap> {
    let bad = |field, value| Err(NotAMap::BadHeader { field, value });
    let flags = layout.flags.get(bytes);
    let log2 = layout.log2.get(bytes);
    let count = layout.count.get(bytes);
    if flags > CLASSIC_FLAGS {
        return bad("flags", flags);
    }
    if log2 > MAX_LOG2 {
        return bad("B", log2);
    }
    // The load factor is 6.5 of 8; skewed hashes and growth under way can't double that.
    if count > ((2 * SLOTS) << log2) + SLOTS {
        return bad("count", count);
    }
    let is_same_size = flags & SAME_SIZE_GROW != 0;
    let old_buckets = Address::new(layout.old_buckets.get(bytes));
    let header = ClassicHeader {
        at,
        count,
        log2: log2 as u32,
        seed: layout.seed.get(bytes) as u32,
        buckets: Address::new(layout.buckets.get(bytes)),
        old_buckets,
        old_units: match (old_buckets.is_null(), is_same_size) {
            (true, _) => 0,
            (false, true) => 1 << log2,
            (false, false) => 1 << log2.saturating_sub(1),
        },
        evacuated: layout.evacuated.get(bytes),
        extra: Address::new(layout.extra.get(bytes)),
        is_same_size,
        is_writing: flags & HASH_WRITING != 0,
    };
    if header.buckets.is_null() && (count != 0 || !old_buckets.is_null()) {
        return bad("buckets", 0);
    }
    if !old_buckets.is_null() && !is_same_size && log2 == 0 {
        return bad("oldbuckets", old_buckets.get());
    }
    Ok(header)
}

fn swiss(layout: &SwissLayout, at: Address, bytes: &[u8]) -> Result<SwissHeader, NotAMap> {
    let bad = |field, value| Err(NotAMap::BadHeader { field, value });
    let depth = layout.global_depth.get(bytes);
    let shift = layout.global_shift.get(bytes);
    let writing = layout.writing.get(bytes);
    let header = SwissHeader {
        at,
        used: layout.used.get(bytes),
        seed: layout.seed.get(bytes),
        directory: Address::new(layout.directory.get(bytes)),
        directory_len: layout.directory_len.get(bytes),
        global_depth: depth as u32,
        is_writing: writing != 0,
    };
    if writing > 1 {
        return bad("writing", writing);
    }
    if depth > MAX_DEPTH {
        return bad("globalDepth", depth);
    }
    if header.directory_len == 0 {
        if depth != 0 {
            return bad("globalDepth", depth);
        }
        if header.used > SLOTS || (header.directory.is_null() && header.used != 0) {
            return bad("used", header.used);
        }
        // A small map's shift is not used, and left at zero or at the word's width.
        if shift != 0 && shift != 64 {
            return bad("globalShift", shift);
        }
    } else {
        if header.directory_len != 1 << depth {
            return bad("dirLen", header.directory_len);
        }
        if shift != 64 - depth {
            return bad("globalShift", shift);
        }
        if header.directory.is_null() {
            return bad("dirPtr", 0);
        }
    }
    Ok(header)
}

impl Header {
    /// Returns where the header is.
    pub fn at(&self) -> Address {
        match self {
            Self::Classic(header) => header.at,
            Self::Swiss(header) => header.at,
        }
    }

    /// Returns how many entries the header counts.
    pub fn count(&self) -> u64 {
        match self {
            Self::Classic(header) => header.count,
            Self::Swiss(header) => header.used,
        }
    }

    /// Returns the hash seed.
    pub fn seed(&self) -> u64 {
        match self {
            Self::Classic(header) => header.seed.into(),
            Self::Swiss(header) => header.seed,
        }
    }

    /// Tells whether nothing was ever written, so that there is no array yet.
    pub fn is_unwritten(&self) -> bool {
        match self {
            Self::Classic(header) => header.buckets.is_null(),
            Self::Swiss(header) => header.directory.is_null(),
        }
    }

    /// Tells whether a write is under way.
    pub fn is_writing(&self) -> bool {
        match self {
            Self::Classic(header) => header.is_writing,
            Self::Swiss(header) => header.is_writing,
        }
    }

    /// Returns an array of the map, by whose form its type can be told, and how many buckets or
    /// groups it has.
    ///
    /// # Errors
    ///
    /// Fails where a Swiss map's first table can't be read.
    pub fn sample_array<M: Memory + ?Sized>(
        &self,
        memory: &M,
        layout: &MapLayout,
    ) -> Result<(Address, u64), NotAMap> {
        match (self, layout) {
            (Self::Swiss(header), MapLayout::Swiss(layout)) if header.directory_len > 0 => {
                let table = memory.read_address(header.directory)?;
                let data = layout.table_groups.read_address(memory, table)?;
                let mask = layout.table_length_mask.read(memory, table)?;
                Ok((data, mask.saturating_add(1)))
            }
            (Self::Swiss(header), _) => Ok((header.directory, 1)),
            (Self::Classic(header), _) => Ok((header.buckets, 1 << header.log2)),
        }
    }
}

/// The bytes of a directory.
pub(super) fn directory_size(header: &SwissHeader) -> ByteSize {
    ByteSize::new(8) * header.directory_len
}
