//! The hash that a process uses, and what the runtime builds on it for keys that are not plain
//! memory (`runtime/alg.go`).

use super::aes::AesHash;
use super::fallback::FallbackHash;

/// The runtime's constants for a 64-bit machine: mixed in where a hash is not of memory alone.
const C0: u64 = 33_054_211_828_000_289;
const C1: u64 = 23_344_194_077_549_503;

/// The hash of memory that a process uses.
#[derive(Debug, Clone)]
pub enum MemoryHash {
    /// With AES instructions, which every processor since 2010 has.
    Aes(AesHash),
    /// Without.
    Fallback(FallbackHash),
}

impl MemoryHash {
    /// Hashes bytes of any number (`memhash`), and the contents of a string (`strhash`).
    pub fn bytes(&self, key: &[u8], seed: u64) -> u64 {
        match self {
            Self::Aes(hash) => hash.hash(key, seed),
            Self::Fallback(hash) => hash.hash(key, seed),
        }
    }

    /// Hashes a key of four bytes (`memhash32`).
    #[inline]
    pub fn word_4(&self, key: u32, seed: u64) -> u64 {
        match self {
            Self::Aes(hash) => hash.hash_4(key.to_le_bytes(), seed),
            Self::Fallback(hash) => hash.hash_4(key.to_le_bytes(), seed),
        }
    }

    /// Hashes a key of eight bytes (`memhash64`).
    #[inline]
    pub fn word_8(&self, key: u64, seed: u64) -> u64 {
        match self {
            Self::Aes(hash) => hash.hash_8(key.to_le_bytes(), seed),
            Self::Fallback(hash) => hash.hash_8(key.to_le_bytes(), seed),
        }
    }

    /// Hashes memory as a whole key: four or eight bytes have a hash of their own (`memhash32`,
    /// `memhash64`), and nothing is hashed to the seed.
    pub fn value(&self, key: &[u8], seed: u64) -> u64 {
        if let Ok(key) = <[u8; 4]>::try_from(key) {
            return self.word_4(u32::from_le_bytes(key), seed);
        }
        if let Ok(key) = <[u8; 8]>::try_from(key) {
            return self.word_8(u64::from_le_bytes(key), seed);
        }
        if key.is_empty() { seed } else { self.bytes(key, seed) }
    }

    /// Hashes a `float32` (`f32hash`); `None` for NaN, which hashes to a random number.
    pub fn float32(&self, key: [u8; 4], seed: u64) -> Option<u64> {
        let value = f32::from_le_bytes(key);
        if value == 0.0 {
            // Both zeros are one key.
            return Some(zero(seed));
        }
        (!value.is_nan()).then(|| self.bytes(&key, seed))
    }

    /// Hashes a `float64` (`f64hash`); `None` for NaN, which hashes to a random number.
    pub fn float64(&self, key: [u8; 8], seed: u64) -> Option<u64> {
        let value = f64::from_le_bytes(key);
        if value == 0.0 {
            return Some(zero(seed));
        }
        (!value.is_nan()).then(|| self.bytes(&key, seed))
    }
}

fn zero(seed: u64) -> u64 {
    C1.wrapping_mul(C0 ^ seed)
}

/// Hashes an interface that is not nil (`interhash`, `nilinterhash`) around the hash of the value
/// in it, which is given its seed. A nil interface hashes to the seed.
pub(super) fn interface(seed: u64, value: impl FnOnce(u64) -> Option<u64>) -> Option<u64> {
    Some(C1.wrapping_mul(value(seed ^ C0)?))
}
