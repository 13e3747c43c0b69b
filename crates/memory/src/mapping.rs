//! What the kernel says of a target's memory and threads.

use std::path::PathBuf;

use crate::{Address, AddressRange};

/// What may be done with a mapping's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Permissions {
    /// They may be read.
    pub read: bool,
    /// They may be written.
    pub write: bool,
    /// They may be executed.
    pub execute: bool,
}

/// The file behind a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedFile {
    /// Its path, as the target saw it.
    pub path: PathBuf,
    /// Where in the file the mapping starts, in bytes.
    pub offset: u64,
}

impl MappedFile {
    /// Tells whether the kernel says that the file is gone, or never had a path (shared memory).
    pub(crate) fn is_deleted(&self) -> bool {
        self.path.as_os_str().as_encoded_bytes().ends_with(b" (deleted)")
    }
}

/// A piece of the target's address space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapping {
    /// Where it is.
    pub range: AddressRange,
    /// What may be done with it.
    pub permissions: Permissions,
    /// The file behind it; `None` for anonymous memory.
    pub file: Option<MappedFile>,
}

/// A thread's registers when the target was stopped or died.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registers {
    /// The kernel's number of the thread.
    pub tid: u32,
    /// The program counter.
    pub pc: Address,
    /// The stack pointer.
    pub sp: Address,
    /// Every register's value; any of them may be a pointer.
    pub general: Vec<u64>,
}

impl Registers {
    /// Number of words in amd64's `user_regs_struct`.
    pub(crate) const WORDS: usize = 27;

    /// Takes the registers out of amd64's `user_regs_struct`, in which the program counter is word
    /// 16 and the stack pointer word 19.
    pub(crate) fn from_amd64(tid: u32, words: [u64; Self::WORDS]) -> Self {
        Self {
            tid,
            pc: Address::new(words[16]),
            sp: Address::new(words[19]),
            general: words.to_vec(),
        }
    }
}
