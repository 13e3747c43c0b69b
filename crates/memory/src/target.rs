//! What an analysis opens: memory, mappings, threads and the executable, from a core, a heap dump
//! or a process.

use std::path::Path;
use std::time::Duration;

use crate::compressed;
use crate::core_file;
use crate::executable::Executable;
use crate::heap_dump::{self, HeapDump};
use crate::image::Image;
use crate::map_file::map_file;
use crate::mapping::{Mapping, Registers};
use crate::process::{self, ProcessMemory, ProcessOptions};
use crate::program_file;
use crate::{AddressRange, ByteSize, Memory, OpenError};

/// Bytes of a page on amd64.
pub(crate) const PAGE: u64 = 4096;

/// How far the bytes of a target belong to one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consistency {
    /// A core: all of one moment.
    Core,
    /// A heap dump: all of one moment, save the globals without pointers, which are those of the
    /// program's start.
    HeapDump,
    /// A process that was stopped while it was copied.
    Frozen {
        /// How long it was stopped.
        pause: Duration,
        /// Everything was copied meanwhile; else the rest came later.
        is_complete: bool,
    },
    /// A process that ran while it was copied.
    Unfrozen,
}

/// A program's memory and what is known of it.
pub struct Target {
    pub(crate) image: Image,
    pub(crate) live: Option<ProcessMemory>,
    pub(crate) mappings: Vec<Mapping>,
    pub(crate) threads: Vec<Registers>,
    pub(crate) executable: Executable,
    pub(crate) load_bias: u64,
    pub(crate) consistency: Consistency,
    pub(crate) heap_dump: Option<HeapDump>,
    pub(crate) diagnostics: Vec<String>,
    pub(crate) clock: Option<Duration>,
    pub(crate) resident: Option<ByteSize>,
}

impl Target {
    /// Opens a core or a heap dump, with its executable. A core may name that itself; a heap dump
    /// does not. A file whose name ends in `.zst` is expanded into a temporary file first.
    ///
    /// # Errors
    ///
    /// Fails where one of the two can't be read, is of another kind, or does not belong to the
    /// other.
    pub fn open_file(path: &Path, executable: Option<&Path>) -> Result<Self, OpenError> {
        let (data, fault) = match path.extension() {
            Some(extension) if extension == "zst" => {
                let expanded = compressed::expand(path)?;
                (expanded.data, expanded.fault)
            }
            _ => (map_file(path)?, None),
        };
        match heap_dump::is_heap_dump(&data) {
            true => heap_dump::open(path, data, fault, executable),
            false => core_file::open(path, data, fault, executable),
        }
    }

    /// Opens an executable by itself: the memory that its program would start with, and no threads.
    ///
    /// # Errors
    ///
    /// Fails where the file can't be read or is no executable of a kind that is known.
    pub fn open_executable(path: &Path) -> Result<Self, OpenError> {
        program_file::open(path)
    }

    /// Opens a running process.
    ///
    /// # Errors
    ///
    /// Fails where there is no such process, it may not be read, or it does not stop in time.
    pub fn open_process(pid: u32, options: &ProcessOptions<'_>) -> Result<Self, OpenError> {
        Ok(process::take(pid, options)?.target)
    }

    /// Returns the memory.
    pub fn memory(&self) -> &dyn Memory {
        &self.image
    }

    /// Returns the memory of a process that was not stopped, as it is now: for reading again what
    /// may have changed while it was copied.
    pub fn live(&self) -> Option<&dyn Memory> {
        self.live.as_ref().map(|live| live as &dyn Memory)
    }

    /// Returns the mappings, by address.
    pub fn mappings(&self) -> &[Mapping] {
        &self.mappings
    }

    /// Returns the threads' registers; none for a process that was not stopped.
    pub fn threads(&self) -> &[Registers] {
        &self.threads
    }

    /// Returns the executable.
    pub fn executable(&self) -> &Executable {
        &self.executable
    }

    /// Returns what was added to the executable's addresses when it was loaded.
    pub fn load_bias(&self) -> u64 {
        self.load_bias
    }

    /// Returns where the executable's segments are in memory, in whole pages.
    pub fn image_ranges(&self) -> Vec<AddressRange> {
        self.executable
            .segments()
            .iter()
            .map(|segment| biased(segment.virtual_range, self.load_bias))
            .collect()
    }

    /// Returns how far the bytes belong to one moment.
    pub fn consistency(&self) -> Consistency {
        self.consistency
    }

    /// Returns what a heap dump says beyond bytes; `None` for any other target.
    pub fn heap_dump(&self) -> Option<&HeapDump> {
        self.heap_dump.as_ref()
    }

    /// Returns what the system's monotonic clock, which Go's runtime reads too, showed when a process
    /// was copied; `None` for a file that does not say, as only our own cores do.
    pub fn clock(&self) -> Option<Duration> {
        self.clock
    }

    /// Returns the bytes of memory that a process had in use (its resident set) when it was copied;
    /// `None` for a file, which does not say.
    pub fn resident(&self) -> Option<ByteSize> {
        self.resident
    }

    /// Returns what is missing or doubtful.
    pub fn diagnostics(&self) -> &[String] {
        &self.diagnostics
    }
}

/// Moves a segment's range to where it was loaded, in whole pages.
pub(crate) fn biased(range: AddressRange, load_bias: u64) -> AddressRange {
    let at = |address: crate::Address| crate::Address::new(address.get().wrapping_add(load_bias));
    AddressRange::new(
        at(range.start()).align_down(PAGE),
        (at(range.end()) + ByteSize::new(PAGE - 1)).align_down(PAGE),
    )
}
