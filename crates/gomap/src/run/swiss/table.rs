//! One hash table of a map (`internal/runtime/maps/table.go`).
//!
//! A table is a record of 32 bytes and an array of groups. Keys are probed group by group, in steps
//! that grow by one; a group with an empty slot ends the search. It takes 7 of 8 slots; when these
//! are used up, by entries or tombstones, it is replaced by one twice the size or, from 1024 slots
//! on, by two.

use tophash_memory::Address;

use super::super::access::{
    add, clear, clear_slot, copy, make_cells, retire_slot_cells, store_pointer,
};
use super::super::heap::{Heap, OutOfMemory, Piece, Request};
use super::super::keys::{Keys, StoredKeys, elem_at, key_at, slot_of};
use super::super::map_type::MapType;
use super::super::release::ClearRule;
use super::group::{ALL_EMPTY, Control, DELETED, EMPTY};
use super::{MapHeader, Slot};
use crate::layout::SLOTS;

/// Slots of the largest table (`maxTableCapacity`).
pub(super) const MAX_CAPACITY: u64 = 1024;
/// Of eight slots, seven may be used (`maxAvgGroupLoad`).
pub(super) const MAX_LOAD: u64 = 7;
/// Bytes of a table's record.
const RECORD: u64 = 32;

/// Where fields lie in the record of a table, the same in every release from 1.24 to 1.27.
const USED: u64 = 0;
const CAPACITY: u64 = 2;
const GROWTH_LEFT: u64 = 4;
const LOCAL_DEPTH: u64 = 6;
const INDEX: u64 = 8;
const GROUPS: u64 = 16;
const MASK: u64 = 24;

/// A table's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Table(pub(super) Address);

/// What assigning to a key in a table came to.
pub(super) enum Assigned {
    /// The key was there.
    Found(Slot),
    /// It is now.
    Added(Slot),
    /// The table was replaced, and the key is in none yet.
    Replaced,
}

/// The groups that a key is looked for in, one after another.
struct Probe {
    groups: Address,
    mask: u64,
    offset: u64,
    step: u64,
}

impl Probe {
    #[inline(always)]
    fn group(&self, ty: &MapType) -> Address {
        add(self.groups, self.offset * ty.facts.shape.group_size)
    }

    #[inline(always)]
    fn advance(&mut self) {
        self.step += 1;
        self.offset = (self.offset + self.step) & self.mask;
    }
}

/// The hash's seven bits that stand in the control byte.
#[inline(always)]
pub(super) fn low_bits(hash: u64) -> u8 {
    (hash & 0x7f) as u8
}

impl Table {
    /// Makes an empty table.
    pub(super) fn new<H: Heap>(
        ty: &MapType,
        heap: &mut H,
        capacity: u64,
        index: i64,
        local_depth: u8,
    ) -> Result<Self, OutOfMemory> {
        let capacity = capacity.max(SLOTS).next_power_of_two();
        let record = heap.allocate(Self::record())?;
        let units = capacity / SLOTS;
        let groups = heap.allocate(groups_request(ty, units))?;
        let table = Self(record);
        let arena = heap.arena_mut();
        arena.store(add(record, CAPACITY), (capacity as u16).to_le_bytes());
        arena.store(add(record, GROWTH_LEFT), most_in(capacity).to_le_bytes());
        arena.store(add(record, LOCAL_DEPTH), [local_depth]);
        arena.set_word(add(record, INDEX), index as u64);
        arena.set_word(add(record, MASK), units - 1);
        for unit in 0..units {
            arena.set_word(add(groups, unit * ty.facts.shape.group_size), ALL_EMPTY);
        }
        store_pointer(heap, add(record, GROUPS), groups);
        Ok(table)
    }

    fn record() -> Request {
        Request { piece: Piece::Table, size: RECORD, is_noscan: false }
    }

    fn half<H: Heap>(self, heap: &H, field: u64) -> u16 {
        u16::from_le_bytes(heap.arena().load(add(self.0, field)))
    }

    fn set_half<H: Heap>(self, heap: &mut H, field: u64, value: u16) {
        heap.arena_mut().store(add(self.0, field), value.to_le_bytes());
    }

    pub(super) fn capacity<H: Heap>(self, heap: &H) -> u64 {
        self.half(heap, CAPACITY).into()
    }

    pub(super) fn local_depth<H: Heap>(self, heap: &H) -> u8 {
        heap.arena().load::<1>(add(self.0, LOCAL_DEPTH))[0]
    }

    /// Returns the first place in the directory; -1 once the table was replaced.
    pub(super) fn index<H: Heap>(self, heap: &H) -> i64 {
        heap.arena().word(add(self.0, INDEX)) as i64
    }

    pub(super) fn set_index<H: Heap>(self, heap: &mut H, index: i64) {
        heap.arena_mut().set_word(add(self.0, INDEX), index as u64);
    }

    /// Returns a group's place.
    pub(super) fn group<H: Heap>(self, ty: &MapType, heap: &H, unit: u64) -> Address {
        add(Address::new(heap.arena().word(add(self.0, GROUPS))), unit * ty.facts.shape.group_size)
    }

    fn last_unit<H: Heap>(self, heap: &H) -> u64 {
        heap.arena().word(add(self.0, MASK))
    }

    #[inline(always)]
    fn probe<H: Heap>(self, heap: &H, hash: u64) -> Probe {
        let words: u128 = u128::from_le_bytes(heap.arena().load(add(self.0, GROUPS)));
        let (groups, mask) = (Address::new(words as u64), (words >> 64) as u64);
        Probe { groups, mask, offset: (hash >> 7) & mask, step: 0 }
    }

    /// Finds a key (`getWithKey`).
    #[inline(always)]
    pub(super) fn get<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &H,
        hash: u64,
        key: K::Key<'_>,
    ) -> Option<Slot> {
        let mut probe = self.probe(heap, hash);
        let arena = heap.arena();
        loop {
            let group = probe.group(ty);
            let control = Control::load(arena, group);
            for index in control.with_hash(low_bits(hash)) {
                let (key_slot, elem_slot) = slot_of(ty, group, index);
                let stored = key_at(ty, arena, key_slot);
                if keys.equal(ty, arena, key, stored) {
                    return Some(Slot { key: stored, elem: elem_at(ty, arena, elem_slot) });
                }
            }
            if !control.empty().is_empty() {
                return None;
            }
            probe.advance();
        }
    }

    /// Finds a key or makes room for it (`PutSlot`).
    #[inline(always)]
    pub(super) fn assign<K: StoredKeys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        map: MapHeader,
        hash: u64,
        key: K::Key<'_>,
    ) -> Result<Assigned, OutOfMemory> {
        let mut probe = self.probe(heap, hash);
        let mut first_deleted = None;
        let (group, index) = loop {
            let group = probe.group(ty);
            let arena = heap.arena();
            let control = Control::load(arena, group);
            for index in control.with_hash(low_bits(hash)) {
                let (key_slot, elem_slot) = slot_of(ty, group, index);
                let stored = key_at(ty, arena, key_slot);
                if keys.equal(ty, arena, key, stored) {
                    let elem = elem_at(ty, arena, elem_slot);
                    if ty.facts.updates_key {
                        keys.store(ty, heap, stored, key);
                    }
                    return Ok(Assigned::Found(Slot { key: stored, elem }));
                }
            }
            let free = control.free();
            if !free.is_empty() {
                let index = free.first();
                if control.get(index) != DELETED {
                    break (group, index);
                }
                if first_deleted.is_none() {
                    first_deleted = Some((group, index));
                }
            }
            probe.advance();
        };
        let mut growth_left = self.half(heap, GROWTH_LEFT);
        // A tombstone that is used again takes no more room than it did.
        let is_reused = first_deleted.is_some();
        if !is_reused && growth_left == 0 {
            if ty.facts.prunes {
                self.prune_tombstones(keys, ty, heap, map);
                growth_left = self.half(heap, GROWTH_LEFT);
            }
            if growth_left == 0 {
                self.rehash(keys, ty, heap, map)?;
                return Ok(Assigned::Replaced);
            }
        }
        let (group, index) = first_deleted.unwrap_or((group, index));
        let (key_slot, elem_slot) = slot_of(ty, group, index);
        let (stored, elem) = make_cells(ty, heap, key_slot, elem_slot)?;
        keys.store(ty, heap, stored, key);
        let arena = heap.arena_mut();
        arena.store(add(group, index), [low_bits(hash)]);
        let used = u16::from_le_bytes(arena.load(add(self.0, USED)));
        arena.store(add(self.0, USED), (used + 1).to_le_bytes());
        if !is_reused {
            arena.store(add(self.0, GROWTH_LEFT), (growth_left - 1).to_le_bytes());
        }
        Ok(Assigned::Added(Slot { key: stored, elem }))
    }

    /// Takes the first free slot for a key that is in no slot, where there is room
    /// (`uncheckedPutSlot`, `uncheckedPutSlotForAssign`).
    #[inline(always)]
    pub(super) fn take_free<H: Heap>(
        self,
        ty: &MapType,
        heap: &mut H,
        hash: u64,
    ) -> (Address, Address) {
        let mut probe = self.probe(heap, hash);
        loop {
            let group = probe.group(ty);
            let arena = heap.arena_mut();
            let free = Control::load(arena, group).free();
            if !free.is_empty() {
                let index = free.first();
                arena.store(add(group, index), [low_bits(hash)]);
                let counts: u64 = arena.word(self.0);
                // Used and room left, both of 16 bits, in one word with the capacity.
                let counts = counts.wrapping_add(1).wrapping_sub(1 << (8 * GROWTH_LEFT));
                arena.set_word(self.0, counts);
                return slot_of(ty, group, index);
            }
            probe.advance();
        }
    }

    /// Deletes a key; says whether it was there, and whether a tombstone is (`Delete`).
    pub(super) fn delete<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        hash: u64,
        key: K::Key<'_>,
    ) -> Option<IsTombstone> {
        let mut probe = self.probe(heap, hash);
        loop {
            let group = probe.group(ty);
            let control = Control::load(heap.arena(), group);
            for index in control.with_hash(low_bits(hash)) {
                let (key_slot, elem_slot) = slot_of(ty, group, index);
                let arena = heap.arena();
                if !keys.equal(ty, arena, key, key_at(ty, arena, key_slot)) {
                    continue;
                }
                let used = self.half(heap, USED);
                self.set_half(heap, USED, used - 1);
                clear_slot(ty, heap, key_slot, elem_slot);
                // Probing went past this group only if it was full; it then has no empty slot.
                let is_tombstone = control.empty().is_empty();
                let byte = if is_tombstone { DELETED } else { EMPTY };
                heap.arena_mut().store(add(group, index), [byte]);
                if !is_tombstone {
                    let left = self.half(heap, GROWTH_LEFT);
                    self.set_half(heap, GROWTH_LEFT, left + 1);
                }
                return Some(is_tombstone);
            }
            if !control.empty().is_empty() {
                return None;
            }
            probe.advance();
        }
    }

    /// Frees the tombstones of groups that no probe for a key goes past, if these are a tenth of
    /// the slots (`pruneTombstones`).
    #[cold]
    fn prune_tombstones<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        map: MapHeader,
    ) {
        let capacity = self.capacity(heap);
        let growth_left = u64::from(self.half(heap, GROWTH_LEFT));
        let tombstones =
            capacity * MAX_LOAD / SLOTS - u64::from(self.half(heap, USED)) - growth_left;
        if tombstones * 10 < capacity {
            return;
        }
        let seed = map.seed(heap);
        let units = self.last_unit(heap) + 1;
        let mut needed = [false; (MAX_CAPACITY / SLOTS) as usize];
        for unit in 0..units {
            let group = self.group(ty, heap, unit);
            let control = Control::load(heap.arena(), group);
            for index in control.full() {
                let key = key_at(ty, heap.arena(), slot_of(ty, group, index).0);
                // NaN is never looked up, so its probe may break.
                if !ty.facts.is_reflexive && !keys.equals_itself(ty, heap.arena(), key) {
                    continue;
                }
                let hash = keys.hash_stored(ty, heap, key, seed);
                let mut probe = self.probe(heap, hash);
                while probe.offset != unit {
                    if !Control::load(heap.arena(), probe.group(ty)).free().is_empty() {
                        needed[probe.offset as usize] = true;
                    }
                    probe.advance();
                }
            }
            if !control.empty().is_empty() {
                needed[unit as usize] = true;
            }
        }
        let prunable = (0..units).filter(|unit| !needed[*unit as usize]);
        let freed: u64 = prunable
            .clone()
            .map(|unit| Control::load(heap.arena(), self.group(ty, heap, unit)).free().count())
            .sum();
        if freed * 10 < capacity {
            return;
        }
        for unit in prunable {
            let group = self.group(ty, heap, unit);
            for index in Control::load(heap.arena(), group).free() {
                heap.arena_mut().store(add(group, index), [EMPTY]);
            }
        }
        self.set_half(heap, GROWTH_LEFT, (growth_left + freed) as u16);
    }

    /// Replaces the table by a larger one, or by two (`rehash`).
    #[cold]
    fn rehash<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        map: MapHeader,
    ) -> Result<(), OutOfMemory> {
        let capacity = self.capacity(heap);
        let depth = self.local_depth(heap);
        let index = self.index(heap);
        if 2 * capacity <= MAX_CAPACITY {
            let larger = Self::new(ty, heap, 2 * capacity, index, depth)?;
            self.move_entries(keys, ty, heap, map, |_| larger);
            map.replace_table(heap, larger);
        } else {
            let depth = depth + 1;
            let left = Self::new(ty, heap, MAX_CAPACITY, -1, depth)?;
            let right = Self::new(ty, heap, MAX_CAPACITY, -1, depth)?;
            map.make_room_for_split(heap, self)?;
            let bit = 1 << (64 - u32::from(depth));
            self.move_entries(
                keys,
                ty,
                heap,
                map,
                |hash| {
                    if hash & bit == 0 { left } else { right }
                },
            );
            map.install_split(heap, self, left, right);
        }
        self.set_index(heap, -1);
        self.retire(ty, heap);
        Ok(())
    }

    fn retire<H: Heap>(self, ty: &MapType, heap: &mut H) {
        let units = self.last_unit(heap) + 1;
        let groups = self.group(ty, heap, 0);
        heap.retire(groups, groups_request(ty, units));
        heap.retire(self.0, Self::record());
    }

    /// Copies every entry to the table that `table_of` names for its hash.
    fn move_entries<K: Keys, H: Heap>(
        self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        map: MapHeader,
        table_of: impl Fn(u64) -> Self,
    ) {
        let seed = map.seed(heap);
        for unit in 0..=self.last_unit(heap) {
            move_group(keys, ty, heap, self.group(ty, heap, unit), seed, &table_of);
        }
    }

    /// Empties the table (`Clear`).
    pub(super) fn clear<H: Heap>(self, ty: &MapType, heap: &mut H) {
        let rule = ty.facts.swiss.clear;
        let capacity = self.capacity(heap);
        let (used, left) = (self.half(heap, USED), self.half(heap, GROWTH_LEFT));
        if rule != ClearRule::All && used == 0 && left == most_in(capacity) {
            return;
        }
        let last = self.last_unit(heap);
        let shape = &ty.facts.shape;
        let slot = match ty.release().design() {
            crate::cost::MapDesign::SwissSplit => shape.key_stride + shape.elem_stride,
            _ => shape.key_stride,
        };
        let tests = match rule {
            ClearRule::All => false,
            ClearRule::Full => true,
            ClearRule::FullIfSparse => u64::from(used) * 4 <= last || slot > 32,
        };
        for unit in 0..=last {
            let group = self.group(ty, heap, unit);
            if !tests || !Control::load(heap.arena(), group).full().is_empty() {
                clear_group(ty, heap, group);
            }
            heap.arena_mut().set_word(group, ALL_EMPTY);
        }
        self.set_half(heap, USED, 0);
        self.set_half(heap, GROWTH_LEFT, most_in(capacity));
    }
}

/// A deleted slot keeps probes going until the table is replaced.
pub(super) type IsTombstone = bool;

/// Zeroes a group; the caller sets its control word.
pub(super) fn clear_group<H: Heap>(ty: &MapType, heap: &mut H, group: Address) {
    let shape = &ty.facts.shape;
    if shape.indirect_key || shape.indirect_elem {
        for index in Control::load(heap.arena(), group).full() {
            let (key, elem) = slot_of(ty, group, index);
            retire_slot_cells(ty, heap, key, elem);
        }
    }
    clear(heap, group, shape.group_size, !shape.is_noscan);
}

/// Copies a group's entries to the table that `table_of` names for their hash. The entries' cells
/// move as they are.
pub(super) fn move_group<K: Keys, H: Heap>(
    keys: K,
    ty: &MapType,
    heap: &mut H,
    group: Address,
    seed: u64,
    table_of: &impl Fn(u64) -> Table,
) {
    let facts = &ty.facts;
    let shape = &facts.shape;
    for index in Control::load(heap.arena(), group).full() {
        let (key, elem) = slot_of(ty, group, index);
        let stored = key_at(ty, heap.arena(), key);
        let hash = keys.hash_stored(ty, heap, stored, seed);
        let (to_key, to_elem) = table_of(hash).take_free(ty, heap, hash);
        let key_scans = facts.key_has_pointers || shape.indirect_key;
        copy(heap, key, to_key, facts.stored_key, key_scans);
        let elem_scans = facts.elem_has_pointers || shape.indirect_elem;
        copy(heap, elem, to_elem, facts.stored_elem, elem_scans);
    }
}

/// Returns how many entries a table of a capacity takes (`maxGrowthLeft`).
fn most_in(capacity: u64) -> u16 {
    let most = if capacity <= SLOTS { capacity - 1 } else { capacity * MAX_LOAD / SLOTS };
    most as u16
}

/// Asks for an array of groups.
pub(super) fn groups_request(ty: &MapType, units: u64) -> Request {
    let shape = &ty.facts.shape;
    Request {
        piece: Piece::Groups(units),
        size: units.saturating_mul(shape.group_size),
        is_noscan: shape.is_noscan,
    }
}
