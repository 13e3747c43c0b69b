//! Spans: pages in a row with slots of one size (`mspan`, `runtime/mheap.go`).
//!
//! A slot is in use where it is below `free_index`, or its bit in `in_use` is set, which the last
//! sweep left. The runtime shifts a word of these bits along, to find the next free slot in one
//! instruction; which slot that is depends on the bits alone (`nextFreeFast`, `nextFreeIndex`).

use std::collections::VecDeque;

use tophash_goruntime::PAGE;

use super::bits::SlotBits;
use super::size_class::SpanClass;
use crate::pointer_map::MapId;

/// A span's place among all spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SpanId(pub(crate) u32);

/// What a span's pages serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SpanState {
    /// Nothing: its number is free.
    Dead,
    /// Objects.
    InUse,
    /// Stacks.
    Manual,
}

/// Pages in a row.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) base: u64,
    pub(crate) pages: usize,
    pub(crate) state: SpanState,
    pub(crate) class: SpanClass,
    pub(crate) slot_size: u64,
    pub(crate) slots: usize,
    /// Bytes between a slot's start and its object's.
    pub(crate) header: u64,
    pub(crate) free_index: usize,
    pub(crate) allocated: usize,
    /// Slots in use when a cache took the span (`allocCountBeforeCache`).
    pub(crate) allocated_before: usize,
    /// Relative to the heap's: -2 to be swept, -1 being swept, 0 swept, +1 cached before
    /// sweeping began, +3 swept and cached.
    pub(crate) sweep_gen: u32,
    pub(crate) in_use: SlotBits,
    pub(crate) marks: SlotBits,
    /// The pointer map of each slot's object; none where objects have no pointers.
    pub(crate) maps: Box<[MapId]>,
    /// Memory must be cleared before use.
    pub(crate) needs_zero: bool,
    /// Some object is marked (`pageMarks`).
    pub(crate) has_marks: bool,
}

impl Span {
    pub(crate) fn bytes(&self) -> u64 {
        self.pages as u64 * PAGE
    }

    /// Returns the number of the slot that `at` lies in.
    #[inline]
    pub(crate) fn slot_of(&self, at: u64) -> Option<usize> {
        let index = (at.checked_sub(self.base)? / self.slot_size) as usize;
        (index < self.slots).then_some(index)
    }

    #[inline]
    pub(crate) fn slot_base(&self, slot: usize) -> u64 {
        self.base + slot as u64 * self.slot_size
    }

    /// Returns where a slot's object starts.
    #[inline]
    pub(crate) fn object(&self, slot: usize) -> u64 {
        self.slot_base(slot) + self.header
    }

    #[inline]
    pub(crate) fn is_allocated(&self, slot: usize) -> bool {
        slot < self.free_index || self.in_use.get(slot)
    }

    /// Marks a slot and tells whether it was not marked before.
    #[inline]
    pub(crate) fn mark(&mut self, slot: usize) -> bool {
        self.has_marks = true;
        self.marks.set(slot)
    }

    /// Takes the next free slot.
    #[inline]
    pub(crate) fn take_slot(&mut self) -> Option<usize> {
        match self.in_use.next_clear(self.free_index, self.slots) {
            Some(slot) => {
                self.free_index = slot + 1;
                self.allocated += 1;
                Some(slot)
            }
            None => {
                self.free_index = self.slots;
                None
            }
        }
    }
}

/// The spans of one class that no cache holds (`mcentral`): with free slots and without, swept
/// and not. Which of two is the swept one alternates from cycle to cycle. They are queues: what
/// came first goes first (`runtime/mspanset.go`).
#[derive(Debug, Default)]
pub(crate) struct Central {
    partial: [VecDeque<SpanId>; 2],
    full: [VecDeque<SpanId>; 2],
}

impl Central {
    pub(crate) fn partial_swept(&mut self, generation: u32) -> &mut VecDeque<SpanId> {
        &mut self.partial[(generation / 2 % 2) as usize]
    }

    pub(crate) fn partial_unswept(&mut self, generation: u32) -> &mut VecDeque<SpanId> {
        &mut self.partial[(1 - generation / 2 % 2) as usize]
    }

    pub(crate) fn full_swept(&mut self, generation: u32) -> &mut VecDeque<SpanId> {
        &mut self.full[(generation / 2 % 2) as usize]
    }

    pub(crate) fn full_unswept(&mut self, generation: u32) -> &mut VecDeque<SpanId> {
        &mut self.full[(1 - generation / 2 % 2) as usize]
    }
}
