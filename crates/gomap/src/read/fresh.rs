//! What a map would cost if it were made anew for the entries it holds: `make(map[K]V, n)` and
//! then `n` assignments.
//!
//! Classic arrays are exact up to the overflow buckets that chance needs beyond those the array
//! carries; their mean is added. Swiss tables are exact up to splits that chance needs, which are
//! left out.

use crate::layout::{MapLayout, MapShape, SLOTS};

/// Slots of the largest table (`maxTableCapacity`).
const MAX_TABLE: u64 = 1024;
/// Of eight slots, seven may be full (`maxAvgGroupLoad`).
const MAX_LOAD: u64 = 7;

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
    header + arrays + cells * n
}

/// `makemap` and `makeBucketArray` of `runtime/map.go`.
fn classic_arrays(
    shape: &MapShape,
    n: u64,
    load_by_two: u64,
    extra_size: u64,
    slot_size: &dyn Fn(u64, bool) -> u64,
) -> u64 {
    let mut log2 = 0;
    while n > SLOTS && log2 < 60 && n > load_by_two * ((1 << log2) / 2) {
        log2 += 1;
    }
    let base = 1_u64 << log2;
    let bucket = slot_size(shape.group_size, shape.is_noscan);
    if log2 < 4 {
        let overflow = mean_overflow(n, base);
        let extra = if overflow >= 0.5 { extra_lists(shape, extra_size, slot_size) } else { 0 };
        return slot_size(shape.group_size * base, shape.is_noscan)
            + extra
            + (overflow * bucket as f64).round() as u64;
    }
    let array = slot_size(shape.group_size * (base + (base >> 4)), shape.is_noscan);
    let carried = (array / shape.group_size).saturating_sub(base);
    let beyond = (mean_overflow(n, base) - carried as f64).max(0.0);
    let extra = slot_size(extra_size, false);
    array + extra + (beyond * bucket as f64).round() as u64
}

fn extra_lists(shape: &MapShape, extra_size: u64, slot_size: &dyn Fn(u64, bool) -> u64) -> u64 {
    // Only maps without pointers keep lists of their overflow buckets.
    if shape.is_noscan { slot_size(extra_size, false) } else { 0 }
}

/// The mean number of overflow buckets when `n` keys fall on `buckets`: each bucket's load is
/// Poisson distributed, and every eight keys beyond the first eight take one more.
fn mean_overflow(n: u64, buckets: u64) -> f64 {
    if buckets == 1 {
        return n.saturating_sub(1).saturating_sub(SLOTS - 1).div_ceil(SLOTS) as f64;
    }
    let mean = n as f64 / buckets as f64;
    let mut probability = (-mean).exp();
    let mut total = 0.0;
    for load in 1..200_u32 {
        probability *= mean / f64::from(load);
        let over = (load.saturating_sub(1) / SLOTS as u32).min(24);
        total += probability * f64::from(over);
    }
    total * buckets as f64
}

/// `NewMap` and `newTable` of `internal/runtime/maps`.
fn swiss_arrays(
    shape: &MapShape,
    n: u64,
    table_size: u64,
    slot_size: &dyn Fn(u64, bool) -> u64,
) -> u64 {
    if n <= SLOTS {
        return slot_size(shape.group_size, shape.is_noscan);
    }
    let target = n * SLOTS / MAX_LOAD;
    let tables = target.div_ceil(MAX_TABLE).next_power_of_two();
    let capacity = (target / tables).max(SLOTS).next_power_of_two();
    let groups = capacity / SLOTS;
    slot_size(8 * tables, false)
        + tables
            * (slot_size(table_size, false) + slot_size(groups * shape.group_size, shape.is_noscan))
}
