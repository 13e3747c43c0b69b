//! What the command line accepts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tophash_diagnose::Severity;
use tophash_memory::ProcessMode;

/// See what your Go maps really hold.
#[derive(Debug, Parser)]
#[command(version, about, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show every map of a Go program: entries against slots, bytes, and what holds it.
    ///
    /// TARGET is the number of a running process, an ELF core, or a heap dump that the program wrote
    /// of itself with `debug.WriteHeapDump`; the files may be compressed (`.zst`). Go 1.19 and 1.21
    /// to 1.27 on linux/amd64; neither symbols nor DWARF are needed.
    Inspect(InspectOptions),
    /// Write a small core of a running Go program, for `inspect` and for debuggers.
    ///
    /// It holds what the program wrote and still uses: pages never touched, pages of zeros, free
    /// pages of the heap, code and shared memory are left out. The process is stopped while its
    /// memory is copied, and runs again while FILE is written. Memory holds secrets: only FILE's
    /// owner may read it.
    Capture(CaptureOptions),
    /// Compare two looks at one program: which maps and types grew, and who holds them.
    Diff(DiffOptions),
    /// Open a core of a leaking service that comes with tophash, and tell its story.
    Demo(DemoOptions),
    /// Put folklore about the memory of Go maps to the test, on a model and on real Go.
    Lab(LabOptions),
}

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// A process number, a core file, or a heap dump.
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) how: TargetOptions,

    #[command(flatten)]
    pub(crate) view: ViewOptions,
}

/// How a target is opened.
#[derive(Debug, Clone, Args)]
pub(crate) struct TargetOptions {
    /// The program's executable, where it is not at the path the core names; a heap dump names none.
    #[arg(long, value_name = "BIN")]
    pub(crate) exe: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) stop: StopOptions,
}

#[derive(Debug, Args)]
pub(crate) struct DiffOptions {
    /// The earlier one: a core, heap dump or process, or a report that `inspect --format json` printed.
    pub(crate) before: String,

    /// The later one.
    pub(crate) after: String,

    #[command(flatten)]
    pub(crate) target: TargetOptions,

    /// The executable of the earlier one, where it is another build.
    #[arg(long, value_name = "BIN")]
    pub(crate) exe_before: Option<PathBuf>,

    /// Table for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Only types that contain TEXT, as Go prints them.
    #[arg(long = "type", value_name = "TEXT")]
    pub(crate) type_contains: Option<String>,

    /// End with exit code 1 if a finding is at least this severe.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<FailOn>,

    /// How many changes the table shows; 0 for all.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
}

/// Whether a process is stopped, and for how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct StopOptions {
    /// The longest that the process may be stopped while its memory is copied.
    #[arg(long, value_name = "TIME", default_value = "500ms", value_parser = humantime::parse_duration)]
    max_pause: Duration,

    /// Never stop the process: read it while it runs. What changes meanwhile may not fit together;
    /// `inspect` marks maps that did.
    #[arg(long, conflicts_with = "max_pause")]
    unfrozen: bool,
}

impl StopOptions {
    pub(crate) fn mode(&self) -> ProcessMode {
        match self.unfrozen {
            true => ProcessMode::Unfrozen,
            false => ProcessMode::Frozen { max_pause: self.max_pause },
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct CaptureOptions {
    /// The number of a running process.
    pub(crate) pid: u32,

    /// The core to write; compressed if its name ends in `.zst`. One that is there is replaced.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,

    /// The process's executable, where the kernel's link to it can't be used.
    #[arg(long, value_name = "BIN")]
    pub(crate) exe: Option<PathBuf>,

    /// Store free pages of the heap, too: what the program has freed and not yet given back.
    #[arg(long)]
    pub(crate) full: bool,

    #[command(flatten)]
    pub(crate) stop: StopOptions,
}

#[derive(Debug, Args)]
pub(crate) struct DemoOptions {
    #[command(flatten)]
    pub(crate) view: ViewOptions,
}

#[derive(Debug, Args)]
pub(crate) struct LabOptions {
    #[command(subcommand)]
    pub(crate) command: LabCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// List the experiments.
    List(LabListOptions),
    /// Run experiments on the model, for every Go release that it knows.
    Run(LabRunOptions),
    /// Run experiments on real Go as well, and compare.
    ///
    /// Programs are built in a temporary folder by each Go given, without network, and run. Ends with
    /// exit code 1 if figures differ by more than an experiment allows, or contradict a verdict.
    Verify(LabVerifyOptions),
}

#[derive(Debug, Args)]
pub(crate) struct LabListOptions {
    /// Table for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct LabRunOptions {
    /// The experiments, as `lab list` names them.
    pub(crate) names: Vec<String>,

    /// Each of them.
    #[arg(long, conflicts_with = "names")]
    pub(crate) all: bool,

    /// Also write them to FILE, as a page in Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Option<PathBuf>,

    /// Table for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

#[derive(Debug, Args)]
pub(crate) struct LabVerifyOptions {
    /// The experiments, as `lab list` names them; all unless given.
    pub(crate) names: Vec<String>,

    /// A Go to compare with: its GOROOT, or a `go` command. May be given several times.
    #[arg(long, value_name = "GOROOT", required = true)]
    pub(crate) go: Vec<PathBuf>,

    /// The longest that one experiment's program may run.
    #[arg(long, value_name = "TIME", default_value = "2m", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Duration,

    /// Also write them to FILE, as a page in Markdown.
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Option<PathBuf>,

    /// Table for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// What to show, and how.
#[derive(Debug, Args)]
pub(crate) struct ViewOptions {
    /// Table for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Only maps whose type contains TEXT, as Go prints it.
    #[arg(long = "type", value_name = "TEXT")]
    pub(crate) type_contains: Option<String>,

    /// Only maps that own at least this many bytes, such as 64KiB.
    #[arg(long, value_name = "BYTES", default_value = "0", value_parser = parse_bytes)]
    pub(crate) min_bytes: u64,

    /// A heap profile of the program (pprof), for where maps were allocated that the program's own
    /// samples don't tell.
    #[arg(long, value_name = "FILE")]
    pub(crate) profile: Option<PathBuf>,

    /// What to show: maps, or what retains memory by type, by holder, or as a tree of root paths.
    #[arg(long, value_enum, default_value_t = By::Maps)]
    pub(crate) by: By,

    /// Leave out what maps retain, which takes about half of the time and of the memory.
    #[arg(long, conflicts_with = "by")]
    pub(crate) no_retained: bool,

    /// Say of each map shown what it would cost otherwise: made anew, with values in place of
    /// pointers, or under another Go release.
    #[arg(long)]
    pub(crate) what_if: bool,

    /// Which maps to put first.
    #[arg(long, value_enum, default_value_t = Sort::Retained)]
    pub(crate) sort: Sort,

    /// How many maps the table shows; 0 for all. JSON has them all unless this is given.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,

    /// End with exit code 1 if a finding is at least this severe.
    #[arg(long, value_enum, value_name = "SEVERITY")]
    pub(crate) fail_on: Option<FailOn>,

    /// Print up to N entries of each map shown. Keys and values may be secrets.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "10", require_equals = true)]
    pub(crate) show_entries: Option<usize>,
}

impl ViewOptions {
    /// All maps with their paths, and all types.
    pub(crate) fn all_for_diff() -> Self {
        Self {
            format: Format::Json,
            type_contains: None,
            min_bytes: 0,
            profile: None,
            by: By::Types,
            no_retained: false,
            what_if: false,
            sort: Sort::Retained,
            top: None,
            fail_on: None,
            show_entries: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Table,
    Json,
}

/// Severities of findings, as they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    Info,
    Warning,
    Critical,
}

impl From<FailOn> for Severity {
    fn from(severity: FailOn) -> Self {
        match severity {
            FailOn::Info => Self::Info,
            FailOn::Warning => Self::Warning,
            FailOn::Critical => Self::Critical,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Each map.
    Maps,
    /// Each type of the heap: objects, bytes, and what they retain together.
    Types,
    /// Each global, goroutine and finalizer: what would go if it let go.
    Holders,
    /// The root paths of all maps, merged into one tree.
    Paths,
    /// Each slot size of the allocator: how much of its spans is in use.
    Sizes,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Bytes that would go with the map: its own, and what is reachable through it alone.
    Retained,
    /// Bytes of all allocations that belong to the map.
    Own,
    /// Bytes that a fresh map with the same entries would not need.
    Reclaimable,
    /// Live entries.
    Entries,
    /// Room for entries.
    Slots,
    /// Slots of deleted entries.
    Tombstones,
    /// The type's name.
    Type,
}

fn parse_bytes(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>().map(|size| size.as_u64())
}
