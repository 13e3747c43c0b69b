//! What the sizes of objects say that one call allocated.
//!
//! A map's arrays double: groups of a Swiss table up to 128, with a table of 32 bytes for each array
//! and a directory that doubles; buckets of a classic map without end, and from sixteen buckets on with
//! a sixteenth more for overflow buckets. So the first part of the series is that of any doubling
//! array, and only its companions tell: the tables of 32 bytes, or the sixteenth. A slice that is
//! appended to doubles, too, up to 256 elements (`growslice`, `runtime/slice.go`); where its series
//! explains the sizes, nothing is concluded.
//!
//! Sources: `makeBucketArray` and `createOverflow` of `runtime/map.go` (Go 1.23), `newTable` and
//! `split` of `internal/runtime/maps/table.go` (Go 1.27).

use std::collections::HashMap;

use anyhow::Result;
use tophash_gomap::{GoType, MapDesign, MapShape, WrittenMapType};
use tophash_lab::NamedRelease;

/// Tables have no more groups than two to this.
const LARGEST_TABLE_LOG2: u32 = 7;
/// From two to this buckets on, an array carries overflow buckets.
const CARRYING_LOG2: u32 = 4;
/// Classic arrays have no more buckets than two to this here.
const LARGEST_CLASSIC_LOG2: u32 = 28;
/// Groups and buckets that types of up to 128 bytes of key and elem can have.
const GROUPS: std::ops::RangeInclusive<u64> = 24..=2072;
/// Bytes of a Swiss table, which each of its arrays has.
const TABLE: u64 = 32;
/// Bytes of a header, in its slot.
const HEADER: u64 = 48;
/// Bytes of the record of overflow buckets, and of a slice's header.
const EXTRA: u64 = 24;
/// Of the bytes of one call, so many percent must be explained.
const EXPLAINED_PERCENT: i64 = 95;

/// Objects of one size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) bytes: u64,
    pub(super) objects: i64,
}

/// What sizes alone allow to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SizeVerdict {
    /// A map's own companions are there, and no slice has these sizes.
    Likely(SizeCandidate),
    /// A map could have them; so could something else.
    Possible(SizeCandidate),
    /// No map has them.
    No,
}

/// A map that has the sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SizeCandidate {
    pub(super) is_classic: bool,
    /// Bytes of a bucket or group.
    pub(super) group: u64,
}

/// The arrays of one type's maps.
#[derive(Debug)]
struct Ladder {
    candidate: SizeCandidate,
    is_noscan: bool,
    /// Slots of arrays by the logarithm of their groups.
    arrays: Vec<u64>,
}

/// What maps of all releases in question allocate.
#[derive(Debug)]
pub(super) struct SizeRules {
    releases: Vec<NamedRelease>,
    ladders: Vec<Ladder>,
    /// Ladders that have an array of a size.
    by_array: HashMap<u64, Vec<u32>>,
    /// The series of slices that are appended to, and which have a size.
    slices: Vec<Vec<u64>>,
    slices_by_size: HashMap<u64, Vec<u32>>,
}

impl SizeRules {
    /// Prepares rules for a release, or where it is not known for one of each kind: without headers
    /// of objects and with them, classic and Swiss.
    pub(super) fn new(go: Option<&str>) -> Result<Self> {
        let releases = match go {
            Some(name) => vec![NamedRelease::named(name)?],
            None => ["1.21", "1.23", "1.27"]
                .into_iter()
                .map(NamedRelease::named)
                .collect::<Result<_, _>>()?,
        };
        let mut rules = Self {
            releases,
            ladders: Vec::new(),
            by_array: HashMap::new(),
            slices: Vec::new(),
            slices_by_size: HashMap::new(),
        };
        for release in &rules.releases {
            for group in GROUPS.step_by(8) {
                for is_noscan in [true, false] {
                    rules.ladders.push(ladder(release, group, is_noscan));
                }
            }
            let elems = [1, 2, 4].into_iter().chain((8..=2048).step_by(8));
            rules.slices.extend(elems.map(|elem| slice_series(release, elem)));
        }
        for (index, ladder) in rules.ladders.iter().enumerate() {
            for &size in &ladder.arrays {
                rules.by_array.entry(size).or_default().push(index as u32);
            }
        }
        for (index, series) in rules.slices.iter().enumerate() {
            for &size in series {
                rules.slices_by_size.entry(size).or_default().push(index as u32);
            }
        }
        Ok(rules)
    }

    pub(super) fn releases(&self) -> &[NamedRelease] {
        &self.releases
    }

    /// Returns the map that explains the objects of one call if it is of this type. Only what makes maps
    /// may allocate headers and nothing else.
    pub(super) fn fit(
        &self,
        release: &NamedRelease,
        ty: &WrittenMapType,
        makes: bool,
        sizes: &[Size],
    ) -> Option<SizeCandidate> {
        let (key, elem) = (&ty.key, &ty.elem);
        let shape = MapShape::for_values(release.design(), key.value_shape(), elem.value_shape());
        let ladder = ladder(release, shape.group_size, shape.is_noscan);
        let cell = |is_there: bool, ty: &GoType, is_noscan: bool| {
            is_there.then(|| release.release().sizes().slot_size(ty.size(), is_noscan))
        };
        let cells = [
            cell(shape.indirect_key, key, shape.key_is_noscan),
            cell(shape.indirect_elem, elem, shape.elem_is_noscan),
        ];
        let is_header_alone = makes && sizes.iter().all(|size| size.bytes == HEADER);
        let counts = Explained::of(&ladder, sizes, |size| cells.contains(&Some(size)));
        let has_parts = counts.arrays > 0 || counts.cells > 0;
        (is_header_alone || (has_parts && counts.is_enough())).then_some(ladder.candidate)
    }

    /// Judges the objects of one call by their sizes alone.
    pub(super) fn guess(&self, sizes: &[Size]) -> SizeVerdict {
        let mut best: Option<(u8, i64, SizeCandidate)> = None;
        let by_bytes = |size: &&Size| size.bytes.saturating_mul(size.objects.max(0) as u64);
        let Some(main) = sizes.iter().filter(|size| size.bytes > HEADER).max_by_key(by_bytes)
        else {
            return SizeVerdict::No;
        };
        let ladders = self.by_array.get(&main.bytes).into_iter().flatten();
        for ladder in ladders.filter_map(|&index| self.ladders.get(index as usize)) {
            let counts = Explained::of(ladder, sizes, |_| false);
            if !counts.is_enough() || counts.arrays < 2 {
                continue;
            }
            let marks = match ladder.candidate.is_classic {
                true => u8::from(counts.has_both_kinds()),
                false => 2 * u8::from(counts.has_its_tables()),
            };
            let score = (marks, counts.explained - counts.gaps - counts.skipped, ladder.candidate);
            if best.is_none_or(|best| (score.0, score.1) > (best.0, best.1)) {
                best = Some(score);
            }
        }
        match best {
            Some((1.., _, found)) if !self.is_slice(sizes, main.bytes) => {
                SizeVerdict::Likely(found)
            }
            Some((_, _, found)) => SizeVerdict::Possible(found),
            None => SizeVerdict::No,
        }
    }

    /// Tells whether a slice that is appended to has all these sizes.
    fn is_slice(&self, sizes: &[Size], main: u64) -> bool {
        let series = self.slices_by_size.get(&main).into_iter().flatten();
        let mut series = series.filter_map(|&index| self.slices.get(index as usize));
        series.any(|series| sizes.iter().all(|size| series.binary_search(&size.bytes).is_ok()))
    }
}

/// Which objects of a call a map's parts explain.
#[derive(Debug, Default)]
struct Explained {
    total: i64,
    explained: i64,
    /// Sizes of arrays that are there, and of them those with overflow buckets.
    arrays: u32,
    carrying: u32,
    /// Objects as large as a classic map's record of overflow buckets.
    records: i64,
    /// Of the arrays, those of tables.
    tabled: u32,
    /// Objects that are arrays of tables, and that are as large as tables.
    array_objects: i64,
    table_objects: i64,
    /// Sizes left out between the smallest array and the largest, as a penalty in bytes.
    gaps: i64,
    /// The same, below the smallest.
    skipped: i64,
    /// Sizes that are those of cells.
    cells: u32,
}

impl Explained {
    fn of(ladder: &Ladder, sizes: &[Size], is_cell: impl Fn(u64) -> bool) -> Self {
        let mut counts = Self::default();
        let mut seen = Vec::new();
        for size in sizes {
            let bytes = (size.bytes as i64).saturating_mul(size.objects.max(0));
            counts.total = counts.total.saturating_add(bytes);
            let log2 = ladder.arrays.iter().position(|array| *array == size.bytes);
            if let Some(log2) = log2 {
                counts.arrays += 1;
                counts.carrying += u32::from(log2 as u32 >= CARRYING_LOG2);
                // A group by itself has no table.
                if log2 > 0 && size.bytes != TABLE {
                    counts.tabled += 1;
                    counts.array_objects = counts.array_objects.saturating_add(size.objects);
                }
                seen.push(log2);
            }
            counts.cells += u32::from(is_cell(size.bytes));
            if size.bytes == EXTRA {
                counts.records = counts.records.saturating_add(size.objects);
            }
            if size.bytes == TABLE {
                counts.table_objects = counts.table_objects.saturating_add(size.objects);
            }
            if log2.is_some() || is_companion(ladder, size.bytes) || is_cell(size.bytes) {
                counts.explained = counts.explained.saturating_add(bytes);
            }
        }
        if let (Some(first), Some(last)) = (seen.iter().min(), seen.iter().max()) {
            counts.skipped = *first as i64;
            counts.gaps = (last - first + 1).saturating_sub(seen.len()) as i64 * 64;
        }
        counts
    }

    fn is_enough(&self) -> bool {
        self.total > 0
            && self.explained.saturating_mul(100) >= self.total.saturating_mul(EXPLAINED_PERCENT)
    }

    /// Arrays with overflow buckets, and those that are too small for them, with none left out: a map
    /// grows through all of them. Size classes can make other arrays alike, but these have no record
    /// of overflow buckets.
    fn has_both_kinds(&self) -> bool {
        let is_whole = self.carrying >= 2 && self.arrays > self.carrying && self.gaps == 0;
        is_whole && self.records > 0
    }

    /// A table for each array: exact where all was counted, and within half where objects are samples.
    fn has_its_tables(&self) -> bool {
        let (arrays, tables) = (self.array_objects, self.table_objects);
        self.tabled >= 2 && arrays >= 2 && tables >= arrays - arrays / 2 && tables <= arrays * 3 / 2
    }
}

/// Objects of maps beside their arrays.
fn is_companion(ladder: &Ladder, bytes: u64) -> bool {
    let is_power = bytes.is_power_of_two() && bytes >= 8;
    match ladder.candidate.is_classic {
        true => {
            // Where the collector skips buckets, those that overflow are on lists.
            let is_list =
                ladder.is_noscan && (is_power && bytes <= 2048 || bytes.is_multiple_of(128));
            bytes == HEADER || bytes == EXTRA || is_list && bytes <= 65536
        }
        false => bytes == HEADER || bytes == TABLE || is_power,
    }
}

fn ladder(release: &NamedRelease, group: u64, is_noscan: bool) -> Ladder {
    let is_classic = release.design() == MapDesign::Classic;
    let last = if is_classic { LARGEST_CLASSIC_LOG2 } else { LARGEST_TABLE_LOG2 };
    let arrays = (0..=last).map(|log2| {
        let mut count = 1_u64 << log2;
        if is_classic && log2 >= CARRYING_LOG2 {
            count += count >> CARRYING_LOG2;
        }
        release.release().sizes().slot_size(group.saturating_mul(count), is_noscan)
    });
    Ladder { candidate: SizeCandidate { is_classic, group }, is_noscan, arrays: arrays.collect() }
}

/// Sizes of the arrays of a slice to which elements are appended one by one (`nextslicecap`).
fn slice_series(release: &NamedRelease, elem: u64) -> Vec<u64> {
    let sizes = release.release().sizes();
    let mut series = Vec::new();
    for is_noscan in [true, false] {
        let mut capacity = 0_u64;
        while capacity.saturating_mul(elem) < 1 << 32 && series.len() < 400 {
            let wanted = match capacity {
                0 => 1,
                small if small < 256 => 2 * small,
                large => large + (large + 3 * 256) / 4,
            };
            let slot = sizes.slot_size(wanted * elem, is_noscan);
            series.push(slot);
            capacity = (slot / elem).max(wanted);
        }
    }
    series.sort_unstable();
    series.dedup();
    series
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(list: &[(u64, i64)]) -> Vec<Size> {
        list.iter().map(|&(bytes, objects)| Size { bytes, objects }).collect()
    }

    /// What `map[int]int` allocated while it grew to 4,000 entries.
    const SWISS: [(u64, i64); 10] = [
        (16, 1),
        (32, 22),
        (64, 1),
        (144, 1),
        (288, 1),
        (576, 1),
        (1152, 1),
        (2304, 1),
        (4864, 1),
        (18432, 15),
    ];
    const CLASSIC: [(u64, i64); 12] = [
        (24, 1),
        (208, 117),
        (416, 1),
        (896, 1),
        (1792, 1),
        (4096, 1),
        (8192, 1),
        (14336, 1),
        (28672, 1),
        (57344, 1),
        (114_688, 1),
        (229376, 1),
    ];

    #[test]
    fn a_series_with_its_companions_is_likely_a_map() {
        let rules = SizeRules::new(None).unwrap();
        let found = rules.guess(&sizes(&SWISS));
        let SizeVerdict::Likely(candidate) = found else { panic!("{found:?}") };
        assert_eq!(candidate, SizeCandidate { is_classic: false, group: 136 });
        let found = rules.guess(&sizes(&CLASSIC));
        let SizeVerdict::Likely(candidate) = found else { panic!("{found:?}") };
        assert!(candidate.is_classic && (200..=208).contains(&candidate.group), "{candidate:?}");
    }

    #[test]
    fn arrays_that_double_without_companions_are_no_more_than_possible() {
        let rules = SizeRules::new(None).unwrap();
        let doubling: Vec<_> = (0..8).map(|log2| (144 << log2, 1)).collect();
        assert!(!matches!(rules.guess(&sizes(&doubling)), SizeVerdict::Likely(_)));
        let appended =
            [8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 6912, 10240].map(|size| (size, 1));
        assert!(!matches!(rules.guess(&sizes(&appended)), SizeVerdict::Likely(_)));
        assert_eq!(rules.guess(&sizes(&[(48, 1000)])), SizeVerdict::No);
        assert_eq!(rules.guess(&[]), SizeVerdict::No);
    }

    #[test]
    fn a_type_explains_its_arrays_and_cells_and_nothing_else() {
        let rules = SizeRules::new(Some("1.27")).unwrap();
        let ty = |text: &str| {
            tophash_gomap::parse_map_type(text, &tophash_gomap::StandardTypes::of(27)).unwrap()
        };
        let release = &rules.releases()[0];
        assert!(rules.fit(release, &ty("map[int]int"), false, &sizes(&SWISS)).is_some());
        assert!(rules.fit(release, &ty("map[string]*int"), false, &sizes(&SWISS)).is_none());
        let cells = sizes(&[(320, 500), (8, 1), (32, 7), (144, 1), (9472, 1), (18432, 1)]);
        assert!(rules.fit(release, &ty("map[int][20]string"), false, &cells).is_some());
        assert!(rules.fit(release, &ty("map[int][20]string"), false, &sizes(&[(64, 9)])).is_none());
    }
}
