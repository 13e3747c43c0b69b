//! A set of small integers, one bit each.

use crate::error::{BuildError, filled};

pub(crate) struct BitSet(Vec<u64>);

impl BitSet {
    /// An empty set of integers below `len`.
    pub(crate) fn new(len: usize) -> Result<Self, BuildError> {
        filled(len.div_ceil(64), 0).map(Self)
    }

    /// Adds one, and says whether it was not there. What lies outside never is added.
    #[inline]
    pub(crate) fn insert(&mut self, index: usize) -> bool {
        let Some(word) = self.0.get_mut(index / 64) else { return false };
        let bit = 1 << (index % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}
