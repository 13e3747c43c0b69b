//! What the loader writes into a position-independent executable before it runs, done to a copy:
//! neither a dump nor the file holds the read-only pages that it wrote to.
//!
//! Go's linker uses one kind of relocation for its own data, `R_X86_64_RELATIVE`: the load bias plus
//! a constant (System V ABI, AMD64 supplement, 4.4.1).

use memmap2::MmapMut;
use object::Endianness;
use object::elf;
use object::read::elf::{Dyn, FileHeader, ProgramHeader};

use crate::Address;
use crate::executable::{Executable, Header};

const RELATIVE: u64 = 8;

/// Copies an executable's file and relocates it.
pub(crate) fn relocated(executable: &Executable, bias: u64) -> std::io::Result<MmapMut> {
    let data = executable.data();
    let mut copy = MmapMut::map_anon(data.len())?;
    copy.copy_from_slice(data);
    for entry in table(executable).unwrap_or_default().as_chunks::<24>().0 {
        let word = |index: usize| {
            let bytes = entry[8 * index..].first_chunk().copied();
            u64::from_le_bytes(bytes.unwrap_or_default())
        };
        let (at, kind, addend) = (word(0), word(1) & 0xffff_ffff, word(2));
        let place = file_offset(executable, Address::new(at))
            .and_then(|offset| copy.get_mut(offset..offset.checked_add(8)?));
        if let Some(place) = place.filter(|_| kind == RELATIVE) {
            place.copy_from_slice(&bias.wrapping_add(addend).to_le_bytes());
        }
    }
    Ok(copy)
}

/// Finds the table of relocations, which the dynamic segment names.
fn table(executable: &Executable) -> Option<&[u8]> {
    let data = executable.data();
    let endian = Endianness::Little;
    let header = Header::parse(data).ok()?;
    let (mut at, mut size) = (None, None);
    for program in header.program_headers(endian, data).ok()? {
        for entry in program.dynamic(endian, data).ok().flatten().unwrap_or_default() {
            match entry.d_tag(endian) {
                elf::DT_RELA => at = Some(entry.d_val(endian)),
                elf::DT_RELASZ => size = Some(entry.d_val(endian)),
                _ => {}
            }
        }
    }
    let start = file_offset(executable, Address::new(at?))?;
    let rest = data.get(start..)?;
    Some(&rest[..rest.len().min(usize::try_from(size?).ok()?)])
}

fn file_offset(executable: &Executable, at: Address) -> Option<usize> {
    let segment = executable.segments().iter().find(|one| one.virtual_range.contains(at))?;
    let into = (at - segment.virtual_range.start()).to_usize()?;
    let held = segment.file_range();
    (into < held.len()).then(|| held.start + into)
}
