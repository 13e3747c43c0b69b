//! From paths to findings.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::check::{self, Checked};
use crate::config::Config;
use crate::finding::{Finding, Position};
use crate::source_tree::{self, Module};
use crate::workers;
use tophash_typecheck::{PassedOver, Reason};

/// How long one file may take: a hundred times what the slowest of Go's own takes.
const LIMIT: Duration = Duration::from_secs(30);

/// What was found below some paths.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct LintReport {
    /// The worst first.
    pub findings: Vec<Finding>,
    /// Files that were not read, or in part, and why.
    pub passed_over: Vec<PassedOver>,
    /// Comments that were to take a finding back and don't, and why.
    pub suppression_faults: Vec<(Position, String)>,
    /// How many findings comments took back.
    pub suppressed: usize,
    /// How many packages were read.
    pub packages: usize,
    /// How many files were read.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
}

/// Reads all packages below some paths, and applies the rules.
///
/// A path is a folder, or a single file; `/...` at the end is what the `go` command understands by it. Files
/// of tests, and folders named `vendor` or `testdata`, are left out. Of a single file, all of its folder is
/// read, and what is about that file is reported.
pub fn lint(paths: &[PathBuf], config: &Config) -> LintReport {
    let excluded = |typed: &Path, whole: &Path| config.excludes(typed, whole);
    let (folders, faults) = source_tree::folders(paths, &excluded);
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let mut report = gather(workers::check(folders, threads, LIMIT), config);
    report.passed_over.extend(faults.into_iter().map(|fault| PassedOver {
        path: fault.path.to_string_lossy().into_owned(),
        line: None,
        reason: Reason::Unreadable(fault.fault.to_string()),
        parts: Vec::new(),
    }));
    report.passed_over.sort_by(|a, b| a.path.cmp(&b.path));
    report
}

/// Applies the rules to one package, given as names and texts of files. Nothing is read from disk.
///
/// `go` is the release that the module asks for.
pub fn lint_texts(files: &[(&str, &str)], go: Option<(u32, u32)>, config: &Config) -> LintReport {
    let module = Module { go, ..Module::default() };
    let mut checked = Checked::default();
    let mut texts = check::Texts::default();
    for (path, text) in files {
        texts.read(path, text, &mut checked);
    }
    texts.check(None, &module, &mut checked);
    gather(vec![checked], config)
}

fn gather(folders: Vec<Checked>, config: &Config) -> LintReport {
    let mut report = LintReport::default();
    // How many folders clean a map by this name without knowing its type.
    let mut cleaned: BTreeMap<String, usize> = BTreeMap::new();
    for name in folders.iter().flat_map(|folder| &folder.cleaned_elsewhere) {
        *cleaned.entry(name.clone()).or_default() += 1;
    }
    for folder in folders {
        for found in folder.found {
            let is_cleaned = found.exported.as_ref().is_some_and(|name| cleaned.contains_key(name));
            if is_cleaned {
                continue;
            }
            let mut finding = found.finding;
            match config.rules.get(&finding.rule) {
                Some(None) => continue,
                Some(Some(severity)) => finding.severity = *severity,
                None => {}
            }
            report.findings.push(finding);
        }
        report.passed_over.extend(folder.passed_over);
        report.suppression_faults.extend(folder.faults);
        report.suppressed += folder.suppressed;
        report.packages += folder.packages;
        report.files += folder.files;
        report.bytes += folder.bytes;
    }
    report.findings.sort_by(|a, b| {
        (b.severity, &a.at, a.rule, &a.subject).cmp(&(a.severity, &b.at, b.rule, &b.subject))
    });
    report.suppression_faults.sort();
    report
}
