//! Findings, for a person at a terminal.

use std::io::Write;

use tophash_diagnose::{Finding, Severity};

use super::style::{bytes, clean, count, dim, error, heading, warning};

/// Findings told where the person did not say how many.
const DEFAULT: usize = 5;

/// Prints what the rules found, with evidence and fix.
pub(super) fn print(
    out: &mut dyn Write,
    findings: &[Finding],
    top: Option<usize>,
) -> std::io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    let shown = match top {
        None => DEFAULT,
        Some(0) => usize::MAX,
        Some(top) => top,
    };
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
    }
    if let Some(left) = findings.len().checked_sub(shown).filter(|left| *left > 0) {
        writeln!(out, "… {} more findings: --top 0 shows all.", count(left as u64))?;
    }
    Ok(())
}
