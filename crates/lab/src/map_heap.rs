//! Maps on this heap: what each object of a map has for pointers, and the runtime as an executable
//! map sees it.
//!
//! While an operation is under way, what it allocates may lie in no object yet, and what it reads
//! may have left the map already. In Go the operation's frames hold both. Here what it allocates is
//! a root until the map says that it is done, and no cycle ends marking meanwhile, so that nothing
//! it reads is freed: a schedule that Go could have, too. The same holds for text that is allocated
//! for keys and elems ahead of an operation: it is kept until that operation is done.

use tophash_gomap::{Heap, MapLayout, MapShape, MapType, OutOfMemory, Piece, Request, SLOTS};
use tophash_memory::{Address, Arena};

use crate::mutator::GoroutineId;
use crate::pointer_map::{MapId, PointerMap, Role};
use crate::runtime::Runtime;

/// The pointer maps of a map type's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapPieces {
    header: MapId,
    extra: MapId,
    slice: MapId,
    pointers: MapId,
    table: MapId,
    array: MapId,
    overflow: MapId,
    key: MapId,
    elem: MapId,
}

/// A runtime as the heap of an executable map, which a goroutine works on.
#[derive(Debug)]
pub struct MapHeap<'r> {
    runtime: &'r mut Runtime,
    goroutine: GoroutineId,
    pieces: MapPieces,
}

/// Returns the offsets of pointers in a bucket or group, but for that to an overflow bucket.
fn slot_pointers(ty: &MapType, shape: &MapShape) -> Vec<u64> {
    let mut offsets = Vec::new();
    let parts = [
        (ty.key(), shape.keys_offset, shape.key_stride, shape.indirect_key),
        (ty.elem(), shape.elems_offset, shape.elem_stride, shape.indirect_elem),
    ];
    for (part, first, stride, is_indirect) in parts {
        for slot in 0..SLOTS {
            let at = first + slot * stride;
            match is_indirect {
                true => offsets.push(at),
                false => part.pointers(at, at + part.size(), &mut |offset| offsets.push(offset)),
            }
        }
    }
    offsets
}

impl Runtime {
    /// Works out the pointer maps of a map type's objects: `MapBucketType`, `SwissMapGroupType` and
    /// the headers' types of `cmd/compile/internal/reflectdata`.
    pub fn map_pieces(&mut self, ty: &MapType) -> MapPieces {
        let shape = ty.shape();
        let mut offsets = slot_pointers(ty, shape);
        let (header, table) = match ty.release().layout() {
            MapLayout::Classic(map) => {
                let size = map.size.get();
                let fields = [map.buckets, map.old_buckets, map.extra].map(|field| field.offset);
                (PointerMap::new(size, fields, Role::MapHeader), None)
            }
            MapLayout::Swiss(map) => {
                let header = [map.directory.offset];
                let table = [map.table_groups.offset];
                let table = PointerMap::new(map.table_size.get(), table, Role::MapHeader);
                (PointerMap::new(map.size.get(), header, Role::MapHeader), Some(table))
            }
        };
        let size = shape.group_size;
        // Buckets without other pointers refer to the next one by a number, which is why the header
        // then lists them (`mapextra`).
        let next = match ty.release().layout().is_classic() && !shape.is_noscan {
            true => Some(size - 8),
            false => None,
        };
        offsets.extend(next);
        let with_next = |role| {
            let map = PointerMap::new(size, offsets.iter().copied(), role);
            match next {
                Some(offset) => map.with_overflow(offset),
                None => map,
            }
        };
        let (array, overflow) = (with_next(Role::MapArray), with_next(Role::OverflowBucket));
        let words =
            |size, offsets: &[u64]| PointerMap::new(size, offsets.iter().copied(), Role::MapHeader);
        MapPieces {
            header: self.pointer_map(header),
            // `mapextra`: two lists, and the next spare bucket.
            extra: self.pointer_map(words(24, &[0, 8, 16])),
            slice: self.pointer_map(words(24, &[0])),
            pointers: self.pointer_map(words(8, &[0])),
            table: table.map_or(MapId::NONE, |table| self.pointer_map(table)),
            array: self.pointer_map(array),
            overflow: self.pointer_map(overflow),
            key: self.pointer_map(PointerMap::of(ty.key())),
            elem: self.pointer_map(PointerMap::of(ty.elem())),
        }
    }

    /// Lends the runtime to an executable map.
    pub fn map_heap(&mut self, goroutine: GoroutineId, pieces: MapPieces) -> MapHeap<'_> {
        MapHeap { runtime: self, goroutine, pieces }
    }

    /// The write barrier for `len` bytes at `at` (`bulkBarrierPreWrite`, `runtime/mbitmap.go`).
    fn bulk_barrier(&mut self, at: u64, len: u64, new: Option<&[u8]>) {
        if !self.heap.is_marking {
            return;
        }
        let Some((id, slot)) = self.heap.slot_of(at) else { return };
        let span = self.heap.span(id);
        let Some(&map) = span.maps.get(slot) else { return };
        let start = at - span.object(slot).min(at);
        let mut pointers = std::mem::take(&mut self.pointers);
        pointers.extend(self.maps.get(map).within(start, start + len).map(|offset| offset - start));
        for offset in pointers.drain(..) {
            let old = self.heap.arena.word(Address::new(at + offset));
            let new = new.and_then(|new| new.get(offset as usize..)?.first_chunk());
            self.write_barrier(old, new.map_or(0, |bytes| u64::from_le_bytes(*bytes)));
        }
        self.pointers = pointers;
    }
}

impl MapHeap<'_> {
    /// Returns the runtime.
    pub fn runtime(&mut self) -> &mut Runtime {
        self.runtime
    }
}

impl Heap for MapHeap<'_> {
    #[inline(always)]
    fn arena(&self) -> &Arena {
        &self.runtime.heap.arena
    }

    #[inline(always)]
    fn arena_mut(&mut self) -> &mut Arena {
        &mut self.runtime.heap.arena
    }

    fn allocate(&mut self, request: Request) -> Result<Address, OutOfMemory> {
        let pieces = &self.pieces;
        let map = match request.piece {
            _ if request.is_noscan => MapId::NONE,
            Piece::Header => pieces.header,
            Piece::Extra => pieces.extra,
            Piece::OverflowList => pieces.slice,
            Piece::OverflowArray(_) | Piece::Directory(_) => pieces.pointers,
            Piece::Buckets(_) | Piece::Groups(_) => pieces.array,
            Piece::OverflowBucket => pieces.overflow,
            Piece::Table => pieces.table,
            Piece::Key => pieces.key,
            Piece::Elem => pieces.elem,
            // Text, and whatever else has no pointers.
            _ => MapId::NONE,
        };
        self.runtime.is_in_flight = true;
        let at = self.runtime.allocate(self.goroutine, request.size, map)?;
        self.runtime.registers.push(at.get());
        Ok(at)
    }

    fn round_up(&self, size: u64, is_noscan: bool) -> u64 {
        self.runtime.rules.round_up(size, is_noscan)
    }

    fn random(&mut self) -> u64 {
        self.runtime.random.next()
    }

    #[inline]
    fn barrier(&mut self, at: Address, len: u64, new: Option<&[u8]>) {
        self.runtime.bulk_barrier(at.get(), len, new);
    }

    fn operation_done(&mut self) {
        self.runtime.is_in_flight = false;
        self.runtime.registers.clear();
    }
}
