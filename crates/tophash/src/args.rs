//! What the command line accepts.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tophash_diagnose::Severity;
use tophash_memory::ProcessMode;

use crate::audit::AuditOptions;
use crate::escape::EscapeOptions;
use crate::http::RequestOptions;
use crate::join::SourceOptions;
use crate::lint::LintOptions;
use crate::profile::ProfileOptions;

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
    Inspect(Box<InspectOptions>),
    /// Write a small core of a running Go program, for `inspect` and for debuggers.
    ///
    /// It holds what the program wrote and still uses: pages never touched, pages of zeros, free
    /// pages of the heap, code and shared memory are left out. The process is stopped while its
    /// memory is copied, and runs again while FILE is written. Memory holds secrets: only FILE's
    /// owner may read it.
    Capture(CaptureOptions),
    /// Compare two looks at one program: which maps and types grew, and who holds them.
    Diff(DiffOptions),
    /// Watch what a Go program says of its memory: what grows, how long until a limit, what to do.
    ///
    /// TARGET is a URL of the program (of /debug/vars or /metrics; without a path, both are tried), the
    /// number of a process, which is neither stopped nor copied, or a file: a log with lines of
    /// GODEBUG=gctrace=1, or what --record wrote; `-` reads such lines as they come.
    Watch(WatchOptions),
    /// Say what a map will cost under every Go release, before it is written.
    ///
    /// TYPE is a map type as Go writes it, such as `map[string]*Session` or
    /// `map[[16]byte]struct{a, b int32}`. What keys and elems point to is not counted.
    Predict(PredictOptions),
    /// Read profiles that Go programs take of themselves: what holds memory, what allocates, what grew.
    ///
    /// Of heap profiles, inuse_… is what was live at the last collection, and alloc_… all that was
    /// allocated since the start. Several profiles are added up.
    Profile(Box<ProfileOptions>),
    /// Say why values go to the heap, as the Go compiler decides it, ranked by what they cost.
    ///
    /// Reads the source alone with `--engine native`, which needs no Go. Else drives `go list -export -gcflags=-m=2` of Go 1.19 and 1.21 to 1.27 and reads its explanations;
    /// what was compiled before comes from Go's build cache. Nothing is linked or written.
    Escape(Box<EscapeOptions>),
    /// Open a core of a leaking service that comes with tophash, and tell its story.
    Demo(DemoOptions),
    /// Put folklore about the memory of Go maps to the test, on a model and on real Go.
    Lab(LabOptions),
    /// Find maps in Go source that will grow without end, before they run.
    ///
    /// No Go toolchain is needed. All files of a package are read, whatever their build tags say; tests,
    /// `vendor` and `testdata` are left out. A finding is taken back by a comment
    /// `//tophash:ignore RULE reason` on its line or the one before.
    Lint(Box<LintOptions>),
    /// Report on SafeMaps of Rust services by the audits that they wrote: keys against the day before,
    /// keys whose type drifts, memory, and growth that looks like a leak.
    Audit(AuditOptions),
}

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// A process number, a core file, or a heap dump.
    pub(crate) target: String,

    #[command(flatten)]
    pub(crate) how: TargetOptions,

    #[command(flatten)]
    pub(crate) view: ViewOptions,

    #[command(flatten)]
    pub(crate) source: SourceOptions,
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
    pub(crate) fail_on: Option<SeverityName>,

    /// How many changes the table shows; 0 for all.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchOptions {
    /// A URL, a process number, or a file.
    pub(crate) target: String,

    /// The process behind a URL, if it runs on this machine: for what the kernel says of it, and for
    /// the maps that --around compares.
    #[arg(long)]
    pub(crate) pid: Option<u32>,

    /// How long to wait between two looks.
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = humantime::parse_duration)]
    pub(crate) interval: Duration,

    /// How long to watch; until interrupted unless given.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) span: Option<Duration>,

    /// Look once.
    #[arg(long, conflicts_with_all = ["span", "around"])]
    pub(crate) once: bool,

    /// Append each look to FILE, as one line of JSON.
    #[arg(long, value_name = "FILE")]
    pub(crate) record: Option<PathBuf>,

    /// Save heap profiles of the same program in DIR, as NAME-TIME.pb.gz: at the first look, and then
    /// as --every says. `tophash profile --series DIR` says what grows in them.
    #[arg(long, value_name = "DIR", conflicts_with = "around")]
    pub(crate) profiles: Option<PathBuf>,

    /// How long to wait between two profiles.
    #[arg(long, value_name = "TIME", default_value = "1m", requires = "profiles",
          value_parser = humantime::parse_duration)]
    pub(crate) every: Duration,

    /// How many profiles of this program stay in DIR; older ones are removed.
    #[arg(long, value_name = "N", default_value_t = 500, requires = "profiles",
          value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) keep: u32,

    /// Let the program collect before each profile. Not needed for a series: a profile is as of the
    /// last collection anyhow, and a collection of its own costs the program time.
    #[arg(long, requires = "profiles")]
    pub(crate) collect: bool,

    /// Look before and after a command of the shell, and say what changed: the heap, size classes, and
    /// of a process the maps, for which it is inspected twice.
    #[arg(long, value_name = "CMD")]
    pub(crate) around: Option<String>,

    /// Table for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) request: RequestOptions,

    #[command(flatten)]
    pub(crate) stop: StopOptions,
}

#[derive(Debug, Args)]
pub(crate) struct PredictOptions {
    /// A map type.
    #[arg(value_name = "TYPE")]
    pub(crate) map_type: String,

    /// How many entries are assigned, such as 5000, 1_000_000, 2.5M or 1e6.
    #[arg(short = 'n', long, value_name = "N", value_parser = parse_count)]
    pub(crate) entries: u64,

    /// The map is made with this hint, as in `make(map[K]V, 1000)`; `n` for the entries.
    #[arg(long, value_name = "H", value_parser = parse_hint)]
    pub(crate) hint: Option<Hint>,

    /// How many entries are deleted again: a count, or a share such as 50%.
    #[arg(long, value_name = "P", value_parser = parse_deletion)]
    pub(crate) delete: Option<Deletion>,

    /// Only this release, such as 1.23, 1.25-noswissmap or 1.27-mapsplitgroup. May be given several
    /// times, or several with commas.
    #[arg(long, value_name = "V", value_delimiter = ',')]
    pub(crate) go: Vec<String>,

    /// Where named types are declared: a Go file, the folder of a package, or a Go program, stripped
    /// or not.
    #[arg(long, value_name = "PATH")]
    pub(crate) types: Option<PathBuf>,

    /// Table for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Draw bytes against entries, too.
    #[arg(long)]
    pub(crate) chart: bool,

    /// Write the chart into a file, as SVG. One that is there is replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
}

/// What a map is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hint {
    /// As many entries as it gets.
    Entries,
    Count(u64),
}

/// How many entries are deleted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Deletion {
    Count(u64),
    Percent(f64),
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
    /// Do recorded map operations again, on the maps of any Go release.
    ///
    /// What would a program's own use of its maps cost under another Go? A trace is text or binary, as
    /// the Go package in `go/maptrace` records it.
    Replay(LabReplayOptions),
    /// Inject a fault into the model's collector, and see what is freed too early.
    ///
    /// Shows the object, the path from a root with the pointer that was missed, and what is read there
    /// afterwards. Real Go has none of these faults.
    Fault(LabFaultOptions),
}

#[derive(Debug, Args)]
pub(crate) struct LabFaultOptions {
    /// The fault; none for a sound collector.
    #[arg(value_enum)]
    pub(crate) fault: FaultName,

    /// The release whose maps and collector are run.
    #[arg(long, value_name = "V", default_value = "1.23")]
    pub(crate) go: String,

    /// Text for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,
}

/// A fault of the model's collector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum FaultName {
    /// It is sound.
    None,
    /// Arrays of map buckets and groups are not looked into.
    MapArrays,
    /// Write barriers are left out.
    LostBarrier,
    /// One pointer of each slot is taken to lie a word further.
    ShiftedPointer,
    /// Overflow buckets are passed over.
    SkippedOverflow,
}

#[derive(Debug, Args)]
pub(crate) struct LabReplayOptions {
    /// A recorded trace.
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,

    /// Only this release, such as 1.23, 1.25-noswissmap or 1.27-mapsplitgroup. May be given several
    /// times, or several with commas.
    #[arg(long, value_name = "V", value_delimiter = ',')]
    pub(crate) go: Vec<String>,

    /// Table for people, or JSON for programs.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// Draw the maps' bytes over the operations, too.
    #[arg(long)]
    pub(crate) chart: bool,

    /// Write the chart into a file, as SVG. One that is there is replaced.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
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
    pub(crate) fail_on: Option<SeverityName>,

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

/// Severities of findings, in a heap and in source, as they are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SeverityName {
    Info,
    Warning,
    Critical,
}

impl From<SeverityName> for Severity {
    fn from(severity: SeverityName) -> Self {
        match severity {
            SeverityName::Info => Self::Info,
            SeverityName::Warning => Self::Warning,
            SeverityName::Critical => Self::Critical,
        }
    }
}

impl From<SeverityName> for tophash_source::Severity {
    fn from(severity: SeverityName) -> Self {
        match severity {
            SeverityName::Info => Self::Info,
            SeverityName::Warning => Self::Warning,
            SeverityName::Critical => Self::Critical,
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

pub(crate) fn parse_bytes(text: &str) -> Result<u64, String> {
    text.parse::<bytesize::ByteSize>().map(|size| size.as_u64())
}

/// Reads a count: digits, `_` or `,` between them, `1e6`, and `k`, `M`, `G` behind.
fn parse_count(text: &str) -> Result<u64, String> {
    let plain = text.trim().replace(['_', ','], "");
    let (number, unit) = match plain.char_indices().last() {
        Some((at, 'k' | 'K')) => (&plain[..at], 1e3),
        Some((at, 'm' | 'M')) => (&plain[..at], 1e6),
        Some((at, 'g' | 'G' | 'b' | 'B')) => (&plain[..at], 1e9),
        _ => (plain.as_str(), 1.0),
    };
    if let (Ok(whole), true) = (number.parse::<u64>(), unit == 1.0) {
        return Ok(whole);
    }
    let value = number.parse::<f64>().map_or(f64::NAN, |value| value * unit);
    match (0.0..1e18).contains(&value) && number.starts_with(|c: char| c.is_ascii_digit()) {
        true => Ok(value.round() as u64),
        false => Err("a count is written 5000, 1_000_000, 2.5M or 1e6".to_owned()),
    }
}

fn parse_hint(text: &str) -> Result<Hint, String> {
    match text {
        "n" | "N" => Ok(Hint::Entries),
        count => parse_count(count).map(Hint::Count),
    }
}

fn parse_deletion(text: &str) -> Result<Deletion, String> {
    let Some(percent) = text.trim().strip_suffix('%') else {
        return parse_count(text).map(Deletion::Count);
    };
    match percent.trim().parse::<f64>() {
        Ok(share) if (0.0..=100.0).contains(&share) => Ok(Deletion::Percent(share)),
        _ => Err("a share is written 50%, and is 100% at the most".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_people_write_them() {
        for (text, count) in [
            ("0", 0),
            ("5000", 5000),
            ("1_000,000", 1_000_000),
            ("2.5M", 2_500_000),
            ("1e6", 1_000_000),
            ("10k", 10_000),
        ] {
            assert_eq!(parse_count(text), Ok(count), "{text}");
        }
        for text in ["", "-1", "x", "M", "1e99", "nan", "inf"] {
            assert!(parse_count(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deletions_are_counts_or_shares() {
        assert_eq!(parse_deletion("10"), Ok(Deletion::Count(10)));
        assert_eq!(parse_deletion("12.5%"), Ok(Deletion::Percent(12.5)));
        assert!(parse_deletion("101%").is_err());
        assert_eq!(parse_hint("n"), Ok(Hint::Entries));
    }
}
