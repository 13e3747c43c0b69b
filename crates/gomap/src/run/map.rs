//! A map of any type, with keys and elems as their bytes in Go's memory.

use std::sync::Arc;

use tophash_memory::Address;

use super::access;
use super::heap::{Heap, OutOfMemory};
use super::keys::{Eight, Four, Keys, Parts, Plain, StoredKeys, Text, TextKey};
use super::map_type::{KeyKind, MapType};
use super::slot::Slot;
use super::{classic, swiss};
use crate::layout::MapLayout;

/// A running map. It is a handle: copies are of the same map, as in Go.
///
/// Every call takes the heap that the map was made in; keys are given as the bytes that a value of
/// the key type has in memory, so that a string is its header, whose bytes are in the heap's arena.
///
/// ```
/// use std::sync::Arc;
/// use tophash_gomap::{AesHash, BumpHeap, GoType, MapType, MemoryHash, Release, RunningMap};
/// use tophash_goruntime::GoVersion;
/// use tophash_memory::ByteSize;
///
/// let release = Release::new(&GoVersion::parse("go1.27").unwrap())?;
/// let hash = MemoryHash::Aes(AesHash::new(&[7; 128]).unwrap());
/// let ty = MapType::new(&release, GoType::Integer(8), GoType::Integer(2), hash)?;
/// let mut heap = BumpHeap::new(&release, ByteSize::new(1 << 30), 1)?;
///
/// let map = RunningMap::new(Arc::new(ty), &mut heap, 0)?;
/// map.insert(&mut heap, &7_u64.to_le_bytes(), &[1, 2])?;
/// assert_eq!(map.get(&mut heap, &7_u64.to_le_bytes()).is_some(), true);
/// assert_eq!(map.len(&heap), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct RunningMap {
    ty: Arc<MapType>,
    header: Header,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Header {
    Classic(classic::MapHeader),
    Swiss(swiss::MapHeader),
}

/// Ranges over a running map, which may change meanwhile.
#[derive(Debug, Clone)]
pub struct RunningIter {
    ty: Arc<MapType>,
    iter: Iter,
}

#[derive(Debug, Clone)]
enum Iter {
    Classic(classic::Iter),
    Swiss(swiss::Iter),
}

/// Takes a key of four or eight bytes.
///
/// # Panics
///
/// If there are other than `N` bytes.
#[inline(always)]
fn word<const N: usize>(key: &[u8]) -> [u8; N] {
    let Ok(key) = key.try_into() else {
        panic!("a key of {} bytes was given for one of {N}", key.len())
    };
    key
}

fn text(key: &[u8]) -> TextKey {
    let header = u128::from_le_bytes(word(key));
    TextKey { data: Address::new(header as u64), len: (header >> 64) as u64 }
}

/// Takes a key of any size.
///
/// # Panics
///
/// If it has another one.
#[inline(always)]
fn sized<'k>(ty: &MapType, key: &'k [u8]) -> &'k [u8] {
    assert_eq!(key.len() as u64, ty.facts.shape.key_size, "the length of a key");
    key
}

/// Runs an expression with the keys of a map type.
macro_rules! with_keys {
    ($ty:expr, $bytes:expr, |$keys:ident, $key:ident| $run:expr) => {
        match $ty.kind {
            KeyKind::Four => {
                let ($keys, $key) = (Four, u32::from_le_bytes(word($bytes)));
                $run
            }
            KeyKind::Eight => {
                let ($keys, $key) = (Eight, u64::from_le_bytes(word($bytes)));
                $run
            }
            KeyKind::Text => {
                let ($keys, $key) = (Text, text($bytes));
                $run
            }
            KeyKind::Plain => {
                let ($keys, $key) = (Plain, sized(&$ty, $bytes));
                $run
            }
            KeyKind::Parts(_) => {
                let ($keys, $key) = (Parts, sized(&$ty, $bytes));
                $run
            }
        }
    };
}

impl RunningMap {
    /// Makes a map with room for `hint` entries, as `make(map[K]V, hint)` does.
    ///
    /// # Errors
    ///
    /// Fails where the heap has no room.
    pub fn new<H: Heap>(ty: Arc<MapType>, heap: &mut H, hint: u64) -> Result<Self, OutOfMemory> {
        let header = match ty.release().layout() {
            MapLayout::Classic(_) => Header::Classic(classic::MapHeader::new(&ty, heap, hint)?),
            MapLayout::Swiss(_) => Header::Swiss(swiss::MapHeader::new(&ty, heap, hint)?),
        };
        heap.operation_done();
        Ok(Self { ty, header })
    }

    /// Returns the map's type.
    pub fn map_type(&self) -> &Arc<MapType> {
        &self.ty
    }

    /// Returns where the header lies: what a variable of the map's type holds.
    pub fn header(&self) -> Address {
        match self.header {
            Header::Classic(map) => map.0,
            Header::Swiss(map) => map.0,
        }
    }

    /// Returns the number of entries.
    pub fn len<H: Heap>(&self, heap: &H) -> u64 {
        match self.header {
            Header::Classic(map) => map.len(heap.arena()),
            Header::Swiss(map) => map.len(heap.arena()),
        }
    }

    /// Tells whether there is no entry.
    pub fn is_empty<H: Heap>(&self, heap: &H) -> bool {
        self.len(heap) == 0
    }

    /// Finds the entry of a key.
    ///
    /// # Panics
    ///
    /// If `key` has another length than the key type's values.
    pub fn get<H: Heap>(&self, heap: &mut H, key: &[u8]) -> Option<Slot> {
        with_keys!(self.ty, key, |keys, key| self.find(keys, heap, key))
    }

    #[inline(always)]
    pub(super) fn find<K: Keys, H: Heap>(
        &self,
        keys: K,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> Option<Slot> {
        match self.header {
            Header::Classic(map) => map.get(keys, &self.ty, heap, key),
            Header::Swiss(map) => map.get(keys, &self.ty, heap, key),
        }
    }

    /// Finds the entry of a key, or adds one whose elem is zero; says whether it is new. What an
    /// elem that holds pointers is set to then goes through the write barrier:
    /// [`RunningMap::insert`] does both.
    ///
    /// # Errors
    ///
    /// Fails where the heap has no room.
    ///
    /// # Panics
    ///
    /// As [`RunningMap::get`].
    pub fn assign<H: Heap>(&self, heap: &mut H, key: &[u8]) -> Result<(Slot, bool), OutOfMemory> {
        with_keys!(self.ty, key, |keys, key| self.place(keys, heap, key))
    }

    #[inline(always)]
    pub(super) fn place<K: StoredKeys, H: Heap>(
        &self,
        keys: K,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> Result<(Slot, bool), OutOfMemory> {
        let placed = match self.header {
            Header::Classic(map) => map.assign(keys, &self.ty, heap, key),
            Header::Swiss(map) => map.assign(keys, &self.ty, heap, key),
        };
        heap.operation_done();
        placed
    }

    /// Sets the elem of a key, as `m[key] = elem` does; says whether the key is new.
    ///
    /// # Errors
    ///
    /// Fails where the heap has no room.
    ///
    /// # Panics
    ///
    /// If `key` or `elem` has another length than values of its type.
    pub fn insert<H: Heap>(
        &self,
        heap: &mut H,
        key: &[u8],
        elem: &[u8],
    ) -> Result<bool, OutOfMemory> {
        let facts = &self.ty.facts;
        assert_eq!(elem.len() as u64, facts.shape.elem_size, "the length of an elem");
        let (slot, is_new) = self.assign(heap, key)?;
        access::store(heap, slot.elem, elem, facts.elem_has_pointers);
        Ok(is_new)
    }

    /// Deletes a key; says whether it was there.
    ///
    /// # Errors
    ///
    /// Deleting from a classic map that grows moves entries, for which the heap may have no room.
    ///
    /// # Panics
    ///
    /// As [`RunningMap::get`].
    pub fn delete<H: Heap>(&self, heap: &mut H, key: &[u8]) -> Result<bool, OutOfMemory> {
        with_keys!(self.ty, key, |keys, key| self.remove(keys, heap, key))
    }

    #[inline(always)]
    pub(super) fn remove<K: Keys, H: Heap>(
        &self,
        keys: K,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> Result<bool, OutOfMemory> {
        let removed = match self.header {
            Header::Classic(map) => map.delete(keys, &self.ty, heap, key),
            Header::Swiss(map) => Ok(map.delete(keys, &self.ty, heap, key)),
        };
        heap.operation_done();
        removed
    }

    /// Deletes all entries and keeps the arrays, as `clear(m)` does, and a loop that deletes each
    /// key of a map.
    pub fn clear<H: Heap>(&self, heap: &mut H) {
        match self.header {
            Header::Classic(map) => map.clear(&self.ty, heap),
            Header::Swiss(map) => map.clear(&self.ty, heap),
        }
        heap.operation_done();
    }

    /// Starts to range over the map, from a random place on.
    ///
    /// # Errors
    ///
    /// An iterator over a classic map without pointers makes the map list its overflow buckets, for
    /// which the heap may have no room.
    pub fn iter<H: Heap>(&self, heap: &mut H) -> Result<RunningIter, OutOfMemory> {
        let iter = match self.header {
            Header::Classic(map) => Iter::Classic(classic::Iter::new(&self.ty, heap, map)?),
            Header::Swiss(map) => Iter::Swiss(swiss::Iter::new(heap, map)),
        };
        heap.operation_done();
        Ok(RunningIter { ty: Arc::clone(&self.ty), iter })
    }
}

impl RunningIter {
    /// Goes on to the next entry.
    #[inline]
    pub fn next<H: Heap>(&mut self, heap: &mut H) -> Option<Slot> {
        match self.ty.kind {
            KeyKind::Four => self.advance(Four, heap),
            KeyKind::Eight => self.advance(Eight, heap),
            KeyKind::Text => self.advance(Text, heap),
            KeyKind::Plain => self.advance(Plain, heap),
            KeyKind::Parts(_) => self.advance(Parts, heap),
        }
    }

    #[inline(always)]
    pub(super) fn advance<K: Keys, H: Heap>(&mut self, keys: K, heap: &mut H) -> Option<Slot> {
        match &mut self.iter {
            Iter::Classic(iter) => iter.next(keys, &self.ty, heap),
            Iter::Swiss(iter) => iter.next(keys, &self.ty, heap),
        }
    }

    /// Returns the objects that the iterator holds beside the map: to the collector, they are
    /// reached as long as the iterator is.
    pub fn roots(&self) -> Vec<Address> {
        match &self.iter {
            Iter::Classic(iter) => iter.roots().collect(),
            Iter::Swiss(iter) => iter.roots().collect(),
        }
    }
}
