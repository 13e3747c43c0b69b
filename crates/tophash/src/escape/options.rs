//! What `tophash escape` accepts.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use tophash_escape::Reason;

use crate::args::parse_bytes;
use crate::charge::CostOptions;

#[derive(Debug, Args)]
pub(crate) struct EscapeOptions {
    /// Packages as the go command names them: `./...`, `net/http`, an import path; `.` unless given.
    #[arg(value_name = "PACKAGES")]
    pub(crate) packages: Vec<String>,

    /// Who decides: the installed compiler, or the source alone by the rules of a release.
    #[arg(long, value_enum, default_value_t = Engine::Compiler)]
    pub(crate) engine: Engine,

    /// For the native engine, the release whose rules are followed, as 1.27; that of the GOROOT unless given.
    #[arg(long, value_name = "RELEASE")]
    pub(crate) rules: Option<String>,

    /// The Go to ask: a GOROOT, or a go command by path or name. Given twice, the two are compared.
    #[arg(long, value_name = "GO", num_args = 1)]
    pub(crate) go: Vec<PathBuf>,

    /// The folder in which packages are looked for, such as the module's.
    #[arg(short = 'C', long, value_name = "DIR", default_value = ".")]
    pub(crate) dir: PathBuf,

    /// Build tags, separated by commas.
    #[arg(long, value_name = "TAGS")]
    pub(crate) tags: Option<String>,

    #[command(flatten)]
    pub(crate) cost: CostOptions,

    /// Compare two commits of the repository: what escapes in B and not in A. `.` is the working tree.
    #[arg(long, num_args = 2, value_names = ["A", "B"])]
    pub(crate) diff: Vec<String>,

    /// What is listed.
    #[arg(long, value_enum, default_value_t = View::Summary)]
    pub(crate) by: View,

    /// Only sites that escape for this reason, by its short name. May be given several times.
    #[arg(long, value_name = "REASON", value_parser = parse_reason)]
    pub(crate) reason: Vec<Reason>,

    /// Only sites in functions whose name contains TEXT.
    #[arg(long, value_name = "TEXT")]
    pub(crate) function: Option<String>,

    /// How many are listed; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) top: usize,

    /// End with exit code 1 if there is such a site: `any`, `map`, `new` (in a comparison), or one that
    /// costs as many bytes as this, such as `10MiB`.
    #[arg(long, value_name = "WHAT", value_parser = parse_fail_on)]
    pub(crate) fail_on: Option<FailOn>,

    /// Table for people, JSON or SARIF for programs, or workflow commands for GitHub.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Write the sources with what escapes marked in them, as one page.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) html: Option<PathBuf>,
}

impl EscapeOptions {
    /// Refuses what can't be done together, before anything is built.
    pub(super) fn check(&self) -> Result<()> {
        let has_costs = self.cost.profile.is_some() || self.cost.pid.is_some();
        let compares = !self.diff.is_empty() || self.go.len() > 1;
        if self.rules.is_some() && self.engine == Engine::Compiler {
            bail!("--rules is for --engine native; a compiler has its own, and --go names another");
        }
        if self.engine == Engine::Native && compares {
            bail!(
                "--engine native looks at one state of the source; --diff and two --go compare builds"
            );
        }
        if self.go.len() > 2 {
            bail!("two compilers can be compared, not more");
        }
        if self.go.len() == 2 && !self.diff.is_empty() {
            bail!("compare two commits or two compilers, not both at once");
        }
        if compares && (has_costs || self.html.is_some()) {
            bail!("--profile, --pid and --html are for one build, not for a comparison");
        }
        match self.fail_on {
            Some(FailOn::Bytes(_)) if compares => {
                bail!("--fail-on with a size is for one build with a profile")
            }
            Some(FailOn::Bytes(_)) if !has_costs => {
                bail!("--fail-on with a size needs --profile or --pid")
            }
            Some(FailOn::New) if !compares => {
                bail!("--fail-on new is for a comparison: --diff A B, or two --go")
            }
            _ => {}
        }
        self.cost.check()?;
        let folder = self.html.as_ref().and_then(|file| file.parent());
        if let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty())
            && !folder.is_dir()
        {
            bail!("--html: {} is no folder", folder.display());
        }
        Ok(())
    }

    /// Whether less than everything is asked for.
    pub(super) fn is_filtered(&self) -> bool {
        !self.reason.is_empty() || self.function.is_some()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// The go command, which builds the packages.
    Compiler,
    /// No Go at all: escape analysis of the source, as for a build without inlining.
    Native,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum View {
    /// Maps, then how many for each reason; with a profile, what costs most.
    Summary,
    /// Each site with its flow.
    Sites,
    /// What has to do with maps.
    Maps,
    /// How many for each reason, with the functions that have most.
    Reasons,
    /// How many in each function.
    Functions,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
    Github,
    Sarif,
}

/// When to end with exit code 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailOn {
    Any,
    Map,
    New,
    Bytes(u64),
}

fn parse_fail_on(text: &str) -> std::result::Result<FailOn, String> {
    Ok(match text {
        "any" => FailOn::Any,
        "map" => FailOn::Map,
        "new" => FailOn::New,
        size => FailOn::Bytes(
            parse_bytes(size).map_err(|_| "one of any, map, new, or a size such as 10MiB")?,
        ),
    })
}

fn parse_reason(text: &str) -> std::result::Result<Reason, String> {
    Reason::ALL.into_iter().find(|reason| reason.name() == text).ok_or_else(|| {
        let known: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        format!("one of {}", known.join(", "))
    })
}
