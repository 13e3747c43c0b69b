//! The AES-based memory hash of amd64 (`aeshashbody`, `memhash32` and `memhash64` in
//! `runtime/asm_amd64.s`).
//!
//! The seed and the length make the start value, scrambled with the key schedule; each 16 bytes of
//! the key are mixed in and scrambled three times. Keys of more than 16 bytes are taken as blocks
//! from both ends, each with a start value of its own, and the results are combined.

use aes::Block;
use aes::hazmat::cipher_round;

/// Bytes of the key schedule (`hashRandomBytes` times two words).
pub(super) const SCHEDULE: usize = 128;
/// Longer keys are hashed in a loop that is not needed for telling types apart.
const MAX_KEY: usize = 128;

/// A process's hash function.
#[derive(Clone)]
pub struct AesHash {
    schedule: [Block; SCHEDULE / 16],
}

impl AesHash {
    /// Makes the function of a key schedule; `None` where it is all zero, as in a process whose
    /// processor has no AES instructions.
    pub fn new(schedule: &[u8; SCHEDULE]) -> Option<Self> {
        if schedule.iter().all(|byte| *byte == 0) {
            return None;
        }
        let mut blocks = [Block::default(); SCHEDULE / 16];
        for (block, bytes) in blocks.iter_mut().zip(schedule.as_chunks::<16>().0) {
            *block = (*bytes).into();
        }
        Some(Self { schedule: blocks })
    }

    /// Hashes four bytes (`memhash32`).
    pub fn hash_4(&self, key: [u8; 4], seed: u64) -> u64 {
        let mut state = [0; 16];
        state[..8].copy_from_slice(&seed.to_le_bytes());
        state[8..12].copy_from_slice(&key);
        self.three_keys(state)
    }

    /// Hashes eight bytes (`memhash64`).
    pub fn hash_8(&self, key: [u8; 8], seed: u64) -> u64 {
        let mut state = [0; 16];
        state[..8].copy_from_slice(&seed.to_le_bytes());
        state[8..].copy_from_slice(&key);
        self.three_keys(state)
    }

    fn three_keys(&self, state: [u8; 16]) -> u64 {
        let mut state: Block = state.into();
        for key in &self.schedule[..3] {
            cipher_round(&mut state, key);
        }
        low(&state)
    }

    /// Hashes a string or a value of any size (`memhash`, `strhash`); `None` over 128 bytes.
    pub fn hash(&self, key: &[u8], seed: u64) -> Option<u64> {
        let len = key.len();
        if len > MAX_KEY {
            return None;
        }
        let mut start = [0; 16];
        start[..8].copy_from_slice(&seed.to_le_bytes());
        for pair in start[8..].as_chunks_mut::<2>().0 {
            *pair = (len as u16).to_le_bytes();
        }
        let start: Block = start.into();
        if len == 0 {
            let mut state = self.scrambled(start, 0);
            scramble(&mut state);
            return Some(low(&state));
        }
        let blocks = blocks_of(key);
        let mut total = [0u8; 16];
        for (index, block) in blocks.iter().enumerate() {
            let mut state = xor(&self.scrambled(start, index), &(*block).into());
            for _ in 0..3 {
                scramble(&mut state);
            }
            for (sum, byte) in total.iter_mut().zip(state) {
                *sum ^= byte;
            }
        }
        Some(low(&total.into()))
    }

    /// The start value of a block: the seed under one of the keys.
    fn scrambled(&self, start: Block, index: usize) -> Block {
        let mut state = xor(&start, &self.schedule[index]);
        scramble(&mut state);
        state
    }
}

/// Splits a key into 1, 2, 4 or 8 blocks, from both ends; they overlap in the middle.
fn blocks_of(key: &[u8]) -> Vec<[u8; 16]> {
    let len = key.len();
    if len < 16 {
        let mut block = [0; 16];
        block[..len].copy_from_slice(key);
        return vec![block];
    }
    let at = |start: usize| {
        let mut block = [0; 16];
        block.copy_from_slice(&key[start..start + 16]);
        block
    };
    let half = match len {
        16 => return vec![at(0)],
        17..=32 => 1,
        33..=64 => 2,
        _ => 4,
    };
    let front = (0..half).map(|index| at(16 * index));
    let back = (0..half).map(|index| at(len - 16 * (half - index)));
    front.chain(back).collect()
}

/// One round under the state itself.
fn scramble(state: &mut Block) {
    let key = *state;
    cipher_round(state, &key);
}

fn xor(a: &Block, b: &Block) -> Block {
    let mut out = *a;
    for (byte, other) in out.iter_mut().zip(b) {
        *byte ^= other;
    }
    out
}

fn low(state: &Block) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&state[..8]);
    u64::from_le_bytes(word)
}
