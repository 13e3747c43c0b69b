//! Workflow commands that GitHub shows beside the lines of a change.

use std::io::{self, Write};

use tophash_escape::{Change, Site, advise};

use super::options::EscapeOptions;
use super::rows::Rows;
use super::table::why;
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

fn command(out: &mut dyn Write, level: &str, site: &Site, more: &str) -> io::Result<()> {
    let file = site.at.file.strip_prefix("./").unwrap_or(&site.at.file);
    let message = format!(
        "{} goes to the heap: {}{more}. {}.",
        site.expression,
        why(site),
        advise(site).change
    );
    writeln!(
        out,
        "::{level} file={},line={},col={},title={}::{}",
        property(file),
        site.at.line,
        site.at.column,
        property(&format!("escape: {}", site.reason.name())),
        data(&message)
    )
}

/// Escapes a message as the runner wants it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_its_command() {
        assert_eq!(property("a:b,c\n::error::x%"), "a%3Ab%2Cc%0A%3A%3Aerror%3A%3Ax%25");
        assert_eq!(data("100 %\r\n"), "100 %25%0D%0A");
    }
}
