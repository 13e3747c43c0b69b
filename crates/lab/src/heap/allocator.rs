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
use super::pages::PageAllocator;
use super::size_class::{HEADER_ABOVE, Placement, SpanClass, TINY};
use super::span::{Central, Span, SpanId, SpanState};
use super::stats::Counts;
use super::sweep::{Freed, Sweep};
use super::{Rules, StackSpace};
use crate::gc::{FinalizerId, Pacer};
use crate::pointer_map::MapId;
use crate::profile::{HeapSamples, SampleId};
use tophash_gomap::SeededRandom;

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
    pub(super) dead: Vec<SpanId>,
    /// By page, the span's number plus one.
    pub(super) page_spans: Vec<u32>,
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
    pub(super) current: std::ops::Range<usize>,
    pub(super) page_limit: usize,
    pub(super) fresh_from: usize,
    pub(super) random_base: bool,
    pub(super) random: SeededRandom,
}

impl Allocator {
    pub(crate) fn new(options: AllocatorOptions, pacer: Pacer) -> std::io::Result<Self> {
        let AllocatorOptions { rules, limit, processors, random_base, poisons, sample_rate, seed } =
            options;
        let size = limit.max(ARENA).next_multiple_of(ARENA);
        let arena = Arena::new(ByteSize::new(size))?;
        let classes = rules.classes.len();
        let mut random = SeededRandom::new(seed);
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
}
