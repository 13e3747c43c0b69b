//! ELF cores: of the kernel, of gdb's `gcore`, of tophash.
//!
//! A core holds the memory that was the program's own. What was mapped from files and never
//! written to (text, read-only data) is mostly left out, and is taken from the executable, whose
//! build ID must be the one that the core holds. Notes list the threads' registers
//! (`NT_PRSTATUS`), the mapped files (`NT_FILE`) and what the kernel told the program at its start
//! (`NT_AUXV`).

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
use object::Endianness;
use object::elf;
use object::read::elf::{FileHeader, ProgramHeader};

use crate::capture_note::{self, CaptureNote, Taken};
use crate::executable::{Executable, better_build_id, notes, parse_header};
use crate::image::{Backing, Image, Store};
use crate::mapping::{MappedFile, Mapping, Permissions, Registers};
use crate::target::{Consistency, PAGE, Target, biased};
use crate::{Address, AddressRange, ByteSize, MemoryExt, OpenError};

const NT_FILE: u32 = 0x4649_4c45;
const NT_PRSTATUS: u32 = 1;
const NT_AUXV: u32 = 6;
const AT_PHDR: u64 = 3;
const AT_ENTRY: u64 = 9;
/// Where amd64's `elf_prstatus` has the thread's number and its registers.
const PRSTATUS_PID: usize = 32;
const PRSTATUS_REGISTERS: usize = 112;
/// A core of a Linux process maps at most this many files (`vm.max_map_count` is 65530).
const MAX_FILES: u64 = 1 << 20;

#[derive(Default)]
struct Notes {
    threads: Vec<Registers>,
    files: Vec<(AddressRange, MappedFile)>,
    program_headers: Option<Address>,
    entry: Option<Address>,
    capture: Option<CaptureNote>,
}

struct LoadSegment {
    range: AddressRange,
    permissions: Permissions,
    offset: usize,
    /// Bytes that the file should hold.
    stored: u64,
}

/// Opens a core that is mapped already; of one that was compressed, `fault` is what cut it off.
pub(crate) fn open(
    path: &Path,
    data: Mmap,
    fault: Option<String>,
    executable: Option<&Path>,
) -> Result<Target, OpenError> {
    let damaged = |what| OpenError::Damaged { path: path.to_owned(), what };
    let header = parse_header(path, &data)?;
    let endian = Endianness::Little;
    if header.e_type(endian) != elf::ET_CORE {
        return Err(OpenError::NotACore { path: path.to_owned() });
    }
    let headers =
        header.program_headers(endian, &*data).map_err(|_| damaged("its list of segments"))?;
    let mut notes = Notes::default();
    let mut segments = Vec::new();
    for program in headers {
        let offset = program.p_offset(endian) as usize;
        match program.p_type(endian) {
            elf::PT_NOTE => {
                let end = offset.saturating_add(program.p_filesz(endian) as usize);
                let bytes = data.get(offset..end.min(data.len())).unwrap_or_default();
                notes.read(bytes);
            }
            elf::PT_LOAD => {
                let flags = program.p_flags(endian);
                segments.push(LoadSegment {
                    range: AddressRange::from_size(
                        Address::new(program.p_vaddr(endian)),
                        ByteSize::new(program.p_memsz(endian)),
                    ),
                    permissions: Permissions {
                        read: flags.contains(elf::PF_R),
                        write: flags.contains(elf::PF_W),
                        execute: flags.contains(elf::PF_X),
                    },
                    offset,
                    stored: program.p_filesz(endian).min(program.p_memsz(endian)),
                });
            }
            _ => {}
        }
    }
    if segments.is_empty() {
        return Err(damaged("a memory segment"));
    }
    segments.sort_by_key(|segment| segment.range.start());
    if notes.capture.is_some_and(|capture| capture.taken == Taken::Unfrozen) {
        // They are there for debuggers, and most of their registers are not known.
        notes.threads.clear();
    }
    notes.files.sort_by_key(|(range, _)| range.start());
    assemble(path, data, fault, notes, segments, executable)
}

fn assemble(
    path: &Path,
    data: Mmap,
    fault: Option<String>,
    notes: Notes,
    segments: Vec<LoadSegment>,
    executable: Option<&Path>,
) -> Result<Target, OpenError> {
    let mut diagnostics = Vec::from_iter(fault);
    let doubt = notes.capture.and_then(|capture| capture.doubt());
    diagnostics.extend(doubt.map(str::to_owned));
    let mut image = Image::default();
    let file_len = data.len();
    let core = image.add_store(Store::File(Arc::new(data)));
    let mut lost = ByteSize::ZERO;
    let mut first_lost = None;
    for segment in &segments {
        let held = (file_len.saturating_sub(segment.offset) as u64).min(segment.stored);
        let start = segment.range.start();
        let held_range = AddressRange::from_size(start, ByteSize::new(held));
        if held > 0 {
            image.add(held_range, Backing::Store { index: core, offset: segment.offset });
        }
        if held < segment.stored {
            let range = AddressRange::new(held_range.end(), start + ByteSize::new(segment.stored));
            image.add(range, Backing::Missing);
            lost += range.size();
            first_lost.get_or_insert(range.start());
        }
    }
    if let Some(at) = first_lost {
        diagnostics.push(format!(
            "the core is cut off: {} of the program's memory is missing, from {at} on; what lies \
             there is not shown",
            mebibytes(lost)
        ));
    }

    let main = notes.main_file().map(|(_, file)| file.path.clone());
    let executable = open_executable(path, executable, main.as_deref())?;
    let load_bias = notes.load_bias(&executable, &mut diagnostics);
    check_build(path, &executable, &image, load_bias, &mut diagnostics)?;

    // What the core lacks of the executable's own pages comes from the executable.
    let file = image.add_store(Store::File(executable.map()));
    let mut mappings: Vec<Mapping> = segments
        .iter()
        .map(|segment| Mapping {
            range: segment.range,
            permissions: segment.permissions,
            file: notes.file_at(segment.range.start()),
        })
        .collect();
    for (range, mapped) in &notes.files {
        if Some(&mapped.path) == main.as_ref() {
            add_file_pages(&mut image, file, &executable, *range, mapped.offset);
            if !segments.iter().any(|segment| segment.range.contains(range.start())) {
                mappings.push(Mapping {
                    range: *range,
                    permissions: Permissions { read: true, write: false, execute: true },
                    file: Some(mapped.clone()),
                });
            }
        } else {
            image.add(*range, Backing::Missing);
        }
    }
    for segment in executable.segments() {
        let range = biased(segment.virtual_range, load_bias);
        let offset = (segment.file_range().start as u64) & !(PAGE - 1);
        if !segment.is_writable {
            add_file_pages(&mut image, file, &executable, range, offset);
        }
    }
    // Memory that is in no file and not in the core was never touched.
    for segment in &segments {
        image.add(segment.range, Backing::Zero);
    }
    image.finish();
    mappings.sort_by_key(|mapping| mapping.range.start());
    Ok(Target {
        image,
        live: None,
        mappings,
        threads: notes.threads,
        executable,
        load_bias,
        consistency: Consistency::Core,
        heap_dump: None,
        diagnostics,
        clock: notes.capture.and_then(|capture| capture.clock),
        resident: None,
    })
}

/// Backs a range by the executable's file from an offset on, as far as the file goes.
fn add_file_pages(
    image: &mut Image,
    store: usize,
    executable: &Executable,
    range: AddressRange,
    offset: u64,
) {
    let len = (executable.data().len() as u64).saturating_sub(offset).min(range.size().get());
    if len > 0 {
        let range = AddressRange::from_size(range.start(), ByteSize::new(len));
        image.add(range, Backing::Store { index: store, offset: offset as usize });
    }
}

fn open_executable(
    core: &Path,
    given: Option<&Path>,
    recorded: Option<&Path>,
) -> Result<Executable, OpenError> {
    if let Some(given) = given {
        return Executable::open(given);
    }
    let needed = || OpenError::ExecutableNeeded {
        core: core.to_owned(),
        recorded: recorded.map(Path::to_owned),
    };
    let recorded = recorded.filter(|path| path.exists()).ok_or_else(needed)?;
    Executable::open(recorded)
}

/// Compares the executable's build ID with the one in the core's copy of its first page.
fn check_build(
    core: &Path,
    executable: &Executable,
    image: &Image,
    load_bias: u64,
    diagnostics: &mut Vec<String>,
) -> Result<(), OpenError> {
    let Some(found) = executable.build_id() else { return Ok(()) };
    let Some(expected) = build_id_in_core(executable, image, load_bias) else {
        diagnostics.push(
            "the core does not hold the executable's build ID: whether the executable is the one \
             that ran could not be checked"
                .to_owned(),
        );
        return Ok(());
    };
    if expected == found {
        return Ok(());
    }
    Err(OpenError::WrongExecutable {
        core: core.to_owned(),
        executable: executable.path().to_owned(),
        expected: hex(&expected),
        found: hex(found),
    })
}

/// Finds the ELF header that the program was loaded from in the core, and its notes.
fn build_id_in_core(executable: &Executable, image: &Image, load_bias: u64) -> Option<Vec<u8>> {
    let base = executable
        .segments()
        .iter()
        .find(|segment| segment.file_range().start == 0)
        .map(|segment| biased(segment.virtual_range, load_bias).start())?;
    let page = image.read_bytes(base, ByteSize::new(PAGE)).ok()?;
    let header = parse_header(Path::new("core"), &page).ok()?;
    let endian = Endianness::Little;
    let mut found = None;
    for program in header.program_headers(endian, &*page).ok()? {
        if program.p_type(endian) != elf::PT_NOTE {
            continue;
        }
        let (offset, len) = (program.p_offset(endian), program.p_filesz(endian));
        let at = base + ByteSize::new(offset);
        if let Ok(bytes) = image.read_bytes(at, ByteSize::new(len.min(PAGE))) {
            found = better_build_id(found, &bytes);
        }
    }
    found
}

impl Notes {
    fn read(&mut self, bytes: &[u8]) {
        for (owner, kind, body) in notes(bytes) {
            match (owner, kind) {
                (b"CORE", NT_PRSTATUS) => self.threads.extend(thread(body)),
                (b"CORE", NT_FILE) => {
                    self.files.extend(mapped_files(body).unwrap_or_default());
                }
                (b"CORE", NT_AUXV) => {
                    for pair in body.as_chunks::<16>().0 {
                        let word = |at: usize| {
                            pair[at..].first_chunk().map_or(0, |word| u64::from_le_bytes(*word))
                        };
                        match word(0) {
                            AT_PHDR => self.program_headers = Some(Address::new(word(8))),
                            AT_ENTRY => self.entry = Some(Address::new(word(8))),
                            _ => {}
                        }
                    }
                }
                (capture_note::OWNER, capture_note::KIND) => {
                    self.capture = CaptureNote::read(body).or(self.capture);
                }
                _ => {}
            }
        }
    }

    fn file_at(&self, at: Address) -> Option<MappedFile> {
        let (range, file) = self.files.iter().find(|(range, _)| range.contains(at))?;
        let offset = file.offset.saturating_add((at - range.start()).get());
        Some(MappedFile { path: file.path.clone(), offset })
    }

    /// Returns the mapping of the program itself: the one that holds its headers, or the first.
    fn main_file(&self) -> Option<&(AddressRange, MappedFile)> {
        let by_headers = self
            .program_headers
            .or(self.entry)
            .and_then(|at| self.files.iter().find(|(range, _)| range.contains(at)));
        by_headers.or_else(|| self.files.iter().find(|(_, file)| file.offset == 0))
    }

    fn load_bias(&self, executable: &Executable, diagnostics: &mut Vec<String>) -> u64 {
        if !executable.is_position_independent() {
            return 0;
        }
        if let Some(entry) = self.entry {
            return entry.get().wrapping_sub(executable.entry().get());
        }
        let first = executable.segments().iter().find(|segment| segment.file_range().start == 0);
        let mapped = self.main_file().filter(|(_, file)| file.offset == 0);
        if let (Some(first), Some((range, _))) = (first, mapped) {
            let start = first.virtual_range.start().align_down(PAGE);
            return range.start().get().wrapping_sub(start.get());
        }
        diagnostics.push(
            "the core does not say where the position-independent executable was loaded".to_owned(),
        );
        0
    }
}

fn thread(body: &[u8]) -> Option<Registers> {
    let tid = u32::from_le_bytes(*body.get(PRSTATUS_PID..)?.first_chunk()?);
    let mut words = [0; Registers::WORDS];
    for (index, word) in words.iter_mut().enumerate() {
        let at = PRSTATUS_REGISTERS + 8 * index;
        *word = u64::from_le_bytes(*body.get(at..)?.first_chunk()?);
    }
    Some(Registers::from_amd64(tid, words))
}

/// `NT_FILE`: a count and a page size, then start, end and page offset of each, then the names.
fn mapped_files(body: &[u8]) -> Option<Vec<(AddressRange, MappedFile)>> {
    let word = |index: u64| {
        let at = usize::try_from(index.checked_mul(8)?).ok()?;
        Some(u64::from_le_bytes(*body.get(at..)?.first_chunk()?))
    };
    let (count, page) = (word(0)?, word(1)?);
    if count > MAX_FILES {
        return None;
    }
    let names = body.get(usize::try_from(16 + 24 * count).ok()?..)?;
    let mut names = names.split(|byte| *byte == 0);
    (0..count)
        .map(|index| {
            let [start, end, offset] = [0, 1, 2].map(|part| word(2 + 3 * index + part));
            let name = names.next()?;
            let path = PathBuf::from(OsStr::from_bytes(name));
            let range = AddressRange::new(Address::new(start?), Address::new(end?));
            Some((range, MappedFile { path, offset: offset?.saturating_mul(page) }))
        })
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    // Go's own build ID is text.
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => text.to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

pub(crate) fn mebibytes(size: ByteSize) -> String {
    format!("{:.1} MiB", size.get() as f64 / (1 << 20) as f64)
}
