//! Findings, for a person at a terminal.

use std::collections::BTreeMap;
use std::io::Write;

use tophash_diagnose::{Finding, Severity};

use super::Report;
use super::style::{bytes, clean, count, counted, dim, error, heading, warning};
use crate::join::Explanation;

/// Findings told where the person did not say how many.
const DEFAULT: usize = 5;

/// Lines of source told below the findings, where the person did not say how many.
const DEFAULT_EXPLAINED: usize = 10;

/// Prints what the rules found, with evidence and fix, and what source says, where a report has that.
pub(super) fn print(
    out: &mut dyn Write,
    findings: &[Finding],
    top: Option<usize>,
    report: Option<&Report>,
) -> std::io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let shown = findings_shown(findings, top);
    writeln!(out, "\n{}", heading("Findings"))?;
    for finding in findings.iter().take(shown) {
        let mark = match finding.severity {
            Severity::Critical => error(finding.severity.name()),
            Severity::Warning => warning(finding.severity.name()),
            Severity::Info => dim(finding.severity.name()),
        };
        writeln!(
            out,
            "{mark} {} {}: {}",
            heading(finding.rule.name()),
            bytes(finding.bytes),
            clean(&finding.title)
        )?;
        for fact in &finding.evidence {
            writeln!(out, "    {}", clean(fact))?;
        }
        for (index, line) in finding.fix.lines().enumerate() {
            let arrow = if index == 0 { "→" } else { " " };
            writeln!(out, "  {arrow} {}", clean(line))?;
        }
        for explanation in report.into_iter().flat_map(|report| report.explanations(finding)) {
            print_explanation(out, explanation, "    ")?;
        }
    }
    if let Some(left) = findings.len().checked_sub(shown).filter(|left| *left > 0) {
        writeln!(out, "… {} more findings: --top 0 shows all.", count(left as u64))?;
    }
    Ok(())
}

/// Maps that one place in source explains.
struct Explained<'r> {
    by: &'r Explanation,
    maps: u64,
    bytes: u64,
    entries: u64,
}

/// Prints what source says of maps that no finding told of: what it explains, and what holds it.
pub(super) fn print_explained(
    out: &mut dyn Write,
    report: &Report,
    top: Option<usize>,
) -> std::io::Result<()> {
    let Some(source) = &report.source else { return Ok(()) };
    let told = findings_shown(&report.findings, top);
    let told: Vec<u64> =
        report.findings.iter().take(told).filter_map(|finding| finding.map).collect();
    // By place in the source: all maps of one field are told of together.
    let mut places: BTreeMap<(&str, u32, &str), Explained<'_>> = BTreeMap::new();
    for row in report.maps.iter().filter(|row| row.part_of.is_none()) {
        if told.contains(&row.address) {
            continue;
        }
        for one in &row.explained_by {
            let key = (one.at.path.as_str(), one.at.line, one.rule);
            let first = Explained { by: one, maps: 0, bytes: 0, entries: 0 };
            let place = places.entry(key).or_insert(first);
            place.maps += 1;
            let retained = row.retained_bytes.unwrap_or(row.own_bytes);
            place.bytes = place.bytes.saturating_add(retained);
            place.entries = place.entries.saturating_add(row.entries);
        }
    }
    writeln!(out, "\n{}", heading("Explained by the source"))?;
    if places.is_empty() {
        let read = count(source.files as u64);
        let known = count(source.findings as u64);
        let rest = if told.is_empty() { "no map" } else { "no other map" };
        return writeln!(
            out,
            "{rest} of the heap is one of the {known} that lint names in {read} files."
        );
    }
    let mut places: Vec<_> = places.into_values().collect();
    places.sort_by_key(|place| std::cmp::Reverse(place.bytes));
    let shown = match top {
        None => DEFAULT_EXPLAINED,
        Some(0) => usize::MAX,
        Some(top) => top,
    };
    for place in places.iter().take(shown) {
        writeln!(
            out,
            "{} {} {}, {} entries",
            heading(&clean(&place.by.subject)),
            counted(place.maps, "map retains", "maps retain"),
            bytes(place.bytes),
            count(place.entries)
        )?;
        print_explanation(out, place.by, "    ")?;
        writeln!(out, "  → {}", clean(&place.by.fix))?;
    }
    if let Some(left) = places.len().checked_sub(shown).filter(|left| *left > 0) {
        writeln!(out, "… {} more: --top 0 shows all.", count(left as u64))?;
    }
    Ok(())
}

fn findings_shown(findings: &[Finding], top: Option<usize>) -> usize {
    match top {
        None => DEFAULT,
        Some(0) => findings.len(),
        Some(top) => top,
    }
}

/// Prints where source explains a map, and how the map was known again.
fn print_explanation(
    out: &mut dyn Write,
    explanation: &Explanation,
    indent: &str,
) -> std::io::Result<()> {
    let at = &explanation.at;
    writeln!(
        out,
        "{indent}{}:{}: {} {}: {} {}",
        clean(&at.path),
        at.line,
        explanation.severity,
        explanation.rule,
        clean(&explanation.message),
        dim(&format!("({})", explanation.matched_words))
    )?;
    for verdict in &explanation.escapes {
        writeln!(
            out,
            "{indent}  {}:{}: {} goes to the heap: {}",
            clean(&verdict.file),
            verdict.line,
            clean(&verdict.expression),
            clean(&verdict.why)
        )?;
    }
    Ok(())
}
