//! Eight cells, their tophashes, and the link to an overflow bucket (`bmap` of `runtime/map.go`).

use tophash_memory::{Address, Arena};

use super::super::access::{add, store_pointer};
use super::super::heap::{Heap, Piece, Request};
use super::super::map_type::MapType;
use crate::layout::SLOTS;

/// The cell is free, and so are all behind it.
pub(super) const EMPTY_REST: u8 = 0;
/// The cell is free.
pub(super) const EMPTY_ONE: u8 = 1;
/// The entry moved to the first half of the larger array; one more, and it moved to the second.
pub(super) const EVACUATED_X: u8 = 2;
/// The cell was free, and its bucket moved.
pub(super) const EVACUATED_EMPTY: u8 = 4;
/// Hashes whose top byte is lower are taken for this much more.
pub(super) const MIN_TOP: u8 = 5;

const HIGH: u64 = 0x8080_8080_8080_8080;
const LOW: u64 = 0x0101_0101_0101_0101;

/// A bucket's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bucket(pub(super) Address);

/// The tophashes of a bucket, as one word.
#[derive(Clone, Copy)]
pub(super) struct Tops(u64);

/// Tells whether a tophash is one of a free cell.
pub(super) const fn is_empty(top: u8) -> bool {
    top <= EMPTY_ONE
}

/// The tophash of a hash.
#[inline(always)]
pub(super) fn top_of(hash: u64) -> u8 {
    let top = (hash >> 56) as u8;
    if top < MIN_TOP { top + MIN_TOP } else { top }
}

/// Asks for a bucket.
pub(super) fn request(ty: &MapType) -> Request {
    let shape = &ty.facts.shape;
    Request { piece: Piece::OverflowBucket, size: shape.group_size, is_noscan: shape.is_noscan }
}

/// The set of bytes of a word that are zero, by their high bits.
#[inline(always)]
fn zero_bytes(word: u64) -> u64 {
    let nonzero = ((word & !HIGH).wrapping_add(!HIGH)) | word;
    !nonzero & HIGH
}

/// Cells by the high bits of their bytes.
#[derive(Clone, Copy)]
pub(super) struct Cells(u64);

impl Iterator for Cells {
    type Item = u64;

    #[inline(always)]
    fn next(&mut self) -> Option<u64> {
        let first = self.0.trailing_zeros() >> 3;
        self.0 &= self.0.wrapping_sub(1);
        (first < 8).then_some(first.into())
    }
}

impl Tops {
    #[inline(always)]
    pub(super) fn get(self, index: u64) -> u8 {
        (self.0 >> (8 * index)) as u8
    }

    /// The cells with a tophash.
    #[inline(always)]
    pub(super) fn equal_to(self, top: u8) -> Cells {
        Cells(zero_bytes(self.0 ^ LOW.wrapping_mul(u64::from(top))))
    }

    /// Tells whether nothing comes behind this bucket's entries.
    #[inline(always)]
    pub(super) fn has_rest(self) -> bool {
        zero_bytes(self.0) != 0
    }

    /// The first free cell.
    #[inline(always)]
    pub(super) fn first_empty(self) -> Option<u64> {
        Cells(zero_bytes(self.0 & !LOW)).next()
    }
}

impl Bucket {
    /// The bucket of an array.
    #[inline(always)]
    pub(super) fn of(ty: &MapType, array: Address, index: u64) -> Self {
        Self(add(array, index * ty.facts.shape.group_size))
    }

    #[inline(always)]
    pub(super) fn tops(self, arena: &Arena) -> Tops {
        Tops(arena.word(self.0))
    }

    /// Tells whether the entries of an old bucket have moved.
    #[inline(always)]
    pub(super) fn is_evacuated(self, arena: &Arena) -> bool {
        let [top] = arena.load(self.0);
        top > EMPTY_ONE && top < MIN_TOP
    }

    fn link(self, ty: &MapType) -> Address {
        add(self.0, ty.facts.shape.group_size - 8)
    }

    /// Follows the link.
    #[inline(always)]
    pub(super) fn overflow(self, ty: &MapType, arena: &Arena) -> Option<Self> {
        let next = Address::new(arena.word(self.link(ty)));
        (!next.is_null()).then_some(Self(next))
    }

    /// Sets the link. In a bucket without pointers it is none to the collector, either.
    pub(super) fn set_overflow<H: Heap>(self, ty: &MapType, heap: &mut H, next: Address) {
        if ty.facts.shape.is_noscan {
            heap.arena_mut().set_word(self.link(ty), next.get());
        } else {
            store_pointer(heap, self.link(ty), next);
        }
    }

    /// Marks a cell of `bucket`, in the chain of which `self` is the head, free: and all free cells
    /// at the chain's end as such.
    pub(super) fn free_cell<H: Heap>(
        self,
        ty: &MapType,
        heap: &mut H,
        mut bucket: Self,
        mut index: u64,
    ) {
        heap.arena_mut().store(add(bucket.0, index), [EMPTY_ONE]);
        let arena = heap.arena_mut();
        let behind = if index == SLOTS - 1 {
            bucket.overflow(ty, arena).map_or(EMPTY_REST, |next| next.tops(arena).get(0))
        } else {
            bucket.tops(arena).get(index + 1)
        };
        if behind != EMPTY_REST {
            return;
        }
        loop {
            arena.store(add(bucket.0, index), [EMPTY_REST]);
            if index > 0 {
                index -= 1;
            } else if bucket == self {
                return;
            } else {
                let mut before = self;
                while let Some(next) = before.overflow(ty, arena)
                    && next != bucket
                {
                    before = next;
                }
                bucket = before;
                index = SLOTS - 1;
            }
            if bucket.tops(arena).get(index) != EMPTY_ONE {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_told_by_their_tophashes() {
        let tops = Tops(u64::from_le_bytes([5, 1, 9, 5, 4, 1, 6, 255]));
        assert_eq!(tops.equal_to(5).collect::<Vec<_>>(), [0, 3]);
        assert_eq!(tops.first_empty(), Some(1));
        assert!(!tops.has_rest());
        let tops = Tops(u64::from_le_bytes([5, 6, 0, 0, 0, 0, 0, 0]));
        assert_eq!((tops.first_empty(), tops.has_rest()), (Some(2), true));
    }

    #[test]
    fn low_top_bytes_are_raised_above_the_marks() {
        assert_eq!([top_of(0), top_of(4 << 56), top_of(5 << 56), top_of(u64::MAX)], [5, 9, 5, 255]);
    }
}
