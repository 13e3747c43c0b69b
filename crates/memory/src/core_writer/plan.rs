//! From mappings and stored pages to segments.

use super::PAGE;
use crate::mapping::{Mapping, Permissions};
use crate::ranges::{both, meeting, without};
use crate::{AddressRange, ByteSize};

/// A hole in anonymous memory that is smaller than this is one of the file: a program header costs
/// readers more.
const SMALL: u64 = 16 * PAGE;
/// Zeros come from a part of the file that all segments of zeros share, and that is no longer than
/// this.
const ZEROS: ByteSize = ByteSize::new(16 << 20);
/// A longer stretch of zeros was reserved rather than used, and has no bytes in the file.
const RESERVED: ByteSize = ByteSize::new(1 << 30);

/// A `PT_LOAD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) range: AddressRange,
    pub(super) permissions: Permissions,
    pub(super) source: Source,
}

/// Where a segment's bytes are in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// So many are its own; the others are in no file, or in the one that is mapped.
    Own(u64),
    /// In the zeros that it shares.
    Zeros,
}

/// The segments, by address. They cover the mappings, and every stored page is in the file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) segments: Vec<Segment>,
}

impl Plan {
    /// Makes segments of mappings, no more than `most`; `None` where there are more mappings.
    /// Stored pages are given as runs, by address, and so is memory that need not be there.
    pub(super) fn new(
        mappings: &[&Mapping],
        stored: &[AddressRange],
        free: &[AddressRange],
        most: usize,
    ) -> Option<Self> {
        // Where there are too many segments, larger holes are filled, and as many zeros left out.
        let mut smallest = SMALL;
        while smallest <= 1 << 47 {
            let mut plan = Self::default();
            for mapping in mappings {
                let runs = both(meeting(stored, mapping.range), &[mapping.range]);
                plan.add(mapping, runs, free, smallest);
            }
            if plan.segments.len() <= most {
                return Some(plan);
            }
            smallest *= 4;
        }
        None
    }

    /// Returns how many zeros the file needs.
    pub(super) fn zeros(&self) -> u64 {
        let zeros = self.segments.iter().filter(|segment| segment.source == Source::Zeros);
        zeros.map(|segment| segment.range.size().get()).max().unwrap_or(0)
    }

    fn add(
        &mut self,
        mapping: &Mapping,
        mut runs: Vec<AddressRange>,
        free: &[AddressRange],
        smallest: u64,
    ) {
        let permissions = mapping.permissions;
        let is_anonymous = mapping.file.is_none();
        if is_anonymous {
            // Small holes are filled.
            runs.dedup_by(|next, run| {
                let is_near = (next.start() - run.end()).get() < smallest;
                if is_near {
                    *run = AddressRange::new(run.start(), next.end());
                }
                is_near
            });
        }
        let zeros = match is_anonymous && permissions.read {
            true => without(&without(&[mapping.range], &runs), meeting(free, mapping.range)),
            false => Vec::new(),
        };
        let zeros = zeros
            .into_iter()
            .filter(|hole| hole.size() <= RESERVED && hole.size().get() >= smallest - SMALL)
            .map(|hole| (hole, Source::Zeros));
        let mut parts: Vec<(AddressRange, Source)> =
            runs.into_iter().map(|run| (run, Source::Own(run.size().get()))).chain(zeros).collect();
        parts.sort_unstable_by_key(|(range, _)| range.start());
        // What is left has no bytes in the file, and belongs to the segment before.
        let mut at = mapping.range.start();
        let mut parts = parts.into_iter().peekable();
        if parts.peek().is_none_or(|(first, _)| first.start() > at) {
            let end = parts.peek().map_or(mapping.range.end(), |(first, _)| first.start());
            let range = AddressRange::new(at, end);
            self.segments.push(Segment { range, permissions, source: Source::Own(0) });
        }
        while let Some((range, source)) = parts.next() {
            let end = parts.peek().map_or(mapping.range.end(), |(next, _)| next.start());
            match source {
                Source::Own(_) => {
                    let range = AddressRange::new(range.start(), end);
                    self.segments.push(Segment { range, permissions, source });
                }
                Source::Zeros => {
                    at = range.start();
                    while at < range.end() {
                        let piece = AddressRange::new(at, (at + ZEROS).min(range.end()));
                        self.segments.push(Segment { range: piece, permissions, source });
                        at = piece.end();
                    }
                    let rest = AddressRange::new(range.end(), end);
                    if !rest.is_empty() {
                        self.segments.push(Segment {
                            range: rest,
                            permissions,
                            source: Source::Own(0),
                        });
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::Address;
    use crate::mapping::MappedFile;

    const READ: Permissions = Permissions { read: true, write: true, execute: false };

    fn range(first: u64, after: u64) -> AddressRange {
        AddressRange::new(Address::new(first * PAGE), Address::new(after * PAGE))
    }

    fn anonymous(first: u64, after: u64) -> Mapping {
        Mapping { range: range(first, after), permissions: READ, file: None }
    }

    fn file(first: u64, after: u64) -> Mapping {
        let file = Some(MappedFile { path: PathBuf::from("/lib"), offset: 0 });
        Mapping { file, ..anonymous(first, after) }
    }

    /// Start and end in pages, and how many are in the file; `None` for zeros.
    type Pages = (u64, u64, Option<u64>);

    fn pages(plan: &Plan) -> Vec<Pages> {
        let page = |at: Address| at.get() / PAGE;
        plan.segments
            .iter()
            .map(|it| {
                let source = match it.source {
                    Source::Own(bytes) => Some(bytes / PAGE),
                    Source::Zeros => None,
                };
                (page(it.range.start()), page(it.range.end()), source)
            })
            .collect()
    }

    fn check(mapping: &Mapping, stored: &[AddressRange], free: &[AddressRange], is: &[Pages]) {
        let plan = Plan::new(&[mapping], stored, free, 99).unwrap();
        assert_eq!(pages(&plan), is);
    }

    #[test]
    fn holes_in_anonymous_memory_are_zeros_but_for_what_is_free() {
        let stored = [range(10, 12), range(50, 51)];
        let zeros = [(10, 12, Some(2)), (12, 50, None), (50, 51, Some(1)), (51, 90, None)];
        check(&anonymous(10, 90), &stored, &[], &zeros);
        let free = [range(0, 10), range(12, 50), range(70, 200)];
        let rest = [(10, 50, Some(2)), (50, 51, Some(1)), (51, 70, None), (70, 90, Some(0))];
        check(&anonymous(10, 90), &stored, &free, &rest);
    }

    #[test]
    fn small_holes_are_filled_in_anonymous_memory_alone() {
        let stored = [range(0, 1), range(3, 4)];
        check(&anonymous(0, 9), &stored, &[range(1, 3)], &[(0, 4, Some(4)), (4, 9, None)]);
        check(&file(0, 9), &stored, &[], &[(0, 3, Some(1)), (3, 9, Some(1))]);
    }

    #[test]
    fn mappings_with_nothing_stored_are_covered() {
        check(&file(1, 50), &[], &[], &[(1, 50, Some(0))]);
        check(&file(1, 50), &[range(7, 8)], &[], &[(1, 7, Some(0)), (7, 50, Some(1))]);
        check(&anonymous(1, 50), &[], &[], &[(1, 50, None)]);
        let unreadable = Mapping { permissions: Permissions::default(), ..anonymous(1, 50) };
        check(&unreadable, &[], &[], &[(1, 50, Some(0))]);
    }

    #[test]
    fn long_stretches_of_zeros_share_bytes_and_reserved_ones_have_none() {
        let shared = ZEROS.get() / PAGE;
        let plan = Plan::new(&[&anonymous(0, 2 * shared + 20)], &[], &[], 9).unwrap();
        let zeros =
            [(0, shared, None), (shared, 2 * shared, None), (2 * shared, 2 * shared + 20, None)];
        assert_eq!(pages(&plan), zeros);
        assert_eq!(plan.zeros(), ZEROS.get());
        check(&anonymous(0, 1 << 30), &[], &[], &[(0, 1 << 30, Some(0))]);
    }

    #[test]
    fn a_run_across_two_mappings_is_cut() {
        let (one, other) = (anonymous(0, 4), anonymous(4, 8));
        let plan = Plan::new(&[&one, &other], &[range(3, 5)], &[], 9).unwrap();
        let cut = [(0, 3, None), (3, 4, Some(1)), (4, 5, Some(1)), (5, 8, None)];
        assert_eq!(pages(&plan), cut);
    }

    #[test]
    fn where_there_are_too_many_holes_the_largest_are_kept() {
        let stored = [range(0, 1), range(21, 22), range(122, 123)];
        let mapping = anonymous(0, 123);
        let plan = |most| Plan::new(&[&mapping], &stored, &[], most).map(|plan| pages(&plan));
        assert_eq!(plan(5).unwrap().len(), 5);
        assert_eq!(plan(3).unwrap(), [(0, 22, Some(22)), (22, 122, None), (122, 123, Some(1))]);
        assert_eq!(plan(1).unwrap(), [(0, 123, Some(123))]);
        assert_eq!(plan(0), None);
    }
}
