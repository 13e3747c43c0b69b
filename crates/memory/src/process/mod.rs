//! Live processes on Linux: copied while stopped, or read while they run.
//!
//! A process is never written to: memory comes through `process_vm_readv`, and ptrace is used only
//! to stop threads, read their registers and let them go. While it is stopped nothing is done but
//! copying; all analysis works on the copy.

mod accounts;
mod details;
mod freeze;
mod maps;
mod running;
mod snapshot;

pub use accounts::ProcessAccounts;
pub use running::RunningProcess;

pub(crate) use details::{Details, Identity};

use std::cell::Cell;
use std::fs::File;
use std::io::{self, IoSliceMut};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::uio::{RemoteIoVec, process_vm_readv};
use nix::time::{ClockId, clock_gettime};
use nix::unistd::Pid;

use crate::executable::Executable;
use crate::image::{Backing, Image, Store};
use crate::map_file::map;
use crate::mapping::{Mapping, Registers};
use crate::ranges::without;
use crate::target::{Consistency, PAGE, Target, biased};
use crate::{Address, AddressRange, ByteSize, Memory, OpenError, ReadError};

/// Whether the process is stopped while its memory is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProcessMode {
    /// Stopped, but never longer than this.
    Frozen {
        /// The bound.
        max_pause: Duration,
    },
    /// Never stopped.
    Unfrozen,
}

/// How to open a process.
pub struct ProcessOptions<'o> {
    /// Whether it is stopped.
    pub mode: ProcessMode,
    /// Its executable, where the kernel's link to it can't be used.
    pub executable: Option<PathBuf>,
    /// Hears how many bytes were copied, and of how many.
    pub progress: Option<&'o dyn Fn(u64, u64)>,
}

impl Default for ProcessOptions<'_> {
    fn default() -> Self {
        let mode = ProcessMode::Frozen { max_pause: Duration::from_millis(500) };
        Self { mode, executable: None, progress: None }
    }
}

/// A running process's memory, read as it is at each call.
pub(crate) struct ProcessMemory {
    pid: u32,
    /// For kernels that forbid `process_vm_readv` but allow this.
    file: Option<File>,
}

impl ProcessMemory {
    fn open(pid: u32) -> Self {
        Self { pid, file: File::open(format!("/proc/{pid}/mem")).ok() }
    }

    /// Reads what can be read from `at` on; returns how many bytes.
    fn read_some(&self, at: Address, buf: &mut [u8]) -> Result<usize, Errno> {
        let remote = RemoteIoVec { base: at.get() as usize, len: buf.len() };
        let pid = Pid::from_raw(self.pid as i32);
        match process_vm_readv(pid, &mut [IoSliceMut::new(buf)], &[remote]) {
            Err(Errno::EPERM | Errno::ENOSYS) => match &self.file {
                Some(file) => file
                    .read_at(buf, at.get())
                    .map_err(|fault| Errno::from_raw(fault.raw_os_error().unwrap_or(0))),
                None => Err(Errno::EPERM),
            },
            done => done,
        }
    }
}

impl Memory for ProcessMemory {
    fn read(&self, at: Address, buf: &mut [u8]) -> Result<(), ReadError> {
        let len = ByteSize::new(buf.len() as u64);
        let mut done = 0;
        while done < buf.len() {
            let now = at + ByteSize::new(done as u64);
            match self.read_some(now, &mut buf[done..]) {
                Ok(0) => return Err(ReadError::Unmapped { at: now, len }),
                Ok(read) => done += read,
                Err(Errno::ESRCH) => return Err(ReadError::ProcessGone { at: now }),
                Err(_) => return Err(ReadError::Unmapped { at: now, len }),
            }
        }
        Ok(())
    }
}

/// A process that was copied, and what its core is to hold beside its memory.
pub(crate) struct Taken {
    pub(crate) target: Target,
    pub(crate) details: Details,
    /// What was copied, by address.
    pub(crate) copied: Vec<AddressRange>,
}

/// Copies a process.
pub(crate) fn take(pid: u32, options: &ProcessOptions<'_>) -> Result<Taken, OpenError> {
    let executable = open_executable(pid, options.executable.as_deref())?;
    let memory = ProcessMemory::open(pid);
    let before = maps::read(pid)?;
    check_readable(pid, &memory, &before)?;
    let mut details = Details::read(pid, &memory, &before);
    let mut copy = snapshot::Snapshot::default();
    let (threads, consistency, mappings, mut diagnostics) = match options.mode {
        ProcessMode::Unfrozen => {
            let total = copy.plan(pid, &copied(&before, &executable));
            copy.run(&memory, None, &progress(options, total));
            details.list_running();
            (Vec::new(), Consistency::Unfrozen, before, Vec::new())
        }
        ProcessMode::Frozen { max_pause } => {
            // Once while it runs, so that the copy's own pages are there before the clock starts.
            copy.plan(pid, &copied(&before, &executable));
            copy.run(&memory, None, &|_| {});
            let frozen = frozen(pid, max_pause, &memory, &executable, &mut copy, options)?;
            details.floating_point = frozen.floating_point;
            details.keep_pages_of(&frozen.mappings);
            (frozen.threads, frozen.consistency, frozen.mappings, frozen.diagnostics)
        }
    };
    if copy.unreadable() > 0 {
        diagnostics.push(format!(
            "{} pages of the process could not be read and are missing",
            copy.unreadable()
        ));
    }
    let load_bias = load_bias(pid, &executable, &mappings);
    let (image, copied) = assemble(&executable, &mappings, copy, &details, load_bias);
    let live = (consistency == Consistency::Unfrozen).then_some(memory);
    let clock = clock_gettime(ClockId::CLOCK_MONOTONIC).ok().map(Duration::from);
    let target = Target {
        image,
        live,
        mappings,
        threads,
        executable,
        load_bias,
        consistency,
        heap_dump: None,
        diagnostics,
        clock,
        resident: resident(pid),
    };
    Ok(Taken { target, details, copied })
}

/// Asks for the resident set: the second number of `statm`, in pages.
fn resident(pid: u32) -> Option<ByteSize> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
    let pages: u64 = text.split(' ').nth(1)?.parse().ok()?;
    Some(ByteSize::new(pages.saturating_mul(PAGE)))
}

struct Frozen {
    threads: Vec<Registers>,
    floating_point: Vec<(u32, Vec<u8>)>,
    consistency: Consistency,
    mappings: Vec<Mapping>,
    diagnostics: Vec<String>,
}

/// Stops the process, copies it, lets it go: all on one thread, since ptrace ties the stopped threads
/// to the one that stopped them.
fn frozen(
    pid: u32,
    max_pause: Duration,
    memory: &ProcessMemory,
    executable: &Executable,
    copy: &mut snapshot::Snapshot,
    options: &ProcessOptions<'_>,
) -> Result<Frozen, OpenError> {
    let mut diagnostics = Vec::new();
    let deadline = Instant::now() + max_pause;
    let stopped = freeze::Frozen::stop(pid, max_pause)?;
    let threads = stopped.registers();
    let floating_point = stopped.floating_point();
    let mappings = maps::read(pid)?;
    let total = copy.plan(pid, &copied(&mappings, executable));
    let rest = copy.run(memory, Some(deadline), &|_| {});
    let pause = stopped.release();
    let is_complete = rest == 0;
    if !is_complete {
        diagnostics.push(format!(
            "the process was let go after {} ms with {} of {} copied; the rest was read while it \
             ran and may not fit together: raise --max-pause for an exact picture",
            pause.as_millis(),
            crate::core_file::mebibytes(ByteSize::new(total - rest)),
            crate::core_file::mebibytes(ByteSize::new(total)),
        ));
        copy.run(memory, None, &progress(options, total));
    }
    let consistency = Consistency::Frozen { pause, is_complete };
    Ok(Frozen { threads, floating_point, consistency, mappings, diagnostics })
}

fn progress<'o>(options: &'o ProcessOptions<'_>, total: u64) -> impl Fn(u64) + 'o {
    let done = Cell::new(0);
    move |bytes| {
        done.set(done.get() + bytes);
        if let Some(progress) = options.progress {
            progress(done.get(), total);
        }
    }
}

fn open_executable(pid: u32, given: Option<&Path>) -> Result<Executable, OpenError> {
    if let Some(given) = given {
        return Executable::open(given);
    }
    // The link leads to the file even where its path is gone, or is another container's.
    let link = PathBuf::from(format!("/proc/{pid}/exe"));
    if !Path::new(&format!("/proc/{pid}")).exists() {
        return Err(OpenError::NoProcess { pid });
    }
    let file = match File::open(&link) {
        Ok(file) => file,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::NoExecutable { pid });
        }
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => {
            return Err(OpenError::NotPermitted { pid, reason: fault.to_string() });
        }
        Err(source) => return Err(OpenError::File { path: link, source }),
    };
    let path = std::fs::read_link(&link).unwrap_or(link);
    let data = map(&file).map_err(OpenError::file(&path))?;
    Executable::from_map(&path, data)
}

/// Reads one byte, so that a process that may not be read is refused before anything is stopped.
fn check_readable(pid: u32, memory: &ProcessMemory, mappings: &[Mapping]) -> Result<(), OpenError> {
    let Some(first) = mappings.iter().find(|mapping| mapping.permissions.write) else {
        return Err(OpenError::NoExecutable { pid });
    };
    match memory.read_some(first.range.start(), &mut [0]) {
        Err(fault @ (Errno::EPERM | Errno::EACCES)) => {
            Err(OpenError::NotPermitted { pid, reason: fault.desc().to_owned() })
        }
        Err(Errno::ESRCH) => Err(OpenError::NoProcess { pid }),
        _ => Ok(()),
    }
}

/// Chooses what to copy: what the program can have written. Pages of the executable that were
/// written before they were protected (relocations) belong to it.
fn copied(mappings: &[Mapping], executable: &Executable) -> Vec<snapshot::Wanted> {
    let was_written = |mapping: &Mapping| {
        let Some(file) = &mapping.file else { return mapping.permissions.read };
        executable.segments().iter().any(|segment| {
            let offsets = segment.file_range();
            segment.is_writable
                && file.offset < offsets.end as u64
                && offsets.start as u64 & !(PAGE - 1) < file.offset + mapping.range.size().get()
        })
    };
    mappings
        .iter()
        .filter(|mapping| {
            mapping.permissions.read
                && (mapping.permissions.write || was_written(mapping))
                && !is_device(mapping)
        })
        .map(|mapping| snapshot::Wanted {
            range: mapping.range,
            is_file: mapping.file.is_some(),
            is_left_to_file: mapping.file.as_ref().is_some_and(|file| !file.is_deleted()),
        })
        .collect()
}

/// Mappings that have side effects, or nothing to do with the program's data.
fn is_device(mapping: &Mapping) -> bool {
    mapping.file.as_ref().is_some_and(|file| {
        let path = file.path.to_string_lossy();
        path.starts_with("/dev/") || path == "[vvar]" || path == "[vsyscall]" || path == "[vdso]"
    })
}

fn load_bias(pid: u32, executable: &Executable, mappings: &[Mapping]) -> u64 {
    if !executable.is_position_independent() {
        return 0;
    }
    let first = executable.segments().iter().find(|segment| segment.file_range().start == 0);
    let Some(first) = first else { return 0 };
    let link = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let mapped = mappings.iter().find(|mapping| {
        mapping.file.as_ref().is_some_and(|file| file.offset == 0 && file.path == link)
    });
    mapped.map_or(0, |mapping| {
        let start = first.virtual_range.start().align_down(PAGE);
        mapping.range.start().get().wrapping_sub(start.get())
    })
}

fn assemble(
    executable: &Executable,
    mappings: &[Mapping],
    copy: snapshot::Snapshot,
    details: &Details,
    load_bias: u64,
) -> (Image, Vec<AddressRange>) {
    let mut image = Image::default();
    let mut copied = copy.into_image(&mut image);
    let pages = details.add_pages(&mut image);
    copied.extend(without(&pages, &copied.clone()));
    copied.sort_by_key(|range| range.start());
    let file = image.add_store(Store::File(executable.map()));
    let len = executable.data().len() as u64;
    for segment in executable.segments() {
        // Of a writable segment, the pages behind the file's are zero, and were copied or never
        // touched.
        let range = biased(segment.virtual_range, load_bias);
        let offset = (segment.file_range().start as u64) & !(PAGE - 1);
        let end = match segment.is_writable {
            true => segment.file_range().end as u64,
            false => len,
        };
        let held = end.saturating_sub(offset).min(range.size().get());
        let range = AddressRange::from_size(range.start(), ByteSize::new(held));
        image.add(range, Backing::Store { index: file, offset: offset as usize });
    }
    for mapping in mappings {
        image.add(mapping.range, Backing::Missing);
    }
    image.finish();
    (image, copied)
}
