//! Findings as SARIF.

use std::io::Write;

use anyhow::Result;
use tophash_source::{Position, Rule, Severity};

use super::Shown;
use super::costs::words;
use super::table::parts;
use crate::sarif::{self, Entry, Level, Place, Run};

pub(super) fn print(out: &mut dyn Write, shown: &Shown) -> Result<()> {
    let rules = Rule::ALL.iter().map(|rule| sarif::Rule {
        id: rule.name().to_owned(),
        summary: rule.summary().to_owned(),
        level: Level::Warning,
    });
    let mut run = Run::new(rules.collect());
    for (finding, weight) in shown.weighed() {
        let cost = weight.and_then(|weight| words(weight, shown));
        let cost = cost.map_or(String::new(), |cost| format!(" {cost}."));
        let related = finding
            .evidence
            .iter()
            .map(|evidence| Place { words: Some(&evidence.what), ..place(&evidence.at) });
        run.add(Entry {
            rule: finding.rule.name(),
            level: match finding.severity {
                Severity::Critical => Level::Error,
                Severity::Warning => Level::Warning,
                Severity::Info => Level::Note,
            },
            text: format!(
                "{}. {}.{cost} To change: {}.",
                finding.message, finding.absent, finding.fix
            ),
            at: place(&finding.at),
            related: related.collect(),
            flow: Vec::new(),
            fingerprint: ("tophash/v1", finding.identity()),
        });
    }
    for file in &shown.report.passed_over {
        let at = Place { file: &file.path, line: file.line, column: None, words: None };
        run.notify(&format!("{} {}{}", file.path, file.reason, parts(file)), &at);
    }
    run.print(out)
}

fn place(at: &Position) -> Place<'_> {
    Place { file: &at.path, line: Some(at.line), column: Some(at.column), words: None }
}
