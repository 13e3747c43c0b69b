//! Sixteen bytes under rounds of AES: with the processor's instructions, or without.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "AES instructions, once the processor was found to have them")
)]

use aes::Block;
use aes::hazmat::cipher_round;

/// Sixteen bytes that rounds of AES are applied to.
pub(super) trait Lane: Copy {
    /// Takes two words in, the first of them in the lower bytes.
    fn of_words(low: u64, high: u64) -> Self;

    /// Takes bytes in.
    fn of(bytes: &[u8; 16]) -> Self;

    /// Combines two by exclusive or.
    fn xor(self, other: Self) -> Self;

    /// One round of encryption under a key.
    fn round(self, key: Self) -> Self;

    /// Returns the first eight bytes.
    fn low_word(self) -> u64;
}

/// A lane on any processor.
#[derive(Clone, Copy)]
pub(super) struct Portable(Block);

impl Lane for Portable {
    fn of_words(low: u64, high: u64) -> Self {
        Self::of(&(u128::from(low) | u128::from(high) << 64).to_le_bytes())
    }

    fn of(bytes: &[u8; 16]) -> Self {
        Self((*bytes).into())
    }

    fn xor(self, other: Self) -> Self {
        let [left, right] = [self, other].map(|lane| u128::from_le_bytes(lane.0.into()));
        Self::of(&(left ^ right).to_le_bytes())
    }

    fn round(mut self, key: Self) -> Self {
        cipher_round(&mut self.0, &key.0);
        self
    }

    fn low_word(self) -> u64 {
        u128::from_le_bytes(self.0.into()) as u64
    }
}

/// A key schedule, and whether the processor has the instructions.
#[derive(Clone)]
pub(super) struct Schedule {
    pub(super) parts: [[u8; 16]; 8],
    is_native: bool,
}

impl Schedule {
    /// Asks the processor.
    pub(super) fn new(parts: [[u8; 16]; 8]) -> Self {
        #[cfg(target_arch = "x86_64")]
        let is_native = std::arch::is_x86_feature_detected!("aes");
        #[cfg(not(target_arch = "x86_64"))]
        let is_native = false;
        Self { parts, is_native }
    }

    /// Hashes a word.
    #[inline(always)]
    pub(super) fn word(&self, key: u64, seed: u64) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if self.is_native {
            // SAFETY: the processor was asked for the instructions when this was made.
            return unsafe { native::word(&self.parts, key, seed) };
        }
        super::aes::word::<Portable>(&self.parts, key, seed)
    }

    /// Hashes bytes.
    #[inline(always)]
    pub(super) fn bytes(&self, key: &[u8], seed: u64) -> u64 {
        #[cfg(target_arch = "x86_64")]
        if self.is_native {
            // SAFETY: as above.
            return unsafe { native::bytes(&self.parts, key, seed) };
        }
        super::aes::bytes::<Portable>(&self.parts, key, seed)
    }

    /// Does without the instructions.
    #[cfg(test)]
    pub(super) fn portable(mut self) -> Self {
        self.is_native = false;
        self
    }
}

#[cfg(target_arch = "x86_64")]
mod native {
    use core::arch::x86_64::{
        __m128i, _mm_aesenc_si128, _mm_cvtsi128_si64, _mm_loadu_si128, _mm_set_epi64x,
        _mm_xor_si128,
    };

    use super::Lane;

    /// A lane in a register. It is only made inside of the functions below.
    #[derive(Clone, Copy)]
    struct Native(__m128i);

    #[target_feature(enable = "aes")]
    pub(super) fn word(schedule: &[[u8; 16]; 8], key: u64, seed: u64) -> u64 {
        super::super::aes::word::<Native>(schedule, key, seed)
    }

    #[target_feature(enable = "aes")]
    pub(super) fn bytes(schedule: &[[u8; 16]; 8], key: &[u8], seed: u64) -> u64 {
        super::super::aes::bytes::<Native>(schedule, key, seed)
    }

    impl Lane for Native {
        #[inline(always)]
        fn of_words(low: u64, high: u64) -> Self {
            // SAFETY: SSE2 is part of x86-64.
            Self(unsafe { _mm_set_epi64x(high as i64, low as i64) })
        }

        #[inline(always)]
        fn of(bytes: &[u8; 16]) -> Self {
            // SAFETY: as above; the load takes the array's 16 bytes, at any alignment.
            Self(unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm_xor_si128(self.0, other.0) })
        }

        #[inline(always)]
        fn round(self, key: Self) -> Self {
            // SAFETY: lanes of this kind exist only inside of the functions above, whose caller
            // asked the processor for the instruction.
            Self(unsafe { _mm_aesenc_si128(self.0, key.0) })
        }

        #[inline(always)]
        fn low_word(self) -> u64 {
            // SAFETY: as above.
            unsafe { _mm_cvtsi128_si64(self.0) as u64 }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_lane_agree() {
        let native = Schedule::new(std::array::from_fn(|part| {
            std::array::from_fn(|byte| (part * 41 + byte * 7 + 3) as u8)
        }));
        let portable = native.clone().portable();
        let key: Vec<u8> = (0..700_u32).map(|at| (at * 13) as u8).collect();
        for len in 0..key.len() {
            let seed = (len as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            assert_eq!(native.bytes(&key[..len], seed), portable.bytes(&key[..len], seed));
            assert_eq!(
                native.word(seed.rotate_left(9), seed),
                portable.word(seed.rotate_left(9), seed)
            );
        }
    }
}
