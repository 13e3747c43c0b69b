//! What changed between two builds, for people and as JSON.

use std::io::{self, Write};

use anyhow::Result;
use serde_json::json;
use tophash_escape::{Change, ChangeKind};

use super::options::EscapeOptions;
use super::sources::Sources;
use super::table::{short, why};
use crate::report::style::{clean, count, dim, heading};
use crate::report::table::plain_table;

const SCHEMA: u32 = 1;

pub(super) fn print(
    out: &mut dyn Write,
    changes: &[Change<'_>],
    names: &[String; 2],
    options: &EscapeOptions,
) -> io::Result<()> {
    let [before, after] = names;
    let of = |kind| changes.iter().filter(move |change| change.kind == kind);
    writeln!(
        out,
        "{} {} new, {} gone, {} for another reason",
        heading(&format!("{} to {}:", clean(before), clean(after))),
        count(of(ChangeKind::New).count() as u64),
        count(of(ChangeKind::Gone).count() as u64),
        count(of(ChangeKind::OtherReason).count() as u64),
    )?;
    let shown = if options.top == 0 { usize::MAX } else { options.top };
    for (kind, title) in [
        (ChangeKind::New, "escapes now"),
        (ChangeKind::OtherReason, "escapes for another reason"),
        (ChangeKind::Gone, "escapes no longer"),
    ] {
        let total = of(kind).count();
        if total == 0 {
            continue;
        }
        writeln!(out, "\n{}", heading(title))?;
        let mut table = plain_table(&["WHAT", "WHY", "WHERE", "FUNCTION", ""]);
        for change in of(kind).take(shown) {
            let site = change.site;
            let reason = match (kind, change.before) {
                (ChangeKind::OtherReason, Some(before)) => {
                    format!("{}; was: {}", why(site), before.title())
                }
                _ => why(site),
            };
            let mut other = match (kind, change.stays_otherwise) {
                (ChangeKind::New, true) => "was on the stack",
                (ChangeKind::New, false) => "was not there",
                (ChangeKind::Gone, true) => "is on the stack",
                (ChangeKind::Gone, false) => "is not there",
                _ => "",
            }
            .to_owned();
            // What the callee allocated before, the caller does now, or the other way round.
            if let Some(callee) = site.inlined.first()
                && kind != ChangeKind::OtherReason
                && !change.stays_otherwise
            {
                other.push_str(&format!("; inlined: {}", clean(&short(callee))));
            }
            table.add_row([
                clean(&short(&site.expression)),
                reason,
                clean(&Sources::shown(&site.at)),
                clean(&site.function),
                other,
            ]);
        }
        writeln!(out, "{table}")?;
        if total > shown {
            writeln!(out, "{}", dim(&format!("{} more: --top 0", count((total - shown) as u64))))?;
        }
    }
    Ok(())
}

pub(super) fn print_json(
    out: &mut dyn Write,
    changes: &[Change<'_>],
    names: &[String; 2],
) -> Result<()> {
    let rows: Vec<_> = changes
        .iter()
        .map(|change| {
            let mut row = super::json::site(change.package, change.site);
            if let Some(fields) = row.as_object_mut() {
                let kind = match change.kind {
                    ChangeKind::New => "new",
                    ChangeKind::OtherReason => "other-reason",
                    ChangeKind::Gone => "gone",
                };
                fields.insert("change".to_owned(), json!(kind));
                fields.insert("before".to_owned(), json!(change.before.map(|r| r.name())));
                fields.insert("after".to_owned(), json!(change.after.map(|r| r.name())));
                fields.insert("stays_otherwise".to_owned(), json!(change.stays_otherwise));
            }
            row
        })
        .collect();
    let whole = json!({
        "schema": SCHEMA, "before": names[0], "after": names[1], "changes": rows,
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)?;
    Ok(())
}
