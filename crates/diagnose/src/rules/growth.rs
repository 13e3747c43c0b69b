//! Growth between two snapshots.

use super::{NOTABLE, bytes, count, finding, type_name};
use crate::evidence::MapEvidence;
use crate::finding::{Finding, Rule};

/// Less growth than one in so many is noise.
const GROWN_SHARE: u64 = 20;

/// More entries and more bytes than before.
pub(super) fn growing(map: &MapEvidence, live: u64) -> Option<Finding> {
    let before = map.before?;
    let more = map.entries.checked_sub(before.entries)?;
    let grown = map.own_bytes.checked_sub(before.own_bytes)?;
    if more * GROWN_SHARE < before.entries.max(1) || grown < NOTABLE {
        return None;
    }
    let title = format!(
        "{} grew from {} to {} entries and by {} between the snapshots",
        type_name(map),
        count(before.entries),
        count(map.entries),
        bytes(grown)
    );
    let mut found = finding(Rule::Growing, map, grown, live, title);
    found.evidence.push(format!(
        "it owned {} and owns {} now",
        bytes(before.own_bytes),
        bytes(map.own_bytes)
    ));
    found.fix =
        "two snapshots show growth, not that it goes on: take a third. If it does, bound the \
                 map: delete what has expired, or keep at most so many entries."
            .to_owned();
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::GrowthEvidence;

    fn grown(before: u64, now: u64) -> MapEvidence {
        MapEvidence {
            entries: now,
            own_bytes: now * 50,
            before: Some(GrowthEvidence { entries: before, own_bytes: before * 50 }),
            ..MapEvidence::default()
        }
    }

    #[test]
    fn more_entries_and_bytes_are_growth() {
        assert_eq!(growing(&grown(20_000, 30_000), 0).unwrap().bytes, 500_000);
    }

    #[test]
    fn little_more_less_or_unknown_is_none() {
        assert!(growing(&grown(20_000, 20_500), 0).is_none());
        assert!(growing(&grown(30_000, 20_000), 0).is_none());
        assert!(growing(&MapEvidence { before: None, ..grown(1, 100_000) }, 0).is_none());
    }
}
