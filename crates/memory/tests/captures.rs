//! Cores that we write, read back, by our own reader and by another. The process that is captured is
//! the test itself, which can't be stopped by itself and so is read as it runs.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "where a test's own set-up fails, the test fails")]

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::path::Path;

use memmap2::MmapMut;
use object::read::elf::{ElfFile64, ProgramHeader as _};
use object::{Endianness, elf};
use tophash_memory::{
    Address, AddressRange, ByteSize, Capture, Compression, CoreError, MemoryExt, ProcessMode,
    ProcessOptions, Target,
};

const PAGE: usize = 4096;
/// Enough pages that stretches of them are not filled.
const STRETCH: usize = 64;

/// A mapping: a stretch of bytes, one of zeros that were written, one of bytes that are free, one
/// that was never touched, one of bytes.
struct Drawing {
    bytes: MmapMut,
}

impl Drawing {
    fn new() -> Self {
        let mut bytes = MmapMut::map_anon(5 * STRETCH * PAGE).unwrap();
        for (index, stretch) in bytes.chunks_mut(STRETCH * PAGE).enumerate() {
            match index {
                0 | 2 | 4 => {
                    let pattern = |(at, byte): (usize, &mut u8)| *byte = (at % 251) as u8 + 1;
                    stretch.iter_mut().enumerate().for_each(pattern);
                }
                1 => {
                    stretch.fill(1);
                    stretch.fill(0);
                }
                _ => {}
            }
        }
        Self { bytes }
    }

    fn stretch(&self, index: usize) -> AddressRange {
        let start = self.bytes.as_ptr() as u64 + (index * STRETCH * PAGE) as u64;
        AddressRange::from_size(Address::new(start), ByteSize::new((STRETCH * PAGE) as u64))
    }
}

fn capture_self() -> Capture {
    let options = ProcessOptions { mode: ProcessMode::Unfrozen, ..ProcessOptions::default() };
    Capture::of_process(std::process::id(), &options).unwrap()
}

fn write(capture: &Capture, free: &[AddressRange], path: &Path, compression: Compression) {
    let core = capture.core(free).unwrap();
    core.write(&File::create(path).unwrap(), compression, &|_| {}).unwrap();
}

#[test]
fn what_was_written_zeros_and_free_memory_are_told_apart() {
    let drawing = Drawing::new();
    let capture = capture_self();
    let free = [drawing.stretch(2)];
    let dir = tempfile::tempdir().unwrap();
    for (name, compression) in [("core", Compression::None), ("core.zst", Compression::Zstd)] {
        let path = dir.path().join(name);
        write(&capture, &free, &path, compression);
        let own = std::env::current_exe().unwrap();
        let target = Target::open_file(&path, Some(&own)).unwrap();
        let read = |index: usize| {
            let range = drawing.stretch(index);
            target.memory().read_bytes(range.start(), range.size()).unwrap().into_owned()
        };
        let there = |index: usize| &drawing.bytes[index * STRETCH * PAGE..][..STRETCH * PAGE];
        for index in [0, 1, 3, 4] {
            assert!(read(index) == there(index), "stretch {index} of {name}");
        }
        assert!(read(2).iter().all(|byte| *byte == 0), "free memory was stored in {name}");
        assert!(target.diagnostics()[0].contains("not stopped"), "{:?}", target.diagnostics());
        assert!(target.threads().is_empty());
        assert_eq!(target.clock(), capture.target().clock());
        assert!(target.clock().is_some());
    }
    assert_eq!(capture.core(&free).unwrap().contents().free, free[0].size());
}

#[test]
fn another_reader_finds_segments_that_cover_the_mappings_and_lie_in_the_file() {
    let drawing = Drawing::new();
    let capture = capture_self();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("core");
    write(&capture, &[drawing.stretch(2)], &path, Compression::None);
    let bytes = fs::read(&path).unwrap();
    let core: ElfFile64<'_, Endianness> = ElfFile64::parse(bytes.as_slice()).unwrap();
    let endian = Endianness::Little;
    let mut end = 0;
    let mut covered = 0;
    let mut kinds = Vec::new();
    for header in core.elf_program_headers() {
        let (at, size) = (header.p_vaddr(endian), header.p_memsz(endian));
        let in_file = header.p_offset(endian) + header.p_filesz(endian);
        assert!(in_file <= bytes.len() as u64);
        if let Some(mut notes) = header.notes(endian, bytes.as_slice()).unwrap() {
            while let Some(note) = notes.next().unwrap() {
                kinds.push((note.name().to_vec(), note.n_type(endian)));
            }
            continue;
        }
        assert_eq!(header.p_type(endian), elf::PT_LOAD);
        assert!(end <= at, "segments overlap at {at:#x}");
        assert!(header.p_filesz(endian) <= size);
        // The bytes that are there are the process's own.
        for index in [0, 1, 3, 4] {
            let start = drawing.stretch(index).start().get();
            if (at..at + size).contains(&start) {
                assert!(start < at + header.p_filesz(endian), "stretch {index} has no bytes");
            }
        }
        end = at + size;
        covered += size;
    }
    let user = |range: AddressRange| range.start() < Address::new(1 << 63);
    let mapped = capture.target().mappings().iter().filter(|mapping| user(mapping.range));
    assert_eq!(covered, mapped.map(|mapping| mapping.range.size().get()).sum::<u64>());
    let count = |kind| kinds.iter().filter(|(name, it)| name == b"CORE" && *it == kind).count();
    let threads = fs::read_dir("/proc/self/task").unwrap().count();
    assert!((1..=threads + 8).contains(&count(elf::NT_PRSTATUS)), "{kinds:?}");
    for kind in [elf::NT_PRPSINFO, elf::NT_AUXV, elf::NT_FILE] {
        assert_eq!(count(kind), 1, "{kinds:?}");
    }
}

#[test]
fn a_disk_that_is_full_is_an_error() {
    let capture = capture_self();
    let core = capture.core(&[]).unwrap();
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    for compression in [Compression::None, Compression::Zstd] {
        let fault = core.write(&full, compression, &|_| {}).unwrap_err();
        let CoreError::Output(fault) = fault else { panic!("{fault}") };
        assert_eq!(fault.kind(), ErrorKind::StorageFull);
    }
}

#[test]
fn a_core_does_not_take_the_space_that_its_zeros_would() -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;
    let _drawing = Drawing::new();
    let capture = capture_self();
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("core");
    write(&capture, &[], &path, Compression::None);
    let contents = capture.core(&[]).unwrap().contents();
    let metadata = path.metadata()?;
    assert_eq!(metadata.len(), contents.file_size.get());
    // Some file systems have larger blocks than a page, or blocks of their own for holes.
    let most = contents.stored.get() + contents.stored.get() / 4 + (1 << 20);
    assert!(512 * metadata.blocks() <= most, "{} of {contents:?}", 512 * metadata.blocks());
    Ok(())
}
