//! What a map will cost, by what a release's maps allocate at which entry.
//!
//! Of classic maps the structure is simulated with many hash seeds, of Swiss maps the mean over all
//! seeds is computed. Either way a map of ten thousand million entries takes no longer than one of a
//! million.

mod binomial;
mod chance;
mod classic;
mod ledger;
mod pieces;
mod release;
mod swiss;

pub use release::{NamedRelease, PredictError};

use tophash_gomap::{GoType, MapLayout};

use classic::{ClassicKind, ClassicMap};
use pieces::Pieces;
use swiss::{Means, SwissKind};

/// More entries than this are more than a machine's address space holds.
pub const MAX_ENTRIES: u64 = 1 << 44;
/// Assignments that are simulated for one prediction, unless few maps need more.
const ASSIGNMENTS: u64 = 1_500_000;
/// An assignment that is simulated stands for more than one beyond this many.
const FOLLOWED: u64 = 1 << 15;
/// Maps that are simulated, at least and at most.
const MAPS: (u64, u64) = (24, 8000);
/// Maps that a curve is the mean of.
const CURVES: u64 = 8;
/// So many maps that came out alike say that chance has no say.
const ALIKE: u64 = 64;

/// How a map comes about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Plan {
    /// Entries that are assigned, one by one.
    pub entries: u64,
    /// The hint that it is made with; 0 for none.
    pub hint: u64,
    /// How many of the entries are deleted afterwards.
    pub deleted: u64,
}

/// What a map costs. Where the hash seed decides, these are means over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Prediction {
    /// Bytes that stay allocated, as the allocator rounds them.
    pub retained_bytes: u64,
    /// Bytes that were allocated for it on the way.
    pub allocated_bytes: u64,
    /// Of what stays, bytes that neither keys nor elems of live entries take.
    pub wasted_bytes: u64,
    /// Objects that stay allocated.
    pub objects: u64,
    /// Allocations on the way.
    pub mallocs: u64,
    /// Bytes that the collector looks at: objects with pointers, to the end of the last one.
    pub scan_bytes: u64,
    /// Room for entries: in arrays, and in overflow buckets that are in use.
    pub slots: u64,
    /// With so many entries, the next assignment makes it grow.
    pub next_growth_at: u64,
    /// The most bytes that were alive at once: while it grows, old arrays beside new ones.
    pub peak_bytes: u64,
    /// The hash seed decides nothing.
    pub is_exact: bool,
    /// How far a single map lies from the mean.
    pub deviation: Deviation,
}

/// How far figures of single maps lie from their means (standard deviations).
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Deviation {
    /// Of the bytes that stay allocated.
    pub retained_bytes: f64,
    /// Of the objects that stay allocated.
    pub objects: f64,
    /// Of the allocations on the way.
    pub mallocs: f64,
}

/// Predicts what a map of a type costs under a release.
pub fn predict(release: &NamedRelease, key: &GoType, elem: &GoType, plan: Plan) -> Prediction {
    let pieces = Pieces::new(release, key, elem);
    let plan = Plan {
        entries: plan.entries.min(MAX_ENTRIES),
        hint: plan.hint.min(MAX_ENTRIES),
        deleted: plan.deleted.min(plan.entries).min(MAX_ENTRIES),
    };
    match release.layout() {
        MapLayout::Classic(layout) => {
            let kind = ClassicKind {
                pieces: &pieces,
                load_by_two: layout.load_factor_by_two,
                extra: release.object(layout.extra_size.get(), layout.extra_size.get()),
            };
            classic(&kind, plan)
        }
        MapLayout::Swiss(layout) => {
            let table_pointers = layout.table_groups.offset + layout.table_groups.size;
            let table = release.object(layout.table_size.get(), table_pointers);
            swiss(&SwissKind::new(&pieces, table, plan.hint), &pieces, plan)
        }
    }
}

/// Returns the bytes that a map retains at each of several counts of entries, which rise.
pub fn retained_along(
    release: &NamedRelease,
    key: &GoType,
    elem: &GoType,
    hint: u64,
    counts: &[u64],
) -> Vec<u64> {
    let pieces = Pieces::new(release, key, elem);
    let (cells, _) = pieces.entry_cells();
    match release.layout() {
        MapLayout::Classic(layout) => {
            let kind = ClassicKind {
                pieces: &pieces,
                load_by_two: layout.load_factor_by_two,
                extra: release.object(layout.extra_size.get(), layout.extra_size.get()),
            };
            let mut sums = vec![0.0; counts.len()];
            for seed in 0..CURVES {
                let mut map = ClassicMap::new(&kind, hint.min(MAX_ENTRIES), seed);
                for (sum, &count) in sums.iter_mut().zip(counts) {
                    map.grow_to(count.min(MAX_ENTRIES));
                    *sum += map.ledger.live_bytes as f64;
                }
            }
            sums.into_iter().map(|sum| (sum / CURVES as f64) as u64).collect()
        }
        MapLayout::Swiss(layout) => {
            let table_pointers = layout.table_groups.offset + layout.table_groups.size;
            let table = release.object(layout.table_size.get(), table_pointers);
            let kind = SwissKind::new(&pieces, table, hint.min(MAX_ENTRIES));
            let bytes = |&count: &u64| {
                let count = count.min(MAX_ENTRIES);
                (kind.at(count).retained + cells.bytes as f64 * count as f64).round() as u64
            };
            counts.iter().map(bytes).collect()
        }
    }
}

fn classic(kind: &ClassicKind<'_>, plan: Plan) -> Prediction {
    let steps = plan.entries.min(FOLLOWED) + FOLLOWED * doublings(plan.entries / FOLLOWED);
    let maps = (ASSIGNMENTS / steps.max(1)).clamp(MAPS.0, MAPS.1);
    let mut sums = [0.0_f64; 8];
    let (mut squares, mut first, mut scale) = ([0.0_f64; 8], None, 1);
    let (mut are_alike, mut made) = (true, 0);
    for seed in 0..maps {
        let mut map = ClassicMap::new(kind, plan.hint, seed);
        map.grow_to(plan.entries);
        map.delete(plan.deleted);
        let ledger = &map.ledger;
        let retained = ledger.live_bytes;
        let figures = [
            retained,
            ledger.allocated_bytes,
            ledger.live_objects,
            ledger.mallocs,
            ledger.scan_bytes,
            ledger.peak_bytes,
            map.slots(),
            map.most_entries().max(map.count()),
        ];
        for ((sum, square), figure) in sums.iter_mut().zip(&mut squares).zip(figures) {
            *sum += figure as f64;
            *square += (figure as f64).powi(2);
        }
        scale = map.scale();
        are_alike &= *first.get_or_insert(figures) == figures;
        made += 1;
        if map.is_certain() {
            break;
        }
    }
    let is_exact = are_alike && (made == 1 || made >= ALIKE);
    let mean = sums.map(|sum| sum / made as f64);
    // Where a bucket stands for many, there is more chance in the part than in the whole.
    let deviation = |at: usize| {
        (squares[at] / made as f64 - mean[at].powi(2)).max(0.0).sqrt() / (scale as f64).sqrt()
    };
    let [retained, allocated, objects, mallocs, scan, peak, slots, next] =
        mean.map(|mean| mean.round() as u64);
    Prediction {
        retained_bytes: retained,
        allocated_bytes: allocated,
        wasted_bytes: wasted(kind.pieces, retained, plan),
        objects,
        mallocs,
        scan_bytes: scan,
        slots,
        next_growth_at: next,
        peak_bytes: peak,
        is_exact,
        deviation: Deviation {
            retained_bytes: deviation(0),
            objects: deviation(2),
            mallocs: deviation(3),
        },
    }
}

fn swiss(kind: &SwissKind<'_>, pieces: &Pieces<'_>, plan: Plan) -> Prediction {
    let now = kind.at(plan.entries);
    let (cells, cell_objects) = pieces.entry_cells();
    let live = plan.entries - plan.deleted;
    let with = |mean: f64, each: u64, count: u64| {
        (mean.round() as u64).saturating_add(each.saturating_mul(count))
    };
    let Means { retained, objects, scan, allocated, mallocs, .. } = now;
    let retained_bytes = with(retained, cells.bytes, live);
    Prediction {
        retained_bytes,
        allocated_bytes: with(allocated, cells.bytes, plan.entries),
        wasted_bytes: wasted(pieces, retained_bytes, plan),
        objects: with(objects, cell_objects, live),
        mallocs: with(mallocs, cell_objects, plan.entries),
        scan_bytes: with(scan, cells.scan, live),
        slots: now.slots.round() as u64,
        next_growth_at: kind.next_growth(plan.entries, &now),
        peak_bytes: kind.peak(plan.entries, &now, cells).round() as u64,
        is_exact: now.is_certain,
        // With a table goes its array, and with a split another table.
        deviation: Deviation {
            retained_bytes: now.deviation,
            objects: 2.0 * now.deviation / kind.table_bytes(),
            mallocs: 4.0 * now.deviation / kind.table_bytes(),
        },
    }
}

fn wasted(pieces: &Pieces<'_>, retained: u64, plan: Plan) -> u64 {
    let live = plan.entries - plan.deleted;
    retained.saturating_sub(pieces.entry_bytes.saturating_mul(live))
}

/// How often a number can be halved.
fn doublings(n: u64) -> u64 {
    u64::from(u64::BITS - n.leading_zeros())
}
