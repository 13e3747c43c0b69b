//! What `tophash lint` accepts.

use std::path::PathBuf;

use clap::{ArgGroup, Args, ValueEnum};

use crate::args::SeverityName;
use crate::charge::CostOptions;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("weighed").args(["profile", "pid", "inspect"])))]
pub(crate) struct LintOptions {
    /// Folders, with all packages below them, or single files.
    #[arg(value_name = "PATHS", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,

    /// Table for people, JSON for programs, SARIF 2.1.0 for code review, or workflow commands for GitHub.
    #[arg(long, value_enum, default_value_t = LintFormat::Table)]
    pub(crate) format: LintFormat,

    /// Show findings that are at least this severe; warnings unless tophash.toml says otherwise.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) severity: Option<SeverityName>,

    /// End with exit code 1 if a finding that is shown is at least this severe.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<SeverityName>,

    /// Settings; the nearest tophash.toml above the first path unless given.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Leave out findings that FILE knows.
    #[arg(long, value_name = "FILE")]
    pub(crate) baseline: Option<PathBuf>,

    /// Write what is found, of any severity, to FILE, for --baseline. One that is there is replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) write_baseline: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) cost: CostOptions,

    /// Rank by what the maps retain in this report of `inspect --format json`.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["profile", "pid"])]
    pub(crate) inspect: Option<PathBuf>,

    /// Leave out findings to which nothing is charged.
    #[arg(long, requires = "weighed")]
    pub(crate) only_charged: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LintFormat {
    Table,
    Json,
    Github,
    Sarif,
}
