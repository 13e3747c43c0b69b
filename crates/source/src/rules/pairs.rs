//! Entries that are cleaned in part: `nil` in place of a delete, and one of two maps.

use super::unbounded::lifetime;
use super::{Found, exported, finding, is_long_lived_root, position};
use crate::finding::{Evidence, Rule, Severity};
use crate::model::place::{Place, Root};
use crate::model::render;
use crate::summary::{Lifetime, Summary, View};
use crate::walk::facts::{Action, Op, Stored};

/// How functions are called that take something out.
const REMOVALS: [&str; 9] = [
    "delete",
    "remove",
    "evict",
    "unregister",
    "unsubscribe",
    "close",
    "disconnect",
    "release",
    "expire",
];

/// `m[k] = nil` on a map that never loses an entry.
pub(super) fn nil_for_delete<'a>(view: &View<'_, 'a>) -> Vec<(Place<'a>, Found)> {
    let mut found = Vec::new();
    for (place, summary) in &view.places {
        if !is_long_lived_root(place) || summary.is_cleaned() {
            continue;
        }
        let is_nil = |op: &&Op<'a>| op.action == Action::Insert(Stored::Nil);
        let nils: Vec<_> = summary.inserts().filter(|op| is_nil(op) && !op.is_fresh).collect();
        let values: Vec<_> = summary
            .inserts()
            .filter(|op| !is_nil(op) && view.is_growth(op))
            // Where one function stores nil or a value for a key, nil is a value.
            .filter(|op| !nils.iter().any(|nil| same_key(op, nil)))
            .collect();
        // A value that may be nil stored elsewhere is how sets are written.
        if nils.is_empty() || values.is_empty() {
            continue;
        }
        let is_short = lifetime(view, place) == Lifetime::Unknown;
        let severity = match is_short || exported(place).is_some() || summary.has(Action::Escape) {
            true => Severity::Info,
            false => Severity::Warning,
        };
        let message = format!(
            "{} gets nil where an entry is done with: key and slot stay in the map",
            place.spell()
        );
        let mut one = finding(view, Rule::NilForDelete, severity, place, &values, message);
        for op in nils {
            let what = "nil is stored here".to_owned();
            one.evidence.push(Evidence { at: position(view, op.spot), what });
        }
        one.evidence.truncate(super::MAX_EVIDENCE);
        one.fix =
            "delete(m, key) in place of m[key] = nil: a lookup then yields nil, too".to_owned();
        found.push((place.clone(), Found { finding: one, exported: exported(place) }));
    }
    found
}

/// Two maps that get the same keys in the same function, of which one loses them again.
pub(super) fn half_cleaned<'a>(view: &View<'_, 'a>) -> Vec<(Place<'a>, Found)> {
    let mut found = Vec::new();
    for (place, _, growth) in super::unbounded::candidates(view) {
        let Some((other, summary, together)) = partner(view, place, &growth) else { continue };
        let deletes: Vec<&Op<'_>> =
            summary.ops.iter().filter(|op| op.action == Action::Delete).collect();
        let escapes = view.places.get(place).is_some_and(|summary| summary.has(Action::Escape));
        let is_short = lifetime(view, place) == Lifetime::Unknown
            && !deletes.iter().any(|op| is_removal(view, op));
        let severity = match is_short || escapes || exported(place).is_some() {
            true => Severity::Info,
            false => Severity::Warning,
        };
        let message = format!(
            "{} gets the same keys as {}, which is cleaned while it is not",
            place.spell(),
            other.spell()
        );
        let mut one = finding(view, Rule::HalfCleanedPair, severity, place, &together, message);
        for op in deletes.into_iter().take(2) {
            let what = format!("{} loses an entry here", other.spell());
            one.evidence.push(Evidence { at: position(view, op.spot), what });
        }
        one.fix = format!(
            "delete from {} wherever an entry of {} is deleted",
            place.spell(),
            other.spell()
        );
        found.push((place.clone(), Found { finding: one, exported: exported(place) }));
    }
    found
}

/// Finds the map beside which this one is filled.
fn partner<'v, 'a>(
    view: &'v View<'_, 'a>,
    place: &Place<'a>,
    growth: &[&'v Op<'a>],
) -> Option<(&'v Place<'a>, &'v Summary<'a>, Vec<&'v Op<'a>>)> {
    view.places.iter().find_map(|(other, summary)| {
        let are_siblings = match (place.root, other.root) {
            (Root::Type(a), Root::Type(b)) => a == b,
            (Root::Global(_), Root::Global(_)) => true,
            _ => false,
        };
        let has_delete = summary.ops.iter().any(|op| {
            op.action == Action::Delete && op.key.is_some() && !op.is_fresh && !op.is_inner
        });
        if other == place || !are_siblings || !has_delete {
            return None;
        }
        let together: Vec<_> = growth
            .iter()
            .filter(|op| summary.inserts().any(|beside| same_key(op, beside)))
            .copied()
            .collect();
        // All that is put in goes in beside the other; else the maps are no pair.
        (together.len() == growth.len()).then_some((other, summary, together))
    })
}

/// Whether a function is there to take things out: its object is one that lasts.
fn is_removal(view: &View<'_, '_>, op: &Op<'_>) -> bool {
    view.function_name(op).is_some_and(|name| {
        let name = name.to_lowercase();
        REMOVALS.iter().any(|word| name.starts_with(word))
    })
}

fn same_key(a: &Op<'_>, b: &Op<'_>) -> bool {
    let (Some(first), Some(second)) = (a.key, b.key) else { return false };
    a.function == b.function
        && a.spot.file == b.spot.file
        && render::short(first).is_some_and(|text| render::short(second) == Some(text))
}
