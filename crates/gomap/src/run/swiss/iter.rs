//! Ranging over a map that may change meanwhile (`Iter` of `internal/runtime/maps/table.go`).
//!
//! A table is walked from a random slot on. If it is replaced meanwhile, the old one still says
//! which keys come, so that none comes twice, and the map says whether they are still there and
//! with which elem. If the directory doubles, so do the iterator's places in it.

use tophash_memory::Address;

use super::super::access::add;
use super::super::heap::Heap;
use super::super::keys::{Keys, elem_at, key_at, slot_of};
use super::super::map_type::MapType;
use super::super::slot::Slot;
use super::group::Control;
use super::table::Table;
use super::{CLEAR_COUNT, DIRECTORY, DIRECTORY_LEN, MapHeader};
use crate::layout::SLOTS;

/// The state of one `range`.
#[derive(Debug, Clone)]
pub(crate) struct Iter {
    map: MapHeader,
    /// Null where the map was empty, so that there is nothing to come.
    is_empty: bool,
    entry_offset: u64,
    directory_offset: u64,
    clear_count: u64,
    depth: u8,
    /// The next place in the directory, from the offset on; `None` for a small map.
    directory_index: Option<u64>,
    table: Option<Walked>,
    /// The group that the small map was when the iterator was made.
    small: Address,
    entry: u64,
}

/// A table that is walked, and its groups, which stay its own when it is replaced.
#[derive(Debug, Clone, Copy)]
struct Walked {
    table: Table,
    groups: Address,
    /// Slots but one.
    mask: u64,
}

impl Iter {
    /// Starts (`Init`).
    pub(crate) fn new<H: Heap>(heap: &mut H, map: MapHeader) -> Self {
        let arena = heap.arena();
        let is_empty = map.len(arena) == 0;
        let small = Address::new(arena.word(add(map.0, DIRECTORY)));
        let is_small = arena.word(add(map.0, DIRECTORY_LEN)) == 0;
        let clear_count = arena.word(add(map.0, CLEAR_COUNT));
        let depth = map.depth(heap);
        let (entry_offset, directory_offset) =
            if is_empty { (0, 0) } else { (heap.random(), heap.random()) };
        Self {
            map,
            is_empty,
            entry_offset,
            directory_offset,
            clear_count,
            depth,
            directory_index: (!is_small).then_some(0),
            table: None,
            small,
            entry: 0,
        }
    }

    /// Returns the objects that the iterator itself holds.
    pub(crate) fn roots(&self) -> impl Iterator<Item = Address> {
        let small = self.directory_index.is_none().then_some(self.small);
        [Some(self.map.0), small, self.table.map(|walked| walked.table.0)].into_iter().flatten()
    }

    /// Goes on to the next entry (`Next`).
    #[inline]
    pub(crate) fn next<K: Keys, H: Heap>(
        &mut self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
    ) -> Option<Slot> {
        if self.is_empty {
            return None;
        }
        let Some(mut index) = self.directory_index else { return self.next_small(keys, ty, heap) };
        let depth = self.map.depth(heap);
        if depth != self.depth {
            let doublings = depth - self.depth;
            index <<= doublings;
            self.directory_offset = self.directory_offset.wrapping_shl(doublings.into());
            self.depth = depth;
        }
        loop {
            let len = heap.arena().word(add(self.map.0, DIRECTORY_LEN));
            if index >= len {
                self.directory_index = Some(index);
                return None;
            }
            let walked = match self.table {
                Some(walked) => walked,
                None => {
                    let at = index.wrapping_add(self.directory_offset) & (len - 1);
                    let table = self.map.table_at(heap, at);
                    // The first place may be in the middle of a table's places.
                    let first = table.index(heap) as u64;
                    self.directory_offset =
                        self.directory_offset.wrapping_sub(at.wrapping_sub(first));
                    let groups = table.group(ty, heap, 0);
                    let mask = table.capacity(heap) - 1;
                    *self.table.insert(Walked { table, groups, mask })
                }
            };
            if let Some(slot) = self.next_in_table(keys, ty, heap, walked) {
                self.directory_index = Some(index);
                return Some(slot);
            }
            index += 1 << (self.map.depth(heap) - walked.table.local_depth(heap));
            self.table = None;
            self.entry = 0;
        }
    }

    #[inline(always)]
    fn next_in_table<K: Keys, H: Heap>(
        &mut self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        walked: Walked,
    ) -> Option<Slot> {
        let mask = walked.mask;
        while self.entry <= mask {
            let at = self.entry.wrapping_add(self.entry_offset) & mask;
            let (unit, from) = (at / SLOTS, at % SLOTS);
            let group = add(walked.groups, unit * ty.facts.shape.group_size);
            let full = Control::load(heap.arena(), group).full().from(from);
            if full.is_empty() {
                self.entry += SLOTS - from;
                continue;
            }
            let index = full.first();
            self.entry += index - from;
            if self.entry > mask {
                // Those before the slot at which the table was begun have been.
                return None;
            }
            self.entry += 1;
            let is_replaced = walked.table.index(heap) == -1;
            if let Some(slot) = self.entry_at(keys, ty, heap, group, index, is_replaced) {
                return Some(slot);
            }
        }
        None
    }

    fn next_small<K: Keys, H: Heap>(
        &mut self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
    ) -> Option<Slot> {
        while self.entry < SLOTS {
            let index = self.entry.wrapping_add(self.entry_offset) % SLOTS;
            self.entry += 1;
            if Control::load(heap.arena(), self.small).get(index) & 0x80 != 0 {
                continue;
            }
            let has_grown = heap.arena().word(add(self.map.0, DIRECTORY_LEN)) > 0;
            if let Some(slot) = self.entry_at(keys, ty, heap, self.small, index, has_grown) {
                return Some(slot);
            }
        }
        None
    }

    /// Returns the entry of a slot; where the array was replaced, as the map has it now.
    #[inline(always)]
    fn entry_at<K: Keys, H: Heap>(
        &self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        group: Address,
        index: u64,
        is_replaced: bool,
    ) -> Option<Slot> {
        let (key, elem) = slot_of(ty, group, index);
        let key = key_at(ty, heap.arena(), key);
        let here = |heap: &H| Slot { key, elem: elem_at(ty, heap.arena(), elem) };
        if !is_replaced {
            return Some(here(heap));
        }
        self.entry_elsewhere(keys, ty, heap, key, here)
    }

    /// Returns the entry of a key from an array that was replaced, as the map has it now.
    #[cold]
    fn entry_elsewhere<K: Keys, H: Heap>(
        &self,
        keys: K,
        ty: &MapType,
        heap: &mut H,
        key: Address,
        here: impl FnOnce(&H) -> Slot,
    ) -> Option<Slot> {
        let found = keys.with_stored(ty, heap, key, |heap, key| self.map.get(keys, ty, heap, key));
        if found.is_some() {
            return found;
        }
        // NaN can't be looked up, deleted or changed: unless the map was cleared, it is there.
        let clears = heap.arena().word(add(self.map.0, CLEAR_COUNT));
        let is_nan = !ty.facts.is_reflexive && !keys.equals_itself(ty, heap.arena(), key);
        (clears == self.clear_count && is_nan).then(|| here(heap))
    }
}
