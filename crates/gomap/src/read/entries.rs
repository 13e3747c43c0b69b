//! The entries of a map, one by one: where each key and elem lies.

use std::collections::VecDeque;

use tophash_memory::{Address, ByteSize, Memory, MemoryExt, ReadError};

use super::{Header, control};
use crate::layout::{MapLayout, MapShape, SLOTS};

/// Directories are followed no further.
const MAX_DIRECTORY: u64 = 1 << 32;
/// Groups of the largest table (`maxTableCapacity`).
const MAX_GROUPS: u64 = 1024 / SLOTS;
/// More overflow buckets than this for each bucket, and this many besides, are chains that run in
/// circles: nothing behind them is shown.
const MAX_OVERFLOW: u64 = 4;
const MAX_OVERFLOW_BESIDES: u64 = 1 << 10;

/// An entry of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Where the key is; its cell, where keys are indirect.
    pub key: Address,
    /// Where the elem is; its cell, where elems are indirect.
    pub elem: Address,
    /// The part of the hash that the slot keeps: the top byte (classic), the low seven bits (Swiss).
    pub hash_byte: u8,
    /// The bucket's number in a current classic array.
    pub bucket: Option<u64>,
}

impl Entry {
    /// Tells whether a key of this hash can lie here.
    pub fn hash_agrees(&self, header: &Header, hash: u64) -> bool {
        match header {
            Header::Classic(header) => {
                // The lowest values are marks (`minTopHash`).
                let top = (hash >> 56) as u8;
                let top = if top < 5 { top + 5 } else { top };
                let is_grown = header.old_buckets.is_null();
                let bucket = hash & ((1 << header.log2) - 1);
                top == self.hash_byte && self.bucket.is_none_or(|at| !is_grown || at == bucket)
            }
            Header::Swiss(_) => (hash & 0x7f) as u8 == self.hash_byte,
        }
    }
}

/// Iterates over the entries of a map. After an error there are none left.
pub struct Entries<'e, M: ?Sized> {
    memory: &'e M,
    shape: &'e MapShape,
    is_classic: bool,
    arrays: VecDeque<Array>,
    step: u64,
    overflow_left: u64,
    ready: VecDeque<Entry>,
}

struct Array {
    at: Address,
    units: u64,
    next: u64,
    is_old: bool,
}

/// Returns the entries of a map.
pub fn entries<'e, M: Memory + ?Sized>(
    memory: &'e M,
    layout: &MapLayout,
    shape: &'e MapShape,
    header: &Header,
) -> Entries<'e, M> {
    let mut arrays = VecDeque::new();
    let mut push = |at: Address, units: u64, is_old: bool| {
        // Without a size, every bucket would be the first.
        if !at.is_null() && shape.group_size > 0 {
            arrays.push_back(Array { at, units, next: 0, is_old });
        }
    };
    match (header, layout) {
        (Header::Classic(header), _) => {
            push(header.buckets, 1 << header.log2, false);
            push(header.old_buckets, header.old_units, true);
        }
        (Header::Swiss(header), _) if header.directory_len == 0 => push(header.directory, 1, false),
        (Header::Swiss(header), MapLayout::Swiss(layout)) => {
            let mut last = Address::NULL;
            for index in 0..header.directory_len.min(MAX_DIRECTORY) {
                let at = header.directory + ByteSize::new(8) * index;
                let Ok(table) = memory.read_address(at) else { break };
                if table == last {
                    continue;
                }
                last = table;
                if let (Ok(data), Ok(mask)) = (
                    layout.table_groups.read_address(memory, table),
                    layout.table_length_mask.read(memory, table),
                ) {
                    push(data, mask.saturating_add(1).min(MAX_GROUPS), false);
                }
            }
        }
        (Header::Swiss(_), MapLayout::Classic(_)) => {}
    }
    let is_classic = matches!(header, Header::Classic(_));
    let units = arrays.iter().fold(0_u64, |sum, array| sum.saturating_add(array.units));
    Entries {
        memory,
        shape,
        is_classic,
        arrays,
        step: 1,
        overflow_left: units.saturating_mul(MAX_OVERFLOW).saturating_add(MAX_OVERFLOW_BESIDES),
        ready: VecDeque::new(),
    }
}

impl<M: Memory + ?Sized> Entries<'_, M> {
    /// Skips most buckets or groups, so that about `count` of them, spread over the arrays, are
    /// looked at.
    #[must_use]
    pub fn sampled(mut self, count: u64) -> Self {
        let units = self.arrays.iter().fold(0_u64, |sum, array| sum.saturating_add(array.units));
        self.step = (units / count.max(1)).max(1);
        self
    }

    /// Takes the entries of the next bucket or group into `ready`; `false` where none is left.
    fn advance(&mut self) -> Result<bool, ReadError> {
        let Some(array) = self.arrays.front_mut() else { return Ok(false) };
        if array.next >= array.units {
            // The rest of a step reaches into the next array.
            let over = array.next - array.units;
            self.arrays.pop_front();
            if let Some(array) = self.arrays.front_mut() {
                array.next = over;
            }
            return Ok(true);
        }
        let (number, is_old) = (array.next, array.is_old);
        let at = array.at + ByteSize::new(number) * self.shape.group_size;
        array.next = array.next.saturating_add(self.step);
        let control = self.memory.read_u64(at)?;
        if self.is_classic && is_old && control::is_evacuated(control) {
            return Ok(true);
        }
        self.take_group(at, control, (self.is_classic && !is_old).then_some(number))?;
        if self.is_classic {
            let link = ByteSize::new(self.shape.group_size.saturating_sub(8));
            let mut next = self.memory.read_address(at + link)?;
            while !next.is_null() {
                let Some(left) = self.overflow_left.checked_sub(1) else {
                    self.arrays.clear();
                    break;
                };
                self.overflow_left = left;
                let control = self.memory.read_u64(next)?;
                self.take_group(next, control, (!is_old).then_some(number))?;
                next = self.memory.read_address(next + link)?;
            }
        }
        Ok(true)
    }

    fn take_group(
        &mut self,
        at: Address,
        control: u64,
        bucket: Option<u64>,
    ) -> Result<(), ReadError> {
        for (slot, hash_byte) in control::full_slots(control, self.is_classic) {
            let s = self.shape;
            let cell = |offset: u64, stride: u64, indirect: bool| {
                let at = at + ByteSize::new(offset) + ByteSize::new(stride) * slot;
                if indirect { self.memory.read_address(at) } else { Ok(at) }
            };
            self.ready.push_back(Entry {
                key: cell(s.keys_offset, s.key_stride, s.indirect_key)?,
                elem: cell(s.elems_offset, s.elem_stride, s.indirect_elem)?,
                hash_byte,
                bucket,
            });
        }
        Ok(())
    }
}

impl<M: Memory + ?Sized> Iterator for Entries<'_, M> {
    type Item = Result<Entry, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(Ok(entry));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(fault) => {
                    self.arrays.clear();
                    return Some(Err(fault));
                }
            }
        }
    }
}
