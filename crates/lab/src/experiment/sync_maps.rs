//! `sync.Map` with integer keys and values, used by one goroutine, on the model's heap.
//!
//! Up to Go 1.23 (`sync/map.go`) it is a map for reading and one for writing, both from keys to
//! entries of one pointer. Reads that miss make the second take the place of the first; deleting
//! from the first only clears the entry. From Go 1.24 on (`internal/sync/hashtriemap.go`) it is a
//! trie of hashes: nodes of sixteen children, taken away as they become empty.

use tophash_gomap::{Heap, MemoryHash, RunningMap, Slot as Entry};
use tophash_memory::{Address, ByteSize};

use super::release::{ExperimentError, GoRelease};
use super::rig::{key, process_hash};
use super::world::{Kind, TYPE_WORD, World};
use crate::mutator::Slot;
use crate::pointer_map::MapId;

/// Stack slots: what the map's variable holds, and what an operation does.
const READ: usize = 0;
const DIRTY: usize = 1;
const SCRATCH: usize = 2;
/// Marks an entry that was deleted and is in the map for reading alone (`expunged`). The object that
/// stands for it in Go is none of the heap's here.
const EXPUNGED: Address = Address::new(TYPE_WORD + 8);

/// A `sync.Map`.
pub(super) struct SyncMap {
    world: World,
    design: Design,
}

enum Design {
    TwoMaps(TwoMaps),
    Trie(Trie),
}

impl SyncMap {
    pub(super) fn new(release: &GoRelease) -> Result<Self, ExperimentError> {
        let mut world = World::new(release, &[])?;
        let design = match release.is_classic() {
            true => Design::TwoMaps(TwoMaps::new(release, &mut world)?),
            false => Design::Trie(Trie::new(&mut world)?),
        };
        Ok(Self { world, design })
    }

    /// Collects, and returns the bytes of objects that are left.
    pub(super) fn live(&mut self) -> f64 {
        self.world.live()
    }

    /// `m.Store(i, i)`
    pub(super) fn store(&mut self, i: u64) -> Result<(), ExperimentError> {
        let boxed = [boxed(&mut self.world, i)?, boxed(&mut self.world, i)?];
        match &mut self.design {
            Design::TwoMaps(map) => map.store(&mut self.world, i, boxed),
            Design::Trie(trie) => trie.store(&mut self.world, i, boxed),
        }
    }

    /// `m.Load(i)`
    pub(super) fn load(&mut self, i: u64) {
        if let Design::TwoMaps(map) = &mut self.design {
            map.load(&mut self.world, i);
        }
    }

    /// `m.Delete(i)`
    pub(super) fn delete(&mut self, i: u64) -> Result<(), ExperimentError> {
        match &mut self.design {
            Design::TwoMaps(map) => map.delete(&mut self.world, i),
            Design::Trie(trie) => {
                trie.delete(&mut self.world, i);
                Ok(())
            }
        }
    }

    /// `m.Range(…)`
    pub(super) fn range(&mut self) {
        if let Design::TwoMaps(map) = &mut self.design
            && map.dirty.is_some()
        {
            map.promote(&mut self.world);
        }
    }
}

/// Puts an integer into an interface, and returns its data word (`convT64`).
fn boxed(world: &mut World, i: u64) -> Result<Address, ExperimentError> {
    let at = world.runtime.allocate(world.main, 8, MapId::NONE)?;
    world.runtime.arena_mut().set_word(at, i);
    Ok(at)
}

fn word(world: &World, at: Address) -> Address {
    Address::new(world.runtime.arena().word(at))
}

fn interface(data: Address) -> Vec<u8> {
    [TYPE_WORD, data.get()].map(u64::to_le_bytes).concat()
}

struct TwoMaps {
    kind: Kind,
    read: RunningMap,
    dirty: Option<RunningMap>,
    misses: u64,
}

impl TwoMaps {
    fn new(release: &GoRelease, world: &mut World) -> Result<Self, ExperimentError> {
        let kind = world.kind_of_boxed_ints(release, tophash_gomap::GoType::Pointer)?;
        let read = world.make(&kind, 0, READ)?;
        let scratch = boxed(world, 0)?;
        world.runtime.store(world.local(SCRATCH), scratch);
        Ok(Self { kind, read, dirty: None, misses: 0 })
    }

    fn store(
        &mut self,
        world: &mut World,
        i: u64,
        [key, value]: [Address; 2],
    ) -> Result<(), ExperimentError> {
        // The value in its interface, which an entry points to.
        let holder = world.object(16, &[8])?;
        world.runtime.store(Slot::Heap(holder + ByteSize::new(8)), value);
        if let Some(entry) = self.find(world, &self.read.clone(), i) {
            if word(world, entry) == EXPUNGED
                && let Some(dirty) = self.dirty.clone()
            {
                self.insert(world, &dirty, key, entry)?;
            }
            world.runtime.store(Slot::Heap(entry), holder);
            return Ok(());
        }
        let dirty = match self.dirty.clone() {
            Some(dirty) => dirty,
            None => self.start_dirty(world)?,
        };
        let entry = match self.find(world, &dirty, i) {
            Some(entry) => entry,
            None => {
                let entry = world.object(8, &[0])?;
                self.insert(world, &dirty, key, entry)?;
                entry
            }
        };
        world.runtime.store(Slot::Heap(entry), holder);
        Ok(())
    }

    fn load(&mut self, world: &mut World, i: u64) {
        if self.find(world, &self.read.clone(), i).is_none() && self.dirty.is_some() {
            self.miss(world);
        }
    }

    fn delete(&mut self, world: &mut World, i: u64) -> Result<(), ExperimentError> {
        if let Some(entry) = self.find(world, &self.read.clone(), i) {
            if word(world, entry) != EXPUNGED {
                world.runtime.store(Slot::Heap(entry), Address::NULL);
            }
        } else if let Some(dirty) = self.dirty.clone() {
            let probe = self.probe(world, i);
            dirty.delete(&mut world.heap(&self.kind), &probe)?;
            self.miss(world);
        }
        Ok(())
    }

    /// Once as many reads have missed as the map for writing has entries, it is read, too
    /// (`missLocked`).
    fn miss(&mut self, world: &mut World) {
        self.misses += 1;
        let Some(dirty) = &self.dirty else { return };
        if self.misses >= dirty.len(&world.heap(&self.kind)) {
            self.promote(world);
        }
    }

    fn promote(&mut self, world: &mut World) {
        let Some(dirty) = self.dirty.take() else { return };
        world.runtime.store(world.local(READ), dirty.header());
        world.clear(DIRTY);
        self.read = dirty;
        self.misses = 0;
    }

    /// Makes a map for writing, of the entries that are not deleted; those that are will not be in
    /// it (`dirtyLocked`).
    fn start_dirty(&mut self, world: &mut World) -> Result<RunningMap, ExperimentError> {
        let hint = self.read.len(&world.heap(&self.kind));
        let dirty = world.make(&self.kind, hint, DIRTY)?;
        let mut heap = world.heap(&self.kind);
        let mut iter = self.read.iter(&mut heap)?;
        let mut found: Vec<Entry> = Vec::new();
        while let Some(slot) = iter.next(&mut heap) {
            found.push(slot);
        }
        for slot in found {
            let entry = word(world, slot.elem);
            match word(world, entry) {
                Address::NULL => world.runtime.store(Slot::Heap(entry), EXPUNGED),
                EXPUNGED => {}
                _ => {
                    let key = word(world, slot.key + ByteSize::new(8));
                    self.insert(world, &dirty, key, entry)?;
                }
            }
        }
        self.dirty = Some(dirty.clone());
        Ok(dirty)
    }

    fn insert(
        &self,
        world: &mut World,
        map: &RunningMap,
        key: Address,
        entry: Address,
    ) -> Result<(), ExperimentError> {
        let mut heap = world.heap(&self.kind);
        map.insert(&mut heap, &interface(key), &entry.get().to_le_bytes())?;
        Ok(())
    }

    /// An interface that holds an integer, for a look-up.
    fn probe(&self, world: &mut World, i: u64) -> Vec<u8> {
        let scratch = world.runtime.load(world.local(SCRATCH));
        world.runtime.arena_mut().set_word(scratch, i);
        interface(scratch)
    }

    fn find(&self, world: &mut World, map: &RunningMap, i: u64) -> Option<Address> {
        let probe = self.probe(world, i);
        let mut heap = world.heap(&self.kind);
        let slot = map.get(&mut heap, &probe)?;
        Some(Address::new(heap.arena().word(slot.elem)))
    }
}

/// Bits of the hash that a node decides on.
const NIBBLE: u32 = 4;
/// A node: whether it is an entry, whether it is dead, a lock; its parent; sixteen children.
const PARENT: ByteSize = ByteSize::new(16);
const CHILDREN: u64 = 24;
const NODE: u64 = CHILDREN + 16 * 8;
/// An entry: that it is one; the next of the same hash; key; value.
const ENTRY: u64 = 48;
const IS_ENTRY: u64 = 1;

struct Trie {
    hash: MemoryHash,
    /// Where a node has its pointers.
    pointers: Vec<u64>,
    root: Address,
}

impl Trie {
    fn new(world: &mut World) -> Result<Self, ExperimentError> {
        let hash = process_hash().ok_or(ExperimentError::Absent { what: "hash" })?;
        let pointers = (PARENT.get()..NODE).step_by(8).collect();
        let mut trie = Self { hash, pointers, root: Address::NULL };
        trie.root = trie.node(world, Address::NULL)?;
        world.runtime.store(world.local(READ), trie.root);
        Ok(trie)
    }

    fn node(&self, world: &mut World, parent: Address) -> Result<Address, ExperimentError> {
        let node = world.object(NODE, &self.pointers)?;
        world.runtime.store(Slot::Heap(node + PARENT), parent);
        Ok(node)
    }

    fn hash_of(&self, i: u64) -> u64 {
        self.hash.word_8(key(i), 1)
    }

    /// Where a node has the child for a hash, of which so many bits are left.
    fn child(node: Address, hash: u64, left: u32) -> Address {
        node + ByteSize::new(CHILDREN + 8 * (hash >> left & 15))
    }

    /// Goes down to the entry, or to where it would be: the node, the place in it, and the bits of
    /// the hash that are left.
    fn find(&self, world: &World, hash: u64) -> (Address, Address, u32) {
        let mut node = self.root;
        let mut left = u64::BITS;
        loop {
            left -= NIBBLE;
            let place = Self::child(node, hash, left);
            let below = word(world, place);
            if below.is_null() || is_entry(world, below) || left == 0 {
                return (node, place, left);
            }
            node = below;
        }
    }

    fn store(
        &self,
        world: &mut World,
        i: u64,
        [key, value]: [Address; 2],
    ) -> Result<(), ExperimentError> {
        let hash = self.hash_of(i);
        let (node, place, mut left) = self.find(world, hash);
        let entry = world.object(ENTRY, &[8, 24, 40])?;
        world.runtime.arena_mut().set_word(entry, IS_ENTRY);
        world.runtime.store(Slot::Heap(entry + ByteSize::new(24)), key);
        world.runtime.store(Slot::Heap(entry + ByteSize::new(40)), value);
        let old = word(world, place);
        let old_key = (!old.is_null()).then(|| key_of(world, old));
        let Some(old_hash) = old_key.filter(|old| *old != i).map(|old| self.hash_of(old)) else {
            world.runtime.store(Slot::Heap(place), entry);
            return Ok(());
        };
        // Both go below new nodes, as far down as their hashes agree (`expand`).
        let (mut parent, mut at) = (node, place);
        while left > 0 {
            left -= NIBBLE;
            let below = self.node(world, parent)?;
            world.runtime.store(Slot::Heap(at), below);
            let places = [old_hash, hash].map(|hash| Self::child(below, hash, left));
            if places[0] != places[1] {
                world.runtime.store(Slot::Heap(places[0]), old);
                world.runtime.store(Slot::Heap(places[1]), entry);
                break;
            }
            (parent, at) = (below, places[0]);
        }
        Ok(())
    }

    fn delete(&self, world: &mut World, i: u64) {
        let hash = self.hash_of(i);
        let (mut node, place, mut left) = self.find(world, hash);
        let entry = word(world, place);
        if entry.is_null() || key_of(world, entry) != i {
            return;
        }
        world.runtime.store(Slot::Heap(place), Address::NULL);
        loop {
            let parent = word(world, node + PARENT);
            let is_empty = (0..16)
                .all(|child| word(world, node + ByteSize::new(CHILDREN + 8 * child)).is_null());
            if parent.is_null() || !is_empty {
                return;
            }
            left += NIBBLE;
            world.runtime.store(Slot::Heap(Self::child(parent, hash, left)), Address::NULL);
            node = parent;
        }
    }
}

fn is_entry(world: &World, node: Address) -> bool {
    world.runtime.arena().word(node) == IS_ENTRY
}

/// The integer that an entry's key holds.
fn key_of(world: &World, entry: Address) -> u64 {
    let key = word(world, entry + ByteSize::new(24));
    world.runtime.arena().word(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The number of entries that are there, by asking for each.
    fn found(map: &mut SyncMap, keys: std::ops::Range<u64>) -> u64 {
        let mut count = 0;
        for i in keys {
            count += u64::from(match &mut map.design {
                Design::TwoMaps(maps) => {
                    let world = &mut map.world;
                    let dirty = maps.dirty.clone();
                    let entry = maps
                        .find(world, &maps.read.clone(), i)
                        .or_else(|| maps.find(world, &dirty?, i));
                    entry.is_some_and(|entry| {
                        ![Address::NULL, EXPUNGED].contains(&word(world, entry))
                    })
                }
                Design::Trie(trie) => {
                    let (_, place, _) = trie.find(&map.world, trie.hash_of(i));
                    let entry = word(&map.world, place);
                    !entry.is_null() && key_of(&map.world, entry) == i
                }
            });
        }
        count
    }

    #[test]
    fn what_is_stored_is_found_and_what_is_deleted_is_not_in_both_designs() {
        for minor in [23, 24] {
            let mut map = SyncMap::new(&GoRelease::of(minor).unwrap()).unwrap();
            (0..500).for_each(|i| map.store(i).unwrap());
            (0..500).for_each(|i| map.load(i));
            (0..500).step_by(2).for_each(|i| map.delete(i).unwrap());
            assert_eq!(found(&mut map, 0..600), 250, "Go 1.{minor}");
            // Stored again, expunged entries come back.
            (500..600).for_each(|i| map.store(i).unwrap());
            (0..500).for_each(|i| map.store(i).unwrap());
            map.live();
            map.range();
            assert_eq!(found(&mut map, 0..700), 600, "Go 1.{minor}");
            (0..600).for_each(|i| map.delete(i).unwrap());
            map.live();
            assert_eq!(found(&mut map, 0..700), 0, "Go 1.{minor}");
        }
    }
}
