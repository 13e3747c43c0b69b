//! Classic maps (`runtime/map.go`), drawn in every state that the runtime leaves them in, and in
//! some that it does not.

mod drawing;

use std::time::{Duration, Instant};

use drawing::{Drawing, HEADER, layout, structure};
use proptest::prelude::*;
use tophash_gomap::{ClassicLayout, Growth, MapLayout, MapShape, NotAMap};
use tophash_memory::{Address, ByteSize};

const BUCKETS: u64 = 0x10_0000;
const OLD: u64 = 0x20_0000;
const OVERFLOW: u64 = 0x30_0000;
const EXTRA: u64 = 0x40_0000;
/// Bytes of a bucket of `map[uint64]*T`: eight tophashes, keys, elems, and the link.
const SIZE: u64 = 8 + 64 + 64 + 8;
const HASH_WRITING: u64 = 4;
const SAME_SIZE_GROW: u64 = 8;

const FULL: [u8; 8] = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
const EMPTY: [u8; 8] = [0; 8];
/// Three entries, a deleted one among them, and nothing behind.
const THREE: [u8; 8] = [0x80, 1, 0x81, 0x82, 0, 0, 0, 0];
/// Moved to the first half (2), to the second (3), or empty when it moved (4).
const MOVED: [u8; 8] = [2, 3, 4, 4, 4, 4, 4, 4];

fn shape() -> MapShape {
    MapShape {
        group_size: SIZE,
        key_size: 8,
        elem_size: 8,
        keys_offset: 8,
        key_stride: 8,
        elems_offset: 72,
        elem_stride: 8,
        indirect_key: false,
        indirect_elem: false,
        key_is_noscan: true,
        elem_is_noscan: false,
        is_noscan: false,
    }
}

fn pieces() -> (MapLayout, ClassicLayout) {
    let layout = layout("go1.23.9");
    let MapLayout::Classic(classic) = layout.clone() else { panic!("Go 1.23's maps are classic") };
    (layout, classic)
}

#[derive(Default)]
struct Hmap {
    count: u64,
    flags: u64,
    log2: u64,
    buckets: u64,
    old: u64,
    extra: u64,
}

impl Hmap {
    fn bytes(&self) -> Vec<u8> {
        let (_, f) = pieces();
        structure(
            f.size,
            &[
                (f.count, self.count),
                (f.flags, self.flags),
                (f.log2, self.log2),
                (f.buckets, self.buckets),
                (f.old_buckets, self.old),
                (f.extra, self.extra),
            ],
        )
    }
}

fn bucket(tophash: [u8; 8], next: u64) -> Vec<u8> {
    let mut bytes = tophash.to_vec();
    for slot in 0..16_u64 {
        bytes.extend((0x100 + slot).to_le_bytes());
    }
    bytes.extend(next.to_le_bytes());
    assert_eq!(bytes.len() as u64, SIZE);
    bytes
}

fn draw(header: &Hmap, buckets: &[Vec<u8>]) -> Drawing {
    let mut drawing = Drawing::default();
    drawing.object(HEADER, &header.bytes());
    if !buckets.is_empty() {
        drawing.object(BUCKETS, &buckets.concat());
    }
    drawing
}

fn read(drawing: &Drawing) -> Result<tophash_gomap::MapReading, NotAMap> {
    drawing.read(&pieces().0, &shape())
}

#[test]
fn a_map_never_written_to_is_its_header() {
    let reading = read(&draw(&Hmap::default(), &[])).unwrap();
    assert_eq!((reading.entries, reading.slots), (0, 0));
    assert_eq!(reading.own, ByteSize::new(48));
}

#[test]
fn a_single_bucket_is_counted() {
    let header = Hmap { count: 3, buckets: BUCKETS, ..Hmap::default() };
    let reading = read(&draw(&header, &[bucket(THREE, 0)])).unwrap();
    assert_eq!((reading.entries, reading.slots, reading.tombstones), (3, 8, 1));
    assert_eq!(reading.own, ByteSize::new(48 + SIZE));
}

#[test]
fn header_and_bucket_on_a_stack_cost_the_heap_nothing() {
    let header = Hmap { count: 3, buckets: BUCKETS, ..Hmap::default() };
    let mut drawing = Drawing::default();
    drawing.stack(HEADER, &header.bytes()).stack(BUCKETS, &bucket(THREE, 0));
    let reading = read(&drawing).unwrap();
    assert_eq!((reading.entries, reading.own), (3, ByteSize::ZERO));
}

#[test]
fn arrays_of_every_power_of_two_are_counted() {
    for log2 in 0..12 {
        let units = 1 << log2;
        let buckets: Vec<_> =
            (0..units).map(|i| bucket(if i % 2 == 0 { THREE } else { EMPTY }, 0)).collect();
        let count = 3 * (units as u64).div_ceil(2);
        let header = Hmap { count, log2, buckets: BUCKETS, ..Hmap::default() };
        let reading = read(&draw(&header, &buckets)).unwrap();
        assert_eq!((reading.entries, reading.slots), (count, 8 * units as u64));
        assert_eq!(reading.own, ByteSize::new(48 + SIZE * units as u64));
    }
}

#[test]
fn overflow_buckets_are_objects_of_their_own() {
    let header = Hmap { count: 19, buckets: BUCKETS, ..Hmap::default() };
    let mut drawing = draw(&header, &[bucket(FULL, OVERFLOW)]);
    drawing
        .object(OVERFLOW, &bucket(FULL, OVERFLOW + 0x1000))
        .object(OVERFLOW + 0x1000, &bucket(THREE, 0));
    let reading = read(&drawing).unwrap();
    assert_eq!((reading.entries, reading.slots, reading.overflow_buckets), (19, 24, 2));
    assert_eq!(reading.own, ByteSize::new(48 + 3 * SIZE));
}

#[test]
fn overflow_buckets_in_the_array_s_tail_are_paid_for_with_it() {
    // Sixteen buckets and one to spare; its own link to the first bucket marks the last spare.
    let tail = BUCKETS + 16 * SIZE;
    let mut buckets = vec![bucket(EMPTY, 0); 17];
    buckets[5] = bucket(FULL, tail);
    buckets[16] = bucket(THREE, 0);
    let header = Hmap { count: 11, log2: 4, buckets: BUCKETS, ..Hmap::default() };
    let reading = read(&draw(&header, &buckets)).unwrap();
    assert_eq!((reading.entries, reading.overflow_buckets), (11, 1));
    assert_eq!((reading.slots, reading.own), (8 * 17, ByteSize::new(48 + 17 * SIZE)));
}

#[test]
fn a_map_that_doubles_holds_new_buckets_and_old_ones_that_stay() {
    let new = [bucket(THREE, 0), bucket(EMPTY, 0), bucket(THREE, 0), bucket(EMPTY, 0)];
    let header = Hmap { count: 6 + 11, log2: 2, buckets: BUCKETS, old: OLD, ..Hmap::default() };
    let mut drawing = draw(&header, &new);
    drawing
        .object(OLD, &[bucket(MOVED, 0), bucket(FULL, OVERFLOW)].concat())
        .object(OVERFLOW, &bucket(THREE, 0));
    let reading = read(&drawing).unwrap();
    assert_eq!(reading.entries, 17);
    assert_eq!(reading.growth, Growth::Doubling { evacuated: 1, of: 2 });
    assert_eq!(reading.own, ByteSize::new(48 + (4 + 2 + 1) * SIZE));
    // Slots and overflow are those of the array that will stay.
    assert_eq!((reading.slots, reading.overflow_buckets), (32, 0));
    assert_eq!(drawing.entries(&pieces().0, &shape(), None).len(), 17);
}

#[test]
fn a_map_that_grows_at_its_size_has_as_many_old_buckets() {
    let header = Hmap {
        count: 6,
        log2: 1,
        flags: SAME_SIZE_GROW,
        buckets: BUCKETS,
        old: OLD,
        ..Hmap::default()
    };
    let mut drawing = draw(&header, &[bucket(EMPTY, 0), bucket(THREE, 0)]);
    drawing.object(OLD, &[bucket(THREE, 0), bucket(MOVED, 0)].concat());
    let reading = read(&drawing).unwrap();
    assert_eq!(reading.growth, Growth::SameSize { evacuated: 1, of: 2 });
    assert_eq!(reading.entries, 6);
}

#[test]
fn cells_of_indirect_keys_and_elems_are_counted() {
    let shape = MapShape {
        indirect_key: true,
        indirect_elem: true,
        key_size: 200,
        elem_size: 300,
        ..shape()
    };
    let mut bytes = bucket(THREE, 0);
    let mut drawing = Drawing::default();
    for (index, slot) in [0_u64, 2, 3].into_iter().enumerate() {
        let (key, elem) = (OVERFLOW + 0x1000 * index as u64, EXTRA + 0x1000 * index as u64);
        bytes[(8 + 8 * slot) as usize..][..8].copy_from_slice(&key.to_le_bytes());
        bytes[(72 + 8 * slot) as usize..][..8].copy_from_slice(&elem.to_le_bytes());
        drawing.object_in_slot(key, &[1; 200], 208).object_in_slot(elem, &[2; 300], 320);
    }
    let header = Hmap { count: 3, buckets: BUCKETS, ..Hmap::default() };
    drawing.object(HEADER, &header.bytes()).object(BUCKETS, &bytes);
    let reading = drawing.read(&pieces().0, &shape).unwrap();
    assert_eq!(reading.own, ByteSize::new(48 + SIZE + 3 * (208 + 320)));
    let first = drawing.entries(&pieces().0, &shape, None)[0];
    assert_eq!((first.key.get(), first.elem.get()), (OVERFLOW, EXTRA));
}

#[test]
fn lists_of_overflow_buckets_without_pointers_are_counted() {
    let shape = MapShape { is_noscan: true, elem_is_noscan: true, ..shape() };
    let header = Hmap { count: 11, buckets: BUCKETS, extra: EXTRA, ..Hmap::default() };
    let mut drawing = draw(&header, &[bucket(FULL, OVERFLOW)]);
    drawing
        .object(OVERFLOW, &bucket(THREE, 0))
        .words(EXTRA, &[EXTRA + 0x1000, 0, 0]) // overflow, oldoverflow, nextOverflow
        .words(EXTRA + 0x1000, &[EXTRA + 0x2000, 1, 2]) // the slice: array, length, capacity
        .words(EXTRA + 0x2000, &[OVERFLOW, 0]);
    let reading = drawing.read(&pieces().0, &shape).unwrap();
    assert_eq!(reading.own, ByteSize::new(48 + 2 * SIZE + 24 + 24 + 16));
}

#[test]
fn a_map_caught_in_a_write_is_approximate() {
    let header = Hmap { count: 4, flags: HASH_WRITING, buckets: BUCKETS, ..Hmap::default() };
    let reading = read(&draw(&header, &[bucket(THREE, 0)])).unwrap();
    assert!(reading.is_approximate);
    assert_eq!(reading.entries, 3);
}

#[test]
fn another_count_than_the_header_s_is_refused() {
    let header = Hmap { count: 4, buckets: BUCKETS, ..Hmap::default() };
    let refused = read(&draw(&header, &[bucket(THREE, 0)]));
    assert_eq!(refused, Err(NotAMap::WrongCount { header: 4, counted: 3 }));
}

#[test]
fn a_chain_that_runs_in_a_circle_ends_soon() {
    let header = Hmap { count: 8, buckets: BUCKETS, ..Hmap::default() };
    for loops_to in [OVERFLOW, OVERFLOW + 0x1000] {
        let mut drawing = draw(&header, &[bucket(FULL, OVERFLOW)]);
        drawing
            .object(OVERFLOW, &bucket(FULL, OVERFLOW + 0x1000))
            .object(OVERFLOW + 0x1000, &bucket(FULL, loops_to));
        let started = Instant::now();
        assert!(matches!(read(&drawing), Err(NotAMap::BadChain { .. })));
        assert!(drawing.entries(&pieces().0, &shape(), None).len() < 1_000_000);
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

#[test]
fn a_chain_that_many_buckets_share_ends_soon() {
    // Each is short of a bound of its own; together they would take 2^32 steps.
    let next = |index: u64| OVERFLOW + 0x100 * index;
    let header = Hmap { count: 1 << 16, log2: 14, buckets: BUCKETS, ..Hmap::default() };
    let mut drawing = Drawing::default();
    drawing.object(HEADER, &header.bytes());
    drawing.object(0x8000_0000, &bucket(EMPTY, OVERFLOW).repeat(1 << 14));
    let mut header = header.bytes();
    let (layout, classic) = pieces();
    let at = classic.buckets.offset as usize;
    header[at..at + 8].copy_from_slice(&0x8000_0000_u64.to_le_bytes());
    drawing.memory.poke(Address::new(HEADER), &header);
    for index in 0..1 << 10 {
        let link = if index + 1 < 1 << 10 { next(index + 1) } else { 0 };
        drawing.object(next(index), &bucket(EMPTY, link));
    }
    let started = Instant::now();
    assert!(drawing.read(&layout, &shape()).is_err());
    let _ = drawing.entries(&layout, &shape(), None);
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());
}

#[test]
fn links_to_anything_but_a_bucket_are_refused() {
    let header = Hmap { count: 8, buckets: BUCKETS, ..Hmap::default() };
    for target in [0x5000_0000, BUCKETS + 8, OVERFLOW + 16] {
        let mut drawing = draw(&header, &[bucket(FULL, target)]);
        drawing.object(OVERFLOW, &bucket(FULL, 0));
        assert_eq!(
            read(&drawing),
            Err(NotAMap::BadChain { at: Address::new(target) }),
            "{target:#x}"
        );
    }
}

#[test]
fn marks_of_moved_entries_in_the_current_array_are_refused() {
    for mark in 2..=4 {
        let header = Hmap { count: 8, buckets: BUCKETS, ..Hmap::default() };
        let tophash = [9, mark, 9, 9, 9, 9, 9, 9];
        let refused = read(&draw(&header, &[bucket(tophash, 0)]));
        assert!(matches!(refused, Err(NotAMap::BadControl { .. })), "{mark}");
    }
}

#[test]
fn an_array_larger_than_its_object_is_refused() {
    let header = Hmap { log2: 2, buckets: BUCKETS, ..Hmap::default() };
    let refused = read(&draw(&header, &vec![bucket(EMPTY, 0); 3]));
    let (at, units) = (Address::new(BUCKETS), 4);
    assert_eq!(refused, Err(NotAMap::NoArray { at, units, size: SIZE }));
    // As is one that starts inside an object, and several buckets on a stack.
    let header = Hmap { buckets: BUCKETS + SIZE, ..Hmap::default() };
    assert!(read(&draw(&header, &vec![bucket(EMPTY, 0); 3])).is_err());
    let header = Hmap { log2: 1, buckets: BUCKETS, ..Hmap::default() };
    let mut drawing = draw(&header, &[]);
    drawing.stack(BUCKETS, &bucket(EMPTY, 0).repeat(2));
    assert!(read(&drawing).is_err());
}

#[test]
fn a_bucket_size_that_no_map_has_is_refused() {
    let header = Hmap { count: 3, buckets: BUCKETS, ..Hmap::default() };
    let drawing = draw(&header, &[bucket(THREE, 0)]);
    for group_size in [0, 1, 7, 8, u64::MAX, u64::MAX / 8, 1 << 60] {
        let shape = MapShape { group_size, ..shape() };
        assert!(drawing.read(&pieces().0, &shape).is_err(), "{group_size:#x}");
    }
}

#[test]
fn entries_say_where_keys_and_elems_are() {
    let header = Hmap { count: 3, log2: 1, buckets: BUCKETS, ..Hmap::default() };
    let drawing = draw(&header, &[bucket(EMPTY, 0), bucket(THREE, 0)]);
    let entries = drawing.entries(&pieces().0, &shape(), None);
    let at = BUCKETS + SIZE;
    let keys: Vec<u64> = entries.iter().map(|entry| entry.key.get() - at).collect();
    let elems: Vec<u64> = entries.iter().map(|entry| entry.elem.get() - at).collect();
    assert_eq!((keys, elems), (vec![8, 24, 32], vec![72, 88, 96]));
    assert_eq!((entries[0].hash_byte, entries[0].bucket), (0x80, Some(1)));
}

#[test]
fn a_sample_looks_at_about_as_many_buckets_all_over_the_array() {
    let buckets = vec![bucket(THREE, 0); 1 << 10];
    let header = Hmap { count: 3 << 10, log2: 10, buckets: BUCKETS, ..Hmap::default() };
    let drawing = draw(&header, &buckets);
    for (count, seen) in [(0, 3), (1, 3), (16, 3 * 16), (1 << 10, 3 << 10), (1 << 20, 3 << 10)] {
        let entries = drawing.entries(&pieces().0, &shape(), Some(count));
        assert_eq!(entries.len(), seen, "{count}");
        if count == 16 {
            assert!(entries.last().unwrap().bucket > Some(900));
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_are_refused_or_read_and_soon(
        header in prop::collection::vec(any::<u8>(), 48),
        small in any::<bool>(),
        link in prop::sample::select(vec![0, BUCKETS, BUCKETS + SIZE, OLD, OVERFLOW, u64::MAX]),
        array in prop::collection::vec(
            prop_oneof![Just(0_u8), Just(1), 0..6_u8, any::<u8>()], 20 * SIZE as usize),
        group_size in prop_oneof![3 => Just(SIZE), 1 => 0..400_u64, 1 => any::<u64>()],
        offset in prop_oneof![Just(8_u64), any::<u64>()],
        is_indirect in any::<bool>(),
    ) {
        let (layout, f) = pieces();
        let mut header = header;
        if small {
            // Plausible but for the fields that count.
            header[f.flags.offset as usize] &= 15;
            header[f.log2.offset as usize] %= 5;
            header[f.count.offset as usize + 1..][..7].fill(0);
            header[f.buckets.offset as usize..][..8].copy_from_slice(&BUCKETS.to_le_bytes());
            header[f.old_buckets.offset as usize..][..8].copy_from_slice(&OLD.to_le_bytes());
            header[f.extra.offset as usize..][..8].copy_from_slice(&link.to_le_bytes());
        }
        let mut array = array;
        for bucket in array.chunks_exact_mut(SIZE as usize) {
            bucket[SIZE as usize - 8..].copy_from_slice(&link.to_le_bytes());
        }
        let mut drawing = Drawing::default();
        drawing.object(HEADER, &header).object(BUCKETS, &array).object(OLD, &array);
        drawing.object(OVERFLOW, &array[..SIZE as usize]);
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
