//! Source and heap joined: the findings of `lint` that explain the maps of an inspection, and what the
//! compiler says of the others.
//!
//! Source is read without a toolchain. The compiler is asked only where a person wants it, since that
//! compiles.

pub(crate) mod known_map;
pub(crate) mod matching;
mod verdicts;

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use tophash_source::{Finding, Position};

use crate::progress::Progress;
use crate::report::Report;
use known_map::KnownMap;
use matching::{Index, Matched};
use verdicts::Verdicts;

/// Where the source is.
#[derive(Debug, Args)]
pub(crate) struct SourceOptions {
    /// The program's source: findings name the lint that explains them. No toolchain is needed.
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Option<PathBuf>,

    /// Also say what the installed Go compiler makes of the lines that make and fill these maps, and
    /// maps that no lint is about. It compiles what is not in its cache.
    #[arg(long, requires = "source")]
    pub(crate) escape: bool,

    /// The Go to ask: a GOROOT, or a go command by path or name.
    #[arg(long, value_name = "GO", requires = "escape")]
    pub(crate) go: Option<PathBuf>,
}

/// What source says of a map.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Explanation {
    pub(crate) rule: &'static str,
    pub(crate) severity: &'static str,
    /// The map, as `sessions` or `Server.sessions`.
    pub(crate) subject: String,
    pub(crate) at: Position,
    pub(crate) message: String,
    pub(crate) fix: String,
    /// How the map was known again.
    pub(crate) matched: &'static str,
    #[serde(skip)]
    pub(crate) matched_words: &'static str,
    /// What the compiler says of the lines that make and fill it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) escapes: Vec<EscapeAt>,
}

/// A verdict of the compiler.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct EscapeAt {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) expression: String,
    pub(crate) reason: &'static str,
    pub(crate) why: String,
}

/// How source was read.
pub(crate) struct SourceRead {
    pub(crate) files: usize,
    /// Findings that say which map they mean.
    pub(crate) findings: usize,
    pub(crate) passed_over: usize,
}

/// Source, read for what explains maps.
pub(crate) struct Source {
    findings: Vec<Finding>,
    read: SourceRead,
    verdicts: Option<Verdicts>,
}

impl Source {
    /// Reads the source that was named, and asks the compiler if that is wanted.
    pub(crate) fn read(options: &SourceOptions, progress: &Progress) -> Result<Option<Self>> {
        let Some(dir) = &options.source else { return Ok(None) };
        progress.step("reading the source");
        let config = crate::lint::config_near(dir)?;
        let report = crate::lint::read(std::slice::from_ref(dir), &config);
        if report.files == 0 {
            bail!("{} has no Go source that can be read", dir.display());
        }
        let verdicts = match options.escape {
            true => {
                progress.step("asking the compiler");
                Some(Verdicts::ask(dir, options.go.as_deref())?)
            }
            false => None,
        };
        let read = SourceRead {
            files: report.files,
            findings: report.findings.iter().filter(|finding| finding.map.is_some()).count(),
            passed_over: report.passed_over.len(),
        };
        Ok(Some(Self { findings: report.findings, read, verdicts }))
    }

    /// Explains the maps of a report.
    pub(crate) fn explain(self, report: &mut Report) {
        let index = Index::new(&self.findings);
        let verdicts = self.verdicts.as_ref().map(Verdicts::index);
        for row in &mut report.maps {
            let map = KnownMap::of_row(row);
            row.explained_by = index
                .find(&map)
                .into_iter()
                .filter_map(|(number, matched)| Some((self.findings.get(number)?, matched)))
                .map(|(finding, matched)| explanation(finding, matched, verdicts.as_ref()))
                .collect();
            if row.explained_by.is_empty() {
                row.explained_by.extend(verdicts.as_ref().and_then(|said| said.explain(&map)));
            }
        }
        report.source = Some(self.read);
    }
}

fn explanation(
    finding: &Finding,
    matched: Matched,
    verdicts: Option<&verdicts::Index<'_>>,
) -> Explanation {
    Explanation {
        rule: finding.rule.name(),
        severity: finding.severity.name(),
        subject: finding.subject.clone(),
        at: finding.at.clone(),
        message: finding.message.clone(),
        fix: finding.fix.clone(),
        matched: matched.name(),
        matched_words: matched.words(),
        escapes: match (verdicts, &finding.map) {
            (Some(verdicts), Some(map)) => verdicts.of(map),
            _ => Vec::new(),
        },
    }
}
