//! Scanning objects: by their type where they have one, else by the collector's mask, with an eye
//! for interfaces, channels and closures.

use tophash_goruntime::{Edge, ObjectId, Pointee, Root, RootKind, Shape, Slot, TypeId};
use tophash_memory::{Address, ByteSize, MemoryExt};

use super::claim::Claim;
use super::{ObjectType, Parent, TypedRange, Walk};
use crate::find::headers::Part;

/// Objects of this size are given back once they are scanned.
const LARGE: usize = 1 << 20;

impl Walk<'_> {
    pub(super) fn drain(&mut self) {
        loop {
            if let Some(range) = self.ranges.pop() {
                self.scan_range(range);
            } else if let Some(slot) = self.typed.pop_front() {
                self.scan_typed(slot);
            } else if let Some(slot) = self.untyped.pop_front() {
                let id = self.heap.id(slot);
                // What got a type in the meantime was scanned by it.
                if matches!(self.object_type(id), None | Some(ObjectType::Part(_))) {
                    self.scan_untyped(slot, Parent::Object(id));
                }
            } else {
                break;
            }
        }
    }

    fn scan_typed(&mut self, slot: Slot) {
        let id = self.heap.id(slot);
        let parent = Parent::Object(id);
        let start = self.heap.object_start(slot);
        match self.object_type(id) {
            Some(ObjectType::MapHeader(ty)) => self.open_map(start, ty, parent),
            Some(ObjectType::Whole(ty)) => self.scan_values(slot, ty, start, parent),
            Some(ObjectType::Closure) => self.scan_closure(slot, start, parent),
            Some(ObjectType::MapInternal | ObjectType::Text | ObjectType::Channel) => {
                self.scan_plain(slot, parent);
            }
            Some(ObjectType::Part(_)) | None => self.scan_untyped(slot, parent),
        }
    }

    /// Scans an object that values of one type fill.
    fn scan_values(&mut self, slot: Slot, ty: TypeId, start: Address, parent: Parent) {
        let heap = self.heap;
        let types = self.types;
        let size = types.get(ty).size;
        let bytes = heap.object_bytes(slot);
        let edges = types.edges(ty);
        if size == 0 || edges.is_empty() {
            self.scan_plain(slot, parent);
            return;
        }
        self.note_sync_maps(ty, start, bytes.len() as u64);
        for (index, value) in bytes.chunks_exact(size as usize).enumerate() {
            let at = start + ByteSize::new(index as u64 * size);
            self.scan_edges(value, at, edges, Some(parent), 0);
        }
        if bytes.len() >= LARGE {
            self.memory().done_with(start, ByteSize::new(bytes.len() as u64));
        }
    }

    /// Follows the pointers of a value; among the globals (`parent` is `None`), each from the root
    /// that its word is.
    fn scan_edges(
        &mut self,
        bytes: &[u8],
        at: Address,
        edges: &[Edge],
        parent: Option<Parent>,
        depth: u32,
    ) {
        let word = |offset: u64| {
            let start = offset as usize;
            bytes
                .get(start..)
                .and_then(|rest| rest.first_chunk::<8>())
                .map_or(0, |word| u64::from_le_bytes(*word))
        };
        for edge in edges {
            let offset = edge.offset;
            if let Pointee::Repeat { elem, len } = edge.pointee {
                let types = self.types;
                let size = types.get(elem).size as usize;
                let Some(values) = bytes.get(offset as usize..) else { continue };
                if size == 0 || depth > 16 {
                    continue;
                }
                for (index, value) in values.chunks_exact(size).take(len as usize).enumerate() {
                    let at = at + ByteSize::new(offset + (index * size) as u64);
                    self.scan_edges(value, at, types.edges(elem), parent, depth + 1);
                }
                continue;
            }
            let value = word(offset);
            if value == 0 {
                continue;
            }
            let value = Address::new(value);
            let claim = match edge.pointee {
                Pointee::Value(ty) => Claim::One(ty),
                Pointee::Elements(ty) => Claim::Elements(ty, word(offset + 16)),
                Pointee::Text => Claim::Text,
                Pointee::Map(ty) => Claim::Map(ty),
                Pointee::Channel(ty) => Claim::Channel(ty),
                Pointee::Closure => Claim::Closure,
                Pointee::Any | Pointee::Methods => {
                    let word = Address::new(word(offset.wrapping_sub(8)));
                    self.words
                        .dynamic_type(word)
                        .map_or(Claim::Nothing, |ty| self.claim_of_dynamic(ty))
                }
                Pointee::Unknown | Pointee::Repeat { .. } => Claim::Nothing,
            };
            let parent = parent.unwrap_or_else(|| self.global_parent(at + ByteSize::new(offset)));
            self.follow(value, claim, parent);
        }
    }

    /// Returns the root that a word among the globals is.
    pub(super) fn global_parent(&mut self, at: Address) -> Parent {
        let next = self.roots.len() as u32;
        let index = *self.root_at.entry(at).or_insert(next);
        if index == next {
            // A word that points at another global, or nowhere that counts.
            self.roots.push(Root { kind: RootKind::Global, at, value: Address::NULL });
        }
        Parent::Root(index)
    }

    fn scan_range(&mut self, range: TypedRange) {
        let types = self.types;
        let size = types.get(range.ty).size;
        let Ok(bytes) = self.memory().read_bytes(range.at, ByteSize::new(size) * range.count)
        else {
            return;
        };
        self.note_sync_maps(range.ty, range.at, bytes.len() as u64);
        let edges = types.edges(range.ty);
        for (index, value) in bytes.chunks_exact(size as usize).enumerate() {
            let at = range.at + ByteSize::new(index as u64 * size);
            let parent = if range.is_global { None } else { Some(range.parent) };
            self.scan_edges(value, at, edges, parent, 0);
        }
    }

    /// Scans an object by the collector's mask alone, nothing guessed.
    fn scan_plain(&mut self, slot: Slot, parent: Parent) {
        let heap = self.heap;
        heap.for_each_pointer(self.types, slot, |_, value| {
            self.follow(value, Claim::Nothing, parent);
        });
    }

    /// Scans an object of unknown type: by the mask, but what looks like an interface, a channel
    /// or a closure is taken for one if it passes that one's checks.
    pub(super) fn scan_untyped(&mut self, slot: Slot, parent: Parent) {
        let heap = self.heap;
        let start = heap.object_start(slot);
        let id = heap.id(slot);
        if self.object_type(id).is_none() {
            if let Some(elem) = self.words.channel_elem(heap, slot) {
                self.set_object_type(id, ObjectType::Channel);
                self.follow_channel(start, elem, parent);
            } else if self.words.is_closure(heap, self.types, slot) {
                self.set_object_type(id, ObjectType::Closure);
                self.scan_closure(slot, start, parent);
                return;
            }
        }
        let (words, _) = heap.object_bytes(slot).as_chunks::<8>();
        let types = self.types;
        heap.for_each_pointer(types, slot, |word, value| {
            let before = word.checked_sub(1).and_then(|before| words.get(before));
            let claim = before.and_then(|before| {
                let before = Address::new(u64::from_le_bytes(*before));
                if !self.words.may_be_type_word(before)
                    || heap.is_pointer_word(types, slot, word - 1)
                {
                    return None;
                }
                self.claim_of_pair(before)
            });
            self.follow(value, claim.unwrap_or(Claim::Nothing), parent);
        });
    }

    pub(super) fn set_object_type(&mut self, id: ObjectId, ty: ObjectType) {
        self.object_types[id.index()] = ty.pack();
    }

    fn scan_closure(&mut self, slot: Slot, start: Address, parent: Parent) {
        if let Some(dwarf) = self.program.dwarf()
            && let Ok(code) = self.memory().read_address(start)
        {
            for captured in dwarf.captured(code) {
                let at = start + ByteSize::new(captured.offset);
                let mut pointers = Vec::new();
                self.each_edge(captured.ty, 0, 0, &mut |offset, pointee| {
                    pointers.push((offset, pointee));
                });
                for (offset, pointee) in pointers {
                    let at = at + ByteSize::new(offset);
                    if let Ok(value) = self.memory().read_address(at)
                        && !value.is_null()
                    {
                        let claim = self.claim_of_edge(pointee, at);
                        self.follow(value, claim, parent);
                    }
                }
            }
        }
        let heap = self.heap;
        let (words, _) = heap.object_bytes(slot).as_chunks::<8>();
        let types = self.types;
        heap.for_each_pointer(types, slot, |word, value| {
            let before = words.get(word.wrapping_sub(1));
            let claim = before.and_then(|before| {
                let before = Address::new(u64::from_le_bytes(*before));
                (self.words.may_be_type_word(before)).then_some(())?;
                self.claim_of_pair(before)
            });
            self.follow(value, claim.unwrap_or(Claim::Nothing), parent);
        });
    }

    pub(super) fn follow_channel(&mut self, channel: Address, elem: TypeId, parent: Parent) {
        if let Some((buffer, len)) = self.words.channel_buffer(channel)
            && len > 0
        {
            self.follow(buffer, Claim::Elements(elem, len), parent);
        }
    }

    fn note_sync_maps(&mut self, ty: TypeId, at: Address, len: u64) {
        let size = self.types.get(ty).size;
        let Some(offsets) = self.headers.sync_maps_in(self.types, ty) else { return };
        let count = len.checked_div(size).unwrap_or(0);
        for index in 0..count {
            for &(offset, map) in offsets {
                self.sync_maps.insert(at + ByteSize::new(index * size + offset), map);
            }
        }
    }

    /// Follows a map's arrays with the types that its own type gives them.
    pub(super) fn open_map(&mut self, header: Address, ty: TypeId, parent: Parent) {
        let Shape::Map(info) = &self.types.get(ty).shape else { return };
        let group = info.group;
        let headers = self.headers;
        let memory = self.memory();
        let mut arrays = Vec::new();
        let mut internals = Vec::new();
        let mut buckets = Vec::new();
        headers.arrays(memory, header, |part| match part {
            Part::Array(at, units) => arrays.push((at, units)),
            Part::Internal(at) => internals.push(at),
            Part::Unit(at) => buckets.push(at),
        });
        for at in internals {
            if let Some(slot) = self.heap.object_holding(at) {
                let id = self.heap.id(slot);
                if !self.is_reachable(id) {
                    self.marks[id.index() / 64] |= 1 << (id.index() % 64);
                    self.parents[id.index()] = parent.pack();
                }
                if self.object_type(id).is_none() {
                    self.set_object_type(id, ObjectType::MapInternal);
                    self.typed.push_back(slot);
                }
            }
        }
        for (at, units) in arrays {
            self.follow(at, Claim::MapArray(group, units), parent);
        }
        for at in buckets {
            self.follow(at, Claim::One(group), parent);
        }
    }
}
