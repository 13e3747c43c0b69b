//! Many small regions of one file: a heap dump's objects, or its stack frames.
//!
//! They are sorted by address and lie apart, so that one is found by binary search; each takes 24
//! bytes beside the file, and a dump of ten million objects 240 MB. Their bytes stay in the file.

use std::ops::Range;

use crate::{Address, AddressRange, ByteSize};

/// One region and where its bytes are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) at: Address,
    pub(crate) len: u64,
    pub(crate) offset: usize,
}

impl Piece {
    pub(crate) fn range(&self) -> AddressRange {
        AddressRange::from_size(self.at, ByteSize::new(self.len))
    }
}

/// The regions.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    sorted: Vec<Piece>,
}

impl Pieces {
    /// Sorts pieces; of two that overlap, the first by address stays. Returns how many were left
    /// out.
    pub(crate) fn sort(mut pieces: Vec<Piece>) -> (Self, usize) {
        pieces.retain(|piece| piece.len > 0);
        // The order of a dump is that of its spans: sorted runs, which a stable sort merges.
        pieces.sort_by_key(|piece| piece.at);
        let before = pieces.len();
        let mut end = Address::NULL;
        pieces.retain(|piece| {
            let is_apart = piece.at >= end;
            if is_apart {
                end = piece.range().end();
            }
            is_apart
        });
        let dropped = before - pieces.len();
        pieces.shrink_to_fit();
        (Self { sorted: pieces }, dropped)
    }

    pub(crate) fn as_slice(&self) -> &[Piece] {
        &self.sorted
    }

    /// Finds the piece that holds an address.
    pub(crate) fn holding(&self, at: Address) -> Option<&Piece> {
        let after = self.sorted.partition_point(|piece| piece.at <= at);
        self.sorted.get(after.checked_sub(1)?).filter(|piece| piece.range().contains(at))
    }

    /// Returns the bytes of the file from the first to the last piece of a range, where these are
    /// one after the other in it.
    pub(crate) fn file_range(&self, range: AddressRange) -> Option<Range<usize>> {
        let first = self.sorted.partition_point(|piece| piece.range().end() <= range.start());
        let after = self.sorted.partition_point(|piece| piece.at < range.end());
        let (first, last) = (self.sorted.get(first)?, self.sorted.get(after.checked_sub(1)?)?);
        let end = last.offset.checked_add(usize::try_from(last.len).ok()?)?;
        let is_run = first.offset <= last.offset
            && (end - first.offset) as u64 / 4 <= (last.range().end() - first.at).get();
        is_run.then_some(first.offset..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(at: u64, len: u64, offset: usize) -> Piece {
        Piece { at: Address::new(at), len, offset }
    }

    #[test]
    fn pieces_are_found_by_any_of_their_addresses() {
        let (pieces, dropped) = Pieces::sort(vec![piece(0x40, 16, 0), piece(0x10, 16, 32)]);
        assert_eq!(dropped, 0);
        let found = |at| pieces.holding(Address::new(at)).map(|piece| piece.offset);
        assert_eq!([0xf, 0x10, 0x1f, 0x20].map(found), [None, Some(32), Some(32), None]);
        assert_eq!([0x40, 0x4f, 0x50].map(found), [Some(0), Some(0), None]);
    }

    #[test]
    fn of_two_that_overlap_the_first_stays() {
        let (pieces, dropped) =
            Pieces::sort(vec![piece(0x10, 16, 0), piece(0x18, 16, 1), piece(0x20, 8, 2)]);
        assert_eq!(dropped, 1);
        let offsets: Vec<usize> = pieces.as_slice().iter().map(|piece| piece.offset).collect();
        assert_eq!(offsets, [0, 2]);
    }

    #[test]
    fn empty_pieces_and_pieces_at_the_end_of_the_space_do_no_harm() {
        let (pieces, _) = Pieces::sort(vec![piece(u64::MAX - 3, u64::MAX, 0), piece(0x10, 0, 1)]);
        assert_eq!(pieces.as_slice().len(), 1);
        assert!(pieces.holding(Address::new(0x10)).is_none());
        assert!(pieces.file_range(AddressRange::new(Address::NULL, Address::NULL)).is_none());
    }
}
