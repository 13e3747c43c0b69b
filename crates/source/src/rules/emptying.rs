//! Loops that delete every entry in order to give memory back.

use super::{Found, position};
use crate::finding::{Finding, Rule, Severity};
use crate::summary::View;
use crate::walk::facts::Emptying;

/// Words of comments that say why a map is emptied: each of a line must be there.
const PURPOSES: [&[&str]; 6] = [
    &["free", "memory"],
    &["release", "memory"],
    &["reclaim"],
    &["shrink"],
    &["memory", "leak"],
    &["garbage", "collect"],
];

pub(super) fn check(view: &View<'_, '_>) -> Vec<Found> {
    let found = view.facts.emptying.iter().filter_map(|emptying| {
        let why = purpose(view, emptying)?;
        let has_clear = view.go.is_none_or(|go| go >= (1, 21));
        let finding = Finding {
            rule: Rule::DeleteToShrink,
            severity: Severity::Warning,
            subject: emptying.map.clone(),
            at: position(view, emptying.spot),
            message: format!(
                "{} is emptied to give memory back ({why}), but a map keeps the room for its entries",
                emptying.map
            ),
            evidence: Vec::new(),
            absent: "the map is not made anew behind the loop".to_owned(),
            fix: format!(
                "assign a new map: {0} = make(…){1}",
                emptying.map,
                if has_clear { format!("; clear({}) says the same as the loop", emptying.map) } else { String::new() }
            ),
            keys: None,
            import_path: view.import_path.map(str::to_owned),
            map: emptying.place.as_ref().and_then(|place| super::identity(view, place)),
        };
        Some(Found { finding, exported: None })
    });
    found.collect()
}

fn purpose(view: &View<'_, '_>, emptying: &Emptying<'_>) -> Option<String> {
    let is_made_anew = emptying.place.as_ref().is_some_and(|place| {
        view.places.get(place).is_some_and(|summary| {
            summary.ops.iter().any(|op| {
                op.function == emptying.function
                    && op.action == crate::walk::facts::Action::Replace
                    && op.spot > emptying.spot
            })
        })
    });
    if is_made_anew {
        return None;
    }
    if emptying.collects {
        return Some("the collector is asked to run".to_owned());
    }
    let file = view.package.files.get(emptying.spot.file)?;
    let (line, _) = file.line_column(emptying.spot.at);
    file.ast.comments.iter().find_map(|comment| {
        let (at, _) = file.line_column(comment.pos);
        if !(line.saturating_sub(2)..=line + 1).contains(&at) {
            return None;
        }
        let text = comment.text.to_lowercase();
        let fits = |words: &&&[&str]| words.iter().all(|word| text.contains(word));
        PURPOSES.iter().find(fits).map(|_| "so says the comment".to_owned())
    })
}
