//! Go's heap as the allocator keeps it: arenas, spans, slots (`runtime/mheap.go`, `mcache.go`).
//!
//! The heap is a set of *spans*, runs of 8 KiB pages that hold slots of one size. A slot is an
//! *object* where its index is below the span's free index or its allocation bit is set. Objects
//! are numbered through all spans in order of address, so that a walk can keep its state in flat
//! arrays: [`ObjectId`].
//!
//! Looking an address up costs two table reads and a multiplication: page to span, then offset to
//! slot by the span's reciprocal.

mod contents;
mod dumped;
mod free;
mod locate;
mod page_index;
mod pointers;
mod size_classes;
mod span;
mod specials;

pub(crate) use free::free_pages;
pub use size_classes::SizeClasses;
pub use span::{Span, SpanId};
pub use specials::{Special, SpecialKind};

use std::borrow::Cow;

use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use self::contents::Contents;
use self::page_index::PageIndex;
use self::pointers::SpanPointers;
use self::specials::Specials;
use crate::error::Error;
use crate::layout::{Field, LayoutTable};
use crate::module_data::ModuleData;
use crate::types::TypeTable;
use crate::version::GoVersion;

/// Bytes of a heap page (`internal/runtime/gc.PageSize`, the same since Go 1.4).
pub const PAGE: u64 = 8192;
/// Bytes of a heap arena on 64-bit Linux (`runtime.heapArenaBytes`).
pub const ARENA: u64 = 64 << 20;

/// Number of an allocated or free slot, over all spans in order of address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId(pub(crate) u32);

impl ObjectId {
    /// Returns the position in arrays over all slots.
    pub fn index(self) -> usize {
        self.0 as usize
    }

    /// Makes the id of a position.
    pub fn from_index(index: usize) -> Self {
        Self(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

/// A slot, by its span and its index there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The span.
    pub span: SpanId,
    /// The index in the span.
    pub index: u32,
}

/// The whole heap.
pub struct Heap<'m> {
    memory: &'m dyn Memory,
    spans: Vec<Span>,
    pages: PageIndex,
    contents: Vec<Contents<'m>>,
    pointers: Vec<SpanPointers<'m>>,
    allocated: Vec<u64>,
    slots: u32,
    /// For each [`BLOCK`] of object numbers, the span of the first.
    blocks: Vec<u32>,
    size_classes: SizeClasses,
    specials: Specials,
    stack_bytes: ByteSize,
    diagnostics: Vec<String>,
}

impl<'m> Heap<'m> {
    /// Finds the heap of a program and reads its spans.
    ///
    /// # Errors
    ///
    /// [`Error::NoHeap`] where it is not found, and where its list of spans can't be read.
    pub fn read(
        memory: &'m dyn Memory,
        module: &ModuleData,
        version: &GoVersion,
        layout: &LayoutTable,
    ) -> Result<Self, Error> {
        let root = locate::HeapRoot::find(memory, module, version, layout)?;
        let mut diagnostics = Vec::new();
        let (spans, stack_bytes) = span::read_all(memory, &root, layout, &mut diagnostics)?;
        let mut heap = Self::empty(memory, SizeClasses::new(layout, version), diagnostics);
        heap.specials = Specials::InMemory(specials::SpecialFields::new(layout)?);
        heap.stack_bytes = stack_bytes;
        let mut lost = ByteSize::ZERO;
        let designs = pointers::Design::new(layout, &root)?;
        for span in spans {
            let contents = match memory.read_bytes(span.range().start(), span.range().size()) {
                Ok(contents) => contents,
                Err(_) => {
                    lost += span.range().size();
                    Cow::Borrowed(&[][..])
                }
            };
            let pointers = designs.of(memory, &span, &contents);
            let bits = allocation_bits(memory, &span);
            let free_index = span.free_index() as usize;
            let is_allocated = |index: usize| {
                index < free_index
                    || bits.get(index / 8).is_some_and(|byte| byte >> (index % 8) & 1 != 0)
            };
            if !heap.add_span(span, Contents::Whole(contents), pointers, is_allocated) {
                break;
            }
        }
        heap.finish();
        if lost != ByteSize::ZERO {
            heap.diagnostics.push(format!(
                "{} bytes of heap spans could not be read: objects and maps in them are missing",
                lost.get()
            ));
        }
        Ok(heap)
    }

    fn empty(memory: &'m dyn Memory, size_classes: SizeClasses, diagnostics: Vec<String>) -> Self {
        Self {
            memory,
            spans: Vec::new(),
            pages: PageIndex::default(),
            contents: Vec::new(),
            pointers: Vec::new(),
            allocated: Vec::new(),
            slots: 0,
            blocks: Vec::new(),
            size_classes,
            specials: Specials::Listed(Vec::new()),
            stack_bytes: ByteSize::ZERO,
            diagnostics,
        }
    }

    /// Adds the next span by address; false where its slots can't be numbered any more.
    fn add_span(
        &mut self,
        mut span: Span,
        contents: Contents<'m>,
        pointers: SpanPointers<'m>,
        is_allocated: impl Fn(usize) -> bool,
    ) -> bool {
        let first = self.slots;
        let Some(slots) = first.checked_add(span.count()) else {
            let cut = "more than 4 billion slots: the rest is left out";
            if self.diagnostics.last().is_none_or(|last| last != cut) {
                self.diagnostics.push(cut.to_owned());
            }
            return false;
        };
        span.set_first(first);
        self.slots = slots;
        self.allocated.resize((slots as usize).div_ceil(64), 0);
        for index in (0..span.count() as usize).filter(|index| is_allocated(*index)) {
            let id = first as usize + index;
            self.allocated[id / 64] |= 1 << (id % 64);
        }
        self.pointers.push(pointers);
        self.contents.push(contents);
        self.spans.push(span);
        true
    }

    /// Indexes the spans once all are there.
    fn finish(&mut self) {
        self.pages = PageIndex::of(&self.spans);
        self.blocks = blocks(&self.spans, self.slots);
    }

    /// Tells whether the heap is found by a layout: the check of a version that is only guessed.
    pub(crate) fn is_at_home(
        memory: &dyn Memory,
        module: &ModuleData,
        version: &GoVersion,
        layout: &LayoutTable,
    ) -> bool {
        locate::HeapRoot::find(memory, module, version, layout).is_ok()
    }

    /// Returns the memory that the heap lies in.
    pub fn memory(&self) -> &'m dyn Memory {
        self.memory
    }

    /// Returns every span in use for objects, by address.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Returns a span.
    ///
    /// # Panics
    ///
    /// Panics where the id is of another heap.
    pub fn span(&self, id: SpanId) -> &Span {
        &self.spans[id.index()]
    }

    /// Returns how many slots there are, allocated or free: the bound of every [`ObjectId`].
    pub fn slot_count(&self) -> usize {
        self.slots as usize
    }

    /// Returns how many bytes of spans are stacks.
    pub fn stack_bytes(&self) -> ByteSize {
        self.stack_bytes
    }

    /// Returns the slot sizes of this release.
    pub fn size_classes(&self) -> &SizeClasses {
        &self.size_classes
    }

    /// Returns what could not be read.
    pub fn diagnostics(&self) -> &[String] {
        &self.diagnostics
    }

    /// Finds the slot that holds an address, allocated or free.
    #[inline]
    pub fn slot_holding(&self, at: Address) -> Option<Slot> {
        let span = self.pages.span_of(at)?;
        let index = self.spans[span.index()].slot_index(at)?;
        Some(Slot { span, index })
    }

    /// Finds the object that holds an address.
    #[inline]
    pub fn object_holding(&self, at: Address) -> Option<Slot> {
        self.slot_holding(at).filter(|slot| self.is_allocated(*slot))
    }

    /// Tells whether a slot holds an object.
    #[inline]
    pub fn is_allocated(&self, slot: Slot) -> bool {
        let id = self.id(slot).index();
        self.allocated[id / 64] >> (id % 64) & 1 != 0
    }

    /// Returns a slot's number.
    #[inline]
    pub fn id(&self, slot: Slot) -> ObjectId {
        ObjectId(self.spans[slot.span.index()].first() + slot.index)
    }

    /// Returns a slot by the positions of its span and in it.
    #[inline]
    pub fn slot_at(&self, span: usize, index: u32) -> Slot {
        Slot { span: SpanId(span as u32), index }
    }

    /// Returns the slot of a number.
    ///
    /// # Panics
    ///
    /// Panics where the number is of another heap.
    #[inline]
    pub fn slot(&self, id: ObjectId) -> Slot {
        let mut index = self.blocks[(id.0 / BLOCK) as usize] as usize;
        // Spans without slots share their first number with the next one, which comes after them.
        while self.spans.get(index + 1).is_some_and(|next| next.first() <= id.0) {
            index += 1;
        }
        Slot { span: SpanId(index as u32), index: id.0 - self.spans[index].first() }
    }

    /// Returns where a slot starts, its malloc header included.
    #[inline]
    pub fn slot_start(&self, slot: Slot) -> Address {
        let span = &self.spans[slot.span.index()];
        span.range().start() + ByteSize::new(u64::from(slot.index) * span.elem_size())
    }

    /// Returns where a slot's object starts: after the malloc header, where there is one.
    #[inline]
    pub fn object_start(&self, slot: Slot) -> Address {
        self.slot_start(slot) + ByteSize::new(self.spans[slot.span.index()].header_size())
    }

    /// Returns the bytes that a slot's object may use.
    #[inline]
    pub fn usable(&self, span: SpanId) -> u64 {
        let span = &self.spans[span.index()];
        span.elem_size() - span.header_size()
    }

    /// Returns the bytes of a slot's object, without its malloc header; empty where they could not
    /// be read.
    #[inline]
    pub fn object_bytes(&self, slot: Slot) -> &[u8] {
        let span = &self.spans[slot.span.index()];
        self.slot_bytes(slot).get(span.header_size() as usize..).unwrap_or_default()
    }

    /// Returns the bytes of a whole slot; empty where they could not be read.
    #[inline]
    fn slot_bytes(&self, slot: Slot) -> &[u8] {
        let elem_size = self.spans[slot.span.index()].elem_size();
        self.contents[slot.span.index()].slot(slot.index, elem_size)
    }

    /// Returns the type that the allocator recorded for an object (from Go 1.22, for objects over
    /// 512 bytes with pointers): the descriptor's address.
    pub fn recorded_type(&self, slot: Slot) -> Option<Address> {
        match &self.pointers[slot.span.index()] {
            SpanPointers::Headers => {
                let word = self.slot_bytes(slot).first_chunk::<8>()?;
                Some(Address::new(u64::from_le_bytes(*word))).filter(|at| !at.is_null())
            }
            SpanPointers::OneType(at) => Some(*at).filter(|at| !at.is_null()),
            _ => None,
        }
    }

    /// Calls `visit` with each pointer word of an object, as the collector would scan it: the
    /// word's index from the object's start, and its value. Words that are nil are left out.
    #[inline]
    pub fn for_each_pointer(
        &self,
        types: &TypeTable<'_>,
        slot: Slot,
        mut visit: impl FnMut(usize, Address),
    ) {
        let bytes = self.object_bytes(slot);
        let (words, _) = bytes.as_chunks::<8>();
        let mut each = |word: usize| {
            if let Some(value) = words.get(word) {
                let value = u64::from_le_bytes(*value);
                if value != 0 {
                    visit(word, Address::new(value));
                }
            }
        };
        match &self.pointers[slot.span.index()] {
            SpanPointers::None => {}
            SpanPointers::Bits(bits) => {
                let per_slot = (self.spans[slot.span.index()].elem_size() / 8) as usize;
                bits.for_each(slot.index as usize * per_slot, per_slot, each);
            }
            SpanPointers::Headers | SpanPointers::OneType(_) => {
                let Some(at) = self.recorded_type(slot) else { return };
                let mut tile = |size: u64, mask: &crate::types::PointerMask| {
                    let step = (size / 8).max(1) as usize;
                    for start in (0..words.len()).step_by(step) {
                        mask.iter().for_each(|word| each(start + word));
                    }
                };
                match types.by_descriptor(at) {
                    Some(id) => tile(types.get(id).size, types.mask(id)),
                    None => {
                        if let Some((size, mask)) = types.unrolled_mask(self.memory, at) {
                            tile(size, &mask);
                        }
                    }
                }
            }
        }
    }

    /// Returns the pointer words of an object of at most 64 words, one bit each; `None` for others,
    /// and where the pointers stand in the object's type.
    #[inline]
    pub fn small_pointer_mask(&self, slot: Slot) -> Option<u64> {
        let per_slot = (self.spans[slot.span.index()].elem_size() / 8) as usize;
        match &self.pointers[slot.span.index()] {
            SpanPointers::Bits(bits) if per_slot <= 64 => {
                Some(bits.word(slot.index as usize * per_slot, per_slot))
            }
            SpanPointers::None => Some(0),
            _ => None,
        }
    }

    /// Tells whether a word of an object is one that the collector follows.
    pub fn is_pointer_word(&self, types: &TypeTable<'_>, slot: Slot, word: usize) -> bool {
        match &self.pointers[slot.span.index()] {
            SpanPointers::None => false,
            SpanPointers::Bits(bits) => {
                let per_slot = (self.spans[slot.span.index()].elem_size() / 8) as usize;
                word < per_slot && bits.is_set(slot.index as usize * per_slot + word)
            }
            SpanPointers::Headers | SpanPointers::OneType(_) => {
                let Some(at) = self.recorded_type(slot) else { return false };
                let within = |size: u64, mask: &crate::types::PointerMask| {
                    mask.contains(word % (size / 8).max(1) as usize)
                };
                match types.by_descriptor(at) {
                    Some(id) => within(types.get(id).size, types.mask(id)),
                    None => types
                        .unrolled_mask(self.memory, at)
                        .is_some_and(|(size, mask)| within(size, &mask)),
                }
            }
        }
    }

    /// Reads the specials (finalizers, cleanups, profile samples) of a span's objects.
    pub fn specials(&self, span: SpanId) -> Vec<Special> {
        match &self.specials {
            Specials::InMemory(fields) => fields.read(self.memory, &self.spans[span.index()]),
            Specials::Listed(list) => {
                let first = list.partition_point(|(of, _)| *of < span);
                let of_span = list.iter().skip(first).take_while(|(of, _)| *of == span);
                of_span.map(|(_, special)| *special).collect()
            }
        }
    }
}

/// Object numbers that share an entry of the index from numbers to spans.
const BLOCK: u32 = 64;

/// Finds the span of the first object of each block.
fn blocks(spans: &[Span], slots: u32) -> Vec<u32> {
    let mut span = 0;
    (0..slots.div_ceil(BLOCK))
        .map(|block| {
            while spans.get(span + 1).is_some_and(|next| next.first() <= block * BLOCK) {
                span += 1;
            }
            span as u32
        })
        .collect()
}

/// Reads a span's allocation bits, one a slot.
fn allocation_bits<'m>(memory: &'m dyn Memory, span: &Span) -> Cow<'m, [u8]> {
    let len = ByteSize::new(u64::from(span.count()).div_ceil(8));
    memory.read_bytes(span.alloc_bits(), len).unwrap_or_default()
}

/// Reads a Go slice header's pointer and length at a field.
fn slice_at(memory: &dyn Memory, base: Address, field: Field) -> Option<(Address, u64)> {
    let at = field.of(base);
    Some((memory.read_address(at).ok()?, memory.read_u64(at + ByteSize::new(8)).ok()?))
}
