//! What escapes, as annotations for GitHub.

use std::io::{self, Write};

use tophash_escape::{Change, Site, advise};

use super::options::EscapeOptions;
use super::rows::Rows;
use super::table::why;
use crate::github::Annotation;
use crate::report::style::bytes;

/// What costs most, or has to do with maps, as notices.
pub(super) fn print(
    out: &mut dyn Write,
    rows: &Rows<'_>,
    options: &EscapeOptions,
) -> io::Result<()> {
    let shown = if options.top == 0 { usize::MAX } else { options.top };
    let has_costs = rows.costs.is_some();
    let told = rows.sites.iter().filter(|row| match row.sum {
        Some(sum) if has_costs => sum.bytes > 0,
        _ => row.site.map.is_some() || !options.reason.is_empty(),
    });
    for row in told.take(shown) {
        let cost = row.sum.filter(|sum| sum.bytes > 0);
        let cost =
            cost.map_or(String::new(), |sum| format!("; this line costs {}", bytes(sum.bytes)));
        command(out, "notice", row.site, &cost)?;
    }
    Ok(())
}

/// What escapes and did not, as warnings.
pub(super) fn print_new<'c>(
    out: &mut dyn Write,
    changes: impl Iterator<Item = &'c Change<'c>>,
    before: &str,
) -> io::Result<()> {
    for change in changes {
        command(out, "warning", change.site, &format!("; new since {before}"))?;
    }
    Ok(())
}

fn command(out: &mut dyn Write, level: &'static str, site: &Site, more: &str) -> io::Result<()> {
    let message = format!(
        "{} goes to the heap: {}{more}. {}.",
        site.expression,
        why(site),
        advise(site).change
    );
    let annotation = Annotation {
        level,
        file: &site.at.file,
        line: site.at.line,
        column: Some(site.at.column),
        title: format!("escape: {}", site.reason.name()),
        message,
    };
    annotation.print(out)
}
