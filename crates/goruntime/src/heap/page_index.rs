//! From address to span: one table of spans for each arena that holds any, four bytes a page.

use tophash_memory::Address;

use super::{ARENA, PAGE, Span, SpanId};

const PAGES_PER_ARENA: usize = (ARENA / PAGE) as usize;
const NONE: u32 = u32::MAX;
/// Arenas between the lowest and the highest one: 2^21 of 64 MiB span the whole 47-bit space.
const MAX_ARENAS: u64 = 1 << 21;

#[derive(Default)]
pub(super) struct PageIndex {
    first_arena: u64,
    arenas: Vec<Option<Box<[u32]>>>,
}

impl PageIndex {
    /// Indexes spans, which come in order of address.
    pub(super) fn of(spans: &[Span]) -> Self {
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            return Self::default();
        };
        let first_arena = first.range().start().get() / ARENA;
        let count = (last.range().end().get() / ARENA).saturating_sub(first_arena) + 1;
        let mut index = Self { first_arena, arenas: Vec::new() };
        index.arenas.resize_with(count.min(MAX_ARENAS) as usize, || None);
        for (number, span) in spans.iter().enumerate() {
            let mut at = span.range().start().get();
            while at < span.range().end().get() {
                let arena = (at / ARENA).saturating_sub(first_arena) as usize;
                if let Some(arena) = index.arenas.get_mut(arena) {
                    let pages =
                        arena.get_or_insert_with(|| vec![NONE; PAGES_PER_ARENA].into_boxed_slice());
                    pages[(at % ARENA / PAGE) as usize] = number as u32;
                }
                at += PAGE;
            }
        }
        index
    }

    #[inline]
    pub(super) fn span_of(&self, at: Address) -> Option<SpanId> {
        let at = at.get();
        let arena = (at / ARENA).wrapping_sub(self.first_arena);
        let pages = self.arenas.get(usize::try_from(arena).ok()?)?.as_ref()?;
        let span = pages[(at % ARENA / PAGE) as usize];
        (span != NONE).then_some(SpanId(span))
    }
}
