//! Findings as annotations for GitHub.

use std::io::{self, Write};

use tophash_source::Severity;

use super::Shown;
use super::costs::words;
use super::table::parts;
use crate::github::Annotation;

pub(super) fn print(out: &mut dyn Write, shown: &Shown) -> io::Result<()> {
    for (finding, weight) in shown.weighed() {
        let cost = weight.and_then(|weight| words(weight, shown));
        let cost = cost.map_or(String::new(), |cost| format!(" {cost}."));
        let annotation = Annotation {
            level: match finding.severity {
                Severity::Critical => "error",
                Severity::Warning => "warning",
                Severity::Info => "notice",
            },
            file: &finding.at.path,
            line: finding.at.line,
            column: Some(finding.at.column),
            title: format!("lint: {}", finding.rule),
            message: format!(
                "{}. {}.{cost} To change: {}.",
                finding.message, finding.absent, finding.fix
            ),
        };
        annotation.print(out)?;
    }
    for file in &shown.report.passed_over {
        let annotation = Annotation {
            level: "notice",
            file: &file.path,
            line: file.line.unwrap_or(1).max(1),
            column: None,
            title: "lint: passed over".to_owned(),
            message: format!("{} {}{}", file.path, file.reason, parts(file)),
        };
        annotation.print(out)?;
    }
    Ok(())
}
