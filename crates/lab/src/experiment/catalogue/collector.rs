//! What maps cost the collector, and when it runs.

use std::sync::Arc;

use tophash_gomap::GoType;

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::rig::{INT, Rig, key};
use crate::experiment::{Experiment, Model};

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
        Quantity::within(0.02, 15.0, VALUE_OBJECTS, "objects"),
        Quantity::within(0.02, 6000.0, VALUE_BYTES, "bytes"),
        Quantity::within(0.02, 6000.0, VALUE_SCAN, "bytes").on(Versions::From(21)),
        Quantity::within(0.02, 15.0, POINTER_OBJECTS, "objects"),
        Quantity::within(0.02, 6000.0, POINTER_BYTES, "bytes"),
        Quantity::within(0.02, 6000.0, POINTER_SCAN, "bytes").on(Versions::From(21)),
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
        Quantity::real(STORE_POINTER, ""),
        Quantity::real(STORE_TEXT, "").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(STORE_NUMBER, ""),
        Quantity::real(READ_POINTER, ""),
        Quantity::real(REMOVE_POINTER, "").expected(&[(Versions::All, 0.0, 0.0)]),
    ],
    model: Model::Without("the store is the compiler's code, which the model does not cover"),
    program: include_str!("../../../experiments/write-barrier.go"),
};

const FREED: &str = "objects that a collection frees after one delete, by entries";
const PAUSE: &str = "time that the program stands still, by entries";
const PAUSE_RATIO: &str = "the pause at 90,000 entries over that at 1,000";
const LOOKED_AT: &str = "bytes that a collection looks at, by entries";

pub(super) static DELETE_COLLECTION: Experiment = Experiment {
    name: "delete-collection",
    question: "What does one delete cost the next collection?",
    method: "Maps of 1,000 to 90,000 entries with values of 1 KB: objects that a collection frees \
             after one delete (the least of eight), and medians of 15 pauses, which are noisy.",
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
        Quantity::model(LOOKED_AT, "bytes"),
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
    model: Model::Runs(|_| {
        const MIB: f64 = 1_048_576.0;
        let goal = |live: f64, percent: f64| {
            let goal = live + (live + GLOBALS) * percent / 100.0;
            goal.max(4.0 * MIB * percent / 100.0)
        };
        let mut measured = Vec::new();
        for live in [1, 16, 64] {
            for percent in [50, 100, 200] {
                let place = live * 1000 + percent;
                let goal = goal(live as f64 * MIB, percent as f64);
                measured.push(Measurement::at(GOAL, place, goal));
            }
        }
        let (live, next) = (16.0 * MIB, goal(16.0 * MIB, 100.0));
        measured.push(Measurement::of(OVER_1_8, next / (1.8 * live)));
        measured.push(Measurement::of(OVER_2, next / (2.0 * live)));
        Ok(measured)
    }),
    program: include_str!("../../../experiments/next-gc.go"),
};

/// The program's globals with pointers.
const GLOBALS: f64 = 4_194_304.0;
