//! Functions as a table, and with what calls them and what they call: laid out as pprof does, which
//! people know how to read.

use std::io::{self, Write};

use regex::Regex;

use super::clean;
use crate::{Function, Report, units};

/// Writes one line for each function.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_top(out: &mut dyn Write, report: &Report) -> io::Result<()> {
    writeln!(out, "{:>10} {:>5}% {:>5}% {:>10} {:>5}%", "flat", "flat", "sum", "cum", "cum")?;
    let mut sum = 0_i64;
    for (function, inlining) in report.functions.iter().zip(report.inlining()) {
        sum += function.flat;
        writeln!(out, "{}  {}{inlining}", figures(report, function, sum), clean(&function.name))?;
    }
    Ok(())
}

/// What is charged to a function, with shares; `sum` is what it and those before it have.
fn figures(report: &Report, function: &Function, sum: i64) -> String {
    format!(
        "{:>10} {} {} {:>10} {}",
        report.spell(function.flat),
        report.share(function.flat),
        report.share(sum),
        report.spell(function.cum),
        report.share(function.cum),
    )
}

/// Writes each function between those that call it and those that it calls. `only` chooses functions;
/// returns how many were written.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_tree(out: &mut dyn Write, report: &Report, only: Option<&Regex>) -> io::Result<usize> {
    const LINE: &str = "----------------------------------------------------------+-------------";
    writeln!(out, "{LINE}")?;
    writeln!(out, "      flat  flat%   sum%        cum   cum%   calls calls% + context")?;
    let count = report.functions.len() + report.cancelled.len();
    let (mut callers, mut callees) = (vec![Vec::new(); count], vec![Vec::new(); count]);
    for call in &report.calls {
        callers[call.to].push(call);
        callees[call.from].push(call);
    }
    let mut sum = 0_i64;
    let mut written = 0;
    for (at, function) in report.functions.iter().enumerate() {
        if only.is_some_and(|only| !only.is_match(&function.name)) {
            continue;
        }
        written += 1;
        sum += function.flat;
        writeln!(out, "{LINE}")?;
        for call in &callers[at] {
            write_call(out, report, call.weight, function.cum, call.from, call.is_inlined)?;
        }
        let name = clean(&function.name);
        writeln!(out, "{}                | {name}", figures(report, function, sum))?;
        for call in &callees[at] {
            write_call(out, report, call.weight, function.cum, call.to, call.is_inlined)?;
        }
    }
    if !report.functions.is_empty() {
        writeln!(out, "{LINE}")?;
    }
    Ok(written)
}

fn write_call(
    out: &mut dyn Write,
    report: &Report,
    weight: i64,
    whole: i64,
    other: usize,
    is_inlined: bool,
) -> io::Result<()> {
    writeln!(
        out,
        "{:>50} {} |   {}{}",
        report.spell(weight),
        units::percentage(weight, whole),
        clean(&report.function(other).name),
        if is_inlined { " (inline)" } else { "" },
    )
}
