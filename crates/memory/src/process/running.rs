//! A process that is neither stopped nor copied: for looking at a few words of it, again and again.

use std::path::PathBuf;

use super::{ProcessMemory, check_readable, load_bias, maps};
use crate::executable::Executable;
use crate::{Address, Memory, OpenError, ReadError};

/// A running process, of which nothing is copied.
pub struct RunningProcess {
    memory: ProcessMemory,
    load_bias: u64,
    executable: PathBuf,
}

impl RunningProcess {
    /// Opens a process.
    ///
    /// # Errors
    ///
    /// Fails where there is no such process, or it may not be read.
    pub fn open(pid: u32) -> Result<Self, OpenError> {
        let executable: Executable = super::open_executable(pid, None)?;
        let mappings = maps::read(pid)?;
        let memory = ProcessMemory::open(pid);
        check_readable(pid, &memory, &mappings)?;
        let load_bias = load_bias(pid, &executable, &mappings);
        Ok(Self { memory, load_bias, executable: PathBuf::from(format!("/proc/{pid}/exe")) })
    }

    /// Returns what was added to the executable's addresses when it was loaded.
    pub fn load_bias(&self) -> u64 {
        self.load_bias
    }

    /// Returns a path that leads to the executable while the process runs, also where it is another
    /// container's.
    pub fn executable(&self) -> &PathBuf {
        &self.executable
    }
}

impl Memory for RunningProcess {
    fn read(&self, at: Address, buf: &mut [u8]) -> Result<(), ReadError> {
        self.memory.read(at, buf)
    }
}
