//! Memory of stacks (`runtime/stack.go`).
//!
//! Stacks below 32 KiB share spans of that size, one size a span; larger ones have spans of their
//! own. The runtime has a cache of free stacks for each processor in front of that, which the
//! model leaves out: its stacks return to their span at once, and an empty span is freed when no
//! cycle is running.

use std::collections::BTreeMap;

use tophash_goruntime::PAGE;

use super::allocator::Allocator;
use super::size_class::SpanClass;
use super::span::{Span, SpanId, SpanState};
use crate::pointer_map::MapId;

/// The smallest stack (`stackMin`).
const LEAST: u64 = 2048;
/// Bytes of a span of small stacks (`_StackCacheSize`).
const SHARED: u64 = 32 << 10;

/// Spans of small stacks with room, by the size of a stack.
#[derive(Debug, Default)]
pub(crate) struct StackSpace {
    open: BTreeMap<u64, Vec<SpanId>>,
}

/// A stack's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StackMemory {
    pub(crate) span: SpanId,
    pub(crate) size: u64,
}

impl Allocator {
    /// Allocates a stack of at least `size` bytes; a power of two.
    pub(crate) fn allocate_stack(&mut self, processor: usize, size: u64) -> Option<StackMemory> {
        let size = size.clamp(LEAST, 1 << 30).next_power_of_two();
        if size < SHARED
            && let Some(&span) = self.stacks.open.get(&size).and_then(|open| open.last())
        {
            self.span_mut(span).allocated += 1;
            if self.span(span).allocated as u64 == SHARED / size {
                self.stacks.open.entry(size).or_default().pop();
            }
            return Some(StackMemory { span, size });
        }
        let pages = (size.max(SHARED) / PAGE) as usize;
        let first = self.allocate_pages(processor, pages, false)?;
        let span = Span {
            base: self.base + first as u64 * PAGE,
            pages,
            state: SpanState::Manual,
            class: SpanClass::new(0, true),
            slot_size: size,
            slots: 0,
            header: 0,
            free_index: 0,
            allocated: 1,
            allocated_before: 0,
            sweep_gen: 0,
            in_use: super::bits::SlotBits::default(),
            marks: super::bits::SlotBits::default(),
            maps: Box::<[MapId]>::default(),
            needs_zero: true,
            has_marks: false,
        };
        let span = self.add_span(first, span);
        self.note_used(first + pages);
        if size < SHARED {
            self.stacks.open.entry(size).or_default().push(span);
        }
        Some(StackMemory { span, size })
    }

    /// Frees a stack.
    pub(crate) fn free_stack(&mut self, stack: StackMemory) {
        let span = self.span_mut(stack.span);
        span.allocated -= 1;
        let is_empty = span.allocated == 0;
        if stack.size < SHARED {
            let open = self.stacks.open.entry(stack.size).or_default();
            match is_empty {
                true => open.retain(|&id| id != stack.span),
                false if !open.contains(&stack.span) => open.push(stack.span),
                false => {}
            }
        }
        if is_empty {
            self.free_span(stack.span);
        }
    }
}
