//! Go's hash of a map key, recomputed from the target's own secrets, to tell whether a key of a
//! type lies where its hash says.
//!
//! On amd64 with AES instructions (all since 2010) the runtime hashes with rounds of AES, under a
//! key schedule that it makes at random when it starts (`runtime/alg.go`, `runtime/asm_amd64.s`;
//! from Go 1.27 `internal/runtime/maps`); without, in the manner of wyhash. A [`HashPlan`] says how
//! a key of several parts is put together from such hashes.

mod aes;
mod fallback;
mod key;
mod lane;
mod memory_hash;
mod plan;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

pub use aes::AesHash;
pub use fallback::FallbackHash;
pub use key::{KeyHash, KeyHasher};
pub use memory_hash::MemoryHash;
pub use plan::{HashPlan, HashRules, KeyField, KeyReferences, KeyShape};
