//! Writes small ELF files byte by byte, from the ELF-64 specification and core(5), and with none of
//! the structs that the reader uses, so that a mistake in those shows.

use std::path::{Path, PathBuf};

pub(crate) const PAGE: u64 = 4096;

pub(crate) const ET_EXEC: u16 = 2;
pub(crate) const ET_DYN: u16 = 3;
pub(crate) const ET_CORE: u16 = 4;
pub(crate) const EM_X86_64: u16 = 62;
pub(crate) const EM_AARCH64: u16 = 183;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
pub(crate) const X: u32 = 1;
pub(crate) const W: u32 = 2;
pub(crate) const R: u32 = 4;

/// A program header and the bytes that it says the file holds.
#[derive(Clone)]
pub(crate) struct Part {
    kind: u32,
    flags: u32,
    address: u64,
    memory_size: u64,
    bytes: Vec<u8>,
    /// `p_offset` and `p_filesz`, where they are not those of `bytes`.
    pub(crate) claims: Option<(u64, u64)>,
}

/// A segment of memory, all of it in the file.
pub(crate) fn load(address: u64, flags: u32, bytes: &[u8]) -> Part {
    load_larger(address, flags, bytes, bytes.len() as u64)
}

/// A segment of memory, the first bytes of it in the file.
pub(crate) fn load_larger(address: u64, flags: u32, bytes: &[u8], memory_size: u64) -> Part {
    Part { kind: PT_LOAD, flags, address, memory_size, bytes: bytes.to_vec(), claims: None }
}

/// A segment of notes.
pub(crate) fn note_segment(notes: &[Vec<u8>]) -> Part {
    let bytes = notes.concat();
    Part { kind: PT_NOTE, flags: R, address: 0, memory_size: 0, bytes, claims: None }
}

/// An ELF file.
#[derive(Clone)]
pub(crate) struct Elf {
    pub(crate) class: u8,
    pub(crate) byte_order: u8,
    pub(crate) kind: u16,
    pub(crate) machine: u16,
    pub(crate) entry: u64,
    pub(crate) parts: Vec<Part>,
}

impl Elf {
    pub(crate) fn new(kind: u16, parts: Vec<Part>) -> Self {
        Self { class: 2, byte_order: 1, kind, machine: EM_X86_64, entry: 0, parts }
    }

    /// The file's bytes. Segments of memory start on pages, since they are mapped.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut body = Vec::new();
        let body_start = 64 + 56 * self.parts.len();
        let mut table = Vec::new();
        for part in &self.parts {
            if part.kind == PT_LOAD {
                while !((body_start + body.len()) as u64).is_multiple_of(PAGE) {
                    body.push(0);
                }
            }
            let (offset, size) =
                part.claims.unwrap_or(((body_start + body.len()) as u64, part.bytes.len() as u64));
            table.extend(program_header(part, offset, size));
            body.extend(&part.bytes);
        }
        let mut out = self.header(self.parts.len() as u16);
        out.extend(table);
        out.extend(body);
        out
    }

    fn header(&self, program_headers: u16) -> Vec<u8> {
        let mut out = vec![0x7f, b'E', b'L', b'F'];
        out.push(self.class); // EI_CLASS: 1 is 32-bit, 2 is 64-bit
        out.push(self.byte_order); // EI_DATA: 1 is little-endian, 2 is big-endian
        out.push(1); // EI_VERSION
        out.extend([0; 9]); // EI_OSABI, EI_ABIVERSION, padding
        out.extend(self.kind.to_le_bytes()); // e_type
        out.extend(self.machine.to_le_bytes()); // e_machine
        out.extend(1_u32.to_le_bytes()); // e_version
        out.extend(self.entry.to_le_bytes()); // e_entry
        out.extend(64_u64.to_le_bytes()); // e_phoff
        out.extend(0_u64.to_le_bytes()); // e_shoff
        out.extend(0_u32.to_le_bytes()); // e_flags
        out.extend(64_u16.to_le_bytes()); // e_ehsize
        out.extend(56_u16.to_le_bytes()); // e_phentsize
        out.extend(program_headers.to_le_bytes()); // e_phnum
        out.extend(0_u16.to_le_bytes()); // e_shentsize
        out.extend(0_u16.to_le_bytes()); // e_shnum
        out.extend(0_u16.to_le_bytes()); // e_shstrndx
        assert_eq!(out.len(), 64);
        out
    }
}

fn program_header(part: &Part, offset: u64, file_size: u64) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(part.kind.to_le_bytes()); // p_type
    out.extend(part.flags.to_le_bytes()); // p_flags
    out.extend(offset.to_le_bytes()); // p_offset
    out.extend(part.address.to_le_bytes()); // p_vaddr
    out.extend(0_u64.to_le_bytes()); // p_paddr
    out.extend(file_size.to_le_bytes()); // p_filesz
    out.extend(part.memory_size.to_le_bytes()); // p_memsz
    out.extend(PAGE.to_le_bytes()); // p_align
    assert_eq!(out.len(), 56);
    out
}

/// A note: lengths of owner and body, type, then both, padded to four bytes.
pub(crate) fn note(owner: &str, kind: u32, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend((owner.len() as u32 + 1).to_le_bytes()); // n_namesz, with the final zero
    out.extend((body.len() as u32).to_le_bytes()); // n_descsz
    out.extend(kind.to_le_bytes()); // n_type
    out.extend(owner.as_bytes());
    out.push(0);
    while !out.len().is_multiple_of(4) {
        out.push(0);
    }
    out.extend(body);
    while !out.len().is_multiple_of(4) {
        out.push(0);
    }
    out
}

/// `NT_GNU_BUILD_ID`.
pub(crate) fn build_id_note(id: &[u8]) -> Vec<u8> {
    note("GNU", 3, id)
}

/// Go's own build ID. Its linker counts the padding of the owner's name, which others don't.
pub(crate) fn go_build_id_note(id: &str) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend(4_u32.to_le_bytes());
    out.extend((id.len() as u32).to_le_bytes());
    out.extend(4_u32.to_le_bytes());
    out.extend(b"Go\0\0");
    out.extend(id.as_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
    out
}

/// `NT_FILE`: the count, the page size, each file's start, end and offset in pages, the names.
pub(crate) fn file_note(files: &[(u64, u64, u64, &Path)]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend((files.len() as u64).to_le_bytes());
    body.extend(PAGE.to_le_bytes());
    for (start, end, offset, _) in files {
        body.extend(start.to_le_bytes());
        body.extend(end.to_le_bytes());
        body.extend((offset / PAGE).to_le_bytes());
    }
    for (.., path) in files {
        body.extend(path.to_str().unwrap().as_bytes());
        body.push(0);
    }
    note("CORE", 0x4649_4c45, &body)
}

/// `NT_PRSTATUS`: what amd64's `struct elf_prstatus` says of a thread.
pub(crate) fn thread_note(tid: u32, registers: &[u64; 27]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend([0; 12]); // pr_info: signal number, code, errno
    body.extend(0_u16.to_le_bytes()); // pr_cursig
    body.extend([0; 2]); // padding
    body.extend(0_u64.to_le_bytes()); // pr_sigpend
    body.extend(0_u64.to_le_bytes()); // pr_sighold
    body.extend(tid.to_le_bytes()); // pr_pid
    body.extend([0; 12]); // pr_ppid, pr_pgrp, pr_sid
    body.extend([0; 64]); // pr_utime, pr_stime, pr_cutime, pr_cstime
    for register in registers {
        body.extend(register.to_le_bytes()); // pr_reg: r15, r14, … rip (16), … rsp (19), … gs
    }
    body.extend(1_u32.to_le_bytes()); // pr_fpvalid
    body.extend([0; 4]); // padding
    assert_eq!(body.len(), 336);
    note("CORE", 1, &body)
}

/// `NT_AUXV`: what the kernel told the program, as pairs of words.
pub(crate) fn auxv_note(program_headers: u64, entry: u64) -> Vec<u8> {
    let pairs = [
        (3, program_headers), // AT_PHDR
        (6, PAGE),            // AT_PAGESZ
        (9, entry),           // AT_ENTRY
        (0, 0),               // AT_NULL
    ];
    let words = pairs.into_iter().flat_map(|(kind, value): (u64, u64)| [kind, value]);
    note("CORE", 6, &words.flat_map(u64::to_le_bytes).collect::<Vec<_>>())
}

/// Bytes that tell where they are from.
pub(crate) fn pattern(salt: u8, len: u64) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8 ^ salt).collect()
}

/// A tiny executable, as a linker lays one out:
///
/// ```text
/// file    0x0000  ELF header, program headers, build ID    loaded at base, R
///         0x1000  text: pattern(0x11)                      loaded at base + 0x1000, R X
///         0x2000  data: pattern(0x22)                      loaded at base + 0x2000, R W,
///                                                          with a page of zeros behind
/// ```
#[derive(Clone)]
pub(crate) struct TinyProgram {
    pub(crate) is_pie: bool,
    pub(crate) base: u64,
    pub(crate) notes: Vec<u8>,
}

impl TinyProgram {
    pub(crate) const ENTRY: u64 = 0x1040;

    pub(crate) fn new() -> Self {
        Self { is_pie: false, base: 0x40_0000, notes: build_id_note(&Vec::from_iter(0xa0..0xb4)) }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let note = self.notes.clone();
        let claiming = |mut part: Part, offset: u64, size: u64| {
            part.claims = Some((offset, size));
            part
        };
        let (kind, base) = if self.is_pie { (ET_DYN, 0) } else { (ET_EXEC, self.base) };
        let parts = vec![
            claiming(load_larger(base, R, &[], PAGE), 0, PAGE),
            claiming(load_larger(base + PAGE, R | X, &[], PAGE), PAGE, PAGE),
            claiming(load_larger(base + 2 * PAGE, R | W, &[], 2 * PAGE), 2 * PAGE, PAGE),
            claiming(note_segment(&[]), 0x800, note.len() as u64),
        ];
        let mut elf = Elf::new(kind, parts);
        elf.entry = base + Self::ENTRY;
        // All parts are empty: these are the headers alone, with the padding before a segment.
        let mut out = elf.bytes();
        out.truncate(64 + 4 * 56);
        out.resize(0x800, 0);
        out.extend(note);
        out.resize(PAGE as usize, 0);
        out.extend(pattern(0x11, PAGE));
        out.extend(pattern(0x22, PAGE));
        out
    }

    pub(crate) fn write(&self, dir: &Path) -> PathBuf {
        let path = dir.join("tiny");
        std::fs::write(&path, self.bytes()).unwrap();
        path
    }
}

/// Where the heap of [`tiny_core`] is.
pub(crate) const HEAP: u64 = 0xc0_0000_0000;

/// The registers of thread `tid`: each its own number.
pub(crate) fn registers(tid: u32) -> [u64; 27] {
    std::array::from_fn(|index| u64::from(tid) << 32 | index as u64)
}

/// A core of a tiny program as the kernel writes it: of what is mapped from the file, the first
/// page and what was written to; then two pages of heap and two more that were never touched.
pub(crate) fn tiny_core(program: &TinyProgram, path: &Path) -> Elf {
    let base = program.base;
    let notes = [
        thread_note(100, &registers(100)),
        auxv_note(base + 64, base + TinyProgram::ENTRY),
        file_note(&[
            (base, base + PAGE, 0, path),
            (base + PAGE, base + 2 * PAGE, PAGE, path),
            (base + 2 * PAGE, base + 3 * PAGE, 2 * PAGE, path),
        ]),
        thread_note(101, &registers(101)),
    ];
    Elf::new(
        ET_CORE,
        vec![
            note_segment(&notes),
            load(base, R, &program.bytes()[..PAGE as usize]),
            load_larger(base + PAGE, R | X, &[], PAGE),
            load(base + 2 * PAGE, R | W, &pattern(0x33, 2 * PAGE)),
            load_larger(HEAP, R | W, &pattern(0x44, 2 * PAGE), 4 * PAGE),
        ],
    )
}
