//! How much of the heap is what, once the walk is done.

use super::{ObjectType, Walk};

/// How much of the heap is what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attribution {
    /// Objects that are allocated.
    pub objects: u64,
    /// Their bytes, as slots.
    pub live_bytes: u64,
    /// Objects that a root reaches.
    pub reachable_objects: u64,
    /// Their bytes, as slots.
    pub reachable_bytes: u64,
    /// Bytes of reachable objects whose type is known.
    pub attributed_bytes: u64,
}

impl Walk<'_> {
    /// Adds up what was found.
    pub fn attribution(&self) -> Attribution {
        let mut sum = Attribution::default();
        for (index, span) in self.heap.spans().iter().enumerate() {
            for slot_index in 0..span.count() {
                let slot = self.heap.slot_at(index, slot_index);
                if !self.heap.is_allocated(slot) {
                    continue;
                }
                sum.objects += 1;
                sum.live_bytes += span.elem_size();
                let id = self.heap.id(slot);
                if !self.is_reachable(id) {
                    continue;
                }
                sum.reachable_objects += 1;
                sum.reachable_bytes += span.elem_size();
                sum.attributed_bytes += match self.object_type(id) {
                    None => 0,
                    Some(ObjectType::Part(ty)) => self.types.get(ty).size.min(span.elem_size()),
                    Some(_) => span.elem_size(),
                };
            }
        }
        sum
    }
}
