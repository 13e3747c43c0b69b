//! The AES-based memory hash of amd64 (`aeshashbody`, `memhash32` and `memhash64` in
//! `runtime/asm_amd64.s`; from Go 1.27 `internal/runtime/maps/memhash_amd64.s`). It is the same in
//! every release from 1.19 to 1.27.
//!
//! Eight lanes of 16 bytes stand side by side. Each lane starts from the seed and the length,
//! mixed with the lane's part of the key schedule; it takes in one block of the key, is scrambled
//! three times, and the lanes are combined by exclusive or. A key of 16, 32, 64 or 128 bytes fills
//! one, two, four or eight lanes; a shorter one is taken as blocks from both of its ends, which
//! overlap in the middle. Over 128 bytes, all lanes take in the last 128 bytes first and then
//! everything from the start on, so that again only the end is taken in twice.

use super::lane::{Lane, Schedule};

/// Bytes of a block.
const BLOCK: usize = 16;
/// Lanes side by side, each with a part of the key schedule of its own.
const LANES: usize = 8;
/// Bytes that all lanes take in at once.
const STRIPE: usize = LANES * BLOCK;
/// Bytes of the key schedule (`aeskeysched`).
pub(super) const SCHEDULE: usize = STRIPE;

/// A process's AES hash, by its key schedule.
///
/// ```
/// use tophash_gomap::AesHash;
///
/// let hash = AesHash::new(&[7; 128]).unwrap();
/// assert_ne!(hash.hash(b"key", 1), hash.hash(b"key", 2));
/// ```
#[derive(Clone)]
pub struct AesHash {
    schedule: Schedule,
}

impl AesHash {
    /// Makes the hash of a key schedule; `None` where it is all zero, as in a process whose
    /// processor has no AES instructions.
    pub fn new(schedule: &[u8; SCHEDULE]) -> Option<Self> {
        if schedule.iter().all(|byte| *byte == 0) {
            return None;
        }
        let mut parts = [[0; BLOCK]; LANES];
        for (part, bytes) in parts.iter_mut().zip(schedule.as_chunks::<BLOCK>().0) {
            *part = *bytes;
        }
        Some(Self { schedule: Schedule::new(parts) })
    }

    /// Hashes four bytes (`memhash32`). It differs from [`Self::hash`] of the same bytes.
    #[inline]
    pub fn hash_4(&self, key: [u8; 4], seed: u64) -> u64 {
        self.schedule.word(u32::from_le_bytes(key).into(), seed)
    }

    /// Hashes eight bytes (`memhash64`). It differs from [`Self::hash`] of the same bytes.
    #[inline]
    pub fn hash_8(&self, key: [u8; 8], seed: u64) -> u64 {
        self.schedule.word(u64::from_le_bytes(key), seed)
    }

    /// Hashes bytes of any number (`memhash`, `strhash`).
    #[inline]
    pub fn hash(&self, key: &[u8], seed: u64) -> u64 {
        self.schedule.bytes(key, seed)
    }
}

/// One block of seed and key, under three parts of the schedule.
#[inline(always)]
pub(super) fn word<L: Lane>(schedule: &[[u8; BLOCK]; LANES], key: u64, seed: u64) -> u64 {
    let [first, second, third, ..] = schedule;
    let state = L::of_words(seed, key);
    state.round(L::of(first)).round(L::of(second)).round(L::of(third)).low_word()
}

/// The hash of bytes of any number.
#[inline(always)]
pub(super) fn bytes<L: Lane>(schedule: &[[u8; BLOCK]; LANES], key: &[u8], seed: u64) -> u64 {
    // The lower 16 bits of the length, four times.
    let length = u64::from(key.len() as u16).wrapping_mul(0x0001_0001_0001_0001);
    let start = L::of_words(seed, length);
    let lane = |index: usize| scramble(start.xor(L::of(&schedule[index % LANES])));
    match key.len() {
        0 => scramble(lane(0)).low_word(),
        1..BLOCK => finish(lane(0).xor(short_block(key))),
        length @ BLOCK..=STRIPE => {
            let Some((first, last)) = key.first_chunk::<BLOCK>().zip(key.last_chunk::<BLOCK>())
            else {
                return 0;
            };
            // Half of the lanes take in the start of the key, half of them its end.
            if length == BLOCK {
                return finish(lane(0).xor(L::of(first)));
            }
            if length <= 2 * BLOCK {
                return finish(lane(0).xor(L::of(first))) ^ finish(lane(1).xor(L::of(last)));
            }
            let half = if length <= 4 * BLOCK { 2 * BLOCK } else { 4 * BLOCK };
            let front = key[..half].as_chunks::<BLOCK>().0;
            let back = key[length - half..].as_chunks::<BLOCK>().0;
            front
                .iter()
                .chain(back)
                .enumerate()
                .fold(0, |sum, (index, block)| sum ^ finish(lane(index).xor(L::of(block))))
        }
        length => {
            let mut lanes: [L; LANES] = std::array::from_fn(lane);
            let (tail, _) = key[length - STRIPE..].as_chunks::<BLOCK>();
            for (lane, block) in lanes.iter_mut().zip(tail) {
                *lane = lane.xor(L::of(block));
            }
            // The stripe that holds the last byte has been taken in, whole or in part.
            for stripe in key.chunks_exact(STRIPE).take((length - 1) / STRIPE) {
                for (lane, block) in lanes.iter_mut().zip(stripe.as_chunks::<BLOCK>().0) {
                    *lane = scramble(*lane).round(L::of(block));
                }
            }
            lanes.into_iter().fold(0, |sum, lane| sum ^ finish(lane))
        }
    }
}

impl std::fmt::Debug for AesHash {
    /// Keeps the schedule to itself: it is a secret of the process.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AesHash").finish_non_exhaustive()
    }
}

/// Fewer than 16 bytes as a block, filled up with zeros.
#[inline(always)]
fn short_block<L: Lane>(key: &[u8]) -> L {
    // Words that overlap, or fewer bytes one by one: a copy of variable length is slow.
    let len = key.len() as u32;
    if let (Some(front), Some(back)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        let (front, back) = (u64::from_le_bytes(*front), u64::from_le_bytes(*back));
        return L::of_words(front, back.unbounded_shr(8 * (16 - len)));
    }
    let low = match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        (Some(front), Some(back)) => {
            let (front, back) = (u32::from_le_bytes(*front), u32::from_le_bytes(*back));
            u64::from(front) | u64::from(back) << (8 * (len - 4))
        }
        _ => key.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    L::of_words(low, 0)
}

/// One round under the state itself.
#[inline(always)]
fn scramble<L: Lane>(state: L) -> L {
    state.round(state)
}

/// What a lane adds to the hash.
#[inline(always)]
fn finish<L: Lane>(lane: L) -> u64 {
    scramble(scramble(scramble(lane))).low_word()
}
