//! Which pages of a mapping are worth storing.
//!
//! `/proc/PID/pagemap` has eight bytes a page, whose top two bits say that the
//! page is in memory or swapped out. A page of anonymous memory that is neither
//! was never written: reading it would only make it, so it is not read.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context, Result};

use super::maps::Mapping;
use super::{CHUNK, PAGE, Segment};

const PRESENT_OR_SWAPPED: u64 = 3 << 62;

/// Pages whose state is read at once.
const PAGES_AT_ONCE: u64 = (CHUNK as u64) / PAGE;

/// Cuts a mapping into segments that are stored and segments that are not.
/// Stored ones that stand no more than `bridged` bytes apart become one.
pub(super) fn segments(
    pid: u32,
    memory: &File,
    mapping: &Mapping,
    bridged: u64,
) -> Result<Vec<Segment>> {
    let stored = if !mapping.readable {
        Vec::new()
    } else if mapping.has_file() && !mapping.writable {
        elf_header(memory, mapping)
    } else {
        let pagemap =
            File::open(format!("/proc/{pid}/pagemap")).context("cannot read the page map")?;
        join(worth_storing(&pagemap, memory, mapping)?, bridged)
    };
    Ok(cut(mapping, &stored))
}

/// The first page of a mapped file that starts with an ELF header.
fn elf_header(memory: &File, mapping: &Mapping) -> Vec<(u64, u64)> {
    let mut magic = [0; 4];
    let is_elf = mapping.offset == 0
        && memory.read_exact_at(&mut magic, mapping.start).is_ok()
        && magic == *b"\x7fELF";
    if is_elf { vec![(mapping.start, mapping.start + PAGE)] } else { Vec::new() }
}

/// The pages with contents, each as start and end.
fn worth_storing(pagemap: &File, memory: &File, mapping: &Mapping) -> Result<Vec<(u64, u64)>> {
    let mut found = Vec::new();
    let mut states = vec![0; CHUNK / PAGE as usize * 8];
    let mut page = vec![0; PAGE as usize];
    let mut at = mapping.start;
    while at < mapping.end {
        let count = ((mapping.end - at) / PAGE).clamp(1, PAGES_AT_ONCE);
        let (part, _) = states.split_at_mut(count as usize * 8);
        pagemap.read_exact_at(part, at / PAGE * 8).context("cannot read the page map")?;
        for state in part.chunks_exact(8) {
            let state = state.first_chunk().copied().map_or(0, u64::from_le_bytes);
            // A page of a file may not be in memory yet and have contents.
            let readable = state & PRESENT_OR_SWAPPED != 0 || mapping.has_file();
            if readable
                && memory.read_exact_at(&mut page, at).is_ok()
                && page.iter().any(|byte| *byte != 0)
            {
                found.push((at, at + PAGE));
            }
            at += PAGE;
        }
    }
    Ok(found)
}

/// Joins stretches, given in order, that are at most `bridged` bytes apart.
fn join(stretches: Vec<(u64, u64)>, bridged: u64) -> Vec<(u64, u64)> {
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (start, end) in stretches {
        match joined.last_mut() {
            Some(last) if start - last.1 <= bridged => last.1 = end,
            _ => joined.push((start, end)),
        }
    }
    joined
}

/// Covers a mapping with segments, of which `stored` are stored.
fn cut(mapping: &Mapping, stored: &[(u64, u64)]) -> Vec<Segment> {
    let segment = |start, end, stored| Segment {
        start,
        len: end - start,
        stored,
        readable: mapping.readable,
        writable: mapping.writable,
        executable: mapping.executable,
    };
    let mut segments = Vec::new();
    let mut at = mapping.start;
    for (start, end) in stored {
        if at < *start {
            segments.push(segment(at, *start, false));
        }
        segments.push(segment(*start, *end, true));
        at = *end;
    }
    if at < mapping.end {
        segments.push(segment(at, mapping.end, false));
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapping(start: u64, end: u64) -> Mapping {
        Mapping {
            start,
            end,
            readable: true,
            writable: true,
            executable: false,
            offset: 0,
            name: String::new(),
        }
    }

    #[test]
    fn pages_close_together_become_one_stretch() {
        let pages = vec![(0x1000, 0x2000), (0x3000, 0x4000), (0x9000, 0xa000)];
        assert_eq!(join(pages, 0x1000), [(0x1000, 0x4000), (0x9000, 0xa000)]);
    }

    #[test]
    fn the_segments_cover_the_mapping_without_gaps() {
        let segments = cut(&mapping(0x1000, 0x9000), &[(0x2000, 0x3000), (0x8000, 0x9000)]);
        let parts: Vec<_> = segments.iter().map(|it| (it.start, it.len, it.stored)).collect();
        assert_eq!(
            parts,
            [
                (0x1000, 0x1000, false),
                (0x2000, 0x1000, true),
                (0x3000, 0x5000, false),
                (0x8000, 0x1000, true),
            ]
        );
    }

    #[test]
    fn a_mapping_without_contents_is_one_segment() {
        assert_eq!(cut(&mapping(0x1000, 0x9000), &[]).len(), 1);
    }
}
