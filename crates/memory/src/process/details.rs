//! What a core holds of a process beside its memory and general registers.
//!
//! None of it is needed by the analysis, and all of it is small. Pages of files are read before the
//! process is stopped, since the kernel may have to fetch them from a disk.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read as _;

use memmap2::MmapMut;

use super::ProcessMemory;
use crate::image::{Backing, Image, Store};
use crate::mapping::{Mapping, Registers};
use crate::target::PAGE;
use crate::{AddressRange, ByteSize, Memory as _};

/// The kernel's auxiliary vector has some twenty pairs; a file of `/proc` is believed up to here.
const MOST_OF_PROC: u64 = 64 << 10;
/// The most pages that are kept of mappings that are not copied.
const MOST_PAGES: usize = 4096;

/// Who the process is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    pub(crate) user: u32,
    pub(crate) user_group: u32,
    /// The state's letter.
    pub(crate) state: u8,
    pub(crate) nice: i8,
    pub(crate) flags: u64,
    /// The name of its first thread.
    pub(crate) name: Vec<u8>,
    /// Its arguments, a zero byte after each.
    pub(crate) arguments: Vec<u8>,
}

/// What a core is to hold beside memory and general registers.
#[derive(Debug, Default)]
pub(crate) struct Details {
    pub(crate) identity: Identity,
    /// The auxiliary vector, as the kernel gave it to the program.
    pub(crate) auxiliary: Vec<u8>,
    /// By thread; none for a process that was not stopped.
    pub(crate) floating_point: Vec<(u32, Vec<u8>)>,
    /// Of a process that was not stopped: its threads, with the few registers that the kernel tells
    /// of those that sleep. The others are zero.
    pub(crate) running: Vec<Registers>,
    /// Pages of mappings that are not copied: ELF headers, and the kernel's code in the process.
    pages: Vec<(Mapping, Vec<u8>)>,
}

impl Details {
    pub(super) fn read(pid: u32, memory: &ProcessMemory, mappings: &[Mapping]) -> Self {
        Self {
            identity: identity(pid),
            auxiliary: proc_file(pid, "auxv"),
            floating_point: Vec::new(),
            running: Vec::new(),
            pages: mappings.iter().filter_map(|it| page(memory, it)).take(MOST_PAGES).collect(),
        }
    }

    /// Lists the threads of a process that is not stopped.
    pub(super) fn list_running(&mut self) {
        let pid = self.identity.pid;
        let entries = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten();
        let threads = entries.filter_map(|it| it.ok()?.file_name().to_str()?.parse().ok());
        self.running = threads
            .map(|tid: u32| {
                let text = proc_file(pid, &format!("task/{tid}/syscall"));
                Registers::from_amd64(tid, sleeping(&String::from_utf8_lossy(&text)))
            })
            .collect();
    }

    /// Forgets pages of mappings that are no longer there.
    pub(super) fn keep_pages_of(&mut self, mappings: &[Mapping]) {
        let is_there: HashSet<AddressRange> = mappings.iter().map(|it| it.range).collect();
        self.pages
            .retain(|(mapping, _)| is_there.contains(&mapping.range) && mappings.contains(mapping));
    }

    /// Adds the pages to a copy, and says where they are.
    pub(super) fn add_pages(&self, image: &mut Image) -> Vec<AddressRange> {
        let total: usize = self.pages.iter().map(|(_, bytes)| bytes.len()).sum();
        let Ok(mut store) = MmapMut::map_anon(total.max(1)) else { return Vec::new() };
        let mut places = Vec::new();
        let mut offset = 0;
        for (mapping, bytes) in &self.pages {
            if let Some(into) = store.get_mut(offset..offset + bytes.len()) {
                into.copy_from_slice(bytes);
            }
            let size = ByteSize::new(bytes.len() as u64);
            places.push((AddressRange::from_size(mapping.range.start(), size), offset));
            offset += bytes.len();
        }
        let index = image.add_store(Store::Copy(store));
        for (range, offset) in &places {
            image.add(*range, Backing::Store { index, offset: *offset });
        }
        places.into_iter().map(|(range, _)| range).collect()
    }
}

/// Reads what is kept of a mapping that is not copied.
fn page(memory: &ProcessMemory, mapping: &Mapping) -> Option<(Mapping, Vec<u8>)> {
    let file = mapping.file.as_ref()?;
    let is_kernels = file.path.as_os_str() == "[vdso]";
    // Of a file that is written to, what was changed is copied.
    if !mapping.permissions.read || mapping.permissions.write || (file.offset != 0 && !is_kernels) {
        return None;
    }
    let len = match is_kernels {
        true => mapping.range.size().min(ByteSize::new(4 * PAGE)).to_usize()?,
        false if !file.path.is_absolute() || file.path.starts_with("/dev") => return None,
        false => PAGE as usize,
    };
    let mut bytes = vec![0; len];
    memory.read(mapping.range.start(), &mut bytes).ok()?;
    bytes.starts_with(b"\x7fELF").then(|| (mapping.clone(), bytes))
}

/// Reads `/proc/PID/task/TID/syscall`: the call's number, its six arguments, the stack pointer and
/// the program counter. It says `running` of a thread that does not sleep.
fn sleeping(text: &str) -> [u64; Registers::WORDS] {
    /// Where these have their places among the registers: `orig_rax`, `rdi`, `rsi`, `rdx`, `r10`,
    /// `r8`, `r9`, `rsp`, `rip`.
    const PLACES: [usize; 9] = [15, 14, 13, 12, 7, 9, 8, 19, 16];
    let mut registers = [0; Registers::WORDS];
    let words: Vec<u64> = text
        .split_whitespace()
        .map_while(|word| match word.strip_prefix("0x") {
            Some(hex) => u64::from_str_radix(hex, 16).ok(),
            None => word.parse().ok(),
        })
        .collect();
    if words.len() == PLACES.len() {
        for (place, word) in PLACES.into_iter().zip(words) {
            registers[place] = word;
        }
    }
    registers
}

fn proc_file(pid: u32, name: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Ok(file) = File::open(format!("/proc/{pid}/{name}")) {
        // What can't be read is left out of the core.
        let _ = file.take(MOST_OF_PROC).read_to_end(&mut bytes);
    }
    bytes
}

/// `/proc/PID/stat`, `status` and `cmdline`.
fn identity(pid: u32) -> Identity {
    let stat = String::from_utf8_lossy(&proc_file(pid, "stat")).into_owned();
    // The name may hold anything but ends with the last bracket; the state comes next.
    let (head, rest) = stat.rsplit_once(") ").unwrap_or_default();
    let fields: Vec<&str> = rest.split(' ').collect();
    let number = |index: usize| fields.get(index).and_then(|text| text.parse::<i64>().ok());
    let unsigned = |index: usize| number(index).map_or(0, |number| number as u32);
    let status = String::from_utf8_lossy(&proc_file(pid, "status")).into_owned();
    let owner = |label: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(label));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    Identity {
        pid,
        parent: unsigned(1),
        group: unsigned(2),
        session: unsigned(3),
        user: owner("Uid:"),
        user_group: owner("Gid:"),
        state: fields.first().and_then(|state| state.bytes().next()).unwrap_or(b'?'),
        nice: number(16).map_or(0, |nice| nice as i8),
        flags: number(6).map_or(0, |flags| flags as u64),
        name: head.split_once('(').map_or(Vec::new(), |(_, name)| name.as_bytes().to_vec()),
        arguments: proc_file(pid, "cmdline"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleeping_thread_has_some_registers_and_a_running_one_none() {
        let registers = sleeping("202 0xa 0xb 0xc 0xd 0xe 0xf 0x7ffe10 0x401234\n");
        let thread = Registers::from_amd64(1, registers);
        assert_eq!((thread.pc.get(), thread.sp.get()), (0x40_1234, 0x7f_fe10));
        assert_eq!((registers[15], registers[14], registers[8]), (202, 10, 15));
        for text in ["running\n", "", "-1 0x7ffe10 0x401234", "1 2"] {
            assert_eq!(sleeping(text), [0; Registers::WORDS], "{text}");
        }
    }

    #[test]
    fn a_process_is_identified_and_its_auxiliary_vector_read() {
        let pid = std::process::id();
        let memory = ProcessMemory::open(pid);
        let mappings = super::super::maps::read(pid).unwrap();
        let details = Details::read(pid, &memory, &mappings);
        let identity = &details.identity;
        assert_eq!((identity.pid, identity.parent), (pid, std::os::unix::process::parent_id()));
        assert!(identity.arguments.ends_with(b"\0"));
        assert!(!identity.name.is_empty());
        // The last pair is zero.
        assert!(details.auxiliary.len() > 16 && details.auxiliary.len().is_multiple_of(16));
        assert!(details.auxiliary.ends_with(&[0; 16]));
        assert!(details.pages.iter().any(|(mapping, bytes)| {
            bytes.len() == PAGE as usize && mapping.file.as_ref().unwrap().offset == 0
        }));
    }
}
