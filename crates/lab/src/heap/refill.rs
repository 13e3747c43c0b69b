//! Spans between a processor's cache and all others of their class (`mcache.refill`,
//! `runtime/mcache.go`; `runtime/mcentral.go`).

use tophash_goruntime::PAGE;

use super::allocator::Allocator;
use super::size_class::SpanClass;
use super::span::SpanId;

/// Spans that a cache sweeps, looking for a free slot, before it asks for a new one.
const SWEEP_BUDGET: usize = 101;

impl Allocator {
    /// Gives a processor a span with a free slot (`mcache.refill`).
    pub(super) fn refill(&mut self, processor: usize, class: SpanClass) -> Option<SpanId> {
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
}
