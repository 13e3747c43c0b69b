//! Which pages of the heap are free: in an arena, but in no span that is in use.
//!
//! A span that was swept empty goes back to the page allocator (`runtime/mheap.go`, `freeSpan`), and
//! its pages keep what they held until they are handed out again or given back to the kernel.

use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use super::locate::HeapRoot;
use super::{ARENA, PAGE};
use crate::error::Error;
use crate::layout::LayoutTable;
use crate::module_data::ModuleData;
use crate::version::GoVersion;

/// `mSpanDead`.
const DEAD: u64 = 0;
/// No allocation is larger than the address space.
const MAX_PAGES: u64 = 1 << 34;

/// Finds the free pages, by address. Where a span can't be read, nothing is called free.
pub(crate) fn free_pages(
    memory: &dyn Memory,
    module: &ModuleData,
    version: &GoVersion,
    layout: &LayoutTable,
) -> Result<Vec<AddressRange>, Error> {
    let root = HeapRoot::find(memory, module, version, layout)?;
    let field = |name| layout.field("runtime.mspan", name);
    let (start, pages, state) = (field("startAddr")?, field("npages")?, field("state")?);
    let (list, len) = root.all_spans;
    let pointers = memory
        .read_bytes(list, ByteSize::new(8) * len)
        .map_err(Error::unreadable("the list of spans", list))?;
    let mut used = Vec::new();
    for pointer in pointers.as_chunks::<8>().0 {
        let at = Address::new(u64::from_le_bytes(*pointer));
        let unreadable = |source| Error::Unreadable { what: "a span", at, source };
        if state.read(memory, at).map_err(unreadable)? == DEAD {
            continue;
        }
        let size = pages.read(memory, at).map_err(unreadable)?.min(MAX_PAGES);
        let start = start.read_address(memory, at).map_err(unreadable)?;
        used.push(AddressRange::from_size(start.align_down(PAGE), ByteSize::new(PAGE) * size));
    }
    used.sort_unstable();
    Ok(gaps(&used, |arena| root.heap_arena(memory, arena).is_some()))
}

/// Returns what the ranges, sorted by start, leave of the arenas in which they start and end.
fn gaps(used: &[AddressRange], is_arena: impl Fn(Address) -> bool) -> Vec<AddressRange> {
    let mut free = Vec::new();
    let Some(first) = used.first() else { return free };
    let mut end = first.start().align_down(ARENA);
    for range in used {
        let arena = range.start().align_down(ARENA);
        if end < arena {
            free.push(AddressRange::new(end, arena_end(end)));
            end = arena;
        }
        free.push(AddressRange::new(end, range.start()));
        end = end.max(range.end());
    }
    free.push(AddressRange::new(end, arena_end(end)));
    free.retain(|range| !range.is_empty() && is_arena(range.start().align_down(ARENA)));
    free
}

/// Returns where the arena ends that an address lies in or just behind.
fn arena_end(at: Address) -> Address {
    match at.is_aligned(ARENA) {
        true => at,
        false => at.align_down(ARENA) + ByteSize::new(ARENA),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_spans_leave_of_their_arenas_is_free() {
        // Bounds in quarters of an arena.
        let at = |quarter: u64| Address::new(quarter * ARENA / 4);
        let range = |(start, end): &(u64, u64)| AddressRange::new(at(*start), at(*end));
        type Bounds = &'static [(u64, u64)];
        let cases: [(Bounds, Bounds); 7] = [
            (&[], &[]),
            (&[(4, 8)], &[]),
            (&[(5, 6)], &[(4, 5), (6, 8)]),
            (&[(4, 5), (5, 6), (7, 8)], &[(6, 7)]),
            // Through two arenas, and an arena without spans before the last.
            (&[(5, 10), (17, 20)], &[(4, 5), (10, 12), (16, 17)]),
            // Arenas that end and start with a span.
            (&[(6, 8), (12, 13)], &[(4, 6), (13, 16)]),
            // A damaged list, in which spans overlap.
            (&[(4, 7), (5, 6)], &[(7, 8)]),
        ];
        for (used, free) in cases {
            let used: Vec<AddressRange> = used.iter().map(range).collect();
            let free: Vec<AddressRange> = free.iter().map(range).collect();
            assert_eq!(gaps(&used, |_| true), free, "{used:?}");
        }
        assert_eq!(gaps(&[range(&(5, 6))], |_| false), []);
    }
}
