//! Sixteen bytes under rounds of AES: with the processor's instructions, or without.
#![cfg_attr(
    target_arch = "x86_64",
    expect(unsafe_code, reason = "AES instructions, once the processor was found to have them")
)]

use aes::Block;
use aes::hazmat::cipher_round;

/// Sixteen bytes that rounds of AES are applied to.
pub(super) trait Lane: Copy {
    /// Takes bytes in, the first of them lowest.
    fn of(bytes: u128) -> Self;

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
    fn of(bytes: u128) -> Self {
        Self(bytes.to_le_bytes().into())
    }

    fn xor(self, other: Self) -> Self {
        Self::of(u128::from_le_bytes(self.0.into()) ^ u128::from_le_bytes(other.0.into()))
    }

    fn round(mut self, key: Self) -> Self {
        cipher_round(&mut self.0, &key.0);
        self
    }

    fn low_word(self) -> u64 {
        u128::from_le_bytes(self.0.into()) as u64
    }
}

/// A hash over lanes of either kind.
pub(super) trait Job {
    /// Computes it.
    fn run<L: Lane>(self) -> u64;
}

/// Tells whether the processor has the instructions.
pub(super) fn is_native() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// Computes a hash; `is_native` is what [`is_native()`] said.
#[inline(always)]
pub(super) fn run(job: impl Job, is_native: bool) -> u64 {
    #[cfg(target_arch = "x86_64")]
    if is_native {
        debug_assert!(self::is_native());
        // SAFETY: the processor has the instructions: the caller asked it.
        return unsafe { native::run(job) };
    }
    let _ = is_native;
    job.run::<Portable>()
}

#[cfg(target_arch = "x86_64")]
mod native {
    use core::arch::x86_64::{
        __m128i, _mm_aesenc_si128, _mm_cvtsi128_si64, _mm_set_epi64x, _mm_xor_si128,
    };

    use super::{Job, Lane};

    /// A lane in a register. It is only made inside of [`run`].
    #[derive(Clone, Copy)]
    struct Native(__m128i);

    #[target_feature(enable = "aes")]
    pub(super) fn run(job: impl Job) -> u64 {
        job.run::<Native>()
    }

    impl Lane for Native {
        #[inline(always)]
        fn of(bytes: u128) -> Self {
            // SAFETY: SSE2 is part of x86-64.
            Self(unsafe { _mm_set_epi64x((bytes >> 64) as i64, bytes as i64) })
        }

        #[inline(always)]
        fn xor(self, other: Self) -> Self {
            // SAFETY: as above.
            Self(unsafe { _mm_xor_si128(self.0, other.0) })
        }

        #[inline(always)]
        fn round(self, key: Self) -> Self {
            // SAFETY: lanes of this kind exist only inside of `run`, whose caller asked the
            // processor for the instruction.
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

    struct Rounds(u128, u128);

    impl Job for Rounds {
        fn run<L: Lane>(self) -> u64 {
            let (a, b) = (L::of(self.0), L::of(self.1));
            a.round(b).xor(b.round(a)).round(a).low_word()
        }
    }

    #[test]
    fn both_kinds_of_lane_agree() {
        let mut word = 1_u128;
        for _ in 0..1000 {
            word = word.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(7);
            let both =
                [false, is_native()].map(|native| run(Rounds(word, word.rotate_left(61)), native));
            assert_eq!(both[0], both[1]);
        }
    }
}
