//! Room that is not used: deletions, hints, tombstones, overflow.
//!
//! A Go map never returns an array while it lives. What a deletion leaves behind differs: a classic
//! map marks the cell *empty one*, but as *empty rest*, like a cell never used, where nothing
//! follows it in its chain (`runtime/map.go`, `mapdelete`); a Swiss map leaves a tombstone only in a
//! group without an empty slot (`internal/runtime/maps/table.go`, `Delete`). So tombstones and
//! overflow buckets prove that a map was fuller, and their absence proves nothing.

use super::{GROUP, NOTABLE, bytes, count, finding, type_name};
use crate::evidence::{Design, MapEvidence};
use crate::finding::{Finding, Rule};

/// A map less full than one in so many is sparse. A map that has just doubled is half as full as
/// the fullest, so 2 would be ordinary.
const SPARSE: u64 = 4;
/// A smaller map is not worth a word.
const MIN_SLOTS: u64 = 1024;
/// One tombstone in so many slots is worth a word: a Swiss table keeps 1 of 8 slots empty, and counts
/// tombstones as used (`maxAvgGroupLoad`), so that they take as much room as it leaves.
const TOMBSTONE_SHARE: u64 = 8;
/// One overflow bucket for so many regular ones: at the load factor of 6.5 chance makes about one in
/// five, and the runtime rebuilds at one for each (`tooManyOverflowBuckets`).
const OVERFLOW_SHARE: u64 = 2;

/// Entries are far fewer than slots, after deletions.
pub(super) fn never_shrinks(map: &MapEvidence, live: u64) -> Option<Finding> {
    if !was_fuller(map) {
        return None;
    }
    let saved = sparse(map)?;
    let title = format!(
        "{} keeps room for {} entries and holds {}: {} would go with a fresh map",
        type_name(map),
        count(map.slots),
        count(map.entries),
        bytes(saved)
    );
    let mut found = finding(Rule::NeverShrinks, map, saved, live, title);
    found.evidence.push(figures(map));
    found.fix = rebuild(map);
    Some(found)
}

/// The same, without a trace of a deletion.
pub(super) fn over_hinted(map: &MapEvidence, live: u64) -> Option<Finding> {
    if was_fuller(map) {
        return None;
    }
    let saved = sparse(map)?;
    let title = format!(
        "{} was made for {} entries and holds {}: {} of room was never used, or has been emptied \
         without a trace",
        type_name(map),
        count(map.slots),
        count(map.entries),
        bytes(saved)
    );
    let mut found = finding(Rule::OverHinted, map, saved, live, title);
    found.evidence.push(figures(map));
    found.evidence.push("no tombstone and no overflow bucket shows that it was fuller".to_owned());
    found.fix = format!(
        "make it without the hint, or with the size it reaches:\n    m := make({}, {})",
        type_name(map),
        map.entries
    );
    Some(found)
}

/// Deleted entries fill the slots of a Swiss map that is not sparse.
pub(super) fn tombstones(map: &MapEvidence, live: u64) -> Option<Finding> {
    let is_full = map.design == Design::Swiss
        && map.slots >= MIN_SLOTS
        && map.tombstones * TOMBSTONE_SHARE >= map.slots
        && map.entries * SPARSE >= map.slots;
    let at_stake = map.own_bytes / map.slots.max(1) * map.tombstones;
    if !is_full || at_stake < NOTABLE {
        return None;
    }
    let title = format!(
        "{} of {} slots of {} are tombstones: every search walks over them, until a table grows",
        count(map.tombstones),
        count(map.slots),
        type_name(map)
    );
    let mut found = finding(Rule::Tombstones, map, at_stake, live, title);
    found.evidence.push(figures(map));
    found.fix = rebuild(map);
    Some(found)
}

/// A classic map hangs on overflow buckets.
pub(super) fn overflow(map: &MapEvidence, live: u64) -> Option<Finding> {
    let regular = (map.slots / GROUP).saturating_sub(map.overflow_buckets);
    let is_heavy = map.overflow_buckets * OVERFLOW_SHARE >= regular.max(1);
    let at_stake = map.overflow_buckets * map.group_bytes;
    if map.design != Design::Classic || !(is_heavy || map.grows_in_place) || at_stake < NOTABLE {
        return None;
    }
    let title = format!(
        "{} has {} overflow buckets beside {} regular ones: searches follow chains",
        type_name(map),
        count(map.overflow_buckets),
        count(regular)
    );
    let mut found = finding(Rule::Overflow, map, at_stake, live, title);
    if map.grows_in_place {
        found.evidence.push(
            "it is being rebuilt at the same size, which inserts after many deletions cause"
                .to_owned(),
        );
    }
    found.evidence.push(figures(map));
    found.fix = rebuild(map);
    Some(found)
}

/// What a fresh map would save, if the map is large and sparse.
fn sparse(map: &MapEvidence) -> Option<u64> {
    let is_sparse = map.slots >= MIN_SLOTS && map.entries * SPARSE <= map.slots;
    let saved = map.own_bytes.saturating_sub(map.fresh_bytes?);
    (is_sparse && saved >= NOTABLE).then_some(saved)
}

/// Whether something in the map proves that it held more.
fn was_fuller(map: &MapEvidence) -> bool {
    let regular = (map.slots / GROUP).saturating_sub(map.overflow_buckets);
    // Chance alone puts a few entries into overflow buckets.
    map.tombstones > 0 || map.overflow_buckets * 64 > regular
}

fn figures(map: &MapEvidence) -> String {
    format!(
        "{} entries, {} slots, {} tombstones, {} overflow buckets, {} of its own",
        count(map.entries),
        count(map.slots),
        count(map.tombstones),
        count(map.overflow_buckets),
        bytes(map.own_bytes)
    )
}

fn rebuild(map: &MapEvidence) -> String {
    format!(
        "a map never shrinks: copy it from time to time, and drop the old one:\n    \
         fresh := make({}, len(m))\n    maps.Copy(fresh, m)\n    m = fresh",
        type_name(map)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> MapEvidence {
        MapEvidence {
            ty: "map[string]*main.Session".to_owned(),
            entries: 5_000,
            slots: 65_536,
            tombstones: 21_780,
            own_bytes: 1_747_504,
            fresh_bytes: Some(218_520),
            ..MapEvidence::default()
        }
    }

    #[test]
    fn a_map_most_of_whose_entries_were_deleted_never_shrinks() {
        let found = never_shrinks(&sessions(), 12_000_000).unwrap();
        assert_eq!(found.bytes, 1_747_504 - 218_520);
        assert!(found.fix.contains("make(map[string]*main.Session, len(m))"), "{}", found.fix);
        assert!(over_hinted(&sessions(), 12_000_000).is_none());
    }

    #[test]
    fn a_map_that_has_just_doubled_is_no_finding() {
        let map = MapEvidence { entries: 30_000, ..sessions() };
        assert!(never_shrinks(&map, 0).is_none());
        let open = MapEvidence { fresh_bytes: None, ..sessions() };
        assert!(never_shrinks(&open, 0).is_none());
    }

    #[test]
    fn without_a_trace_of_deletions_the_hint_was_too_large() {
        let map = MapEvidence { tombstones: 0, ..sessions() };
        assert!(never_shrinks(&map, 0).is_none());
        let found = over_hinted(&map, 0).unwrap();
        assert!(found.title.contains("or has been emptied"), "{}", found.title);
        let used = MapEvidence { entries: 50_000, ..map };
        assert!(over_hinted(&used, 0).is_none());
    }

    #[test]
    fn tombstones_count_in_a_full_swiss_map_only() {
        let map = MapEvidence { entries: 30_000, ..sessions() };
        assert!(tombstones(&map, 0).is_some());
        assert!(tombstones(&sessions(), 0).is_none(), "never-shrinks says it");
        let classic = MapEvidence { design: Design::Classic, ..map.clone() };
        assert!(tombstones(&classic, 0).is_none(), "classic maps reuse the cells");
        assert!(tombstones(&MapEvidence { tombstones: 100, ..map }, 0).is_none());
    }

    #[test]
    fn overflow_counts_beyond_what_chance_makes() {
        let map = MapEvidence {
            design: Design::Classic,
            entries: 10_000,
            slots: 8 * 3_000,
            overflow_buckets: 1_200,
            group_bytes: 144,
            ..MapEvidence::default()
        };
        assert_eq!(overflow(&map, 0).unwrap().bytes, 1_200 * 144);
        assert!(overflow(&MapEvidence { overflow_buckets: 480, ..map.clone() }, 0).is_none());
        let growing = MapEvidence { overflow_buckets: 480, grows_in_place: true, ..map.clone() };
        assert!(overflow(&growing, 0).is_some());
        assert!(overflow(&MapEvidence { design: Design::Swiss, ..map }, 0).is_none());
    }
}
