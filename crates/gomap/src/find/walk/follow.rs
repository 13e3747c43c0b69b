//! Following one pointer: marking the object behind it, and taking or refusing what is claimed of it.
//!
//! A claim is taken for the whole object if the type's size rounds to the slot's and its pointers
//! are the ones that the collector follows; for a part of it if they agree there; else it is
//! dropped, and the object is scanned by the collector's mask alone.

use tophash_goruntime::{ObjectId, RootKind, Slot, TypeId};
use tophash_memory::{Address, AddressRange, ByteSize, MemoryExt};

use super::claim::Claim;
use super::{ObjectType, OffHeapMap, Parent, StaticTarget, TypedRange, Walk};

/// Typed parts of one object or global that are looked at, at the most; an array behind an interior
/// pointer may be long, but not endless.
const MAX_RANGE_BYTES: u64 = 1 << 32;

/// What an object that is one value of a type looks like.
#[derive(Clone, Copy)]
pub(super) struct ValueFacts {
    /// 0 where that can't be told by a mask of one word.
    slot_size: u64,
    mask: u64,
    is_noscan: bool,
}

impl Walk<'_> {
    pub(super) fn follow(&mut self, value: Address, claim: Claim, parent: Parent) {
        let Some(slot) = self.heap.slot_holding(value) else {
            self.follow_outside(value, claim, parent);
            return;
        };
        if !self.heap.is_allocated(slot) {
            return;
        }
        let id = self.heap.id(slot);
        let is_new = !self.is_reachable(id);
        if is_new {
            self.marks[id.index() / 64] |= 1 << (id.index() % 64);
            self.parents[id.index()] = parent.pack();
        }
        let is_typed = !matches!(self.object_types[id.index()] & 7, 0 | 2);
        if is_typed && !is_new {
            return;
        }
        if is_new
            && let Some(at) = self.heap.recorded_type(slot)
            && let Some(ty) = self.types.by_descriptor(at)
        {
            self.set_type(slot, id, ObjectType::Whole(ty));
            return;
        }
        if self.accept(slot, id, value, claim) {
            return;
        }
        if is_new && !self.heap.span(slot.span).is_noscan() {
            self.untyped.push_back(slot);
        }
    }

    /// Takes a claim about an object, whole or in part; tells whether the object has its type now.
    fn accept(&mut self, slot: Slot, id: ObjectId, value: Address, claim: Claim) -> bool {
        let start = self.heap.object_start(slot);
        let into = (value - start).get();
        let found = match claim {
            Claim::Nothing => return false,
            Claim::One(ty) => {
                return if into == 0 && self.is_one_value(slot, ty) {
                    self.set_type(slot, id, ObjectType::Whole(ty));
                    true
                } else {
                    self.accept_values(slot, id, value, into, ty, 1)
                };
            }
            Claim::MapArray(ty, units) => {
                let fits = self
                    .types
                    .get(ty)
                    .size
                    .checked_mul(units)
                    .is_some_and(|len| into == 0 && len <= self.heap.usable(slot.span));
                let is_noscan = self.heap.span(slot.span).is_noscan();
                let has_pointers = self.types.get(ty).pointer_bytes != 0;
                if !fits
                    || has_pointers == is_noscan
                    || !(is_noscan || self.agrees(slot, ty, 0, units, false))
                {
                    return false;
                }
                ObjectType::Whole(ty)
            }
            Claim::Elements(ty, count) => {
                return self.accept_values(slot, id, value, into, ty, count);
            }
            Claim::Text => {
                if !self.heap.span(slot.span).is_noscan() {
                    return false;
                }
                ObjectType::Text
            }
            Claim::Map(ty) => {
                if into != 0 || !self.headers.fits(self.heap, slot) {
                    return false;
                }
                match self.real_map(ty) {
                    Some(ty) => ObjectType::MapHeader(ty),
                    None => return false,
                }
            }
            Claim::Channel(elem) => {
                if into != 0 || !self.words.is_channel_of(start, elem) {
                    return false;
                }
                self.set_type(slot, id, ObjectType::Channel);
                self.follow_channel(start, elem, Parent::Object(id));
                return true;
            }
            Claim::Closure => {
                let is_entry = self
                    .memory()
                    .read_address(start)
                    .is_ok_and(|code| self.program.functions().is_entry(code));
                if into != 0 || !is_entry {
                    return false;
                }
                ObjectType::Closure
            }
        };
        self.set_type(slot, id, found);
        true
    }

    /// Shared code of generic functions calls types by their shapes (`go.shape.map[string]int`);
    /// the map itself is of the one type that has this key and elem, if there is but one.
    fn real_map(&self, ty: TypeId) -> Option<TypeId> {
        if !self.types.get(ty).name.contains("go.shape.") {
            return Some(ty);
        }
        let shape = self.types.get(ty).as_map()?;
        let mut fitting = self.types.iter().filter(|(_, other)| {
            !other.name.contains("go.shape.")
                && other
                    .as_map()
                    .is_some_and(|other| (other.key, other.elem) == (shape.key, shape.elem))
        });
        let (found, _) = fitting.next()?;
        fitting.next().is_none().then_some(found)
    }

    /// Tells whether an object is one value of a type and nothing more: the common case, decided by
    /// comparing two words.
    #[inline]
    fn is_one_value(&mut self, slot: Slot, ty: TypeId) -> bool {
        let facts = match self.value_facts[ty.index()] {
            Some(facts) => facts,
            None => {
                let facts = self.make_value_facts(ty);
                self.value_facts[ty.index()] = Some(facts);
                facts
            }
        };
        let span = self.heap.span(slot.span);
        span.elem_size() == facts.slot_size
            && span.is_noscan() == facts.is_noscan
            && (facts.is_noscan
                || self.heap.small_pointer_mask(slot).is_some_and(|mask| mask == facts.mask))
    }

    fn make_value_facts(&self, ty: TypeId) -> ValueFacts {
        let info = self.types.get(ty);
        let is_noscan = info.pointer_bytes == 0;
        let mask = self
            .types
            .mask(ty)
            .iter()
            .take_while(|word| *word < 64)
            .fold(0, |mask, word| mask | 1 << word);
        // Nothing is known to be one value of no size, or of more words than the mask has.
        let is_small = (1..=512).contains(&info.size) || is_noscan && info.size > 0;
        let slot_size = match is_small {
            true => self.heap.size_classes().slot_size(info.size, is_noscan),
            false => 0,
        };
        ValueFacts { slot_size, mask, is_noscan }
    }

    fn accept_values(
        &mut self,
        slot: Slot,
        id: ObjectId,
        value: Address,
        into: u64,
        ty: TypeId,
        count: u64,
    ) -> bool {
        let info = self.types.get(ty);
        let (size, has_pointers) = (info.size, info.pointer_bytes != 0);
        let span = self.heap.span(slot.span);
        let is_noscan = span.is_noscan();
        let room = self.heap.usable(slot.span).saturating_sub(into);
        let taken = size.saturating_mul(count);
        if size == 0 || taken > room {
            // The claim can't be true: the object has no room for it.
            return false;
        }
        if has_pointers && is_noscan {
            return false;
        }
        let is_aligned_part = into.is_multiple_of(size);
        let fills_slot = self.heap.size_classes().slot_size(into + taken, is_noscan)
            == span.elem_size()
            && is_aligned_part;
        if fills_slot && (is_noscan || self.agrees(slot, ty, 0, (into + taken) / size, true)) {
            self.set_type(slot, id, ObjectType::Whole(ty));
            return true;
        }
        if !is_noscan && !self.agrees(slot, ty, into, count, false) {
            return false;
        }
        // A part: follow it from here, and leave the object open.
        if self.object_types[id.index()] == 0 {
            self.object_types[id.index()] = ObjectType::Part(ty).pack();
        }
        if has_pointers {
            self.push_range(value, ty, count, Parent::Object(id));
        }
        false
    }

    /// Tells whether the words that the collector follows are the pointers of `count` values of a
    /// type from byte `into` of an object; with `to_end`, whether it follows none behind them.
    pub(super) fn agrees(
        &self,
        slot: Slot,
        ty: TypeId,
        into: u64,
        count: u64,
        to_end: bool,
    ) -> bool {
        let size = self.types.get(ty).size;
        if !size.is_multiple_of(8) || !into.is_multiple_of(8) {
            return self.types.get(ty).pointer_bytes == 0;
        }
        let mask = self.types.mask(ty);
        let per_value = (size / 8) as usize;
        let first = (into / 8) as usize;
        let words = (self.heap.usable(slot.span) / 8) as usize;
        let last = first + per_value.saturating_mul(count as usize);
        let compared = if to_end { words } else { last.min(words) };
        // Long arrays repeat: a look at both ends is enough to tell a wrong type.
        const LOOKED_AT: usize = 1024;
        (first..compared)
            .take(LOOKED_AT)
            .chain((first..compared).rev().take(if compared - first > LOOKED_AT { 64 } else { 0 }))
            .all(|word| {
                let expected = word < last && mask.contains((word - first) % per_value);
                let actual = self.heap.is_pointer_word(self.types, slot, word);
                // Behind the claimed values, an array may go on.
                expected == actual
                    || (word >= last && actual && mask.contains((word - first) % per_value))
            })
    }

    pub(super) fn set_type(&mut self, slot: Slot, id: ObjectId, ty: ObjectType) {
        self.object_types[id.index()] = ty.pack();
        if !self.heap.span(slot.span).is_noscan() || matches!(ty, ObjectType::MapHeader(_)) {
            self.typed.push_back(slot);
        }
    }

    /// Follows a pointer that leads outside of the heap, into globals or a stack.
    fn follow_outside(&mut self, value: Address, claim: Claim, parent: Parent) {
        match claim {
            Claim::Map(ty) => {
                let Some(ty) = self.real_map(ty) else { return };
                if !value.is_null() && self.off_heap_maps.insert(value, OffHeapMap { ty }).is_none()
                {
                    self.open_map(value, ty, parent);
                }
            }
            Claim::One(ty) | Claim::Elements(ty, _) | Claim::MapArray(ty, _) => {
                let count = match claim {
                    Claim::Elements(_, count) | Claim::MapArray(_, count) => count,
                    _ => 1,
                };
                let is_global = self.program.module().global_section(value).is_some();
                if is_global {
                    self.note_static(value, ty, count, parent);
                }
                if is_global || self.is_on_stack(value) {
                    self.push_range(value, ty, count, parent);
                }
            }
            _ => {}
        }
    }

    /// Notes what a global points to among the globals, for naming what lies there.
    fn note_static(&mut self, at: Address, ty: TypeId, count: u64, parent: Parent) {
        let Parent::Root(index) = parent else { return };
        let Some(root) = self.roots.get(index as usize) else { return };
        if root.kind == RootKind::Global && !self.static_targets.contains_key(&at) {
            let range = AddressRange::from_size(at, ByteSize::new(self.types.get(ty).size) * count);
            // What contains the pointer itself is no other place (a list's own links).
            if !range.contains(root.at) {
                self.static_targets.insert(at, StaticTarget { range, ty, pointed_from: root.at });
            }
        }
    }

    fn is_on_stack(&self, at: Address) -> bool {
        self.program.goroutines().iter().any(|goroutine| goroutine.stack.contains(at))
    }

    pub(super) fn push_range(&mut self, at: Address, ty: TypeId, count: u64, parent: Parent) {
        let info = self.types.get(ty);
        if info.pointer_bytes == 0 || info.size == 0 {
            return;
        }
        let count = count.min(MAX_RANGE_BYTES / info.size);
        if self.seen_ranges.insert((at, ty)) {
            let is_global = self.program.module().global_section(at).is_some();
            self.ranges.push(TypedRange { at, ty, count, parent, is_global });
        }
    }
}
