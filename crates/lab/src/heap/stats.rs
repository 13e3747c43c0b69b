//! What a program reads of its heap (`runtime.MemStats`, `runtime/mstats.go`).

use super::allocator::Allocator;

/// Objects of one size class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SizeCounts {
    /// Bytes of a slot.
    pub size: u64,
    /// Slots taken, ever.
    pub mallocs: u64,
    /// Slots freed, ever.
    pub frees: u64,
}

/// Figures of the heap, by the names that Go has for them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MemStats {
    /// Bytes of objects that are not yet freed, be they reachable or not.
    pub heap_alloc: u64,
    /// Bytes of objects allocated, ever.
    pub total_alloc: u64,
    /// Bytes asked of the system, for whatever.
    pub sys: u64,
    /// Objects allocated, ever; each tiny one counts.
    pub mallocs: u64,
    /// Objects freed, ever. Tiny ones that share a block count as freed from the start, the block
    /// when it is.
    pub frees: u64,
    /// Address space that the heap took of the system.
    pub heap_sys: u64,
    /// Bytes in no span.
    pub heap_idle: u64,
    /// Bytes in spans of objects.
    pub heap_inuse: u64,
    /// Bytes of those idle that the system has back.
    pub heap_released: u64,
    /// Objects that are not yet freed.
    pub heap_objects: u64,
    /// Bytes in spans of stacks.
    pub stack_inuse: u64,
    /// The heap's size that the next collection ends at.
    pub next_gc: u64,
    /// When the last collection ended, in nanoseconds of the simulated clock.
    pub last_gc: u64,
    /// Nanoseconds that the world stood still, by the simulated clock.
    pub pause_total_ns: u64,
    /// Collections that are complete.
    pub num_gc: u32,
    /// Those of them that the program asked for.
    pub num_forced_gc: u32,
    /// Share of processor time that the collector took since the start.
    pub gc_cpu_fraction: f64,
    /// By size class; Go's array ends at 61 of them.
    pub by_size: Vec<SizeCounts>,
}

/// Counts that only grow (`heapStatsDelta`).
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) small_mallocs: Vec<u64>,
    pub(crate) small_frees: Vec<u64>,
    pub(crate) large_bytes: u64,
    pub(crate) large_mallocs: u64,
    pub(crate) large_freed_bytes: u64,
    pub(crate) large_frees: u64,
    pub(crate) tiny: u64,
}

impl Allocator {
    /// Reads the figures of the heap, for which caches are emptied as `ReadMemStats` does.
    pub(crate) fn read_stats(&mut self) -> MemStats {
        for processor in 0..self.caches.len() {
            self.release_cache(processor);
        }
        self.refresh_mapped();
        let counts = &self.counts;
        let mut stats = MemStats {
            total_alloc: counts.large_bytes,
            mallocs: counts.large_mallocs + counts.tiny,
            frees: counts.large_frees + counts.tiny,
            ..MemStats::default()
        };
        let mut total_free = counts.large_freed_bytes;
        for class in 0..self.rules.classes.len() {
            let size = self.rules.classes.size(class);
            let (mallocs, frees) = (counts.small_mallocs[class], counts.small_frees[class]);
            stats.total_alloc += mallocs * size;
            total_free += frees * size;
            stats.mallocs += mallocs;
            stats.frees += frees;
            stats.by_size.push(SizeCounts { size, mallocs, frees });
        }
        stats.heap_alloc = stats.total_alloc.saturating_sub(total_free);
        stats.heap_objects = stats.mallocs.saturating_sub(stats.frees);
        stats.heap_inuse = self.in_use;
        stats.heap_released = self.released;
        stats.heap_idle = self.free + self.released;
        stats.heap_sys = stats.heap_inuse + stats.heap_idle;
        stats.stack_inuse = self.in_stacks;
        stats.sys = stats.heap_sys + stats.stack_inuse + self.pacer.surroundings.other_memory;
        stats.next_gc = self.pacer.goal();
        stats
    }
}
