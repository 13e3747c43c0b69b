//! Whether bytes can be a value of a type, judged by what its pointers lead to.
//!
//! Used to tell the types apart that a map of unknown type could have. Any doubt counts for the
//! value: a refusal must be certain, or the right type would be thrown out.

use tophash_goruntime::{GoType, Heap, Kind, Program, Shape, Slot, TypeId, TypeTable};
use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use super::type_words::TypeWords;

/// How many elements of an array or slice are looked at.
const SAMPLES: u64 = 4;
/// No string or slice is longer than the address space.
const MAX_LEN: u64 = 1 << 47;

/// Checks values against types.
pub(super) struct ValueCheck<'p> {
    program: &'p Program<'p>,
    heap: &'p Heap<'p>,
    types: &'p TypeTable<'p>,
    memory: &'p dyn Memory,
    words: &'p TypeWords<'p>,
}

/// Where a pointer leads.
enum Place {
    Object(Slot),
    Global { room: u64 },
    Elsewhere,
    Nowhere,
}

impl<'p> ValueCheck<'p> {
    pub(super) fn new(program: &'p Program<'p>, words: &'p TypeWords<'p>) -> Self {
        Self {
            program,
            heap: program.heap(),
            types: program.types(),
            memory: program.memory(),
            words,
        }
    }

    /// Tells whether the bytes at `at` can be a value of a type; `is_map` says which maps the
    /// pointers to maps in it may lead to.
    pub(super) fn can_be(
        &self,
        ty: TypeId,
        at: Address,
        is_map: &dyn Fn(Address, TypeId) -> bool,
    ) -> bool {
        self.check(ty, at, 2, is_map)
    }

    fn check(
        &self,
        id: TypeId,
        at: Address,
        depth: u32,
        is_map: &dyn Fn(Address, TypeId) -> bool,
    ) -> bool {
        let ty = self.types.get(id);
        let word = |index: u64| self.memory.read_u64(at + ByteSize::new(8 * index)).ok();
        let pointer = || word(0).map(Address::new);
        match &ty.shape {
            Shape::Scalar if ty.kind == Kind::Bool => {
                self.memory.read_u8(at).is_ok_and(|byte| byte <= 1)
            }
            Shape::Scalar | Shape::Opaque | Shape::UnsafePointer => true,
            Shape::String => match (pointer(), word(1)) {
                (Some(data), Some(len)) => self.can_be_text(data, len),
                _ => false,
            },
            Shape::Slice(elem) => match (pointer(), word(1), word(2)) {
                (Some(data), Some(len), Some(cap)) => {
                    len <= cap
                        && cap <= MAX_LEN
                        && if data.is_null() || cap == 0 {
                            cap == 0
                        } else {
                            self.can_lead_to(data, *elem, cap)
                        }
                }
                _ => false,
            },
            Shape::Pointer(elem) => {
                let Some(value) = pointer() else { return false };
                value.is_null()
                    || (self.can_lead_to(value, *elem, 1)
                        && (depth == 0 || self.follow(*elem, value, depth, is_map)))
            }
            Shape::Map(_) => pointer().is_some_and(|value| value.is_null() || is_map(value, id)),
            Shape::Chan(elem) => pointer()
                .is_some_and(|value| value.is_null() || self.words.is_channel_of(value, *elem)),
            Shape::Func => pointer().is_some_and(|value| {
                value.is_null()
                    || self
                        .memory
                        .read_address(value)
                        .is_ok_and(|code| self.program.functions().is_entry(code))
            }),
            Shape::Interface { .. } => match (pointer(), word(1)) {
                (Some(head), Some(data)) => match head.is_null() {
                    true => data == 0,
                    false => {
                        self.words.dynamic_type(head).is_some()
                            || self.heap.object_holding(head).is_some()
                    }
                },
                _ => false,
            },
            Shape::Array { elem, len } => {
                let size = self.types.get(*elem).size;
                (0..(*len).min(SAMPLES))
                    .all(|index| self.check(*elem, at + ByteSize::new(index * size), depth, is_map))
            }
            Shape::Struct(fields) => fields
                .iter()
                .all(|field| self.check(field.ty, at + ByteSize::new(field.offset), depth, is_map)),
        }
    }

    /// Looks behind a pointer, where the type there can tell anything.
    fn follow(
        &self,
        elem: TypeId,
        value: Address,
        depth: u32,
        is_map: &dyn Fn(Address, TypeId) -> bool,
    ) -> bool {
        let telling = !matches!(self.types.get(elem).shape, Shape::Scalar | Shape::Opaque);
        !telling
            || matches!(self.place(value), Place::Elsewhere)
            || self.check(elem, value, depth - 1, is_map)
    }

    fn place(&self, at: Address) -> Place {
        if let Some(slot) = self.heap.slot_holding(at) {
            return if self.heap.is_allocated(slot) { Place::Object(slot) } else { Place::Nowhere };
        }
        let module = self.program.module();
        if let Some(range) = module.data_sections().into_iter().find(|range| range.contains(at)) {
            return Place::Global { room: (range.end() - at).get() };
        }
        match self.memory.read_u8(at) {
            Ok(_) => Place::Elsewhere,
            Err(_) => Place::Nowhere,
        }
    }

    fn can_be_text(&self, data: Address, len: u64) -> bool {
        if len == 0 {
            return true;
        }
        if data.is_null() || len > MAX_LEN {
            return false;
        }
        match self.place(data) {
            Place::Object(slot) => {
                self.room_in(slot, data) >= len && self.is_scalar(slot, data, len)
            }
            Place::Global { room } => room >= len,
            Place::Elsewhere => true,
            Place::Nowhere => false,
        }
    }

    fn room_in(&self, slot: Slot, at: Address) -> u64 {
        let end = self.heap.object_start(slot) + ByteSize::new(self.heap.usable(slot.span));
        (end - at).get()
    }

    /// Tells whether the collector follows no word of a range of an object.
    fn is_scalar(&self, slot: Slot, at: Address, len: u64) -> bool {
        if self.heap.span(slot.span).is_noscan() {
            return true;
        }
        let into = (at - self.heap.object_start(slot)).get();
        let first = into.div_ceil(8) as usize;
        let last = ((into + len.min(512)) / 8) as usize;
        (first..last).all(|word| !self.heap.is_pointer_word(self.types, slot, word))
    }

    /// Tells whether `count` values of a type can lie at `at`.
    fn can_lead_to(&self, at: Address, elem: TypeId, count: u64) -> bool {
        let ty = self.types.get(elem);
        let Some(len) = ty.size.checked_mul(count) else { return false };
        match self.place(at) {
            Place::Object(slot) => {
                self.room_in(slot, at) >= len && self.pointers_agree(slot, at, elem, ty, count)
            }
            Place::Global { room } => room >= len,
            Place::Elsewhere => true,
            Place::Nowhere => len == 0,
        }
    }

    fn pointers_agree(
        &self,
        slot: Slot,
        at: Address,
        elem: TypeId,
        ty: &GoType,
        count: u64,
    ) -> bool {
        if ty.pointer_bytes == 0 {
            return self.is_scalar(slot, at, ty.size * count.min(SAMPLES));
        }
        if self.heap.span(slot.span).is_noscan() || !at.is_aligned(8) || !ty.size.is_multiple_of(8)
        {
            return false;
        }
        let first = ((at - self.heap.object_start(slot)).get() / 8) as usize;
        let mask = self.types.mask(elem);
        let per_value = (ty.size / 8) as usize;
        (0..per_value * count.min(SAMPLES) as usize).all(|word| {
            mask.contains(word % per_value)
                == self.heap.is_pointer_word(self.types, slot, first + word)
        })
    }
}
