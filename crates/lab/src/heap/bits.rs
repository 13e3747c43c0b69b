//! One bit a slot of a span (`gcBits`).

/// Bits of a fixed number.
#[derive(Debug, Clone, Default)]
pub(crate) struct SlotBits(Box<[u64]>);

impl SlotBits {
    pub(crate) fn new(count: usize) -> Self {
        Self(vec![0; count.div_ceil(64)].into_boxed_slice())
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> bool {
        self.0.get(index / 64).is_some_and(|word| word >> (index % 64) & 1 == 1)
    }

    /// Sets a bit and tells whether it was clear.
    #[inline]
    pub(crate) fn set(&mut self, index: usize) -> bool {
        let Some(word) = self.0.get_mut(index / 64) else { return false };
        let mask = 1 << (index % 64);
        let was_clear = *word & mask == 0;
        *word |= mask;
        was_clear
    }

    pub(crate) fn clear(&mut self) {
        self.0.fill(0);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Returns the first clear bit from `start` on, below `count`.
    #[inline]
    pub(crate) fn next_clear(&self, start: usize, count: usize) -> Option<usize> {
        let mut at = start;
        while at < count {
            let word = self.0.get(at / 64)? >> (at % 64);
            let ones = (!word).trailing_zeros() as usize;
            // What was shifted in at the top is clear, and no slot.
            let next = at + ones;
            if ones < 64 - at % 64 {
                return (next < count).then_some(next);
            }
            at = (at / 64 + 1) * 64;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_clear_bit_is_found_across_words() {
        let mut bits = SlotBits::new(130);
        for index in 3..129 {
            assert!(bits.set(index));
        }
        assert_eq!(bits.next_clear(0, 130), Some(0));
        assert_eq!(bits.next_clear(3, 130), Some(129));
        assert_eq!(bits.next_clear(3, 129), None);
        assert_eq!(bits.next_clear(130, 130), None);
        assert_eq!(bits.count(), 126);
    }
}
