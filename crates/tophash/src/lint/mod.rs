//! `tophash lint`: maps that will grow without end, found in source.

mod annotations;
mod baseline;
mod costs;
mod json;
mod options;
mod sarif;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::panic;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result, bail};
use tophash_escape::Sum;
use tophash_source::{Config, Finding, LintReport, Severity, lint};

use crate::Outcome;
use crate::progress::Progress;
use crate::report::style;
use baseline::Baseline;
use costs::{Costs, Weight};
use options::LintFormat;
pub(crate) use options::LintOptions;

/// The name that a project's settings have.
const CONFIG_NAME: &str = "tophash.toml";

/// What is shown of a report.
struct Shown {
    report: LintReport,
    /// What the findings cost, in their order, where a profile or an inspection tells.
    costs: Option<Costs>,
    /// Findings below the severity that is shown, by severity.
    hidden: BTreeMap<Severity, usize>,
    /// Findings to which nothing is charged, where only others were asked for.
    uncharged: usize,
    /// Findings that the baseline knows.
    known: usize,
}

impl Shown {
    /// Findings with what they cost.
    fn weighed(&self) -> impl Iterator<Item = (&Finding, Option<&Weight>)> {
        let weight = |number| self.costs.as_ref().and_then(|costs| costs.weights.get(number));
        let findings = self.report.findings.iter().enumerate();
        findings.map(move |(number, finding)| (finding, weight(number)))
    }
}

/// From this part of all bytes on, a finding is shown whatever its severity.
const HEAVY_PART: u64 = 100;

/// Whether a finding costs so much that what speaks against it matters less.
fn is_heavy(weight: &Weight, total: Sum) -> bool {
    weight.bytes > 0 && weight.bytes.saturating_mul(HEAVY_PART) >= total.bytes
}

pub(crate) fn run(options: &LintOptions) -> Result<Outcome> {
    options.cost.check()?;
    let config = match &options.config {
        Some(path) => read_config(path)?,
        None => match options.paths.first() {
            Some(path) => config_near(path)?,
            None => Config::default(),
        },
    };
    let known = match &options.baseline {
        Some(path) => Baseline::read(path)?,
        None => Baseline::default(),
    };
    let mut report = read(&options.paths, &config);
    if report.files == 0
        && report.passed_over.iter().any(|file| is_named(&options.paths, &file.path))
    {
        let first = report.passed_over.first();
        bail!("{}", first.map_or(String::new(), |file| format!("{} {}", file.path, file.reason)));
    }
    if let Some(path) = &options.write_baseline {
        Baseline::of(&report.findings).write(path)?;
    }
    let progress = Progress::new();
    let mut costs = costs::weigh(&report.findings, options, &progress)?;
    drop(progress);
    if let Some(costs) = &mut costs {
        report.findings = costs::rank(report.findings, costs);
        for note in &costs.notes {
            anstream::eprintln!("{}", style::dim(&style::clean(note)));
        }
    }
    let least =
        options.severity.map(Severity::from).or(config.severity).unwrap_or(Severity::Warning);
    let shown = choose(report, costs, known, least, options.only_charged);
    print(options, &shown)?;
    let fail_on = options.fail_on.map(Severity::from).or(config.fail_on);
    let is_found = shown
        .report
        .findings
        .iter()
        .any(|finding| fail_on.is_some_and(|severity| finding.severity >= severity));
    Ok(if is_found { Outcome::Found } else { Outcome::Done })
}

/// Reads source, and says nothing.
pub(crate) fn read(paths: &[PathBuf], config: &Config) -> LintReport {
    quietly(|| lint(paths, config))
}

/// Settings of the nearest file above a path.
pub(crate) fn config_near(path: &Path) -> Result<Config> {
    nearest_config(path).map_or_else(|| Ok(Config::default()), |path| read_config(&path))
}

fn read_config(path: &Path) -> Result<Config> {
    let text =
        fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))?;
    let mut config =
        Config::parse(&text).with_context(|| format!("can't use {}", path.display()))?;
    let whole = fs::canonicalize(path).ok();
    config.root = whole.as_deref().and_then(Path::parent).map(Path::to_path_buf);
    Ok(config)
}

fn is_named(paths: &[PathBuf], path: &str) -> bool {
    paths.iter().any(|named| named.as_os_str() == path)
}

fn nearest_config(path: &Path) -> Option<PathBuf> {
    let whole = fs::canonicalize(path).ok()?;
    whole.ancestors().map(|folder| folder.join(CONFIG_NAME)).find(|file| file.is_file())
}

/// Leaves out what a report does not show. The limit of severity holds after the baseline, so that a finding
/// that the baseline knows is counted once.
fn choose(
    mut report: LintReport,
    mut costs: Option<Costs>,
    mut baseline: Baseline,
    least: Severity,
    only_charged: bool,
) -> Shown {
    let findings = std::mem::take(&mut report.findings);
    let weights = costs.as_mut().map(|costs| std::mem::take(&mut costs.weights));
    let total = costs.as_ref().map_or(Sum::default(), |costs| costs.total);
    let mut shown = Shown { report, costs, hidden: BTreeMap::new(), uncharged: 0, known: 0 };
    let mut kept = Vec::new();
    for (number, finding) in findings.into_iter().enumerate() {
        let weight = weights.as_ref().and_then(|weights| weights.get(number)).cloned();
        if baseline.takes(&finding) {
            shown.known += 1;
        } else if only_charged && weight.as_ref().is_none_or(|weight| weight.bytes == 0) {
            shown.uncharged += 1;
        } else if finding.severity < least
            && !weight.as_ref().is_some_and(|weight| is_heavy(weight, total))
        {
            *shown.hidden.entry(finding.severity).or_default() += 1;
        } else {
            shown.report.findings.push(finding);
            kept.extend(weight);
        }
    }
    if let Some(costs) = &mut shown.costs {
        costs.weights = kept;
    }
    shown
}

fn print(options: &LintOptions, shown: &Shown) -> Result<()> {
    if options.format == LintFormat::Table {
        let mut out = anstream::stdout().lock();
        table::print(&mut out, shown)?;
        out.flush()?;
        return Ok(());
    }
    let mut out = io::BufWriter::new(io::stdout().lock());
    match options.format {
        LintFormat::Sarif => sarif::print(&mut out, shown)?,
        LintFormat::Github => annotations::print(&mut out, shown)?,
        LintFormat::Json | LintFormat::Table => {
            serde_json::to_writer_pretty(&mut out, &json::document(shown))?;
            writeln!(out)?;
        }
    }
    out.flush()?;
    Ok(())
}

/// Runs without a word from a parser that fails on a file: the report names the file.
fn quietly<T>(run: impl FnOnce() -> T) -> T {
    let usual: Arc<dyn Fn(&panic::PanicHookInfo<'_>) + Send + Sync> = Arc::from(panic::take_hook());
    let others = Arc::clone(&usual);
    panic::set_hook(Box::new(move |fault| {
        if thread::current().name() != Some("tophash-lint") {
            others(fault);
        }
    }));
    let done = run();
    panic::set_hook(Box::new(move |fault| usual(fault)));
    done
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// Panics on a thread of its own, whose name other tests' threads don't have.
    fn fail(name: &str) {
        let started = thread::Builder::new().name(name.to_owned()).spawn(|| panic!("as planned"));
        assert!(started.unwrap().join().is_err());
    }

    #[test]
    fn a_hook_for_panics_is_there_again_afterwards() {
        static TOLD: AtomicUsize = AtomicUsize::new(0);
        let usual = panic::take_hook();
        panic::set_hook(Box::new(|_| {
            if thread::current().name().is_some_and(|name| name.starts_with("tophash-lint")) {
                TOLD.fetch_add(1, Ordering::Relaxed);
            }
        }));
        quietly(|| fail("tophash-lint"));
        assert_eq!(TOLD.load(Ordering::Relaxed), 0);
        quietly(|| fail("tophash-lint-other"));
        assert_eq!(TOLD.load(Ordering::Relaxed), 1);
        fail("tophash-lint");
        assert_eq!(TOLD.load(Ordering::Relaxed), 2);
        panic::set_hook(usual);
    }
}
