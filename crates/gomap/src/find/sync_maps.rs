//! `sync.Map`s: what they hold, and how they are found where no type leads to them.
//!
//! To Go 1.23 a `sync.Map` is two classic maps of entries, one read without a lock and one dirty
//! (`sync/map.go`). From Go 1.24 it is a hash trie (`internal/sync/hashtriemap.go`): inner nodes of
//! 16 children, and entries that chain where hashes collide.

use std::collections::{BTreeSet, HashMap};

use tophash_goruntime::{Field, Heap, ObjectId, Program};
use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use super::survey::{FoundMap, HeapAllocations};
use super::walk::{Parent, Walk};
use crate::layout::{MapLayout, MapShape};
use crate::read::{Allocations, entries, read_header};

/// The two designs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMapDesign {
    /// A read map and a dirty map.
    ReadDirty,
    /// A hash trie.
    HashTrie,
}

/// A `sync.Map`.
#[derive(Debug, Clone)]
pub struct FoundSyncMap {
    /// Where it is.
    pub address: Address,
    /// Its design.
    pub design: SyncMapDesign,
    /// Entries that a `Range` would visit.
    pub entries: u64,
    /// Entries in all, deleted ones that are still held included.
    pub slots: u64,
    /// Every allocation that belongs to it; its inner maps included, keys and values not.
    pub own: ByteSize,
    /// The headers of its inner maps, in the first design.
    pub inner: Vec<Address>,
    /// What it lies in.
    pub holder: Holder,
}

/// What a `sync.Map` lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// An object.
    Object(ObjectId),
    /// A place outside of the heap.
    Place(Address),
}

/// Children of an inner node (`nChildren`), and the bits of hash that each level takes.
const CHILDREN: u64 = 16;
/// 64 bits of hash, four a level.
const MAX_LEVELS: u32 = 17;

/// Finds and reads them.
pub(super) struct SyncMapFinder<'p> {
    program: &'p Program<'p>,
    heap: &'p Heap<'p>,
    memory: &'p dyn Memory,
    layout: &'p MapLayout,
    design: DesignFields,
}

enum DesignFields {
    ReadDirty {
        read: Field,
        dirty: Field,
        map: Field,
        pointer: Field,
    },
    HashTrie {
        root: Field,
        key_hash: Field,
        parent: Field,
        children: Field,
        node: Field,
        overflow: Field,
        indirect_slot: u64,
    },
}

#[derive(Default)]
struct Trie {
    entries: u64,
    own: ByteSize,
    nodes: Vec<Address>,
}

impl Trie {
    /// Notes a node; a trie with more of them than the heap has slots is a loop.
    fn visit(&mut self, at: Address, heap: &Heap<'_>) -> Option<()> {
        self.nodes.push(at);
        (self.nodes.len() <= heap.slot_count()).then_some(())
    }
}

impl<'p> SyncMapFinder<'p> {
    /// Prepares for a program; `None` where its release's table has no `sync.Map`.
    pub(super) fn new(program: &'p Program<'p>, layout: &'p MapLayout) -> Option<Self> {
        let table = program.layout();
        let design = if let Some(read) = table.find("sync.Map", "read") {
            DesignFields::ReadDirty {
                // To 1.19 an interface: its data word.
                read: Field { offset: read.offset + read.size - 8, size: 8 },
                dirty: table.find("sync.Map", "dirty")?,
                map: table.find("sync.readOnly", "m")?,
                pointer: table.find("sync.entry", "p")?,
            }
        } else {
            let outer = table.find("sync.Map", "m")?;
            let trie = |name| table.find("internal/sync.HashTrieMap", name);
            let indirect = |name| table.find("internal/sync.indirect", name);
            let size = table.size_of(&["internal/sync.indirect"]).ok()?;
            DesignFields::HashTrie {
                root: outer.then(trie("root")?),
                key_hash: outer.then(trie("keyHash")?),
                parent: indirect("parent")?,
                children: indirect("children")?,
                node: table.find("internal/sync.node", "isEntry")?,
                overflow: table.find("internal/sync.entry", "overflow")?,
                indirect_slot: program.heap().size_classes().slot_size(size, false),
            }
        };
        Some(Self { program, heap: program.heap(), memory: program.memory(), layout, design })
    }

    pub(super) fn find(&self, walk: &mut Walk<'_>, maps: &[FoundMap]) -> Vec<FoundSyncMap> {
        let mut places: BTreeSet<Address> = walk.sync_maps().keys().copied().collect();
        match &self.design {
            DesignFields::ReadDirty { read, dirty, .. } => {
                self.by_inner_maps(walk, maps, *read, *dirty, &mut places);
            }
            DesignFields::HashTrie { root, key_hash, parent, indirect_slot, .. } => {
                self.by_tries(walk, *root, *key_hash, *parent, *indirect_slot, &mut places);
            }
        }
        let by_address: HashMap<Address, &FoundMap> =
            maps.iter().map(|map| (map.address, map)).collect();
        let mut internals = Vec::new();
        let found = places
            .into_iter()
            .filter_map(|at| self.read(at, &by_address, &mut internals))
            .collect();
        walk.learn_internals(internals);
        found
    }

    // ---- finding

    /// Finds the word that led to an object first.
    fn word_holding(&self, walk: &Walk<'_>, id: ObjectId) -> Option<Address> {
        match walk.parent(id)? {
            Parent::Root(index) => {
                Some(walk.roots().get(index as usize)?.at).filter(|at| !at.is_null())
            }
            Parent::Object(parent) => {
                let slot = self.heap.slot(parent);
                let start = self.heap.object_start(slot);
                let wanted = self.heap.slot(id);
                let mut found = None;
                self.heap.for_each_pointer(self.program.types(), slot, |word, value| {
                    if found.is_none() && self.heap.slot_holding(value) == Some(wanted) {
                        found = Some(start + ByteSize::new(8 * word as u64));
                    }
                });
                found
            }
        }
    }

    /// The inner maps of the first design have a type of their own. The dirty one's header hangs
    /// off the `sync.Map` itself; the read one's off a record that does.
    fn by_inner_maps(
        &self,
        walk: &Walk<'_>,
        maps: &[FoundMap],
        read: Field,
        dirty: Field,
        places: &mut BTreeSet<Address>,
    ) {
        for map in maps {
            let is_inner = map
                .types
                .iter()
                .any(|ty| &*self.program.types().get(*ty).name == "map[interface {}]*sync.entry");
            let Some(slot) = self.heap.object_holding(map.address).filter(|_| is_inner) else {
                continue;
            };
            let Some(word) = self.word_holding(walk, self.heap.id(slot)) else { continue };
            let as_dirty = word - ByteSize::new(dirty.offset);
            let record = self.heap.object_holding(word);
            let as_read = record
                .filter(|slot| self.heap.object_start(*slot) == word)
                .and_then(|slot| self.word_holding(walk, self.heap.id(slot)))
                .map(|word| word - ByteSize::new(read.offset));
            let is_at = |at: &Address| self.read_dirty(*at).is_some();
            places.extend(as_read.filter(is_at).or(Some(as_dirty).filter(is_at)));
        }
    }

    /// The root node of a trie has no parent; whoever points to it is the trie, if a hasher of
    /// interfaces stands where the trie has it.
    fn by_tries(
        &self,
        walk: &Walk<'_>,
        root: Field,
        key_hash: Field,
        parent: Field,
        indirect_slot: u64,
        places: &mut BTreeSet<Address>,
    ) {
        for (index, span) in self.heap.spans().iter().enumerate() {
            if span.is_noscan() || span.elem_size() != indirect_slot {
                continue;
            }
            for slot_index in 0..span.count() {
                let slot = self.heap.slot_at(index, slot_index);
                let id = self.heap.id(slot);
                if !self.heap.is_allocated(slot) || !walk.is_reachable(id) {
                    continue;
                }
                let start = self.heap.object_start(slot);
                if parent.read(self.memory, start).is_ok_and(|parent| parent != 0) {
                    continue;
                }
                let Some(word) = self.word_holding(walk, id) else { continue };
                let at = word - ByteSize::new(root.offset);
                if self.hashes_interfaces(at, key_hash) {
                    places.insert(at);
                }
            }
        }
    }

    fn hashes_interfaces(&self, at: Address, key_hash: Field) -> bool {
        let code = key_hash
            .read_address(self.memory, at)
            .and_then(|function| self.memory.read_address(function));
        code.is_ok_and(|code| {
            self.program
                .functions()
                .find(code)
                .is_some_and(|function| function.name() == "runtime.nilinterhash")
        })
    }

    // ---- reading

    fn read(
        &self,
        at: Address,
        maps: &HashMap<Address, &FoundMap>,
        internals: &mut Vec<Address>,
    ) -> Option<FoundSyncMap> {
        let holder = match self.heap.object_holding(at) {
            Some(slot) => Holder::Object(self.heap.id(slot)),
            None => Holder::Place(at),
        };
        match &self.design {
            DesignFields::ReadDirty { .. } => {
                let (read, dirty) = self.read_dirty(at)?;
                let mut found = FoundSyncMap {
                    address: at,
                    design: SyncMapDesign::ReadDirty,
                    entries: 0,
                    slots: 0,
                    own: ByteSize::ZERO,
                    inner: [read, dirty].into_iter().filter(|at| !at.is_null()).collect(),
                    holder,
                };
                // The dirty map holds all that is not deleted for good, the read one's included.
                let current = if dirty.is_null() { read } else { dirty };
                self.count_inner(current, maps, &mut found, Some(internals));
                if !dirty.is_null() {
                    self.count_inner(read, maps, &mut found, None);
                }
                Some(found)
            }
            DesignFields::HashTrie { root, .. } => {
                let root = root.read_address(self.memory, at).ok()?;
                let mut trie = Trie::default();
                if !root.is_null() {
                    self.read_node(root, MAX_LEVELS, &mut trie)?;
                }
                internals.append(&mut trie.nodes);
                Some(FoundSyncMap {
                    address: at,
                    design: SyncMapDesign::HashTrie,
                    entries: trie.entries,
                    slots: trie.entries,
                    own: trie.own,
                    inner: Vec::new(),
                    holder,
                })
            }
        }
    }

    /// Reads the headers of the two inner maps; `None` where this is no `sync.Map`.
    fn read_dirty(&self, at: Address) -> Option<(Address, Address)> {
        let DesignFields::ReadDirty { read, dirty, map, .. } = &self.design else { return None };
        let record = read.read_address(self.memory, at).ok()?;
        let read = match record.is_null() {
            true => Address::NULL,
            false => map.read_address(self.memory, record).ok()?,
        };
        let dirty = dirty.read_address(self.memory, at).ok()?;
        let is_map =
            |at: Address| at.is_null() || read_header(self.memory, self.layout, at).is_ok();
        (is_map(read) && is_map(dirty)).then_some((read, dirty))
    }

    fn count_inner(
        &self,
        header: Address,
        maps: &HashMap<Address, &FoundMap>,
        found: &mut FoundSyncMap,
        internals: Option<&mut Vec<Address>>,
    ) {
        let DesignFields::ReadDirty { pointer, .. } = &self.design else { return };
        let types = self.program.types();
        let Some(map) = maps.get(&header) else { return };
        found.own += map.reading.own;
        let Some(info) = map.types.first().and_then(|ty| types.get(*ty).as_map()) else { return };
        let Some(internals) = internals else { return };
        let shape = MapShape::of(types, info);
        let allocations = HeapAllocations::new(self.heap);
        for entry in entries(self.memory, self.layout, &shape, &map.header).map_while(Result::ok) {
            found.slots += 1;
            let Ok(record) = self.memory.read_address(entry.elem) else { continue };
            if let Some(allocation) = allocations.allocation_holding(record) {
                found.own += allocation.slot;
                internals.push(record);
            }
            let value = pointer.read_address(self.memory, record).unwrap_or_default();
            if !value.is_null() {
                found.entries += 1;
                if let Some(allocation) = allocations.allocation_holding(value) {
                    found.own += allocation.slot;
                    internals.push(value);
                }
            }
        }
    }

    fn read_node(&self, at: Address, levels: u32, trie: &mut Trie) -> Option<()> {
        let DesignFields::HashTrie { children, node, overflow, .. } = &self.design else {
            return None;
        };
        let levels = levels.checked_sub(1)?;
        let allocations = HeapAllocations::new(self.heap);
        let allocation = allocations.allocation_holding(at)?;
        trie.visit(at, self.heap)?;
        trie.own += allocation.slot;
        for index in 0..CHILDREN {
            let child = children.of(at) + ByteSize::new(8 * index);
            let child = self.memory.read_address(child).ok()?;
            if child.is_null() {
                continue;
            }
            if node.read(self.memory, child).ok()? == 0 {
                self.read_node(child, levels, trie)?;
                continue;
            }
            let mut entry = child;
            while !entry.is_null() {
                trie.visit(entry, self.heap)?;
                trie.entries += 1;
                trie.own += allocations.allocation_holding(entry)?.slot;
                entry = overflow.read_address(self.memory, entry).ok()?;
            }
        }
        Some(())
    }
}
