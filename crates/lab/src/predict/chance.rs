//! Chance, seeded: what hashes decide, drawn anew.

use tophash_gomap::SeededRandom;

/// Random numbers of the kind that hashes are.
#[derive(Debug, Clone)]
pub(super) struct Chance(SeededRandom);

impl Chance {
    pub(super) fn seeded(seed: u64) -> Self {
        Self(SeededRandom::new(seed.wrapping_mul(0xa076_1d64_78bd_642f) ^ 0xe703_7ed1_a0b4_28db))
    }

    #[inline]
    pub(super) fn next(&mut self) -> u64 {
        self.0.next_word()
    }

    /// Tosses so many coins, and returns how many show heads.
    pub(super) fn heads(&mut self, coins: u64) -> u64 {
        let mut left = coins;
        let mut heads = 0;
        while left > 0 {
            let now = left.min(64);
            heads += u64::from((self.next() >> (64 - now)).count_ones());
            left -= now;
        }
        heads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coins_are_fair() {
        let mut chance = Chance::seeded(1);
        assert_eq!(chance.heads(0), 0);
        let heads: u64 = (0..1000).map(|_| chance.heads(100)).sum();
        assert!((49_000..51_000).contains(&heads), "{heads}");
    }
}
