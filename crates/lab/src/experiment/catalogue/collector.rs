//! What maps cost the collector, and when it runs.

use std::sync::Arc;

use tophash_gomap::{BumpHeap, GoType, Heap, OutOfMemory, Request};
use tophash_memory::{Address, Arena};

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::rig::{INT, Rig, key};
use crate::experiment::world::World;
use crate::experiment::{Experiment, Model};
use crate::pointer_map::MapId;

type Measured = Result<Vec<Measurement>, ExperimentError>;

const VALUE_OBJECTS: &str = "objects of map[int]T, by size of T";
const VALUE_BYTES: &str = "bytes of map[int]T, by size of T";
const VALUE_SCAN: &str = "bytes that a collection looks at in map[int]T, by size of T";
const POINTER_OBJECTS: &str = "objects of map[int]*T, by size of T";
const POINTER_BYTES: &str = "bytes of map[int]*T, by size of T";
const POINTER_SCAN: &str = "bytes that a collection looks at in map[int]*T, by size of T";

pub(super) static VALUES_OR_POINTERS: Experiment = Experiment {
    name: "values-or-pointers",
    question: "What does a map of values save against a map of pointers?",
    method: "20,000 entries in maps made for them; objects, live bytes, and from Go 1.21 on the bytes \
             of the heap that a collection has to look at (/gc/scan/heap).",
    claims: &[
        Claim {
            row: "large-values",
            says: "A map of 1 KB values allocates nothing for each entry, and is a tenth of the size \
                   of one of pointers.",
            figure: "0 against 100,000 objects; 8 against 105 MB",
            bounds: &[
                Bound::at_most(VALUE_OBJECTS, 200.0).point(1024),
                Bound::at_most(VALUE_BYTES, 2_500_000.0).point(1024),
                Bound::at_most(VALUE_SCAN, 10_000.0).point(1024),
            ],
            verdict: Verdict::DoesNotHold,
            because: "beyond 128 bytes a map of values is a map of pointers: as many objects, bytes \
                      and as much to look at.",
        },
        Claim {
            row: "small-values",
            says: "Small values save the collector its work.",
            figure: "",
            bounds: &[
                Bound::at_most(VALUE_OBJECTS, 200.0).point(64),
                Bound::at_most(VALUE_OBJECTS, 200.0).point(128),
            ],
            verdict: Verdict::Holds,
            because: "up to 128 bytes without pointers, a collection looks at none of it; but a map \
                      of values has room for twice as many, so that it may take more bytes.",
        },
    ],
    quantities: &[
        Quantity::within(0.02, 60.0, VALUE_OBJECTS, "objects").over("bytes of T"),
        Quantity::within(0.02, 6000.0, VALUE_BYTES, "bytes").over("bytes of T"),
        Quantity::within(0.02, 10_000.0, VALUE_SCAN, "bytes").on(Versions::From(21)),
        Quantity::within(0.02, 60.0, POINTER_OBJECTS, "objects").over("bytes of T"),
        Quantity::within(0.02, 6000.0, POINTER_BYTES, "bytes").over("bytes of T"),
        Quantity::within(0.02, 10_000.0, POINTER_SCAN, "bytes").on(Versions::From(21)),
    ],
    model: Model::Runs(values_or_pointers),
    program: include_str!("../../../experiments/values-or-pointers.go"),
};

const ENTRIES: u64 = 20_000;

fn values_or_pointers(release: &GoRelease) -> Measured {
    let mut measured = Vec::new();
    for size in [8, 64, 128, 256, 1024] {
        let bytes = GoType::Array(size, Arc::new(GoType::Integer(1)));
        let mut values = Rig::of(release, INT, bytes, ENTRIES, 1)?;
        values.fill(0..ENTRIES)?;
        let counts = values.heap.counts();
        measured.push(Measurement::at(VALUE_OBJECTS, size, counts.live_objects as f64));
        measured.push(Measurement::at(VALUE_BYTES, size, counts.live_bytes as f64));
        let mut pointers = Rig::of(release, INT, GoType::Pointer, ENTRIES, 1)?;
        pointers.fill(0..ENTRIES)?;
        let held = pointers.heap.counts();
        // Objects under 16 bytes without pointers share blocks of 16 (`mallocgc`'s tiny allocator).
        let (objects, bytes) = match size {
            ..16 => (ENTRIES * size / 16, ENTRIES * size),
            size => (ENTRIES, ENTRIES * release.slot_size(size, true)),
        };
        measured.push(Measurement::at(POINTER_OBJECTS, size, (held.live_objects + objects) as f64));
        measured.push(Measurement::at(POINTER_BYTES, size, (held.live_bytes + bytes) as f64));
        if release.minor() >= 21 {
            let scan = |rig: &Rig| scan_bytes(release, rig, ENTRIES);
            measured.push(Measurement::at(VALUE_SCAN, size, scan(&values)));
            measured.push(Measurement::at(POINTER_SCAN, size, scan(&pointers)));
        }
    }
    Ok(measured)
}

/// Bytes of a map's objects that the collector looks at: headers, and where buckets or groups hold
/// pointers, those. Cells for large elems without pointers are passed over.
fn scan_bytes(release: &GoRelease, rig: &Rig, entries: u64) -> f64 {
    let shape = rig.map.map_type().shape();
    if shape.is_noscan {
        return release.layout().header_size().get() as f64;
    }
    let cells = match shape.indirect_elem && shape.elem_is_noscan {
        true => entries * release.slot_size(shape.elem_size, true),
        false => 0,
    };
    rig.live() - cells as f64
}

const STORE_POINTER: &str = "a store of a pointer in a map asks whether a barrier is needed";
const STORE_TEXT: &str = "a store of a string in a map asks";
const STORE_NUMBER: &str = "a store of a number in a map asks";
const READ_POINTER: &str = "a read of a pointer asks";
const REMOVE_POINTER: &str = "a call of delete asks, in the caller";
const DELETE_WORDS: &str = "words that the map hands to the barrier for a delete, pointers";
const DELETE_NUMBER_WORDS: &str = "words that the map hands to the barrier for a delete, numbers";

pub(super) static WRITE_BARRIER: Experiment = Experiment {
    name: "write-barrier",
    question: "When does the write barrier run for a map?",
    method: "The machine code that the compiler makes of one store, one read and one delete. It is \
             the caller that stores a value, in the slot that the map gives it; the barrier does \
             something only while a collection marks.",
    claims: &[
        Claim {
            row: "barrier-on-pointer",
            says: "Storing a pointer in a map needs a barrier, storing a number does not.",
            figure: "",
            bounds: &[Bound::exactly(STORE_POINTER, 1.0), Bound::exactly(STORE_NUMBER, 0.0)],
            verdict: Verdict::Holds,
            because: "whatever was in the slot.",
        },
        Claim {
            row: "barrier-on-read",
            says: "Reading an entry runs the barrier, too.",
            figure: "",
            bounds: &[Bound::exactly(READ_POINTER, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "only writes do; deletes of pointers, within the runtime.",
        },
    ],
    quantities: &[
        Quantity::exact(STORE_POINTER, ""),
        Quantity::exact(STORE_TEXT, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::exact(STORE_NUMBER, ""),
        Quantity::exact(READ_POINTER, ""),
        Quantity::real(REMOVE_POINTER, "").expected(&[(Versions::All, 0.0, 0.0)]),
        Quantity::model(DELETE_WORDS, "words").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::model(DELETE_NUMBER_WORDS, "words").expected(&[(Versions::All, 0.0, 0.0)]),
    ],
    model: Model::Runs(write_barrier),
    program: include_str!("../../../experiments/write-barrier.go"),
};

fn write_barrier(release: &GoRelease) -> Measured {
    let asks = |elem: GoType| -> Result<[u64; 3], ExperimentError> {
        let mut rig = Rig::of(release, INT, elem.clone(), 0, 1)?;
        // The first insert hangs a bucket or group into the header, which is a pointer, too.
        rig.put(2)?;
        let mut heap = Listening { heap: rig.heap, words: 0 };
        let (key, elem) = (1_u64.to_le_bytes(), vec![0; elem.size() as usize]);
        let mut heard = |run: &dyn Fn(&mut Listening) -> Result<(), ExperimentError>| {
            heap.words = 0;
            run(&mut heap).map(|()| heap.words)
        };
        Ok([
            heard(&|heap| Ok(rig.map.insert(heap, &key, &elem).map(|_| ())?))?,
            heard(&|heap| {
                rig.map.get(heap, &key);
                Ok(())
            })?,
            heard(&|heap| Ok(rig.map.delete(heap, &key).map(|_| ())?))?,
        ])
    };
    let truth = |words: u64| f64::from(u8::from(words > 0));
    let [store, read, delete] = asks(GoType::Pointer)?;
    let [store_number, _, delete_number] = asks(INT)?;
    let [store_text, ..] = asks(GoType::String)?;
    Ok(vec![
        Measurement::of(STORE_POINTER, truth(store)),
        Measurement::of(STORE_TEXT, truth(store_text)),
        Measurement::of(STORE_NUMBER, truth(store_number)),
        Measurement::of(READ_POINTER, truth(read)),
        Measurement::of(DELETE_WORDS, delete as f64),
        Measurement::of(DELETE_NUMBER_WORDS, delete_number as f64),
    ])
}

/// A heap that counts the words that it hears are overwritten.
struct Listening {
    heap: BumpHeap,
    words: u64,
}

impl Heap for Listening {
    fn arena(&self) -> &Arena {
        self.heap.arena()
    }

    fn arena_mut(&mut self) -> &mut Arena {
        self.heap.arena_mut()
    }

    fn allocate(&mut self, request: Request) -> Result<Address, OutOfMemory> {
        self.heap.allocate(request)
    }

    fn round_up(&self, size: u64, is_noscan: bool) -> u64 {
        self.heap.round_up(size, is_noscan)
    }

    fn random(&mut self) -> u64 {
        self.heap.random()
    }

    fn barrier(&mut self, _: Address, len: u64, _: Option<&[u8]>) {
        self.words += len / 8;
    }
}

const FREED: &str = "objects that a collection frees after one delete, by entries";
const PAUSE: &str = "time that the program stands still, by entries";
const PAUSE_RATIO: &str = "the pause at 90,000 entries over that at 1,000";
const LOOKED_AT: &str = "bytes that a collection looks at, by entries";

pub(super) static DELETE_COLLECTION: Experiment = Experiment {
    name: "delete-collection",
    question: "What does one delete cost the next collection?",
    method: "Maps of 1,000 to 90,000 entries with values of 1 KB: objects that a collection frees \
             after one delete (the least of eight), and the least of 15 pauses, which are noisy.",
    claims: &[
        Claim {
            row: "delete-frees-n",
            says: "After a delete the collector frees as many objects as the map has entries.",
            figure: "N",
            bounds: &[Bound::at_least(FREED, 1000.0)],
            verdict: Verdict::DoesNotHold,
            because: "it frees one: the value.",
        },
        Claim {
            row: "pause-linear",
            says: "The pause grows with the number of entries.",
            figure: "0.18, 1.92, 23.7 ms for 1K, 10K, 100K",
            bounds: &[Bound::at_least(PAUSE_RATIO, 60.0)],
            verdict: Verdict::DoesNotHold,
            because: "the work grows, and is done while the program runs; the pause does not.",
        },
    ],
    quantities: &[
        Quantity::exact(FREED, "objects"),
        Quantity::real(PAUSE, "µs").expected(&[(Versions::All, 0.0, 20_000.0)]),
        Quantity::real(PAUSE_RATIO, ""),
        Quantity::model(LOOKED_AT, "bytes").over("entries"),
    ],
    model: Model::Runs(|release| {
        let mut measured = Vec::new();
        for n in [1_000, 10_000, 90_000] {
            let value = GoType::Array(1024, Arc::new(GoType::Integer(1)));
            let mut rig = Rig::of(release, INT, value, 0, 1)?;
            rig.fill(0..n)?;
            let before = rig.heap.counts().live_objects;
            rig.delete(key(0))?;
            let after = rig.heap.counts().live_objects;
            measured.push(Measurement::at(FREED, n, before.saturating_sub(after) as f64));
            measured.push(Measurement::at(LOOKED_AT, n, scan_bytes(release, &rig, n - 1)));
        }
        Ok(measured)
    }),
    program: include_str!("../../../experiments/delete-collection.go"),
};

const GOAL: &str = "next collection, by live MiB and GOGC (live·1000 + GOGC)";
const OVER_1_8: &str = "next collection over 1.8 × HeapAlloc";
const OVER_2: &str = "next collection over HeapAlloc × (1 + GOGC/100)";
const OVER_FORMULA: &str = "next collection over live + (live + stacks + globals) · GOGC/100";

pub(super) static NEXT_GC: Experiment = Experiment {
    name: "next-gc",
    question: "At which size of the heap does the next collection start?",
    method: "1, 16 and 64 MiB are live, besides 4 MiB of globals with pointers, under GOGC 50, 100 and \
             200; NextGC after a collection.",
    claims: &[
        Claim {
            row: "next-gc-1.8",
            says: "NextGC is 1.8 times HeapAlloc.",
            figure: "×1.8",
            bounds: &[Bound::between(OVER_1_8, 0.98, 1.02)],
            verdict: Verdict::DoesNotHold,
            because: "there is no such factor.",
        },
        Claim {
            row: "next-gc-gogc",
            says: "NextGC is HeapAlloc · (1 + GOGC/100).",
            figure: "×2",
            bounds: &[Bound::between(OVER_2, 0.98, 1.02)],
            verdict: Verdict::DoesNotHold,
            because: "stacks and globals count, too: live + (live + stacks + globals) · GOGC/100, and \
                      no less than 4 MiB · GOGC/100.",
        },
    ],
    quantities: &[
        // The program has a heap, stacks and globals of its own.
        Quantity::within(0.02, 1_300_000.0, GOAL, "bytes"),
        Quantity::within(0.02, 0.02, OVER_1_8, ""),
        Quantity::within(0.02, 0.02, OVER_2, ""),
        Quantity::real(OVER_FORMULA, "").on(Versions::From(21)).expected(&[(
            Versions::From(21),
            0.999,
            1.001,
        )]),
    ],
    model: Model::Runs(next_gc),
    program: include_str!("../../../experiments/next-gc.go"),
};

/// Words of the program's globals that are pointers: 4 MiB.
const GLOBALS: usize = 524_288;

fn next_gc(release: &GoRelease) -> Measured {
    const DATA: usize = 0;
    let mut world = World::new(release, &[])?;
    world.runtime.add_globals(GLOBALS);
    let mut measured = Vec::new();
    for mebibytes in [1, 16, 64] {
        for percent in [50, 100, 200] {
            world.runtime.set_gc_percent(Some(percent));
            let data = world.runtime.allocate(world.main, mebibytes << 20, MapId::NONE)?;
            world.runtime.store(world.local(DATA), data);
            world.runtime.gc();
            world.runtime.gc();
            let stats = world.runtime.mem_stats();
            let (goal, live) = (stats.next_gc as f64, stats.heap_alloc as f64);
            let place = mebibytes * 1000 + u64::from(percent);
            measured.push(Measurement::at(GOAL, place, goal));
            if (mebibytes, percent) == (16, 100) {
                measured.push(Measurement::of(OVER_1_8, goal / (1.8 * live)));
                measured.push(Measurement::of(OVER_2, goal / (2.0 * live)));
            }
            world.clear(DATA);
        }
    }
    Ok(measured)
}
