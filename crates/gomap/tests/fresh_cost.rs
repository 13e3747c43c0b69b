//! What a fresh map costs, against what real Go took for it.
//!
//! The figures are means over many maps made by `make(map[K]V, n)` and filled with `n` random keys:
//! the growth of `HeapAlloc` over a collection, for each map. Backing memory of strings is not in
//! them.

use tophash_gomap::{MapLayout, MapShape, fresh_cost};
use tophash_goruntime::{GoVersion, LayoutTable};

/// Release, entries, and bytes of a `map[int64]int64`, a `map[string]int` and a
/// `map[int64][129]byte`.
const MEASURED: [(&str, u64, [u64; 3]); 39] = [
    ("go1.27.3", 0, [48, 48, 48]),
    ("go1.27.3", 1, [192, 256, 336]),
    ("go1.27.3", 8, [192, 256, 1_344]),
    ("go1.27.3", 9, [376, 504, 1_672]),
    ("go1.27.3", 14, [376, 504, 2_392]),
    ("go1.27.3", 29, [1_240, 1_880, 5_416]),
    ("go1.27.3", 105, [2_392, 3_544, 17_512]),
    ("go1.27.3", 224, [4_952, 6_616, 37_208]),
    ("go1.27.3", 832, [18_520, 27_352, 138_328]),
    ("go1.27.3", 897, [28_032, 40_960, 157_200]),
    ("go1.27.3", 1_792, [54_560, 81_356, 312_940]),
    ("go1.27.3", 1_793, [56_458, 82_486, 314_128]),
    ("go1.27.3", 10_000, [295_600, 436_912, 1_735_600]),
    ("go1.27.3", 100_000, [2_364_592, 3_495_088, 16_764_592]),
    ("go1.27.3", 1_000_000, [37_832_752, 55_920_688, 181_832_752]),
    ("go1.23.9", 0, [48, 48, 48]),
    ("go1.23.9", 1, [192, 256, 336]),
    ("go1.23.9", 8, [192, 256, 1_344]),
    ("go1.23.9", 9, [336, 465, 1_633]),
    ("go1.23.9", 13, [388, 518, 2_246]),
    ("go1.23.9", 14, [626, 945, 2_705]),
    ("go1.23.9", 52, [1_476, 2_168, 9_041]),
    ("go1.23.9", 105, [5_454, 8_264, 20_568]),
    ("go1.23.9", 224, [10_328, 14_408, 42_568]),
    ("go1.23.9", 832, [22_685, 32_440, 142_213]),
    ("go1.23.9", 1_792, [82_070, 114_760, 340_040]),
    ("go1.23.9", 10_000, [320_736, 458_824, 1_759_560]),
    ("go1.23.9", 100_000, [2_773_524, 3_965_852, 17_146_476]),
    ("go1.23.9", 1_000_000, [40_157_280, 57_933_896, 184_108_104]),
    ("go1.21.13", 13, [625, 945, 2_496]),
    ("go1.21.13", 14, [626, 945, 2_641]),
    ("go1.21.13", 832, [41_064, 57_416, 160_840]),
    ("go1.21.13", 10_000, [320_915, 458_824, 1_759_560]),
    ("go1.21.13", 100_000, [5_015_648, 7_241_800, 19_413_576]),
    ("go1.21.13", 1_000_000, [40_149_088, 57_933_896, 184_108_104]),
    ("go1.19", 13, [388, 519, 2_248]),
    ("go1.19", 832, [22_646, 32_406, 142_146]),
    ("go1.19", 100_000, [2_774_628, 3_964_344, 17_151_228]),
    ("go1.19", 1_000_000, [40_149_088, 57_933_896, 184_108_104]),
];

struct Release {
    table: LayoutTable,
    layout: MapLayout,
    has_malloc_headers: bool,
}

impl Release {
    fn new(version: &str) -> Self {
        let version = GoVersion::parse(version).expect("a version");
        let table = LayoutTable::for_version(&version).expect("a table");
        let layout = MapLayout::new(&table, &version).expect("a complete table");
        Self { table, layout, has_malloc_headers: version.minor() >= 22 }
    }

    /// What `mallocgc` takes: a size class, or whole pages (`runtime/msize.go`). From Go 1.22 an
    /// object of more than 512 bytes with pointers has a header of a word.
    fn slot_size(&self, size: u64, is_noscan: bool) -> u64 {
        let header = if self.has_malloc_headers && !is_noscan && size > 512 { 8 } else { 0 };
        let classes = self.table.size_classes();
        match classes.iter().find(|class| u64::from(**class) >= size + header) {
            Some(class) => u64::from(*class),
            None => size.next_multiple_of(8192),
        }
    }

    fn fresh_cost(&self, shape: &MapShape, n: u64) -> u64 {
        fresh_cost(&self.layout, shape, n, &|size, is_noscan| self.slot_size(size, is_noscan))
    }

    /// The three map types, as the compiler lays them out.
    fn shapes(&self) -> [MapShape; 3] {
        let shape = |key: u64, elem: u64, is_noscan: bool| {
            let elem_in_slot = if elem > 128 { 8 } else { elem };
            // A classic bucket ends with a pointer; then all keys lie before all elems.
            let (link, key_stride, elem_stride, elems_offset) = match self.layout.is_classic() {
                true => (8, key, elem_in_slot, 8 + 8 * key),
                false => (0, key + elem_in_slot, key + elem_in_slot, 8 + key),
            };
            MapShape {
                group_size: 8 + 8 * (key + elem_in_slot) + link,
                key_size: key,
                elem_size: elem,
                keys_offset: 8,
                key_stride,
                elems_offset,
                elem_stride,
                indirect_key: false,
                indirect_elem: elem > 128,
                key_is_noscan: key == 8,
                elem_is_noscan: true,
                is_noscan,
            }
        };
        [shape(8, 8, true), shape(16, 8, false), shape(8, 129, false)]
    }
}

#[test]
fn fresh_maps_cost_what_go_takes() {
    let mut faults = Vec::new();
    for (version, n, measured) in MEASURED {
        let release = Release::new(version);
        for (index, (shape, measured)) in release.shapes().iter().zip(measured).enumerate() {
            let computed = release.fresh_cost(shape, n);
            // Overflow buckets and split tables are matters of chance, of which the mean is
            // computed; of two to four tables each one weighs much.
            let allowed = match release.layout.is_classic() {
                true if n <= 8 => 0,
                true => measured / 100,
                false if n <= 896 => 0,
                false => measured / 50,
            };
            if computed.abs_diff(measured) > allowed {
                let off = computed as f64 / measured as f64 - 1.0;
                faults.push(format!(
                    "{version}, type {index}, {n} entries: {computed}, measured {measured}: {:+.2} %",
                    100.0 * off
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
