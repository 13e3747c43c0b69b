//! What keeps maps, their arrays and their values alive.

use tophash_gomap::GoType;
use tophash_memory::{Address, ByteSize};

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::rig::INT;
use crate::experiment::world::{Kind, TYPE_WORD, World};
use crate::experiment::{Experiment, Model};
use crate::gc::{Fault, FinalizerId};
use crate::mutator::Slot;

type Measured = Result<Vec<Measurement>, ExperimentError>;

const PINNED: &str = "share of the map that an iterator keeps";
const UNPINNED: &str = "share left after the iterator's last use";
const AT_END: &str = "share of the map that an iterator at its end keeps";
const OLD_KEPT: &str = "share of the small map that an iterator keeps when the map has grown";

pub(super) static ITERATOR_PINS: Experiment = Experiment {
    name: "iterator-pins",
    question: "What does an iterator keep alive?",
    method: "An iterator stands at the first entry of a map, or at its end, while nothing else refers \
             to the map; then one stands at the first entry while the map grows to five times its \
             length.",
    claims: &[
        Claim {
            row: "iterator-pins",
            says: "An iterator that is in use keeps the whole map alive.",
            figure: "",
            bounds: &[Bound::at_least(PINNED, 0.98), Bound::at_least(AT_END, 0.98)],
            verdict: Verdict::Holds,
            because: "even at its end; it lets go after its last use.",
        },
        Claim {
            row: "iterator-weak",
            says: "An iterator refers to the map weakly.",
            figure: "",
            bounds: &[Bound::at_most(PINNED, 0.1)],
            verdict: Verdict::DoesNotHold,
            because: "its pointers are like any others.",
        },
        Claim {
            row: "iterator-pins-old",
            says: "It keeps the arrays that the map had when it started.",
            figure: "",
            bounds: &[Bound::at_least(OLD_KEPT, 0.9)],
            verdict: Verdict::On(Versions::Classic),
            because: "of a Swiss map, the directory and one table at most.",
        },
    ],
    quantities: &[
        Quantity::within(0.0, 0.01, PINNED, ""),
        Quantity::within(0.0, 0.01, UNPINNED, "").expected(&[(Versions::All, 0.0, 0.005)]),
        Quantity::within(0.0, 0.01, AT_END, ""),
        Quantity::within(0.0, 0.1, OLD_KEPT, ""),
    ],
    model: Model::Runs(iterator_pins),
    program: include_str!("../../../experiments/iterator-pins.go"),
};

fn iterator_pins(release: &GoRelease) -> Measured {
    const N: u64 = 200_000;
    const VARIABLE: usize = 0;
    const ITERATOR: usize = 1;
    let mut world = World::new(release, &[])?;
    let kind = world.kind(release, INT, INT)?;
    let before = world.live();
    let map = world.filled(&kind, N, VARIABLE)?;
    let full = world.live() - before;
    world.iterate(&kind, &map, 1, ITERATOR)?;
    world.clear(VARIABLE);
    let pinned = world.live() - before;
    world.drop_iterator(ITERATOR);
    let unpinned = world.live() - before;

    let map = world.filled(&kind, N, VARIABLE)?;
    world.iterate(&kind, &map, usize::MAX, ITERATOR)?;
    world.clear(VARIABLE);
    let at_end = world.live() - before;
    world.drop_iterator(ITERATOR);

    let map = world.filled(&kind, N, VARIABLE)?;
    let small = world.live() - before;
    world.iterate(&kind, &map, 1, ITERATOR)?;
    world.fill(&kind, &map, N..5 * N)?;
    let with = world.live();
    world.drop_iterator(ITERATOR);
    let without = world.live();
    Ok(vec![
        Measurement::of(PINNED, pinned / full),
        Measurement::of(UNPINNED, unpinned / full),
        Measurement::of(AT_END, at_end / full),
        Measurement::of(OLD_KEPT, (with - without) / small),
    ])
}

const BY_CLOSURE: &str = "share of the map that a closure keeps";
const CLOSURE_GONE: &str = "share left when the closure is dropped";
const BY_GOROUTINE: &str = "share of the map that a waiting goroutine keeps";
const GOROUTINE_GONE: &str = "share left when the goroutine has ended";
const BY_VARIABLE: &str = "share that a variable keeps after its last use";

pub(super) static HELD_MAPS: Experiment = Experiment {
    name: "held-maps",
    question: "What keeps a map that a program has replaced?",
    method: "The live heap while a closure, a waiting goroutine, or a variable that is not used again \
             refers to the map.",
    claims: &[
        Claim {
            row: "closure-holds",
            says: "A map that a closure or a goroutine still holds stays.",
            figure: "",
            bounds: &[Bound::at_least(BY_CLOSURE, 0.98), Bound::at_least(BY_GOROUTINE, 0.98)],
            verdict: Verdict::Holds,
            because: "until the closure is dropped and the goroutine ends.",
        },
        Claim {
            row: "variable-is-root",
            says: "A map variable is a root of the collector.",
            figure: "",
            bounds: &[Bound::at_least(BY_VARIABLE, 0.9)],
            verdict: Verdict::DoesNotHold,
            because: "a local one is until its last use, not to the end of its scope.",
        },
    ],
    quantities: &[
        Quantity::within(0.0, 0.02, BY_CLOSURE, ""),
        Quantity::within(0.0, 0.005, CLOSURE_GONE, "").expected(&[(Versions::All, 0.0, 0.005)]),
        Quantity::within(0.0, 0.02, BY_GOROUTINE, ""),
        Quantity::within(0.0, 0.005, GOROUTINE_GONE, "").expected(&[(Versions::All, 0.0, 0.005)]),
        Quantity::real(BY_VARIABLE, "").expected(&[(Versions::All, 0.0, 0.005)]),
    ],
    model: Model::Runs(held_maps),
    program: include_str!("../../../experiments/held-maps.go"),
};

fn held_maps(release: &GoRelease) -> Measured {
    const N: u64 = 100_000;
    const VARIABLE: usize = 0;
    const CLOSURE: usize = 1;
    let mut world = World::new(release, &[])?;
    let kind = world.kind(release, INT, INT)?;
    let before = world.live();
    let map = world.filled(&kind, N, VARIABLE)?;
    let full = world.live() - before;
    // A closure is its code's address and what it captured.
    let closure = world.object(16, &[8])?;
    world.runtime.store(world.local(CLOSURE), closure);
    world.runtime.store(Slot::Heap(closure + ByteSize::new(8)), map.header());
    world.clear(VARIABLE);
    let by_closure = world.live() - before;
    world.clear(CLOSURE);
    let closure_gone = world.live() - before;

    let map = world.filled(&kind, N, VARIABLE)?;
    let waiting = world.runtime.go(1, &[map.header()])?;
    world.clear(VARIABLE);
    let by_goroutine = world.live() - before;
    world.runtime.exit(waiting);
    let goroutine_gone = world.live() - before;
    Ok(vec![
        Measurement::of(BY_CLOSURE, by_closure / full),
        Measurement::of(CLOSURE_GONE, closure_gone / full),
        Measurement::of(BY_GOROUTINE, by_goroutine / full),
        Measurement::of(GOROUTINE_GONE, goroutine_gone / full),
    ])
}

const EARLY: &str = "values reclaimed while the map is in use";
const DAMAGED: &str = "values damaged while the map is in use";
const DELETED_IN_USE: &str = "deleted values reclaimed while the map is in use";
const AFTER: &str = "values reclaimed once nothing refers to the map";
const INTERFACES: &str = "deleted interface values reclaimed";
const UNSCANNED: &str = "values reclaimed by a collector that does not look into buckets";

pub(super) static EARLY_RECLAMATION: Experiment = Experiment {
    name: "early-reclamation",
    question: "Is a value reclaimed while the map that holds it is in use, or kept after its entry is \
               deleted?",
    method: "150 values with finalizers in a map[int]*T; finalizers that ran are counted after \
             collections, with the map in use, with half of the entries deleted while an iterator \
             stands in the map, and with the map gone. Then 150 values in a map[int]any are deleted.",
    claims: &[
        Claim {
            row: "reclaimed-early",
            says: "Values of a map[int]*T may be reclaimed while the map still holds them.",
            figure: "",
            bounds: &[Bound::at_least(EARLY, 1.0), Bound::at_least(DAMAGED, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "none of 150; it takes a collector that does not look into buckets, which the \
                      model has as a fault to inject.",
        },
        Claim {
            row: "iterator-blocks",
            says: "Deleted values can't be collected while something ranges over the map.",
            figure: "",
            bounds: &[Bound::at_most(DELETED_IN_USE, 0.0)],
            verdict: Verdict::DoesNotHold,
            because: "delete clears the slot, and the iterator holds arrays, not values.",
        },
        Claim {
            row: "boxed-lingers",
            says: "A value in an interface lingers after its entry is deleted.",
            figure: "",
            bounds: &[Bound::at_most(INTERFACES, 75.0)],
            verdict: Verdict::DoesNotHold,
            because: "the next collections reclaim all 150.",
        },
        Claim {
            row: "tops-delay-marking",
            says: "Hash tops of deleted entries delay the marking of what they stood for.",
            figure: "",
            bounds: &[Bound::at_most(DELETED_IN_USE, 74.0)],
            verdict: Verdict::DoesNotHold,
            because: "they are bytes that the collector never looks at.",
        },
    ],
    quantities: &[
        Quantity::exact(EARLY, "objects"),
        Quantity::exact(DAMAGED, "objects"),
        Quantity::exact(DELETED_IN_USE, "objects"),
        Quantity::exact(AFTER, "objects").expected(&[(Versions::All, 150.0, 150.0)]),
        Quantity::exact(INTERFACES, "objects"),
        Quantity::model(UNSCANNED, "objects").expected(&[(Versions::All, 150.0, 150.0)]),
    ],
    model: Model::Runs(early_reclamation),
    program: include_str!("../../../experiments/early-reclamation.go"),
};

/// How many values the maps have.
const VALUES: u64 = 150;

fn early_reclamation(release: &GoRelease) -> Measured {
    const VARIABLE: usize = 0;
    let mut world = World::new(release, &[])?;
    let kind = world.kind(release, INT, GoType::Pointer)?;
    let map = world.make(&kind, 0, VARIABLE)?;
    for i in 0..VALUES {
        let value = value_with_finalizer(&mut world, i)?;
        world.put(&kind, &map, i, &value.get().to_le_bytes())?;
    }
    let early = finalized(&mut world);
    let mut damaged = 0;
    for i in 0..VALUES {
        let is_whole = world
            .get(&kind, &map, i)
            .is_some_and(|value| !value.is_null() && world.runtime.arena().word(value) == i);
        damaged += u64::from(!is_whole);
    }
    world.iterate(&kind, &map, 1, VARIABLE + 2)?;
    (0..VALUES / 2).try_for_each(|i| world.delete(&kind, &map, i))?;
    let deleted = early + finalized(&mut world);
    world.drop_iterator(VARIABLE + 2);
    world.clear(VARIABLE);
    world.clear(TEMPORARY);
    let after = deleted + finalized(&mut world);

    let any = world.kind(release, INT, GoType::Interface { has_methods: false })?;
    let map = world.make(&any, 0, VARIABLE)?;
    for i in 0..VALUES {
        let value = value_with_finalizer(&mut world, i)?;
        let words = [TYPE_WORD, value.get()].map(u64::to_le_bytes).concat();
        world.put(&any, &map, i, &words)?;
    }
    (0..VALUES).try_for_each(|i| world.delete(&any, &map, i))?;
    world.clear(TEMPORARY);
    let interfaces = finalized(&mut world);
    Ok(vec![
        Measurement::of(EARLY, early),
        Measurement::of(DAMAGED, damaged as f64),
        Measurement::of(DELETED_IN_USE, deleted),
        Measurement::of(AFTER, after),
        Measurement::of(INTERFACES, interfaces),
        Measurement::of(UNSCANNED, unscanned(release)?),
    ])
}

/// The stack slot that holds a value until a map does.
const TEMPORARY: usize = 1;

/// Makes a struct of an int and a string, with a finalizer.
fn value_with_finalizer(world: &mut World, number: u64) -> Result<Address, ExperimentError> {
    let value = world.object(24, &[8])?;
    world.runtime.store(world.local(TEMPORARY), value);
    world.runtime.arena_mut().set_word(value, number);
    world.runtime.set_finalizer(value, Some(FinalizerId(0)));
    Ok(value)
}

/// Runs collections, and counts the finalizers that are due.
fn finalized(world: &mut World) -> f64 {
    let mut count = 0_u32;
    for _ in 0..4 {
        world.runtime.gc();
        while world.runtime.next_finalizer().is_some() {
            count += 1;
        }
    }
    count.into()
}

/// The same map under a collector with a fault that real Go's does not have.
fn unscanned(release: &GoRelease) -> Result<f64, ExperimentError> {
    const VARIABLE: usize = 0;
    let mut world = World::new(release, &[Fault::MapArraysNotScanned])?;
    let kind: Kind = world.kind(release, INT, GoType::Pointer)?;
    let map = world.make(&kind, 0, VARIABLE)?;
    for i in 0..VALUES {
        let value = value_with_finalizer(&mut world, i)?;
        world.put(&kind, &map, i, &value.get().to_le_bytes())?;
    }
    world.clear(TEMPORARY);
    Ok(finalized(&mut world))
}
