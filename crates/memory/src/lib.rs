//! Addresses and bytes of another program: the bottom layer of tophash.
//!
//! [`Target`] opens an ELF core, a Go heap dump or a live process; everything above reads through [`Memory`], a
//! trait with one required method, which a core, a copy of a process and a test's drawing of memory
//! ([`FakeMemory`]) implement alike.
//!
//! ```
//! use tophash_memory::{Address, FakeMemory, Memory, MemoryExt};
//!
//! fn first_word(memory: &dyn Memory, at: Address) -> Option<u64> {
//!     memory.read_u64(at).ok()
//! }
//!
//! let memory = FakeMemory::new().with_words(Address::new(0x1000), &[42]);
//! assert_eq!(first_word(&memory, Address::new(0x1000)), Some(42));
//! assert_eq!(first_word(&memory, Address::new(0x2000)), None);
//! ```
//!
//! This crate knows nothing of Go but how it writes a heap dump, and never writes to a target.

mod address;
mod arena;
mod capture_note;
mod compressed;
mod core_file;
mod core_writer;
mod error;
mod executable;
mod fake;
mod heap_dump;
mod image;
mod map_file;
mod mapping;
mod new_file;
mod pieces;
mod process;
mod program_file;
mod ranges;
mod read;
mod target;

pub use address::{Address, AddressRange, ByteSize};
pub use arena::Arena;
pub use core_writer::{Capture, Compression, Core, CoreContents, CoreError};
pub use error::OpenError;
pub use executable::{Executable, Segment};
pub use fake::FakeMemory;
pub use heap_dump::{
    DumpedAllocation, DumpedCall, DumpedFinalizer, DumpedObject, DumpedSection, HeapDump,
};
pub use mapping::{MappedFile, Mapping, Permissions, Registers};
pub use new_file::NewFile;
pub use process::{ProcessAccounts, ProcessMode, ProcessOptions, RunningProcess};
pub use read::{Memory, MemoryExt, READ_LIMIT, ReadError};
pub use target::{Consistency, Target};
