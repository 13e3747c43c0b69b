//! What a map's types cost: pointers for the collector, cells for large values, headers for small
//! maps.

use std::collections::BTreeMap;

use super::{GROUP, NOTABLE, bytes, count, finding, type_name};
use crate::evidence::MapEvidence;
use crate::finding::{Finding, Rule};

/// Larger keys and elems lie in cells of their own (`abi.MapMaxKeyBytes`, `abi.MapMaxElemBytes`).
const MAX_INLINE: u64 = 128;
/// Fewer entries than this are not worth another type.
const MIN_ENTRIES: u64 = 1000;
/// So many maps of a type are many.
const MANY: usize = 1000;
/// Maps whose own bytes are so many times their content are mostly header and room.
const OVERHEAD: u64 = 3;

/// Elems are pointers to values without pointers, small enough to be stored in their place; then the
/// collector would skip the whole map.
pub(super) fn pointer_free(map: &MapEvidence, live: u64) -> Option<Finding> {
    let pointee = map.elem.pointee.as_ref()?;
    let could_be_free =
        !map.key.has_pointers && !pointee.has_pointers && pointee.size <= MAX_INLINE;
    if !could_be_free || map.entries < MIN_ENTRIES || map.scan_bytes < NOTABLE {
        return None;
    }
    let title = format!(
        "the collector scans {} of {} each cycle, for pointers to values without pointers",
        bytes(map.scan_bytes),
        type_name(map)
    );
    let mut found = finding(Rule::PointerFree, map, map.scan_bytes, live, title);
    found.evidence.push(format!(
        "{} entries, each with an object of its own of {} bytes ({})",
        count(map.entries),
        pointee.size,
        pointee.ty
    ));
    found.fix = format!(
        "store the values: then the map holds no pointer, and the collector skips it:\n    \
         map[{}]{}\nThis fits if no one else keeps the pointers, and values are replaced rather than \
         changed in place.",
        map.key.ty, pointee.ty
    );
    Some(found)
}

/// Keys or elems over 128 bytes: a cell on the heap for each entry.
pub(super) fn indirect(map: &MapEvidence, live: u64) -> Option<Finding> {
    let large = |size: u64| size > MAX_INLINE;
    if !(large(map.key.size) || large(map.elem.size))
        || map.entries < MIN_ENTRIES
        || map.cell_bytes < NOTABLE
    {
        return None;
    }
    let what = match (large(map.key.size), large(map.elem.size)) {
        (true, true) => "keys and elems are",
        (true, false) => "keys are",
        _ => "elems are",
    };
    let title = format!(
        "{}: {what} over {MAX_INLINE} bytes, so that each entry has a cell of its own: {}",
        type_name(map),
        bytes(map.cell_bytes)
    );
    let mut found = finding(Rule::Indirect, map, map.cell_bytes, live, title);
    found.evidence.push(format!(
        "a key has {} bytes, an elem {}; {} entries",
        map.key.size,
        map.elem.size,
        count(map.entries)
    ));
    found.fix = if large(map.key.size) {
        "use a shorter key, such as a hash of it or an index into a slice".to_owned()
    } else {
        format!(
            "the cell is allocated at each insert anyway: map[{}]*{} says so, and lets replaced \
             values be reused; or split off the part that is read often",
            map.key.ty, map.elem.ty
        )
    };
    Some(found)
}

/// Many maps of one type with few entries each.
pub(super) fn tiny_maps(maps: &[MapEvidence], live: u64) -> Vec<Finding> {
    let mut by_type: BTreeMap<&str, Vec<&MapEvidence>> = BTreeMap::new();
    for map in maps.iter().filter(|map| !map.ty.is_empty() && map.entries <= GROUP) {
        by_type.entry(&map.ty).or_default().push(map);
    }
    by_type.into_values().filter_map(|maps| tiny(&maps, live)).collect()
}

fn tiny(maps: &[&MapEvidence], live: u64) -> Option<Finding> {
    let first = maps.first()?;
    let entries: u64 = maps.iter().map(|map| map.entries).sum();
    let own: u64 = maps.iter().map(|map| map.own_bytes).sum();
    let content = entries * (first.key.size + first.elem.size);
    let wasted = own.saturating_sub(content);
    if maps.len() < MANY || own < OVERHEAD * content || wasted < NOTABLE {
        return None;
    }
    let title = format!(
        "{} maps of type {} hold {} entries in all: {} of {} is header and empty room",
        count(maps.len() as u64),
        first.ty,
        count(entries),
        bytes(wasted),
        bytes(own)
    );
    let mut found = finding(Rule::TinyMaps, first, wasted, live, title);
    found.evidence.push(format!(
        "{:.1} entries and {} bytes a map, of which {} are keys and elems",
        entries as f64 / maps.len() as f64,
        own / maps.len() as u64,
        content / maps.len() as u64
    ));
    found.fix = format!(
        "a slice is smaller, and faster to search up to some ten entries:\n    \
         type entry struct {{ key {}; value {} }}\n    entries []entry",
        first.key.ty, first.elem.ty
    );
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::{PointeeEvidence, ValueEvidence};

    fn value(ty: &str, size: u64, has_pointers: bool) -> ValueEvidence {
        ValueEvidence { ty: ty.to_owned(), size, has_pointers, ..ValueEvidence::default() }
    }

    fn points() -> MapEvidence {
        let pointee =
            PointeeEvidence { ty: "main.Point".to_owned(), size: 16, has_pointers: false };
        MapEvidence {
            ty: "map[int64]*main.Point".to_owned(),
            key: value("int64", 8, false),
            elem: ValueEvidence { pointee: Some(pointee), ..value("*main.Point", 8, true) },
            entries: 20_000,
            scan_bytes: 600_000,
            ..MapEvidence::default()
        }
    }

    #[test]
    fn pointers_to_small_values_without_pointers_could_be_values() {
        let found = pointer_free(&points(), 0).unwrap();
        assert!(found.fix.contains("map[int64]main.Point"), "{}", found.fix);
    }

    #[test]
    fn string_keys_large_values_and_values_with_pointers_stay() {
        let keyed = MapEvidence { key: value("string", 16, true), ..points() };
        assert!(pointer_free(&keyed, 0).is_none());
        for (size, has_pointers) in [(200, false), (16, true)] {
            let mut map = points();
            map.elem.pointee =
                Some(PointeeEvidence { ty: "main.T".to_owned(), size, has_pointers });
            assert!(pointer_free(&map, 0).is_none());
        }
    }

    #[test]
    fn elems_over_128_bytes_have_cells() {
        let map = MapEvidence {
            key: value("int64", 8, false),
            elem: value("[200]uint8", 200, false),
            entries: 5_000,
            cell_bytes: 5_000 * 208,
            ..MapEvidence::default()
        };
        assert_eq!(indirect(&map, 0).unwrap().bytes, 1_040_000);
        let inline = MapEvidence { elem: value("[128]uint8", 128, false), ..map };
        assert!(indirect(&inline, 0).is_none());
    }

    #[test]
    fn many_small_maps_of_one_type_are_one_finding() {
        let labels = MapEvidence {
            ty: "map[string]string".to_owned(),
            key: value("string", 16, true),
            elem: value("string", 16, true),
            entries: 2,
            slots: 8,
            own_bytes: 336,
            ..MapEvidence::default()
        };
        let found = tiny_maps(&vec![labels.clone(); 5_000], 0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].bytes, 5_000 * (336 - 64));
        assert!(tiny_maps(&vec![labels.clone(); 50], 0).is_empty());
        let full = MapEvidence { entries: 8, ..labels };
        assert!(tiny_maps(&vec![full; 5_000], 0).is_empty());
    }
}
