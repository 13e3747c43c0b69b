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

mod attribution;
mod claim;
mod follow;
mod object;
mod roots;
mod scan;

pub use attribution::Attribution;
pub use object::{ObjectType, Parent};

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use tophash_goruntime::{Heap, ObjectId, Program, Root, RootKind, Slot, TypeId, TypeTable};
use tophash_memory::{Address, AddressRange, Memory, MemoryExt};

use self::claim::Claim;
use self::follow::ValueFacts;
use super::headers::HeaderLayout;
use super::type_words::TypeWords;

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
        }
    }

    /// Follows every root: first those whose type is known, then the rest, and the runtime's list of
    /// goroutines last. Much can be reached through it, but only what can not be reached otherwise is
    /// held by it in a sense that helps anybody.
    pub fn run(&mut self) {
        let mut rest = Vec::new();
        let mut list = None;
        for index in 0..self.roots.len() {
            let root = self.roots[index];
            if self.program.goroutine_list() == Some(root.at) {
                list = Some(index);
                continue;
            }
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
        if let Some(index) = list {
            let root = self.roots[index];
            let claim = self.claim_of_root(&root).unwrap_or(Claim::Nothing);
            self.follow(root.value, claim, Parent::Root(index as u32));
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

    fn memory(&self) -> &'p dyn Memory {
        self.program.memory()
    }
}
