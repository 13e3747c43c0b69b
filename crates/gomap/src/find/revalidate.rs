//! Reading the maps of a running process a second time.
//!
//! A process that was never stopped wrote while it was read, so what was read may never have been
//! true at once. Each map is read again, from the process itself; one that reads the same twice in
//! a row was at rest meanwhile, and has what was read. One that does not is marked as torn.

use std::collections::HashMap;

use tophash_goruntime::{Program, TypeId};
use tophash_memory::Memory;

use super::survey::{FoundMap, HeapAllocations};
use crate::layout::{MapLayout, MapShape};
use crate::read::{MapReading, read_header, read_map};

/// How often a map is read before it counts as torn.
const TRIES: usize = 4;

/// Reads each map again through `live` and returns how many are torn.
pub fn revalidate(
    program: &Program<'_>,
    layout: &MapLayout,
    maps: &mut [FoundMap],
    live: &dyn Memory,
) -> usize {
    let allocations = HeapAllocations::new(program.heap());
    let mut shapes: HashMap<TypeId, MapShape> = HashMap::new();
    let mut torn = 0;
    for map in maps.iter_mut() {
        let shape = map.types.first().and_then(|ty| {
            let info = program.types().get(*ty).as_map()?;
            Some(*shapes.entry(*ty).or_insert_with(|| MapShape::of(program.types(), info)))
        });
        let Some(shape) = shape else {
            // Never written: there is nothing but the header to compare.
            map.is_torn = read_header(live, layout, map.address).ok() != Some(map.header);
            torn += usize::from(map.is_torn);
            continue;
        };
        let read = || -> Option<MapReading> {
            let header = read_header(live, layout, map.address).ok()?;
            read_map(live, &allocations, layout, &shape, &header).ok()
        };
        let mut last = Some(map.reading);
        let mut stable = false;
        for _ in 0..TRIES {
            let now = read();
            if now.is_some() && now == last {
                stable = true;
                break;
            }
            last = now;
        }
        if let Some(reading) = last {
            map.reading = reading;
        }
        map.is_torn = !stable;
        torn += usize::from(map.is_torn);
    }
    torn
}
