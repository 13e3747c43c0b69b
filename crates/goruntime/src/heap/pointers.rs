//! Which words of a span's objects the collector follows, in each of the allocator's three designs.
//!
//! - Go 1.19: a bitmap an arena, two bits a word: *pointer*, and *scan*, which is clear from the
//!   word after an object's last pointer on (`runtime/mbitmap.go`).
//! - Go 1.20 and 1.21: one bit a word, and a second bitmap, one bit for 64 words: *no more
//!   pointers* in the object behind these words, whose bits are stale.
//! - From Go 1.22: objects up to 512 bytes have one bit a word at the end of their span (before
//!   the 128 bytes of mark bits where the newer collector keeps them there); larger ones carry
//!   their type in a header word, and a large span names its one type.
//!
//! The first two are brought into the form of the third when the heap is opened, one bit a word.

use std::borrow::Cow;

use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use super::locate::HeapRoot;
use super::{ARENA, Span};
use crate::error::Error;
use crate::layout::{Field, LayoutTable};

/// Bytes of mark bits at a span's end (`runtime.spanInlineMarkBits`).
const INLINE_MARKS: usize = 128;

pub(super) enum SpanPointers<'m> {
    /// No object holds a pointer.
    None,
    /// One bit for each word of the span's slots.
    Bits(Bits<'m>),
    /// Each object's type stands before it.
    Headers,
    /// One object, of the type of this descriptor.
    OneType(Address),
}

/// A bit for each word, lowest first.
pub(super) struct Bits<'m> {
    bytes: Cow<'m, [u8]>,
}

impl Bits<'_> {
    pub(super) fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into() }
    }

    pub(super) fn is_set(&self, word: usize) -> bool {
        self.bytes.get(word / 8).is_some_and(|byte| byte >> (word % 8) & 1 != 0)
    }

    /// Calls `visit` with each set bit of `count` from `start`, counted from `start`.
    #[inline]
    pub(super) fn for_each(&self, start: usize, count: usize, mut visit: impl FnMut(usize)) {
        let mut done = 0;
        while done < count {
            let at = start + done;
            let taken = (64 - at % 64).min(count - done);
            let mut bits = self.chunk(at / 64) >> (at % 64);
            if taken < 64 {
                bits &= (1 << taken) - 1;
            }
            while bits != 0 {
                visit(done + bits.trailing_zeros() as usize);
                bits &= bits - 1;
            }
            done += taken;
        }
    }

    /// Returns up to 64 bits from `start`.
    #[inline]
    pub(super) fn word(&self, start: usize, count: usize) -> u64 {
        let (index, shift) = (start / 64, start % 64);
        let mut bits = self.chunk(index) >> shift;
        if shift + count > 64 {
            bits |= self.chunk(index + 1) << (64 - shift);
        }
        if count < 64 {
            bits &= (1 << count) - 1;
        }
        bits
    }

    #[inline]
    fn chunk(&self, index: usize) -> u64 {
        let rest = self.bytes.get(8 * index..).unwrap_or_default();
        match rest.first_chunk::<8>() {
            Some(chunk) => u64::from_le_bytes(*chunk),
            None => rest.iter().rev().fold(0, |bits, byte| bits << 8 | u64::from(*byte)),
        }
    }
}

/// Where this release keeps its bitmaps.
pub(super) struct Design<'r> {
    root: &'r HeapRoot,
    kind: DesignKind,
}

enum DesignKind {
    TwoBits { bitmap: Field },
    OneBit { bitmap: Field, no_more: Field },
    InSpan,
}

impl<'r> Design<'r> {
    pub(super) fn new(layout: &LayoutTable, root: &'r HeapRoot) -> Result<Self, Error> {
        let arena = |name| layout.find("runtime.heapArena", name);
        let kind = match (arena("bitmap"), arena("noMorePtrs")) {
            (Some(bitmap), Some(no_more)) => DesignKind::OneBit { bitmap, no_more },
            (Some(bitmap), None) => DesignKind::TwoBits { bitmap },
            _ => {
                layout.field("runtime.mspan", "largeType")?;
                DesignKind::InSpan
            }
        };
        Ok(Self { root, kind })
    }

    pub(super) fn of<'m>(
        &self,
        memory: &'m dyn Memory,
        span: &Span,
        contents: &[u8],
    ) -> SpanPointers<'m> {
        if span.is_noscan() {
            return SpanPointers::None;
        }
        match self.kind {
            DesignKind::InSpan if span.size_class() == 0 => {
                SpanPointers::OneType(span.large_type())
            }
            DesignKind::InSpan if span.header_size() > 0 => SpanPointers::Headers,
            DesignKind::InSpan => SpanPointers::Bits(Bits {
                bytes: in_span(memory, span, contents).unwrap_or_default(),
            }),
            DesignKind::TwoBits { bitmap } => {
                SpanPointers::Bits(self.two_bits(memory, span, bitmap))
            }
            DesignKind::OneBit { bitmap, no_more } => {
                SpanPointers::Bits(self.one_bit(memory, span, bitmap, no_more))
            }
        }
    }

    /// Yields the parts of a span's slots that lie in one arena each: the arena's record, the first
    /// word's index in the arena and in the span, and how many words.
    fn parts(&self, memory: &dyn Memory, span: &Span) -> Vec<(Address, u64, u64, u64)> {
        let start = span.range().start().get();
        let end = start + u64::from(span.count()) * span.elem_size();
        let mut parts = Vec::new();
        let mut at = start;
        while at < end {
            let next = end.min((at / ARENA + 1) * ARENA);
            if let Some(arena) = self.root.heap_arena(memory, Address::new(at)) {
                parts.push((arena, at % ARENA / 8, (at - start) / 8, (next - at) / 8));
            }
            at = next;
        }
        parts
    }

    fn two_bits<'m>(&self, memory: &'m dyn Memory, span: &Span, bitmap: Field) -> Bits<'m> {
        let words = (u64::from(span.count()) * span.elem_size() / 8) as usize;
        let per_slot = (span.elem_size() / 8) as usize;
        let mut out = vec![0u8; words.div_ceil(8)];
        let mut ended = false;
        for (arena, in_arena, in_span, count) in self.parts(memory, span) {
            // A byte describes four words: the low half says pointer, the high half says scan.
            let first = in_arena / 4;
            let len = (in_arena + count).div_ceil(4) - first;
            let at = bitmap.of(arena) + ByteSize::new(first);
            let Ok(bytes) = memory.read_bytes(at, ByteSize::new(len)) else { continue };
            for offset in 0..count {
                let bit = in_arena + offset;
                let word = (in_span + offset) as usize;
                if word.is_multiple_of(per_slot) {
                    ended = false;
                }
                let byte = bytes[(bit / 4 - first) as usize] >> (bit % 4);
                // A clear scan bit ends the object's pointers; what follows in its slot is stale.
                ended |= byte & 0x10 == 0;
                if byte & 1 != 0 && !ended {
                    out[word / 8] |= 1 << (word % 8);
                }
            }
        }
        Bits { bytes: out.into() }
    }

    fn one_bit<'m>(
        &self,
        memory: &'m dyn Memory,
        span: &Span,
        bitmap: Field,
        no_more: Field,
    ) -> Bits<'m> {
        let words = (u64::from(span.count()) * span.elem_size() / 8) as usize;
        let per_slot = (span.elem_size() / 8) as usize;
        let mut out = vec![0u8; words.div_ceil(8)];
        let mut ends = Vec::new();
        for (arena, in_arena, in_span, count) in self.parts(memory, span) {
            let first = in_arena / 8;
            let len = (in_arena + count).div_ceil(8) - first;
            let at = bitmap.of(arena) + ByteSize::new(first);
            let Ok(bytes) = memory.read_bytes(at, ByteSize::new(len)) else { continue };
            for offset in 0..count {
                let bit = in_arena + offset;
                if bytes[(bit / 8 - first) as usize] >> (bit % 8) & 1 != 0 {
                    let word = (in_span + offset) as usize;
                    out[word / 8] |= 1 << (word % 8);
                }
            }
            // One bit of the second bitmap stands for 64 words of the first.
            let (low, high) = (in_arena / 64, (in_arena + count).div_ceil(64));
            let at = no_more.of(arena) + ByteSize::new(low / 8);
            let Ok(bytes) = memory.read_bytes(at, ByteSize::new(high.div_ceil(8) - low / 8)) else {
                continue;
            };
            for chunk in low..high {
                if bytes[(chunk / 8 - low / 8) as usize] >> (chunk % 8) & 1 != 0 {
                    let end = ((chunk + 1) * 64).saturating_sub(in_arena) + in_span;
                    ends.push(end as usize);
                }
            }
        }
        for end in ends {
            // Behind these words, up to the slot's end, the bits are stale.
            if !end.is_multiple_of(per_slot) {
                let slot_end = (end / per_slot + 1) * per_slot;
                for word in end..slot_end.min(words) {
                    out[word / 8] &= !(1 << (word % 8));
                }
            }
        }
        Bits { bytes: out.into() }
    }
}

/// Takes the bitmap at a span's end.
fn in_span<'m>(memory: &'m dyn Memory, span: &Span, contents: &[u8]) -> Option<Cow<'m, [u8]>> {
    let total = usize::try_from(span.range().size().get()).ok()?;
    if contents.len() != total {
        return None;
    }
    // One bit for each word of all pages, the bitmap's own included.
    let len = total / 64;
    let marks = if span.has_inline_marks() { INLINE_MARKS } else { 0 };
    let offset = total.checked_sub(len + marks)?;
    let at = span.range().start() + ByteSize::new(offset as u64);
    memory.read_bytes(at, ByteSize::new(len as u64)).ok()
}
