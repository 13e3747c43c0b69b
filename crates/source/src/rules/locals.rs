//! Maps of functions that live on: in a goroutine that does not end, or in a handler.

use super::{Found, finding, keys};
use crate::finding::{Rule, Severity};
use crate::model::place::{Place, Root};
use crate::summary::View;
use crate::walk::facts::{Action, Op, Origin, Use};

pub(super) fn check<'a>(view: &View<'_, 'a>) -> Vec<(Place<'a>, Found)> {
    let mut found = Vec::new();
    for (place, summary) in &view.places {
        if !matches!(place.root, Root::Local { .. })
            || summary.is_cleaned()
            || summary.has(Action::Escape)
            || view.is_measured(place)
        {
            continue;
        }
        let growth: Vec<_> = summary.inserts().filter(|op| view.is_growth(op)).collect();
        let origin = growth.iter().map(|op| op.origin).max().unwrap_or(Origin::Plain);
        let endless: Vec<_> = growth.iter().filter(|op| never_ends(view, op)).copied().collect();
        let kept: Vec<_> = growth.iter().filter(|op| is_in_handler(op)).copied().collect();
        let (rule, ops, severity, message, fix) = if !endless.is_empty() {
            let severity = match origin >= Origin::Time {
                true => Severity::Warning,
                false => Severity::Info,
            };
            let message = format!("{} grows in a goroutine that does not end", place.spell());
            let fix = "delete what is done with, or make the map anew from time to time";
            (Rule::GoroutineMap, endless, severity, message, fix)
        } else if !kept.is_empty() {
            let severity = match origin >= Origin::Time {
                true => Severity::Critical,
                false => Severity::Warning,
            };
            let message = format!(
                "{} is captured by a handler, and takes entries with every request{}",
                place.spell(),
                keys(origin).map_or(String::new(), |keys| format!(", with keys from {keys}"))
            );
            let fix = "keep a limit or an expiry, and delete what has not been used for a while";
            (Rule::UnboundedCaptured, kept, severity, message, fix)
        } else {
            continue;
        };
        let mut one = finding(view, rule, severity, place, &ops, message);
        one.fix = fix.to_owned();
        found.push((place.clone(), Found { finding: one, exported: None }));
    }
    found
}

/// Whether an insertion runs again and again in a goroutine.
fn never_ends(view: &View<'_, '_>, op: &Op<'_>) -> bool {
    let is_started = op.function.is_some_and(|number| view.facts.launched.contains(&number));
    op.in_endless_loop && (op.captured == Some(Use::Goroutine) || is_started)
}

fn is_in_handler(op: &Op<'_>) -> bool {
    op.captured == Some(Use::Kept) && op.in_handler
}
