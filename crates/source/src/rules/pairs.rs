//! Entries that are cleaned in part: `nil` in place of a delete, and one of two maps.

use std::collections::{HashMap, HashSet};

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
        let nil_keys: HashSet<KeyUse> = nils.iter().filter_map(|op| key_use(op)).collect();
        let values: Vec<_> = summary
            .inserts()
            .filter(|op| !is_nil(op) && view.is_growth(op))
            // Where one function stores nil or a value for a key, nil is a value.
            .filter(|op| !key_use(op).is_some_and(|key| nil_keys.contains(&key)))
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
    let cleaned = Cleaned::of(view);
    for (place, _, growth) in super::unbounded::candidates(view) {
        let Some((other, summary)) = cleaned.partner(place, &growth) else { continue };
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
        let mut one = finding(view, Rule::HalfCleanedPair, severity, place, &growth, message);
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

/// Where an insertion stands and what its key looks like: function, file and text.
type KeyUse = (Option<usize>, usize, String);

fn key_use(op: &Op<'_>) -> Option<KeyUse> {
    Some((op.function, op.spot.file, render::short(op.key?)?))
}

/// Maps that lose single entries, by the insertions that they take.
struct Cleaned<'v, 'a> {
    maps: Vec<(&'v Place<'a>, &'v Summary<'a>, HashSet<KeyUse>)>,
    by_key: HashMap<KeyUse, Vec<usize>>,
}

impl<'v, 'a> Cleaned<'v, 'a> {
    fn of(view: &'v View<'_, 'a>) -> Self {
        let mut cleaned = Self { maps: Vec::new(), by_key: HashMap::new() };
        for (place, summary) in &view.places {
            let has_delete = summary.ops.iter().any(|op| {
                op.action == Action::Delete && op.key.is_some() && !op.is_fresh && !op.is_inner
            });
            if !has_delete {
                continue;
            }
            let keys: HashSet<KeyUse> = summary.inserts().filter_map(key_use).collect();
            for key in &keys {
                cleaned.by_key.entry(key.clone()).or_default().push(cleaned.maps.len());
            }
            cleaned.maps.push((place, summary, keys));
        }
        cleaned
    }

    /// Finds the map beside which this one is filled: all that is put in goes in beside the other.
    fn partner(
        &self,
        place: &Place<'a>,
        growth: &[&Op<'a>],
    ) -> Option<(&'v Place<'a>, &'v Summary<'a>)> {
        let uses: Vec<KeyUse> = growth.iter().map(|op| key_use(op)).collect::<Option<_>>()?;
        let beside = self.by_key.get(uses.first()?)?;
        beside.iter().filter_map(|number| self.maps.get(*number)).find_map(|map| {
            let (other, summary, keys) = map;
            let are_siblings = match (place.root, other.root) {
                (Root::Type(a), Root::Type(b)) => a == b,
                (Root::Global(_), Root::Global(_)) => true,
                _ => false,
            };
            let is_pair =
                are_siblings && *other != place && uses.iter().all(|key| keys.contains(key));
            is_pair.then_some((*other, *summary))
        })
    }
}

/// Whether a function is there to take things out: its object is one that lasts.
fn is_removal(view: &View<'_, '_>, op: &Op<'_>) -> bool {
    view.function_name(op).is_some_and(|name| {
        let name = name.to_lowercase();
        REMOVALS.iter().any(|word| name.starts_with(word))
    })
}
