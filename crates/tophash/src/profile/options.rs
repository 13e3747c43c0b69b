//! What `tophash profile` accepts.

use std::path::PathBuf;

use clap::Args;

use crate::args::{Format, parse_bytes};
use crate::http::RequestOptions;

#[derive(Debug, Args)]
pub(crate) struct ProfileOptions {
    /// Profiles that runtime/pprof wrote, gzipped or not, or URLs of /debug/pprof/heap, allocs,
    /// goroutine, goroutineleak, profile and others. Several are added up.
    #[arg(required = true, value_name = "FILE|URL|DIR")]
    pub(crate) sources: Vec<String>,

    /// Say what each site does over time: the sources are any number of profiles of one program, or
    /// folders of them, such as `tophash watch URL --profiles DIR` saves. With --maps of maps alone.
    #[arg(long, conflicts_with_all = [
        "base", "diff_base", "cum", "tree", "peek", "list", "dot", "flame", "html", "folded",
        "speedscope", "firefox", "proto",
    ])]
    pub(crate) series: bool,

    /// Of a series, say when this much will be in use.
    #[arg(long, value_name = "BYTES", requires = "series", value_parser = parse_bytes)]
    pub(crate) limit: Option<u64>,

    /// How many functions are shown; 0 for all, however small.
    #[arg(long, value_name = "N")]
    pub(crate) top: Option<usize>,

    /// Sort by what functions and all they call account for.
    #[arg(long)]
    pub(crate) cum: bool,

    /// Table for people, or JSON for programs: all functions, unless --top says how many.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub(crate) format: Format,

    /// What to show of it, such as inuse_space, inuse_objects, alloc_space or alloc_objects.
    #[arg(long, value_name = "TYPE")]
    pub(crate) sample_type: Option<String>,

    /// Take this earlier profile away; shares are of what is left. For what only grows, such as
    /// allocations since the start. May be given several times.
    #[arg(long, value_name = "FILE|URL", conflicts_with = "diff_base")]
    pub(crate) base: Vec<String>,

    /// Take this earlier profile away; shares are of the earlier one. For two states, such as memory
    /// in use before and after. May be given several times.
    #[arg(long, value_name = "FILE|URL")]
    pub(crate) diff_base: Vec<String>,

    #[command(flatten)]
    pub(crate) filter: FilterOptions,

    #[command(flatten)]
    pub(crate) view: ViewKind,

    /// Where to look for source files that are not where the program was built.
    #[arg(long, value_name = "DIR")]
    pub(crate) source: Vec<PathBuf>,

    /// With --maps: the executable that wrote the profile. Its code tells maps from all else.
    #[arg(long, value_name = "PROGRAM", requires = "maps")]
    pub(crate) exe: Option<PathBuf>,

    /// With --maps: a report of `tophash inspect --format json` on the same program.
    #[arg(long, value_name = "REPORT.json", requires = "maps")]
    pub(crate) inspect: Option<PathBuf>,

    /// With --maps: the program's Go release, such as 1.24.
    #[arg(long, value_name = "RELEASE", requires = "maps")]
    pub(crate) go: Option<String>,

    #[command(flatten)]
    pub(crate) fetch: FetchOptions,
}

/// Which samples count, and which calls are shown. Expressions are tried on functions and files.
#[derive(Debug, Args)]
pub(crate) struct FilterOptions {
    /// Only stacks with a call that matches.
    #[arg(long, value_name = "RE")]
    pub(crate) focus: Option<String>,

    /// No stacks with a call that matches.
    #[arg(long, value_name = "RE")]
    pub(crate) ignore: Option<String>,

    /// Only calls that match; others are left out of stacks.
    #[arg(long, value_name = "RE")]
    pub(crate) show: Option<String>,

    /// Calls that match are left out of stacks.
    #[arg(long, value_name = "RE")]
    pub(crate) hide: Option<String>,

    /// Stacks start at the outermost call that matches.
    #[arg(long, value_name = "RE")]
    pub(crate) show_from: Option<String>,

    /// Only samples with such a label: `64kb:1mb`, `bytes=:512`, `request=login,logout`.
    #[arg(long, value_name = "TAG")]
    pub(crate) tag_focus: Option<String>,

    /// No samples with such a label.
    #[arg(long, value_name = "TAG")]
    pub(crate) tag_ignore: Option<String>,
}

/// What to make of it, in place of the table of functions.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct ViewKind {
    /// What part of a heap profile belongs to maps, and how that is known.
    #[arg(long)]
    pub(crate) maps: bool,

    /// Each function between its callers and what it calls.
    #[arg(long)]
    pub(crate) tree: bool,

    /// The same, of functions that match.
    #[arg(long, value_name = "RE")]
    pub(crate) peek: Option<String>,

    /// Source lines of functions that match.
    #[arg(long, value_name = "RE")]
    pub(crate) list: Option<String>,

    /// The call graph, for Graphviz.
    #[arg(long)]
    pub(crate) dot: bool,

    /// Write a flame graph, as SVG. Files that are there are replaced, here and below.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) flame: Option<PathBuf>,

    /// Write a flame graph to zoom and search in, as one page.
    #[arg(long, value_name = "FILE.html")]
    pub(crate) html: Option<PathBuf>,

    /// One line for each stack, for flame graph scripts.
    #[arg(long)]
    pub(crate) folded: bool,

    /// Write a file for speedscope.app.
    #[arg(long, value_name = "FILE")]
    pub(crate) speedscope: Option<PathBuf>,

    /// Write a file for profiler.firefox.com.
    #[arg(long, value_name = "FILE")]
    pub(crate) firefox: Option<PathBuf>,

    /// Write what is left as a profile again, for `go tool pprof` and others.
    #[arg(long, value_name = "FILE.pb.gz")]
    pub(crate) proto: Option<PathBuf>,
}

/// How URLs are asked, and how much is read.
#[derive(Debug, Args)]
pub(crate) struct FetchOptions {
    #[command(flatten)]
    pub(crate) request: RequestOptions,

    /// The most bytes that a profile may expand to, and again that it may take in memory.
    #[arg(long, value_name = "BYTES", default_value = "4GiB", value_parser = parse_bytes)]
    pub(crate) max_size: u64,
}
