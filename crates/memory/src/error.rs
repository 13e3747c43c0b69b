//! Why a target could not be opened. Each message names the input, the fault and the remedy.

use std::io;
use std::path::PathBuf;

/// Why a core or process could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file can't be opened or read.
    #[error("{} can't be read", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no ELF file.
    #[error("{} is not an ELF file; tophash opens ELF cores (of gcore, the kernel, or tophash) and Go heap dumps", path.display())]
    NotElf {
        /// The file.
        path: PathBuf,
    },
    /// The ELF file is of a kind that is not read.
    #[error("{} is {found}; tophash reads 64-bit little-endian ELF of amd64", path.display())]
    UnsupportedElf {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// An ELF file, but no core.
    #[error(
        "{} is an executable, not a core: run it and give its process number, or take a core of \
         it with `tophash capture PID` and give this file as --exe", path.display()
    )]
    NotACore {
        /// The file.
        path: PathBuf,
    },
    /// A core where the executable should be.
    #[error("{} is a core, not an executable: give the program's binary as --exe", path.display())]
    NotAnExecutable {
        /// The file.
        path: PathBuf,
    },
    /// The ELF headers are damaged or cut off.
    #[error("{} is damaged: {what} can't be read; it may have been cut off while it was written or copied", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part that can't be read.
        what: &'static str,
    },
    /// The core does not say which executable it is of, or it is not there.
    #[error(
        "the core {} needs its executable{}: name the very binary that ran with --exe BIN",
        core.display(),
        recorded.as_ref().map_or_else(String::new, |path| format!(", which ran as {} and is not there", path.display()))
    )]
    ExecutableNeeded {
        /// The core.
        core: PathBuf,
        /// The path the core names.
        recorded: Option<PathBuf>,
    },
    /// The executable is another build than the one that ran.
    #[error(
        "{} is not the executable that ran: the core {} has build ID {expected}, the executable \
         {found}; name the very binary that ran with --exe BIN",
        executable.display(),
        core.display()
    )]
    WrongExecutable {
        /// The core.
        core: PathBuf,
        /// The executable given.
        executable: PathBuf,
        /// The build ID in the core, in hex.
        expected: String,
        /// The build ID in the executable, in hex.
        found: String,
    },
    /// A heap dump without its executable.
    #[error(
        "the heap dump {} needs its executable: a dump holds neither code nor types, and does not \
         say where the program is; name the very binary that ran with --exe BIN", dump.display()
    )]
    HeapDumpAlone {
        /// The dump.
        dump: PathBuf,
    },
    /// The executable is another one than the one that wrote the heap dump.
    #[error(
        "{} did not write the heap dump {}: {why}; name the very binary that ran with --exe BIN",
        executable.display(),
        dump.display()
    )]
    HeapDumpOfAnother {
        /// The dump.
        dump: PathBuf,
        /// The executable given.
        executable: PathBuf,
        /// What does not agree.
        why: &'static str,
    },
    /// A heap dump of a machine that is not read.
    #[error("{} is a heap dump {found}; tophash reads those of amd64", path.display())]
    UnsupportedHeapDump {
        /// The dump.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// There is no such process.
    #[error("there is no process {pid}")]
    NoProcess {
        /// The number given.
        pid: u32,
    },
    /// The process has no executable (a kernel thread or a zombie).
    #[error("process {pid} has no executable: it is a kernel thread, or it has ended")]
    NoExecutable {
        /// The process.
        pid: u32,
    },
    /// The kernel does not let this user read the process.
    #[error(
        "process {pid} may not be read ({reason}): run as its user or as root, give CAP_SYS_PTRACE, \
         or, where only children may be traced, lower /proc/sys/kernel/yama/ptrace_scope"
    )]
    NotPermitted {
        /// The process.
        pid: u32,
        /// What the kernel said.
        reason: String,
    },
    /// The process could not be brought to a stop in time; it was let go.
    #[error(
        "process {pid} did not stop within {max_pause_ms} ms and was let go: raise --max-pause, or \
         read it without stopping it (--unfrozen)"
    )]
    NotStopped {
        /// The process.
        pid: u32,
        /// The bound, in milliseconds.
        max_pause_ms: u128,
    },
    /// A compressed core expands beyond what is allowed.
    #[error("{} expands to more than {limit_gib} GiB; expand it by hand and open the result", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The bound.
        limit_gib: u64,
    },
}

impl OpenError {
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
