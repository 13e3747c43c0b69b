//! How the allocator rounds, keeps and returns memory.

use tophash_gomap::GoType;
use tophash_memory::{Address, ByteSize};

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::world::World;
use crate::experiment::{Experiment, Model};
use crate::mutator::Slot;
use crate::pointer_map::MapId;

type Measured = Result<Vec<Measurement>, ExperimentError>;

const CLASS: &str = "class, by slot size";
const PLAIN: &str = "slot without pointers, by request";
const POINTERS: &str = "slot with pointers, by request";

pub(super) static SIZE_CLASSES: Experiment = Experiment {
    name: "size-classes",
    question: "Which sizes do objects have?",
    method: "The boundaries of the runtime's own histogram of sizes, and what one allocation of each \
             size takes.",
    claims: &[
        Claim {
            row: "classes-67",
            says: "There are 67 size classes.",
            figure: "67",
            bounds: &[Bound::exactly("size classes", 67.0)],
            verdict: Verdict::Holds,
            because: "68 with class 0, for large objects.",
        },
        Claim {
            row: "class-of-16",
            says: "16 bytes are class 1 and 32 bytes class 2.",
            figure: "1, 2",
            bounds: &[Bound::exactly(CLASS, 1.0).point(16), Bound::exactly(CLASS, 2.0).point(32)],
            verdict: Verdict::DoesNotHold,
            because: "classes 2 and 4: there are slots of 8 and 24 bytes, too.",
        },
    ],
    quantities: &[
        Quantity::exact("size classes", "classes"),
        Quantity::exact(CLASS, ""),
        Quantity::exact(PLAIN, "bytes"),
        Quantity::exact(POINTERS, "bytes"),
    ],
    model: Model::Runs(|release| {
        let classes = release.table().size_classes();
        let mut measured =
            vec![Measurement::of("size classes", classes.len().saturating_sub(1) as f64)];
        for size in [16, 32, 1024] {
            let class = classes.iter().position(|&class| u64::from(class) == size).unwrap_or(0);
            measured.push(Measurement::at(CLASS, size, class as f64));
        }
        for size in [16, 17, 33, 129, 500, 520, 1025, 2049, 32_768, 32_769] {
            measured.push(Measurement::at(PLAIN, size, release.slot_size(size, true) as f64));
        }
        for size in [16, 24, 40, 136, 512, 520, 1024, 2048, 4096, 32_768] {
            measured.push(Measurement::at(POINTERS, size, release.slot_size(size, false) as f64));
        }
        Ok(measured)
    }),
    program: include_str!("../../../experiments/size-classes.go"),
};

const ADDED: &str = "span bytes that 4 MiB of 32-byte objects add, every second 16-byte one freed";
const AFTER_RETURN: &str = "span bytes in use after FreeOSMemory, every second freed";
const WENT_BACK: &str = "span bytes that go back to the page allocator, all freed";
const HEAP_GROWS: &str = "bytes by which the heap grows for 32-byte objects then";
const RETURNED: &str = "share of free pages that FreeOSMemory returns";

pub(super) static FRAGMENTATION: Experiment = Experiment {
    name: "fragmentation",
    question: "Can memory of freed 16-byte objects serve 32-byte objects, or go back to the system?",
    method: "524,288 objects of 16 bytes; every second, or all of them, are freed, and 131,072 \
             objects of 32 bytes allocated, with their list of 1 MiB; then debug.FreeOSMemory.",
    claims: &[
        Claim {
            row: "no-reuse",
            says: "Freed 16-byte objects can't serve 32-byte objects.",
            figure: "",
            bounds: &[
                Bound::at_least(ADDED, 4_194_304.0),
                Bound::at_least(HEAP_GROWS, 1_000_000.0),
            ],
            verdict: Verdict::Partly,
            because: "not while their span has one object left; an empty span goes back and serves \
                      any size.",
        },
        Claim {
            row: "free-os-memory",
            says: "FreeOSMemory can't return what is free between objects.",
            figure: "",
            bounds: &[Bound::at_least(AFTER_RETURN, 8_200_000.0)],
            verdict: Verdict::Holds,
            because: "it returns free pages: half-empty spans stay, whole ones go.",
        },
    ],
    quantities: &[
        Quantity::within(0.03, 0.0, ADDED, "bytes"),
        // The program has some objects of its own.
        Quantity::within(0.05, 600_000.0, AFTER_RETURN, "bytes"),
        Quantity::within(0.05, 0.0, WENT_BACK, "bytes").expected(&[(
            Versions::All,
            12_300_000.0,
            13_400_000.0,
        )]),
        Quantity::within(0.0, 1_000_000.0, HEAP_GROWS, "bytes"),
        Quantity::within(0.0, 0.05, RETURNED, "").expected(&[(Versions::All, 0.95, 1.0)]),
    ],
    model: Model::Runs(fragmentation),
    program: include_str!("../../../experiments/fragmentation.go"),
};

/// How many small objects there are.
const SMALL: u64 = 524_288;

fn fragmentation(release: &GoRelease) -> Measured {
    const LIST: usize = 0;
    let mut world = World::new(release, &[])?;
    let in_use = |world: &mut World| world.runtime.mem_stats().heap_inuse as f64;
    let list = filled_list(&mut world, SMALL, 16, LIST)?;
    (0..SMALL).step_by(2).for_each(|i| world.runtime.store(element(list, i), Address::NULL));
    world.runtime.gc();
    let added = added_by_middle_objects(&mut world)?;
    world.runtime.gc();
    world.runtime.free_os_memory();
    let after_return = in_use(&mut world) - (8 * SMALL) as f64;

    world.clear(LIST);
    let list = filled_list(&mut world, SMALL, 16, LIST)?;
    world.runtime.gc();
    let full = in_use(&mut world);
    (0..SMALL).for_each(|i| world.runtime.store(element(list, i), Address::NULL));
    world.runtime.gc();
    let went_back = full - in_use(&mut world);
    let before = world.runtime.mem_stats().heap_sys;
    added_by_middle_objects(&mut world)?;
    let grows = world.runtime.mem_stats().heap_sys.saturating_sub(before);
    world.runtime.free_os_memory();
    let stats = world.runtime.mem_stats();
    Ok(vec![
        Measurement::of(ADDED, added),
        Measurement::of(AFTER_RETURN, after_return),
        Measurement::of(WENT_BACK, went_back),
        Measurement::of(HEAP_GROWS, grows as f64),
        Measurement::of(RETURNED, stats.heap_released as f64 / stats.heap_idle as f64),
    ])
}

fn element(list: Address, index: u64) -> Slot {
    Slot::Heap(list + ByteSize::new(8 * index))
}

/// Makes a list of new objects, held by a stack slot.
fn filled_list(
    world: &mut World,
    len: u64,
    size: u64,
    index: usize,
) -> Result<Address, ExperimentError> {
    let list = world.runtime.new_array(world.main, &GoType::Pointer, len)?;
    world.runtime.store(world.local(index), list);
    for i in 0..len {
        let object = world.runtime.allocate(world.main, size, MapId::NONE)?;
        world.runtime.store(element(list, i), object);
    }
    Ok(list)
}

/// Makes 32-byte objects, lets them go, and returns the bytes of spans that they took.
fn added_by_middle_objects(world: &mut World) -> Result<f64, ExperimentError> {
    const LIST: usize = 1;
    let before = world.runtime.mem_stats().heap_inuse;
    filled_list(world, SMALL / 4, 32, LIST)?;
    let after = world.runtime.mem_stats().heap_inuse;
    world.clear(LIST);
    Ok(after.saturating_sub(before) as f64)
}

const NEW_OBJECTS: &str = "objects allocated each time, new";
const POOLED_OBJECTS: &str = "objects allocated each time, from a pool";
const POOL_TIME: &str = "time of new over time from a pool";

pub(super) static POOLING: Experiment = Experiment {
    name: "pooling",
    question: "What does a sync.Pool save?",
    method: "Objects of 1 KB, made anew or taken from a sync.Pool and put back; medians of nine \
             rounds of 50,000. Times are noisy.",
    claims: &[Claim {
        row: "pool-faster",
        says: "A pool is three times as fast as allocating.",
        figure: "3.1×",
        bounds: &[Bound::at_least(POOL_TIME, 3.1), Bound::at_most(POOLED_OBJECTS, 0.01)],
        verdict: Verdict::Holds,
        because: "and more: 18 to 44 times for 1 KB that has to be zeroed and collected.",
    }],
    quantities: &[
        Quantity::real(NEW_OBJECTS, "objects").expected(&[(Versions::All, 1.0, 1.0)]),
        Quantity::real(POOLED_OBJECTS, "objects"),
        Quantity::real(POOL_TIME, ""),
    ],
    model: Model::Without("the model has no processor time, and no per-processor caches of a pool"),
    program: include_str!("../../../experiments/pooling.go"),
};
