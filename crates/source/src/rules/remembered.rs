//! Maps that remember what is gone: entries come in where something is removed, and go only if the same thing
//! comes back.

use super::{Found, exported, finding, is_long_lived_root, position};
use crate::finding::{Evidence, Rule, Severity};
use crate::model::place::{Place, Root};
use crate::summary::{Lifetime, View};
use crate::walk::facts::{Action, Op};

/// How functions are called that take something away.
const REMOVES: [&str; 7] =
    ["delete", "remove", "destroy", "terminate", "disconnect", "unregister", "evict"];

/// How functions are called that bring something.
const BRINGS: [&str; 7] = ["create", "add", "new", "register", "insert", "connect", "join"];

pub(super) fn check<'a>(view: &View<'_, 'a>) -> Vec<(Place<'a>, Found)> {
    let mut found = Vec::new();
    for (place, summary) in &view.places {
        let growth: Vec<_> = summary.inserts().filter(|op| view.is_growth(op)).collect();
        let deletes: Vec<_> = summary.ops.iter().filter(|op| op.action == Action::Delete).collect();
        let is_left = [Action::Clear, Action::Replace, Action::Escape]
            .iter()
            .all(|other| !summary.has(*other));
        let remembers = is_long_lived_root(place)
            && is_left
            && !view.is_measured(place)
            && !growth.is_empty()
            && !deletes.is_empty()
            && growth.iter().all(|op| is_called(view, op, &REMOVES))
            && deletes.iter().all(|op| {
                // What is deleted where it was put in takes a failure back.
                is_called(view, op, &BRINGS) || growth.iter().any(|put| put.function == op.function)
            })
            && deletes.iter().any(|op| is_called(view, op, &BRINGS));
        if !remembers {
            continue;
        }
        let (rule, is_shared) = match place.root {
            Root::Type(name) => (Rule::UnboundedField, view.lifetime(name) > Lifetime::Unknown),
            _ => (Rule::UnboundedGlobal, true),
        };
        let severity = match is_shared && exported(place).is_none() {
            true => Severity::Warning,
            false => Severity::Info,
        };
        let message = format!(
            "{} remembers what was removed, and forgets it only if the same comes back",
            place.spell()
        );
        let mut one = finding(view, rule, severity, place, &growth, message);
        for op in deletes.iter().take(2) {
            one.evidence
                .push(Evidence { at: position(view, op.spot), what: "deleted here".to_owned() });
        }
        one.absent = "no delete where nothing comes back, no clear and no reassignment".to_owned();
        one.fix =
            "let entries expire, or delete them when nobody can ask for them any more".to_owned();
        found.push((place.clone(), Found { finding: one, exported: exported(place) }));
    }
    found
}

fn is_called(view: &View<'_, '_>, op: &Op<'_>, starts: &[&str]) -> bool {
    view.function_name(op).is_some_and(|name| {
        let name = name.to_lowercase();
        starts.iter().any(|start| name.starts_with(start))
    })
}
