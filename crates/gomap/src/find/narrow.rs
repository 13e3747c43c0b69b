//! From a map of unknown type to the types it could have.
//!
//! First by its arrays: the allocator recorded a large one's type; a small one's slot size and
//! pointer words fit few of the program's bucket or group types. Then by its entries: every key
//! and elem must be a value of its type, and the key must hash to where it lies.

use std::collections::HashMap;

use tophash_goruntime::{Heap, PointerMask, Program, TypeId, TypeTable};
use tophash_memory::Address;

/// The program's map types by the type of their buckets or groups.
pub(super) struct MapTypes<'p> {
    heap: &'p Heap<'p>,
    types: &'p TypeTable<'p>,
    by_group: HashMap<TypeId, Vec<TypeId>>,
    fitting: HashMap<(u64, u64, bool), Vec<TypeId>>,
    on_stacks: HashMap<Address, (u64, PointerMask)>,
    is_classic: bool,
}

impl<'p> MapTypes<'p> {
    pub(super) fn new(program: &'p Program<'p>, is_classic: bool) -> Self {
        let mut by_group: HashMap<_, Vec<_>> = HashMap::new();
        for (id, ty) in program.types().iter() {
            // Shapes are how the compiler shares generic code; no map is ever made of one.
            if let Some(map) = ty.as_map()
                && !ty.name.contains("go.shape.")
            {
                by_group.entry(map.group).or_default().push(id);
            }
        }
        let stacks = &program.roots().stacks;
        let on_stacks = stacks
            .iter()
            .flat_map(|stack| stack.live_objects.iter().chain(&stack.dead_objects))
            .map(|object| (object.range.start(), (object.range.size().get(), object.mask.clone())))
            .collect();
        Self {
            heap: program.heap(),
            types: program.types(),
            by_group,
            fitting: HashMap::new(),
            on_stacks,
            is_classic,
        }
    }

    /// Returns the map types with a bucket or group type.
    pub(super) fn with_group(&self, group: TypeId) -> &[TypeId] {
        self.by_group.get(&group).map_or(&[], Vec::as_slice)
    }

    /// Returns the bucket or group types of which `units` fit into the object at `at`.
    ///
    /// In a frame, where small maps can live, the function's list of objects tells size and
    /// pointers.
    pub(super) fn groups_at(&mut self, at: Address, units: u64) -> Vec<TypeId> {
        let Some(slot) = self.heap.object_holding(at) else {
            let on_stack = self.on_stacks.get(&at);
            return self
                .by_group
                .keys()
                .copied()
                .filter(|group| {
                    on_stack.is_none_or(|(size, mask)| {
                        self.types.get(*group).size == *size
                            && self.types.mask(*group).iter().eq(mask.iter())
                    })
                })
                .collect();
        };
        if self.heap.object_start(slot) != at {
            return Vec::new();
        }
        if let Some(recorded) = self.heap.recorded_type(slot)
            && let Some(ty) = self.types.by_descriptor(recorded)
        {
            return match self.by_group.contains_key(&ty) {
                true => vec![ty],
                false => Vec::new(),
            };
        }
        let span = self.heap.span(slot.span);
        let key = (units, span.elem_size(), span.is_noscan());
        if !self.fitting.contains_key(&key) {
            let found = self.fitting_sizes(units, span.elem_size(), span.is_noscan());
            self.fitting.insert(key, found);
        }
        let fitting = &self.fitting[&key];
        let words = (self.heap.usable(slot.span) / 8) as usize;
        fitting
            .iter()
            .copied()
            .filter(|group| {
                let per_group = (self.types.get(*group).size / 8) as usize;
                let mask = self.types.mask(*group);
                let count = (per_group * units.min(16) as usize).min(words);
                span.is_noscan()
                    || (0..count).all(|word| {
                        self.heap.is_pointer_word(self.types, slot, word)
                            == mask.contains(word % per_group)
                    })
            })
            .collect()
    }

    fn fitting_sizes(&self, units: u64, slot_size: u64, is_noscan: bool) -> Vec<TypeId> {
        // A classic array of 16 buckets or more has a sixteenth more for overflow.
        let units = match self.is_classic && units >= 16 {
            true => units + (units >> 4),
            false => units,
        };
        self.by_group
            .keys()
            .copied()
            .filter(|group| {
                let ty = self.types.get(*group);
                let Some(size) = ty.size.checked_mul(units) else { return false };
                (ty.pointer_bytes == 0) == is_noscan
                    && self.heap.size_classes().slot_size(size, is_noscan) == slot_size
            })
            .collect()
    }
}
