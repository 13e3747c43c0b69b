//! Predecessors in compressed sparse rows, four bytes an edge.
//!
//! All rows lie in one array. Where a row ends is a 32-bit offset from the start of its block of 64
//! rows, and where it begins is the end of the row before. While rows are filled the offset is the
//! place of the next entry, so that no other cursor is needed.

use crate::error::{BuildError, filled, with_room};

/// Rows that share one 64-bit start.
const BLOCK: usize = 64;

/// Edges into one block, at most.
const BLOCK_LIMIT: u64 = u32::MAX as u64;

pub(crate) struct Rows {
    /// Where each block starts in `entries`.
    starts: Vec<u64>,
    /// Where each row ends, from the start of its block; while filling, where it goes on.
    ends: Vec<u32>,
    entries: Vec<u32>,
    /// How many entries the rows have room for.
    room: u64,
}

impl Rows {
    /// Lays rows out for the given numbers of entries, without entries yet.
    pub(crate) fn lay_out(lengths: impl ExactSizeIterator<Item = u32>) -> Result<Self, BuildError> {
        let mut starts = with_room(lengths.len().div_ceil(BLOCK))?;
        let mut ends = with_room(lengths.len())?;
        let (mut start, mut within) = (0, 0_u64);
        for (row, length) in lengths.enumerate() {
            if row.is_multiple_of(BLOCK) {
                start += within;
                within = 0;
                starts.push(start);
            }
            ends.push(within as u32);
            within += u64::from(length);
            if within > BLOCK_LIMIT {
                return Err(BuildError::TooManyEdges { limit: BLOCK_LIMIT });
            }
        }
        Ok(Self { starts, ends, entries: Vec::new(), room: start + within })
    }

    /// Allocates the entries.
    pub(crate) fn open(&mut self) -> Result<(), BuildError> {
        self.entries = filled(usize::try_from(self.room).unwrap_or(usize::MAX), 0)?;
        Ok(())
    }

    /// Adds an entry to a row. One that there is no room for in any row is dropped.
    #[inline]
    pub(crate) fn push(&mut self, row: usize, entry: u32) {
        let end = &mut self.ends[row];
        let at = self.starts[row / BLOCK] + u64::from(*end);
        if let Some(place) = self.entries.get_mut(at as usize) {
            *place = entry;
            *end = end.wrapping_add(1);
        }
    }

    /// The entries of a row, in the order in which they came.
    #[inline]
    pub(crate) fn row(&self, row: usize) -> &[u32] {
        let start = self.starts[row / BLOCK];
        let within = if row.is_multiple_of(BLOCK) { 0 } else { self.ends[row - 1] };
        let (begin, end) = (start + u64::from(within), start + u64::from(self.ends[row]));
        self.entries.get(begin as usize..end as usize).unwrap_or_default()
    }

    /// How many entries there is room for.
    pub(crate) fn room(&self) -> u64 {
        self.room
    }

    /// Bytes of the arrays.
    pub(crate) fn state_bytes(&self) -> usize {
        size_of_val(&*self.starts) + size_of_val(&*self.ends) + size_of_val(&*self.entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_keep_entries_in_order_across_blocks() {
        let lengths: Vec<u32> = (0..200).map(|row| row % 5).collect();
        let mut rows = Rows::lay_out(lengths.iter().copied()).unwrap();
        rows.open().unwrap();
        for round in 0..5 {
            for row in (0..200).filter(|&row| round < lengths[row]) {
                rows.push(row, row as u32 * 10 + round);
            }
        }
        for (row, &length) in lengths.iter().enumerate() {
            let expected: Vec<u32> = (0..length).map(|round| row as u32 * 10 + round).collect();
            assert_eq!(rows.row(row), expected);
        }
        assert_eq!(rows.room(), 400);
    }

    #[test]
    fn rows_beyond_four_billion_edges_are_laid_out() {
        let mut rows = Rows::lay_out([u32::MAX; 1].into_iter()).unwrap();
        assert_eq!(rows.room(), BLOCK_LIMIT);
        rows = Rows::lay_out((0..640).map(|row| if row % 64 == 3 { u32::MAX } else { 0 })).unwrap();
        assert_eq!(rows.room(), 10 * BLOCK_LIMIT);
        assert_eq!(rows.starts[9], 9 * BLOCK_LIMIT);
    }

    #[test]
    fn more_edges_into_a_block_than_can_be_counted_are_refused() {
        let refused = Rows::lay_out([u32::MAX, 1].into_iter()).map(|rows| rows.room());
        assert_eq!(refused, Err(BuildError::TooManyEdges { limit: BLOCK_LIMIT }));
    }

    #[test]
    fn entries_that_were_never_announced_do_no_harm() {
        let mut rows = Rows::lay_out([1, 1].into_iter()).unwrap();
        rows.open().unwrap();
        for _ in 0..9 {
            rows.push(0, 7);
        }
        assert!(rows.row(1).is_empty());
        assert!(rows.row(0).len() <= 2);
    }
}
