//! Eight slots and their control word (`internal/runtime/maps/group.go`).
//!
//! Sets of slots are the high bits of the word's bytes, so that the lowest set bit is the first
//! slot.

use tophash_memory::{Address, Arena};

/// Control bytes of slots that are empty.
pub(super) const EMPTY: u8 = 0x80;
/// Control bytes of slots whose entry was deleted from a full group.
pub(super) const DELETED: u8 = 0xfe;
/// A control word of empty slots.
pub(super) const ALL_EMPTY: u64 = 0x8080_8080_8080_8080;

const HIGH: u64 = 0x8080_8080_8080_8080;
const LOW: u64 = 0x0101_0101_0101_0101;

/// A set of a group's slots.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Slots(u64);

impl Slots {
    /// Tells whether there is none.
    #[inline(always)]
    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns the first of a set that is not empty.
    #[inline(always)]
    pub(super) fn first(self) -> u64 {
        u64::from(self.0.trailing_zeros() >> 3)
    }

    /// Returns how many there are.
    #[inline(always)]
    pub(super) fn count(self) -> u64 {
        u64::from(self.0.count_ones())
    }

    /// Leaves out the slots before an index below 8.
    #[inline(always)]
    pub(super) fn from(self, index: u64) -> Self {
        Self(self.0 & (u64::MAX << (8 * index)))
    }
}

impl Iterator for Slots {
    type Item = u64;

    #[inline(always)]
    fn next(&mut self) -> Option<u64> {
        if self.0 == 0 {
            return None;
        }
        let first = self.first();
        self.0 &= self.0 - 1;
        Some(first)
    }
}

/// A group's control word.
#[derive(Clone, Copy)]
pub(super) struct Control(u64);

impl Control {
    #[inline(always)]
    pub(super) fn load(arena: &Arena, group: Address) -> Self {
        Self(arena.word(group))
    }

    /// The slots with these seven bits of the hash. The word is exact, as the processor's
    /// comparison is that Go uses on amd64: no other slots are in the set.
    #[inline(always)]
    pub(super) fn with_hash(self, low: u8) -> Slots {
        let differs = self.0 ^ LOW.wrapping_mul(u64::from(low));
        let nonzero = ((differs & !HIGH).wrapping_add(!HIGH)) | differs;
        Slots(!nonzero & HIGH)
    }

    /// The slots that were never used since the group was made, or are free again.
    #[inline(always)]
    pub(super) fn empty(self) -> Slots {
        Slots(self.0 & !(self.0 << 6) & HIGH)
    }

    /// The slots without an entry.
    #[inline(always)]
    pub(super) fn free(self) -> Slots {
        Slots(self.0 & HIGH)
    }

    /// The slots with an entry.
    #[inline(always)]
    pub(super) fn full(self) -> Slots {
        Slots(!self.0 & HIGH)
    }

    #[inline(always)]
    pub(super) fn get(self, index: u64) -> u8 {
        (self.0 >> (8 * index)) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(set: Slots) -> Vec<u64> {
        set.collect()
    }

    #[test]
    fn sets_hold_the_slots_they_are_named_for() {
        let word = Control(u64::from_le_bytes([0x80, 0x05, 0xfe, 0x05, 0x04, 0x80, 0x7f, 0x00]));
        assert_eq!(slots(word.with_hash(5)), [1, 3]);
        assert_eq!(slots(word.with_hash(4)), [4]);
        assert_eq!(slots(word.with_hash(0)), [7]);
        assert_eq!(slots(word.empty()), [0, 5]);
        assert_eq!(slots(word.free()), [0, 2, 5]);
        assert_eq!(slots(word.full()), [1, 3, 4, 6, 7]);
        assert_eq!(slots(word.full().from(4)), [4, 6, 7]);
        assert_eq!(word.get(2), DELETED);
    }

    #[test]
    fn a_byte_after_a_match_is_no_match() {
        // The usual trick with a borrow takes 0x01 behind 0x00 for a match, too.
        let word = Control(u64::from_le_bytes([0x00, 0x01, 0x01, 0x80, 0x80, 0x80, 0x80, 0x80]));
        assert_eq!(slots(word.with_hash(0)), [0]);
    }
}
