//! Spans: runs of pages with slots of one size (`runtime.mspan`).

use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use super::locate::HeapRoot;
use super::{ARENA, PAGE};
use crate::error::Error;
use crate::layout::{Field, LayoutTable};

/// `mSpanInUse` and `mSpanManual` (stacks).
const IN_USE: u64 = 1;
const MANUAL: u64 = 2;
/// Objects with pointers over this size have a header from Go 1.22 on, in spans of a size class.
const HEADER_ABOVE: u64 = 512;
/// Go's page allocator can't hand out more pages than the address space has.
const MAX_PAGES: u64 = 1 << 34;

/// Index of a span, in order of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpanId(pub(crate) u32);

impl SpanId {
    /// Returns the position in [`super::Heap::spans`].
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A span in use for objects.
#[derive(Debug, Clone)]
pub struct Span {
    start: Address,
    pages: u64,
    elem_size: u64,
    reciprocal: u64,
    count: u32,
    free_index: u32,
    first: u32,
    size_class: u8,
    is_noscan: bool,
    has_headers: bool,
    has_inline_marks: bool,
    alloc_bits: Address,
    large_type: Address,
    specials: Address,
}

impl Span {
    /// Returns the span's pages.
    pub fn range(&self) -> AddressRange {
        AddressRange::from_size(self.start, ByteSize::new(self.pages * PAGE))
    }

    /// Returns the size of a slot in bytes.
    #[inline]
    pub fn elem_size(&self) -> u64 {
        self.elem_size
    }

    /// Returns how many slots there are.
    #[inline]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Returns the number of the first slot.
    #[inline]
    pub fn first(&self) -> u32 {
        self.first
    }

    /// Returns the size class; 0 for a single large object.
    pub fn size_class(&self) -> u8 {
        self.size_class
    }

    /// Tells whether the objects hold no pointers.
    #[inline]
    pub fn is_noscan(&self) -> bool {
        self.is_noscan
    }

    /// Returns the bytes before each object that hold its type.
    #[inline]
    pub fn header_size(&self) -> u64 {
        if self.has_headers { 8 } else { 0 }
    }

    /// Tells whether the span's last 128 bytes are mark bits (Go 1.25's collector).
    pub fn has_inline_marks(&self) -> bool {
        self.has_inline_marks
    }

    /// Makes a span of what a heap dump tells of its objects.
    pub(super) fn of_dump(
        start: Address,
        pages: u64,
        elem_size: u64,
        count: u32,
        size_class: u8,
        is_noscan: bool,
        has_headers: bool,
    ) -> Self {
        let mut span = Self {
            start,
            pages,
            elem_size,
            reciprocal: 0,
            count,
            free_index: 0,
            first: 0,
            size_class,
            is_noscan,
            has_headers: false,
            has_inline_marks: false,
            alloc_bits: Address::NULL,
            large_type: Address::NULL,
            specials: Address::NULL,
        };
        span.derive(has_headers);
        span
    }

    /// Fills in what follows from size, class and release.
    fn derive(&mut self, has_headers: bool) {
        self.reciprocal = (1u64 << 32).div_ceil(self.elem_size);
        self.has_headers =
            has_headers && !self.is_noscan && self.size_class != 0 && self.elem_size > HEADER_ABOVE;
    }

    pub(super) fn set_first(&mut self, first: u32) {
        self.first = first;
    }

    pub(super) fn free_index(&self) -> u32 {
        self.free_index
    }

    pub(super) fn alloc_bits(&self) -> Address {
        self.alloc_bits
    }

    pub(super) fn large_type(&self) -> Address {
        self.large_type
    }

    pub(super) fn first_special(&self) -> Address {
        self.specials
    }

    /// Returns the index of the slot that holds an address of the span.
    #[inline]
    pub(super) fn slot_index(&self, at: Address) -> Option<u32> {
        let offset = at.get() - self.start.get();
        // Spans of small objects are at most 10 pages, where this multiplication is exact; larger
        // ones hold one object.
        let index = match self.count {
            1 => offset / self.elem_size,
            _ => offset.wrapping_mul(self.reciprocal) >> 32,
        };
        (index < u64::from(self.count)).then_some(index as u32)
    }
}

struct SpanFields {
    size: u64,
    start: Field,
    pages: Field,
    elem_size: Field,
    count: Field,
    free_index: Field,
    span_class: Field,
    state: Field,
    alloc_bits: Field,
    specials: Field,
    large_type: Option<Field>,
    inline_marks: Option<Field>,
}

impl SpanFields {
    fn new(layout: &LayoutTable) -> Result<Self, Error> {
        let field = |name| layout.field("runtime.mspan", name);
        Ok(Self {
            size: layout.size_of(&["runtime.mspan"])?,
            start: field("startAddr")?,
            pages: field("npages")?,
            elem_size: field("elemsize")?,
            count: field("nelems")?,
            free_index: field("freeindex")?,
            span_class: field("spanclass")?,
            state: field("state")?,
            alloc_bits: field("allocBits")?,
            specials: field("specials")?,
            large_type: layout.find("runtime.mspan", "largeType"),
            inline_marks: layout.find("runtime.heapArena", "pageUseSpanInlineMarkBits"),
        })
    }

    fn read(&self, bytes: &[u8]) -> Option<Span> {
        let class = self.span_class.get(bytes);
        let mut span = Span {
            start: Address::new(self.start.get(bytes)),
            pages: self.pages.get(bytes),
            elem_size: self.elem_size.get(bytes),
            reciprocal: 0,
            count: u32::try_from(self.count.get(bytes)).ok()?,
            free_index: 0,
            first: 0,
            size_class: (class >> 1) as u8,
            is_noscan: class & 1 != 0,
            has_headers: false,
            has_inline_marks: false,
            alloc_bits: Address::new(self.alloc_bits.get(bytes)),
            large_type: Address::new(self.large_type.map_or(0, |field| field.get(bytes))),
            specials: Address::new(self.specials.get(bytes)),
        };
        let sound = span.start.is_aligned(PAGE)
            && (1..=MAX_PAGES).contains(&span.pages)
            && span.elem_size >= 8
            && span.elem_size.is_multiple_of(8)
            && u64::from(span.count) * span.elem_size <= span.pages * PAGE;
        if !sound {
            return None;
        }
        span.free_index = u32::try_from(self.free_index.get(bytes)).ok()?.min(span.count);
        span.derive(self.large_type.is_some());
        Some(span)
    }
}

/// Reads every span in use, by address, and how many bytes are stacks.
pub(super) fn read_all(
    memory: &dyn Memory,
    root: &HeapRoot,
    layout: &LayoutTable,
    diagnostics: &mut Vec<String>,
) -> Result<(Vec<Span>, ByteSize), Error> {
    let fields = SpanFields::new(layout)?;
    let (list, len) = root.all_spans;
    let pointers = memory
        .read_bytes(list, ByteSize::new(8) * len)
        .map_err(Error::unreadable("the list of spans", list))?;
    let mut spans = Vec::new();
    let mut stacks = ByteSize::ZERO;
    let mut bad = 0_u64;
    let mut buffer = vec![0; usize::try_from(fields.size).unwrap_or(0)];
    for pointer in pointers.as_chunks::<8>().0 {
        let at = Address::new(u64::from_le_bytes(*pointer));
        if memory.read(at, &mut buffer).is_err() {
            bad += 1;
            continue;
        }
        match fields.state.get(&buffer) {
            IN_USE => match fields.read(&buffer) {
                Some(span) => spans.push(span),
                None => bad += 1,
            },
            MANUAL => stacks += ByteSize::new(PAGE) * fields.pages.get(&buffer).min(MAX_PAGES),
            _ => {}
        }
    }
    spans.sort_by_key(|span| span.start);
    // A span that is being freed and taken again while an unfrozen process is read can show twice.
    let before = spans.len();
    let mut end = Address::NULL;
    spans.retain(|span| {
        let apart = span.start >= end;
        if apart {
            end = span.range().end();
        }
        apart
    });
    bad += (before - spans.len()) as u64;
    if bad > 0 {
        diagnostics.push(format!("{bad} spans were damaged or changing and are left out"));
    }
    if let Some(field) = fields.inline_marks {
        mark_inline(memory, root, field, &mut spans);
    }
    Ok((spans, stacks))
}

/// Notes which spans keep mark bits at their end: a bit for each page of the arena.
fn mark_inline(memory: &dyn Memory, root: &HeapRoot, field: Field, spans: &mut [Span]) {
    let mut current = None;
    for span in spans {
        let arena = span.start.align_down(ARENA);
        if current.as_ref().is_none_or(|(of, _)| *of != arena) {
            let bits = root
                .heap_arena(memory, arena)
                .and_then(|at| memory.read_bytes(field.of(at), ByteSize::new(field.size)).ok());
            current = Some((arena, bits));
        }
        let page = ((span.start - arena).get() / PAGE) as usize;
        span.has_inline_marks = matches!(&current, Some((_, Some(bits)))
            if bits.get(page / 8).is_some_and(|byte| byte >> (page % 8) & 1 != 0));
    }
}
