//! Copying a process's memory in bulk, as fast as the machine can.
//!
//! Each mapping gets a destination of its own size, whose pages take memory only where they are
//! copied to. `/proc/PID/pagemap` says which pages of the process were ever touched; the others are
//! not copied: they read as zero, or as the file behind the mapping. Nor are pages of a file that it
//! has not changed. A second run over the same
//! mappings finds the destination's pages in place, and so takes no longer than the copying itself.
//! Pages that the process gave back between the two runs (Go's scavenger does) are zero again, in
//! the copy too.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::time::Instant;

use memmap2::{MmapMut, MmapOptions};
use nix::errno::Errno;

use super::ProcessMemory;
use crate::image::{Backing, Image, Store};
use crate::ranges::without;
use crate::target::PAGE;
use crate::{Address, AddressRange, ByteSize};

/// Copied at once: a few milliseconds, so that a deadline is kept.
const PIECE: u64 = 8 << 20;
/// `pagemap`: the page is in memory, or swapped out.
const TOUCHED: u64 = 0b11 << 62;
/// `pagemap`: the page is the file's own, or shared memory's; not one that the process has written
/// to for itself.
const OF_FILE: u64 = 1 << 61;
/// Entries of `pagemap` read at once.
const PAGEMAP_PIECE: usize = 1 << 16;

/// A mapping to copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) range: AddressRange,
    /// Pages that were never touched hold a file's bytes, not zeros.
    pub(super) is_file: bool,
    /// The file is still there, so that pages that are its own need not be copied.
    pub(super) is_left_to_file: bool,
}

/// The copy.
#[derive(Default)]
pub(super) struct Snapshot {
    places: HashMap<AddressRange, Place>,
    /// What is still to be copied: the mapping, and the part of it.
    pending: Vec<(AddressRange, AddressRange)>,
    unreadable: u64,
}

/// Where a mapping is copied to.
struct Place {
    bytes: MmapMut,
    /// The parts that were touched at the latest plan; all others are zero, or the file's.
    touched: Vec<AddressRange>,
    /// A file is behind the mapping.
    is_file: bool,
}

impl Snapshot {
    /// Lists what is to be copied; returns how many bytes. Destinations of mappings that are the
    /// same as in an earlier plan are kept.
    pub(super) fn plan(&mut self, pid: u32, mappings: &[Wanted]) -> u64 {
        let pagemap = File::open(format!("/proc/{pid}/pagemap")).ok();
        self.places.retain(|range, _| mappings.iter().any(|wanted| wanted.range == *range));
        self.pending.clear();
        self.unreadable = 0;
        for Wanted { range, is_file, is_left_to_file } in mappings {
            if !self.places.contains_key(range) {
                let Some(len) = range.size().to_usize().filter(|len| *len > 0) else { continue };
                let Ok(bytes) = MmapOptions::new().len(len).no_reserve_swap().map_anon() else {
                    continue;
                };
                let place = Place { bytes, touched: Vec::new(), is_file: *is_file };
                self.places.insert(*range, place);
            }
            let Some(place) = self.places.get_mut(range) else { continue };
            place.is_file = *is_file;
            let touched = touched(pagemap.as_ref(), *range, *is_left_to_file);
            for gone in without(&place.touched, &touched) {
                let into = (gone.start() - range.start()).get() as usize;
                if let Some(bytes) = place.bytes.get_mut(into..into + gone.size().get() as usize) {
                    bytes.fill(0);
                }
            }
            for part in &touched {
                let mut start = part.start();
                while start < part.end() {
                    let end = (start + ByteSize::new(PIECE)).min(part.end());
                    self.pending.push((*range, AddressRange::new(start, end)));
                    start = end;
                }
            }
            place.touched = touched;
        }
        // The runtime's own structures lie in small mappings: if time runs out, let it be in the
        // middle of the heap.
        self.pending.sort_by_key(|(range, part)| (range.size(), part.start()));
        self.pending.reverse();
        self.pending.iter().map(|(_, part)| part.size().get()).sum()
    }

    /// Copies what is planned, until the deadline; returns how many bytes are left.
    pub(super) fn run(
        &mut self,
        memory: &ProcessMemory,
        deadline: Option<Instant>,
        progress: &dyn Fn(u64),
    ) -> u64 {
        while let Some((range, part)) = self.pending.pop() {
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                self.pending.push((range, part));
                break;
            }
            let Some(place) = self.places.get_mut(&range) else { continue };
            let into = (part.start() - range.start()).get() as usize;
            let len = part.size().get() as usize;
            let Some(bytes) = place.bytes.get_mut(into..into + len) else { continue };
            self.unreadable += copy(memory, part.start(), bytes);
            progress(part.size().get());
        }
        self.pending.iter().map(|(_, part)| part.size().get()).sum()
    }

    /// Returns how many pages could not be copied.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }

    /// Hands the copy over; returns what was copied, by address.
    pub(super) fn into_image(self, image: &mut Image) -> Vec<AddressRange> {
        let mut copied = Vec::new();
        let mut places: Vec<_> = self.places.into_iter().collect();
        places.sort_by_key(|(range, _)| range.start());
        // Neighbouring mappings stay apart, since their copies do: a span of the heap that crosses
        // from one to the next is read in two pieces.
        for (range, place) in places {
            let index = image.add_store(Store::Copy(place.bytes));
            copied.extend_from_slice(&place.touched);
            // What was never touched of a file's mapping is not zero but the file's.
            let parts = if place.is_file { place.touched } else { vec![range] };
            for part in parts {
                let offset = (part.start() - range.start()).get() as usize;
                image.add(part, Backing::Store { index, offset });
            }
        }
        copied
    }
}

/// Copies a range and returns how many of its pages could not be read; they stay as they are.
fn copy(memory: &ProcessMemory, at: Address, bytes: &mut [u8]) -> u64 {
    let mut done = 0;
    let mut unreadable = 0;
    while done < bytes.len() {
        let now = at + ByteSize::new(done as u64);
        match memory.read_some(now, &mut bytes[done..]) {
            Ok(read) if read > 0 => done += read,
            Err(Errno::ESRCH) => {
                return unreadable + ((bytes.len() - done) as u64).div_ceil(PAGE);
            }
            _ => {
                unreadable += 1;
                let next = now.align_down(PAGE) + ByteSize::new(PAGE);
                done += (next - now).get() as usize;
            }
        }
    }
    unreadable
}

/// Returns the parts of a mapping that were ever touched, without a file's own pages where those are
/// left to the file; all of it where the kernel does not say.
fn touched(
    pagemap: Option<&File>,
    range: AddressRange,
    is_left_to_file: bool,
) -> Vec<AddressRange> {
    let is_wanted = |entry: u64| entry & TOUCHED != 0 && !(is_left_to_file && entry & OF_FILE != 0);
    let Some(pagemap) = pagemap else { return vec![range] };
    let first = range.start().get() / PAGE;
    let count = (range.size().get() / PAGE) as usize;
    let mut parts: Vec<AddressRange> = Vec::new();
    let mut buffer = vec![0; 8 * count.min(PAGEMAP_PIECE)];
    let mut done = 0;
    while done < count {
        let taken = (count - done).min(PAGEMAP_PIECE);
        let bytes = &mut buffer[..8 * taken];
        if pagemap.read_exact_at(bytes, 8 * (first + done as u64)).is_err() {
            return vec![range];
        }
        for (index, entry) in bytes.as_chunks::<8>().0.iter().enumerate() {
            if !is_wanted(u64::from_le_bytes(*entry)) {
                continue;
            }
            let start = range.start() + ByteSize::new(PAGE * (done + index) as u64);
            let end = start + ByteSize::new(PAGE);
            match parts.last_mut() {
                Some(last) if last.end() == start => *last = AddressRange::new(last.start(), end),
                _ => parts.push(AddressRange::new(start, end)),
            }
        }
        done += taken;
    }
    parts
}

#[cfg(test)]
mod tests {
    use memmap2::UncheckedAdvice;

    use super::*;
    use crate::MemoryExt;

    #[test]
    #[expect(unsafe_code, reason = "giving pages back to the kernel is")]
    fn pages_given_back_between_two_runs_are_zero() {
        let mut pages = MmapMut::map_anon(4 * PAGE as usize).unwrap();
        pages.fill(7);
        let at = Address::new(pages.as_ptr() as u64);
        let range = AddressRange::from_size(at, ByteSize::new(4 * PAGE));
        let pid = std::process::id();
        let memory = ProcessMemory::open(pid);
        let mut copy = Snapshot::default();
        copy.plan(pid, &[Wanted { range, is_file: false, is_left_to_file: false }]);
        assert_eq!(copy.run(&memory, None, &|_| {}), 0);

        // SAFETY: nothing borrows the mapping, which is private and reads as zeros afterwards.
        unsafe {
            pages
                .unchecked_advise_range(UncheckedAdvice::DontNeed, PAGE as usize, PAGE as usize)
                .unwrap();
        }
        copy.plan(pid, &[Wanted { range, is_file: false, is_left_to_file: false }]);
        copy.run(&memory, None, &|_| {});
        let mut image = Image::default();
        copy.into_image(&mut image);
        let page = |index: u64| {
            let at = at + ByteSize::new(PAGE) * index;
            image.read_bytes(at, ByteSize::new(PAGE)).unwrap().into_owned()
        };
        assert_eq!(page(0), [7; PAGE as usize]);
        assert_eq!(page(1), [0; PAGE as usize]);
        assert_eq!(page(2), [7; PAGE as usize]);
    }
}
