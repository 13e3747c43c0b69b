//! One pass over the heap that does what the collector's marking does, and hands types along.
//!
//! *Marking* follows every word that the collector would follow, from the same roots, so that what
//! is marked is exactly what is reachable. *Typing* rides on it: where the type of an object is
//! known, the type says what each of its pointers leads to, and the object behind the pointer gets
//! that type in turn. Types enter through DWARF's globals, locals and captured variables; through
//! the type words of interfaces; through the headers that the allocator keeps on large objects;
//! through channels, which name their element; and through maps.
//!
//! A type is a claim until it agrees with the object: the size must round to the slot's, and the
//! type's pointer words must be the ones that the collector follows there. A claim about a part of
//! an object (a pointer to a field) is followed from that part, and the object stays untyped.
//!
//! Typed work goes first, so that few objects are visited twice. State: four bytes of type and four
//! of parent for each slot of the heap, and two bits.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use tophash_goruntime::{
    Edge, Heap, ObjectId, Pointee, Program, Root, RootKind, Shape, Slot, TypeId, TypeTable,
};
use tophash_memory::{Address, AddressRange, ByteSize, Memory, MemoryExt};

use super::headers::HeaderLayout;
use super::type_words::TypeWords;

/// What an object was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectType {
    /// A value of the type, or an array of them that fills the slot.
    Whole(TypeId),
    /// A value of the type lies somewhere in the object; the rest is unknown.
    Part(TypeId),
    /// The header of a map of this map type.
    MapHeader(TypeId),
    /// Directory, table, or list of overflow buckets of some map.
    MapInternal,
    /// A channel.
    Channel,
    /// A function value with what it captured.
    Closure,
    /// Bytes of strings.
    Text,
}

impl ObjectType {
    const KIND_BITS: u32 = 3;

    fn pack(self) -> u32 {
        let (kind, id) = match self {
            Self::Whole(id) => (1, id.index() as u32),
            Self::Part(id) => (2, id.index() as u32),
            Self::MapHeader(id) => (3, id.index() as u32),
            Self::MapInternal => (4, 0),
            Self::Channel => (5, 0),
            Self::Closure => (6, 0),
            Self::Text => (7, 0),
        };
        id << Self::KIND_BITS | kind
    }

    fn unpack(packed: u32, types: &TypeTable<'_>) -> Option<Self> {
        let id = || types.id_at((packed >> Self::KIND_BITS) as usize);
        Some(match packed & ((1 << Self::KIND_BITS) - 1) {
            1 => Self::Whole(id()?),
            2 => Self::Part(id()?),
            3 => Self::MapHeader(id()?),
            4 => Self::MapInternal,
            5 => Self::Channel,
            6 => Self::Closure,
            7 => Self::Text,
            _ => return None,
        })
    }
}

/// What led to an object first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parent {
    /// A root, by its index in [`Walk::roots`].
    Root(u32),
    /// Another object.
    Object(ObjectId),
}

impl Parent {
    const ROOT: u32 = 1 << 31;
    const NONE: u32 = u32::MAX;

    fn pack(self) -> u32 {
        match self {
            Self::Root(index) => index | Self::ROOT,
            Self::Object(id) => id.index() as u32,
        }
    }

    fn unpack(packed: u32) -> Option<Self> {
        match packed {
            Self::NONE => None,
            root if root & Self::ROOT != 0 => Some(Self::Root(root & !Self::ROOT)),
            id => Some(Self::Object(ObjectId::from_index(id as usize))),
        }
    }
}

/// What a pointer is said to lead to.
#[derive(Debug, Clone, Copy)]
enum Claim {
    Nothing,
    One(TypeId),
    /// So many values in a row; the slot may have room for more.
    Elements(TypeId, u64),
    /// An array of buckets or groups, which fills its object, with more behind it.
    MapArray(TypeId, u64),
    Text,
    Map(TypeId),
    Channel(TypeId),
    Closure,
}

/// A map header that is not an object of its own, such as one in a stack frame.
#[derive(Debug, Clone, Copy)]
pub struct OffHeapMap {
    /// The map's type.
    pub ty: TypeId,
}

/// A named place that a global points to which is itself among the globals: what composite
/// literals of pointer type compile to.
#[derive(Debug, Clone, Copy)]
pub struct StaticTarget {
    /// The values pointed to.
    pub range: AddressRange,
    /// Their type.
    pub ty: TypeId,
    /// The word that points there.
    pub pointed_from: Address,
}

/// How much of the heap is what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attribution {
    /// Objects that are allocated.
    pub objects: u64,
    /// Their bytes, as slots.
    pub live_bytes: u64,
    /// Objects that a root reaches.
    pub reachable_objects: u64,
    /// Their bytes, as slots.
    pub reachable_bytes: u64,
    /// Bytes of reachable objects whose type is known.
    pub attributed_bytes: u64,
}

/// The pass and its result.
pub struct Walk<'p> {
    program: &'p Program<'p>,
    heap: &'p Heap<'p>,
    types: &'p TypeTable<'p>,
    headers: &'p HeaderLayout,
    words: TypeWords<'p>,
    roots: Vec<Root>,
    root_at: HashMap<Address, u32>,
    marks: Vec<u64>,
    object_types: Vec<u32>,
    parents: Vec<u32>,
    typed: VecDeque<Slot>,
    untyped: VecDeque<Slot>,
    ranges: Vec<TypedRange>,
    seen_ranges: HashSet<(Address, TypeId)>,
    value_facts: Vec<Option<ValueFacts>>,
    off_heap_maps: HashMap<Address, OffHeapMap>,
    static_targets: BTreeMap<Address, StaticTarget>,
    sync_maps: HashMap<Address, TypeId>,
    unknown_descriptors: HashSet<Address>,
}

/// What an object that is one value of a type looks like.
#[derive(Clone, Copy)]
struct ValueFacts {
    /// 0 where that can't be told by a mask of one word.
    slot_size: u64,
    mask: u64,
    is_noscan: bool,
}

#[derive(Clone, Copy)]
struct TypedRange {
    at: Address,
    ty: TypeId,
    count: u64,
    parent: Parent,
    /// The range lies among the globals: each of its words is a root of its own.
    is_global: bool,
}

/// A goroutine waits for no more channels at once than a `select` has cases.
const MAX_WAITS: usize = 1 << 16;
/// Typed parts of one object or global that are looked at, at the most; an array behind an interior
/// pointer may be long, but not endless.
const MAX_RANGE_BYTES: u64 = 1 << 32;

impl<'p> Walk<'p> {
    /// Prepares a pass over a program's heap.
    pub fn new(program: &'p Program<'p>, headers: &'p HeaderLayout) -> Self {
        let slots = program.heap().slot_count();
        let roots = program.roots().roots.clone();
        let root_at = roots
            .iter()
            .enumerate()
            .filter(|(_, root)| root.kind == RootKind::Global)
            .map(|(index, root)| (root.at, index as u32))
            .collect();
        Self {
            program,
            heap: program.heap(),
            types: program.types(),
            headers,
            words: TypeWords::new(program),
            roots,
            root_at,
            marks: vec![0; slots.div_ceil(64)],
            object_types: vec![0; slots],
            parents: vec![Parent::NONE; slots],
            typed: VecDeque::new(),
            untyped: VecDeque::new(),
            ranges: Vec::new(),
            seen_ranges: HashSet::new(),
            value_facts: vec![None; program.types().len()],
            off_heap_maps: HashMap::new(),
            static_targets: BTreeMap::new(),
            sync_maps: HashMap::new(),
            unknown_descriptors: HashSet::new(),
        }
    }

    /// Follows every root: first those whose type is known, then the rest.
    pub fn run(&mut self) {
        let mut rest = Vec::new();
        for index in 0..self.roots.len() {
            let root = self.roots[index];
            match self.claim_of_root(&root) {
                Some(claim) => self.follow(root.value, claim, Parent::Root(index as u32)),
                None => rest.push(index as u32),
            }
        }
        self.follow_typed_globals();
        self.follow_blocked_sends();
        self.drain();
        for index in rest {
            let root = self.roots[index as usize];
            match root.kind {
                RootKind::FinalizedObject => {
                    if let Some(slot) = self.heap.object_holding(root.value) {
                        self.scan_untyped(slot, Parent::Root(index));
                    }
                }
                _ => self.follow_root(index, root),
            }
            self.drain();
        }
    }

    /// Gives a type to what the pointer at `at` leads to, and follows it.
    pub fn learn_from(&mut self, at: Address, value: Address, ty: TypeId, count: u64) {
        let parent = match self.heap.object_holding(at) {
            Some(slot) => Parent::Object(self.heap.id(slot)),
            None => self.global_parent(at),
        };
        // What no root reaches stays unreached, whatever code says of it.
        let is_reached = self
            .heap
            .object_holding(value)
            .is_none_or(|slot| self.is_reachable(self.heap.id(slot)));
        if is_reached {
            self.follow(value, Claim::Elements(ty, count.max(1)), parent);
            self.drain();
        }
    }

    /// Gives a type to a closure object, and follows what it captured.
    pub fn learn_closure(&mut self, at: Address, ty: TypeId) {
        let Some(slot) = self.heap.object_holding(at) else { return };
        if self.heap.object_start(slot) == at && self.agrees(slot, ty, 0, 1, true) {
            self.push_range(at, ty, 1, Parent::Object(self.heap.id(slot)));
            self.drain();
        }
    }

    /// Gives a map's header its type, and follows its entries.
    pub fn learn_map(&mut self, at: Address, ty: TypeId) {
        if let Some(slot) = self.heap.object_holding(at) {
            let parent = self.parent(self.heap.id(slot)).unwrap_or(Parent::Root(0));
            self.follow(at, Claim::Map(ty), parent);
        } else {
            self.follow(at, Claim::Map(ty), Parent::Root(0));
        }
        self.drain();
    }

    /// Returns where the reachable closures are, by the entry of their function.
    pub fn closures(&self) -> HashMap<Address, Vec<Address>> {
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for (index, span) in self.heap.spans().iter().enumerate() {
            for slot_index in 0..span.count() {
                let slot = self.heap.slot_at(index, slot_index);
                let id = self.heap.id(slot);
                if self.object_type(id) == Some(ObjectType::Closure) {
                    let at = self.heap.object_start(slot);
                    if let Ok(code) = self.memory().read_address(at) {
                        found.entry(code).or_default().push(at);
                    }
                }
            }
        }
        found
    }

    /// Notes that objects are the insides of some map: nodes of a `sync.Map`, say.
    pub fn learn_internals(&mut self, internals: impl IntoIterator<Item = Address>) {
        for at in internals {
            if let Some(slot) = self.heap.object_holding(at) {
                let id = self.heap.id(slot);
                if matches!(self.object_type(id), None | Some(ObjectType::Part(_))) {
                    self.set_object_type(id, ObjectType::MapInternal);
                }
            }
        }
    }

    /// Returns the roots, those found on the way included.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Tells whether a root reaches an object.
    pub fn is_reachable(&self, id: ObjectId) -> bool {
        self.marks[id.index() / 64] >> (id.index() % 64) & 1 != 0
    }

    /// Returns what an object was found to be.
    pub fn object_type(&self, id: ObjectId) -> Option<ObjectType> {
        ObjectType::unpack(self.object_types[id.index()], self.types)
    }

    /// Returns what led to an object first.
    pub fn parent(&self, id: ObjectId) -> Option<Parent> {
        Parent::unpack(self.parents[id.index()])
    }

    /// Returns the type of a map whose header is outside of the heap, where a pointer said it.
    pub fn off_heap_map(&self, at: Address) -> Option<OffHeapMap> {
        self.off_heap_maps.get(&at).copied()
    }

    /// Returns the values of type `sync.Map` that typed memory holds.
    pub fn sync_maps(&self) -> &HashMap<Address, TypeId> {
        &self.sync_maps
    }

    /// Finds the unnamed global that holds an address, if another global points to it.
    pub fn static_target(&self, at: Address) -> Option<&StaticTarget> {
        let (_, target) = self.static_targets.range(..=at).next_back()?;
        target.range.contains(at).then_some(target)
    }

    /// Returns words that looked like descriptors which `reflect` made and which no table holds.
    pub fn unknown_descriptors(&self) -> &HashSet<Address> {
        &self.unknown_descriptors
    }

    /// Adds up what was found.
    pub fn attribution(&self) -> Attribution {
        let mut sum = Attribution::default();
        for (index, span) in self.heap.spans().iter().enumerate() {
            for slot_index in 0..span.count() {
                let slot = self.heap.slot_at(index, slot_index);
                if !self.heap.is_allocated(slot) {
                    continue;
                }
                sum.objects += 1;
                sum.live_bytes += span.elem_size();
                let id = self.heap.id(slot);
                if !self.is_reachable(id) {
                    continue;
                }
                sum.reachable_objects += 1;
                sum.reachable_bytes += span.elem_size();
                sum.attributed_bytes += match self.object_type(id) {
                    None => 0,
                    Some(ObjectType::Part(ty)) => self.types.get(ty).size.min(span.elem_size()),
                    Some(_) => span.elem_size(),
                };
            }
        }
        sum
    }

    fn memory(&self) -> &'p dyn Memory {
        self.program.memory()
    }

    // ---- roots

    fn follow_root(&mut self, index: u32, root: Root) {
        // An interface in memory whose type nobody knows still tells the type of its data.
        let claim = match root.kind {
            RootKind::Global | RootKind::Stack { .. } | RootKind::StackObject { .. } => self
                .memory()
                .read_address(root.at - ByteSize::new(8))
                .ok()
                .and_then(|word| self.claim_of_pair(word)),
            RootKind::Goroutine { .. } | RootKind::Finalizer => Some(Claim::Closure),
            _ => None,
        };
        self.follow(root.value, claim.unwrap_or(Claim::Nothing), Parent::Root(index));
    }

    /// Finds what DWARF says of the word that a root is.
    fn claim_of_root(&self, root: &Root) -> Option<Claim> {
        if self.program.goroutine_list() == Some(root.at) {
            let g = self.types.by_name("*runtime.g")?;
            return self.claim_of_slice(g, root.at);
        }
        let (ty, base) = self.typed_place(root)?;
        self.claim_of_word(ty, base, (root.at - base).get())
    }

    /// Finds the variable that a root belongs to: its type, and where it starts.
    pub(crate) fn typed_place(&self, root: &Root) -> Option<(TypeId, Address)> {
        let dwarf = self.program.dwarf()?;
        match root.kind {
            RootKind::Global => {
                let global = dwarf.global_before(root.at)?;
                let into = root.at.checked_offset_from(global.address)?;
                (into.get() < self.types.get(global.ty).size).then_some((global.ty, global.address))
            }
            RootKind::Stack { goroutine, frame } | RootKind::StackObject { goroutine, frame } => {
                let frame = self
                    .program
                    .roots()
                    .stacks
                    .get(goroutine as usize)?
                    .frames
                    .get(frame as usize)?;
                let function = self.program.functions().get(frame.function)?;
                let cfa = frame.canonical_frame_address();
                let offset = root.at.get().wrapping_sub(cfa.get()) as i64;
                let (local, into) = dwarf.local_at(function.entry(), frame.pc, offset)?;
                Some((local.ty, root.at - ByteSize::new(into)))
            }
            _ => None,
        }
    }

    /// Globals can point to unnamed globals, which no root leads to: follow all by type.
    fn follow_typed_globals(&mut self) {
        let Some(dwarf) = self.program.dwarf() else { return };
        for global in dwarf.globals() {
            if self.program.module().global_section(global.address).is_some() {
                self.push_range(global.address, global.ty, 1, Parent::Root(0));
            }
        }
    }

    /// What a blocked goroutine sends lies where its wait record points, and is of the channel's
    /// element type (`runtime.sudog`).
    fn follow_blocked_sends(&mut self) {
        let layout = self.program.layout();
        let (Some(waiting), Some(elem), Some(channel), Some(next)) = (
            layout.find("runtime.g", "waiting"),
            layout.find("runtime.sudog", "elem"),
            layout.find("runtime.sudog", "c"),
            layout.find("runtime.sudog", "waitlink"),
        ) else {
            return;
        };
        let memory = self.memory();
        for (index, goroutine) in self.program.goroutines().iter().enumerate() {
            let is_own = |root: &Root| match root.kind {
                RootKind::Stack { goroutine, .. } => goroutine as usize == index,
                _ => false,
            };
            let mut at = waiting.read_address(memory, goroutine.address).unwrap_or_default();
            for _ in 0..MAX_WAITS {
                if at.is_null() {
                    break;
                }
                let read = |field: tophash_goruntime::Field| field.read_address(memory, at).ok();
                if let (Some(value), Some(channel)) = (read(elem), read(channel))
                    && let Some(ty) = self.words.channel_type(channel)
                    && !value.is_null()
                {
                    let root = self.roots.iter().position(is_own).unwrap_or(0) as u32;
                    self.push_range(value, ty, 1, Parent::Root(root));
                }
                at = read(next).unwrap_or_default();
            }
        }
    }

    // ---- claims

    /// Calls `visit` with each pointer of a value, its arrays written out.
    fn each_edge(&self, ty: TypeId, at: u64, depth: u32, visit: &mut impl FnMut(u64, Pointee)) {
        if depth > 16 {
            return;
        }
        for edge in self.types.edges(ty) {
            match edge.pointee {
                Pointee::Repeat { elem, len } => {
                    let size = self.types.get(elem).size;
                    for index in 0..len {
                        self.each_edge(elem, at + edge.offset + index * size, depth + 1, visit);
                    }
                }
                pointee => visit(at + edge.offset, pointee),
            }
        }
    }

    /// Says what the pointer word at `offset` of a value of type `ty` leads to.
    fn claim_of_word(&self, ty: TypeId, base: Address, offset: u64) -> Option<Claim> {
        let pointee = self.pointee_at(ty, offset, 0)?;
        let at = base + ByteSize::new(offset);
        Some(self.claim_of_edge(pointee, at))
    }

    fn pointee_at(&self, ty: TypeId, offset: u64, depth: u32) -> Option<Pointee> {
        let edges = self.types.edges(ty);
        let after = edges.partition_point(|edge| edge.offset <= offset);
        let edge = edges.get(after.checked_sub(1)?)?;
        match edge.pointee {
            Pointee::Repeat { elem, len } if depth < 16 => {
                let size = self.types.get(elem).size;
                let into = offset - edge.offset;
                let index = into.checked_div(size)?;
                (index < len).then(|| self.pointee_at(elem, into % size, depth + 1)).flatten()
            }
            pointee => (edge.offset == offset).then_some(pointee),
        }
    }

    /// Turns a pointer's static type into a claim about what it leads to; `at` is where it stands.
    fn claim_of_edge(&self, pointee: Pointee, at: Address) -> Claim {
        match pointee {
            Pointee::Value(ty) => Claim::One(ty),
            Pointee::Elements(ty) => self.claim_of_slice(ty, at).unwrap_or(Claim::Nothing),
            Pointee::Text => Claim::Text,
            Pointee::Map(ty) => Claim::Map(ty),
            Pointee::Channel(ty) => Claim::Channel(ty),
            Pointee::Closure => Claim::Closure,
            Pointee::Any | Pointee::Methods => self
                .memory()
                .read_address(at - ByteSize::new(8))
                .ok()
                .and_then(|word| self.claim_of_pair(word))
                .unwrap_or(Claim::Nothing),
            Pointee::Unknown | Pointee::Repeat { .. } => Claim::Nothing,
        }
    }

    fn claim_of_slice(&self, elem: TypeId, at: Address) -> Option<Claim> {
        let cap = self.memory().read_u64(at + ByteSize::new(16)).ok()?;
        Some(Claim::Elements(elem, cap))
    }

    /// Reads a type word and a data word as an interface.
    fn claim_of_pair(&self, word: Address) -> Option<Claim> {
        let ty = self.words.dynamic_type(word)?;
        Some(self.claim_of_dynamic(ty))
    }

    fn claim_of_dynamic(&self, ty: TypeId) -> Claim {
        if !self.types.get(ty).is_direct {
            return Claim::One(ty);
        }
        match self.types.edges(ty).first() {
            Some(edge) => match edge.pointee {
                Pointee::Value(ty) => Claim::One(ty),
                Pointee::Map(ty) => Claim::Map(ty),
                Pointee::Channel(ty) => Claim::Channel(ty),
                Pointee::Closure => Claim::Closure,
                _ => Claim::Nothing,
            },
            None => Claim::Nothing,
        }
    }

    // ---- following pointers

    fn follow(&mut self, value: Address, claim: Claim, parent: Parent) {
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
    fn agrees(&self, slot: Slot, ty: TypeId, into: u64, count: u64, to_end: bool) -> bool {
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

    fn set_type(&mut self, slot: Slot, id: ObjectId, ty: ObjectType) {
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

    fn push_range(&mut self, at: Address, ty: TypeId, count: u64, parent: Parent) {
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

    // ---- scanning

    fn drain(&mut self) {
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
                    match self.words.dynamic_type(word) {
                        Some(ty) => self.claim_of_dynamic(ty),
                        None => {
                            self.note_unknown(word);
                            Claim::Nothing
                        }
                    }
                }
                Pointee::Unknown | Pointee::Repeat { .. } => Claim::Nothing,
            };
            let parent = parent.unwrap_or_else(|| self.global_parent(at + ByteSize::new(offset)));
            self.follow(value, claim, parent);
        }
    }

    /// Returns the root that a word among the globals is.
    fn global_parent(&mut self, at: Address) -> Parent {
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
    fn scan_untyped(&mut self, slot: Slot, parent: Parent) {
        let heap = self.heap;
        let start = heap.object_start(slot);
        let id = heap.id(slot);
        if matches!(self.object_type(id), None) {
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

    fn set_object_type(&mut self, id: ObjectId, ty: ObjectType) {
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

    fn follow_channel(&mut self, channel: Address, elem: TypeId, parent: Parent) {
        if let Some((buffer, len)) = self.words.channel_buffer(channel)
            && len > 0
        {
            self.follow(buffer, Claim::Elements(elem, len), parent);
        }
    }

    fn note_unknown(&mut self, word: Address) {
        if self.heap.object_holding(word).is_some() {
            self.unknown_descriptors.insert(word);
        }
    }

    fn note_sync_maps(&mut self, ty: TypeId, at: Address, len: u64) {
        let size = self.types.get(ty).size;
        let Some(offsets) = self.headers.sync_maps_in(self.types, ty) else { return };
        let count = if size == 0 { 0 } else { (len / size).max(1) };
        for index in 0..count {
            for &(offset, map) in offsets {
                self.sync_maps.insert(at + ByteSize::new(index * size + offset), map);
            }
        }
    }

    // ---- maps

    /// Follows a map's arrays with the types that its own type gives them.
    fn open_map(&mut self, header: Address, ty: TypeId, parent: Parent) {
        let Shape::Map(info) = &self.types.get(ty).shape else { return };
        let group = info.group;
        let headers = self.headers;
        let memory = self.memory();
        let mut arrays = Vec::new();
        let mut internals = Vec::new();
        let mut buckets = Vec::new();
        headers.arrays(memory, header, |part| match part {
            super::headers::Part::Array(at, units) => arrays.push((at, units)),
            super::headers::Part::Internal(at) => internals.push(at),
            super::headers::Part::Unit(at) => buckets.push(at),
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
