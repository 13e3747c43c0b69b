//! A program with a collector beside it: a goroutine, its stack, and maps on the model's heap.

use std::sync::Arc;

use tophash_gomap::{GoType, MapType, RunningIter, RunningMap};
use tophash_memory::Address;

use super::release::{ExperimentError, GoRelease};
use super::rig::{INT, key, process_hash};
use crate::gc::Fault;
use crate::map_heap::{MapHeap, MapPieces};
use crate::mutator::{GoroutineId, Slot};
use crate::pointer_map::{PointerMap, Role};
use crate::runtime::{Runtime, RuntimeOptions};

/// Stack slots of the one goroutine; an iterator takes some of them.
const SLOTS: usize = 16;

/// What stands for a type in an interface; it lies outside of the heap.
pub(super) const TYPE_WORD: u64 = 0x40_0000;

/// A map type of the program.
#[derive(Debug, Clone)]
pub(super) struct Kind {
    ty: Arc<MapType>,
    pieces: MapPieces,
    elem: Vec<u8>,
}

/// A program with a collector beside it. Collections run when they are asked for.
#[derive(Debug)]
pub(super) struct World {
    pub(super) runtime: Runtime,
    pub(super) main: GoroutineId,
}

impl World {
    pub(super) fn new(release: &GoRelease, faults: &[Fault]) -> Result<Self, ExperimentError> {
        let mut options = RuntimeOptions::new(release.version().clone());
        options.gc_percent = None;
        options.profile_rate = 0;
        options.faults = faults.to_vec();
        let mut runtime = Runtime::new(options)?;
        let main = runtime.go(SLOTS, &[])?;
        Ok(Self { runtime, main })
    }

    /// A slot of the goroutine's stack.
    pub(super) fn local(&self, index: usize) -> Slot {
        Slot::Stack(self.main, index)
    }

    /// Sets a slot of the goroutine's stack to nil.
    pub(super) fn clear(&mut self, index: usize) {
        self.runtime.store(self.local(index), Address::NULL);
    }

    /// Collects, and returns the bytes of objects that are left.
    pub(super) fn live(&mut self) -> f64 {
        self.runtime.gc();
        self.runtime.gc();
        self.runtime.mem_stats().heap_alloc as f64
    }

    pub(super) fn kind(
        &mut self,
        release: &GoRelease,
        key: GoType,
        elem: GoType,
    ) -> Result<Kind, ExperimentError> {
        let hash = process_hash().ok_or(ExperimentError::Absent { what: "hash" })?;
        let size = usize::try_from(elem.size()).unwrap_or(0);
        let ty = Arc::new(MapType::new(release.maps(), key, elem, hash)?);
        let pieces = self.runtime.map_pieces(&ty);
        Ok(Kind { ty, pieces, elem: vec![0; size] })
    }

    /// A map type of keys that are interfaces which hold an int each.
    pub(super) fn kind_of_boxed_ints(
        &mut self,
        release: &GoRelease,
        elem: GoType,
    ) -> Result<Kind, ExperimentError> {
        let key = GoType::Interface { has_methods: false };
        let mut kind = self.kind(release, key, elem)?;
        let mut ty = (*kind.ty).clone();
        ty.add_dynamic(Address::new(TYPE_WORD), &INT)?;
        kind.ty = Arc::new(ty);
        Ok(kind)
    }

    /// Lends the heap to a map.
    pub(super) fn heap(&mut self, kind: &Kind) -> MapHeap<'_> {
        self.runtime.map_heap(self.main, kind.pieces)
    }

    /// Makes a map and stores it in a slot of the goroutine's stack.
    pub(super) fn make(
        &mut self,
        kind: &Kind,
        hint: u64,
        index: usize,
    ) -> Result<RunningMap, ExperimentError> {
        let mut heap = self.runtime.map_heap(self.main, kind.pieces);
        let map = RunningMap::new(Arc::clone(&kind.ty), &mut heap, hint)?;
        self.runtime.store(self.local(index), map.header());
        Ok(map)
    }

    /// Makes a map of zero elems for the keys of such numbers.
    pub(super) fn filled(
        &mut self,
        kind: &Kind,
        n: u64,
        index: usize,
    ) -> Result<RunningMap, ExperimentError> {
        let map = self.make(kind, n, index)?;
        self.fill(kind, &map, 0..n)?;
        Ok(map)
    }

    pub(super) fn fill(
        &mut self,
        kind: &Kind,
        map: &RunningMap,
        keys: std::ops::Range<u64>,
    ) -> Result<(), ExperimentError> {
        let mut heap = self.runtime.map_heap(self.main, kind.pieces);
        for i in keys {
            map.insert(&mut heap, &key(i).to_le_bytes(), &kind.elem)?;
        }
        Ok(())
    }

    /// Assigns an elem, given as its bytes.
    pub(super) fn put(
        &mut self,
        kind: &Kind,
        map: &RunningMap,
        key: u64,
        elem: &[u8],
    ) -> Result<(), ExperimentError> {
        let mut heap = self.runtime.map_heap(self.main, kind.pieces);
        map.insert(&mut heap, &key.to_le_bytes(), elem)?;
        Ok(())
    }

    pub(super) fn delete(
        &mut self,
        kind: &Kind,
        map: &RunningMap,
        key: u64,
    ) -> Result<(), ExperimentError> {
        let mut heap = self.runtime.map_heap(self.main, kind.pieces);
        map.delete(&mut heap, &key.to_le_bytes())?;
        Ok(())
    }

    /// Finds a key's elem, which is a word.
    pub(super) fn get(&mut self, kind: &Kind, map: &RunningMap, key: u64) -> Option<Address> {
        let mut heap = self.runtime.map_heap(self.main, kind.pieces);
        let slot = map.get(&mut heap, &key.to_le_bytes())?;
        Some(Address::new(self.runtime.arena().word(slot.elem)))
    }

    /// Starts to range over a map and goes on by `steps` entries, or to the end; what the iterator
    /// refers to is stored from a slot of the goroutine's stack on.
    pub(super) fn iterate(
        &mut self,
        kind: &Kind,
        map: &RunningMap,
        steps: usize,
        index: usize,
    ) -> Result<RunningIter, ExperimentError> {
        let mut heap = self.runtime.map_heap(self.main, kind.pieces);
        let mut iter = map.iter(&mut heap)?;
        for _ in 0..steps {
            if iter.next(&mut heap).is_none() {
                break;
            }
        }
        let held = [vec![map.header()], iter.roots()].concat();
        for (at, root) in held.into_iter().enumerate().take(SLOTS - index) {
            self.runtime.store(self.local(index + at), root);
        }
        Ok(iter)
    }

    /// Lets go of an iterator whose pointers start at a slot.
    pub(super) fn drop_iterator(&mut self, index: usize) {
        (index..SLOTS).for_each(|at| self.clear(at));
    }

    /// Allocates an object of so many bytes, with pointers at these offsets.
    pub(super) fn object(
        &mut self,
        size: u64,
        pointers: &[u64],
    ) -> Result<Address, ExperimentError> {
        let map = PointerMap::new(size, pointers.iter().copied(), Role::Plain);
        let map = self.runtime.pointer_map(map);
        Ok(self.runtime.allocate(self.main, size, map)?)
    }
}
