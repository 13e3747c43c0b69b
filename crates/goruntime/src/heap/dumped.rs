//! The heap of a heap dump: spans made of its objects, since it holds none of the runtime's.
//!
//! A dump lists the objects of each span in order, whole slots with their malloc headers, and for
//! each the words that the collector would follow. An object's size names its size class, that
//! names the span's length in pages, and there is one page from which a span of that length has a
//! slot where the object lies: so every span is known but for its free slots, which are only not
//! listed. A span holds pointers if any of its objects does: the allocator keeps the two apart.
//!
//! Cost: one pass over the lists of fields, one bit a word of spans with pointers, and two bits a
//! slot. (`runtime/heapdump.go`, `dumpobjs`; `runtime/sizeclasses.go`.)

use tophash_memory::{Address, ByteSize, DumpedObject, HeapDump, Memory, MemoryExt};

use super::contents::{Contents, Objects};
use super::pointers::{Bits, SpanPointers};
use super::specials::{Special, SpecialKind, Specials};
use super::{ARENA, Heap, PAGE, SizeClasses, Span, SpanId};
use crate::error::Error;
use crate::layout::LayoutTable;
use crate::version::GoVersion;

/// Pages of a span by size class (`class_to_allocnpages`): one table in every release since Go 1.16,
/// of the classes whose sizes the layouts have.
const CLASS_PAGES: [u8; 68] = [
    0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 2, 1, 2, 1, 2, 1, 3, 2, 3, 1, 3, 2, 3, 4, 5, 6, 1, 7, 6, 5, 4, 3, 5, 7, 2, 9, 7, 5, 8,
    3, 10, 7, 4,
];
/// Larger objects have a span of their own (`maxSmallSize`).
const MAX_SMALL: u64 = 32768;
/// Up to this size of slots a span's end may be the allocator's own (`heapBitsInSpan`).
const MAX_WITH_TAIL: u64 = 512;
/// Slots smaller than this have no mark bits there (`gcUsesSpanInlineMarkBits`).
const MIN_WITH_MARKS: u64 = 16;

/// So many arenas a heap may have whatever it holds (256 GiB), and one more for each so many bytes of
/// objects: an arena's index of pages takes four times that, and a dump can claim objects anywhere.
const ARENAS: u64 = 4096;
const BYTES_PER_ARENA: u64 = 8192;

/// What a release keeps at the end of spans of small objects. The runtime dumps that as if it were
/// objects (`dumpobjs` counts slots by the span's bytes).
#[derive(Debug, Clone, Copy)]
struct Tail {
    /// A bit for each word, in spans with pointers (from Go 1.22).
    has_pointer_bits: bool,
    /// Bytes of mark bits (where the newer collector is, from Go 1.25).
    mark_bytes: u64,
}

impl Tail {
    fn new(layout: &LayoutTable) -> Self {
        Self {
            has_pointer_bits: has_headers(layout),
            mark_bytes: layout.size_of(&["runtime.spanInlineMarkBits"]).unwrap_or(0),
        }
    }

    /// Returns how many slots lie before the tail.
    fn slots(self, shape: &SpanShape, is_noscan: bool) -> u32 {
        let bytes = shape.pages * PAGE;
        let mut taken = 0;
        if shape.size_class != 0 && shape.elem_size <= MAX_WITH_TAIL {
            if self.has_pointer_bits && !is_noscan {
                taken += bytes / 64;
            }
            if shape.elem_size >= MIN_WITH_MARKS {
                taken += self.mark_bytes;
            }
        }
        (bytes.saturating_sub(taken) / shape.elem_size) as u32
    }
}

/// Tells whether objects above 512 bytes carry their type in front.
fn has_headers(layout: &LayoutTable) -> bool {
    layout.find("runtime.mspan", "largeType").is_some()
}

/// Where an object's span lies and what slots it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SpanShape {
    start: Address,
    pages: u64,
    elem_size: u64,
    size_class: u8,
}

impl SpanShape {
    /// Finds the span of an object by its address and size; `None` where no span has such a slot.
    fn of(at: Address, size: u64, classes: &[u32]) -> Option<Self> {
        if size > MAX_SMALL {
            let is_large = size.is_multiple_of(PAGE) && at.is_aligned(PAGE);
            return is_large.then_some(Self {
                start: at,
                pages: size / PAGE,
                elem_size: size,
                size_class: 0,
            });
        }
        let class = classes.binary_search(&u32::try_from(size).ok()?).ok()?;
        let pages = u64::from(*CLASS_PAGES.get(class).filter(|pages| **pages > 0)?);
        let page = at.align_down(PAGE).get();
        (0..pages).find_map(|before| {
            let start = Address::new(page.checked_sub(before * PAGE)?);
            let shape = Self { start, pages, elem_size: size, size_class: class as u8 };
            shape.slot(at, size).map(|_| shape)
        })
    }

    fn end(&self) -> Address {
        self.start + ByteSize::new(self.pages * PAGE)
    }

    /// Returns the slot that an object fills.
    fn slot(&self, at: Address, size: u64) -> Option<u32> {
        let into = at.checked_offset_from(self.start)?.get();
        let is_slot = size == self.elem_size
            && into.is_multiple_of(size)
            && into.checked_add(size)? <= self.pages * PAGE;
        is_slot.then(|| u32::try_from(into / size).ok()).flatten()
    }

    fn count(&self) -> usize {
        (self.pages * PAGE / self.elem_size) as usize
    }
}

/// Tells whether an object of the largest class's size has a header, and so is of that class: one of
/// just as many bytes may have a span of its own, since it had no room for a header. With one, the
/// first word is no pointer, but leads to a descriptor whose first pointer is the object's.
fn has_header(memory: &dyn Memory, object: &DumpedObject<'_>) -> bool {
    let Some(first) = object.pointer_offsets().next() else { return false };
    let Some(word) = object.bytes().first_chunk::<8>() else { return false };
    let descriptor = Address::new(u64::from_le_bytes(*word));
    // It starts with the size, and then the bytes up to the last pointer.
    let (Ok(size), Ok(pointers)) =
        (memory.read_u64(descriptor), memory.read_u64(descriptor + ByteSize::new(8)))
    else {
        return false;
    };
    let fits = pointers <= size && size <= MAX_SMALL - 8 && size.is_multiple_of(8);
    let is_first = first.checked_sub(8).is_some_and(|into| into < pointers);
    let repeats = 8 + 2 * size > MAX_SMALL
        || object.pointer_offsets().any(|offset| offset == first.saturating_add(size));
    fits && is_first && repeats
}

/// A span as far as its objects were read.
struct Gathered<'m> {
    shape: SpanShape,
    objects: Objects<'m>,
    /// The number that the next object must have.
    next: usize,
    /// One bit for each word of the slots; empty until an object holds a pointer.
    bits: Vec<u8>,
}

impl<'m> Gathered<'m> {
    fn new(dump: &'m HeapDump, shape: SpanShape, first: usize) -> Self {
        let objects = Objects::new(dump, first, shape.count());
        Self { shape, objects, next: first, bits: Vec::new() }
    }

    /// Takes an object if it is the next one and has a slot here.
    fn take(&mut self, number: usize, object: &DumpedObject<'_>) -> bool {
        let (at, size) = (object.range().start(), object.range().size().get());
        let slot = self.shape.slot(at, size).filter(|_| number == self.next);
        let Some(slot) = slot else { return false };
        self.next = number + 1;
        self.objects.fill(slot);
        let first = u64::from(slot) * self.shape.elem_size / 8;
        for offset in object.pointer_offsets().filter(|&offset| offset < self.shape.elem_size) {
            if self.bits.is_empty() {
                self.bits.resize((self.shape.pages * PAGE / 64) as usize, 0);
            }
            let word = first + offset / 8;
            if let Some(byte) = self.bits.get_mut((word / 8) as usize) {
                *byte |= 1 << (word % 8);
            }
        }
        true
    }
}

impl<'m> Heap<'m> {
    /// Makes the heap of a dump.
    ///
    /// # Errors
    ///
    /// Fails where the layout lacks what sizes rest on.
    pub(crate) fn from_dump(
        memory: &'m dyn Memory,
        dump: &'m HeapDump,
        version: &GoVersion,
        layout: &LayoutTable,
    ) -> Result<Self, Error> {
        let mut heap = Self::empty(memory, SizeClasses::new(layout, version), Vec::new());
        let (tail, has_headers) = (Tail::new(layout), has_headers(layout));
        let mut current: Option<Gathered<'_>> = None;
        let mut end = Address::NULL;
        let (mut bad, mut bytes, mut arenas, mut arena) = (0_u64, 0_u64, 0_u64, None);
        for (number, object) in dump.objects().enumerate() {
            if current.as_mut().is_some_and(|span| span.take(number, &object)) {
                continue;
            }
            let range = object.range();
            bytes = bytes.saturating_add(range.size().get());
            let within = range.start().align_down(ARENA);
            arenas += u64::from(arena.replace(within) != Some(within));
            if arenas > ARENAS + bytes / BYTES_PER_ARENA {
                bad += 1;
                continue;
            }
            let shape = SpanShape::of(range.start(), range.size().get(), layout.size_classes());
            let Some(shape) = shape.filter(|shape| shape.start >= end) else {
                bad += 1;
                continue;
            };
            end = shape.end();
            let shape = match shape.elem_size == MAX_SMALL && !has_header(memory, &object) {
                true => SpanShape { size_class: 0, ..shape },
                false => shape,
            };
            let mut next = Gathered::new(dump, shape, number);
            next.take(number, &object);
            if let Some(done) = current.replace(next) {
                heap.add_gathered(done, tail, has_headers);
            }
        }
        if let Some(done) = current {
            heap.add_gathered(done, tail, has_headers);
        }
        if bad > 0 {
            heap.diagnostics.push(format!(
                "{bad} objects of the heap dump fit no span and are left out: it is damaged"
            ));
        }
        heap.finish();
        heap.specials = Specials::Listed(heap.listed(dump));
        Ok(heap)
    }

    fn add_gathered(&mut self, done: Gathered<'m>, tail: Tail, has_headers: bool) {
        let Gathered { shape, objects, bits, .. } = done;
        let is_noscan = bits.is_empty();
        let count = tail.slots(&shape, is_noscan);
        let span = Span::of_dump(
            shape.start,
            shape.pages,
            shape.elem_size,
            count,
            shape.size_class,
            is_noscan,
            has_headers,
        );
        let pointers = match () {
            () if is_noscan => SpanPointers::None,
            () if span.header_size() > 0 => SpanPointers::Headers,
            () => SpanPointers::Bits(Bits::new(bits)),
        };
        let allocated: Vec<bool> = (0..count).map(|slot| objects.has(slot)).collect();
        self.add_span(span, Contents::Objects(objects), pointers, |index| {
            allocated.get(index).copied().unwrap_or(false)
        });
    }

    /// Lists what the dump says of finalizers, other roots and profile samples, by span.
    fn listed(&self, dump: &HeapDump) -> Vec<(SpanId, Special)> {
        let finalizers = dump.finalizers().iter().map(|found| {
            let kind = if found.is_queued { SpecialKind::Queued } else { SpecialKind::Finalizer };
            (found.object, found.function, kind)
        });
        let others =
            dump.other_roots().iter().map(|root| (*root, Address::NULL, SpecialKind::Queued));
        let samples =
            dump.samples().iter().map(|(at, bucket)| (*at, *bucket, SpecialKind::Profile));
        let mut listed: Vec<(SpanId, Special)> = finalizers
            .chain(others)
            .chain(samples)
            .filter_map(|(object, pointer, kind)| {
                let slot = self.slot_holding(object)?;
                let argument = if kind == SpecialKind::Queued { object } else { Address::NULL };
                let address = Address::NULL;
                Some((slot.span, Special { address, object, kind, pointer, argument }))
            })
            .collect();
        listed.sort_by_key(|(span, _)| *span);
        listed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(version: &str) -> LayoutTable {
        LayoutTable::for_version(&GoVersion::parse(version).unwrap()).unwrap()
    }

    fn classes() -> Vec<u32> {
        layout("go1.27.3").size_classes().to_vec()
    }

    #[test]
    fn slots_end_where_the_allocator_s_own_bits_begin() {
        for (version, size, with_pointers, without) in [
            // No bits in spans; pointer bits; pointer bits and mark bits.
            ("go1.21.13", 16, 512, 512),
            ("go1.22.10", 16, 504, 512),
            ("go1.22.10", 512, 15, 16),
            ("go1.25.5", 16, 504, 512),
            ("go1.27.3", 16, 496, 504),
            ("go1.27.3", 8, 1008, 1024),
            ("go1.27.3", 576, 14, 14),
        ] {
            let layout = layout(version);
            let at = Address::new(0xc0_0000_0000);
            let shape = SpanShape::of(at, size, layout.size_classes()).unwrap();
            let slots = [false, true].map(|is_noscan| Tail::new(&layout).slots(&shape, is_noscan));
            assert_eq!(slots, [with_pointers, without], "{version}, {size} bytes");
        }
    }

    #[test]
    fn a_span_is_known_by_any_of_its_slots() {
        let classes = classes();
        let base = 0xc0_0001_0000;
        for (class, &size) in classes.iter().enumerate().skip(1) {
            let (size, pages) = (u64::from(size), u64::from(CLASS_PAGES[class]));
            let bytes = pages * PAGE;
            assert!(bytes % size <= bytes / 8, "class {class} wastes too much of {pages} pages");
            for slot in 0..bytes / size {
                let at = Address::new(base + slot * size);
                let shape = SpanShape::of(at, size, &classes).unwrap();
                assert_eq!(shape.start.get(), base, "class {class}, slot {slot}");
                assert_eq!(shape.slot(at, size), Some(slot as u32));
            }
        }
    }

    #[test]
    fn what_is_no_slot_of_any_span_is_refused() {
        let classes = classes();
        let shape = |at: u64, size| SpanShape::of(Address::new(at), size, &classes);
        assert_eq!(shape(0xc0_0000_0008, 48), None);
        assert_eq!(shape(0xc0_0000_0000, 40), None);
        assert_eq!(shape(0xc0_0000_0000, 40_000), None);
        assert_eq!(shape(0xc0_0000_1000, 5 * PAGE), None);
        assert_eq!(shape(0, 0), None);
        assert!(shape(0xc0_0000_0000, 5 * PAGE).is_some());
        assert!(shape(!(PAGE - 1), 1 << 40).is_some());
    }
}
