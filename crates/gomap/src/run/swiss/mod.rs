//! The Swiss design, from Go 1.24 on (`internal/runtime/maps`).
//!
//! Up to eight entries lie in a single group, the small map, without tombstones. Then a directory
//! of `1 << depth` places leads to tables by the hash's upper bits; a table that has not been split
//! as often as the directory has doubled stands in several places. A table is replaced when it is
//! full, alone, so growth costs one table's worth of work at a time.

mod group;
mod iter;
mod table;

use tophash_memory::{Address, Arena};

use super::access::{add, clear_slot, make_cells, store_pointer};
use super::heap::{Heap, OutOfMemory, Piece, Request};
use super::keys::{Keys, StoredKeys, elem_at, key_at, slot_of};
use super::map_type::MapType;
use super::slot::Slot;
use crate::layout::SLOTS;
use group::{ALL_EMPTY, Control, EMPTY};
pub(super) use iter::Iter;
use table::{Assigned, MAX_CAPACITY, MAX_LOAD, Table, clear_group, groups_request, low_bits};

/// Bytes of a header.
const HEADER: u64 = 48;

/// Where fields lie in the header, the same in every release from 1.24 to 1.27.
const USED: u64 = 0;
const SEED: u64 = 8;
const DIRECTORY: u64 = 16;
const DIRECTORY_LEN: u64 = 24;
const DEPTH: u64 = 32;
const SHIFT: u64 = 33;
/// Up to Go 1.24, padding.
const TOMBSTONE_POSSIBLE: u64 = 35;
const CLEAR_COUNT: u64 = 40;

/// Larger maps than this fit no address space (`maxAlloc`).
const MAX_BYTES: u64 = 1 << 48;

/// A map's header in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MapHeader(pub(super) Address);

/// What operations look at first.
struct View {
    used: u64,
    seed: u64,
    directory: Address,
    directory_len: u64,
    shift: u8,
}

impl MapHeader {
    /// Makes a map with room for `hint` entries (`NewMap`).
    pub(super) fn new<H: Heap>(ty: &MapType, heap: &mut H, hint: u64) -> Result<Self, OutOfMemory> {
        let header = Request { piece: Piece::Header, size: HEADER, is_noscan: false };
        let map = Self(heap.allocate(header)?);
        map.reseed(heap);
        let Some((tables, capacity)) = tables_for(ty, hint) else { return Ok(map) };
        let directory = heap.allocate(directory_request(tables))?;
        let depth = tables.trailing_zeros() as u8;
        for index in 0..tables {
            let table = Table::new(ty, heap, capacity, index as i64, depth)?;
            store_pointer(heap, add(directory, 8 * index), table.0);
        }
        map.set_directory(heap, directory, tables, depth);
        Ok(map)
    }

    fn set_directory<H: Heap>(self, heap: &mut H, directory: Address, len: u64, depth: u8) {
        store_pointer(heap, add(self.0, DIRECTORY), directory);
        let arena = heap.arena_mut();
        arena.set_word(add(self.0, DIRECTORY_LEN), len);
        arena.store(add(self.0, DEPTH), [depth, 64 - depth]);
    }

    #[inline(always)]
    fn view(self, arena: &Arena) -> View {
        let bytes: &[u8; 40] = arena.array(self.0);
        let word = |at: u64| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at as usize..][..8]);
            u64::from_le_bytes(word)
        };
        View {
            used: word(USED),
            seed: word(SEED),
            directory: Address::new(word(DIRECTORY)),
            directory_len: word(DIRECTORY_LEN),
            shift: bytes[SHIFT as usize],
        }
    }

    /// Returns the number of entries.
    pub(super) fn len(self, arena: &Arena) -> u64 {
        arena.word(add(self.0, USED))
    }

    fn seed<H: Heap>(self, heap: &H) -> u64 {
        heap.arena().word(add(self.0, SEED))
    }

    fn reseed<H: Heap>(self, heap: &mut H) {
        let seed = heap.random();
        heap.arena_mut().set_word(add(self.0, SEED), seed);
    }

    fn depth<H: Heap>(self, heap: &H) -> u8 {
        heap.arena().load::<1>(add(self.0, DEPTH))[0]
    }

    fn add_used<H: Heap>(self, heap: &mut H, more: i64) {
        let used = heap.arena().word(add(self.0, USED));
        heap.arena_mut().set_word(add(self.0, USED), used.wrapping_add_signed(more));
    }

    fn table_at<H: Heap>(self, heap: &H, index: u64) -> Table {
        let directory = Address::new(heap.arena().word(add(self.0, DIRECTORY)));
        Table(Address::new(heap.arena().word(add(directory, 8 * index))))
    }

    /// Finds a key (`getWithKey`).
    #[inline(never)]
    pub(super) fn get<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> Option<Slot> {
        let view = self.view(heap.arena());
        if view.used == 0 {
            return None;
        }
        if view.directory_len == 0 {
            let is_compared = K::IS_WORD;
            let control = Control::load(heap.arena(), view.directory);
            let slots = if is_compared {
                control.full()
            } else {
                control.with_hash(low_bits(keys.hash(ty, heap, key, view.seed)))
            };
            return find_in_group(keys, ty, heap, view.directory, slots, key);
        }
        let hash = keys.hash(ty, heap, key, view.seed);
        view.table(heap.arena(), hash).get(keys, ty, heap, hash, key)
    }

    /// Finds a key or makes room for it, and says whether it is new (`PutSlot`).
    #[inline(never)]
    pub(super) fn assign<K: StoredKeys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> Result<(Slot, bool), OutOfMemory> {
        let view = self.view(heap.arena());
        let hash = keys.hash(ty, heap, key, view.seed);
        if view.directory_len == 0
            && let Some(done) = self.assign_small(keys, ty, heap, view, hash, key)?
        {
            return Ok(done);
        }
        loop {
            let table = self.view(heap.arena()).table(heap.arena(), hash);
            match table.assign(keys, ty, heap, self, hash, key)? {
                Assigned::Found(slot) => return Ok((slot, false)),
                Assigned::Added(slot) => {
                    self.add_used(heap, 1);
                    return Ok((slot, true));
                }
                Assigned::Replaced => {}
            }
        }
    }

    /// Assigns in the single group, or grows out of it; then the key may still be to assign.
    fn assign_small<K: StoredKeys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        view: View,
        hash: u64,
        key: K::Key<'_>,
    ) -> Result<Option<(Slot, bool)>, OutOfMemory> {
        let mut group = view.directory;
        if group.is_null() {
            group = heap.allocate(groups_request(ty, 1))?;
            heap.arena_mut().set_word(group, ALL_EMPTY);
            store_pointer(heap, add(self.0, DIRECTORY), group);
        }
        if view.used < SLOTS || ty.facts.swiss.grows_late {
            let control = Control::load(heap.arena(), group);
            let slots = control.with_hash(low_bits(hash));
            if let Some(slot) = find_in_group(keys, ty, heap, group, slots, key) {
                if ty.facts.updates_key {
                    keys.store(ty, heap, slot.key, key);
                }
                return Ok(Some((slot, false)));
            }
            let free = control.free();
            if !free.is_empty() {
                let index = free.first();
                let (key_slot, elem_slot) = slot_of(ty, group, index);
                let (stored, elem) = make_cells(ty, heap, key_slot, elem_slot)?;
                keys.store(ty, heap, stored, key);
                heap.arena_mut().store(add(group, index), [low_bits(hash)]);
                self.add_used(heap, 1);
                return Ok(Some((Slot { key: stored, elem }, true)));
            }
        }
        self.grow_to_table(keys, ty, heap, group)?;
        Ok(None)
    }

    /// Moves the entries of the single group to a table of two (`growToTable`).
    #[cold]
    fn grow_to_table<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        group: Address,
    ) -> Result<(), OutOfMemory> {
        let table = Table::new(ty, heap, 2 * SLOTS, 0, 0)?;
        let directory = heap.allocate(directory_request(1))?;
        let seed = self.seed(heap);
        table::move_group(keys, ty, heap, group, seed, &|_| table);
        store_pointer(heap, directory, table.0);
        self.set_directory(heap, directory, 1, 0);
        heap.retire(group, groups_request(ty, 1));
        Ok(())
    }

    /// Deletes a key; says whether it was there (`Delete`).
    #[inline(never)]
    pub(super) fn delete<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        key: K::Key<'_>,
    ) -> bool {
        let view = self.view(heap.arena());
        if view.used == 0 {
            return false;
        }
        let hash = keys.hash(ty, heap, key, view.seed);
        let was_there = if view.directory_len == 0 {
            delete_small(keys, ty, heap, view.directory, hash, key)
        } else {
            let table = view.table(heap.arena(), hash);
            let deleted = table.delete(keys, ty, heap, hash, key);
            if deleted == Some(true) && ty.facts.swiss.prunes {
                heap.arena_mut().store(add(self.0, TOMBSTONE_POSSIBLE), [1]);
            }
            deleted.is_some()
        };
        if was_there {
            self.add_used(heap, -1);
            if view.used == 1 {
                self.reseed(heap);
            }
        }
        was_there
    }

    /// Deletes all entries and keeps the arrays (`Clear`).
    pub(super) fn clear<H: Heap>(self, ty: &MapType, heap: &mut H) {
        let view = self.view(heap.arena());
        let knows_tombstones = ty.facts.swiss.prunes;
        let has_tombstones =
            knows_tombstones && heap.arena().load::<1>(add(self.0, TOMBSTONE_POSSIBLE)) != [0];
        if view.used == 0 && !has_tombstones {
            return;
        }
        if view.directory_len == 0 {
            clear_group(ty, heap, view.directory);
            heap.arena_mut().set_word(view.directory, ALL_EMPTY);
        } else {
            let mut last = None;
            for index in 0..view.directory_len {
                let table = self.table_at(heap, index);
                if last != Some(table) {
                    table.clear(ty, heap);
                }
                last = Some(table);
            }
            if knows_tombstones {
                heap.arena_mut().store(add(self.0, TOMBSTONE_POSSIBLE), [0]);
            }
        }
        let arena = heap.arena_mut();
        arena.set_word(add(self.0, USED), 0);
        let clears = arena.word(add(self.0, CLEAR_COUNT));
        arena.set_word(add(self.0, CLEAR_COUNT), clears.wrapping_add(1));
        self.reseed(heap);
    }

    /// Puts a table in all places of the one it replaces (`replaceTable`).
    fn replace_table<H: Heap>(self, heap: &mut H, table: Table) {
        let directory = Address::new(heap.arena().word(add(self.0, DIRECTORY)));
        let places = 1_u64 << (self.depth(heap) - table.local_depth(heap));
        let first = table.index(heap) as u64;
        for index in first..first + places {
            store_pointer(heap, add(directory, 8 * index), table.0);
        }
    }

    /// Doubles the directory where a table that stands in a single place is to be split
    /// (`installTableSplit`).
    fn make_room_for_split<H: Heap>(self, heap: &mut H, table: Table) -> Result<(), OutOfMemory> {
        let depth = self.depth(heap);
        if table.local_depth(heap) != depth {
            return Ok(());
        }
        let len = heap.arena().word(add(self.0, DIRECTORY_LEN));
        let old = Address::new(heap.arena().word(add(self.0, DIRECTORY)));
        let directory = heap.allocate(directory_request(2 * len))?;
        for index in 0..len {
            let table = self.table_at(heap, index);
            store_pointer(heap, add(directory, 16 * index), table.0);
            store_pointer(heap, add(directory, 16 * index + 8), table.0);
            // It may stand in several places; the first one tells.
            if table.index(heap) == index as i64 {
                table.set_index(heap, 2 * index as i64);
            }
        }
        self.set_directory(heap, directory, 2 * len, depth + 1);
        heap.retire(old, directory_request(len));
        Ok(())
    }

    /// Puts both halves of a table in its places.
    fn install_split<H: Heap>(self, heap: &mut H, old: Table, left: Table, right: Table) {
        let first = old.index(heap);
        left.set_index(heap, first);
        self.replace_table(heap, left);
        let places = 1_i64 << (self.depth(heap) - left.local_depth(heap));
        right.set_index(heap, first + places);
        self.replace_table(heap, right);
    }
}

impl View {
    #[inline(always)]
    fn table(&self, arena: &Arena, hash: u64) -> Table {
        // A shift by 64, of a directory with one place, is none.
        let index = if self.directory_len == 1 { 0 } else { hash >> (self.shift & 63) };
        Table(Address::new(arena.word(add(self.directory, 8 * index))))
    }
}

#[inline(always)]
fn find_in_group<K: Keys, H: Heap>(
    keys: K,
    ty: &MapType,
    heap: &H,
    group: Address,
    slots: group::Slots,
    key: K::Key<'_>,
) -> Option<Slot> {
    let arena = heap.arena();
    for index in slots {
        let (key_slot, elem_slot) = slot_of(ty, group, index);
        let stored = key_at(ty, arena, key_slot);
        if keys.equal(ty, arena, key, stored) {
            return Some(Slot { key: stored, elem: elem_at(ty, arena, elem_slot) });
        }
    }
    None
}

/// Deletes from the single group, which keeps no tombstones.
fn delete_small<K: Keys, H: Heap>(
    keys: K,
    ty: &MapType,
    heap: &mut H,
    group: Address,
    hash: u64,
    key: K::Key<'_>,
) -> bool {
    for index in Control::load(heap.arena(), group).with_hash(low_bits(hash)) {
        let (key_slot, elem_slot) = slot_of(ty, group, index);
        let arena = heap.arena();
        if keys.equal(ty, arena, key, key_at(ty, arena, key_slot)) {
            clear_slot(ty, heap, key_slot, elem_slot);
            heap.arena_mut().store(add(group, index), [EMPTY]);
            return true;
        }
    }
    false
}

/// Returns how many tables, of which capacity, a hint asks for; `None` for a small map, and for
/// hints that no heap could fill.
fn tables_for(ty: &MapType, hint: u64) -> Option<(u64, u64)> {
    if hint <= SLOTS {
        return None;
    }
    let target = hint.checked_mul(SLOTS)? / MAX_LOAD;
    let tables = target.div_ceil(MAX_CAPACITY).checked_next_power_of_two()?;
    let bytes = tables.checked_mul(MAX_CAPACITY)?.checked_mul(ty.facts.shape.group_size)?;
    (bytes <= MAX_BYTES).then_some((tables, target / tables))
}

fn directory_request(len: u64) -> Request {
    Request { piece: Piece::Directory(len), size: 8 * len, is_noscan: false }
}
