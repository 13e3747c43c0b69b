//! `tophash lint`: maps that will grow without end, found in source.

mod baseline;
mod json;
mod options;
mod sarif;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, bail};
use tophash_source::{Config, LintReport, Severity, lint};

use crate::Outcome;
use baseline::Baseline;
use options::LintFormat;
pub(crate) use options::LintOptions;

/// The name that a project's settings have.
const CONFIG_NAME: &str = "tophash.toml";

/// What is shown of a report.
struct Shown {
    report: LintReport,
    /// Findings below the severity that is shown, by severity.
    hidden: BTreeMap<Severity, usize>,
    /// Findings that the baseline knows.
    known: usize,
}

pub(crate) fn run(options: &LintOptions) -> Result<Outcome> {
    let config = read_config(options)?;
    let known = match &options.baseline {
        Some(path) => Baseline::read(path)?,
        None => Baseline::default(),
    };
    let report = quietly(|| lint(&options.paths, &config));
    if report.files == 0
        && report.passed_over.iter().any(|file| is_named(&options.paths, &file.path))
    {
        let first = report.passed_over.first();
        bail!("{}", first.map_or(String::new(), |file| format!("{} {}", file.path, file.reason)));
    }
    if let Some(path) = &options.write_baseline {
        Baseline::of(&report.findings).write(path)?;
    }
    let least =
        options.severity.map(Severity::from).or(config.severity).unwrap_or(Severity::Warning);
    let shown = choose(report, known, least);
    print(options, &shown)?;
    let fail_on = options.fail_on.map(Severity::from).or(config.fail_on);
    let is_found = shown
        .report
        .findings
        .iter()
        .any(|finding| fail_on.is_some_and(|severity| finding.severity >= severity));
    Ok(if is_found { Outcome::Found } else { Outcome::Done })
}

fn is_named(paths: &[PathBuf], path: &str) -> bool {
    paths.iter().any(|named| named.as_os_str() == path)
}

/// Settings of the file that is named, or of the nearest one above the first path.
fn read_config(options: &LintOptions) -> Result<Config> {
    let path = match &options.config {
        Some(path) => path.clone(),
        None => match options.paths.first().and_then(|path| nearest_config(path)) {
            Some(path) => path,
            None => return Ok(Config::default()),
        },
    };
    let text =
        fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?;
    Config::parse(&text).with_context(|| format!("can't use {}", path.display()))
}

fn nearest_config(path: &Path) -> Option<PathBuf> {
    let whole = fs::canonicalize(path).ok()?;
    whole.ancestors().map(|folder| folder.join(CONFIG_NAME)).find(|file| file.is_file())
}

/// Leaves out what a report does not show. The limit of severity holds after the baseline, so that a finding
/// that the baseline knows is counted once.
fn choose(mut report: LintReport, mut known: Baseline, least: Severity) -> Shown {
    let before = report.findings.len();
    report.findings.retain(|finding| !known.takes(finding));
    let known = before - report.findings.len();
    let mut hidden = BTreeMap::new();
    report.findings.retain(|finding| {
        if finding.severity < least {
            *hidden.entry(finding.severity).or_default() += 1;
        }
        finding.severity >= least
    });
    Shown { report, hidden, known }
}

fn print(options: &LintOptions, shown: &Shown) -> Result<()> {
    match options.format {
        LintFormat::Table => {
            let mut out = anstream::stdout().lock();
            table::print(&mut out, shown)?;
            out.flush()?;
        }
        format => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            let document = match format {
                LintFormat::Sarif => sarif::document(shown),
                _ => json::document(shown),
            };
            serde_json::to_writer_pretty(&mut out, &document)?;
            writeln!(out)?;
            out.flush()?;
        }
    }
    Ok(())
}

/// Runs without a word from a parser that fails on a file: the report names the file.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |fault| {
        if thread::current().name() != Some("tophash-lint") {
            usual(fault);
        }
    }));
    let done = run();
    drop(panic::take_hook());
    done
}
