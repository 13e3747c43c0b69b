//! Executable maps on the model's heap: they behave as maps do while a collector works beside them,
//! and nothing of theirs is freed or left over; and a collector with a fault loses their elems.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::collections::HashMap;
use std::sync::Arc;

use proptest::prelude::*;
use tophash_gomap::{AesHash, GoType, Heap as _, MapType, MemoryHash, Release, RunningMap};
use tophash_goruntime::{GoVersion, LayoutTable};
use tophash_lab::{
    Fault, GoroutineId, MapId, MapPieces, PointerMap, Role, Runtime, RuntimeOptions, Slot as Place,
};
use tophash_memory::Address;

/// Objects beside the map's.
const BALLAST: usize = 30;

fn versions() -> Vec<GoVersion> {
    LayoutTable::releases().collect()
}

fn options(version: &GoVersion, seed: u64) -> RuntimeOptions {
    RuntimeOptions {
        seed,
        checks: true,
        address_space: 1 << 31,
        gc_percent: Some(10),
        ..RuntimeOptions::new(version.clone())
    }
}

/// `map[int64]*T`, or with elems so large that they lie outside of their slots.
struct Service {
    runtime: Runtime,
    main: GoroutineId,
    pieces: MapPieces,
    map: RunningMap,
    elem_size: usize,
}

impl Service {
    fn new(options: RuntimeOptions, elem: GoType) -> Self {
        let release = Release::new(&options.version).unwrap();
        let mut runtime = Runtime::new(options).unwrap();
        let main = runtime.go(2, &[]).unwrap();
        let elem_size = elem.size() as usize;
        let hash = MemoryHash::Aes(AesHash::new(&[3; 128]).unwrap());
        let ty = Arc::new(MapType::new(&release, GoType::Integer(8), elem, hash).unwrap());
        let pieces = runtime.map_pieces(&ty);
        let map = RunningMap::new(ty, &mut runtime.map_heap(main, pieces), 0).unwrap();
        runtime.store(Place::Stack(main, 0), map.header());
        // Work for the collector, so that it is marking for a while.
        let pointers = runtime.pointer_map(PointerMap::new(8, [0], Role::Plain));
        let ballast = runtime.add_globals(BALLAST);
        for global in ballast..ballast + BALLAST {
            let at = runtime.allocate(main, 30_000, pointers).unwrap();
            runtime.store(Place::Global(global), at);
        }
        Self { runtime, main, pieces, map, elem_size }
    }

    /// Stores a fresh object of 48 bytes that says which key and number it is of.
    fn insert(&mut self, key: u64, number: u64) {
        let target = self.runtime.allocate(self.main, 48, MapId::NONE).unwrap();
        self.runtime.store(Place::Stack(self.main, 1), target);
        self.runtime.arena_mut().set_word(target, key ^ number << 32);
        let mut elem = vec![0; self.elem_size];
        elem[self.elem_size - 8..].copy_from_slice(&target.get().to_le_bytes());
        let mut heap = self.runtime.map_heap(self.main, self.pieces);
        self.map.insert(&mut heap, &key.to_le_bytes(), &elem).unwrap();
        self.runtime.store(Place::Stack(self.main, 1), Address::NULL);
    }

    fn get(&mut self, key: u64) -> Option<u64> {
        let mut heap = self.runtime.map_heap(self.main, self.pieces);
        let slot = self.map.get(&mut heap, &key.to_le_bytes())?;
        let at = slot.elem.get() + self.elem_size as u64 - 8;
        let target = self.runtime.arena().word(Address::new(at));
        Some(self.runtime.arena().word(Address::new(target)))
    }

    /// Moves an elem of one word from one key to another: `m[to] = m[from]; delete(m, from)`.
    fn rename(&mut self, from: u64, to: u64) {
        let mut heap = self.runtime.map_heap(self.main, self.pieces);
        let Some(slot) = self.map.get(&mut heap, &from.to_le_bytes()) else { return };
        let target = heap.arena().word(slot.elem);
        self.map.delete(&mut heap, &from.to_le_bytes()).unwrap();
        self.runtime.store(Place::Stack(self.main, 1), Address::new(target));
        // Time passes.
        self.runtime.step();
        let mut heap = self.runtime.map_heap(self.main, self.pieces);
        self.map.insert(&mut heap, &to.to_le_bytes(), &target.to_le_bytes()).unwrap();
        self.runtime.store(Place::Stack(self.main, 1), Address::NULL);
    }

    fn delete(&mut self, key: u64) {
        let mut heap = self.runtime.map_heap(self.main, self.pieces);
        self.map.delete(&mut heap, &key.to_le_bytes()).unwrap();
    }
}

/// An elem whose last word is its pointer.
fn elem(words: u64) -> GoType {
    let field = |name: &str, ty| tophash_gomap::StructField { name: name.into(), ty };
    let head = GoType::Array((words - 1) * 8, Arc::new(GoType::Integer(1)));
    GoType::Struct([field("head", head), field("target", GoType::Pointer)].into())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn maps_keep_their_elems_while_a_collector_works(
        seed in any::<u64>(),
        version in 0..8_usize,
        words in prop_oneof![Just(1_u64), Just(3), Just(20)],
        operations in proptest::collection::vec((0..12_u8, 0..400_u64), 100..2500),
    ) {
        let mut service = Service::new(options(&versions()[version], seed), elem(words));
        let mut oracle = HashMap::new();
        for (number, &(kind, key)) in operations.iter().enumerate() {
            let number = number as u64;
            // Garbage, so that cycles start.
            service.runtime.allocate(service.main, 2048, MapId::NONE).unwrap();
            match kind {
                0..6 => {
                    service.insert(key, number);
                    oracle.insert(key, key ^ number << 32);
                }
                6..8 => {
                    service.delete(key);
                    oracle.remove(&key);
                }
                8..11 => prop_assert_eq!(service.get(key), oracle.get(&key).copied()),
                _ if key < 2 => service.runtime.gc(),
                _ if key < 40 => {
                    service.runtime.start_gc();
                }
                _ => {
                    service.runtime.step();
                }
            }
        }
        prop_assert_eq!(service.runtime.premature_free_count(), 0);
        for (&key, &value) in &oracle {
            prop_assert_eq!(service.get(key), Some(value));
        }
        let started = service.runtime.gc_records().filter(|record| !record.is_forced).count();
        prop_assert!(started > 0 || operations.len() < 400);
        service.runtime.gc();
        service.runtime.gc();
        let alive = service.runtime.reachable().len() as u64;
        prop_assert_eq!(service.runtime.mem_stats().heap_objects, alive);
        service.runtime.store(Place::Stack(service.main, 0), Address::NULL);
        service.runtime.gc();
        prop_assert_eq!(service.runtime.mem_stats().heap_objects, BALLAST as u64);
    }
}

#[test]
fn a_collector_that_does_not_scan_map_arrays_loses_their_elems() {
    for version in versions() {
        let faults = vec![Fault::MapArraysNotScanned];
        let options = RuntimeOptions { faults, gc_percent: None, ..options(&version, 1) };
        let mut service = Service::new(options, elem(1));
        for key in 0..1000 {
            service.insert(key, 7);
        }
        service.runtime.gc();
        assert!(service.runtime.premature_free_count() >= 1000, "{version:?}");
        assert_eq!(service.get(5), Some(0xdead_beef_dead_beef), "{version:?}");
    }
}

#[test]
fn elems_that_move_within_a_map_are_lost_without_write_barriers() {
    for version in versions() {
        let run = |seed, faults| {
            let options = RuntimeOptions { faults, gc_percent: None, ..options(&version, seed) };
            let mut service = Service::new(options, elem(1));
            (0..200).for_each(|key| service.insert(key, 7));
            for key in 0..200 {
                service.runtime.start_gc();
                service.rename(key, key + 1000);
            }
            while service.runtime.step() {}
            service.runtime.premature_free_count()
        };
        let lost: u64 = (0..8).map(|seed| run(seed, vec![Fault::LostBarrier { every: 1 }])).sum();
        assert!(lost > 0, "{version:?}");
        assert_eq!((0..8).map(|seed| run(seed, Vec::new())).sum::<u64>(), 0, "{version:?}");
    }
}

#[test]
fn a_collector_that_skips_overflow_buckets_loses_what_hangs_off_them() {
    let version = GoVersion::parse("go1.23.9").unwrap();
    let run = |seed, entries| {
        let faults = vec![Fault::SkippedOverflow { every: 1 }];
        let options = RuntimeOptions { faults, gc_percent: None, ..options(&version, seed) };
        let mut service = Service::new(options, elem(1));
        for key in 0..entries {
            service.insert(key, 7);
        }
        service.runtime.gc();
        service.runtime
    };
    let texts: Vec<String> = (0..20)
        .flat_map(|seed| run(seed, 50).premature_frees().first().map(ToString::to_string))
        .collect();
    assert!(!texts.is_empty());
    for text in texts {
        assert!(text.contains("map array") && text.contains("(missed)"), "{text}");
    }
    // Larger maps take overflow buckets from the end of their array first, which is one object.
    assert_eq!(run(1, 1000).premature_free_count(), 0);
}
