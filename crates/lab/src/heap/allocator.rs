//! From a request to an address (`mallocgc` in `runtime/malloc.go`, `runtime/mcache.go`,
//! `runtime/mcentral.go`, `runtime/mheap.go`).
//!
//! Invariants: a slot is in use, marked or free by its span's bits alone; the bytes of all spans
//! and of all free and released pages add up to what was asked of the system; memory beyond
//! `fresh_from` was never written to.
//!
//! Costs: two bits a slot, four bytes more for objects with pointers, four bytes a page.

use std::collections::BTreeMap;

use tophash_goruntime::{ARENA, PAGE};
use tophash_memory::{Address, Arena, ByteSize};

use super::cache::Cache;
use super::chunk::CHUNK_PAGES;
use super::pages::PageAllocator;
use super::size_class::{HEADER, HEADER_ABOVE, Placement, SpanClass, TINY, slots};
use super::span::{Central, Span, SpanId, SpanState};
use super::stats::Counts;
use super::sweep::{Freed, Sweep};
use super::{MemStats, Rules, SizeCounts, StackSpace};
use crate::gc::{FinalizerId, Pacer};
use crate::pointer_map::MapId;
use crate::profile::{HeapSamples, SampleId};
use crate::random::Random;

/// Requests below as many pages are served from page caches (`pageCachePages/4`).
const CACHED_PAGES: usize = 16;
/// Spans that a cache sweeps, looking for a free slot, before it asks for a new one.
const SWEEP_BUDGET: usize = 101;
/// Pages of an arena of 64 MiB (`heapArenaBytes`).
const ARENA_PAGES: usize = (ARENA / PAGE) as usize;

/// How an allocator is made.
#[derive(Debug)]
pub(crate) struct AllocatorOptions {
    pub(crate) rules: Rules,
    pub(crate) limit: u64,
    pub(crate) processors: usize,
    pub(crate) random_base: bool,
    pub(crate) poisons: bool,
    pub(crate) sample_rate: u64,
    pub(crate) seed: u64,
}

/// What the runtime keeps of single objects (`special`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Special {
    Finalizer(FinalizerId),
    Sample(SampleId),
}

/// A new object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allocated {
    pub(crate) at: u64,
    /// Bytes of the slot; 0 where the object shares a tiny block.
    pub(crate) slot_size: u64,
    /// Whether to look if a collection is due.
    pub(crate) may_trigger: bool,
}

/// The heap without its collector.
#[derive(Debug)]
pub(crate) struct Allocator {
    pub(crate) rules: Rules,
    pub(crate) arena: Arena,
    pub(crate) base: u64,
    pub(crate) pages: PageAllocator,
    pub(crate) spans: Vec<Span>,
    dead: Vec<SpanId>,
    /// By page, the span's number plus one.
    page_spans: Vec<u32>,
    pub(crate) centrals: Vec<Central>,
    pub(crate) caches: Vec<Cache>,
    pub(crate) sweep: Sweep,
    pub(crate) pacer: Pacer,
    pub(crate) stacks: StackSpace,
    pub(crate) counts: Counts,
    pub(crate) specials: BTreeMap<u64, Vec<Special>>,
    pub(crate) samples: HeapSamples,
    /// Objects whose finalizers are to run, with their finalizers.
    pub(crate) finalizable: std::collections::VecDeque<(u64, FinalizerId)>,
    pub(crate) poisons: bool,
    /// What was freed, where someone wants to know.
    pub(crate) freed: Option<Vec<Freed>>,
    /// Write barriers are on, and new objects are black.
    pub(crate) is_marking: bool,
    /// Bytes marked in this cycle.
    pub(crate) marked: u64,
    pub(crate) in_use: u64,
    pub(crate) free: u64,
    pub(crate) released: u64,
    pub(crate) in_stacks: u64,
    /// Aim of scavenging where `GOGC` sets it (`scavenge.gcPercentGoal`), and by the memory limit.
    pub(crate) retain_goal: Option<u64>,
    pub(crate) limit_goal: Option<u64>,
    pub(crate) last_in_use: u64,
    /// Address space asked of the system that the page allocator does not yet have, as pages.
    current: std::ops::Range<usize>,
    page_limit: usize,
    fresh_from: usize,
    random_base: bool,
    random: Random,
}

impl Allocator {
    pub(crate) fn new(options: AllocatorOptions, pacer: Pacer) -> std::io::Result<Self> {
        let AllocatorOptions { rules, limit, processors, random_base, poisons, sample_rate, seed } =
            options;
        let size = limit.max(ARENA).next_multiple_of(ARENA);
        let arena = Arena::new(ByteSize::new(size))?;
        let classes = rules.classes.len();
        let mut random = Random::new(seed);
        let mut samples = HeapSamples::new(sample_rate);
        let caches = (0..processors.clamp(1, 256))
            .map(|_| {
                let mut cache = Cache::new(2 * classes);
                cache.next_sample = samples.next_sample(&mut random);
                cache
            })
            .collect();
        Ok(Self {
            base: arena.range().start().get(),
            pages: PageAllocator::new(rules.keeps_dense_chunks),
            spans: Vec::new(),
            dead: Vec::new(),
            page_spans: Vec::new(),
            centrals: (0..2 * classes).map(|_| Central::default()).collect(),
            caches,
            sweep: Sweep::new(),
            pacer,
            stacks: StackSpace::default(),
            counts: Counts {
                small_mallocs: vec![0; classes],
                small_frees: vec![0; classes],
                ..Counts::default()
            },
            specials: BTreeMap::new(),
            samples,
            finalizable: std::collections::VecDeque::new(),
            poisons,
            freed: None,
            is_marking: false,
            marked: 0,
            in_use: 0,
            free: 0,
            released: 0,
            in_stacks: 0,
            retain_goal: None,
            limit_goal: None,
            last_in_use: 0,
            current: 0..0,
            page_limit: (size / PAGE) as usize,
            fresh_from: 0,
            random_base,
            random,
            rules,
            arena,
        })
    }

    pub(crate) fn span(&self, id: SpanId) -> &Span {
        &self.spans[id.0 as usize]
    }

    pub(crate) fn span_mut(&mut self, id: SpanId) -> &mut Span {
        &mut self.spans[id.0 as usize]
    }

    /// Finds the span of objects that `at` lies in.
    #[inline]
    pub(crate) fn span_of(&self, at: u64) -> Option<SpanId> {
        let page = (at.checked_sub(self.base)? / PAGE) as usize;
        let id = SpanId(self.page_spans.get(page)?.checked_sub(1)?);
        (self.span(id).state == SpanState::InUse).then_some(id)
    }

    /// Finds the slot that `at` lies in, be it in use or not.
    #[inline]
    pub(crate) fn slot_of(&self, at: u64) -> Option<(SpanId, usize)> {
        let id = self.span_of(at)?;
        Some((id, self.span(id).slot_of(at)?))
    }

    /// Tells what memory counts towards the memory limit.
    pub(crate) fn refresh_mapped(&mut self) {
        self.pacer.mapped.free = self.free;
        self.pacer.mapped.ready =
            self.in_use + self.free + self.in_stacks + self.pacer.surroundings.other_memory;
    }

    /// Bytes of the heap that the system does not have back (`heapRetained`).
    pub(crate) fn retained(&self) -> u64 {
        self.in_use + self.free
    }

    /// Allocates a zeroed object; nothing where there is no more address space.
    ///
    /// `pointer_bytes` is the offset behind its last pointer.
    pub(crate) fn allocate(
        &mut self,
        processor: usize,
        size: u64,
        map: MapId,
        pointer_bytes: u64,
    ) -> Option<Allocated> {
        let is_noscan = map == MapId::NONE;
        // With headers, what is scanned is told to the byte for small objects alone.
        let is_exact = !self.rules.has_headers || size <= HEADER_ABOVE;
        let scan = |slot_size| if is_exact { pointer_bytes } else { slot_size };
        let allocated = match self.rules.place(size, is_noscan) {
            Placement::Tiny => self.allocate_tiny(processor, size)?,
            Placement::Small { class, header } => {
                let (id, slot, may_trigger) = self.take_slot(processor, class)?;
                let at = self.prepare(id, slot, header, map);
                let slot_size = self.span(id).slot_size;
                if !is_noscan {
                    self.caches[processor].scan += scan(slot_size);
                }
                Allocated { at, slot_size, may_trigger }
            }
            Placement::Large { pages } => {
                let pages = usize::try_from(pages).ok()?;
                let id = self.allocate_large(processor, pages, is_noscan)?;
                let at = self.prepare(id, 0, 0, map);
                let slot_size = self.span(id).slot_size;
                if !is_noscan {
                    self.caches[processor].scan += scan(slot_size);
                }
                Allocated { at, slot_size, may_trigger: true }
            }
        };
        if allocated.slot_size > 0 {
            self.sample(processor, allocated);
        }
        Some(allocated)
    }

    fn allocate_tiny(&mut self, processor: usize, size: u64) -> Option<Allocated> {
        if let Some(at) = self.caches[processor].tiny_slot(size) {
            return Some(Allocated { at, slot_size: 0, may_trigger: false });
        }
        let (id, slot, may_trigger) = self.take_slot(processor, SpanClass::TINY)?;
        let at = self.prepare(id, slot, 0, MapId::NONE);
        let cache = &mut self.caches[processor];
        // The block with more room left stays current.
        if size < cache.tiny_offset || cache.tiny == 0 {
            cache.tiny = at;
            cache.tiny_offset = size;
        }
        Some(Allocated { at, slot_size: TINY, may_trigger })
    }

    /// Clears a slot and says what it holds; marks it where the collector is marking.
    fn prepare(&mut self, id: SpanId, slot: usize, header: u64, map: MapId) -> u64 {
        let is_marking = self.is_marking;
        let span = &mut self.spans[id.0 as usize];
        let (base, size) = (span.slot_base(slot), span.slot_size);
        if span.needs_zero {
            self.arena.slice_mut(Address::new(base), size as usize).fill(0);
        }
        if let Some(of_slot) = span.maps.get_mut(slot) {
            *of_slot = map;
        }
        if header > 0 {
            // The runtime points to the type here. This is not an address of the heap, either.
            self.arena.set_word(Address::new(base), 0x50_0000 + u64::from(map.0) * 64);
        }
        if is_marking {
            span.mark(slot);
            self.marked += size;
        }
        base + header
    }

    /// Takes a slot of a cached span, or of one that replaces it; says whether it was replaced
    /// (`mcache.nextFree`).
    fn take_slot(&mut self, processor: usize, class: SpanClass) -> Option<(SpanId, usize, bool)> {
        if let Some(id) = self.caches[processor].spans[class.index()]
            && let Some(slot) = self.span_mut(id).take_slot()
        {
            return Some((id, slot, false));
        }
        let id = self.refill(processor, class)?;
        let slot = self.span_mut(id).take_slot()?;
        Some((id, slot, true))
    }

    /// Gives a processor a span with a free slot (`mcache.refill`).
    fn refill(&mut self, processor: usize, class: SpanClass) -> Option<SpanId> {
        if let Some(id) = self.caches[processor].spans[class.index()].take() {
            self.uncache(id);
            self.count_cached(id);
            if class == SpanClass::TINY {
                self.counts.tiny += std::mem::take(&mut self.caches[processor].tiny_count);
            }
        }
        let id = self.cache_span(processor, class)?;
        let generation = self.sweep.generation;
        let span = self.span_mut(id);
        span.sweep_gen = generation + 3;
        span.allocated_before = span.allocated;
        // Whoever takes a span may use all of it before anyone counts again.
        let room = span.bytes() - span.allocated as u64 * span.slot_size;
        let scan = std::mem::take(&mut self.caches[processor].scan);
        self.refresh_mapped();
        self.pacer.update(room as i64, scan, self.is_marking);
        self.caches[processor].spans[class.index()] = Some(id);
        Some(id)
    }

    /// Counts what was allocated from a span while a cache held it.
    fn count_cached(&mut self, id: SpanId) {
        let span = self.span_mut(id);
        let taken = (span.allocated - span.allocated_before) as u64;
        span.allocated_before = 0;
        let (class, bytes) = (span.class.size_class(), taken * span.slot_size);
        self.counts.small_mallocs[class] += taken;
        self.pacer.total_alloc += bytes;
    }

    /// Finds a span with a free slot: a swept one, or one that sweeping frees a slot of, or a new
    /// one (`mcentral.cacheSpan`).
    fn cache_span(&mut self, processor: usize, class: SpanClass) -> Option<SpanId> {
        let pages = self.rules.classes.pages(class.size_class());
        self.deduct_sweep_credit(pages * PAGE, 0);
        let generation = self.sweep.generation;
        let central = class.index();
        if let Some(id) = self.centrals[central].partial_swept(generation).pop_front() {
            return Some(id);
        }
        if !self.sweep.is_done {
            let mut budget = SWEEP_BUDGET;
            while budget > 0 {
                let Some(id) = self.centrals[central].partial_unswept(generation).pop_front()
                else {
                    break;
                };
                if self.acquire_for_sweep(id) {
                    self.sweep_span(id, true);
                    return Some(id);
                }
                budget -= 1;
            }
            while budget > 0 {
                let Some(id) = self.centrals[central].full_unswept(generation).pop_front() else {
                    break;
                };
                if self.acquire_for_sweep(id) {
                    self.sweep_span(id, true);
                    let span = self.span(id);
                    if span.allocated < span.slots {
                        return Some(id);
                    }
                    self.centrals[central].full_swept(generation).push_back(id);
                }
                budget -= 1;
            }
        }
        self.allocate_span(processor, pages as usize, class)
    }

    /// Puts a span that a cache held among the others of its class (`mcentral.uncacheSpan`).
    pub(crate) fn uncache(&mut self, id: SpanId) {
        let generation = self.sweep.generation;
        let span = self.span_mut(id);
        let is_stale = span.sweep_gen == generation + 1;
        if is_stale {
            span.sweep_gen = generation - 1;
            self.sweep_span(id, false);
            return;
        }
        span.sweep_gen = generation;
        let (class, is_full) = (span.class.index(), span.allocated >= span.slots);
        let central = &mut self.centrals[class];
        match is_full {
            true => central.full_swept(generation).push_back(id),
            false => central.partial_swept(generation).push_back(id),
        }
    }

    /// Empties a cache (`mcache.releaseAll`).
    pub(crate) fn release_cache(&mut self, processor: usize) {
        let scan = std::mem::take(&mut self.caches[processor].scan);
        let mut unused = 0;
        for class in 0..self.caches[processor].spans.len() {
            let Some(id) = self.caches[processor].spans[class].take() else { continue };
            let span = self.span(id);
            if span.sweep_gen != self.sweep.generation + 1 {
                // All of the span was taken for used when it was cached.
                unused += (span.slots - span.allocated) as u64 * span.slot_size;
            }
            self.count_cached(id);
            self.uncache(id);
        }
        let cache = &mut self.caches[processor];
        cache.tiny = 0;
        cache.tiny_offset = 0;
        self.counts.tiny += std::mem::take(&mut cache.tiny_count);
        self.pacer.update(-(unused as i64), scan, self.is_marking);
    }

    fn allocate_large(
        &mut self,
        processor: usize,
        pages: usize,
        is_noscan: bool,
    ) -> Option<SpanId> {
        let bytes = pages as u64 * PAGE;
        self.deduct_sweep_credit(bytes, pages as u64);
        let class = SpanClass::new(0, is_noscan);
        let id = self.allocate_span(processor, pages, class)?;
        self.counts.large_bytes += bytes;
        self.counts.large_mallocs += 1;
        self.pacer.total_alloc += bytes;
        self.refresh_mapped();
        self.pacer.update(bytes as i64, 0, self.is_marking);
        let generation = self.sweep.generation;
        self.centrals[class.index()].full_swept(generation).push_back(id);
        let span = self.span_mut(id);
        span.free_index = 1;
        span.allocated = 1;
        Some(id)
    }

    fn sample(&mut self, processor: usize, object: Allocated) {
        let cache = &mut self.caches[processor];
        cache.next_sample -= object.slot_size as i64;
        if cache.next_sample >= 0 {
            return;
        }
        cache.next_sample = self.samples.next_sample(&mut self.random);
        if let Some(id) = self.samples.allocated(object.slot_size)
            && let Some((span, slot)) = self.slot_of(object.at)
        {
            let base = self.span(span).slot_base(slot);
            self.specials.entry(base).or_default().push(Special::Sample(id));
        }
    }

    /// Makes a span of objects (`mheap.alloc`).
    fn allocate_span(
        &mut self,
        processor: usize,
        pages: usize,
        class: SpanClass,
    ) -> Option<SpanId> {
        if !self.sweep.is_done {
            self.reclaim(pages as u64);
        }
        let first = self.allocate_pages(processor, pages, true)?;
        let size_class = class.size_class();
        let (slot_size, count) = match size_class {
            0 => (pages as u64 * PAGE, 1),
            _ => {
                let size = self.rules.classes.size(size_class);
                (size, slots(&self.rules, size, pages as u64, class.is_noscan()) as usize)
            }
        };
        let has_header = self.rules.has_headers
            && !class.is_noscan()
            && size_class != 0
            && slot_size > HEADER_ABOVE;
        let maps = if class.is_noscan() { 0 } else { count };
        let needs_zero = first < self.fresh_from;
        self.note_used(first + pages);
        let span = Span {
            base: self.base + first as u64 * PAGE,
            pages,
            state: SpanState::InUse,
            class,
            slot_size,
            slots: count,
            header: if has_header { HEADER } else { 0 },
            free_index: 0,
            allocated: 0,
            allocated_before: 0,
            sweep_gen: self.sweep.generation,
            in_use: super::bits::SlotBits::new(count),
            marks: super::bits::SlotBits::new(count),
            maps: vec![MapId::NONE; maps].into_boxed_slice(),
            needs_zero,
            has_marks: false,
        };
        self.sweep.pages_in_use += pages as u64;
        Some(self.add_span(first, span))
    }

    /// Remembers that pages below `end` may have been written to.
    pub(crate) fn note_used(&mut self, end: usize) {
        self.fresh_from = self.fresh_from.max(end);
    }

    /// Gives a span a number and its pages to it.
    pub(crate) fn add_span(&mut self, first: usize, span: Span) -> SpanId {
        let pages = span.pages;
        let id = match self.dead.pop() {
            Some(id) => {
                *self.span_mut(id) = span;
                id
            }
            None => {
                self.spans.push(span);
                SpanId((self.spans.len() - 1) as u32)
            }
        };
        if self.page_spans.len() < first + pages {
            self.page_spans.resize((first + pages).next_multiple_of(CHUNK_PAGES), 0);
        }
        self.page_spans[first..first + pages].fill(id.0 + 1);
        id
    }

    /// Finds pages, in the processor's cache or by asking, and grows the heap where there are none
    /// (`mheap.allocSpan`).
    pub(crate) fn allocate_pages(
        &mut self,
        processor: usize,
        pages: usize,
        for_objects: bool,
    ) -> Option<usize> {
        let mut found = None;
        if pages < CACHED_PAGES {
            if self.caches[processor].pages.is_empty() {
                self.caches[processor].pages = self.pages.fill_cache();
            }
            found = self.caches[processor].pages.allocate(pages);
        }
        let mut growth = 0;
        let run = match found.or_else(|| self.pages.allocate(pages)) {
            Some(run) => run,
            None => loop {
                // Padding may leave too little of the first growth.
                growth += self.grow(pages)?;
                if let Some(run) = self.pages.allocate(pages) {
                    break run;
                }
            },
        };
        let released = run.released * PAGE;
        self.scavenge_for(released, growth);
        let bytes = pages as u64 * PAGE;
        self.released -= released;
        self.free -= bytes - released;
        match for_objects {
            true => self.in_use += bytes,
            false => self.in_stacks += bytes,
        }
        Some(run.first)
    }

    /// Asks the system for more: whole chunks, from arenas of 64 MiB that follow each other
    /// (`mheap.grow`).
    fn grow(&mut self, pages: usize) -> Option<u64> {
        let wanted = pages.checked_next_multiple_of(CHUNK_PAGES)?;
        let is_first = self.current.end == 0;
        if self.current.start + wanted > self.current.end {
            let arenas = wanted.next_multiple_of(ARENA_PAGES);
            if self.current.end + arenas > self.page_limit {
                return None;
            }
            self.current.end += arenas;
            if is_first && self.random_base {
                let chunks = (ARENA_PAGES / CHUNK_PAGES) as u64;
                let skipped = self.random.below(chunks) as usize * CHUNK_PAGES;
                if skipped + wanted <= self.current.end {
                    self.current.start = skipped;
                }
            }
        }
        let first = self.current.start;
        self.current.start += wanted;
        self.released += wanted as u64 * PAGE;
        self.pages.grow(first, wanted);
        if is_first && self.random_base {
            let padding = self.random.below(CHUNK_PAGES as u64) as usize;
            self.pages.pad(first, padding);
        }
        Some(wanted as u64 * PAGE)
    }

    /// Frees a span's pages (`mheap.freeSpanLocked`).
    pub(crate) fn free_span(&mut self, id: SpanId) {
        let span = self.span_mut(id);
        let (bytes, pages, base) = (span.bytes(), span.pages, span.base);
        let was_of_objects = span.state == SpanState::InUse;
        span.state = SpanState::Dead;
        span.maps = Box::default();
        let first = ((base - self.base) / PAGE) as usize;
        match was_of_objects {
            true => {
                self.in_use -= bytes;
                self.sweep.pages_in_use -= pages as u64;
            }
            false => self.in_stacks -= bytes,
        }
        self.free += bytes;
        self.page_spans[first..first + pages].fill(0);
        self.pages.free(first, pages);
        self.dead.push(id);
    }

    /// Gives back the pages that the caches of idle processors hold.
    pub(crate) fn flush_page_cache(&mut self, processor: usize) {
        self.pages.flush_cache(&mut self.caches[processor].pages);
    }

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
