//! The hash of processors without AES instructions (`runtime/hash64.go`; from Go 1.27
//! `internal/runtime/maps/runtime_hash64.go`), in the manner of wyhash: words of the key are
//! multiplied two by two into 128 bits, whose halves are combined by exclusive or.
//!
//! Each step is keyed by one of four secrets. Until Go 1.22 three of them were constants, and one
//! was a constant combined with a random word; since Go 1.23 all four are random.

/// A process's fallback hash, by its four secrets.
#[derive(Clone)]
pub struct FallbackHash {
    secrets: [u64; 4],
}

/// The constants of Go up to 1.22.
const CONSTANTS: [u64; 4] =
    [0xa076_1d64_78bd_642f, 0xe703_7ed1_a0b4_28db, 0x8ebc_6af0_9c88_c6e3, 0x5899_65cc_7537_4cc3];
/// Keys the last step, together with the length.
const LENGTH_KEY: u64 = 0x1d8e_4e27_c47d_124f;
/// Bytes that three parallel steps take in.
const STRIPE: usize = 48;
/// Bytes that one step takes in.
const STEP: usize = 16;

impl FallbackHash {
    /// Makes the hash of Go 1.23 and later from the runtime's `hashkey`; `None` where it is all
    /// zero, as in a process that hashes with AES.
    pub fn new(hash_key: [u64; 4]) -> Option<Self> {
        hash_key.iter().any(|word| *word != 0).then_some(Self { secrets: hash_key })
    }

    /// Makes the hash of Go up to 1.22 from the runtime's `hashkey`, of which only the first word
    /// is used; `None` where it is all zero, as in a process that hashes with AES.
    pub fn before_go_1_23(hash_key: [u64; 4]) -> Option<Self> {
        let [first, second, third, fourth] = CONSTANTS;
        hash_key
            .iter()
            .any(|word| *word != 0)
            .then_some(Self { secrets: [hash_key[0] ^ first, second, third, fourth] })
    }

    /// Hashes four bytes (`memhash32Fallback`).
    pub fn hash_4(&self, key: [u8; 4], seed: u64) -> u64 {
        let word = u32::from_le_bytes(key).into();
        self.finish(word, word, 4, seed ^ self.secrets[0])
    }

    /// Hashes eight bytes (`memhash64Fallback`).
    pub fn hash_8(&self, key: [u8; 8], seed: u64) -> u64 {
        let word = u64::from_le_bytes(key);
        self.finish(word, word, 8, seed ^ self.secrets[0])
    }

    /// Hashes bytes of any number (`memhashFallback`).
    pub fn hash(&self, key: &[u8], seed: u64) -> u64 {
        let [start, one, two, three] = self.secrets;
        let mut state = seed ^ start;
        let length = key.len();
        let (a, b) = match (key.first_chunk::<4>(), key.last_chunk::<4>()) {
            // Too short for four bytes: the first, the middle and the last one.
            (None, _) | (_, None) => match key {
                [] => return state,
                [first, ..] => {
                    let at = |index: usize| u64::from(key.get(index).copied().unwrap_or(*first));
                    (at(0) | at(length >> 1) << 8 | at(length - 1) << 16, 0)
                }
            },
            (Some(front), Some(back)) if length < 8 => {
                (u32::from_le_bytes(*front).into(), u32::from_le_bytes(*back).into())
            }
            _ if length <= STEP => (word_at(key, 0), word_at(key, length - 8)),
            _ => {
                let mut rest = key;
                if length > STRIPE {
                    let (mut second, mut third) = (state, state);
                    while rest.len() > STRIPE {
                        state = mix(word_at(rest, 0) ^ one, word_at(rest, 8) ^ state);
                        second = mix(word_at(rest, 16) ^ two, word_at(rest, 24) ^ second);
                        third = mix(word_at(rest, 32) ^ three, word_at(rest, 40) ^ third);
                        rest = &rest[STRIPE..];
                    }
                    state ^= second ^ third;
                }
                while rest.len() > STEP {
                    state = mix(word_at(rest, 0) ^ one, word_at(rest, 8) ^ state);
                    rest = &rest[STEP..];
                }
                // The last two words of the key, which may reach back over bytes taken in before.
                (word_at(key, length - 16), word_at(key, length - 8))
            }
        };
        self.finish(a, b, length as u64, state)
    }

    fn finish(&self, a: u64, b: u64, length: u64, state: u64) -> u64 {
        mix(LENGTH_KEY ^ length, mix(a ^ self.secrets[1], b ^ state))
    }
}

impl std::fmt::Debug for FallbackHash {
    /// Keeps the secrets to itself.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FallbackHash").finish_non_exhaustive()
    }
}

/// Both halves of a product, combined.
fn mix(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

/// The word at an offset; zero beyond the end, where no caller looks.
fn word_at(bytes: &[u8], offset: usize) -> u64 {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk::<8>())
        .map_or(0, |word| u64::from_le_bytes(*word))
}
