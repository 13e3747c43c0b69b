//! Random programs and random schedules: what can be reached is never freed, what can't is gone
//! after two collections, and a collector that makes mistakes is found out.
//!
//! The oracle is a graph of its own, by number and not by address, which shares nothing with the
//! runtime.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use tophash_goruntime::GoVersion;
use tophash_lab::{
    Fault, FinalizerId, GoroutineId, MapId, PointerMap, Role, Runtime, RuntimeOptions, Slot,
};
use tophash_memory::{Address, ByteSize};

const SLOTS: usize = 8;
/// Stack slots of each of two goroutines.
const OWN: usize = SLOTS / 2;
const GLOBALS: usize = 4;
/// Objects that are there from the start, beside one that holds them.
const BALLAST: u64 = 40;

/// Bytes and pointer offsets of what programs allocate.
const SHAPES: [(u64, &[u64]); 8] = [
    (8, &[0]),
    (24, &[0, 16]),
    (100, &[8, 40, 88]),
    (512, &[504]),
    (640, &[0, 632]),
    (5000, &[16, 4096]),
    (40_000, &[39_984]),
    (300_000, &[0, 140_000, 299_992]),
];

#[derive(Debug, Clone)]
enum Action {
    /// A new object into a stack slot.
    Allocate {
        shape: usize,
        slot: usize,
    },
    /// An object without pointers into a stack slot.
    Bytes {
        size: u64,
        slot: usize,
    },
    /// From a field of the object in one slot to another slot.
    Load {
        from: usize,
        field: usize,
        to: usize,
    },
    /// From a slot to a field of the object in another one.
    Store {
        from: usize,
        to: usize,
        field: usize,
    },
    Publish {
        slot: usize,
        global: usize,
    },
    Fetch {
        global: usize,
        slot: usize,
    },
    Drop {
        slot: usize,
    },
    Finalizer {
        slot: usize,
    },
    Step {
        count: usize,
    },
    /// The other goroutine ends, and another starts with an argument of the first one's.
    Restart {
        argument: usize,
    },
    /// A cycle starts, and goes on beside what follows.
    Begin,
    Collect,
}

fn action() -> impl Strategy<Value = Action> {
    let slot = || 0..SLOTS;
    prop_oneof![
        6 => (0..SHAPES.len() - 2, slot()).prop_map(|(shape, slot)| Action::Allocate { shape, slot }),
        1 => (0..SHAPES.len(), slot()).prop_map(|(shape, slot)| Action::Allocate { shape, slot }),
        2 => (1..2000_u64, slot()).prop_map(|(size, slot)| Action::Bytes { size, slot }),
        6 => (slot(), 0..3_usize, slot()).prop_map(|(from, field, to)| Action::Load { from, field, to }),
        8 => (slot(), slot(), 0..3_usize).prop_map(|(from, to, field)| Action::Store { from, to, field }),
        2 => (slot(), 0..GLOBALS).prop_map(|(slot, global)| Action::Publish { slot, global }),
        2 => (0..GLOBALS, slot()).prop_map(|(global, slot)| Action::Fetch { global, slot }),
        3 => slot().prop_map(|slot| Action::Drop { slot }),
        1 => slot().prop_map(|slot| Action::Finalizer { slot }),
        4 => (1..4_usize).prop_map(|count| Action::Step { count }),
        1 => (0..OWN).prop_map(|argument| Action::Restart { argument }),
        2 => Just(Action::Begin),
        1 => Just(Action::Collect),
    ]
}

/// The oracle's object.
struct Object {
    at: Address,
    size: u64,
    offsets: &'static [u64],
    fields: Vec<Option<usize>>,
    is_tiny: bool,
    has_finalizer: bool,
}

struct Program {
    runtime: Runtime,
    goroutines: [GoroutineId; 2],
    objects: Vec<Object>,
    stack: [Option<usize>; SLOTS],
    globals: [Option<usize>; GLOBALS],
    queued: HashSet<usize>,
}

impl Program {
    fn new(options: RuntimeOptions) -> Self {
        let mut runtime = Runtime::new(options).unwrap();
        let goroutines = [(); 2].map(|()| runtime.go(OWN, &[]).unwrap());
        runtime.add_globals(GLOBALS + 1);
        // Work for the collector. An allocation that helps marking would do all of it, else.
        let pointers = runtime.pointer_map(PointerMap::new(8, [0], Role::Plain));
        let list = runtime.allocate(goroutines[0], 8 * BALLAST, pointers).unwrap();
        runtime.store(Slot::Global(GLOBALS), list);
        for index in 0..BALLAST {
            let at = runtime.allocate(goroutines[0], 30_000, pointers).unwrap();
            runtime.store(Slot::Heap(list + ByteSize::new(8 * index)), at);
        }
        Self {
            runtime,
            goroutines,
            objects: Vec::new(),
            stack: [None; SLOTS],
            globals: [None; GLOBALS],
            queued: HashSet::new(),
        }
    }

    fn place(&mut self, slot: usize, object: Option<usize>) {
        let at = object.map_or(Address::NULL, |object| self.objects[object].at);
        self.runtime.store(self.on_stack(slot), at);
        self.stack[slot] = object;
    }

    fn on_stack(&self, slot: usize) -> Slot {
        Slot::Stack(self.goroutines[slot / OWN], slot % OWN)
    }

    /// Puts what one slot's goroutine has into another slot.
    fn pass(&mut self, value: Address, from: usize, to: usize) {
        match from / OWN == to / OWN {
            true => self.runtime.store(self.on_stack(to), value),
            false => self.runtime.send(value, self.goroutines[to / OWN], to % OWN),
        }
    }

    fn field(&self, object: Option<usize>, field: usize) -> Option<(usize, usize, Slot)> {
        let object = object?;
        let Object { at, offsets, .. } = self.objects[object];
        if offsets.is_empty() {
            return None;
        }
        let field = field % offsets.len();
        Some((object, field, Slot::Heap(at + ByteSize::new(offsets[field]))))
    }

    fn run(&mut self, action: &Action, check: bool) {
        match *action {
            Action::Allocate { shape, slot } => {
                let (size, offsets) = SHAPES[shape];
                let map = PointerMap::new(
                    size.next_multiple_of(8),
                    offsets.iter().copied(),
                    Role::MapArray,
                );
                let map = self.runtime.pointer_map(map);
                let at = self.runtime.allocate(self.goroutines[slot / OWN], size, map).unwrap();
                let fields = vec![None; offsets.len()];
                let (is_tiny, has_finalizer) = (false, false);
                self.objects.push(Object { at, size, offsets, fields, is_tiny, has_finalizer });
                self.place(slot, Some(self.objects.len() - 1));
            }
            Action::Bytes { size, slot } => {
                let at =
                    self.runtime.allocate(self.goroutines[slot / OWN], size, MapId::NONE).unwrap();
                let (fields, is_tiny) = (Vec::new(), size < 16);
                self.objects.push(Object {
                    at,
                    size,
                    offsets: &[],
                    fields,
                    is_tiny,
                    has_finalizer: false,
                });
                self.place(slot, Some(self.objects.len() - 1));
            }
            Action::Load { from, field, to } => {
                let Some((object, field, slot)) = self.field(self.stack[from], field) else {
                    return;
                };
                let value = self.runtime.load(slot);
                let target = self.objects[object].fields[field];
                if check {
                    let expected = target.map_or(Address::NULL, |target| self.objects[target].at);
                    assert_eq!(value, expected);
                }
                self.pass(value, from, to);
                self.stack[to] = target;
            }
            Action::Store { from, to, field } => {
                let Some((object, field, slot)) = self.field(self.stack[to], field) else { return };
                let value = self.runtime.load(self.on_stack(from));
                self.runtime.store(slot, value);
                self.objects[object].fields[field] = self.stack[from];
            }
            Action::Publish { slot, global } => {
                let value = self.runtime.load(self.on_stack(slot));
                self.runtime.store(Slot::Global(global), value);
                self.globals[global] = self.stack[slot];
            }
            Action::Fetch { global, slot } => {
                let value = self.runtime.load(Slot::Global(global));
                self.runtime.store(self.on_stack(slot), value);
                self.stack[slot] = self.globals[global];
            }
            Action::Drop { slot } => self.place(slot, None),
            Action::Finalizer { slot } => {
                let Some(object) = self.stack[slot].filter(|&o| !self.objects[o].is_tiny) else {
                    return;
                };
                let id = FinalizerId(object as u32);
                if !self.objects[object].has_finalizer && !self.queued.contains(&object) {
                    let at = self.objects[object].at;
                    assert!(self.runtime.set_finalizer(at, Some(id)));
                    self.objects[object].has_finalizer = true;
                }
            }
            Action::Step { count } => {
                for _ in 0..count {
                    self.runtime.step();
                }
            }
            Action::Restart { argument } => {
                let object = self.stack[argument];
                let value = self.runtime.load(self.on_stack(argument));
                self.runtime.exit(self.goroutines[1]);
                self.goroutines[1] = self.runtime.go(OWN, &[value]).unwrap();
                self.stack[OWN..].fill(None);
                self.stack[OWN] = object;
            }
            Action::Begin => {
                self.runtime.start_gc();
            }
            Action::Collect => self.runtime.gc(),
        }
    }

    /// What the program can reach, and what finalizers that are to come can.
    fn reachable(&self) -> HashSet<usize> {
        let mut work: Vec<usize> =
            self.stack.iter().chain(&self.globals).copied().flatten().collect();
        for (index, object) in self.objects.iter().enumerate() {
            if object.has_finalizer {
                work.push(index);
            }
        }
        let mut seen = HashSet::new();
        while let Some(object) = work.pop() {
            if seen.insert(object) {
                work.extend(self.objects[object].fields.iter().copied().flatten());
            }
        }
        seen
    }

    /// Holds what was freed against what can be reached.
    ///
    /// What the last action allocated may lie where it swept before.
    fn check_freed(&mut self, before: usize) {
        let freed = self.runtime.take_freed();
        if freed.is_empty() {
            return;
        }
        let alive: HashMap<u64, usize> = self
            .reachable()
            .into_iter()
            .filter(|&object| object < before)
            .map(|object| (self.objects[object].at.get(), object))
            .collect();
        for (base, size) in freed {
            for at in [base, base + ByteSize::new(8)] {
                let hit =
                    alive.get(&at.get()).filter(|&&o| at < base + size && self.objects[o].size > 0);
                assert!(hit.is_none(), "object {hit:?} at {at} was freed");
            }
        }
    }
}

fn options(version: &str, seed: u64) -> RuntimeOptions {
    let version = GoVersion::parse(version).unwrap();
    RuntimeOptions {
        seed,
        checks: true,
        address_space: 1 << 30,
        gc_percent: Some(20),
        profile_rate: 4096,
        ..RuntimeOptions::new(version)
    }
}

const VERSIONS: [&str; 3] = ["go1.19.8", "go1.23.9", "go1.27.3"];

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    #[test]
    fn what_can_be_reached_stays_and_the_rest_goes(
        actions in proptest::collection::vec(action(), 1..600),
        seed in any::<u64>(),
        version in 0..VERSIONS.len(),
    ) {
        let processors = 1 + (seed % 3) as usize;
        let options = RuntimeOptions { processors, ..options(VERSIONS[version], seed) };
        let mut program = Program::new(options);
        for action in &actions {
            let before = program.objects.len();
            program.run(action, true);
            program.check_freed(before);
        }
        prop_assert_eq!(program.runtime.premature_free_count(), 0);
        // Finalizers run, and let go of their objects; what these hold goes one cycle later.
        for _ in 0..program.objects.len() + 1 {
            program.runtime.gc();
            program.check_freed(usize::MAX);
            let mut any = false;
            while let Some((at, id)) = program.runtime.next_finalizer() {
                let object = id.0 as usize;
                prop_assert_eq!(program.objects[object].at, at);
                prop_assert!(program.objects[object].has_finalizer);
                program.objects[object].has_finalizer = false;
                program.queued.insert(object);
                any = true;
            }
            if !any {
                break;
            }
        }
        program.runtime.gc();
        program.runtime.gc();
        // Objects with finalizers that something still refers to stay.
        let alive = program.reachable();
        let expected: HashSet<u64> =
            alive.iter().map(|&object| program.objects[object].at.get()).collect();
        let tiny = alive.iter().filter(|&&object| program.objects[object].is_tiny).count();
        let stats = program.runtime.mem_stats();
        if tiny == 0 {
            prop_assert_eq!(stats.heap_objects, expected.len() as u64 + BALLAST + 1);
        }
        for &object in &alive {
            let Object { at, ref fields, offsets, .. } = program.objects[object];
            for (field, offset) in fields.iter().zip(offsets) {
                let value = program.runtime.arena().word(at + ByteSize::new(*offset));
                let target = field.map_or(0, |target| program.objects[target].at.get());
                prop_assert_eq!(value, target);
            }
        }
    }

    #[test]
    fn one_seed_is_one_run(
        actions in proptest::collection::vec(action(), 1..200),
        seed in any::<u64>(),
    ) {
        let mut runs = [(); 2].map(|()| Program::new(options("go1.27.3", seed)));
        for program in &mut runs {
            actions.iter().for_each(|action| program.run(action, true));
        }
        let [mut left, mut right] = runs;
        prop_assert_eq!(left.runtime.mem_stats(), right.runtime.mem_stats());
        prop_assert_eq!(left.runtime.heap_profile(), right.runtime.heap_profile());
        let lines = |program: &Program| {
            program.runtime.gc_records().map(ToString::to_string).collect::<Vec<_>>()
        };
        prop_assert_eq!(lines(&left), lines(&right));
    }
}

#[test]
fn random_programs_find_out_a_collector_without_write_barriers() {
    let mut runner = TestRunner::deterministic();
    let programs = proptest::collection::vec(action(), 400..600);
    let found = (0..60).filter(|&seed| {
        let actions = programs.new_tree(&mut runner).unwrap().current();
        let faults = vec![Fault::LostBarrier { every: 1 }];
        let mut program = Program::new(RuntimeOptions { faults, ..options("go1.27.3", seed) });
        for action in &actions {
            program.run(action, false);
            if program.runtime.premature_free_count() > 0 {
                return true;
            }
        }
        false
    });
    assert!(found.count() >= 3);
}

/// A map of `count` buckets with an elem each, as a program would grow it.
fn build_map(runtime: &mut Runtime, main: GoroutineId, count: u64, with_overflow: bool) {
    let header = PointerMap::new(48, [16, 24, 40], Role::MapHeader);
    let header = runtime.pointer_map(header);
    let buckets = PointerMap::new(144, (0..8).map(|i| 72 + 8 * i).chain([136]), Role::MapArray);
    let buckets = runtime.pointer_map(buckets.with_overflow(136));
    let overflow =
        PointerMap::new(144, (0..8).map(|i| 72 + 8 * i).chain([136]), Role::OverflowBucket);
    let overflow = runtime.pointer_map(overflow.with_overflow(136));
    let at = runtime.allocate(main, 48, header).unwrap();
    runtime.store(Slot::Stack(main, 0), at);
    let array = runtime.allocate(main, 144 * count, buckets).unwrap();
    runtime.store(Slot::Heap(at + ByteSize::new(16)), array);
    let fill = |runtime: &mut Runtime, bucket: Address| {
        for slot in 0..8 {
            let elem = runtime.allocate(main, 32, MapId::NONE).unwrap();
            runtime.store(Slot::Heap(bucket + ByteSize::new(72 + 8 * slot)), elem);
        }
    };
    for bucket in 0..count {
        let bucket = array + ByteSize::new(144 * bucket);
        fill(runtime, bucket);
        if with_overflow {
            let more = runtime.allocate(main, 144, overflow).unwrap();
            runtime.store(Slot::Heap(bucket + ByteSize::new(136)), more);
            fill(runtime, more);
        }
    }
}

#[test]
fn faults_in_reading_maps_free_what_the_map_holds() {
    let faults = [
        (Fault::MapArraysNotScanned, Role::MapArray, 64 * 17),
        (Fault::ShiftedPointer { pointer: 3 }, Role::MapArray, 2 * 64),
        (Fault::SkippedOverflow { every: 8 }, Role::MapArray, 8 * 9),
    ];
    for (fault, role, lost) in faults {
        let options = RuntimeOptions { faults: vec![fault], ..options("go1.23.9", 7) };
        let mut runtime = Runtime::new(options).unwrap();
        let main = runtime.go(4, &[]).unwrap();
        runtime.set_gc_percent(None);
        build_map(&mut runtime, main, 64, true);
        runtime.gc();
        assert_eq!(runtime.premature_free_count(), lost, "{fault:?}");
        let report = runtime.premature_frees()[0].clone();
        assert!(report.is_freed, "{fault:?}");
        let missed = report.missed().unwrap();
        let tophash_lab::Holder::Object { at, offset, role: holder } = missed.holder else {
            panic!("{fault:?}: {missed:?}");
        };
        assert_eq!(holder, role, "{fault:?}");
        assert_eq!(
            runtime.load(Slot::Heap(at + ByteSize::new(offset))),
            missed.to,
            "the pointer is there"
        );
        // The program goes on, and reads what the heap was spoiled with.
        let value = runtime.load(Slot::Heap(report.object)).get();
        let read = runtime.premature_frees()[0].following_read.unwrap();
        assert_eq!(
            (read.at, read.value, value),
            (report.object, 0xdead_beef_dead_beef, read.value)
        );
        assert!(runtime.premature_frees()[0].to_string().contains("(missed)"));
    }
}

/// Runs a program that moves the only pointer to an object from the far end of a long list, which is
/// scanned late, to a cell that is scanned early, and back. Returns what was lost.
fn move_behind_the_collector(faults: Vec<Fault>) -> u64 {
    let options = RuntimeOptions { faults, ..options("go1.27.3", 5) };
    let mut runtime = Runtime::new(options).unwrap();
    let main = runtime.go(3, &[]).unwrap();
    let cell = runtime.pointer_map(PointerMap::new(64, [48, 56], Role::Plain));
    let [value, next] = [48, 56].map(ByteSize::new);
    let near = runtime.allocate(main, 64, cell).unwrap();
    runtime.store(Slot::Stack(main, 0), near);
    let far = runtime.allocate(main, 64, cell).unwrap();
    runtime.store(Slot::Stack(main, 1), far);
    for _ in 0..10_000 {
        let cell = runtime.allocate(main, 64, cell).unwrap();
        runtime.store(Slot::Stack(main, 2), cell);
        let rest = runtime.load(Slot::Stack(main, 1));
        runtime.store(Slot::Heap(cell + next), rest);
        runtime.store(Slot::Stack(main, 1), cell);
    }
    let target = runtime.allocate(main, 64, MapId::NONE).unwrap();
    runtime.store(Slot::Heap(far + value), target);
    // The last slot's object is scanned first.
    runtime.store(Slot::Stack(main, 2), near);
    runtime.store(Slot::Stack(main, 0), Address::NULL);
    let (mut from, mut to) = (far, near);
    while runtime.gc_records().len() < 20 && runtime.premature_free_count() == 0 {
        for _ in 0..5 {
            runtime.allocate(main, 512, MapId::NONE).unwrap();
        }
        runtime.store(Slot::Heap(to + value), target);
        runtime.store(Slot::Heap(from + value), Address::NULL);
        std::mem::swap(&mut from, &mut to);
    }
    runtime.premature_free_count()
}

#[test]
fn without_write_barriers_moving_pointers_are_lost() {
    assert_eq!(move_behind_the_collector(Vec::new()), 0);
    assert_eq!(move_behind_the_collector(vec![Fault::LostBarrier { every: 1 }]), 1);
}

#[test]
fn a_finalizer_runs_once_and_its_object_goes_one_cycle_later() {
    let mut runtime = Runtime::new(options("go1.27.3", 3)).unwrap();
    let main = runtime.go(2, &[]).unwrap();
    let map = runtime.pointer_map(PointerMap::new(16, [8], Role::Plain));
    let at = runtime.allocate(main, 16, map).unwrap();
    runtime.store(Slot::Stack(main, 0), at);
    let held = runtime.allocate(main, 100, MapId::NONE).unwrap();
    runtime.store(Slot::Heap(at + ByteSize::new(8)), held);
    assert!(runtime.set_finalizer(at, Some(FinalizerId(9))));
    assert!(!runtime.set_finalizer(at, Some(FinalizerId(10))), "there is one");
    runtime.gc();
    assert_eq!(runtime.next_finalizer(), None);
    runtime.store(Slot::Stack(main, 0), Address::NULL);
    runtime.gc();
    assert_eq!(
        runtime.mem_stats().heap_objects,
        2,
        "kept for the finalizer, and what it refers to"
    );
    assert_eq!(runtime.next_finalizer(), Some((at, FinalizerId(9))));
    runtime.gc();
    assert_eq!(runtime.mem_stats().heap_objects, 0);
    assert_eq!(runtime.next_finalizer(), None);
}
