//! The Go heap as the graph library takes it: objects and their pointers, and the roots that hold
//! them.
//!
//! Nodes are the heap's slots, by their number, and behind them a node for each *holder*: a global
//! variable, a goroutine, or an object with a finalizer or cleanup. A holder has no bytes of its own;
//! what it retains is what would be freed if it let go. Edges are exactly the words that the
//! collector follows, but for those to the records of goroutines (`runtime.g`): the runtime lists all
//! of them and never frees one, so that each is held by its goroutine here, and by nothing else.

use std::collections::{BTreeMap, HashMap};

use tophash_gomap::{PathNamer, RootPathKind};
use tophash_goruntime::{DwarfInfo, Heap, ObjectId, Pointee, Program, Root, RootKind, TypeTable};
use tophash_heapgraph::{NodeId, Source};
use tophash_memory::{Address, AddressRange, ByteSize, MemoryExt};

use super::sites::is_runtime;

/// Something outside of the heap that holds objects in it: its first root, which says what it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    root: Root,
}

impl Holder {
    /// Returns what kind of root it is.
    pub(crate) fn kind(&self) -> RootPathKind {
        match self.root.kind {
            RootKind::Global => RootPathKind::Global,
            RootKind::Finalizer | RootKind::FinalizedObject => RootPathKind::Finalizer,
            _ => RootPathKind::Stack,
        }
    }

    /// Returns a goroutine's index in the program's list.
    pub(crate) fn goroutine(&self) -> Option<u32> {
        match self.root.kind {
            RootKind::Stack { goroutine, .. }
            | RootKind::StackObject { goroutine, .. }
            | RootKind::Register { goroutine }
            | RootKind::Goroutine { goroutine } => Some(goroutine),
            _ => None,
        }
    }

    /// Returns the word of memory that its first root is; null where it is none.
    pub(crate) fn at(&self) -> Address {
        self.root.at
    }

    /// Names it: the variable or, stripped, its place; for a goroutine, the function it is in.
    pub(crate) fn name(&self, program: &Program<'_>, namer: &PathNamer<'_>) -> String {
        match self.goroutine() {
            Some(goroutine) => innermost_function(program, goroutine),
            None => namer.name_root(&self.root).name,
        }
    }
}

/// The graph's nodes and edges, read from the heap whenever they are asked for.
pub(crate) struct GoHeap<'p> {
    heap: &'p Heap<'p>,
    types: &'p TypeTable<'p>,
    holders: Vec<Holder>,
    roots: Vec<Vec<Root>>,
    /// The records of goroutines, by holder.
    records: HashMap<usize, NodeId>,
    /// A bit for each slot: whether it holds the record of a goroutine.
    is_record: Vec<u64>,
}

/// What makes roots one holder's.
#[derive(PartialEq, Eq, Hash)]
enum HolderKey {
    /// Of a variable, or of an unnamed global that only a variable leads to, the variable's address;
    /// of any other word, its own.
    Global(Address),
    Goroutine(u32),
    /// The special record of the object.
    Finalized(Address),
}

impl<'p> GoHeap<'p> {
    /// Takes a program's heap. Nothing needs to be known of it but the program.
    pub(crate) fn new(program: &'p Program<'p>) -> Self {
        let heap = program.heap();
        let mut new = Self {
            heap,
            types: program.types(),
            holders: Vec::new(),
            roots: Vec::new(),
            records: HashMap::new(),
            is_record: vec![0; heap.slot_count().div_ceil(64)],
        };
        let owners = program.dwarf().map(|dwarf| owners(program, dwarf)).unwrap_or_default();
        let mut by_key = HashMap::new();
        for root in program.roots().roots.iter().filter(|root| !root.value.is_null()) {
            let holder = Holder { root: *root };
            let key = match (root.kind, holder.goroutine()) {
                (_, Some(goroutine)) => HolderKey::Goroutine(goroutine),
                (RootKind::Global, _) => HolderKey::Global(owner(program, &owners, root.at)),
                _ => HolderKey::Finalized(root.at),
            };
            let index = *by_key.entry(key).or_insert_with(|| new.add(holder));
            new.roots[index].push(*root);
        }
        for (index, goroutine) in program.goroutines().iter().enumerate() {
            let Some(slot) = heap.object_holding(goroutine.address) else { continue };
            let node = Self::node(heap.id(slot));
            new.is_record[node.index() / 64] |= 1 << (node.index() % 64);
            let index = index as u32;
            let kind = RootKind::Goroutine { goroutine: index };
            let holder = *by_key.entry(HolderKey::Goroutine(index)).or_insert_with(|| {
                let root = Root { kind, at: Address::NULL, value: goroutine.address };
                new.add(Holder { root })
            });
            new.records.insert(holder, node);
        }
        new
    }

    fn add(&mut self, holder: Holder) -> usize {
        self.holders.push(holder);
        self.roots.push(Vec::new());
        self.holders.len() - 1
    }

    /// Returns the node of an object.
    pub(crate) fn node(id: ObjectId) -> NodeId {
        NodeId::new(id.index() as u32)
    }

    /// Returns the node of the object that an address is in.
    pub(crate) fn node_at(&self, at: Address) -> Option<NodeId> {
        self.heap.object_holding(at).map(|slot| Self::node(self.heap.id(slot)))
    }

    /// Returns every holder with its node.
    pub(crate) fn holders(&self) -> impl Iterator<Item = (NodeId, &Holder)> {
        let first = self.heap.slot_count();
        self.holders
            .iter()
            .enumerate()
            .map(move |(index, holder)| (NodeId::new((first + index) as u32), holder))
    }

    /// Returns the bytes of a node's slot; 0 for a holder.
    pub(crate) fn size_of(&self, node: NodeId) -> u64 {
        if node.index() >= self.heap.slot_count() {
            return 0;
        }
        let slot = self.heap.slot(ObjectId::from_index(node.index()));
        self.heap.span(slot.span).elem_size()
    }

    /// Returns what a node is: an object, or a holder.
    pub(crate) fn resolve(&self, node: NodeId) -> Result<ObjectId, &Holder> {
        match node.index().checked_sub(self.heap.slot_count()) {
            None => Ok(ObjectId::from_index(node.index())),
            Some(index) => Err(&self.holders[index]),
        }
    }

    fn root_targets(&self, root: &Root, visit: &mut dyn FnMut(NodeId)) {
        match (root.kind, self.heap.object_holding(root.value)) {
            // The object itself is not held, only what it points to.
            (RootKind::FinalizedObject, Some(slot)) => self.pointers(self.heap.id(slot), visit),
            (_, Some(slot)) => {
                let node = Self::node(self.heap.id(slot));
                if !self.is_record(node) {
                    visit(node);
                }
            }
            (_, None) => {}
        }
    }

    fn is_record(&self, node: NodeId) -> bool {
        self.is_record[node.index() / 64] >> (node.index() % 64) & 1 != 0
    }

    fn pointers(&self, id: ObjectId, visit: &mut dyn FnMut(NodeId)) {
        self.heap.for_each_pointer(self.types, self.heap.slot(id), |_, value| {
            if let Some(node) = self.node_at(value)
                && !self.is_record(node)
            {
                visit(node);
            }
        });
    }
}

/// Unnamed globals that are looked at: as many as a large program has.
const MAX_UNNAMED: usize = 1 << 20;

/// Unnamed globals that variables lead to, such as what composite literals compile to: where each
/// ends, and the variable, by where it starts.
type Owners = BTreeMap<Address, (Address, Address)>;

fn owners(program: &Program<'_>, dwarf: &DwarfInfo) -> Owners {
    let (types, memory, module) = (program.types(), program.memory(), program.module());
    let mut found = Owners::new();
    let mut open: Vec<_> =
        dwarf.globals().iter().map(|global| (global.address, global.ty, global.address)).collect();
    while let Some((at, ty, owner)) = open.pop() {
        for edge in types.edges(ty) {
            let Pointee::Value(pointee) = edge.pointee else { continue };
            let Ok(target) = memory.read_address(at + ByteSize::new(edge.offset)) else { continue };
            let size = types.get(pointee).size;
            let is_unnamed = size > 0
                && module.global_section(target).is_some()
                && variable(program, target).is_none();
            if is_unnamed && found.len() < MAX_UNNAMED && !found.contains_key(&target) {
                let range = AddressRange::from_size(target, ByteSize::new(size));
                found.insert(target, (range.end(), owner));
                open.push((target, pointee, owner));
            }
        }
    }
    found
}

/// Returns the address that a word of globals is told by.
fn owner(program: &Program<'_>, owners: &Owners, at: Address) -> Address {
    let unnamed = || {
        let (_, (end, owner)) = owners.range(..=at).next_back()?;
        (at < *end).then_some(*owner)
    };
    variable(program, at).or_else(unnamed).unwrap_or(at)
}

/// Finds the variable that an address lies in.
fn variable(program: &Program<'_>, at: Address) -> Option<Address> {
    let global = program.dwarf()?.global_before(at)?;
    let into = (at - global.address).get();
    (into < program.types().get(global.ty).size).then_some(global.address)
}

/// Returns the function that a goroutine is in, the runtime's own aside; that which it started in
/// where there is no other.
fn innermost_function(program: &Program<'_>, goroutine: u32) -> String {
    let frames = program.roots().stacks.get(goroutine as usize).map(|stack| &*stack.frames);
    let names = frames
        .unwrap_or_default()
        .iter()
        .filter_map(|frame| Some(program.functions().get(frame.function)?.name().into_owned()));
    let mut last = String::new();
    for name in names {
        if !is_runtime(&name) {
            return name;
        }
        last = name;
    }
    last
}

impl Source for GoHeap<'_> {
    fn node_count(&self) -> usize {
        self.heap.slot_count() + self.holders.len()
    }

    fn roots(&self, visit: &mut dyn FnMut(NodeId)) {
        self.holders().for_each(|(node, _)| visit(node));
    }

    fn successors(&self, node: NodeId, visit: &mut dyn FnMut(NodeId)) {
        match node.index().checked_sub(self.heap.slot_count()) {
            None => self.pointers(ObjectId::from_index(node.index()), visit),
            Some(holder) => {
                self.roots[holder].iter().for_each(|root| self.root_targets(root, visit));
                self.records.get(&holder).into_iter().for_each(|record| visit(*record));
            }
        }
    }

    fn size(&self, node: NodeId) -> u64 {
        self.size_of(node)
    }
}
