//! Running maps behave as maps do, and the readers decode them.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use tophash_gomap::{
    AesHash, BumpHeap, FallbackHash, GoType, Heap, MapReading, MapType, MemoryHash, Release,
    RunningMap, Slot, StructField, entries, read_header, read_map,
};
use tophash_goruntime::{GoVersion, LayoutTable};
use tophash_memory::{Address, ByteSize, MemoryExt};

/// Every release, and both designs of those that have an experiment for it.
fn releases() -> Vec<Release> {
    let experiments = ["go1.24 X:noswissmap", "go1.25 X:noswissmap", "go1.27 X:mapsplitgroup"];
    LayoutTable::releases()
        .chain(experiments.into_iter().filter_map(GoVersion::parse))
        .map(|version| Release::new(&version).unwrap())
        .collect()
}

fn hash() -> MemoryHash {
    MemoryHash::Aes(AesHash::new(&std::array::from_fn(|at| (at * 37 + 11) as u8)).unwrap())
}

fn heap(release: &Release, seed: u64) -> BumpHeap {
    BumpHeap::new(release, ByteSize::new(1 << 34), seed).unwrap().tracking()
}

fn make(release: &Release, heap: &mut BumpHeap, key: GoType, elem: GoType) -> RunningMap {
    let ty = MapType::new(release, key, elem, hash()).unwrap();
    RunningMap::new(Arc::new(ty), heap, 0).unwrap()
}

fn read(heap: &BumpHeap, map: &RunningMap) -> MapReading {
    let layout = map.map_type().release().layout();
    let header = read_header(heap.arena(), layout, map.header()).unwrap();
    read_map(heap.arena(), heap, layout, map.map_type().shape(), &header).unwrap()
}

/// Pairs as a reader sees them, sorted.
fn pairs(heap: &BumpHeap, map: &RunningMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let (layout, shape) = (map.map_type().release().layout(), map.map_type().shape());
    let header = read_header(heap.arena(), layout, map.header()).unwrap();
    let mut all: Vec<_> = entries(heap.arena(), layout, shape, &header)
        .map(|entry| {
            let entry = entry.unwrap();
            pair(heap, map, Slot { key: entry.key, elem: entry.elem })
        })
        .collect();
    all.sort();
    all
}

fn pair(heap: &BumpHeap, map: &RunningMap, slot: Slot) -> (Vec<u8>, Vec<u8>) {
    let shape = map.map_type().shape();
    let bytes = |at, len| match len {
        0 => Vec::new(),
        len => heap.arena().read_bytes(at, ByteSize::new(len)).unwrap().into_owned(),
    };
    (bytes(slot.key, shape.key_size), bytes(slot.elem, shape.elem_size))
}

fn ranged(heap: &mut BumpHeap, map: &RunningMap) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut iter = map.iter(heap).unwrap();
    let mut all = Vec::new();
    while let Some(slot) = iter.next(heap) {
        all.push(pair(heap, map, slot));
    }
    all.sort();
    all
}

/// What is done to a map; keys by number.
#[derive(Debug, Clone, Copy)]
enum Step {
    Insert(u16, u8),
    Delete(u16),
    Clear,
    /// Inserts a run of keys: growth points are passed in one go.
    Fill(u16, u16),
    /// Deletes a run of keys.
    Drain(u16, u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        20 => (0..400_u16, any::<u8>()).prop_map(|(key, elem)| Step::Insert(key, elem)),
        15 => (0..400_u16).prop_map(Step::Delete),
        1 => Just(Step::Clear),
        2 => (0..3000_u16, 1..1200_u16).prop_map(|(from, len)| Step::Fill(from, len)),
        2 => (0..3000_u16, 1..1200_u16).prop_map(|(from, len)| Step::Drain(from, len)),
    ]
}

/// A key or elem of a size whose bytes follow from a number, and differ with it.
fn bytes_of(number: u16, size: u64) -> Vec<u8> {
    let mut bytes = vec![0xa5; size as usize];
    for (byte, from) in bytes.iter_mut().zip(number.to_le_bytes()) {
        *byte = from;
    }
    bytes
}

type Model = HashMap<Vec<u8>, Vec<u8>>;

fn apply(heap: &mut BumpHeap, map: &RunningMap, model: &mut Model, step: Step) {
    let shape = *map.map_type().shape();
    let key = |number| bytes_of(number, shape.key_size);
    let elem = |byte: u8| bytes_of(byte.into(), shape.elem_size);
    let mut insert = |heap: &mut BumpHeap, number, byte| {
        let (key, elem) = (key(number), elem(byte));
        let is_new = map.insert(heap, &key, &elem).unwrap();
        assert_eq!(is_new, model.insert(key, elem).is_none());
    };
    match step {
        Step::Insert(number, byte) => insert(heap, number, byte),
        Step::Fill(from, len) => {
            for number in from..from + len {
                insert(heap, number, number as u8);
            }
        }
        Step::Delete(number) => {
            let was_there = map.delete(heap, &key(number)).unwrap();
            assert_eq!(was_there, model.remove(&key(number)).is_some());
        }
        Step::Drain(from, len) => {
            for number in from..from + len {
                let was_there = map.delete(heap, &key(number)).unwrap();
                assert_eq!(was_there, model.remove(&key(number)).is_some());
            }
        }
        Step::Clear => {
            map.clear(heap);
            model.clear();
        }
    }
}

fn check(heap: &mut BumpHeap, map: &RunningMap, model: &Model) {
    let mut expected: Vec<_> = model.iter().map(|(k, e)| (k.clone(), e.clone())).collect();
    expected.sort();
    assert_eq!(map.len(heap), expected.len() as u64);
    assert_eq!(pairs(heap, map), expected, "as read");
    assert_eq!(ranged(heap, map), expected, "as ranged over");
    let reading = read(heap, map);
    assert_eq!(reading.entries, expected.len() as u64);
    assert_eq!(
        reading.own.get(),
        heap.counts().live_bytes,
        "what is accounted for is what is read"
    );
    for (key, elem) in &expected {
        let slot = map.get(heap, key).expect("a key that was inserted");
        assert_eq!(&pair(heap, map, slot).1, elem);
    }
}

/// Types of each way to hash and to store: words, small and wide, cells, without size.
fn types() -> Vec<(GoType, GoType)> {
    let array = |len| GoType::Array(len, Arc::new(GoType::Integer(1)));
    let empty = GoType::Struct(Arc::new([]));
    vec![
        (GoType::Integer(8), GoType::Integer(8)),
        (GoType::Integer(4), array(3)),
        (GoType::Integer(2), GoType::Pointer),
        (array(16), empty),
        (array(129), GoType::Integer(8)),
        (GoType::Integer(8), array(200)),
        (array(140), array(140)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    #[test]
    fn maps_do_what_hash_maps_do(steps in prop::collection::vec(step(), 1..60), seed: u64) {
        for release in releases() {
            for (key, elem) in types() {
                let mut heap = heap(&release, seed);
                if seed % 2 == 0 {
                    heap = heap.reusing();
                }
                let map = make(&release, &mut heap, key, elem);
                let mut model = Model::new();
                for step in &steps {
                    apply(&mut heap, &map, &mut model, *step);
                }
                check(&mut heap, &map, &model);
            }
        }
    }
}

#[test]
fn maps_are_whole_at_every_size_around_a_growth() {
    for release in releases() {
        let mut heap = heap(&release, 3);
        let map = make(&release, &mut heap, GoType::Integer(8), GoType::Integer(1));
        let mut model = Model::new();
        let points = [8, 9, 13, 14, 15, 26, 27, 28, 29, 52, 53, 56, 57, 112, 113, 208, 209, 225];
        for number in 0..2100 {
            apply(&mut heap, &map, &mut model, Step::Insert(number, 1));
            if points.contains(&(number + 1)) || number % 300 == 0 {
                check(&mut heap, &map, &model);
            }
        }
        check(&mut heap, &map, &model);
    }
}

#[test]
fn an_iterator_yields_each_key_once_whatever_happens_meanwhile() {
    for release in releases() {
        for seed in 0..40 {
            let mut heap = heap(&release, seed);
            let map = make(&release, &mut heap, GoType::Integer(8), GoType::Integer(8));
            let size = [5, 8, 40, 300, 1000, 3000][seed as usize % 6];
            for key in 0..size {
                map.insert(&mut heap, &key_of(key), &key_of(key)).unwrap();
            }
            let mut seen = HashMap::new();
            let mut iter = map.iter(&mut heap).unwrap();
            let mut turn = 0;
            while let Some(slot) = iter.next(&mut heap) {
                let (key, elem) = (heap.arena().word(slot.key), heap.arena().word(slot.elem));
                *seen.entry(key).or_insert(0) += 1;
                // Deleted entries must not come, and changed ones as they are now.
                assert!(key >= size || key % 3 != 0 || turn <= key / 3, "{key} was deleted");
                assert!(elem == key || elem == key + 1_000_000);
                if turn * 3 < size {
                    map.delete(&mut heap, &key_of(3 * turn)).unwrap();
                }
                map.insert(&mut heap, &key_of(size + turn), &key_of(size + turn)).unwrap();
                let changed = 3 * turn + 1;
                if changed < size {
                    map.insert(&mut heap, &key_of(changed), &key_of(changed + 1_000_000)).unwrap();
                }
                turn += 1;
                assert!(turn < 100 * size, "an iterator ends");
            }
            assert!(seen.values().all(|times| *times == 1), "{}", release.version());
            let missed: Vec<_> =
                (0..size).filter(|key| key % 3 != 0 && !seen.contains_key(key)).collect();
            assert!(missed.is_empty(), "{}: {missed:?} of {size}", release.version());
        }
    }
}

fn key_of(number: u64) -> [u8; 8] {
    number.to_le_bytes()
}

#[test]
fn a_map_that_is_cleared_while_it_is_ranged_over_yields_nothing_more() {
    for release in releases().iter().filter(|release| release.version().minor() > 19) {
        for size in [4, 100, 2000] {
            let mut heap = heap(release, 9);
            let map = make(release, &mut heap, GoType::Integer(8), GoType::Integer(8));
            for key in 0..size {
                map.insert(&mut heap, &key_of(key), &key_of(key)).unwrap();
            }
            let mut iter = map.iter(&mut heap).unwrap();
            assert!(iter.next(&mut heap).is_some());
            map.clear(&mut heap);
            assert_eq!(iter.next(&mut heap), None, "{}, {size}", release.version());
        }
    }
}

#[test]
fn nan_is_inserted_again_and_again_and_only_ranging_finds_it() {
    for release in releases() {
        let mut heap = heap(&release, 5);
        let map = make(&release, &mut heap, GoType::Float(8), GoType::Integer(8));
        let nan = f64::NAN.to_le_bytes();
        let mut iter = None;
        for number in 0..500_u64 {
            assert!(map.insert(&mut heap, &nan, &key_of(number)).unwrap());
            assert_eq!(map.get(&mut heap, &nan), None);
            assert!(!map.delete(&mut heap, &nan).unwrap());
            if number == 200 {
                iter = Some(map.iter(&mut heap).unwrap());
            }
        }
        assert_eq!(map.len(&heap), 500);
        assert_eq!(ranged(&mut heap, &map).len(), 500);
        // An iterator from before the growth sees at least what was there then, each once.
        let mut seen = HashMap::new();
        let mut iter = iter.unwrap();
        while let Some(slot) = iter.next(&mut heap) {
            *seen.entry(heap.arena().word(slot.elem)).or_insert(0) += 1;
        }
        assert!((0..=200).all(|number| seen.get(&number) == Some(&1)), "{}", release.version());
        assert!(seen.values().all(|times| *times == 1));
        map.clear(&mut heap);
        assert_eq!(map.len(&heap), 0);
    }
}

#[test]
fn zeros_of_both_signs_are_one_key_and_the_last_one_is_kept() {
    for release in releases() {
        let mut heap = heap(&release, 5);
        let map = make(&release, &mut heap, GoType::Float(8), GoType::Integer(1));
        assert!(map.insert(&mut heap, &0_f64.to_le_bytes(), &[1]).unwrap());
        assert!(!map.insert(&mut heap, &(-0_f64).to_le_bytes(), &[2]).unwrap());
        let all = ranged(&mut heap, &map);
        assert_eq!(all, [((-0_f64).to_le_bytes().to_vec(), vec![2])]);
    }
}

#[test]
fn interfaces_are_keys_by_the_type_and_value_in_them() {
    let hashes = [hash(), MemoryHash::Fallback(FallbackHash::new([1, 2, 3, 4]).unwrap())];
    for (release, hash) in
        releases().into_iter().flat_map(|r| hashes.clone().map(|h| (r.clone(), h)))
    {
        let mut heap = heap(&release, 5);
        let key = GoType::Struct(Arc::new([
            StructField { name: "a".into(), ty: GoType::Interface { has_methods: false } },
            StructField { name: "_".into(), ty: GoType::Integer(4) },
            StructField { name: "s".into(), ty: GoType::String },
        ]));
        let mut ty = MapType::new(&release, key, GoType::Integer(8), hash).unwrap();
        let words = [Address::new(0x1000), Address::new(0x2000)];
        ty.add_dynamic(words[0], &GoType::Integer(8)).unwrap();
        ty.add_dynamic(words[1], &GoType::Pointer).unwrap();
        let map = RunningMap::new(Arc::new(ty), &mut heap, 0).unwrap();
        // Two copies of each value and text, at different addresses.
        let place = Address::new(heap.arena().range().end().get() - 4096);
        for copy in 0..2 {
            let base = place + ByteSize::new(1024 * copy);
            for number in 0..40_u64 {
                let (value, text) =
                    (base + ByteSize::new(8 * number), base + ByteSize::new(512 + 8 * number));
                heap.arena_mut().set_word(value, number / 2);
                heap.arena_mut().set_word(text, number / 2);
                let is_pointer = number % 2 == 1;
                let data = if is_pointer { number } else { value.get() };
                let words = [words[usize::from(is_pointer)].get(), data, copy, text.get(), 8];
                let key: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                let is_new = map.insert(&mut heap, &key, &key_of(number)).unwrap();
                assert_eq!(is_new, copy == 0, "{}: {number}", release.version());
            }
        }
        assert_eq!(map.len(&heap), 40);
    }
}

#[test]
fn a_heap_without_room_says_so() {
    for release in releases() {
        let mut heap = BumpHeap::new(&release, ByteSize::new(1 << 16), 1).unwrap();
        let map = make(&release, &mut heap, GoType::Integer(8), GoType::Integer(8));
        let full =
            (0..1_000_000).find(|key| map.insert(&mut heap, &key_of(*key), &[0; 8]).is_err());
        assert!(full.is_some_and(|key| key > 100), "{}", release.version());
    }
}
