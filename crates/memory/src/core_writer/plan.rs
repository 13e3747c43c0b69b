//! From mappings and stored pages to segments.

use super::PAGE;
use crate::AddressRange;
use crate::mapping::{Mapping, Permissions};
use crate::ranges::both;

/// A hole in anonymous memory that is smaller than this is one of the file: a program header and a
/// debugger that stumbles cost more than it does.
const SMALL: u64 = 16 * PAGE;

/// A `PT_LOAD`: of its range, so many bytes are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) range: AddressRange,
    pub(super) permissions: Permissions,
    pub(super) in_file: u64,
}

/// The segments, by address. They cover the mappings, and every stored page is in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) segments: Vec<Segment>,
}

impl Plan {
    /// Makes segments of the mappings that are wanted, no more than `most`; `None` where there are
    /// more mappings. Stored pages are given as runs, by address.
    pub(super) fn new(
        mappings: &[Mapping],
        stored: &[AddressRange],
        most: usize,
        is_wanted: impl Fn(&Mapping) -> bool,
    ) -> Option<Self> {
        let pieces: Vec<(&Mapping, Vec<AddressRange>)> =
            mappings.iter().filter(|it| is_wanted(it)).map(|it| (it, inside(stored, it))).collect();
        let smallest = smallest_hole(&pieces, most)?;
        let mut plan = Self::default();
        for (mapping, runs) in &pieces {
            plan.add(mapping, runs, smallest);
        }
        // Mappings of files can have more holes than that, since theirs can't be filled with zeros.
        (plan.segments.len() <= most).then_some(plan)
    }

    fn add(&mut self, mapping: &Mapping, runs: &[AddressRange], smallest: u64) {
        let mut start = mapping.range.start();
        let mut end = start;
        let mut close = |start, end, next| {
            let range = AddressRange::new(start, next);
            if !range.is_empty() {
                let in_file = AddressRange::new(start, end).size().get();
                self.segments.push(Segment { range, permissions: mapping.permissions, in_file });
            }
        };
        for run in runs {
            let hole = (run.start() - end).get();
            // What is before the first run is not worth zeros in the file, however small.
            let is_filled = hole < smallest && mapping.file.is_none() && end > start;
            if hole > 0 && !is_filled {
                close(start, end, run.start());
                start = run.start();
            }
            end = run.end();
        }
        close(start, end, mapping.range.end());
    }
}

/// Returns the runs in a mapping, by address.
fn inside(stored: &[AddressRange], mapping: &Mapping) -> Vec<AddressRange> {
    let first = stored.partition_point(|run| run.end() <= mapping.range.start());
    let after = stored.partition_point(|run| run.start() < mapping.range.end());
    both(stored.get(first..after).unwrap_or_default(), &[mapping.range])
}

/// Returns how large a hole must be so that no more than `most` segments come about.
fn smallest_hole(pieces: &[(&Mapping, Vec<AddressRange>)], most: usize) -> Option<u64> {
    let mut fixed = 0;
    let mut holes = Vec::new();
    for (mapping, runs) in pieces {
        // One for the mapping, and one if it starts with a hole.
        fixed +=
            1 + usize::from(runs.first().is_some_and(|run| run.start() > mapping.range.start()));
        let between = runs.array_windows().map(|[run, next]| (next.start() - run.end()).get());
        match mapping.file {
            Some(_) => fixed += between.filter(|hole| *hole > 0).count(),
            None => holes.extend(between.filter(|hole| *hole >= SMALL)),
        }
    }
    let room = most.checked_sub(fixed)?;
    if holes.len() <= room {
        return Some(SMALL);
    }
    // Only holes larger than the largest one that has no room.
    let (_, first_without, _) = holes.select_nth_unstable_by(room, |a, b| b.cmp(a));
    Some(*first_without + 1)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::mapping::MappedFile;
    use crate::{Address, ByteSize};

    fn range(first: u64, after: u64) -> AddressRange {
        AddressRange::new(Address::new(first * PAGE), Address::new(after * PAGE))
    }

    fn mapping(first: u64, after: u64, is_file: bool) -> Mapping {
        let permissions = Permissions { read: true, write: true, execute: false };
        let file = is_file.then(|| MappedFile { path: PathBuf::from("/lib"), offset: 0 });
        Mapping { range: range(first, after), permissions, file }
    }

    /// Start, end, and end of what is in the file, in pages.
    fn pages(mappings: &[Mapping], stored: &[AddressRange], most: usize) -> Vec<(u64, u64, u64)> {
        let plan = Plan::new(mappings, stored, most, |_| true).unwrap();
        let page = |at: Address| at.get() / PAGE;
        plan.segments
            .iter()
            .map(|it| {
                let stored = it.range.start() + ByteSize::new(it.in_file);
                (page(it.range.start()), page(it.range.end()), page(stored))
            })
            .collect()
    }

    #[test]
    fn a_run_and_the_hole_behind_it_are_one_segment() {
        let stored = [range(10, 12), range(50, 51)];
        assert_eq!(pages(&[mapping(10, 90, false)], &stored, 9), [(10, 50, 12), (50, 90, 51)]);
    }

    #[test]
    fn a_mapping_with_nothing_stored_and_one_that_starts_with_a_hole_are_covered() {
        let mappings = [mapping(1, 5, false), mapping(5, 90, false)];
        assert_eq!(pages(&mappings, &[range(6, 7)], 9), [(1, 5, 1), (5, 6, 5), (6, 90, 7)]);
    }

    #[test]
    fn small_holes_are_filled_in_anonymous_memory_alone() {
        let stored = [range(0, 1), range(3, 4)];
        assert_eq!(pages(&[mapping(0, 9, false)], &stored, 9), [(0, 9, 4)]);
        assert_eq!(pages(&[mapping(0, 9, true)], &stored, 9), [(0, 3, 1), (3, 9, 4)]);
    }

    #[test]
    fn a_run_across_two_mappings_is_cut() {
        let mappings = [mapping(0, 4, false), mapping(4, 8, false)];
        assert_eq!(pages(&mappings, &[range(3, 5)], 9), [(0, 3, 0), (3, 4, 4), (4, 8, 5)]);
    }

    #[test]
    fn where_there_are_too_many_holes_the_largest_are_kept() {
        // Holes of 20, 30 and 40 pages.
        let stored = [range(0, 1), range(21, 22), range(52, 53), range(93, 94)];
        let mappings = [mapping(0, 100, false)];
        assert_eq!(pages(&mappings, &stored, 2), [(0, 93, 53), (93, 100, 94)]);
        assert_eq!(pages(&mappings, &stored, 4).len(), 4);
        assert_eq!(pages(&mappings, &stored, 1), [(0, 100, 94)]);
        assert_eq!(Plan::new(&mappings, &stored, 0, |_| true), None);
    }
}
