//! The bytes of a span's slots: in one piece, as the target's memory has them, or slot by slot, as a
//! heap dump does. Either way they are borrowed where that is possible.

use std::borrow::Cow;

use tophash_memory::HeapDump;

pub(super) enum Contents<'m> {
    /// All slots, one after the other; empty where they could not be read.
    Whole(Cow<'m, [u8]>),
    /// Objects of a heap dump.
    Objects(Objects<'m>),
}

impl Contents<'_> {
    /// Returns a slot's bytes; empty where there are none.
    #[inline]
    pub(super) fn slot(&self, index: u32, elem_size: u64) -> &[u8] {
        match self {
            Self::Whole(bytes) => {
                let start = (u64::from(index) * elem_size) as usize;
                bytes.get(start..start + elem_size as usize).unwrap_or_default()
            }
            Self::Objects(objects) => objects.slot(index),
        }
    }
}

/// Which slots of a span a heap dump has objects for. These are numbered one after the other, so the
/// number of one is that of the span's first plus how many slots before it are filled: a bit a slot
/// and a count for 64 of them, where a number a slot would let a dump of single objects far apart
/// take hundreds of times its own size.
pub(super) struct Objects<'m> {
    dump: &'m HeapDump,
    first: usize,
    filled: Box<[Filled]>,
}

#[derive(Clone, Copy, Default)]
struct Filled {
    bits: u64,
    before: u32,
}

impl<'m> Objects<'m> {
    /// Makes the record of a span with so many slots, whose first object has this number.
    pub(super) fn new(dump: &'m HeapDump, first: usize, slots: usize) -> Self {
        let filled = vec![Filled::default(); slots.div_ceil(64)].into();
        Self { dump, first, filled }
    }

    /// Notes the slot of the next object; slots come in order.
    pub(super) fn fill(&mut self, slot: u32) {
        for chunk in self.filled.iter_mut().skip(slot as usize / 64 + 1) {
            chunk.before += 1;
        }
        if let Some(chunk) = self.filled.get_mut(slot as usize / 64) {
            chunk.bits |= 1 << (slot % 64);
        }
    }

    /// Tells whether a slot has an object.
    pub(super) fn has(&self, slot: u32) -> bool {
        self.filled.get(slot as usize / 64).is_some_and(|chunk| chunk.bits >> (slot % 64) & 1 != 0)
    }

    #[inline]
    fn slot(&self, index: u32) -> &'m [u8] {
        let Some(chunk) = self.filled.get(index as usize / 64) else { return &[] };
        let below = chunk.bits & ((1 << (index % 64)) - 1);
        if chunk.bits >> (index % 64) & 1 == 0 {
            return &[];
        }
        let number = self.first + (chunk.before + below.count_ones()) as usize;
        self.dump.object(number).map_or(&[], |object| object.bytes())
    }
}
