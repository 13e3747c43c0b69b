//! The Go heap as the graph library takes it: objects and their pointers, and the roots that hold
//! them.
//!
//! Nodes are the heap's slots, by their number, and behind them a node for each *holder*: a global
//! variable, a goroutine, or an object with a finalizer or cleanup. A holder has no bytes of its own;
//! what it retains is what would be freed if it let go. Edges are exactly the words that the
//! collector follows, but for those to the records of goroutines (`runtime.g`): the runtime lists all
//! of them and never frees one, so that each is held by its goroutine here, and by nothing else.

use std::collections::HashMap;

use tophash_gomap::{PathNamer, RootPathKind, Walk};
use tophash_goruntime::{Heap, ObjectId, Program, Root, RootKind, TypeTable};
use tophash_heapgraph::{NodeId, Source};
use tophash_memory::Address;

use super::sites::is_runtime;

/// Something outside of the heap that holds objects in it.
#[derive(Debug, Clone)]
pub(crate) struct Holder {
    pub(crate) kind: RootPathKind,
    /// The variable's name, or, stripped, its place; for a goroutine, the function it is in.
    pub(crate) name: String,
    /// A goroutine's index in the program's list.
    pub(crate) goroutine: Option<u32>,
    /// The first word of it that is a root; null where it is no word of memory.
    pub(crate) at: Address,
}

/// The graph's nodes and edges, read from the heap whenever they are asked for.
pub(crate) struct GoHeap<'p> {
    heap: &'p Heap<'p>,
    types: &'p TypeTable<'p>,
    walk: &'p Walk<'p>,
    holders: Vec<Holder>,
    /// Positions in the walk's roots, by holder.
    roots: Vec<Vec<u32>>,
    /// The records of goroutines, by holder.
    records: HashMap<usize, NodeId>,
    /// A bit for each slot: whether it holds the record of a goroutine.
    is_record: Vec<u64>,
}

#[derive(PartialEq, Eq, Hash)]
enum HolderKey {
    Global(String),
    Goroutine(u32),
    Finalized(Address),
}

impl<'p> GoHeap<'p> {
    pub(crate) fn new(program: &'p Program<'p>, walk: &'p Walk<'p>) -> Self {
        let namer = PathNamer::new(program, walk);
        let mut holders = Vec::new();
        let mut roots: Vec<Vec<u32>> = Vec::new();
        let mut by_key = HashMap::new();
        for (position, root) in walk.roots().iter().enumerate() {
            if root.value.is_null() {
                continue;
            }
            let named = match root.kind {
                RootKind::Global => Some(namer.name_root(root)),
                _ => None,
            };
            let (key, goroutine) = match root.kind {
                RootKind::Global => {
                    let name = named.as_ref().map(|path| path.name.clone()).unwrap_or_default();
                    (HolderKey::Global(name), None)
                }
                RootKind::Stack { goroutine, .. }
                | RootKind::StackObject { goroutine, .. }
                | RootKind::Register { goroutine }
                | RootKind::Goroutine { goroutine } => {
                    (HolderKey::Goroutine(goroutine), Some(goroutine))
                }
                // The special record of the object.
                RootKind::Finalizer | RootKind::FinalizedObject => {
                    (HolderKey::Finalized(root.at), None)
                }
            };
            let index = *by_key.entry(key).or_insert_with(|| {
                let path = named.unwrap_or_else(|| namer.name_root(root));
                let name = match goroutine {
                    Some(goroutine) => innermost_function(program, goroutine),
                    None => path.name,
                };
                holders.push(Holder { kind: path.kind, name, goroutine, at: root.at });
                roots.push(Vec::new());
                holders.len() - 1
            });
            roots[index].push(position as u32);
        }
        let heap = program.heap();
        let mut records = HashMap::new();
        let mut is_record = vec![0; heap.slot_count().div_ceil(64)];
        for (index, goroutine) in program.goroutines().iter().enumerate() {
            let Some(slot) = heap.object_holding(goroutine.address) else { continue };
            let node = Self::node(heap.id(slot));
            is_record[node.index() / 64] |= 1 << (node.index() % 64);
            let index = index as u32;
            let holder = *by_key.entry(HolderKey::Goroutine(index)).or_insert_with(|| {
                holders.push(Holder {
                    kind: RootPathKind::Stack,
                    name: innermost_function(program, index),
                    goroutine: Some(index),
                    at: Address::NULL,
                });
                roots.push(Vec::new());
                holders.len() - 1
            });
            records.insert(holder, node);
        }
        Self { heap, types: program.types(), walk, holders, roots, records, is_record }
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
                for &position in &self.roots[holder] {
                    self.root_targets(&self.walk.roots()[position as usize], visit);
                }
                self.records.get(&holder).into_iter().for_each(|record| visit(*record));
            }
        }
    }

    fn size(&self, node: NodeId) -> u64 {
        self.size_of(node)
    }
}
