//! Finding the heap's root, `runtime.mheap_`, without symbols.
//!
//! It is a global in the zeroed data. Its list of all spans is a slice of pointers to structures
//! of a known form, and its arena table leads from a span's first page back to the same span. One
//! word of the data sections passes that check.

use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use super::{ARENA, PAGE, slice_at};
use crate::error::Error;
use crate::layout::{Field, LayoutTable};
use crate::module_data::ModuleData;
use crate::version::GoVersion;

/// What is added to an address before it is split into arena numbers (`arenaBaseOffset`, amd64).
const ARENA_BASE_OFFSET: u64 = 0x8000_0000_0000;
/// A heap of the largest machines has no more spans than this (2^47 / 8 KiB).
const MAX_SPANS: u64 = 1 << 34;
/// How many spans of a list are looked at before it is believed.
const SAMPLES: u64 = 64;
const MAX_SECTION: ByteSize = ByteSize::new(1 << 32);

pub(super) struct HeapRoot {
    /// The list of all spans: where, and how many.
    pub(super) all_spans: (Address, u64),
    arena_table: Address,
}

struct Fields {
    all_spans: Field,
    arenas: Field,
    arena_spans: Field,
    start: Field,
    pages: Field,
    state: Field,
}

impl HeapRoot {
    pub(super) fn find(
        memory: &dyn Memory,
        module: &ModuleData,
        version: &GoVersion,
        layout: &LayoutTable,
    ) -> Result<Self, Error> {
        let fields = Fields {
            all_spans: layout.field("runtime.mheap", "allspans")?,
            arenas: layout.field("runtime.mheap", "arenas")?,
            arena_spans: layout.field("runtime.heapArena", "spans")?,
            start: layout.field("runtime.mspan", "startAddr")?,
            pages: layout.field("runtime.mspan", "npages")?,
            state: layout.field("runtime.mspan", "state")?,
        };
        for section in [module.noptrbss, module.bss, module.noptrdata, module.data] {
            if let Some(root) = fields.scan(memory, section) {
                return Ok(root);
            }
        }
        Err(Error::NoHeap { version: version.clone() })
    }

    /// Returns the record of the arena that holds an address.
    pub(super) fn heap_arena(&self, memory: &dyn Memory, at: Address) -> Option<Address> {
        let index = at.get().wrapping_add(ARENA_BASE_OFFSET) / ARENA;
        let entry = self.arena_table + ByteSize::new(8) * index;
        memory.read_address(entry).ok().filter(|arena| !arena.is_null())
    }
}

impl Fields {
    fn scan(&self, memory: &dyn Memory, section: AddressRange) -> Option<HeapRoot> {
        let bytes = memory.read_bytes(section.start(), section.size().min(MAX_SECTION)).ok()?;
        for (index, [_, len, cap]) in bytes
            .as_chunks::<8>()
            .0
            .array_windows::<3>()
            .map(|words| words.map(u64::from_le_bytes))
            .enumerate()
        {
            if len == 0 || len > cap || cap > MAX_SPANS {
                continue;
            }
            let at = section.start() + ByteSize::new(8 * index as u64);
            let Some(root) = at.checked_offset_from(Address::new(self.all_spans.offset)) else {
                continue;
            };
            if let Some(found) = self.check(memory, Address::new(root.get())) {
                return Some(found);
            }
        }
        None
    }

    fn check(&self, memory: &dyn Memory, root: Address) -> Option<HeapRoot> {
        let all_spans = slice_at(memory, root, self.all_spans)?;
        let (list, len) = all_spans;
        if !list.is_aligned(8) || list.is_null() {
            return None;
        }
        let found =
            HeapRoot { all_spans, arena_table: self.arenas.read_address(memory, root).ok()? };
        let step = (len / SAMPLES).max(1);
        let mut agreed = 0;
        for index in (0..len).step_by(step as usize) {
            let span = memory.read_address(list + ByteSize::new(8) * index).ok()?;
            let start = self.start.read_address(memory, span).ok()?;
            let pages = self.pages.read(memory, span).ok()?;
            match self.state.read(memory, span).ok()? {
                0 => {}
                1 | 2 if start.is_aligned(PAGE) && pages > 0 => {
                    // A span may be freed under the eyes of an unfrozen read: one that agrees is
                    // worth more than one that does not.
                    if self.span_at(memory, &found, start) == Some(span) {
                        agreed += 1;
                    }
                }
                _ => return None,
            }
        }
        (agreed > 0).then_some(found)
    }

    fn span_at(&self, memory: &dyn Memory, root: &HeapRoot, at: Address) -> Option<Address> {
        let arena = root.heap_arena(memory, at)?;
        let page = at.get() % ARENA / PAGE;
        memory.read_address(self.arena_spans.of(arena) + ByteSize::new(8 * page)).ok()
    }
}
