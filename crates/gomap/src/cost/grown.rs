//! What a map costs that grew to so many entries by single assignments, without a hint.
//!
//! A classic map doubles, and holds its old buckets until assignments have moved them. A Swiss map's
//! tables double up to 1024 slots and then split in two, each where it is full, so that the number of
//! tables depends on where keys fall; the mean is counted.

use super::fresh::{classic_arrays, fresh_cost, mean_over};
use crate::layout::{MapLayout, MapShape, SLOTS};

/// Slots of the largest table (`maxTableCapacity`).
const MAX_TABLE: u64 = 1024;
/// Entries that it takes.
const MAX_ENTRIES: u64 = MAX_TABLE * 7 / 8;
/// Up to so many old buckets, chance is followed step by step.
const EXACT_BUCKETS: u64 = 256;
/// A directory of more tables than this is none that fits a machine.
const MAX_DEPTH: u32 = 40;

/// Returns the bytes of a map of `n` entries that were assigned one by one. `slot_size` says what
/// the allocator takes for an object of so many bytes, without pointers or with.
pub fn grown_cost(
    layout: &MapLayout,
    shape: &MapShape,
    n: u64,
    slot_size: &dyn Fn(u64, bool) -> u64,
) -> u64 {
    let fresh = fresh_cost(layout, shape, n, slot_size);
    match layout {
        MapLayout::Classic(classic) => {
            let (load, extra) = (classic.load_factor_by_two, classic.extra_size.get());
            let held = old_array(n, load).map_or(0.0, |(entries, likely)| {
                likely * classic_arrays(shape, entries, load, extra, slot_size) as f64
            });
            fresh.saturating_add(held.round() as u64)
        }
        MapLayout::Swiss(swiss) if n > SLOTS => {
            let header = slot_size(layout.header_size().get(), false);
            let table = slot_size(swiss.table_size.get(), false);
            let cells = fresh_cells(shape, slot_size).saturating_mul(n);
            let arrays = swiss_arrays(shape, n, table, slot_size);
            header.saturating_add(arrays).saturating_add(cells)
        }
        MapLayout::Swiss(_) => fresh,
    }
}

/// How many entries the array before took, and how likely a classic map still moves some from it.
fn old_array(n: u64, load_by_two: u64) -> Option<(u64, f64)> {
    let mut log2 = 0_u32;
    let mut grew_at = 0;
    while n > SLOTS && log2 < 48 && n > load_by_two * ((1 << log2) / 2) {
        grew_at = (load_by_two * ((1 << log2) / 2)).max(SLOTS) + 1;
        log2 += 1;
    }
    let old = 1_u64 << log2.checked_sub(1)?;
    // The assignment that grows moves buckets, too.
    Some((grew_at - 1, still_held(old, n - grew_at + 1)))
}

/// How likely buckets are left to move after so many assignments. Each moves the bucket that it
/// needs, if that has not been moved, and the first that has not (`growWork`).
fn still_held(buckets: u64, assignments: u64) -> f64 {
    if buckets > EXACT_BUCKETS {
        // The share x that has moved grows by (2 - x) / buckets: all has at ln 2 of them.
        let share = assignments as f64 / buckets as f64;
        return if share < std::f64::consts::LN_2 { 1.0 } else { 0.0 };
    }
    // How likely so many buckets have been moved.
    let mut moved = vec![0.0; buckets as usize + 1];
    moved[0] = 1.0;
    for _ in 0..assignments.min(buckets) {
        let mut next = vec![0.0; moved.len()];
        for (count, likely) in moved.iter().enumerate() {
            let needed = 1.0 - count as f64 / buckets as f64;
            next[(count + 1).min(moved.len() - 1)] += likely * (1.0 - needed);
            next[(count + 2).min(moved.len() - 1)] += likely * needed;
        }
        moved = next;
    }
    1.0 - moved[buckets as usize]
}

fn fresh_cells(shape: &MapShape, slot_size: &dyn Fn(u64, bool) -> u64) -> u64 {
    let mut bytes = 0;
    if shape.indirect_key {
        bytes += slot_size(shape.key_size, shape.key_is_noscan);
    }
    if shape.indirect_elem {
        bytes += slot_size(shape.elem_size, shape.elem_is_noscan);
    }
    bytes
}

fn swiss_arrays(shape: &MapShape, n: u64, table: u64, slot_size: &dyn Fn(u64, bool) -> u64) -> u64 {
    let groups = |capacity: u64| {
        slot_size((capacity / SLOTS).saturating_mul(shape.group_size), shape.is_noscan)
    };
    let mut capacity = 2 * SLOTS;
    while capacity < MAX_TABLE && n > capacity * 7 / 8 {
        capacity *= 2;
    }
    if n <= capacity * 7 / 8 {
        return slot_size(8, false) + table + groups(capacity);
    }
    // A table at a depth is there if the one above it overflowed and it did not.
    let full = |depth: u32| match depth {
        // So far above the mean, no table keeps to its size; the sum would not reach that far.
        depth if n >> depth > 2 * MAX_ENTRIES => 1.0,
        depth => mean_over(n, 1 << depth, |share| u64::from(share > MAX_ENTRIES)).clamp(0.0, 1.0),
    };
    let (mut tables, mut directory) = (0.0, 0.0);
    let (mut above, mut deeper) = (full(0), 1.0);
    for depth in 1..MAX_DEPTH {
        let places = f64::from(depth).exp2();
        let here = full(depth);
        tables += places * (above - here).max(0.0);
        // How likely no table is deeper than this one; then the directory has this depth.
        let shallow = (places * (-here.min(1.0 - 1e-12)).ln_1p()).exp();
        let ends = (deeper - (1.0 - shallow)).max(0.0);
        directory += ends * slot_size(8 << depth, false) as f64;
        deeper = 1.0 - shallow;
        above = here;
        if here * places < 1e-9 && deeper < 1e-9 {
            break;
        }
    }
    (directory + tables * (table + groups(MAX_TABLE)) as f64).round() as u64
}
