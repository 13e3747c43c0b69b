//! Swiss maps (`internal/runtime/maps`), drawn in every state that the runtime leaves them in, and
//! in some that it does not.

mod drawing;

use drawing::{Drawing, HEADER, layout, structure};
use proptest::prelude::*;
use tophash_gomap::{Growth, MapLayout, MapReading, MapShape, NotAMap, SwissLayout};
use tophash_memory::{Address, ByteSize};

const DIRECTORY: u64 = 0x2000;
const TABLES: u64 = 0x3000;
const GROUPS: u64 = 0x10_0000;
/// Bytes of a group of `map[uint64]uint64`: the control word and eight slots.
const SIZE: u64 = 8 + 8 * 16;

const E: u8 = 0x80; // empty
const D: u8 = 0xfe; // deleted
const EMPTY: [u8; 8] = [E; 8];
const THREE: [u8; 8] = [0x11, E, 0x7f, E, E, 0, E, E];
const SEVEN: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, E];

fn pieces() -> (MapLayout, SwissLayout) {
    let layout = layout("go1.27.3");
    let MapLayout::Swiss(swiss) = layout.clone() else { panic!("Go 1.27's maps are Swiss") };
    (layout, swiss)
}

/// Key and elem side by side, as in Go 1.24 to 1.26.
fn shape() -> MapShape {
    MapShape {
        group_size: SIZE,
        key_size: 8,
        elem_size: 8,
        keys_offset: 8,
        key_stride: 16,
        elems_offset: 16,
        elem_stride: 16,
        indirect_key: false,
        indirect_elem: false,
        key_is_noscan: true,
        elem_is_noscan: true,
        is_noscan: true,
    }
}

#[derive(Default)]
struct Map {
    used: u64,
    directory: u64,
    directory_len: u64,
    depth: u64,
    writing: u64,
}

impl Map {
    fn of_directory(used: u64, depth: u64) -> Self {
        Self { used, directory: DIRECTORY, directory_len: 1 << depth, depth, writing: 0 }
    }

    fn bytes(&self) -> Vec<u8> {
        let (_, f) = pieces();
        let shift = if self.directory_len == 0 { 0 } else { 64 - self.depth };
        structure(
            f.size,
            &[
                (f.used, self.used),
                (f.directory, self.directory),
                (f.directory_len, self.directory_len),
                (f.global_depth, self.depth),
                (f.global_shift, shift),
                (f.writing, self.writing),
            ],
        )
    }
}

/// A table's fields, made to fit the groups; tests change one of them.
#[derive(Clone)]
struct Table {
    used: u64,
    capacity: u64,
    growth_left: u64,
    depth: u64,
    index: u64,
    groups: Vec<[u8; 8]>,
}

impl Table {
    fn new(depth: u64, index: u64, groups: &[[u8; 8]]) -> Self {
        let count = |is: fn(u8) -> bool| groups.iter().flatten().filter(|b| is(**b)).count() as u64;
        let (used, deleted) = (count(|byte| byte < 0x80), count(|byte| byte == D));
        let capacity = 8 * groups.len() as u64;
        let most = if capacity == 8 { 7 } else { capacity / 8 * 7 };
        let growth_left = most - used - deleted;
        Self { used, capacity, growth_left, depth, index, groups: groups.to_vec() }
    }

    /// Draws the table and its groups; returns its address.
    fn draw(&self, drawing: &mut Drawing, number: u64) -> u64 {
        let (at, groups) = (TABLES + 0x100 * number, GROUPS + 0x1_0000 * number);
        let (_, f) = pieces();
        drawing.object(
            at,
            &structure(
                f.table_size,
                &[
                    (f.table_used, self.used),
                    (f.table_capacity, self.capacity),
                    (f.table_growth_left, self.growth_left),
                    (f.table_local_depth, self.depth),
                    (f.table_index, self.index),
                    (f.table_groups, groups),
                    (f.table_length_mask, (self.groups.len() as u64).wrapping_sub(1)),
                ],
            ),
        );
        let bytes: Vec<u8> = self.groups.iter().flat_map(|control| group(*control)).collect();
        drawing.object(groups, &bytes);
        at
    }
}

fn group(control: [u8; 8]) -> Vec<u8> {
    let mut bytes = control.to_vec();
    bytes.resize(SIZE as usize, 0);
    bytes
}

/// A map of one table.
fn one_table(table: &Table) -> Drawing {
    let mut drawing = Drawing::default();
    drawing.object(HEADER, &Map::of_directory(table.used, 0).bytes());
    let at = table.draw(&mut drawing, 0);
    drawing.words(DIRECTORY, &[at]);
    drawing
}

/// A map of several tables, each with the directory entries that lead to it.
fn directory(map: &Map, tables: &[(&Table, usize)]) -> Drawing {
    let mut drawing = Drawing::default();
    drawing.object(HEADER, &map.bytes());
    let mut entries = Vec::new();
    for (number, (table, run)) in tables.iter().enumerate() {
        let at = table.draw(&mut drawing, number as u64);
        entries.extend(std::iter::repeat_n(at, *run));
    }
    drawing.words(DIRECTORY, &entries);
    drawing
}

fn small(map: &Map, control: [u8; 8]) -> Drawing {
    let mut drawing = Drawing::default();
    drawing.object(HEADER, &map.bytes()).object(GROUPS, &group(control));
    drawing
}

fn read(drawing: &Drawing) -> Result<MapReading, NotAMap> {
    drawing.read(&pieces().0, &shape())
}

fn bad_field(drawing: &Drawing) -> &'static str {
    match read(drawing) {
        Err(NotAMap::BadTable { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_map_never_written_to_is_its_header() {
    let mut drawing = Drawing::default();
    drawing.object(HEADER, &Map::default().bytes());
    let reading = read(&drawing).unwrap();
    assert_eq!((reading.entries, reading.slots, reading.own), (0, 0, ByteSize::new(48)));
}

#[test]
fn a_small_map_is_one_group() {
    let map = Map { used: 3, directory: GROUPS, ..Map::default() };
    let reading = read(&small(&map, THREE)).unwrap();
    assert_eq!((reading.entries, reading.slots, reading.tables), (3, 8, 0));
    assert_eq!(reading.own, ByteSize::new(48 + SIZE));
    assert_eq!(reading.growth, Growth::None);
    // All eight slots may be full.
    let map = Map { used: 8, directory: GROUPS, ..Map::default() };
    assert_eq!(read(&small(&map, [0x7f; 8])).unwrap().entries, 8);
}

#[test]
fn a_small_map_on_a_stack_costs_the_heap_nothing() {
    let map = Map { used: 3, directory: GROUPS, ..Map::default() };
    let mut drawing = Drawing::default();
    drawing.stack(HEADER, &map.bytes()).stack(GROUPS, &group(THREE));
    assert_eq!(read(&drawing).unwrap().own, ByteSize::ZERO);
}

#[test]
fn a_small_map_caught_in_a_write_is_approximate() {
    let map = Map { used: 2, directory: GROUPS, writing: 1, ..Map::default() };
    let reading = read(&small(&map, THREE)).unwrap();
    assert_eq!((reading.entries, reading.is_approximate), (3, true));
}

#[test]
fn a_small_map_has_no_tombstones() {
    let map = Map { used: 3, directory: GROUPS, ..Map::default() };
    let refused = read(&small(&map, [1, 2, 3, D, E, E, E, E]));
    assert!(matches!(refused, Err(NotAMap::BadControl { .. })));
}

#[test]
fn another_count_than_the_header_s_is_refused() {
    let map = Map { used: 4, directory: GROUPS, ..Map::default() };
    let refused = read(&small(&map, THREE));
    assert_eq!(refused, Err(NotAMap::WrongCount { header: 4, counted: 3 }));
}

#[test]
fn a_table_is_counted_with_its_tombstones() {
    let table = Table::new(0, 0, &[SEVEN, THREE, [D, D, 9, E, E, E, E, E], EMPTY]);
    let reading = read(&one_table(&table)).unwrap();
    assert_eq!((reading.entries, reading.tombstones), (11, 2));
    assert_eq!((reading.slots, reading.tables), (32, 1));
    assert_eq!(
        reading.own,
        ByteSize::new(48 + 8 + 32 + 4 * SIZE),
        "header, directory, table, groups"
    );
}

#[test]
fn a_table_of_one_group_keeps_one_slot_empty() {
    let table = Table::new(0, 0, &[SEVEN]);
    assert_eq!(table.growth_left, 0);
    assert_eq!(read(&one_table(&table)).unwrap().entries, 7);
}

#[test]
fn a_table_that_split_less_often_fills_a_run_of_the_directory() {
    let half = Table::new(1, 0, &[SEVEN, THREE]);
    let (third, fourth) = (Table::new(2, 2, &[THREE, EMPTY]), Table::new(2, 3, &[SEVEN, EMPTY]));
    let map = Map::of_directory(10 + 3 + 7, 2);
    let drawing = directory(&map, &[(&half, 2), (&third, 1), (&fourth, 1)]);
    let reading = read(&drawing).unwrap();
    assert_eq!((reading.entries, reading.tables, reading.slots), (20, 3, 48));
    assert_eq!(reading.own, ByteSize::new(48 + 32 + 3 * (32 + 2 * SIZE)));
    assert_eq!(drawing.entries(&pieces().0, &shape(), None).len(), 20);
}

#[test]
fn runs_that_do_not_fit_a_table_s_depth_are_refused() {
    let [a, b] = [0, 2].map(|index| Table::new(1, index, &[SEVEN, THREE]));
    let map = Map::of_directory(20, 2);
    assert!(read(&directory(&map, &[(&a, 2), (&b, 2)])).is_ok());
    // Three entries lead to the first table, one to the second.
    assert_eq!(bad_field(&directory(&map, &[(&a, 3), (&b, 1)])), "index");
    // The first run is a short one.
    let late = Table { index: 1, ..b.clone() };
    assert_eq!(bad_field(&directory(&map, &[(&a, 1), (&late, 3)])), "localDepth");
    // Deeper than the directory.
    let deep = Table { depth: 3, ..a };
    assert_eq!(bad_field(&directory(&map, &[(&deep, 2), (&b, 2)])), "localDepth");
}

#[test]
fn a_table_whose_fields_disagree_with_its_groups_is_refused() {
    let table = Table::new(0, 0, &[SEVEN, THREE]);
    for (field, bad) in [
        ("used", Table { used: 9, ..table.clone() }),
        ("growthLeft", Table { growth_left: table.growth_left + 1, ..table.clone() }),
        ("growthLeft", Table { growth_left: 0, ..table.clone() }),
        ("capacity", Table { capacity: 8, ..table.clone() }),
        ("capacity", Table { capacity: 17, ..table.clone() }),
        ("index", Table { index: 1, ..table.clone() }),
        ("localDepth", Table { depth: 1, ..table.clone() }),
    ] {
        assert_eq!(bad_field(&one_table(&bad)), field);
    }
}

#[test]
fn tables_larger_than_the_runtime_makes_are_refused() {
    let table = Table::new(0, 0, &vec![EMPTY; 128]);
    assert_eq!(read(&one_table(&table)).unwrap().slots, 1024);
    let table = Table::new(0, 0, &vec![EMPTY; 256]);
    assert_eq!(bad_field(&one_table(&table)), "capacity");
}

#[test]
fn a_table_caught_in_a_write_is_approximate() {
    let table = Table { used: 11, growth_left: 3, ..Table::new(0, 0, &[SEVEN, THREE]) };
    let map = Map { writing: 1, ..Map::of_directory(11, 0) };
    let reading = read(&directory(&map, &[(&table, 1)])).unwrap();
    assert_eq!((reading.entries, reading.is_approximate), (10, true));
}

#[test]
fn a_directory_larger_than_its_object_is_refused() {
    let table = Table::new(2, 0, &[SEVEN, THREE]);
    let refused = read(&directory(&Map::of_directory(10, 2), &[(&table, 1)]));
    let at = Address::new(DIRECTORY);
    assert_eq!(refused, Err(NotAMap::NoArray { at, units: 4, size: 8 }));
}

#[test]
fn group_sizes_that_no_map_has_are_refused() {
    let in_table = one_table(&Table::new(0, 0, &[SEVEN]));
    let in_group = small(&Map { used: 3, directory: GROUPS, ..Map::default() }, THREE);
    for group_size in [0, 1, 7, u64::MAX, u64::MAX / 8] {
        let shape = MapShape { group_size, ..shape() };
        for drawing in [&in_table, &in_group] {
            assert!(drawing.read(&pieces().0, &shape).is_err(), "{group_size:#x}");
        }
    }
}

#[test]
fn cells_of_indirect_elems_are_counted() {
    let shape = MapShape { indirect_elem: true, elem_size: 129, is_noscan: false, ..shape() };
    let mut bytes = group(THREE);
    let mut drawing = Drawing::default();
    for slot in [0_u64, 2, 5] {
        let cell = 0x8_0000 + 0x1000 * slot;
        bytes[(16 + 16 * slot) as usize..][..8].copy_from_slice(&cell.to_le_bytes());
        drawing.object_in_slot(cell, &[3; 129], 144);
    }
    let map = Map { used: 3, directory: GROUPS, ..Map::default() };
    drawing.object(HEADER, &map.bytes()).object(GROUPS, &bytes);
    let reading = drawing.read(&pieces().0, &shape).unwrap();
    assert_eq!(reading.own, ByteSize::new(48 + SIZE + 3 * 144));
}

#[test]
fn entries_are_found_side_by_side_and_in_split_groups() {
    let map = Map { used: 3, directory: GROUPS, ..Map::default() };
    let drawing = small(&map, THREE);
    // Under `GOEXPERIMENT=mapsplitgroup` all keys of a group lie before all elems.
    let split = MapShape { key_stride: 8, elems_offset: 8 + 64, elem_stride: 8, ..shape() };
    let places = |shape: &MapShape| -> Vec<(u64, u64)> {
        let entries = drawing.entries(&pieces().0, shape, None);
        entries.iter().map(|e| (e.key.get() - GROUPS, e.elem.get() - GROUPS)).collect()
    };
    assert_eq!(places(&shape()), [(8, 16), (40, 48), (88, 96)]);
    assert_eq!(places(&split), [(8, 72), (24, 88), (48, 112)]);
    let entry = drawing.entries(&pieces().0, &shape(), None)[1];
    assert_eq!((entry.hash_byte, entry.bucket), (0x7f, None));
}

#[test]
fn a_sample_looks_at_groups_of_every_table() {
    let tables: Vec<Table> = (0..4).map(|index| Table::new(2, index, &[THREE; 16])).collect();
    let map = Map::of_directory(4 * 48, 2);
    let drawing = directory(&map, &tables.iter().map(|table| (table, 1)).collect::<Vec<_>>());
    let sample = drawing.entries(&pieces().0, &shape(), Some(8));
    assert_eq!(sample.len(), 8 * 3);
    for number in 0..4 {
        let groups = GROUPS + 0x1_0000 * number..GROUPS + 0x1_0000 * (number + 1);
        assert!(sample.iter().any(|entry| groups.contains(&entry.key.get())), "{number}");
    }
}

#[test]
fn every_release_s_header_is_read() {
    for version in ["go1.24.11", "go1.25.5", "go1.26.6", "go1.27.3", "go1.27.3 X:mapsplitgroup"] {
        let layout = layout(version);
        let MapLayout::Swiss(f) = &layout else { panic!("{version}") };
        let header = structure(f.size, &[(f.used, 3), (f.directory, GROUPS)]);
        let mut drawing = Drawing::default();
        drawing.object(HEADER, &header).object(GROUPS, &group(THREE));
        assert_eq!(drawing.read(&layout, &shape()).unwrap().entries, 3, "{version}");
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_read_and_soon(
        header in prop::collection::vec(any::<u8>(), 48),
        used in 0..64_u64,
        directory in prop::sample::select(vec![DIRECTORY, GROUPS, 0, u64::MAX]),
        depth in prop_oneof![0..4_u64, any::<u64>()],
        writing in 0..3_u64,
        random_header in any::<bool>(),
        table in prop::collection::vec(any::<u8>(), 32),
        mask in prop_oneof![0..8_u64, any::<u64>()],
        capacity in prop_oneof![Just(8_u64), Just(16), Just(32), any::<u64>()],
        controls in prop::collection::vec(
            prop_oneof![Just(E), Just(D), any::<u8>()], 8 * SIZE as usize),
        group_size in prop_oneof![3 => Just(SIZE), 1 => 0..400_u64, 1 => any::<u64>()],
        offset in prop_oneof![Just(8_u64), any::<u64>()],
        is_indirect in any::<bool>(),
    ) {
        let (layout, f) = pieces();
        let len = if depth == 0 { 0 } else { 1_u64.checked_shl(depth as u32).unwrap_or(0) };
        let map = Map { used, directory, directory_len: len, depth: depth % 65, writing };
        let mut drawing = Drawing::default();
        drawing.object(HEADER, &if random_header { header } else { map.bytes() });
        let mut table = table;
        table[f.table_length_mask.offset as usize..][..8].copy_from_slice(&mask.to_le_bytes());
        table[f.table_groups.offset as usize..][..8].copy_from_slice(&GROUPS.to_le_bytes());
        table[f.table_capacity.offset as usize..][..2]
            .copy_from_slice(&capacity.to_le_bytes()[..2]);
        drawing.words(DIRECTORY, &[TABLES; 8]).object(TABLES, &table).object(GROUPS, &controls);
        let shape = MapShape {
            group_size, keys_offset: offset, elem_stride: offset, indirect_key: is_indirect, ..shape()
        };
        let _ = drawing.read(&layout, &shape);
        if let Ok(header) = tophash_gomap::read_header(&drawing.memory, &layout, Address::new(HEADER)) {
            let seen = tophash_gomap::entries(&drawing.memory, &layout, &shape, &header)
                .sampled(64).count();
            prop_assert!(seen < 10_000_000);
        }
    }
}
