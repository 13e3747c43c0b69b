//! A heap without a collector: each object lies behind the one before.

use std::collections::{BTreeMap, HashMap};
use std::io;

use tophash_goruntime::SizeClasses;
use tophash_memory::{Address, Arena, ByteSize};

use super::heap::{Heap, OutOfMemory, Request};
use super::random::SeededRandom;
use super::release::Release;
use crate::read::{Allocation, Allocations};

/// Objects start at multiples of this.
const ALIGN: u64 = 16;

/// Counts of objects and bytes, as the allocator rounds them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeapCounts {
    /// Objects that a map refers to.
    pub live_objects: u64,
    /// Their bytes.
    pub live_bytes: u64,
    /// Most bytes that were live at once.
    pub peak_bytes: u64,
    /// Objects that were ever made.
    pub made_objects: u64,
    /// Their bytes.
    pub made_bytes: u64,
}

/// A heap for maps that are run by themselves. Nothing is freed: what a map no longer refers to is
/// only counted as gone, so that iterators may still use it, unless the heap is
/// [`reusing`](BumpHeap::reusing).
#[derive(Debug)]
pub struct BumpHeap {
    arena: Arena,
    next: Address,
    sizes: SizeClasses,
    random: SeededRandom,
    counts: HeapCounts,
    /// Live objects by address, where they are kept track of.
    objects: Option<BTreeMap<Address, (u64, u64)>>,
    /// Objects by the bytes they take, where they are used again.
    free: Option<HashMap<u64, Vec<Address>>>,
}

impl BumpHeap {
    /// Makes a heap of at most so many bytes, whose random numbers follow from a seed.
    ///
    /// # Errors
    ///
    /// Fails where the system refuses that much address space.
    pub fn new(release: &Release, room: ByteSize, seed: u64) -> io::Result<Self> {
        let arena = Arena::new(room)?;
        Ok(Self {
            next: arena.range().start(),
            arena,
            sizes: release.sizes().clone(),
            random: SeededRandom::new(seed),
            counts: HeapCounts::default(),
            objects: None,
            free: None,
        })
    }

    /// Uses the memory of what no map refers to any longer again. Iterators then must not be kept
    /// across changes of their map.
    pub fn reusing(mut self) -> Self {
        self.free = Some(HashMap::new());
        self
    }

    /// Keeps track of the objects, so that maps in the heap can be read ([`Allocations`]).
    pub fn tracking(mut self) -> Self {
        self.objects = Some(BTreeMap::new());
        self
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> HeapCounts {
        self.counts
    }
}

impl Heap for BumpHeap {
    #[inline(always)]
    fn arena(&self) -> &Arena {
        &self.arena
    }

    #[inline(always)]
    fn arena_mut(&mut self) -> &mut Arena {
        &mut self.arena
    }

    fn allocate(&mut self, request: Request) -> Result<Address, OutOfMemory> {
        let size = request.size;
        let slot = self.sizes.slot_size(size, request.is_noscan);
        // An object without size has an address of its own here; Go's share one.
        let taken = slot.max(1).checked_next_multiple_of(ALIGN).ok_or(OutOfMemory { size })?;
        let at = match self.free.as_mut().and_then(|free| free.get_mut(&taken)?.pop()) {
            Some(at) => {
                self.arena.slice_mut(at, taken as usize).fill(0);
                at
            }
            None => {
                let end = self.arena.range().end();
                let room = end.checked_offset_from(self.next).unwrap_or(ByteSize::ZERO);
                if taken > room.get() {
                    return Err(OutOfMemory { size });
                }
                let at = self.next;
                self.next = at + ByteSize::new(taken);
                at
            }
        };
        let counts = &mut self.counts;
        counts.live_objects += 1;
        counts.live_bytes += slot;
        counts.peak_bytes = counts.peak_bytes.max(counts.live_bytes);
        counts.made_objects += 1;
        counts.made_bytes += slot;
        let usable = self.round_up(size, request.is_noscan);
        if let Some(objects) = &mut self.objects {
            objects.insert(at, (usable, slot));
        }
        Ok(at)
    }

    fn round_up(&self, size: u64, is_noscan: bool) -> u64 {
        self.sizes.slot_size(size, is_noscan) - self.sizes.header_size(size, is_noscan)
    }

    fn random(&mut self) -> u64 {
        self.random.next_word()
    }

    fn retire(&mut self, at: Address, request: Request) {
        let slot = self.sizes.slot_size(request.size, request.is_noscan);
        self.counts.live_objects = self.counts.live_objects.saturating_sub(1);
        self.counts.live_bytes = self.counts.live_bytes.saturating_sub(slot);
        if let Some(objects) = &mut self.objects {
            objects.remove(&at);
        }
        if let Some(free) = &mut self.free {
            free.entry(slot.max(1).next_multiple_of(ALIGN)).or_default().push(at);
        }
    }
}

impl Allocations for BumpHeap {
    fn allocation_holding(&self, at: Address) -> Option<Allocation> {
        let (start, (usable, slot)) = self.objects.as_ref()?.range(..=at).next_back()?;
        let offset = at.checked_offset_from(*start)?;
        (offset.get() < *slot).then(|| Allocation {
            start: *start,
            usable: ByteSize::new(*usable),
            slot: ByteSize::new(*slot),
        })
    }
}
