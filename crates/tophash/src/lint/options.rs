//! What `tophash lint` accepts.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tophash_source::Severity;

#[derive(Debug, Args)]
pub(crate) struct LintOptions {
    /// Folders, with all packages below them, or single files.
    #[arg(value_name = "PATHS", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// Table for people, JSON for programs, or SARIF 2.1.0 for code review.
    #[arg(long, value_enum, default_value_t = LintFormat::Table)]
    pub(crate) format: LintFormat,

    /// Show findings that are at least this severe; warnings unless tophash.toml says otherwise.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) severity: Option<LintSeverity>,

    /// End with exit code 1 if a finding that is shown is at least this severe.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<LintSeverity>,

    /// Settings; the nearest tophash.toml above the first path unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Leave out findings that FILE knows.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,

    /// Write what is found, of any severity, to FILE, for --baseline. One that is there is replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintFormat {
    Table,
    Json,
    Sarif,
}

/// Severities of findings in source, as they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintSeverity {
    /// Could be: something that a rule needs to know is not in the source that it read.
    Info,
    /// Likely to grow without end.
    Warning,
    /// Grows with what others send.
    Critical,
}

impl From<LintSeverity> for Severity {
    fn from(severity: LintSeverity) -> Self {
        match severity {
            LintSeverity::Info => Self::Info,
            LintSeverity::Warning => Self::Warning,
            LintSeverity::Critical => Self::Critical,
        }
    }
}
