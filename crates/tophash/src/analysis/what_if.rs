//! What a map would cost if it were made anew, or otherwise, or by another Go release.

use std::collections::HashSet;

use tophash_gomap::{
    FoundMap, MapDesign, MapLayout, MapShape, ValueShape, entries, fresh_cost, grown_cost,
};
use tophash_goruntime::{LayoutTable, MapTypeInfo, Program, Shape, SizeClasses};
use tophash_memory::MemoryExt;

use crate::report::Scenario;

/// Elems up to this size are stored in the map itself.
const MAX_INLINE: u64 = 128;

/// A release's maps.
struct ReleaseLayout {
    name: String,
    design: MapDesign,
    layout: MapLayout,
    classes: SizeClasses,
}

/// Answers what-if questions on the maps of one program.
pub(super) struct WhatIf<'p> {
    program: &'p Program<'p>,
    layout: &'p MapLayout,
    releases: Vec<ReleaseLayout>,
}

impl<'p> WhatIf<'p> {
    pub(super) fn new(program: &'p Program<'p>, layout: &'p MapLayout) -> Self {
        let releases = LayoutTable::releases()
            .filter_map(|version| {
                let table = LayoutTable::for_version(&version).ok()?;
                Some(ReleaseLayout {
                    name: format!("1.{}", version.minor()),
                    design: MapDesign::of(&table),
                    layout: MapLayout::new(&table, &version).ok()?,
                    classes: SizeClasses::new(&table, &version),
                })
            })
            .collect();
        Self { program, layout, releases }
    }

    /// Returns what a map would cost otherwise; nothing for one whose type is open.
    pub(super) fn of(&self, map: &FoundMap) -> Vec<Scenario> {
        let types = self.program.types();
        let [ty] = map.types.as_slice() else { return Vec::new() };
        let Some(info) = types.get(*ty).as_map() else { return Vec::new() };
        let (n, own) = (map.reading.entries, map.reading.own.get());
        let shape = MapShape::of(types, info);
        let classes = self.program.heap().size_classes();
        let slot_size = |size, is_noscan| classes.slot_size(size, is_noscan);
        let scenario = |change, go: &str, bytes, now_bytes| Scenario {
            change,
            go: go.to_owned(),
            bytes,
            now_bytes,
        };
        let mut found = vec![
            scenario("hint", "", fresh_cost(self.layout, &shape, n, &slot_size), own),
            scenario("grown", "", grown_cost(self.layout, &shape, n, &slot_size), own),
        ];
        if let Some((bytes, pointees)) = self.with_values(map, info, &shape) {
            found.push(scenario("values", "", bytes, own + pointees));
        }
        let [key, elem] = [info.key, info.elem].map(|id| ValueShape::of(types, id));
        for release in &self.releases {
            let shape = MapShape::for_values(release.design, key, elem);
            let slot_size = |size, is_noscan| release.classes.slot_size(size, is_noscan);
            let bytes = grown_cost(&release.layout, &shape, n, &slot_size);
            found.push(scenario("release", &release.name, bytes, own));
        }
        found
    }

    /// What a map of pointers would cost as a map of values, and what the values cost now, each
    /// counted once.
    fn with_values(
        &self,
        map: &FoundMap,
        info: &MapTypeInfo,
        shape: &MapShape,
    ) -> Option<(u64, u64)> {
        let types = self.program.types();
        let Shape::Pointer(pointee) = types.get(info.elem).shape else { return None };
        let elem = ValueShape::of(types, pointee);
        if elem.size > MAX_INLINE {
            return None;
        }
        let heap = self.program.heap();
        let memory = self.program.memory();
        let mut seen = HashSet::new();
        let mut pointees = 0;
        for entry in entries(memory, self.layout, shape, &map.header).map_while(Result::ok) {
            let slot = memory.read_address(entry.elem).ok().and_then(|at| heap.object_holding(at));
            if let Some(slot) = slot
                && seen.insert(heap.id(slot))
            {
                pointees += heap.span(slot.span).elem_size();
            }
        }
        let key = ValueShape::of(types, info.key);
        let design = MapDesign::of(self.program.layout());
        let shape = MapShape::for_values(design, key, elem);
        let classes = heap.size_classes();
        let slot_size = |size, is_noscan| classes.slot_size(size, is_noscan);
        Some((fresh_cost(self.layout, &shape, map.reading.entries, &slot_size), pointees))
    }
}
