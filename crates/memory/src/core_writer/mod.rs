//! Writing a core of a process: sparse, and small enough to keep.
//!
//! The process is copied first ([`Capture`]), in the same way as for an analysis, and runs again
//! while the core is written straight from that copy. The core holds:
//!
//! - what the process wrote: pages of anonymous memory that are not all zero, and pages of private
//!   file mappings that it changed; the program's globals, changed or not;
//! - the first page of every mapped ELF file, which has its build ID, and the kernel's code that is
//!   mapped into every process (vDSO), as the kernel's own cores do;
//! - each thread's registers, the mapped files, the auxiliary vector.
//!
//! It does not hold pages that were never touched, pages of zeros, pages that are still as they are
//! in their file (text and constants, of the executable too), shared memory whose file exists,
//! devices, and what the caller knows to be free ([`Capture::core`]).
//!
//! Each mapping is covered by `PT_LOAD`s without gaps. One that has fewer bytes in the file
//! (`p_filesz`) than in memory (`p_memsz`) leaves the rest to the mapped file, or has nothing to say
//! of it. Some debuggers (Delve) know no other memory than what has bytes in the file: therefore
//! long stretches of zeros are segments, too, and all of them share one stretch of the file, a hole
//! at its end. Short ones are holes among stored pages.
//!
//! Layouts are those of Linux on amd64: `include/uapi/linux/elf.h`, `elfcore.h`, `fs/binfmt_elf.c`.

mod notes;
mod output;
mod plan;

use std::fs::File;
use std::io;

use self::output::{CompressedOutput, FileOutput, Output};
use self::plan::{Plan, Segment, Source};
use crate::mapping::Mapping;
use crate::process::{self, Taken};
use crate::ranges::{both, meeting, without};
use crate::target::PAGE;
use crate::{Address, AddressRange, ByteSize, Memory as _, OpenError, ProcessOptions, Target};

const FILE_HEADER: u64 = 64;
const PROGRAM_HEADER: u64 = 56;
const ET_CORE: u16 = 4;
const EM_X86_64: u16 = 62;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
/// The most program headers whose number fits the file header, with some to spare.
const MOST_SEGMENTS: usize = 65_000;
/// Bytes handed to the output at once, so that progress is seen.
const PIECE: usize = 4 << 20;
const ZEROS: [u8; PAGE as usize] = [0; PAGE as usize];

/// Why a core could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CoreError {
    /// The process maps more pieces of memory than an ELF file has room for.
    #[error("the process has {count} mappings, more than the {limit} that an ELF core can list")]
    TooManyMappings {
        /// How many there are.
        count: usize,
        /// The bound.
        limit: usize,
    },
    /// The file can't be written.
    #[error("the core can't be written")]
    Output(#[from] io::Error),
}

/// How a core is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As it is, with holes in the file for zeros.
    None,
    /// As one stream of zstd.
    Zstd,
}

/// A process that was copied for a core.
pub struct Capture {
    taken: Taken,
}

impl Capture {
    /// Copies a process.
    ///
    /// # Errors
    ///
    /// As [`Target::open_process`].
    pub fn of_process(pid: u32, options: &ProcessOptions<'_>) -> Result<Self, OpenError> {
        Ok(Self { taken: process::take(pid, options)? })
    }

    /// Returns the copy, for reading.
    pub fn target(&self) -> &Target {
        &self.taken.target
    }

    /// Lays out a core, without the parts of anonymous memory that are free: sorted ranges that do
    /// not overlap.
    ///
    /// # Errors
    ///
    /// [`CoreError::TooManyMappings`].
    pub fn core(&self, free: &[AddressRange]) -> Result<Core<'_>, CoreError> {
        let target = &self.taken.target;
        let mut contents = CoreContents::default();
        let mut stored = Vec::new();
        for mapping in target.mappings().iter().filter(|it| !is_outside(it.range)) {
            contents.mappings += 1;
            let copied = both(meeting(&self.taken.copied, mapping.range), &[mapping.range]);
            if mapping.file.is_some() {
                // A page of zeros is one that the process has written, and not what the file holds.
                stored.extend(self.with_globals(mapping, copied));
                continue;
            }
            let used = without(&copied, meeting(free, mapping.range));
            contents.free += size(&copied) - size(&used);
            let before = stored.len();
            for range in &used {
                self.add_written(*range, &mut stored);
            }
            contents.zeros += size(&used) - size(stored.get(before..).unwrap_or_default());
        }
        let mappings: Vec<&Mapping> =
            target.mappings().iter().filter(|it| !is_outside(it.range)).collect();
        let plan = Plan::new(&mappings, &stored, free, MOST_SEGMENTS)
            .ok_or(CoreError::TooManyMappings { count: contents.mappings, limit: MOST_SEGMENTS })?;
        contents.stored = size(&stored);
        contents.threads = target.threads().len() + self.taken.details.running.len();
        let notes = notes::all(target, &self.taken.details);
        let head =
            (FILE_HEADER + PROGRAM_HEADER * (plan.segments.len() as u64 + 1) + notes.len() as u64)
                .next_multiple_of(PAGE);
        let own = plan.segments.iter().map(|segment| match segment.source {
            Source::Own(bytes) => bytes,
            Source::Zeros => 0,
        });
        let zeros = head + own.sum::<u64>();
        contents.file_size = ByteSize::new(zeros + plan.zeros());
        Ok(Core { target, stored, plan, notes, head, zeros, contents })
    }

    /// Adds to the changed pages of a file's mapping the others, where it holds the program's
    /// globals: they are few, and readers warn where they are missing.
    fn with_globals(&self, mapping: &Mapping, copied: Vec<AddressRange>) -> Vec<AddressRange> {
        let image = self.target().image_ranges();
        if !mapping.permissions.write || !image.iter().any(|it| it.contains_range(mapping.range)) {
            return copied;
        }
        let memory = &self.target().image;
        let rest = without(&[mapping.range], &copied);
        let held = rest.into_iter().filter(|it| memory.bytes(it.start(), it.size()).is_some());
        let mut all: Vec<AddressRange> = copied.into_iter().chain(held).collect();
        all.sort_unstable();
        all
    }

    /// Adds the runs of pages in a range that hold more than zeros.
    fn add_written(&self, range: AddressRange, stored: &mut Vec<AddressRange>) {
        let Some(bytes) = self.target().image.bytes(range.start(), range.size()) else { return };
        let mut at = range.start();
        for page in bytes.chunks(PAGE as usize) {
            let end = at + ByteSize::new(page.len() as u64);
            if ZEROS.get(..page.len()) != Some(page) {
                match stored.last_mut() {
                    Some(last) if last.end() == at && last.start() >= range.start() => {
                        *last = AddressRange::new(last.start(), end);
                    }
                    _ => stored.push(AddressRange::new(at, end)),
                }
            }
            at = end;
        }
    }
}

fn size(ranges: &[AddressRange]) -> ByteSize {
    ranges.iter().map(|range| range.size()).sum()
}

/// The page at the top of the address space (`[vsyscall]`) is the same in every process.
fn is_outside(range: AddressRange) -> bool {
    range.start() >= Address::new(1 << 63)
}

/// What a core holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct CoreContents {
    /// Pieces of the address space.
    pub mappings: usize,
    /// Threads, with their registers where the process was stopped.
    pub threads: usize,
    /// Memory that is stored.
    pub stored: ByteSize,
    /// Memory that was touched and is left out, as the caller said that it is free.
    pub free: ByteSize,
    /// Memory that was touched and is left out, as it is zero.
    pub zeros: ByteSize,
    /// The length of the file, holes included, before it is compressed.
    pub file_size: ByteSize,
}

/// A core, laid out and ready to be written.
pub struct Core<'c> {
    target: &'c Target,
    /// The pages that are stored, by address.
    stored: Vec<AddressRange>,
    plan: Plan,
    notes: Vec<u8>,
    /// Bytes before the first segment's, a multiple of the page size.
    head: u64,
    /// Where the file has zeros for segments to share.
    zeros: u64,
    contents: CoreContents,
}

impl Core<'_> {
    /// Returns what it holds.
    pub fn contents(&self) -> CoreContents {
        self.contents
    }

    /// Writes the core to an empty file, from its beginning to its end; `progress` hears how many
    /// bytes of memory are written.
    ///
    /// # Errors
    ///
    /// Fails where the file can't be written. What it holds then is no core.
    pub fn write(
        &self,
        file: &File,
        compression: Compression,
        progress: &dyn Fn(ByteSize),
    ) -> Result<(), CoreError> {
        match compression {
            Compression::None => self.write_to(FileOutput::new(file), progress)?,
            Compression::Zstd => self.write_to(CompressedOutput::new(file)?, progress)?,
        }
        Ok(())
    }

    fn write_to(&self, mut out: impl Output, progress: &dyn Fn(ByteSize)) -> io::Result<()> {
        let head = self.headers();
        out.write_all(&head)?;
        out.write_all(&self.notes)?;
        out.skip(self.head - (head.len() + self.notes.len()) as u64)?;
        let mut stored = self.stored.iter().peekable();
        let mut done = ByteSize::ZERO;
        for segment in &self.plan.segments {
            let Source::Own(own) = segment.source else { continue };
            let end = segment.range.start() + ByteSize::new(own);
            let mut at = segment.range.start();
            while let Some(range) = stored.next_if(|range| range.start() < end) {
                out.skip((range.start() - at).get())?;
                for piece in self.bytes(*range)?.chunks(PIECE) {
                    out.write_all(piece)?;
                    done += ByteSize::new(piece.len() as u64);
                    progress(done);
                }
                at = range.end();
            }
            out.skip((end - at).get())?;
        }
        out.skip(self.plan.zeros())?;
        out.finish()
    }

    /// Returns bytes of the copy. What was copied lies in one piece.
    fn bytes(&self, range: AddressRange) -> io::Result<&[u8]> {
        let lost = || io::Error::other(format!("the copy does not hold {range}"));
        self.target.image.bytes(range.start(), range.size()).ok_or_else(lost)
    }

    fn headers(&self) -> Vec<u8> {
        let count = self.plan.segments.len() as u64 + 1;
        let notes = FILE_HEADER + PROGRAM_HEADER * count;
        let mut head = Vec::new();
        // 64 bits, little-endian, version 1, System V.
        head.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        head.extend(ET_CORE.to_le_bytes());
        head.extend(EM_X86_64.to_le_bytes());
        head.extend(1_u32.to_le_bytes());
        head.extend(0_u64.to_le_bytes()); // e_entry
        head.extend(FILE_HEADER.to_le_bytes()); // e_phoff
        head.extend(0_u64.to_le_bytes()); // e_shoff
        head.extend(0_u32.to_le_bytes()); // e_flags
        head.extend((FILE_HEADER as u16).to_le_bytes());
        head.extend((PROGRAM_HEADER as u16).to_le_bytes());
        head.extend((count as u16).to_le_bytes());
        head.extend([0; 6]); // no sections
        let len = self.notes.len() as u64;
        program_header(&mut head, PT_NOTE, 0, [notes, 0, len, 0, 4]);
        let mut offset = self.head;
        for Segment { range, permissions, source } in &self.plan.segments {
            let flags = u32::from(permissions.execute)
                | u32::from(permissions.write) << 1
                | u32::from(permissions.read) << 2;
            let (start, size) = (range.start().get(), range.size().get());
            let (at, in_file) = match *source {
                Source::Own(bytes) => (offset, bytes),
                Source::Zeros => (self.zeros, size),
            };
            program_header(&mut head, PT_LOAD, flags, [at, start, in_file, size, PAGE]);
            if *source != Source::Zeros {
                offset += in_file;
            }
        }
        head
    }
}

/// Adds a program header: offset, address, bytes in the file, bytes in memory, alignment.
fn program_header(head: &mut Vec<u8>, kind: u32, flags: u32, words: [u64; 5]) {
    let [offset, address, in_file, in_memory, align] = words;
    head.extend(kind.to_le_bytes());
    head.extend(flags.to_le_bytes());
    // The physical address, which no core has, comes third.
    for word in [offset, address, 0, in_file, in_memory, align] {
        head.extend(word.to_le_bytes());
    }
}
