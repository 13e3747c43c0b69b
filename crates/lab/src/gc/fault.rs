//! Mistakes that a collector could make, made on purpose: folklore about Go's memory says that it
//! makes some of them, and the model shows what would follow.

use std::collections::HashMap;

use crate::pointer_map::{MapId, PointerMap, Role};

/// A mistake of the collector. None of them is Go's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Arrays of map buckets and groups are not looked into.
    MapArraysNotScanned,
    /// Every so many-th write barrier is left out.
    LostBarrier {
        /// 1 for all of them.
        every: u64,
    },
    /// The collector takes one pointer of each unit of a map's arrays to lie a word further.
    ShiftedPointer {
        /// Which, counted from 0, modulo the number of pointers.
        pointer: usize,
    },
    /// Every so many-th pointer to an overflow bucket is passed over.
    SkippedOverflow {
        /// 1 for all of them.
        every: u64,
    },
}

/// The faults in force, and how often each had its chance.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    list: Vec<Fault>,
    barriers: u64,
    overflows: u64,
    shifted: HashMap<MapId, PointerMap>,
}

impl Faults {
    pub(crate) fn new(list: Vec<Fault>) -> Self {
        Self { list, ..Self::default() }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Tells whether a write barrier is left out.
    pub(crate) fn loses_barrier(&mut self) -> bool {
        let mut is_lost = false;
        for fault in &self.list {
            if let Fault::LostBarrier { every } = *fault {
                self.barriers += 1;
                is_lost |= self.barriers.is_multiple_of(every.max(1));
            }
        }
        is_lost
    }

    /// Returns the map that the collector goes by, or nothing where it does not look at all.
    pub(crate) fn view<'a>(&'a mut self, id: MapId, map: &'a PointerMap) -> Option<&'a PointerMap> {
        if !matches!(map.role, Role::MapArray | Role::OverflowBucket) {
            return Some(map);
        }
        if self.list.contains(&Fault::MapArraysNotScanned) {
            return None;
        }
        let shifted = self.list.iter().find_map(|fault| match *fault {
            Fault::ShiftedPointer { pointer } => Some(pointer),
            _ => None,
        });
        let Some(pointer) = shifted else { return Some(map) };
        Some(self.shifted.entry(id).or_insert_with(|| {
            let mut wrong = map.clone();
            let count = wrong.offsets.len().max(1);
            if let Some(offset) = wrong.offsets.get_mut(pointer % count) {
                *offset = (*offset + 8) % wrong.unit;
            }
            wrong.offsets.sort_unstable();
            wrong
        }))
    }

    /// Tells whether the pointer at `offset` of a unit leads to an overflow bucket that is passed
    /// over.
    pub(crate) fn skips(&mut self, overflow: Option<u64>, offset: u64) -> bool {
        if overflow != Some(offset) {
            return false;
        }
        let mut is_skipped = false;
        for fault in &self.list {
            if let Fault::SkippedOverflow { every } = *fault {
                self.overflows += 1;
                is_skipped |= self.overflows.is_multiple_of(every.max(1));
            }
        }
        is_skipped
    }
}
