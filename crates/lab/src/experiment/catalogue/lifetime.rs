//! What keeps maps, their arrays and their values alive.

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Quantity, Versions};
use crate::experiment::{Experiment, Model};

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
    model: Model::Without("it needs the model's collector"),
    program: include_str!("../../../experiments/iterator-pins.go"),
};

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
    model: Model::Without("it needs the model's collector"),
    program: include_str!("../../../experiments/held-maps.go"),
};

const EARLY: &str = "values reclaimed while the map is in use";
const DAMAGED: &str = "values damaged while the map is in use";
const DELETED_IN_USE: &str = "deleted values reclaimed while the map is in use";
const AFTER: &str = "values reclaimed once nothing refers to the map";
const INTERFACES: &str = "deleted interface values reclaimed";

pub(super) static EARLY_RECLAMATION: Experiment = Experiment {
    name: "early-reclamation",
    question: "Is a value reclaimed while the map that holds it is in use, or kept after its entry is \
               deleted?",
    method: "100 values with finalizers in a map[int]*T; finalizers that ran are counted after \
             collections, with the map in use, with half of the entries deleted within a range over \
             the map, and with the map gone. Then 100 values in a map[int]any are deleted.",
    claims: &[
        Claim {
            row: "reclaimed-early",
            says: "Values of a map[int]*T may be reclaimed while the map still holds them.",
            figure: "",
            bounds: &[Bound::at_least(EARLY, 1.0), Bound::at_least(DAMAGED, 1.0)],
            verdict: Verdict::DoesNotHold,
            because: "none of 100; it takes a collector that does not look into buckets, which the \
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
            bounds: &[Bound::at_most(INTERFACES, 50.0)],
            verdict: Verdict::DoesNotHold,
            because: "the next collections reclaim all 100.",
        },
        Claim {
            row: "tops-delay-marking",
            says: "Hash tops of deleted entries delay the marking of what they stood for.",
            figure: "",
            bounds: &[Bound::at_most(DELETED_IN_USE, 49.0)],
            verdict: Verdict::DoesNotHold,
            because: "they are bytes that the collector never looks at.",
        },
    ],
    quantities: &[
        Quantity::exact(EARLY, "objects"),
        Quantity::exact(DAMAGED, "objects"),
        Quantity::exact(DELETED_IN_USE, "objects"),
        Quantity::exact(AFTER, "objects").expected(&[(Versions::All, 100.0, 100.0)]),
        Quantity::exact(INTERFACES, "objects"),
    ],
    model: Model::Without("it needs the model's collector"),
    program: include_str!("../../../experiments/early-reclamation.go"),
};
