//! The rules, a file for each family.
//!
//! A rule speaks up only from [`NOTABLE`] bytes on: below that, a finding costs more attention than
//! it saves memory.

mod cost;
mod growth;
mod held;
mod room;
mod shared;

use bytesize::ByteSize;

use crate::evidence::{Evidence, MapEvidence};
use crate::finding::{Finding, Rule, Severity};

/// Bytes at stake below which nothing is said.
pub(crate) const NOTABLE: u64 = 64 << 10;
/// Slots of a bucket or group.
pub(crate) const GROUP: u64 = 8;

/// Applies all rules.
pub(crate) fn all(evidence: &Evidence) -> Vec<Finding> {
    let live = evidence.live_bytes;
    let mut found = Vec::new();
    for map in &evidence.maps {
        found.extend(room::never_shrinks(map, live));
        found.extend(room::over_hinted(map, live));
        found.extend(room::tombstones(map, live));
        found.extend(room::overflow(map, live));
        found.extend(growth::growing(map, live));
        found.extend(cost::pointer_free(map, live));
        found.extend(cost::indirect(map, live));
        found.extend(shared::duplicate_keys(map, live));
        found.extend(held::pinned(map, live));
        found.extend(held::only_unsafe(map, live));
    }
    found.extend(cost::tiny_maps(&evidence.maps, live));
    found.extend(evidence.sync_maps.iter().filter_map(|map| shared::sync_map_churn(map, live)));
    found
}

/// Makes a finding on a map, with its severity by its bytes.
pub(crate) fn finding(
    rule: Rule,
    map: &MapEvidence,
    bytes: u64,
    live: u64,
    title: String,
) -> Finding {
    let mut evidence = Vec::new();
    if !map.held_by.is_empty() {
        evidence.push(format!("held by {}", map.held_by));
    }
    if let Some(frame) = map.allocated_at.first() {
        evidence.push(format!("last array allocated in {} ({})", frame.function, frame.place));
    }
    Finding {
        rule,
        severity: Severity::of(bytes, live),
        map: Some(map.address),
        bytes,
        title,
        evidence,
        fix: String::new(),
    }
}

/// The map's type for a sentence.
pub(crate) fn type_name(map: &MapEvidence) -> &str {
    if map.ty.is_empty() { "map" } else { &map.ty }
}

/// Spells a number with commas between thousands.
pub(crate) fn count(n: u64) -> String {
    let groups: Vec<String> = n
        .to_string()
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|g| String::from_utf8_lossy(g).into())
        .collect();
    groups.join(",")
}

/// Spells bytes.
pub(crate) fn bytes(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn counts_have_commas_between_thousands() {
        let spelled = [0, 999, 1_000, 65_536, 1_234_567].map(count);
        assert_eq!(spelled, ["0", "999", "1,000", "65,536", "1,234,567"]);
    }
}
