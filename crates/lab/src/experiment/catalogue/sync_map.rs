//! `sync.Map` in both designs.

use crate::experiment::claim::{Bound, Claim, Verdict};
use crate::experiment::quantity::{Measurement, Quantity, Versions};
use crate::experiment::release::{ExperimentError, GoRelease};
use crate::experiment::sync_maps::SyncMap;
use crate::experiment::{Experiment, Model};

const STORED: &str = "bytes of 100,000 entries, stored";
const LEFT: &str = "share left when all are deleted";
const LEFT_READ: &str = "share left when all are deleted after they were read";
const DELETE_OBJECTS: &str = "objects allocated by a Delete of a key that is there or not";
const STORE_OBJECTS: &str = "objects allocated by a Store of a new integer";
const ATOMIC_VALUE: &str = "its source holds an atomic.Value";
const TIME_RATIO: &str = "time of 100,000 concurrent deletes, a locked map over sync.Map";

pub(super) static SYNC_MAP: Experiment = Experiment {
    name: "sync-map",
    question: "What does sync.Map keep after churn, and is it better at deleting?",
    method: "100,000 integers are stored and deleted, and once more after they were read; four \
             goroutines on two processors delete 100,000 keys of which half are there; times are the \
             least of 9 or more, and noisy.",
    claims: &[
        Claim {
            row: "sync-map-keeps",
            says: "A sync.Map keeps its memory when all is deleted.",
            figure: "",
            bounds: &[Bound::at_least(LEFT, 0.05), Bound::at_least(LEFT_READ, 0.05)],
            verdict: Verdict::On(Versions::Classic),
            because: "up to Go 1.23 it is two maps, which never shrink; from 1.24 on a trie of hashes, \
                      whose nodes go with their entries.",
        },
        Claim {
            row: "sync-map-faster",
            says: "It deletes 2.7 times as fast as a map behind a lock, with a quarter of the memory.",
            figure: "2.7×",
            bounds: &[Bound::at_least(TIME_RATIO, 2.2)],
            verdict: Verdict::DoesNotHold,
            because: "on two processors the locked map is as fast, or faster.",
        },
        Claim {
            row: "sync-map-no-escape",
            says: "Nothing escapes to the heap in it.",
            figure: "0",
            bounds: &[Bound::exactly(DELETE_OBJECTS, 0.0), Bound::exactly(STORE_OBJECTS, 0.0)],
            verdict: Verdict::Partly,
            because: "Delete allocates nothing; Store boxes key and value, and makes a node.",
        },
        Claim {
            row: "sync-map-atomic-value",
            says: "Its map for reading is an atomic.Value.",
            figure: "",
            bounds: &[Bound::exactly(ATOMIC_VALUE, 1.0)],
            verdict: Verdict::On(Versions::Until(19)),
            because: "an atomic.Pointer from Go 1.20 on, and no such map from 1.24 on.",
        },
    ],
    quantities: &[
        Quantity::within(0.05, 0.0, STORED, "bytes"),
        Quantity::within(0.0, 0.05, LEFT, ""),
        Quantity::within(0.0, 0.05, LEFT_READ, ""),
        Quantity::real(DELETE_OBJECTS, "objects"),
        Quantity::real(STORE_OBJECTS, "objects"),
        Quantity::real(ATOMIC_VALUE, ""),
        Quantity::real(TIME_RATIO, ""),
    ],
    model: Model::Runs(sync_map),
    program: include_str!("../../../experiments/sync-map.go"),
};

fn sync_map(release: &GoRelease) -> Result<Vec<Measurement>, ExperimentError> {
    const N: u64 = 100_000;
    let mut map = SyncMap::new(release)?;
    let before = map.live();
    (0..N).try_for_each(|i| map.store(i))?;
    let full = map.live() - before;
    (0..N).try_for_each(|i| map.delete(i))?;
    let left = map.live() - before;
    for _ in 0..2 {
        (0..N).try_for_each(|i| map.store(i))?;
        (0..N).for_each(|i| map.load(i));
    }
    map.range();
    let read = map.live() - before;
    (0..N).try_for_each(|i| map.delete(i))?;
    let left_read = map.live() - before;
    Ok(vec![
        Measurement::of(STORED, full),
        Measurement::of(LEFT, left / full),
        Measurement::of(LEFT_READ, left_read / read),
    ])
}
