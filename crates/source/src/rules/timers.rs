//! `time.After` in loops, before Go 1.23.

use super::{Found, position};
use crate::finding::{Finding, Rule, Severity};
use crate::summary::View;

/// From this release on, timers that nobody holds are collected.
const COLLECTED_FROM: (u32, u32) = (1, 23);

pub(super) fn check(view: &View<'_, '_>) -> Vec<Found> {
    let Some(go) = view.go.filter(|go| *go < COLLECTED_FROM) else { return Vec::new() };
    let found = view.facts.timers.iter().map(|timer| {
        let finding = Finding {
            rule: Rule::TimeAfterInLoop,
            severity: if timer.is_short { Severity::Info } else { Severity::Warning },
            subject: timer.call.clone(),
            at: position(view, timer.spot),
            message: format!(
                "{} makes a timer in each turn of the loop, which lives until it fires",
                timer.call
            ),
            evidence: Vec::new(),
            absent: format!("the module asks for Go {}.{}; timers are collected from 1.23 on", go.0, go.1),
            fix: "make one timer before the loop, and Reset it in each turn; or ask for Go 1.23 in go.mod"
                .to_owned(),
            keys: None,
            import_path: view.import_path.map(str::to_owned),
            map: None,
        };
        Found { finding, exported: None }
    });
    found.collect()
}
