//! What is stored more than once: keys' text, entries of a `sync.Map`.

use super::{NOTABLE, bytes, count, finding, type_name};
use crate::evidence::{MapEvidence, SyncMapEvidence};
use crate::finding::{Finding, Rule, Severity};

/// The text of keys is stored elsewhere, too.
pub(super) fn duplicate_keys(map: &MapEvidence, live: u64) -> Option<Finding> {
    let wasted = map.duplicate_key_bytes;
    if !map.key.is_string || wasted < NOTABLE {
        return None;
    }
    let title = format!(
        "{} holds {} of key text that other maps hold, too, in objects of their own",
        type_name(map),
        bytes(wasted)
    );
    let mut found = finding(Rule::DuplicateKeys, map, wasted, live, title);
    found.fix = "intern the keys, so that equal ones share their bytes (unique.Make, from Go 1.23, or \
                 a map[string]string of your own); a key cut out of a larger text keeps all of that \
                 text: strings.Clone"
        .to_owned();
    Some(found)
}

/// A `sync.Map` of the old design that holds its entries twice, or deleted ones.
///
/// To Go 1.23 a `sync.Map` is a map that is read without a lock and, once a new key was stored, a
/// second one with all entries (`sync/map.go`). New keys at every turn keep both alive, and deleted
/// entries stay in the first until the second takes its place. The hash trie that took over with Go
/// 1.24 has no such state, and nothing is said of it.
pub(super) fn sync_map_churn(map: &SyncMapEvidence, live: u64) -> Option<Finding> {
    let [larger, smaller] = map.inner_entries.as_slice() else { return None };
    let is_twice = smaller * 2 >= *larger && *smaller > 0;
    let deleted = map.slots.saturating_sub(map.entries);
    let is_dead = deleted >= map.entries.max(1);
    if !map.has_two_maps || !(is_twice || is_dead) || map.own_bytes < 2 * NOTABLE {
        return None;
    }
    let at_stake = map.own_bytes / 2;
    let title = match is_twice {
        true => format!(
            "a sync.Map of {} entries holds most of them twice, as maps of {} and {}: new keys come \
             in faster than the second map becomes the first",
            count(map.entries),
            count(*larger),
            count(*smaller)
        ),
        false => {
            format!(
                "a sync.Map of {} entries still holds {} deleted ones",
                count(map.entries),
                count(deleted)
            )
        }
    };
    Some(Finding {
        rule: Rule::SyncMapChurn,
        severity: Severity::of(at_stake, live),
        map: Some(map.address),
        bytes: at_stake,
        title,
        evidence: vec![
            format!("held by {}", map.held_by),
            format!("{} of its own", bytes(map.own_bytes)),
        ],
        fix:
            "sync.Map is for keys that are written once and read often; for keys that come and go, \
              a map with a sync.RWMutex, or several by a hash of the key, holds each once. Go 1.24 \
              has another design without this cost."
                .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::ValueEvidence;

    #[test]
    fn text_that_is_stored_elsewhere_counts_for_string_keys() {
        let map = MapEvidence {
            key: ValueEvidence { is_string: true, ..ValueEvidence::default() },
            duplicate_key_bytes: 100_000,
            ..MapEvidence::default()
        };
        assert_eq!(duplicate_keys(&map, 0).unwrap().bytes, 100_000);
        assert!(duplicate_keys(&MapEvidence { duplicate_key_bytes: 10, ..map }, 0).is_none());
    }

    fn churned() -> SyncMapEvidence {
        SyncMapEvidence {
            has_two_maps: true,
            entries: 10_000,
            slots: 10_000,
            own_bytes: 2_000_000,
            inner_entries: vec![10_000, 9_000],
            ..SyncMapEvidence::default()
        }
    }

    #[test]
    fn a_sync_map_that_holds_its_entries_twice_is_churned() {
        assert!(sync_map_churn(&churned(), 0).unwrap().title.contains("10,000 and 9,000"));
        let dead = SyncMapEvidence { slots: 30_000, inner_entries: vec![30_000, 0], ..churned() };
        assert!(sync_map_churn(&dead, 0).unwrap().title.contains("20,000 deleted"));
    }

    #[test]
    fn a_settled_sync_map_and_a_hash_trie_are_not() {
        let settled = SyncMapEvidence { inner_entries: vec![10_000, 0], ..churned() };
        assert!(sync_map_churn(&settled, 0).is_none());
        let trie = SyncMapEvidence { has_two_maps: false, inner_entries: Vec::new(), ..churned() };
        assert!(sync_map_churn(&trie, 0).is_none());
    }
}
