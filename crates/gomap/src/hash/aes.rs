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

use aes::Block;
use aes::hazmat::cipher_round;

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
    schedule: [Block; LANES],
}

impl AesHash {
    /// Makes the hash of a key schedule; `None` where it is all zero, as in a process whose
    /// processor has no AES instructions.
    pub fn new(schedule: &[u8; SCHEDULE]) -> Option<Self> {
        if schedule.iter().all(|byte| *byte == 0) {
            return None;
        }
        let mut blocks = [Block::default(); LANES];
        for (block, bytes) in blocks.iter_mut().zip(schedule.as_chunks::<BLOCK>().0) {
            *block = (*bytes).into();
        }
        Some(Self { schedule: blocks })
    }

    /// Hashes four bytes (`memhash32`). It differs from [`Self::hash`] of the same bytes.
    pub fn hash_4(&self, key: [u8; 4], seed: u64) -> u64 {
        self.hash_word(u32::from_le_bytes(key).into(), seed)
    }

    /// Hashes eight bytes (`memhash64`). It differs from [`Self::hash`] of the same bytes.
    pub fn hash_8(&self, key: [u8; 8], seed: u64) -> u64 {
        self.hash_word(u64::from_le_bytes(key), seed)
    }

    /// One block of seed and key, under three parts of the schedule.
    fn hash_word(&self, key: u64, seed: u64) -> u64 {
        let mut state = block_of(u128::from(key) << 64 | u128::from(seed));
        for part in self.schedule.iter().take(3) {
            cipher_round(&mut state, part);
        }
        low_word(&state)
    }

    /// Hashes bytes of any number (`memhash`, `strhash`).
    pub fn hash(&self, key: &[u8], seed: u64) -> u64 {
        // The lower 16 bits of the length, four times.
        let length = u128::from(key.len() as u16) * 0x0001_0001_0001_0001;
        let start = block_of(length << 64 | u128::from(seed));
        let lane = |index: usize| {
            let mut state = xor(&start, &self.schedule[index % LANES]);
            scramble(&mut state);
            state
        };
        match key.len() {
            0 => {
                let mut state = lane(0);
                scramble(&mut state);
                low_word(&state)
            }
            1..=BLOCK => {
                let mut block = [0; BLOCK];
                block[..key.len()].copy_from_slice(key);
                finish(xor(&lane(0), &block.into()))
            }
            length @ 17..=STRIPE => {
                let lanes = if length <= 32 {
                    2
                } else if length <= 64 {
                    4
                } else {
                    LANES
                };
                // Half of the lanes take in the start of the key, half of them its end.
                let half = lanes / 2 * BLOCK;
                let front = key[..half].as_chunks::<BLOCK>().0;
                let back = key[length - half..].as_chunks::<BLOCK>().0;
                front.iter().chain(back).enumerate().fold(0, |sum, (index, block)| {
                    sum ^ finish(xor(&lane(index), &(*block).into()))
                })
            }
            length => {
                let mut lanes: [Block; LANES] = std::array::from_fn(lane);
                let (tail, _) = key[length - STRIPE..].as_chunks::<BLOCK>();
                for (lane, block) in lanes.iter_mut().zip(tail) {
                    *lane = xor(lane, &(*block).into());
                }
                // The stripe that holds the last byte has been taken in, whole or in part.
                for stripe in key.chunks_exact(STRIPE).take((length - 1) / STRIPE) {
                    for (lane, block) in lanes.iter_mut().zip(stripe.as_chunks::<BLOCK>().0) {
                        scramble(lane);
                        cipher_round(lane, &(*block).into());
                    }
                }
                lanes.into_iter().fold(0, |sum, lane| sum ^ finish(lane))
            }
        }
    }
}

impl std::fmt::Debug for AesHash {
    /// Keeps the schedule to itself: it is a secret of the process.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AesHash").finish_non_exhaustive()
    }
}

/// One round under the state itself.
fn scramble(state: &mut Block) {
    let key = *state;
    cipher_round(state, &key);
}

/// What a lane adds to the hash.
fn finish(mut lane: Block) -> u64 {
    for _ in 0..3 {
        scramble(&mut lane);
    }
    low_word(&lane)
}

fn xor(a: &Block, b: &Block) -> Block {
    block_of(u128::from_le_bytes((*a).into()) ^ u128::from_le_bytes((*b).into()))
}

fn block_of(value: u128) -> Block {
    value.to_le_bytes().into()
}

fn low_word(state: &Block) -> u64 {
    u128::from_le_bytes((*state).into()) as u64
}
