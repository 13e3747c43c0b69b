//! Where a map's header keeps its arrays, and which objects can be headers at all.
//!
//! The header is one object of one size class whose pointer words are nearly unique: `hmap` has
//! pointers at words 2, 3 and 5, `maps.Map` at word 2 alone. What is read here is only followed,
//! not believed: the decoder checks every invariant later.

use std::collections::HashMap;
use std::sync::OnceLock;

use tophash_goruntime::{
    Error, Field, Heap, LayoutTable, ObjectId, Shape, Slot, TypeId, TypeTable,
};
use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

/// Tables and directories larger than this are not followed: 2^40 slots.
const MAX_LOG2: u64 = 37;
/// An overflow list longer than this is taken for damaged.
const MAX_OVERFLOW: u64 = 1 << 32;
/// Types nest no deeper in programs that compile.
const MAX_DEPTH: u32 = 16;

/// A part of a map that its header leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// An array of so many buckets or groups.
    Array(Address, u64),
    /// One bucket, from a list.
    Unit(Address),
    /// An object without entries: directory, table, list of overflow buckets.
    Internal(Address),
}

/// The header's fields.
pub struct HeaderLayout {
    design: Design,
    size: u64,
    slot: u64,
    pointer_words: u64,
    sync_maps: OnceLock<HashMap<TypeId, Vec<(u64, TypeId)>>>,
}

enum Design {
    Classic {
        log2: Field,
        flags: Field,
        buckets: Field,
        old_buckets: Field,
        extra: Field,
        overflow: Field,
        old_overflow: Field,
    },
    Swiss {
        directory: Field,
        directory_len: Field,
        groups: Field,
        length_mask: Field,
    },
}

/// `sameSizeGrow` of the classic map's flags.
const SAME_SIZE: u64 = 8;

impl HeaderLayout {
    /// Takes the fields from a release's layout.
    ///
    /// # Errors
    ///
    /// Fails where the table lacks one.
    pub fn new(layout: &LayoutTable, heap: &Heap<'_>) -> Result<Self, Error> {
        let classic = layout.has("runtime.hmap");
        let name = if classic { "runtime.hmap" } else { "internal/runtime/maps.Map" };
        let size = layout.size_of(&[name])?;
        let field = |field| layout.field(name, field);
        let bit = |field: Field| 1u64 << (field.offset / 8);
        let (design, pointer_words) = if classic {
            let extra = |field| layout.field("runtime.mapextra", field);
            let (buckets, old_buckets) = (field("buckets")?, field("oldbuckets")?);
            let extra_field = field("extra")?;
            let words = bit(buckets) | bit(old_buckets) | bit(extra_field);
            let design = Design::Classic {
                log2: field("B")?,
                flags: field("flags")?,
                buckets,
                old_buckets,
                extra: extra_field,
                overflow: extra("overflow")?,
                old_overflow: extra("oldoverflow")?,
            };
            (design, words)
        } else {
            let groups = layout.field("internal/runtime/maps.table", "groups")?;
            let part = |name| layout.field("internal/runtime/maps.groupsReference", name);
            let directory = field("dirPtr")?;
            let design = Design::Swiss {
                directory,
                directory_len: field("dirLen")?,
                groups: groups.then(part("data")?),
                length_mask: groups.then(part("lengthMask")?),
            };
            (design, bit(directory))
        };
        let slot = heap.size_classes().slot_size(size, false);
        Ok(Self { design, size, slot, pointer_words, sync_maps: OnceLock::new() })
    }

    /// Returns the size of a header in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Tells whether pointer words, one bit each, are a header's.
    pub fn matches(&self, pointer_words: u64) -> bool {
        pointer_words == self.pointer_words
    }

    /// Returns the slot size of a header in the heap, in bytes.
    pub fn slot_size(&self) -> u64 {
        self.slot
    }

    /// Tells whether an object can be a header by its size.
    pub(super) fn fits(&self, heap: &Heap<'_>, slot: Slot) -> bool {
        let span = heap.span(slot.span);
        span.elem_size() == self.slot && !span.is_noscan()
    }

    /// Returns the objects that the header at `at` leads to, itself first where it is one. Overflow
    /// buckets that only other buckets lead to are not among them.
    pub fn objects(&self, heap: &Heap<'_>, at: Address) -> Vec<ObjectId> {
        let mut found = Vec::new();
        let mut add = |at| found.extend(heap.object_holding(at).map(|slot| heap.id(slot)));
        add(at);
        self.arrays(heap.memory(), at, |part| match part {
            Part::Array(at, _) | Part::Unit(at) | Part::Internal(at) => add(at),
        });
        found.dedup();
        found
    }

    /// Calls `visit` with each part of the map whose header is at `at`. What can't be read is left
    /// out.
    pub(super) fn arrays(&self, memory: &dyn Memory, at: Address, mut visit: impl FnMut(Part)) {
        match &self.design {
            Design::Classic {
                log2,
                flags,
                buckets,
                old_buckets,
                extra,
                overflow,
                old_overflow,
            } => {
                let read = |field: &Field| field.read(memory, at).unwrap_or(0);
                let log2 = read(log2);
                if log2 > MAX_LOG2 {
                    return;
                }
                visit(Part::Array(Address::new(read(buckets)), 1 << log2));
                let old = Address::new(read(old_buckets));
                if !old.is_null() {
                    let halved = u64::from(read(flags) & SAME_SIZE == 0);
                    visit(Part::Array(old, 1 << log2.saturating_sub(halved)));
                }
                let extra = Address::new(read(extra));
                if !extra.is_null() {
                    visit(Part::Internal(extra));
                    for list in [overflow, old_overflow] {
                        overflow_list(memory, list.of(extra), &mut visit);
                    }
                }
            }
            Design::Swiss { directory, directory_len, groups, length_mask } => {
                let Ok(start) = directory.read_address(memory, at) else { return };
                let len = directory_len.read(memory, at).unwrap_or(0);
                if start.is_null() || len > 1 << MAX_LOG2 {
                    return;
                }
                if len == 0 {
                    visit(Part::Array(start, 1));
                    return;
                }
                visit(Part::Internal(start));
                let mut last = Address::NULL;
                for index in 0..len {
                    let entry = start + ByteSize::new(8) * index;
                    let Ok(table) = memory.read_address(entry) else { return };
                    // A table fills a run of the directory.
                    if table == last || table.is_null() {
                        continue;
                    }
                    last = table;
                    visit(Part::Internal(table));
                    if let (Ok(data), Ok(mask)) =
                        (groups.read_address(memory, table), length_mask.read(memory, table))
                    {
                        visit(Part::Array(data, mask.saturating_add(1)));
                    }
                }
            }
        }
    }

    /// Returns where a value of a type holds `sync.Map`s: offsets and the types there.
    pub(super) fn sync_maps_in(
        &self,
        types: &TypeTable<'_>,
        ty: TypeId,
    ) -> Option<&[(u64, TypeId)]> {
        let all = self.sync_maps.get_or_init(|| {
            let is_sync_map = |id: TypeId| &*types.get(id).name == "sync.Map";
            if types.by_name("sync.Map").is_none()
                && !types.iter().any(|(_, ty)| &*ty.name == "sync.Map")
            {
                return HashMap::new();
            }
            let mut found = HashMap::new();
            for (id, _) in types.iter() {
                let mut offsets = Vec::new();
                collect(types, id, 0, MAX_DEPTH, &is_sync_map, &mut offsets);
                if !offsets.is_empty() {
                    found.insert(id, offsets);
                }
            }
            found
        });
        all.get(&ty).map(Vec::as_slice)
    }
}

/// The overflow buckets of a map without pointers hang off a pointer to a slice of pointers.
fn overflow_list(memory: &dyn Memory, at: Address, visit: &mut impl FnMut(Part)) {
    let Ok(slice) = memory.read_address(at) else { return };
    if slice.is_null() {
        return;
    }
    visit(Part::Internal(slice));
    let (Ok(list), Ok(len)) =
        (memory.read_address(slice), memory.read_u64(slice + ByteSize::new(8)))
    else {
        return;
    };
    visit(Part::Internal(list));
    for index in 0..len.min(MAX_OVERFLOW) {
        let Ok(bucket) = memory.read_address(list + ByteSize::new(8) * index) else { return };
        visit(Part::Unit(bucket));
    }
}

fn collect(
    types: &TypeTable<'_>,
    id: TypeId,
    at: u64,
    depth: u32,
    wanted: &impl Fn(TypeId) -> bool,
    out: &mut Vec<(u64, TypeId)>,
) {
    let Some(depth) = depth.checked_sub(1) else { return };
    if wanted(id) {
        out.push((at, id));
        return;
    }
    match &types.get(id).shape {
        Shape::Struct(fields) => {
            for field in fields {
                if types.get(field.ty).size >= 8 {
                    collect(types, field.ty, at + field.offset, depth, wanted, out);
                }
            }
        }
        Shape::Array { elem, len } if *len <= 1024 && types.get(*elem).size >= 8 => {
            for index in 0..*len {
                collect(types, *elem, at + index * types.get(*elem).size, depth, wanted, out);
            }
        }
        _ => {}
    }
}
