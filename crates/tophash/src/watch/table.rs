//! One look as a table for people.

use std::io::{self, Write};

use tophash_vitals::{Outlook, Record};

use super::words;
use crate::report::style::{bar, bytes, clean, heading, warning};

/// Prints everything that one look tells.
pub(super) fn print(
    out: &mut dyn Write,
    name: &str,
    record: &Record,
    outlook: &Outlook,
    span: f64,
    pid: Option<u32>,
) -> io::Result<()> {
    let vitals = &record.vitals;
    let version = vitals.go_version.as_deref().unwrap_or("Go");
    writeln!(out, "{} {}", heading(&clean(version)), clean(name))?;
    print_bill(out, record)?;
    if let Some(goal) = words::goal(record) {
        writeln!(out, "{} {goal}", heading("gc"))?;
    }
    let counted = words::counted(record, outlook);
    if !counted.is_empty() {
        writeln!(out, "{} {counted}", heading("also"))?;
    }
    let limits = [
        ("GOMEMLIMIT", vitals.memory_limit, record.bill.limit_headroom),
        ("control group", vitals.process.limit, record.bill.group_headroom),
    ];
    for (name, limit, headroom) in limits {
        if let (Some(limit), Some(headroom)) = (limit, headroom) {
            let (limit, headroom) = (bytes(limit), bytes(headroom));
            writeln!(out, "{} {name} {limit}, {headroom} from here", heading("limit"))?;
        }
    }
    if span > 0.0 {
        let (verdict, is_bad) = words::verdict(outlook, span);
        let verdict = if is_bad { warning(&verdict) } else { verdict };
        writeln!(out, "{verdict}")?;
        if let Some(left) = words::until_limit(outlook, record) {
            writeln!(out, "{left}")?;
        }
        writeln!(out, "Next: {}", words::advice(outlook.advice, pid))?;
    }
    Ok(())
}

fn print_bill(out: &mut dyn Write, record: &Record) -> io::Result<()> {
    let rows = record.bill.rows();
    let (name, whole) = record.bill.whole().unwrap_or_default();
    for row in &rows {
        let size = signed(row.bytes);
        let share = u64::try_from(row.bytes).unwrap_or(0);
        writeln!(out, "  {:<13} {size:>12} {}  {}", row.name, bar(share, whole, 20), row.meaning)?;
    }
    if !rows.is_empty() {
        writeln!(out, "  {name:<13} {:>12}", bytes(whole))?;
    }
    if let Some(released) = record.bill.released.filter(|bytes| *bytes > 0) {
        let size = bytes(released);
        let meaning = "given back: no memory, and not in the sum";
        writeln!(out, "  {:<13} {size:>12} {:20}  {meaning}", "released", "")?;
    }
    Ok(())
}

/// Spells bytes with a sign where they are taken away.
pub(super) fn signed(amount: i128) -> String {
    let size = bytes(u64::try_from(amount.unsigned_abs()).unwrap_or(u64::MAX));
    if amount < 0 { format!("-{size}") } else { size }
}
