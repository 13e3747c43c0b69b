//! Addresses and bytes of another program: the bottom layer of tophash.

mod address;
mod read;

pub use address::{Address, AddressRange, ByteSize};
pub use read::{Memory, MemoryExt, READ_LIMIT, ReadError};
mod stub;
pub use stub::*;
