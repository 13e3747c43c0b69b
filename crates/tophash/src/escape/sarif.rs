//! What escapes, as SARIF, with the flow of each site as a code flow.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use tophash_escape::{Position, Reason, Site, Sum, advise};

use super::table::why;
use crate::report::style::bytes;
use crate::sarif::{Entry, Level, Place, Rule, Run, step};

pub(super) fn print(
    out: &mut dyn Write,
    dir: &Path,
    sites: Vec<(&str, &Site, Option<Sum>)>,
) -> Result<()> {
    let rules = Reason::ALL.into_iter().map(|reason| Rule {
        id: rule_of(reason),
        summary: format!("A value goes to the heap: {}.", reason.title()),
        level: Level::Note,
    });
    let mut run = Run::new(rules.collect());
    for (_, site, sum) in sites {
        if !site.at.is_made_up() {
            add(&mut run, dir, site, sum);
        }
    }
    run.print(out)
}

fn rule_of(reason: Reason) -> String {
    format!("escape/{}", reason.name())
}

fn add(run: &mut Run, dir: &Path, site: &Site, sum: Option<Sum>) {
    let cost = sum.filter(|sum| sum.bytes > 0);
    let cost = cost.map_or(String::new(), |sum| format!(" The line costs {}.", bytes(sum.bytes)));
    let flow = site.story().into_iter().filter_map(|told| {
        let at = told.at.filter(|at| !at.is_made_up())?;
        Some(step(&Place { words: Some(&told.words), ..place(&file(dir, &at), &at) }))
    });
    run.add(Entry {
        rule: &rule_of(site.reason),
        level: Level::Note,
        text: format!(
            "{} goes to the heap: {}.{cost} {}.",
            site.expression,
            why(site),
            advise(site).change
        ),
        at: place(&file(dir, &site.at), &site.at),
        related: Vec::new(),
        flow: flow.collect(),
        // Lines move; what stays is what escapes in which function.
        fingerprint: (
            "escape/v1",
            format!("{}|{}|{}", site.function, site.kind.name(), site.expression),
        ),
    });
}

/// A file outside of the folder has its whole path.
fn file(dir: &Path, at: &Position) -> String {
    match at.file.starts_with("../") {
        true => dir.join(&*at.file).to_string_lossy().into_owned(),
        false => at.file.to_string(),
    }
}

fn place<'p>(file: &'p str, at: &Position) -> Place<'p> {
    Place { file, line: Some(at.line), column: Some(at.column), words: None }
}
