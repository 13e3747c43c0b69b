//! The report for people.

use std::io::{self, Write};

use tophash_source::{Finding, PassedOver, Severity};

use super::Shown;
use super::costs::words;
use crate::report::style;

/// More files that were passed over are counted only.
const MAX_PASSED_OVER: usize = 10;

/// Parts of a file that are named.
const MAX_PARTS: usize = 8;

pub(super) fn print(out: &mut impl Write, shown: &Shown) -> io::Result<()> {
    let report = &shown.report;
    if let Some(costs) = &shown.costs {
        let total = style::bytes(costs.total.bytes);
        writeln!(out, "ranked by what was {}; {total} in all\n", costs.meaning)?;
    }
    for (finding, weight) in shown.weighed() {
        print_finding(out, finding, weight.and_then(|weight| words(weight, shown)))?;
    }
    for (at, fault) in &report.suppression_faults {
        writeln!(
            out,
            "{}:{}: a comment tophash:ignore {fault}, and takes nothing back",
            at.path, at.line
        )?;
    }
    for file in report.passed_over.iter().take(MAX_PASSED_OVER) {
        let line = file.line.map_or(String::new(), |line| format!(":{line}"));
        writeln!(out, "passed over: {}{line} {}{}", file.path, file.reason, parts(file))?;
    }
    if report.passed_over.len() > MAX_PASSED_OVER {
        let more = plural_or_no(report.passed_over.len() - MAX_PASSED_OVER, "other file");
        writeln!(out, "passed over: {more}")?;
    }
    writeln!(
        out,
        "{} in {}, {}, {:.1} MB of source{}",
        plural_or_no(report.findings.len(), "finding"),
        plural_or_no(report.packages, "package"),
        plural_or_no(report.files, "file"),
        report.bytes as f64 / 1e6,
        left_out(shown)
    )
}

fn print_finding(out: &mut impl Write, finding: &Finding, cost: Option<String>) -> io::Result<()> {
    let word = match finding.severity {
        Severity::Critical => style::error(finding.severity.name()).to_string(),
        _ => finding.severity.name().to_owned(),
    };
    let at = &finding.at;
    writeln!(
        out,
        "{}:{}:{}: {word} {}: {}",
        at.path, at.line, at.column, finding.rule, finding.message
    )?;
    if let Some(cost) = cost {
        writeln!(out, "    {}", style::heading(&cost))?;
    }
    for evidence in &finding.evidence {
        let at = &evidence.at;
        writeln!(out, "    {}:{}: {}", at.path, at.line, evidence.what)?;
    }
    writeln!(out, "    {}", finding.absent)?;
    writeln!(out, "    to change: {}", finding.fix)?;
    writeln!(out)
}

/// Which lines of a file were passed over, where it was not all of it.
pub(super) fn parts(file: &PassedOver) -> String {
    if file.parts.is_empty() {
        return String::new();
    }
    let spell = |(first, last): &(u32, u32)| match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    };
    let shown: Vec<_> = file.parts.iter().take(MAX_PARTS).map(spell).collect();
    let more = if file.parts.len() > MAX_PARTS { " and more" } else { "" };
    let is_one = matches!(file.parts.as_slice(), [(first, last)] if first == last);
    let lines = if is_one { "line" } else { "lines" };
    format!("; all is read but {lines} {}{more}", shown.join(", "))
}

/// What is not shown, and how to see it.
fn left_out(shown: &Shown) -> String {
    let mut parts = Vec::new();
    for (severity, count) in &shown.hidden {
        let name = severity.name();
        parts.push(format!("{count} of severity {name} (--severity {name})"));
    }
    if shown.uncharged > 0 {
        parts.push(format!("{} to which nothing is charged", shown.uncharged));
    }
    if shown.known > 0 {
        parts.push(format!("{} known to the baseline", shown.known));
    }
    if shown.report.suppressed > 0 {
        parts.push(format!("{} taken back by comments", shown.report.suppressed));
    }
    match parts.is_empty() {
        true => String::new(),
        false => format!("; not shown: {}", parts.join(", ")),
    }
}

fn plural_or_no(count: usize, what: &str) -> String {
    match count {
        0 => format!("no {what}s"),
        count => style::plural(count as u64, what),
    }
}
