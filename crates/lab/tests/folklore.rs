//! What is said of Go's memory, on the model.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use tophash_goruntime::{GoVersion, LayoutTable};
use tophash_lab::{GoroutineId, MapId, MemStats, PointerMap, Role, Runtime, RuntimeOptions, Slot};
use tophash_memory::Address;

const MIB: u64 = 1 << 20;

/// A table of objects without pointers, held by a global.
struct Table {
    runtime: Runtime,
    main: GoroutineId,
    pointer: MapId,
}

impl Table {
    fn new(version: GoVersion) -> Self {
        let options = RuntimeOptions {
            gc_percent: None,
            random_base: false,
            profile_rate: 0,
            ..RuntimeOptions::new(version)
        };
        let mut runtime = Runtime::new(options).unwrap();
        let main = runtime.go(1, &[]).unwrap();
        let pointer = runtime.pointer_map(PointerMap::new(8, [0], Role::Plain));
        Self { runtime, main, pointer }
    }

    fn make(&mut self, count: u64) -> Address {
        let table = self.runtime.allocate(self.main, 8 * count, self.pointer).unwrap();
        let global = self.runtime.add_globals(1);
        self.runtime.store(Slot::Global(global), table);
        table
    }

    fn set(&mut self, table: Address, indexes: impl Iterator<Item = u64>, size: u64) {
        for index in indexes {
            let at = match size {
                0 => Address::NULL,
                size => self.runtime.allocate(self.main, size, MapId::NONE).unwrap(),
            };
            self.runtime.store(Slot::Heap(Address::new(table.get() + 8 * index)), at);
        }
    }

    fn collected(&mut self) -> MemStats {
        self.runtime.gc();
        self.runtime.mem_stats()
    }
}

/// "Freed 16-byte slots can't serve 32-byte objects": true of spans that are partly used, and
/// false of those that are empty.
#[test]
fn freed_slots_serve_other_sizes_where_their_span_is_empty() {
    let count = 16 * MIB / 16;
    for version in LayoutTable::releases() {
        let mut table = Table::new(version.clone());
        let small = table.make(count);
        let large = table.make(count / 4);
        table.set(small, 0..count, 16);
        let full = table.collected();
        assert!(full.heap_inuse >= 16 * MIB + 10 * MIB);

        table.set(small, (0..count).step_by(2), 0);
        let half = table.collected();
        assert_eq!(full.heap_alloc - half.heap_alloc, 8 * MIB);
        assert_eq!(half.heap_inuse, full.heap_inuse, "every span still holds objects");
        table.set(large, 0..count / 4, 32);
        let grown = table.collected();
        assert!(grown.heap_sys >= half.heap_sys + 7 * MIB, "{version:?}: {grown:?}");
        let kept = table.runtime.free_os_memory();
        assert!(kept < 4 * MIB, "{version:?}: what objects pin can't be given back");

        table.set(small, 0..count, 0);
        let empty = table.collected();
        assert_eq!(
            grown.heap_inuse - empty.heap_inuse,
            full.by_size[2].mallocs.div_ceil(if version.minor() >= 26 { 504 } else { 512 }) * 8192
        );
        table.set(large, 0..count / 4, 0);
        table.set(small, 0..count / 4, 32);
        let again = table.collected();
        assert_eq!(again.heap_sys, grown.heap_sys, "{version:?}: empty spans serve any size");
        assert!(table.runtime.free_os_memory() > 0);
        let released = table.runtime.mem_stats();
        assert!(released.heap_idle - released.heap_released < 64 * 8192, "all but a page cache");
    }
}

/// `NextGC` is what is alive, plus `GOGC` percent of that and of the stacks and globals; never less
/// than 4 MiB at `GOGC=100`.
#[test]
fn the_next_goal_follows_from_what_is_alive() {
    for version in LayoutTable::releases() {
        let mut table = Table::new(version);
        table.runtime.set_gc_percent(Some(100));
        let small = table.make(1000);
        assert_eq!(table.collected().next_gc, 4 * MIB);
        table.set(small, 0..1000, 10_000);
        let live = table.collected().heap_alloc;
        let scanned = 8 + 8;
        assert_eq!(table.runtime.mem_stats().next_gc, 2 * live + scanned);
        table.runtime.set_gc_percent(Some(50));
        assert_eq!(table.runtime.mem_stats().next_gc, live + (live + scanned) / 2);
    }
}

/// With a memory limit the collector runs as often as it takes, and the scavenger gives back what
/// is idle.
#[test]
fn a_memory_limit_holds_while_the_live_heap_allows_it() {
    let options = RuntimeOptions {
        gc_percent: None,
        memory_limit: Some(32 * MIB),
        ..RuntimeOptions::new(GoVersion::parse("go1.27.3").unwrap())
    };
    let mut runtime = Runtime::new(options).unwrap();
    let main = runtime.go(1, &[]).unwrap();
    for round in 0..200_000_u64 {
        runtime.allocate(main, 16 + round % 3000, MapId::NONE).unwrap();
        if round.is_multiple_of(1000) {
            let stats = runtime.mem_stats();
            assert!(stats.heap_sys - stats.heap_released <= 33 * MIB, "{stats:?}");
        }
    }
    let stats = runtime.mem_stats();
    assert!((5..40).contains(&stats.num_gc), "{}", stats.num_gc);
}

/// Goroutines' stacks count towards the goal, and nowhere in `HeapAlloc`.
#[test]
fn stacks_are_scanned_and_are_no_objects() {
    let mut runtime =
        Runtime::new(RuntimeOptions::new(GoVersion::parse("go1.23.9").unwrap())).unwrap();
    let main = runtime.go(1, &[]).unwrap();
    let held = runtime.allocate(main, 4 * MIB, MapId::NONE).unwrap();
    runtime.store(Slot::Stack(main, 0), held);
    let others: Vec<_> = (0..100).map(|_| runtime.go(1000, &[held]).unwrap()).collect();
    runtime.gc();
    let stats = runtime.mem_stats();
    assert_eq!((stats.heap_alloc, stats.heap_objects), (4 * MIB, 1));
    assert_eq!(stats.stack_inuse, (32 << 10) * (1 + 100 / 4), "8 KiB each, four a span");
    assert_eq!(stats.next_gc, 2 * 4 * MIB + 8 + 100 * 8000);
    for goroutine in others {
        runtime.exit(goroutine);
    }
    runtime.store(Slot::Stack(main, 0), Address::NULL);
    runtime.gc();
    let stats = runtime.mem_stats();
    assert_eq!((stats.heap_alloc, stats.stack_inuse), (0, 32 << 10));
}
