//! The headers and notes of a 64-bit little-endian core for amd64.
//!
//! Layouts are those of the System V ABI and of `struct elf_prstatus`; the file
//! note is a count, the page size, a start, end and offset in pages for each
//! mapping, then the names in the same order, each ended by a zero.

use anyhow::{Context, Result};

use super::frozen::Registers;
use super::maps::Mapping;
use super::{PAGE, Segment};

/// The count of program headers has 16 bits, of which one value is special and
/// one header is that of the notes.
pub(super) const MOST_SEGMENTS: usize = 0xffff - 2;

const FILE_HEADER: usize = 64;
const PROGRAM_HEADER: usize = 56;

const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

const NT_PRSTATUS: u32 = 1;
const NT_PRPSINFO: u32 = 3;
const NT_AUXV: u32 = 6;
const NT_FILE: u32 = 0x4649_4c45;

/// The notes of all threads, of the process and of its files.
pub(super) fn notes<'all>(
    pid: u32,
    threads: impl Iterator<Item = (u32, &'all Registers)>,
    mappings: &[Mapping],
) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for (index, (thread, registers)) in threads.enumerate() {
        note(&mut all, NT_PRSTATUS, &thread_status(thread, registers))?;
        if index == 0 {
            note(&mut all, NT_PRPSINFO, &process_info(pid)?)?;
            note(&mut all, NT_AUXV, &std::fs::read(format!("/proc/{pid}/auxv"))?)?;
            note(&mut all, NT_FILE, &files(mappings))?;
        }
    }
    Ok(all)
}

fn note(out: &mut Vec<u8>, kind: u32, contents: &[u8]) -> Result<()> {
    const NAME: &[u8] = b"CORE\0";
    out.extend(u32::try_from(NAME.len())?.to_le_bytes());
    out.extend(u32::try_from(contents.len())?.to_le_bytes());
    out.extend(kind.to_le_bytes());
    for part in [NAME, contents] {
        out.extend(part);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    Ok(())
}

/// A `struct elf_prstatus`: signals and times are left at zero.
fn thread_status(thread: u32, registers: &Registers) -> Vec<u8> {
    let mut status = vec![0; 32];
    status.extend(thread.to_le_bytes());
    status.resize(112, 0);
    for register in registers {
        status.extend(register.to_le_bytes());
    }
    status.resize(336, 0);
    status
}

/// A `struct elf_prpsinfo` with the process's number and name alone. The name
/// stands for the arguments too, since they may hold what is nobody's business.
fn process_info(pid: u32) -> Result<Vec<u8>> {
    let name = std::fs::read(format!("/proc/{pid}/comm"))?;
    let name = name.strip_suffix(b"\n").unwrap_or(&name);
    let mut info = vec![0; 24];
    info.extend(pid.to_le_bytes());
    info.resize(40, 0);
    info.extend(name.iter().take(15));
    info.resize(56, 0);
    info.extend(name.iter().take(15));
    info.resize(136, 0);
    Ok(info)
}

fn files(mappings: &[Mapping]) -> Vec<u8> {
    let mapped: Vec<_> = mappings.iter().filter(|mapping| mapping.has_file()).collect();
    let mut out = Vec::new();
    out.extend((mapped.len() as u64).to_le_bytes());
    out.extend(PAGE.to_le_bytes());
    for mapping in &mapped {
        for word in [mapping.start, mapping.end, mapping.offset / PAGE] {
            out.extend(word.to_le_bytes());
        }
    }
    for mapping in &mapped {
        out.extend(mapping.name.as_bytes());
        out.push(0);
    }
    out
}

/// All that comes before the segments' bytes, which follow in order.
pub(super) fn headers(segments: &[Segment], notes: &[u8]) -> Result<Vec<u8>> {
    let count = segments.len() + 1;
    let notes_at = FILE_HEADER + count * PROGRAM_HEADER;
    let bytes_at = (notes_at + notes.len()).next_multiple_of(PAGE as usize);

    let mut out = Vec::with_capacity(bytes_at);
    // Class 64, little-endian, version 1.
    out.extend(b"\x7fELF\x02\x01\x01");
    out.resize(16, 0);
    out.extend(ET_CORE.to_le_bytes());
    out.extend(EM_X86_64.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    // Entry; then the offsets of the program headers and of no sections.
    for word in [0, FILE_HEADER as u64, 0] {
        out.extend(word.to_le_bytes());
    }
    out.extend(0_u32.to_le_bytes());
    let count = u16::try_from(count).context("too many segments")?;
    for half in [FILE_HEADER as u16, PROGRAM_HEADER as u16, count, 0, 0, 0] {
        out.extend(half.to_le_bytes());
    }

    let mut program_header = |kind: u32, flags: u32, words: [u64; 6]| {
        out.extend(kind.to_le_bytes());
        out.extend(flags.to_le_bytes());
        // Offset, address, physical address, size in file and memory, alignment.
        for word in words {
            out.extend(word.to_le_bytes());
        }
    };
    program_header(PT_NOTE, PF_R, [notes_at as u64, 0, 0, notes.len() as u64, 0, 4]);
    let mut offset = bytes_at as u64;
    for segment in segments {
        let flag = |set: bool, flag: u32| if set { flag } else { 0 };
        let flags = flag(segment.readable, PF_R)
            | flag(segment.writable, PF_W)
            | flag(segment.executable, PF_X);
        let stored = if segment.stored { segment.len } else { 0 };
        program_header(PT_LOAD, flags, [offset, segment.start, 0, stored, segment.len, PAGE]);
        offset += stored;
    }
    out.extend(notes);
    out.resize(bytes_at, 0);
    Ok(out)
}
