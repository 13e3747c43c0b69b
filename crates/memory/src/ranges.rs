//! Lists of address ranges that are sorted and do not overlap.

use crate::AddressRange;

/// Returns what the first list of sorted ranges holds and the second does not.
pub(crate) fn without(ranges: &[AddressRange], others: &[AddressRange]) -> Vec<AddressRange> {
    let mut rest = Vec::new();
    let mut next = 0;
    for range in ranges {
        let mut start = range.start();
        while let Some(other) = others.get(next).filter(|other| other.start() < range.end()) {
            if start < other.start() {
                rest.push(AddressRange::new(start, other.start()));
            }
            start = start.max(other.end());
            // One that reaches further is wanted for the next range, too.
            if other.end() > range.end() {
                break;
            }
            next += 1;
        }
        if start < range.end() {
            rest.push(AddressRange::new(start, range.end()));
        }
    }
    rest
}

/// Returns those of a list that meet a range.
pub(crate) fn meeting(ranges: &[AddressRange], with: AddressRange) -> &[AddressRange] {
    let first = ranges.partition_point(|range| range.end() <= with.start());
    let after = ranges.partition_point(|range| range.start() < with.end());
    ranges.get(first..after).unwrap_or_default()
}

/// Returns what both lists hold, cut at the borders of either.
pub(crate) fn both(ranges: &[AddressRange], others: &[AddressRange]) -> Vec<AddressRange> {
    let mut shared = Vec::new();
    let (mut left, mut right) = (0, 0);
    while let (Some(range), Some(other)) = (ranges.get(left), others.get(right)) {
        let part = range.intersection(*other);
        if !part.is_empty() {
            shared.push(part);
        }
        match range.end() <= other.end() {
            true => left += 1,
            false => right += 1,
        }
    }
    shared
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Address;

    fn ranges(bounds: &[(u64, u64)]) -> Vec<AddressRange> {
        let at =
            |(start, end): &(u64, u64)| AddressRange::new(Address::new(*start), Address::new(*end));
        bounds.iter().map(at).collect()
    }

    #[test]
    fn ranges_are_taken_from_ranges() {
        type Bounds = &'static [(u64, u64)];
        let cases: [(Bounds, Bounds, Bounds); 6] = [
            (&[], &[(0, 9)], &[]),
            (&[(0, 9)], &[], &[(0, 9)]),
            (&[(2, 8)], &[(0, 3), (4, 5), (7, 9)], &[(3, 4), (5, 7)]),
            (&[(0, 2), (4, 6), (8, 9)], &[(1, 5)], &[(0, 1), (5, 6), (8, 9)]),
            (&[(4, 6)], &[(0, 2), (6, 8)], &[(4, 6)]),
            (&[(0, 2), (4, 6)], &[(0, 9)], &[]),
        ];
        for (from, taken, rest) in cases {
            assert_eq!(without(&ranges(from), &ranges(taken)), ranges(rest), "{from:?}");
        }
    }

    #[test]
    fn what_two_lists_share_is_cut_at_the_borders_of_either() {
        let shared = both(&ranges(&[(0, 4), (6, 9)]), &ranges(&[(1, 2), (3, 7), (7, 8)]));
        assert_eq!(shared, ranges(&[(1, 2), (3, 4), (6, 7), (7, 8)]));
        assert_eq!(both(&ranges(&[(0, 4)]), &[]), []);
    }

    #[test]
    fn neighbours_do_not_meet() {
        let list = ranges(&[(0, 2), (2, 4), (5, 7), (9, 12)]);
        let meeting = |bounds| meeting(&list, ranges(&[bounds])[0]).to_vec();
        assert_eq!(meeting((2, 6)), ranges(&[(2, 4), (5, 7)]));
        assert_eq!(meeting((7, 9)), []);
        assert_eq!(meeting((10, 11)), ranges(&[(9, 12)]));
    }
}
