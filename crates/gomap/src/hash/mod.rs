//! Go's hash of a map key, recomputed from the target's own secrets, to tell whether a key of a
//! type lies where its hash says.
//!
//! On amd64 with AES instructions (all since 2010) the runtime hashes with rounds of AES, under a
//! key schedule that it makes at random when it starts (`runtime/alg.go`, `runtime/asm_amd64.s`;
//! from Go 1.27 `internal/runtime/maps`).

mod aes;
mod key;

pub use aes::AesHash;
pub use key::{KeyHash, KeyHasher};
