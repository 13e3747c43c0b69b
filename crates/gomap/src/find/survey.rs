//! Every map of a program: enumerated by shape, decoded, and typed.
//!
//! A walk along typed pointers alone misses maps that only a closure, a pool or an
//! `unsafe.Pointer` leads to. So headers are found by their form: an object of the header's size
//! class whose pointer words are a header's, that a root reaches, and that decodes under every
//! invariant. The type then comes from the strongest evidence there is:
//!
//! 1. a typed pointer to the header, met by the walk;
//! 2. the arrays: their recorded type, or their size and pointer words;
//! 3. the entries: values that can be of the type, keys that hash to where they lie.
//!
//! A type that becomes certain is followed into the entries, which makes others certain, until
//! nothing changes. What stays open between several types is reported so.

use std::collections::{HashMap, HashSet};

use tophash_goruntime::{
    CodeFacts, CodeType, Heap, ObjectId, Place, PlaceBase, Program, Shape, Slot, StackObject,
    TypeId, TypeTable,
};
use tophash_memory::{Address, ByteSize, MemoryExt};

use super::headers::{HeaderLayout, Part};
use super::narrow::MapTypes;
use super::sync_maps::{FoundSyncMap, SyncMapFinder};
use super::type_words::TypeWords;
use super::values::ValueCheck;
use super::walk::{ObjectType, Walk};
use crate::hash::{KeyHash, KeyHasher};
use crate::layout::{MapLayout, MapShape};
use crate::read::{
    Allocation, Allocations, Header, MapReading, NotAMap, entries, read_header, read_map,
};

/// Where a map's header lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MapPlace {
    /// An object of its own.
    Heap(ObjectId),
    /// An object in a goroutine's frame.
    Stack {
        /// Index of the goroutine.
        goroutine: u32,
        /// Index of the frame, innermost first.
        frame: u32,
        /// Something live points at it.
        is_live: bool,
    },
}

/// What a map's type rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TypeEvidence {
    /// A typed pointer leads to it.
    Pointer,
    /// Code passes it to the runtime with its type.
    Code,
    /// Its arrays fit no other type.
    Arrays,
    /// Its entries fit no other type.
    Entries,
    /// Several types fit.
    Open,
}

/// A map of the program.
#[derive(Debug, Clone)]
pub struct FoundMap {
    /// Where the header is.
    pub address: Address,
    /// What the header lies in.
    pub place: MapPlace,
    /// The map types it can have: one where it is certain.
    pub types: Vec<TypeId>,
    /// What that rests on.
    pub evidence: TypeEvidence,
    /// The header.
    pub header: Header,
    /// What it holds.
    pub reading: MapReading,
    /// The process wrote to it while it was read, so that it could not be read twice alike.
    pub is_torn: bool,
}

/// The result of a survey.
pub struct Survey {
    /// The maps, by address.
    pub maps: Vec<FoundMap>,
    /// The `sync.Map`s, by address.
    pub sync_maps: Vec<FoundSyncMap>,
    /// What went wrong.
    pub diagnostics: Vec<String>,
}

/// The allocations of a heap, as the map reader asks for them.
pub struct HeapAllocations<'h> {
    heap: &'h Heap<'h>,
}

impl<'h> HeapAllocations<'h> {
    /// Wraps a heap.
    pub fn new(heap: &'h Heap<'h>) -> Self {
        Self { heap }
    }
}

impl Allocations for HeapAllocations<'_> {
    fn allocation_holding(&self, at: Address) -> Option<Allocation> {
        let slot = self.heap.object_holding(at)?;
        Some(Allocation {
            start: self.heap.object_start(slot),
            usable: ByteSize::new(self.heap.usable(slot.span)),
            slot: ByteSize::new(self.heap.span(slot.span).elem_size()),
        })
    }
}

/// What the pointer at a place leads to, by the program's code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PlaceType {
    Map(TypeId),
    Value(TypeId),
    Elements(TypeId),
}

/// How many buckets or groups of an ambiguous map are looked at.
const SAMPLED_GROUPS: u64 = 8;
/// How many of its entries.
const SAMPLED_ENTRIES: usize = 16;
/// Arrays of this size are given back once they are read.
const LARGE: ByteSize = ByteSize::new(1 << 20);
/// How many maps of certain type the hash function is tried on.
const CALIBRATION_MAPS: usize = 64;
/// Rounds of typing, each of which must have made some type certain to be followed by another.
const MAX_ROUNDS: usize = 32;

/// Finds and reads the maps of a program.
pub struct Surveyor<'p> {
    program: &'p Program<'p>,
    layout: &'p MapLayout,
    headers: &'p HeaderLayout,
    heap: &'p Heap<'p>,
    types: &'p TypeTable<'p>,
    words: TypeWords<'p>,
    map_types: MapTypes<'p>,
    shapes: HashMap<TypeId, MapShape>,
    hasher: KeyHasher<'p>,
    /// Open maps of which a type that fits has cells behind its slots.
    cells_unknown: HashSet<Address>,
    diagnostics: Vec<String>,
}

impl<'p> Surveyor<'p> {
    /// Prepares a survey.
    pub fn new(program: &'p Program<'p>, layout: &'p MapLayout, headers: &'p HeaderLayout) -> Self {
        Self {
            program,
            layout,
            headers,
            heap: program.heap(),
            types: program.types(),
            words: TypeWords::new(program),
            map_types: MapTypes::new(program, layout.is_classic()),
            shapes: HashMap::new(),
            hasher: KeyHasher::new(program),
            cells_unknown: HashSet::new(),
            diagnostics: Vec::new(),
        }
    }

    /// Runs the survey over a finished walk, which learns from it.
    pub fn run(mut self, walk: &mut Walk<'p>) -> Survey {
        let mut maps = Vec::new();
        let mut open = Vec::new();
        for (address, place) in self.candidates(walk) {
            match self.known_type(walk, address, place) {
                Some(ty) => maps.extend(self.examine_known(address, place, ty)),
                None => open.push((address, place)),
            }
        }
        self.calibrate_hasher(&maps);
        for (address, place) in open {
            maps.extend(self.examine(walk, address, place));
        }
        maps.sort_by_key(|map| map.address);
        self.settle(walk, &mut maps);
        self.count_cells(&mut maps);
        let finder = SyncMapFinder::new(self.program, self.layout);
        let sync_maps = match finder {
            Some(finder) => finder.find(walk, &maps),
            None => Vec::new(),
        };
        Survey { maps, sync_maps, diagnostics: self.diagnostics }
    }

    /// Reads maps again that own cells besides their arrays by some of their types and not by others.
    fn count_cells(&mut self, maps: &mut [FoundMap]) {
        let unknown = std::mem::take(&mut self.cells_unknown);
        for map in maps.iter_mut().filter(|map| unknown.contains(&map.address)) {
            let reading = map.types.first().and_then(|ty| self.decode(&map.header, *ty).ok());
            map.reading = reading.unwrap_or(map.reading);
        }
    }

    // ---- candidates

    fn candidates(&self, walk: &Walk<'_>) -> Vec<(Address, MapPlace)> {
        let mut found = Vec::new();
        for (index, span) in self.heap.spans().iter().enumerate() {
            if span.is_noscan() || span.elem_size() != self.headers.slot_size() {
                continue;
            }
            for slot_index in 0..span.count() {
                let slot = self.heap.slot_at(index, slot_index);
                let id = self.heap.id(slot);
                if self.heap.is_allocated(slot)
                    && walk.is_reachable(id)
                    && self.has_header_pointers(slot)
                {
                    found.push((self.heap.object_start(slot), MapPlace::Heap(id)));
                }
            }
        }
        for (goroutine, stack) in self.program.roots().stacks.iter().enumerate() {
            let place = |object: &StackObject, is_live| MapPlace::Stack {
                goroutine: goroutine as u32,
                frame: object.frame as u32,
                is_live,
            };
            for object in stack.live_objects.iter().filter(|object| self.is_header(object)) {
                found.push((object.range.start(), place(object, true)));
            }
            for object in stack.dead_objects.iter().filter(|object| self.is_header(object)) {
                found.push((object.range.start(), place(object, false)));
            }
        }
        found
    }

    fn has_header_pointers(&self, slot: Slot) -> bool {
        let words = self.heap.usable(slot.span) / 8;
        let mask = (0..words as usize)
            .filter(|word| self.heap.is_pointer_word(self.types, slot, *word))
            .fold(0, |mask, word| mask | 1 << word);
        self.headers.matches(mask)
    }

    fn is_header(&self, object: &StackObject) -> bool {
        object.range.size().get() == self.headers.size()
            && self
                .headers
                .matches(object.mask.iter().fold(0, |mask, word| mask | 1 << (word & 63)))
    }

    // ---- decoding

    fn shape(&mut self, map: TypeId) -> Option<MapShape> {
        if let Some(shape) = self.shapes.get(&map) {
            return Some(*shape);
        }
        let shape = MapShape::of(self.types, self.types.get(map).as_map()?);
        self.shapes.insert(map, shape);
        Some(shape)
    }

    fn decode(&mut self, header: &Header, ty: TypeId) -> Result<MapReading, NotAMap> {
        let Some(shape) = self.shape(ty) else {
            return Err(NotAMap::BadHeader { field: "type", value: 0 });
        };
        let allocations = HeapAllocations::new(self.heap);
        let memory = self.program.memory();
        let reading = read_map(memory, &allocations, self.layout, &shape, header);
        // A large array is read through once, and by the entries' samples in few places.
        self.headers.arrays(memory, header.at(), |part| {
            if let Part::Array(at, units) = part {
                let len = ByteSize::new(shape.group_size) * units;
                if len >= LARGE {
                    memory.done_with(at, len);
                }
            }
        });
        reading
    }

    /// Decodes a map whose type a pointer tells.
    fn examine_known(&mut self, address: Address, place: MapPlace, ty: TypeId) -> Option<FoundMap> {
        let decoded = read_header(self.program.memory(), self.layout, address)
            .and_then(|header| Ok((header, self.decode(&header, ty)?)));
        match decoded {
            Ok((header, reading)) => Some(FoundMap {
                address,
                place,
                types: vec![ty],
                evidence: TypeEvidence::Pointer,
                header,
                reading,
                is_torn: false,
            }),
            Err(fault) => {
                self.diagnostics.push(format!(
                    "the {} at {address} could not be decoded: {fault}",
                    self.types.get(ty).name
                ));
                None
            }
        }
    }

    /// Decodes a map of unknown type, and finds the types that it can have.
    fn examine(&mut self, walk: &Walk<'_>, address: Address, place: MapPlace) -> Option<FoundMap> {
        let header = read_header(self.program.memory(), self.layout, address).ok()?;
        let found = |types, evidence, reading| FoundMap {
            address,
            place,
            types,
            evidence,
            header,
            reading,
            is_torn: false,
        };
        if header.is_unwritten() {
            // Nothing distinguishes it from other objects of this form but its seed.
            let is_plausible = header.count() == 0 && header.seed() != 0;
            let own = self
                .heap
                .slot_holding(address)
                .map_or(0, |slot| self.heap.span(slot.span).elem_size());
            let reading = MapReading { own: ByteSize::new(own), ..MapReading::default() };
            return is_plausible.then(|| found(Vec::new(), TypeEvidence::Open, reading));
        }
        let (array, units) = header.sample_array(self.program.memory(), self.layout).ok()?;
        let groups = self.map_types.groups_at(array, units);
        let mut types = Vec::new();
        let mut reading = None;
        // Types whose groups are of one size decode alike.
        let mut by_size: HashMap<u64, Option<MapReading>> = HashMap::new();
        for group in groups {
            let size = self.types.get(group).size;
            let candidates = self.map_types.with_group(group).to_vec();
            let Some(&first) = candidates.first() else { continue };
            let decoded = match by_size.get(&size) {
                Some(known) => *known,
                None => {
                    let decoded = self.decode(&header, first).ok();
                    by_size.insert(size, decoded);
                    decoded
                }
            };
            if let Some(decoded) = decoded {
                reading.get_or_insert(decoded);
                types.extend(candidates);
            }
        }
        let reading = reading?;
        types.sort_unstable();
        if types.iter().any(|ty| self.shape(*ty).is_some_and(|s| s.indirect_key || s.indirect_elem))
        {
            self.cells_unknown.insert(address);
        }
        let evidence = if types.len() == 1 { TypeEvidence::Arrays } else { TypeEvidence::Open };
        let mut map = found(types, evidence, reading);
        self.filter_by_entries(walk, &mut map, &HashMap::new());
        // Entries that fit no type at all mean that this is no map, or that it is being written.
        (!map.types.is_empty() || map.reading.is_approximate).then_some(map)
    }

    fn known_type(&self, walk: &Walk<'_>, address: Address, place: MapPlace) -> Option<TypeId> {
        match place {
            MapPlace::Heap(id) => match walk.object_type(id)? {
                ObjectType::MapHeader(ty) => Some(ty),
                _ => None,
            },
            MapPlace::Stack { .. } => walk.off_heap_map(address).map(|map| map.ty),
        }
    }

    // ---- types

    /// Throws out the types that a map's entries can't be of.
    fn filter_by_entries(
        &mut self,
        walk: &Walk<'_>,
        map: &mut FoundMap,
        known: &HashMap<Address, Vec<TypeId>>,
    ) {
        if map.types.len() < 2 || map.reading.entries == 0 {
            return;
        }
        let before = map.types.len();
        let candidates = std::mem::take(&mut map.types);
        let mut hashes_agree: HashMap<(Address, TypeId), bool> = HashMap::new();
        let mut kept = Vec::new();
        for ty in candidates {
            if self.values_fit(walk, map, ty, known) {
                let Some(info) = self.types.get(ty).as_map() else { continue };
                let key = (info.hasher, info.key);
                let agrees = match hashes_agree.get(&key) {
                    Some(agrees) => *agrees,
                    None => self.hashes_agree(map, ty),
                };
                hashes_agree.insert(key, agrees);
                if agrees {
                    kept.push(ty);
                }
            }
        }
        map.types = kept;
        if map.types.len() == 1 && before > 1 {
            map.evidence = TypeEvidence::Entries;
        }
    }

    /// Tells whether the sampled entries of a map can be values of a map type's key and elem.
    fn values_fit(
        &self,
        walk: &Walk<'_>,
        map: &FoundMap,
        ty: TypeId,
        known: &HashMap<Address, Vec<TypeId>>,
    ) -> bool {
        let Some(info) = self.types.get(ty).as_map() else { return false };
        let check = ValueCheck::new(self.program, &self.words);
        let is_map = |at: Address, ty: TypeId| self.can_be_map(walk, at, ty, known);
        let shape = MapShape::of(self.types, info);
        let mut sampled = entries(self.program.memory(), self.layout, &shape, &map.header)
            .sampled(SAMPLED_GROUPS)
            .take(SAMPLED_ENTRIES);
        sampled.all(|entry| {
            entry.is_ok_and(|entry| {
                check.can_be(info.key, entry.key, &is_map)
                    && check.can_be(info.elem, entry.elem, &is_map)
            })
        })
    }

    /// Tells whether the sampled keys of a map hash to where they lie, as far as that can be told.
    fn hashes_agree(&mut self, map: &FoundMap, ty: TypeId) -> bool {
        let Some(info) = self.types.get(ty).as_map() else { return true };
        let shape = MapShape::of(self.types, info);
        let sampled = entries(self.program.memory(), self.layout, &shape, &map.header)
            .sampled(SAMPLED_GROUPS)
            .take(SAMPLED_ENTRIES);
        for entry in sampled.map_while(Result::ok) {
            match self.hasher.hash(info, entry.key, map.header.seed()) {
                KeyHash::Known(hash) => {
                    if !entry.hash_agrees(&map.header, hash) {
                        return false;
                    }
                }
                KeyHash::Impossible => return false,
                KeyHash::Unknown => {}
            }
        }
        true
    }

    /// Recomputes the hashes of maps whose type is certain; where they come out wrong, the process
    /// hashes in a way that is not known, and hashes tell nothing.
    fn calibrate_hasher(&mut self, maps: &[FoundMap]) {
        let certain = |map: &&FoundMap| {
            map.evidence == TypeEvidence::Pointer
                && map.reading.entries > 0
                && !map.reading.is_approximate
        };
        let mut wrong = 0;
        for map in maps.iter().filter(certain).take(CALIBRATION_MAPS) {
            wrong += usize::from(!self.hashes_agree(map, map.types[0]));
        }
        if wrong > 0 {
            self.hasher.give_up();
        }
    }

    /// Tells whether a map of a type can be at an address, by what is known so far.
    fn can_be_map(
        &self,
        walk: &Walk<'_>,
        at: Address,
        ty: TypeId,
        known: &HashMap<Address, Vec<TypeId>>,
    ) -> bool {
        let Some(info) = self.types.get(ty).as_map() else { return true };
        if let Some(types) = known.get(&at)
            && !types.is_empty()
        {
            return types.iter().any(|other| {
                self.types.get(*other).as_map().is_some_and(|other| other.group == info.group)
            });
        }
        match self.heap.object_holding(at) {
            Some(slot) => {
                self.heap.object_start(slot) == at
                    && self.headers.fits(self.heap, slot)
                    && match walk.object_type(self.heap.id(slot)) {
                        Some(ObjectType::MapHeader(other)) => self
                            .types
                            .get(other)
                            .as_map()
                            .is_some_and(|other| other.group == info.group),
                        _ => true,
                    }
            }
            None => false,
        }
    }

    /// Follows what became certain, and looks again at what is open, until nothing changes.
    fn settle(&mut self, walk: &mut Walk<'p>, maps: &mut [FoundMap]) {
        let mut taught: HashSet<Address> = maps
            .iter()
            .filter(|map| map.evidence == TypeEvidence::Pointer)
            .map(|map| map.address)
            .collect();
        let mut has_read_code = false;
        for _ in 0..MAX_ROUNDS {
            for map in maps.iter() {
                if map.types.len() == 1 && taught.insert(map.address) {
                    walk.learn_map(map.address, map.types[0]);
                }
            }
            let known: HashMap<Address, Vec<TypeId>> =
                maps.iter().map(|map| (map.address, map.types.clone())).collect();
            let mut changed = false;
            for map in maps.iter_mut().filter(|map| map.types.len() != 1) {
                if let Some(ty) = self.known_type(walk, map.address, map.place) {
                    let fits = map.types.is_empty() || map.types.contains(&ty) || {
                        self.decode(&map.header, ty).is_ok_and(|r| r.entries == map.reading.entries)
                    };
                    if fits {
                        map.types = vec![ty];
                        map.evidence = TypeEvidence::Pointer;
                        taught.insert(map.address);
                        changed = true;
                        continue;
                    }
                }
                let before = map.types.len();
                let kept = map.types.clone();
                self.filter_by_entries(walk, map, &known);
                if map.types.is_empty() {
                    map.types = kept;
                }
                changed |= map.types.len() < before;
            }
            if !changed {
                // The code is read last, and only where something is left open: it is long.
                if has_read_code || maps.iter().all(|map| map.types.len() == 1) {
                    break;
                }
                has_read_code = true;
                self.learn_from_code(walk, maps);
            }
        }
    }

    /// Takes types from the program's code.
    fn learn_from_code(&mut self, walk: &mut Walk<'p>, maps: &mut [FoundMap]) {
        let program = self.program;
        let code = match CodeFacts::read(program.memory(), program.module(), program.functions()) {
            Ok(code) => code,
            Err(fault) => {
                self.diagnostics.push(fault.to_string());
                return;
            }
        };
        let by_place = self.typed_places(&code);
        let index: HashMap<Address, usize> =
            maps.iter().enumerate().map(|(index, map)| (map.address, index)).collect();
        let closures = walk.closures();
        for (code, ty) in &code.closures {
            let Some(ty) = ty.and_then(|ty| self.real_type(ty)) else { continue };
            for at in closures.get(code).into_iter().flatten() {
                walk.learn_closure(*at, ty);
            }
        }
        for (place, ty) in by_place {
            let pointers = match place.base {
                PlaceBase::Global(at) => vec![self.pointer_at(at, &place.offsets)],
                PlaceBase::Closure(code) => closures
                    .get(&code)
                    .into_iter()
                    .flatten()
                    .map(|at| {
                        let (first, rest) = place.offsets.split_first()?;
                        self.pointer_at(Address::new(at.get().wrapping_add_signed(*first)), rest)
                    })
                    .collect(),
            };
            for (at, value) in pointers.into_iter().flatten() {
                let map = index.get(&value).map(|index| &mut maps[*index]);
                self.learn_code_fact(walk, map, at, value, ty);
            }
        }
        // A map in a frame is of a type that the frame's function uses.
        for map in maps.iter_mut().filter(|map| map.types.len() > 1) {
            let MapPlace::Stack { goroutine, frame, .. } = map.place else { continue };
            let frame = program
                .roots()
                .stacks
                .get(goroutine as usize)
                .and_then(|stack| stack.frames.get(frame as usize));
            let Some(used) = frame.and_then(|frame| code.map_types.get(&frame.function)) else {
                continue;
            };
            let used: HashSet<TypeId> =
                used.iter().filter_map(|ty| self.types.by_descriptor(*ty)).collect();
            let kept: Vec<TypeId> =
                map.types.iter().copied().filter(|ty| used.contains(ty)).collect();
            if !kept.is_empty() {
                map.types = kept;
                map.evidence = TypeEvidence::Code;
            }
        }
    }

    fn learn_code_fact(
        &self,
        walk: &mut Walk<'p>,
        map: Option<&mut FoundMap>,
        at: Address,
        value: Address,
        ty: PlaceType,
    ) {
        match ty {
            PlaceType::Map(ty) => {
                let Some(map) = map else { return };
                let fits =
                    map.types.len() != 1 && (map.types.is_empty() || map.types.contains(&ty));
                if fits {
                    map.types = vec![ty];
                    map.evidence = TypeEvidence::Code;
                }
            }
            PlaceType::Value(ty) => walk.learn_from(at, value, ty, 1),
            PlaceType::Elements(ty) => {
                let capacity = self.program.memory().read_u64(at + ByteSize::new(16));
                if let Ok(capacity) = capacity {
                    walk.learn_from(at, value, ty, capacity);
                }
            }
        }
    }

    /// Finds the type of a descriptor, unless it is a shape, by which the compiler shares the code of
    /// generic functions and of which there are no values.
    fn real_type(&self, descriptor: Address) -> Option<TypeId> {
        self.types
            .by_descriptor(descriptor)
            .filter(|ty| !self.types.get(*ty).name.contains("go.shape."))
    }

    /// Settles on one type for each place. What code does with a pointer counts for more than what
    /// it passes along as an interface, where the two registers may have come together by chance;
    /// a place that is given different types has none. The places come in the order of the code, since
    /// what is learned first names what is learned from it.
    fn typed_places<'c>(&self, code: &'c CodeFacts) -> Vec<(&'c Place, PlaceType)> {
        let mut used: HashMap<&Place, Option<PlaceType>> = HashMap::new();
        let mut passed: HashMap<&Place, Option<PlaceType>> = HashMap::new();
        for fact in &code.facts {
            let known = |at: Address| self.real_type(at);
            let (ty, places) = match fact.ty {
                CodeType::Map(ty) => (known(ty).map(PlaceType::Map), &mut used),
                CodeType::Value(ty) => (known(ty).map(PlaceType::Value), &mut used),
                CodeType::Elements(ty) => (known(ty).map(PlaceType::Elements), &mut used),
                // A pointer in an interface is the value itself.
                CodeType::Boxed(ty) => {
                    let ty = known(ty).and_then(|ty| match &self.types.get(ty).shape {
                        Shape::Map(_) => Some(PlaceType::Map(ty)),
                        Shape::Pointer(elem) => Some(PlaceType::Value(*elem)),
                        _ => None,
                    });
                    (ty, &mut passed)
                }
            };
            let Some(ty) = ty else { continue };
            places
                .entry(&fact.place)
                .and_modify(|known| *known = known.filter(|known| *known == ty))
                .or_insert(Some(ty));
        }
        for (place, ty) in passed {
            used.entry(place).or_insert(ty);
        }
        code.facts
            .iter()
            .filter_map(|fact| Some((&fact.place, used.remove(&fact.place)??)))
            .collect()
    }

    /// Follows a way through memory; returns where the last pointer is, and its value.
    fn pointer_at(&self, start: Address, offsets: &[i64]) -> Option<(Address, Address)> {
        let memory = self.program.memory();
        let mut at = start;
        for offset in offsets {
            let base = memory.read_address(at).ok().filter(|base| !base.is_null())?;
            at = Address::new(base.get().wrapping_add_signed(*offset));
        }
        let value = memory.read_address(at).ok().filter(|value| !value.is_null())?;
        Some((at, value))
    }
}
