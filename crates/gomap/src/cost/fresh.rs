//! What a map would cost if it were made anew for the entries it holds: `make(map[K]V, n)` and
//! then `n` assignments.
//!
//! Where keys fall is a matter of the hash seed, so a bucket or table gets a binomially distributed
//! share of them. What that decides (overflow buckets of classic maps, growth and splits of Swiss
//! tables) is counted by its mean; all else is exact. A map made for just as many entries as its
//! tables hold on average sees half of them split, so the mean is not small.

use crate::layout::{MapLayout, MapShape, SLOTS};

/// Slots of the largest table (`maxTableCapacity`).
const MAX_TABLE: u64 = 1024;
/// Of eight slots, seven may be full (`maxAvgGroupLoad`).
const MAX_LOAD: u64 = 7;
/// Shares larger than this are not looked at: they don't happen.
const MAX_SHARE: u64 = 4 * MAX_TABLE;
/// From this many buckets on, an array carries overflow buckets (`makeBucketArray`).
const CARRYING_LOG2: u32 = 4;

/// Returns the bytes of a fresh map of `n` entries. `slot_size` says what the allocator takes for
/// an object of so many bytes, without pointers or with.
pub fn fresh_cost(
    layout: &MapLayout,
    shape: &MapShape,
    n: u64,
    slot_size: &dyn Fn(u64, bool) -> u64,
) -> u64 {
    let header = slot_size(layout.header_size().get(), false);
    if n == 0 {
        return header;
    }
    let arrays = match layout {
        MapLayout::Classic(layout) => {
            classic_arrays(shape, n, layout.load_factor_by_two, layout.extra_size.get(), slot_size)
        }
        MapLayout::Swiss(layout) => swiss_arrays(shape, n, layout.table_size.get(), slot_size),
    };
    let cell = |is_indirect: bool, size: u64, is_noscan: bool| match is_indirect {
        true => slot_size(size, is_noscan),
        false => 0,
    };
    let cells = cell(shape.indirect_key, shape.key_size, shape.key_is_noscan)
        + cell(shape.indirect_elem, shape.elem_size, shape.elem_is_noscan);
    header.saturating_add(arrays).saturating_add(cells.saturating_mul(n))
}

/// `makemap` and `makeBucketArray` of `runtime/map.go`.
pub(super) fn classic_arrays(
    shape: &MapShape,
    n: u64,
    load_by_two: u64,
    extra_size: u64,
    slot_size: &dyn Fn(u64, bool) -> u64,
) -> u64 {
    let mut log2 = 0;
    while n > SLOTS && log2 < 48 && n > load_by_two * ((1 << log2) / 2) {
        log2 += 1;
    }
    let base = 1_u64 << log2;
    let carries = log2 >= CARRYING_LOG2;
    let wanted = if carries { base + (base >> 4) } else { base };
    let array = slot_size(shape.group_size.saturating_mul(wanted), shape.is_noscan);
    let carried = if carries { (array / shape.group_size.max(1)).saturating_sub(base) } else { 0 };

    let overflow = base as f64 * mean_over(n, base, |load| (load.max(1) - 1) / SLOTS);
    let beyond = (overflow - carried as f64).max(0.0);
    let bucket = slot_size(shape.group_size, shape.is_noscan) as f64;
    // The array's spare buckets are kept track of in the extra record; so are, where the collector
    // does not look into buckets, lists of those in use (`createOverflow`).
    let extra = slot_size(extra_size, false) as f64;
    let lists = match shape.is_noscan {
        true => (SLICE_HEADER + grown_list(overflow, slot_size)) as f64,
        false => 0.0,
    };
    // Small maps mostly need none: then it counts how likely one is.
    let likely = overflow.min(1.0);
    let records = match (carries, shape.is_noscan) {
        (true, _) => extra + likely * lists,
        (false, true) => likely * (extra + lists),
        (false, false) => 0.0,
    };
    array.saturating_add((beyond * bucket + records).round() as u64)
}

/// Bytes of a slice's header, which is also a size class.
const SLICE_HEADER: u64 = 24;

/// The array of a list of pointers to which so many were appended (`growslice`).
fn grown_list(len: f64, slot_size: &dyn Fn(u64, bool) -> u64) -> u64 {
    let mut bytes = slot_size(8, false);
    while ((bytes / 8) as f64) < len {
        let capacity = bytes / 8;
        let more = if capacity < 256 { capacity } else { (capacity + 3 * 256) / 4 };
        let grown = slot_size(8 * (capacity + more), false);
        if grown <= bytes {
            break;
        }
        bytes = grown;
    }
    bytes
}

/// `NewMap`, `newTable`, `grow` and `split` of `internal/runtime/maps`.
fn swiss_arrays(
    shape: &MapShape,
    n: u64,
    table_size: u64,
    slot_size: &dyn Fn(u64, bool) -> u64,
) -> u64 {
    if n <= SLOTS {
        return slot_size(shape.group_size, shape.is_noscan);
    }
    let target = (n.saturating_mul(SLOTS) / MAX_LOAD).min(1 << 60);
    let tables = target.div_ceil(MAX_TABLE).next_power_of_two();
    let capacity = (target / tables).max(SLOTS).next_power_of_two();
    let table = |capacity: u64| {
        let groups =
            slot_size((capacity / SLOTS).saturating_mul(shape.group_size), shape.is_noscan);
        slot_size(table_size, false).saturating_add(groups) as f64
    };
    let mut cost = 0.0;
    let mut capacity_now = capacity;
    let mut fitted = 0.0;
    // A table that is full doubles, up to the largest; that one splits in two.
    while capacity_now < MAX_TABLE {
        let fit = 1.0 - share_over(n, tables, most_in(capacity_now));
        cost += (fit - fitted) * table(capacity_now);
        fitted = fit;
        capacity_now *= 2;
    }
    let split = share_over(n, tables, most_in(MAX_TABLE));
    cost += (1.0 - fitted + split) * table(MAX_TABLE);
    let cost = cost * tables as f64;
    // The first split doubles the directory.
    let any_split = (tables as f64 * split).min(1.0);
    let (directory, doubled) = (slot_size(8 * tables, false), slot_size(16 * tables, false));
    let directory = directory as f64 + any_split * doubled.saturating_sub(directory) as f64;
    (directory + cost).round() as u64
}

/// Entries that a table takes (`maxGrowthLeft`).
fn most_in(capacity: u64) -> u64 {
    if capacity <= SLOTS { capacity - 1 } else { capacity * MAX_LOAD / SLOTS }
}

/// How likely one of `places` gets more than `most` of `n` keys.
fn share_over(n: u64, places: u64, most: u64) -> f64 {
    mean_over(n, places, |share| u64::from(share > most)).clamp(0.0, 1.0)
}

/// The mean of a value of the share that one of `places` gets of `n` keys.
pub(super) fn mean_over(n: u64, places: u64, value: impl Fn(u64) -> u64) -> f64 {
    if places == 1 {
        return value(n) as f64;
    }
    // In logarithms, since the likelihood of a share of nothing is too small for a number.
    let one = 1.0 / places as f64;
    let odds = (one / (1.0 - one)).ln();
    let mut likelihood = n as f64 * (-one).ln_1p();
    let mut mean = value(0) as f64 * likelihood.exp();
    for share in 1..=n.min(MAX_SHARE) {
        likelihood += ((n - share + 1) as f64 / share as f64).ln() + odds;
        mean += value(share) as f64 * likelihood.exp();
        // Behind the peak, what is this unlikely adds nothing more.
        if share > n / places && likelihood < -50.0 {
            break;
        }
    }
    mean
}
