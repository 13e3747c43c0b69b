//! The objects that a map type's maps consist of under a release, and what the allocator takes for
//! each.

use tophash_gomap::{GoType, MapLayout, MapShape, SLOTS};

use super::ledger::Object;
use super::release::Release;

/// Bytes of a pointer.
const WORD: u64 = 8;

/// Sizes of the objects of one map type under one release.
#[derive(Debug, Clone)]
pub(super) struct Pieces<'r> {
    release: &'r Release,
    pub(super) shape: MapShape,
    /// Bytes of a bucket or group up to the end of its last pointer.
    group_pointer_bytes: u64,
    pub(super) header: Object,
    /// Of an entry, what lies outside the slot: a key's cell, an elem's cell.
    pub(super) cells: [Option<Object>; 2],
    /// Bytes of a key and an elem.
    pub(super) entry_bytes: u64,
}

impl<'r> Pieces<'r> {
    pub(super) fn new(release: &'r Release, key: &GoType, elem: &GoType) -> Self {
        let shape = MapShape::for_values(release.design(), key.value_shape(), elem.value_shape());
        let object = |size, pointer_bytes| release.object(size, pointer_bytes);
        let header = match release.layout() {
            // The last field of each that is a pointer.
            MapLayout::Classic(layout) => {
                object(layout.size.get(), layout.extra.offset + layout.extra.size)
            }
            MapLayout::Swiss(layout) => {
                object(layout.size.get(), layout.directory.offset + layout.directory.size)
            }
        };
        let cell = |ty: &GoType, is_indirect: bool| {
            is_indirect.then(|| object(ty.size(), ty.pointer_bytes()))
        };
        let pointer_bytes = |ty: &GoType, is_indirect: bool| match is_indirect {
            true => WORD,
            false => ty.pointer_bytes(),
        };
        let last = |offset: u64, stride: u64, pointer_bytes: u64| match pointer_bytes {
            0 => 0,
            bytes => offset + (SLOTS - 1) * stride + bytes,
        };
        let key_pointers = pointer_bytes(key, shape.indirect_key);
        let elem_pointers = pointer_bytes(elem, shape.indirect_elem);
        let group_pointer_bytes = match (release.layout(), shape.is_noscan) {
            (_, true) => 0,
            // A bucket ends in the link to the next.
            (MapLayout::Classic(_), false) => shape.group_size,
            (MapLayout::Swiss(_), false) => last(shape.keys_offset, shape.key_stride, key_pointers)
                .max(last(shape.elems_offset, shape.elem_stride, elem_pointers)),
        };
        Self {
            release,
            group_pointer_bytes,
            header,
            cells: [cell(key, shape.indirect_key), cell(elem, shape.indirect_elem)],
            entry_bytes: key.size().saturating_add(elem.size()),
            shape,
        }
    }

    /// An array of so many buckets or groups.
    pub(super) fn groups(&self, count: u64) -> Object {
        let size = self.shape.group_size.saturating_mul(count);
        let pointers = match self.group_pointer_bytes {
            0 => 0,
            last => size.saturating_sub(self.shape.group_size).saturating_add(last),
        };
        self.release.object(size, pointers)
    }

    /// How many buckets or groups fit what the allocator takes for so many.
    pub(super) fn groups_that_fit(&self, count: u64) -> u64 {
        let size = self.shape.group_size.saturating_mul(count);
        self.release.usable_size(size, self.shape.is_noscan) / self.shape.group_size.max(1)
    }

    /// An array of so many pointers.
    pub(super) fn pointers(&self, count: u64) -> Object {
        self.release.object(count.saturating_mul(WORD), count.saturating_mul(WORD))
    }

    /// How many pointers fit what the allocator takes for so many.
    pub(super) fn pointers_that_fit(&self, count: u64) -> u64 {
        self.release.usable_size(count.saturating_mul(WORD), false) / WORD
    }

    /// The header of a slice.
    pub(super) fn slice_header(&self) -> Object {
        self.release.object(3 * WORD, WORD)
    }

    /// What the cells of one entry take together, and how many there are.
    pub(super) fn entry_cells(&self) -> (Object, u64) {
        let mut sum = Object::default();
        for cell in self.cells.iter().flatten() {
            sum.bytes = sum.bytes.saturating_add(cell.bytes);
            sum.scan = sum.scan.saturating_add(cell.scan);
        }
        (sum, self.cells.iter().flatten().count() as u64)
    }
}
