//! Where an entry lies.

use tophash_memory::Address;

/// The key and the elem of an entry: in its slot, or in the cells that the slot points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    /// Where the key lies.
    pub key: Address,
    /// Where the elem lies.
    pub elem: Address,
}
