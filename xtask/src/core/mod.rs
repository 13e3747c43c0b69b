//! Writes a small ELF core of a process, without a debugger and without the
//! kernel's help, so that tests do not depend on either.
//!
//! The process is frozen with ptrace while it is read. Go reserves far more
//! address space than it uses, so a page goes into the core only when it is
//! there and not all zeros: a run of other pages is a `PT_LOAD` without bytes,
//! which reads as zeros. Of a file mapped without write access only a leading
//! ELF header's page goes in, as with the kernel's default filter: whoever
//! reads the core needs the program too.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use self::frozen::Frozen;
use self::maps::Mapping;

mod elf;
mod frozen;
mod maps;
mod pages;

/// The size of a page on amd64.
const PAGE: u64 = 4096;

/// Bytes copied at once.
const CHUNK: usize = 1 << 20;

/// A stretch of memory that becomes one `PT_LOAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Segment {
    start: u64,
    len: u64,
    /// Whether its bytes are in the file; if not, it reads as zeros, or as the
    /// mapped file where it is one.
    stored: bool,
    readable: bool,
    writable: bool,
    executable: bool,
}

/// Writes a core of the process `pid` to the file `out`.
///
/// The process stands still meanwhile and goes on afterwards.
///
/// # Errors
///
/// When the process cannot be traced or read, or the file not be written.
pub fn write_core(pid: u32, out: &Path) -> Result<()> {
    let frozen = Frozen::freeze(pid)?;
    let mappings = maps::read(pid)?;
    let memory = File::open(format!("/proc/{pid}/mem")).context("cannot read memory")?;
    let segments = segments(pid, &memory, &mappings)?;
    let notes = elf::notes(pid, frozen.threads(), &mappings)?;

    let file = File::create(out).with_context(|| format!("cannot create {}", out.display()))?;
    let mut file = BufWriter::new(file);
    file.write_all(&elf::headers(&segments, &notes)?)?;
    let mut buffer = vec![0; CHUNK];
    for segment in segments.iter().filter(|segment| segment.stored) {
        copy(&memory, segment, &mut buffer, &mut file)?;
    }
    file.flush()?;
    Ok(())
}

/// Cuts the mappings into segments, with so few of them that their number fits
/// the header: where there are too many, larger gaps between stored pages are
/// stored too.
fn segments(pid: u32, memory: &File, mappings: &[Mapping]) -> Result<Vec<Segment>> {
    let mut bridged = 2 * PAGE;
    loop {
        let mut found = Vec::new();
        for mapping in mappings {
            found.extend(pages::segments(pid, memory, mapping, bridged)?);
        }
        if found.len() <= elf::MOST_SEGMENTS {
            return Ok(found);
        }
        bridged *= 4;
        ensure!(bridged < 1 << 40, "too many mappings: {}", mappings.len());
    }
}

fn copy(memory: &File, segment: &Segment, buffer: &mut [u8], out: &mut impl Write) -> Result<()> {
    let mut done = 0;
    while done < segment.len {
        let len = usize::try_from(segment.len - done).unwrap_or(CHUNK).min(buffer.len());
        let (part, _) = buffer.split_at_mut(len);
        memory
            .read_exact_at(part, segment.start + done)
            .with_context(|| format!("cannot read {:#x}", segment.start + done))?;
        out.write_all(part)?;
        done += len as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use object::read::elf::{ElfFile64, ProgramHeader as _};
    use object::{Endianness, elf};

    use super::*;

    #[test]
    fn the_core_of_a_process_holds_its_stack_its_threads_and_its_files() {
        let mut child = Command::new("sleep").arg("1000").stdin(Stdio::null()).spawn().unwrap();
        // Until it has become the program that it is to be.
        while std::fs::read_to_string(format!("/proc/{}/comm", child.id())).unwrap() != "sleep\n" {
            std::thread::yield_now();
        }
        let out = tempfile::NamedTempFile::new().unwrap();
        let written = write_core(child.id(), out.path());
        let alive = child.try_wait().unwrap().is_none();
        child.kill().unwrap();
        child.wait().unwrap();
        written.unwrap();
        assert!(alive, "the process goes on");

        let bytes = std::fs::read(out.path()).unwrap();
        let core: ElfFile64<'_, Endianness> = ElfFile64::parse(bytes.as_slice()).unwrap();
        let endian = Endianness::Little;
        let loads: Vec<_> = core
            .elf_program_headers()
            .iter()
            .filter(|header| header.p_type(endian) == elf::PT_LOAD)
            .collect();
        for pair in loads.windows(2) {
            let end = pair[0].p_vaddr(endian) + pair[0].p_memsz(endian);
            assert!(end <= pair[1].p_vaddr(endian), "segments overlap");
        }
        let mut kinds = Vec::new();
        let mut stack_pointer = 0;
        for header in core.elf_program_headers() {
            let Some(mut notes) = header.notes(endian, bytes.as_slice()).unwrap() else { continue };
            while let Some(note) = notes.next().unwrap() {
                assert_eq!(note.name(), b"CORE");
                if note.n_type(endian) == elf::NT_PRSTATUS {
                    stack_pointer =
                        u64::from_le_bytes(note.desc()[112 + 19 * 8..][..8].try_into().unwrap());
                }
                kinds.push(note.n_type(endian));
            }
        }
        assert_eq!(kinds.len(), 4, "{kinds:?}");
        let holds_stack = loads.iter().any(|header| {
            let start = header.p_vaddr(endian);
            (start..start + header.p_filesz(endian)).contains(&stack_pointer)
        });
        assert!(holds_stack, "no stored memory at {stack_pointer:#x}");
    }
}
