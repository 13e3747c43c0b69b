//! Sweeping: what was not marked becomes free (`runtime/mgcsweep.go`, `mheap.reclaim`).
//!
//! After marking, every span awaits its sweep. Caches sweep spans when they look for free slots,
//! allocations sweep in proportion to their size so that all is done when the next cycle
//! starts, requests for new spans first reclaim as many pages from spans without a mark, and a
//! background sweeper does the rest.

use tophash_goruntime::PAGE;
use tophash_memory::Address;

use super::allocator::{Allocator, Special};
use super::span::{SpanId, SpanState};

/// Pages that reclaiming looks at in one go (`pagesPerReclaimerChunk`).
const RECLAIM_CHUNK: u64 = 512;
/// What freed memory is filled with, as `GODEBUG=clobberfree=1` does.
pub(crate) const POISON: u64 = 0xdead_beef_dead_beef;
/// Share of the way to the next cycle that sweeping may not use (`gcPaceSweeper`).
const SWEEP_RESERVE: i64 = 1 << 20;

/// Memory of an object that was freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) base: u64,
    pub(crate) size: u64,
}

/// How far sweeping is.
#[derive(Debug)]
pub(crate) struct Sweep {
    /// Grows by two with every cycle; even.
    pub(crate) generation: u32,
    pub(crate) is_done: bool,
    /// The next list to take spans from: class by class, full ones first.
    next_list: usize,
    pages_per_byte: f64,
    live_basis: u64,
    swept_basis: u64,
    pages_swept: u64,
    pub(crate) pages_in_use: u64,
    /// The next page to reclaim from; nothing once all were looked at.
    reclaim_at: Option<u64>,
    reclaim_credit: u64,
}

impl Sweep {
    pub(crate) fn new() -> Self {
        Self {
            // Away from zero, so that the states below it are numbers, too.
            generation: 4,
            is_done: true,
            next_list: 0,
            pages_per_byte: 0.0,
            live_basis: 0,
            swept_basis: 0,
            pages_swept: 0,
            pages_in_use: 0,
            reclaim_at: None,
            reclaim_credit: 0,
        }
    }
}

impl Allocator {
    /// Makes all spans await their sweep (`gcSweep`).
    pub(crate) fn start_sweep(&mut self) {
        let sweep = &mut self.sweep;
        sweep.generation += 2;
        sweep.is_done = false;
        sweep.next_list = 0;
        sweep.pages_swept = 0;
        sweep.reclaim_at = Some(0);
        sweep.reclaim_credit = 0;
    }

    /// Sets how much an allocation sweeps (`gcPaceSweeper`).
    pub(crate) fn pace_sweep(&mut self, trigger: u64) {
        let live = self.pacer.heap_live;
        let sweep = &mut self.sweep;
        sweep.pages_per_byte = 0.0;
        let left = sweep.pages_in_use.saturating_sub(sweep.pages_swept);
        if sweep.is_done || left == 0 {
            return;
        }
        let distance = trigger.min(i64::MAX as u64) as i64 - live as i64;
        let distance = distance.saturating_sub(SWEEP_RESERVE).max(PAGE as i64);
        sweep.pages_per_byte = left as f64 / distance as f64;
        sweep.live_basis = live;
        sweep.swept_basis = sweep.pages_swept;
    }

    /// Sweeps as much as taking `bytes` calls for (`deductSweepCredit`).
    pub(crate) fn deduct_sweep_credit(&mut self, bytes: u64, pages: u64) {
        if self.sweep.pages_per_byte == 0.0 {
            return;
        }
        let grown = bytes + self.pacer.heap_live.saturating_sub(self.sweep.live_basis);
        let target = (self.sweep.pages_per_byte * grown as f64) as i64 - pages as i64;
        while target > (self.sweep.pages_swept - self.sweep.swept_basis) as i64 {
            if !self.sweep_one() {
                self.sweep.pages_per_byte = 0.0;
                break;
            }
        }
    }

    /// Sweeps some span; tells whether there was one (`sweepone`).
    pub(crate) fn sweep_one(&mut self) -> bool {
        if self.sweep.is_done {
            return false;
        }
        let generation = self.sweep.generation;
        while self.sweep.next_list < 2 * self.centrals.len() {
            let list = self.sweep.next_list;
            let central = &mut self.centrals[list / 2];
            let spans = match list % 2 {
                0 => central.full_unswept(generation),
                _ => central.partial_unswept(generation),
            };
            let Some(id) = spans.pop_front() else {
                self.sweep.next_list += 1;
                continue;
            };
            if self.acquire_for_sweep(id) {
                let pages = self.span(id).pages as u64;
                if self.sweep_span(id, false) {
                    self.sweep.reclaim_credit += pages;
                }
                return true;
            }
        }
        self.sweep.is_done = true;
        false
    }

    /// Sweeps whatever is left.
    pub(crate) fn finish_sweep(&mut self) {
        while self.sweep_one() {}
        let generation = self.sweep.generation;
        for central in &mut self.centrals {
            // What is left was swept by others and is in the other lists.
            central.partial_unswept(generation).clear();
            central.full_unswept(generation).clear();
        }
    }

    /// Claims a span for sweeping, if nobody did.
    pub(crate) fn acquire_for_sweep(&mut self, id: SpanId) -> bool {
        let generation = self.sweep.generation;
        let span = self.span_mut(id);
        let is_ours = span.state == SpanState::InUse && span.sweep_gen == generation - 2;
        if is_ours {
            span.sweep_gen = generation - 1;
        }
        is_ours
    }

    /// Frees what is not marked of a span. With `keep`, the caller has the span; else it goes
    /// where it belongs, or, when empty, back to the pages: true is returned then.
    pub(crate) fn sweep_span(&mut self, id: SpanId, keep: bool) -> bool {
        let generation = self.sweep.generation;
        self.sweep.pages_swept += self.span(id).pages as u64;
        self.sweep_specials(id);
        self.report_freed(id);
        let span = self.span_mut(id);
        let marked = span.marks.count();
        let freed = span.allocated.saturating_sub(marked) as u64;
        span.allocated = marked;
        span.free_index = 0;
        std::mem::swap(&mut span.in_use, &mut span.marks);
        span.marks.clear();
        span.sweep_gen = generation;
        let (class, slot_size, slots) = (span.class, span.slot_size, span.slots);
        if freed > 0 {
            span.needs_zero = true;
            self.pacer.total_free += freed * slot_size;
            if class.size_class() == 0 {
                self.counts.large_frees += 1;
                self.counts.large_freed_bytes += slot_size;
            } else {
                self.counts.small_frees[class.size_class()] += freed;
            }
        }
        if keep {
            return false;
        }
        if marked == 0 {
            self.free_span(id);
            return true;
        }
        let central = &mut self.centrals[class.index()];
        match marked == slots {
            true => central.full_swept(generation).push_back(id),
            false => central.partial_swept(generation).push_back(id),
        }
        false
    }

    /// Queues the finalizers of objects that are not marked, which keeps these objects once more,
    /// and tells the profile of others.
    fn sweep_specials(&mut self, id: SpanId) {
        if self.specials.is_empty() {
            return;
        }
        let span = &mut self.spans[id.0 as usize];
        let end = span.base + span.bytes();
        let found: Vec<u64> = self.specials.range(span.base..end).map(|(&at, _)| at).collect();
        for at in found {
            let Some(slot) = span.slot_of(at) else { continue };
            if span.marks.get(slot) {
                continue;
            }
            let Some(mut specials) = self.specials.remove(&at) else { continue };
            let has_finalizer = specials.iter().any(|s| matches!(s, Special::Finalizer(_)));
            if has_finalizer {
                span.mark(slot);
            }
            specials.retain(|special| match *special {
                Special::Finalizer(finalizer) => {
                    self.finalizable.push_back((span.object(slot), finalizer));
                    false
                }
                Special::Sample(sample) => {
                    if !has_finalizer {
                        self.samples.freed(sample);
                    }
                    has_finalizer
                }
            });
            if !specials.is_empty() {
                self.specials.insert(at, specials);
            }
        }
    }

    /// Spoils what is about to be freed and says what it was.
    fn report_freed(&mut self, id: SpanId) {
        if !self.poisons && self.freed.is_none() {
            return;
        }
        let span = &self.spans[id.0 as usize];
        for slot in 0..span.slots {
            if span.marks.get(slot) || !span.is_allocated(slot) {
                continue;
            }
            let (base, size) = (span.slot_base(slot), span.slot_size);
            if self.poisons {
                let bytes = self.arena.slice_mut(Address::new(base), size as usize);
                for word in bytes.chunks_exact_mut(8) {
                    word.copy_from_slice(&POISON.to_le_bytes());
                }
            }
            if let Some(freed) = &mut self.freed {
                freed.push(Freed { base, size });
            }
        }
    }

    /// Frees as many pages as are asked for from spans without a mark, as long as there are any
    /// (`mheap.reclaim`).
    pub(crate) fn reclaim(&mut self, mut pages: u64) {
        while pages > 0 {
            let credit = self.sweep.reclaim_credit.min(pages);
            if credit > 0 {
                self.sweep.reclaim_credit -= credit;
                pages -= credit;
                continue;
            }
            let Some(start) = self.sweep.reclaim_at else { return };
            let end = start + RECLAIM_CHUNK;
            if start >= self.pages.chunks.len() as u64 * RECLAIM_CHUNK {
                self.sweep.reclaim_at = None;
                return;
            }
            self.sweep.reclaim_at = Some(end);
            let found = self.reclaim_chunk(start, end);
            self.sweep.reclaim_credit += found.saturating_sub(pages);
            pages = pages.saturating_sub(found);
        }
    }

    fn reclaim_chunk(&mut self, start: u64, end: u64) -> u64 {
        let mut found = 0;
        let mut page = start;
        while page < end {
            let at = self.base + page * PAGE;
            let Some(id) = self.span_of(at) else {
                page += 1;
                continue;
            };
            let span = self.span(id);
            let pages = span.pages as u64;
            let starts_here = span.base == at;
            let has_marks = span.has_marks;
            if starts_here && !has_marks && self.acquire_for_sweep(id) && self.sweep_span(id, false)
            {
                found += pages;
            }
            page = (at - self.base) / PAGE + if starts_here { pages } else { 1 };
        }
        found
    }
}
