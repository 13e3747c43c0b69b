//! What of a line's bytes a map took to grow, told by the sizes of the blocks.
//!
//! Heap profiles leave the runtime's calls out, so that on a line as `m[k] = &T{}` the objects that are
//! stored and the tables that the map makes to hold them have one stack. But each sample is of blocks of
//! one size: there is an object for each entry, and they are alike; a table is for many entries, so that
//! tables are few, and large. Nothing is told where that is not plain to see.
//!
//! Sizes are means of a sample's blocks, which rounding blurs where there are few.

use std::collections::BTreeMap;

use crate::site::{MapRole, Site, SiteKind};
use crate::stack::Sum;

/// More sizes than the allocator has classes for small objects; the rest is left uncounted.
const MOST_SIZES: usize = 256;

/// How much larger a table is than what is stored, at least.
const LARGER: u64 = 4;

/// For how many objects that are stored there is a table, at least.
const FEWER: u64 = 4;

/// The blocks of a line, by size.
#[derive(Debug, Clone, Default)]
pub(crate) struct Blocks {
    by_size: BTreeMap<u64, Sum>,
}

impl Blocks {
    pub(crate) fn add(&mut self, sum: Sum) {
        let Some(size) = sum.bytes.checked_div(sum.objects) else { return };
        if self.by_size.len() < MOST_SIZES || self.by_size.contains_key(&size) {
            self.by_size.entry(size).or_default().add(sum);
        }
    }

    /// The sum of those that are tables; none where they can't be told.
    pub(crate) fn tables(&self) -> Option<Sum> {
        let (&usual, _) = self.by_size.iter().max_by_key(|(_, sum)| sum.objects)?;
        let sum_of = |sizes: &mut dyn Iterator<Item = (&u64, &Sum)>| {
            sizes.fold(Sum::default(), |mut all, (_, sum)| {
                all.add(*sum);
                all
            })
        };
        let (least, most) = (usual - usual / 4, usual.saturating_add(usual / 4));
        let stored = sum_of(&mut self.by_size.range(least..=most));
        let tables = sum_of(&mut self.by_size.range(usual.saturating_mul(LARGER)..));
        let are_few = tables.objects.saturating_mul(FEWER) <= stored.objects;
        (tables.objects > 0 && usual > 0 && are_few).then_some(tables)
    }
}

/// Whether a line with these sites puts entries into a map, so that the map may grow there.
pub(crate) fn fills_map(sites: &[&Site]) -> bool {
    sites.iter().any(|site| {
        let is_stored = site.map.is_some_and(|role| role != MapRole::Map);
        let mut steps = site.flows.iter().flat_map(|flow| &flow.steps);
        is_stored
            && steps.any(|step| {
                let is_here = step
                    .at
                    .as_ref()
                    .is_some_and(|at| at.line == site.at.line && at.file == site.at.file);
                let stores = &*step.why == "key of map put"
                    || (step.why.starts_with("assign") && step.expression.contains("] = "));
                is_here && stores
            })
    })
}

/// Whether each site makes objects of one size.
pub(crate) fn have_fixed_sizes(sites: &[&Site]) -> bool {
    sites.iter().all(|site| {
        matches!(
            site.kind,
            SiteKind::Object
                | SiteKind::Variable
                | SiteKind::Boxed
                | SiteKind::Closure
                | SiteKind::Variadic
                | SiteKind::SliceLiteral
                | SiteKind::MethodValue
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(blocks: &[(u64, u64)]) -> Option<u64> {
        let mut all = Blocks::default();
        for &(objects, bytes) in blocks {
            all.add(Sum { bytes, objects });
        }
        all.tables().map(|sum| sum.bytes)
    }

    #[test]
    fn few_and_large_blocks_beside_many_small_ones_are_tables() {
        // Boxes of 16 bytes, and tables of 40,960, as a profile of Go 1.27 has them.
        let boxes = [(98_305, 1_572_888), (131_074, 2_097_184)];
        let found = tables(&[boxes[0], boxes[1], (172, 7_085_450), (146, 5_995_381)]);
        assert_eq!(found, Some(7_085_450 + 5_995_381));
        // One array for all buckets, as up to 1.23.
        assert_eq!(tables(&[boxes[0], (1, 18_939_904)]), Some(18_939_904));
        assert_eq!(tables(&[(58_396, 29_899_010), (38, 1_076_076)]), Some(1_076_076));
    }

    #[test]
    fn what_is_not_plain_to_see_is_not_told() {
        assert_eq!(tables(&[]), None);
        assert_eq!(tables(&[(0, 400), (400, 0)]), None);
        assert_eq!(tables(&[(98_305, 1_572_888)]), None);
        // A map for every two entries, and elems that are larger than tables.
        assert_eq!(tables(&[(100_000, 1_600_000), (50_000, 14_400_000)]), None);
        assert_eq!(tables(&[(58_396, 29_899_010), (100, 102_400)]), None);
        assert_eq!(tables(&[(u64::MAX, u64::MAX), (1, u64::MAX)]), Some(u64::MAX));
    }
}
