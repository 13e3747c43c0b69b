//! What the memory of a program is: what is reachable, garbage that waits for the collector, free
//! slots between objects, stacks, and what the kernel counts beyond.

use std::collections::BTreeMap;

use tophash_gomap::Attribution;
use tophash_goruntime::Program;
use tophash_vitals::{headroom, outside};

use crate::report::{Bill, SizeClassRow};

/// Adds up a program's memory.
pub(super) fn bill(program: &Program<'_>, heap: &Attribution, maps_own: u64) -> Bill {
    let mut classes: BTreeMap<u64, SizeClassRow> = BTreeMap::new();
    let go_heap = program.heap();
    for (index, span) in go_heap.spans().iter().enumerate() {
        let allocated = (0..span.count())
            .filter(|slot| go_heap.is_allocated(go_heap.slot_at(index, *slot)))
            .count() as u64;
        // Objects beyond the largest class have a span each, and no room beside them.
        let class = if span.size_class() == 0 { 0 } else { span.elem_size() };
        let row = classes
            .entry(class)
            .or_insert(SizeClassRow { slot_bytes: class, ..Default::default() });
        row.span_bytes += span.range().size().get();
        row.live_bytes += allocated * span.elem_size();
    }
    let size_classes: Vec<_> = classes.into_values().collect();
    let spans: u64 = size_classes.iter().map(|row| row.span_bytes).sum();
    let stacks = go_heap.stack_bytes().get();
    let resident = program.target().resident().map(|resident| resident.get());
    let pacing = program.pacing();
    Bill {
        resident,
        reachable: heap.reachable_bytes,
        maps_own,
        garbage: heap.live_bytes.saturating_sub(heap.reachable_bytes),
        free_slots: spans.saturating_sub(heap.live_bytes),
        stacks,
        // Spans and stacks that were never touched are not resident, so that this can only be too
        // small.
        other: resident.map(|resident| outside(resident, &[spans, stacks])),
        pacing,
        goal_headroom: pacing
            .and_then(|pacing| pacing.goal)
            .map(|goal| headroom(goal.get(), heap.live_bytes)),
        limit_headroom: pacing
            .and_then(|pacing| pacing.memory_limit)
            .map(|limit| headroom(limit.get(), spans + stacks)),
        size_classes,
    }
}
