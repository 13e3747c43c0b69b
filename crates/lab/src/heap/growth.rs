//! Spans from pages, and pages from the system (`runtime/mheap.go`).

use tophash_goruntime::{ARENA, PAGE};

use super::allocator::Allocator;
use super::bits::SlotBits;
use super::chunk::CHUNK_PAGES;
use super::size_class::{HEADER, HEADER_ABOVE, SpanClass, slots};
use super::span::{Span, SpanId, SpanState};
use crate::pointer_map::MapId;

/// Requests below as many pages are served from page caches (`pageCachePages/4`).
const CACHED_PAGES: usize = 16;
/// Pages of an arena of 64 MiB (`heapArenaBytes`).
const ARENA_PAGES: usize = (ARENA / PAGE) as usize;

impl Allocator {
    /// Makes a span of objects (`mheap.alloc`).
    pub(super) fn allocate_span(
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
            in_use: SlotBits::new(count),
            marks: SlotBits::new(count),
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
}
