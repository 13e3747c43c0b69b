//! The objects that a map type's maps consist of under a release, and what the allocator takes for
//! each.

use tophash_gomap::{GoType, MapLayout, MapShape, SLOTS};

use super::ledger::Object;
use super::release::NamedRelease;

/// Bytes of a pointer.
const WORD: u64 = 8;

/// Sizes of the objects of one map type under one release.
#[derive(Debug, Clone)]
pub(super) struct Pieces<'r> {
    release: &'r NamedRelease,
    pub(super) shape: MapShape,
    /// Where the pointers of a bucket or group end, in order.
    pointers: Vec<u64>,
    pub(super) header: Object,
    /// Of an entry, what lies outside the slot: a key's cell, an elem's cell.
    pub(super) cells: [Option<Object>; 2],
    /// Bytes of a key and an elem.
    pub(super) entry_bytes: u64,
}

impl<'r> Pieces<'r> {
    pub(super) fn new(release: &'r NamedRelease, key: &GoType, elem: &GoType) -> Self {
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
            is_indirect.then(|| release.array(1, ty.size(), |end| last_pointer(ty, end)))
        };
        let mut pointers = Vec::new();
        for slot in 0..SLOTS {
            let key_at = shape.keys_offset + slot * shape.key_stride;
            let elem_at = shape.elems_offset + slot * shape.elem_stride;
            for (ty, at, is_indirect) in
                [(key, key_at, shape.indirect_key), (elem, elem_at, shape.indirect_elem)]
            {
                match is_indirect {
                    true => pointers.push(at + WORD),
                    false => ty.pointers(at, u64::MAX, &mut |at| pointers.push(at + WORD)),
                }
            }
        }
        // A bucket ends in the link to the next.
        if let (MapLayout::Classic(_), false) = (release.layout(), shape.is_noscan) {
            pointers.push(shape.group_size);
        }
        pointers.sort_unstable();
        Self {
            release,
            pointers,
            header,
            cells: [cell(key, shape.indirect_key), cell(elem, shape.indirect_elem)],
            entry_bytes: key.size().saturating_add(elem.size()),
            shape,
        }
    }

    /// An array of so many buckets or groups.
    pub(super) fn groups(&self, count: u64) -> Object {
        self.release.array(count, self.shape.group_size, |end| {
            let index = self.pointers.partition_point(|pointer| *pointer <= end);
            index.checked_sub(1).and_then(|index| self.pointers.get(index)).copied().unwrap_or(0)
        })
    }

    /// How many buckets or groups fit what the allocator takes for so many.
    pub(super) fn groups_that_fit(&self, count: u64) -> u64 {
        let size = self.shape.group_size.saturating_mul(count);
        self.release.usable_size(size, self.shape.is_noscan) / self.shape.group_size.max(1)
    }

    /// An array of so many pointers.
    pub(super) fn pointers(&self, count: u64) -> Object {
        self.release.array(count, WORD, |end| end)
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

/// Where the last pointer of a value ends that ends at `end` or before.
fn last_pointer(ty: &GoType, end: u64) -> u64 {
    if end >= ty.size() {
        return ty.pointer_bytes();
    }
    let mut last = 0;
    ty.pointers(0, end, &mut |at| {
        if at + WORD <= end {
            last = at + WORD;
        }
    });
    last
}
