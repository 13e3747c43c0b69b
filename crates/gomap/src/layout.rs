//! Where the fields of map headers are, and what a map's type says of its arrays.
//!
//! Two designs: *classic* (buckets with overflow chains, to Go 1.23, and under
//! `GOEXPERIMENT=noswissmap` to 1.25) and *Swiss* (groups with control words, from Go 1.24). Only
//! offsets are versioned; the reader takes them from here.

use tophash_goruntime::{Error, Field, GoVersion, LayoutTable, MapTypeInfo, TypeTable};
use tophash_memory::ByteSize;

/// Slots of a bucket or group (`abi.MapBucketCount`, `abi.MapGroupSlots`).
pub const SLOTS: u64 = 8;

/// The header layout of a program's maps.
#[derive(Debug, Clone)]
pub enum MapLayout {
    /// `runtime.hmap` (`runtime/map.go`).
    Classic(ClassicLayout),
    /// `internal/runtime/maps.Map`.
    Swiss(SwissLayout),
}

/// Fields of `runtime.hmap` and `runtime.mapextra`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is the runtime's field of that meaning")]
pub struct ClassicLayout {
    pub size: ByteSize,
    pub count: Field,
    pub flags: Field,
    pub log2: Field,
    pub seed: Field,
    pub buckets: Field,
    pub old_buckets: Field,
    pub evacuated: Field,
    pub extra: Field,
    pub extra_size: ByteSize,
    pub overflow: Field,
    pub old_overflow: Field,
    /// A table grows when it holds more than this many entries for two buckets.
    pub load_factor_by_two: u64,
}

/// Fields of `maps.Map` and `maps.table`.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "each is the runtime's field of that meaning")]
pub struct SwissLayout {
    pub size: ByteSize,
    pub used: Field,
    pub seed: Field,
    pub directory: Field,
    pub directory_len: Field,
    pub global_depth: Field,
    pub global_shift: Field,
    pub writing: Field,
    pub table_size: ByteSize,
    pub table_used: Field,
    pub table_capacity: Field,
    pub table_growth_left: Field,
    pub table_local_depth: Field,
    pub table_index: Field,
    pub table_groups: Field,
    pub table_length_mask: Field,
}

impl MapLayout {
    /// Takes the layout of a release.
    ///
    /// # Errors
    ///
    /// Fails where the release's table lacks a field.
    pub fn new(layout: &LayoutTable, version: &GoVersion) -> Result<Self, Error> {
        if layout.has("runtime.hmap") {
            let hmap = |field| layout.field("runtime.hmap", field);
            let extra = |field| layout.field("runtime.mapextra", field);
            return Ok(Self::Classic(ClassicLayout {
                size: ByteSize::new(layout.size_of(&["runtime.hmap"])?),
                count: hmap("count").or_else(|_| hmap("used"))?,
                flags: hmap("flags")?,
                log2: hmap("B")?,
                seed: hmap("hash0")?,
                buckets: hmap("buckets")?,
                old_buckets: hmap("oldbuckets")?,
                evacuated: hmap("nevacuate")?,
                extra: hmap("extra")?,
                extra_size: ByteSize::new(layout.size_of(&["runtime.mapextra"])?),
                overflow: extra("overflow")?,
                old_overflow: extra("oldoverflow")?,
                // 13/2 is the documented 6.5. Go 1.20 and 1.21 compute 8*13/16 in integers first
                // and so have 12/2 (`runtime/map.go`, `loadFactorNum`).
                load_factor_by_two: if matches!(version.minor(), 20 | 21) { 12 } else { 13 },
            }));
        }
        let map = |field| layout.field("internal/runtime/maps.Map", field);
        let table = |field| layout.field("internal/runtime/maps.table", field);
        let groups = table("groups")?;
        let reference = |field| layout.field("internal/runtime/maps.groupsReference", field);
        Ok(Self::Swiss(SwissLayout {
            size: ByteSize::new(layout.size_of(&["internal/runtime/maps.Map"])?),
            used: map("used")?,
            seed: map("seed")?,
            directory: map("dirPtr")?,
            directory_len: map("dirLen")?,
            global_depth: map("globalDepth")?,
            global_shift: map("globalShift")?,
            writing: map("writing")?,
            table_size: ByteSize::new(layout.size_of(&["internal/runtime/maps.table"])?),
            table_used: table("used")?,
            table_capacity: table("capacity")?,
            table_growth_left: table("growthLeft")?,
            table_local_depth: table("localDepth")?,
            table_index: table("index")?,
            table_groups: groups.then(reference("data")?),
            table_length_mask: groups.then(reference("lengthMask")?),
        }))
    }

    /// Returns the size of a header.
    pub fn header_size(&self) -> ByteSize {
        match self {
            Self::Classic(layout) => layout.size,
            Self::Swiss(layout) => layout.size,
        }
    }

    /// Tells whether this is the classic design.
    pub fn is_classic(&self) -> bool {
        matches!(self, Self::Classic(_))
    }
}

/// What a map's type says of its buckets or groups. All in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapShape {
    /// Size of a bucket or group.
    pub group_size: u64,
    /// Size of a key, wherever it lies.
    pub key_size: u64,
    /// Size of an elem, wherever it lies.
    pub elem_size: u64,
    /// Distance of the first key from the group's start.
    pub keys_offset: u64,
    /// Distance of one key from the next.
    pub key_stride: u64,
    /// Distance of the first elem from the group's start.
    pub elems_offset: u64,
    /// Distance of one elem from the next.
    pub elem_stride: u64,
    /// The slots hold pointers to keys.
    pub indirect_key: bool,
    /// The slots hold pointers to elems.
    pub indirect_elem: bool,
    /// The keys hold no pointers.
    pub key_is_noscan: bool,
    /// The elems hold no pointers.
    pub elem_is_noscan: bool,
    /// Buckets or groups hold no pointers, so that the collector skips them.
    pub is_noscan: bool,
}

impl MapShape {
    /// Takes the shape from a map type.
    pub fn of(types: &TypeTable<'_>, map: &MapTypeInfo) -> Self {
        let [key, elem, group] = [map.key, map.elem, map.group].map(|id| types.get(id));
        Self {
            group_size: group.size,
            key_size: key.size,
            elem_size: elem.size,
            keys_offset: map.keys_offset,
            key_stride: map.key_stride,
            elems_offset: map.elems_offset,
            elem_stride: map.elem_stride,
            indirect_key: map.indirect_key,
            indirect_elem: map.indirect_elem,
            key_is_noscan: key.pointer_bytes == 0,
            elem_is_noscan: elem.pointer_bytes == 0,
            is_noscan: group.pointer_bytes == 0,
        }
    }
}
