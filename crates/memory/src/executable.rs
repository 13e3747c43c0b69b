//! The program's executable file: segments, and the note that tells its build.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};

use crate::map_file::map_file;
use crate::{Address, AddressRange, ByteSize, OpenError};

pub(crate) type Header = elf::FileHeader64<Endianness>;

/// A loadable segment of an executable.
#[derive(Debug, Clone)]
pub struct Segment {
    /// Where it goes, before the load bias; zeroed memory behind the file's bytes included.
    pub virtual_range: AddressRange,
    /// The program writes to it.
    pub is_writable: bool,
    file_range: Range<usize>,
}

impl Segment {
    /// Returns which bytes of the file it holds.
    pub fn file_range(&self) -> Range<usize> {
        self.file_range.clone()
    }
}

/// An executable file.
#[derive(Debug, Clone)]
pub struct Executable {
    path: PathBuf,
    data: Arc<Mmap>,
    segments: Vec<Segment>,
    build_id: Option<Vec<u8>>,
    entry: Address,
    is_position_independent: bool,
}

impl Executable {
    /// Opens an executable.
    ///
    /// # Errors
    ///
    /// Fails where the file can't be read, is no ELF executable, or is of another machine.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        Self::from_map(path, map_file(path)?)
    }

    /// Takes an executable that is mapped already, under a path to call it by.
    pub(crate) fn from_map(path: &Path, data: Mmap) -> Result<Self, OpenError> {
        let header = parse_header(path, &data)?;
        let endian = Endianness::Little;
        let kind = header.e_type(endian);
        if kind == elf::ET_CORE {
            return Err(OpenError::NotAnExecutable { path: path.to_owned() });
        }
        let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
        let headers =
            header.program_headers(endian, &*data).map_err(|_| damaged("its program headers"))?;
        let mut segments = Vec::new();
        let mut build_id = None;
        for program in headers {
            match program.p_type(endian) {
                elf::PT_LOAD => {
                    let start = Address::new(program.p_vaddr(endian));
                    let offset = program.p_offset(endian) as usize;
                    let end = offset.saturating_add(program.p_filesz(endian) as usize);
                    segments.push(Segment {
                        virtual_range: AddressRange::from_size(
                            start,
                            ByteSize::new(program.p_memsz(endian)),
                        ),
                        is_writable: program.p_flags(endian).contains(elf::PF_W),
                        file_range: offset.min(data.len())..end.min(data.len()),
                    });
                }
                elf::PT_NOTE => {
                    let start = program.p_offset(endian) as usize;
                    let end = start.saturating_add(program.p_filesz(endian) as usize);
                    build_id = better_build_id(build_id, data.get(start..end).unwrap_or_default());
                }
                _ => {}
            }
        }
        let (entry, is_position_independent) =
            (Address::new(header.e_entry(endian)), kind == elf::ET_DYN);
        if segments.is_empty() {
            return Err(damaged("a loadable segment"));
        }
        let path = path.to_owned();
        Ok(Self { path, data: Arc::new(data), segments, build_id, entry, is_position_independent })
    }

    /// Returns the path it was opened by.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the whole file.
    pub fn data(&self) -> &[u8] {
        &self.data
    }

    pub(crate) fn map(&self) -> Arc<Mmap> {
        self.data.clone()
    }

    /// Returns the loadable segments, in the file's order.
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// Returns the build ID: the GNU one, or Go's own where there is no other.
    pub fn build_id(&self) -> Option<&[u8]> {
        self.build_id.as_deref()
    }

    /// Returns where a section goes, before the load bias; `None` where the file has no such section
    /// or no section headers.
    pub(crate) fn section(&self, name: &str) -> Option<AddressRange> {
        let endian = Endianness::Little;
        let header = Header::parse(&**self.data).ok()?;
        let sections = header.sections(endian, &**self.data).ok()?;
        let (_, section) = sections.section_by_name(endian, name.as_bytes())?;
        let start = Address::new(section.sh_addr(endian));
        Some(AddressRange::from_size(start, ByteSize::new(section.sh_size(endian))))
    }

    /// Returns the address of the first instruction, before the load bias.
    pub fn entry(&self) -> Address {
        self.entry
    }

    /// Tells whether it may be loaded anywhere (PIE).
    pub fn is_position_independent(&self) -> bool {
        self.is_position_independent
    }
}

/// Parses the header of a file that should be a 64-bit little-endian ELF file of amd64.
pub(crate) fn parse_header<'d>(path: &Path, data: &'d [u8]) -> Result<&'d Header, OpenError> {
    let unsupported =
        |found: &str| OpenError::UnsupportedElf { path: path.to_owned(), found: found.to_owned() };
    if data.get(..4) != Some(&elf::ELFMAG) {
        return Err(OpenError::NotElf { path: path.to_owned() });
    }
    // Class, then byte order.
    match (data.get(4), data.get(5)) {
        (Some(2), Some(1)) => {}
        (Some(1), _) => return Err(unsupported("a 32-bit ELF file")),
        (Some(2), Some(2)) => return Err(unsupported("a big-endian ELF file")),
        _ => return Err(OpenError::Damaged { path: path.to_owned(), what: "its header" }),
    }
    let header = Header::parse(data)
        .map_err(|_| OpenError::Damaged { path: path.to_owned(), what: "its header" })?;
    match header.e_machine(Endianness::Little) {
        elf::EM_X86_64 => Ok(header),
        elf::EM_AARCH64 => Err(unsupported("an ELF file of arm64")),
        other => Err(unsupported(&format!("an ELF file of machine {}", other.0))),
    }
}

/// A note: its owner, type and bytes.
pub(crate) type Note<'d> = (&'d [u8], u32, &'d [u8]);

/// Splits a note segment; stops at the first damaged note.
pub(crate) fn notes(bytes: &[u8]) -> impl Iterator<Item = Note<'_>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let (head, after) = rest.split_first_chunk::<12>()?;
        let word = |at: usize| {
            u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]) as usize
        };
        let (owner_len, len, kind) = (word(0), word(4), word(8) as u32);
        let owner = after.get(..owner_len)?;
        let after = after.get(owner_len.next_multiple_of(4).min(after.len())..)?;
        let body = after.get(..len)?;
        rest = after.get(len.next_multiple_of(4).min(after.len())..)?;
        // Go counts the padding of its own name: "Go\0\0".
        let owner = owner.split(|byte| *byte == 0).next().unwrap_or_default();
        Some((owner, kind, body))
    })
}

/// `NT_GNU_BUILD_ID`, and Go's tag for its own.
const GNU_BUILD_ID: u32 = 3;
const GO_BUILD_ID: u32 = 4;

/// Takes a build ID from a note segment; a GNU one replaces one of Go's.
pub(crate) fn better_build_id(found: Option<Vec<u8>>, segment: &[u8]) -> Option<Vec<u8>> {
    let mut best = found;
    for (owner, kind, body) in notes(segment) {
        match (owner, kind) {
            (b"GNU", GNU_BUILD_ID) => return Some(body.to_vec()),
            (b"Go", GO_BUILD_ID) if best.is_none() => best = Some(body.to_vec()),
            _ => {}
        }
    }
    best
}
