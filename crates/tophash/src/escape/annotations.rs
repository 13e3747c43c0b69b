//! What escapes, as annotations for GitHub.

use std::io::{self, Write};

use tophash_escape::{Change, Site, advise_sized};

use super::options::EscapeOptions;
use super::repository::Repository;
use super::rows::{Row, Rows};
use super::table::why;
use crate::github::{self, Annotation};
use crate::report::style::{bytes, counted};

/// What makes the run fail, as warnings; then what costs most, or has to do with maps, as notices.
pub(super) fn print(
    out: &mut dyn Write,
    rows: &Rows<'_>,
    options: &EscapeOptions,
    repository: &Repository,
) -> io::Result<()> {
    let shown = if options.top == 0 { usize::MAX } else { options.top };
    let has_costs = rows.costs.is_some();
    let fails = |row: &&Row<'_>| row.fails(options.fail_on);
    let failing = rows.sites.iter().filter(fails).map(|row| (row, "warning"));
    let others = rows.sites.iter().filter(|row| !fails(row)).filter(|row| match row.sum {
        Some(sum) if has_costs => sum.bytes > 0,
        _ => row.site.map.is_some() || !options.reason.is_empty(),
    });
    let mut told = failing.chain(others.map(|row| (row, "notice")));
    for (row, level) in told.by_ref().take(shown) {
        let cost = row.sum.filter(|sum| sum.bytes > 0);
        let cost =
            cost.map_or(String::new(), |sum| format!("; this line costs {}", bytes(sum.bytes)));
        command(out, level, repository, row.site, row.size, &cost)?;
    }
    match told.count() as u64 {
        0 => Ok(()),
        left_out => {
            let places = counted(left_out, "more place goes", "more places go");
            let text = format!("{places} to the heap: --top 0 names all");
            github::notice(out, "escape", &text)
        }
    }
}

/// What escapes and did not, as warnings.
pub(super) fn print_new<'c>(
    out: &mut dyn Write,
    changes: impl Iterator<Item = &'c Change<'c>>,
    before: &str,
    repository: &Repository,
) -> io::Result<()> {
    for change in changes {
        let more = format!("; new since {before}");
        command(out, "warning", repository, change.site, None, &more)?;
    }
    Ok(())
}

fn command(
    out: &mut dyn Write,
    level: &'static str,
    repository: &Repository,
    site: &Site,
    size: Option<u64>,
    more: &str,
) -> io::Result<()> {
    let message = format!(
        "{} goes to the heap: {}{more}. {}.",
        site.expression,
        why(site),
        advise_sized(site, size).change
    );
    let annotation = Annotation {
        level,
        file: &repository.name(&site.at),
        line: site.at.line,
        column: Some(site.at.column),
        title: format!("escape: {}", site.reason.name()),
        message,
    };
    annotation.print(out)
}
