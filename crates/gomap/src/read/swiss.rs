//! The Swiss map (`internal/runtime/maps` from Go 1.24).
//!
//! A small map is one group of eight slots. A larger one has a directory of 2^depth pointers to
//! tables of at most 1024 slots; a table that has not split as often as the directory doubled
//! fills a run of it. A table's slots come in groups of eight, each behind a control word.

use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use super::header::directory_size;
use super::{
    Allocations, Header, MapReading, NotAMap, SwissHeader, check_array, control, indirect_cells,
    slot_of,
};
use crate::layout::{MapLayout, MapShape, SLOTS, SwissLayout};

/// Slots of the largest table (`maxTableCapacity`); a fuller one splits.
const MAX_TABLE: u64 = 1024;
/// The control word alone.
const MIN_GROUP: u64 = 8;

pub(super) fn read<M: Memory + ?Sized, A: Allocations + ?Sized>(
    memory: &M,
    allocations: &A,
    layout: &SwissLayout,
    shape: &MapShape,
    header: &SwissHeader,
) -> Result<MapReading, NotAMap> {
    let mut reading = MapReading { own: slot_of(allocations, header.at), ..MapReading::default() };
    if header.directory.is_null() {
        return Ok(reading);
    }
    if shape.group_size < MIN_GROUP {
        return Err(NotAMap::BadShape { group_size: shape.group_size });
    }
    if header.directory_len == 0 {
        read_small(memory, allocations, shape, header, &mut reading)?;
    } else {
        read_tables(memory, allocations, layout, shape, header, &mut reading)?;
    }
    if reading.entries != header.used {
        if !header.is_writing {
            return Err(NotAMap::WrongCount { header: header.used, counted: reading.entries });
        }
        reading.is_approximate = true;
    }
    let header = Header::Swiss(*header);
    let layout = MapLayout::Swiss(layout.clone());
    reading.own += indirect_cells(memory, allocations, &layout, shape, &header);
    Ok(reading)
}

fn read_small<M: Memory + ?Sized, A: Allocations + ?Sized>(
    memory: &M,
    allocations: &A,
    shape: &MapShape,
    header: &SwissHeader,
    reading: &mut MapReading,
) -> Result<(), NotAMap> {
    let at = header.directory;
    let group = check_array(allocations, at, 1, shape.group_size)?;
    let control = memory.read_u64(at)?;
    let bad = || NotAMap::BadControl { at, control: control.to_le_bytes() };
    let counts = control::swiss(control).ok_or_else(bad)?;
    // A small map frees its slots at once; only tables have tombstones.
    if counts.deleted != 0 && !header.is_writing {
        return Err(bad());
    }
    reading.entries = counts.full;
    reading.tombstones = counts.deleted;
    reading.slots = SLOTS;
    reading.own += group.map_or(ByteSize::ZERO, |group| group.slot);
    Ok(())
}

fn read_tables<M: Memory + ?Sized, A: Allocations + ?Sized>(
    memory: &M,
    allocations: &A,
    layout: &SwissLayout,
    shape: &MapShape,
    header: &SwissHeader,
    reading: &mut MapReading,
) -> Result<(), NotAMap> {
    // The directory of a map on a stack can lie there too, if it has one entry.
    let directory = check_array(allocations, header.directory, header.directory_len, 8)?;
    reading.own += directory.map_or(ByteSize::ZERO, |directory| directory.slot);
    let entries = memory.read_bytes(header.directory, directory_size(header))?;
    let entries = entries.as_chunks::<8>().0;
    let mut index = 0;
    while index < entries.len() {
        let at = Address::new(u64::from_le_bytes(entries[index]));
        let local_depth =
            read_table(memory, allocations, layout, shape, header, at, index, reading)?;
        // The table fills a run of the directory that its depth gives the length of.
        let run = 1_usize << (header.global_depth - local_depth);
        let is_run = index.is_multiple_of(run)
            && entries
                .get(index..index + run)
                .is_some_and(|run| run.iter().all(|entry| u64::from_le_bytes(*entry) == at.get()));
        if !is_run && !header.is_writing {
            return Err(NotAMap::BadTable { at, field: "localDepth" });
        }
        index += run;
    }
    Ok(())
}

/// Reads one table and returns its depth.
#[expect(clippy::too_many_arguments, reason = "one step of a loop, split off to be readable")]
fn read_table<M: Memory + ?Sized, A: Allocations + ?Sized>(
    memory: &M,
    allocations: &A,
    layout: &SwissLayout,
    shape: &MapShape,
    header: &SwissHeader,
    at: Address,
    index: usize,
    reading: &mut MapReading,
) -> Result<u32, NotAMap> {
    let bad = |field| NotAMap::BadTable { at, field };
    let table = memory.read_bytes(at, layout.table_size)?;
    let used = layout.table_used.get(&table);
    let capacity = layout.table_capacity.get(&table);
    let growth_left = layout.table_growth_left.get(&table);
    let local_depth = layout.table_local_depth.get(&table) as u32;
    let groups = layout.table_length_mask.get(&table).wrapping_add(1);
    let data = Address::new(layout.table_groups.get(&table));
    if local_depth > header.global_depth {
        return Err(bad("localDepth"));
    }
    let is_size = capacity.is_power_of_two() && (SLOTS..=MAX_TABLE).contains(&capacity);
    if !is_size || groups.checked_mul(SLOTS) != Some(capacity) {
        return Err(bad("capacity"));
    }
    if layout.table_index.get(&table) != index as u64 && !header.is_writing {
        return Err(bad("index"));
    }
    let array = check_array(allocations, data, groups, shape.group_size)?;
    let len = ByteSize::new(groups * shape.group_size);
    let bytes = memory.read_bytes(data, len)?;
    let (mut full, mut deleted) = (0, 0);
    for (index, group) in bytes.chunks_exact(shape.group_size as usize).enumerate() {
        let control = group.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        let counts = control::swiss(control).ok_or_else(|| NotAMap::BadControl {
            at: data + ByteSize::new(index as u64 * shape.group_size),
            control: control.to_le_bytes(),
        })?;
        full += counts.full;
        deleted += counts.deleted;
    }
    if !header.is_writing {
        if full != used {
            return Err(bad("used"));
        }
        // A table of one group keeps one slot empty, larger ones an eighth.
        let most = if capacity <= SLOTS { capacity - 1 } else { capacity * 7 / 8 };
        if most.checked_sub(full + deleted) != Some(growth_left) {
            return Err(bad("growthLeft"));
        }
    }
    reading.entries += full;
    reading.tombstones += deleted;
    reading.slots += capacity;
    reading.tables += 1;
    reading.own += slot_of(allocations, at);
    reading.own += array.map_or(ByteSize::ZERO, |array| array.slot);
    Ok(local_depth)
}
