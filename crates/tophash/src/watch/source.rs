//! Where a look comes from: a program's own pages, or a process and what the kernel says of it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use tophash_goruntime::Counters;
use tophash_memory::{ProcessAccounts, RunningProcess, Target};
use tophash_vitals::{
    Record, Vitals, cgroup_directories, is_heap_text, parse_cgroup_limit, parse_heap_text,
    parse_memstats, parse_metrics, parse_smaps_rollup, parse_status,
};

use crate::args::WatchOptions;
use crate::http::{self, Client, without_secrets};

/// Something to look at, again and again.
pub(super) struct Source {
    /// What a person calls it.
    pub(super) name: String,
    pages: Option<Pages>,
    process: Option<Process>,
    /// What could not be had, and why.
    pub(super) notes: Vec<String>,
}

/// Pages of a program.
struct Pages {
    client: Client,
    urls: Vec<String>,
}

struct Process {
    pid: u32,
    accounts: ProcessAccounts,
    /// Of which process the number was when the watch began.
    start: Option<u64>,
    counters: Option<(RunningProcess, Counters)>,
}

impl Source {
    /// Opens a URL or a process.
    pub(super) fn open(options: &WatchOptions) -> Result<Self> {
        let target = &options.target;
        let mut notes = Vec::new();
        if http::is_url(target) {
            let pages = Pages::open(target, options)?;
            // What the pages don't tell, the process may; where it does not, nobody asked it to.
            let process = options.pid.map(|pid| Process::open(pid, &mut Vec::new())).transpose()?;
            return Ok(Self { name: without_secrets(target), pages: Some(pages), process, notes });
        }
        let pid = target
            .parse()
            .with_context(|| format!("{target} is no URL, process number or file"))?;
        let process = Process::open(pid, &mut notes)?;
        Ok(Self { name: format!("process {pid}"), pages: None, process: Some(process), notes })
    }

    /// Returns the process, if there is one.
    pub(super) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// Looks; `is_thorough` also asks the kernel for what takes it longer.
    pub(super) fn look(&self, is_thorough: bool) -> Result<Record> {
        let mut vitals = match &self.pages {
            Some(pages) => pages.look()?,
            None => Vitals::default(),
        };
        if let Some(process) = &self.process {
            let own = process.look(is_thorough)?;
            // What the kernel says of itself is newer than what the program says of it.
            vitals =
                Vitals { process: own.process.clone(), ..Vitals::default() }.or(vitals).or(own);
        }
        Ok(Record::of(now(), vitals))
    }
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

impl Pages {
    fn open(url: &str, options: &WatchOptions) -> Result<Self> {
        let client = Client::new(url, &options.request, Duration::ZERO)?;
        let host = url.split_once("://").map_or(url, |(_, rest)| rest);
        let has_path = host.trim_end_matches('/').contains('/');
        if has_path {
            return Ok(Self { client, urls: vec![url.to_owned()] });
        }
        let base = url.trim_end_matches('/');
        let mut urls = Vec::new();
        for page in ["debug/vars", "metrics"] {
            let url = format!("{base}/{page}");
            if let Some(body) = client.get(&url)?
                && read(&body).is_ok()
            {
                urls.push(url);
            }
        }
        if urls.is_empty() {
            // It has all stacks of the heap, too, so that it is asked only where nothing else is there.
            let heap = format!("{base}/debug/pprof/heap?debug=1");
            let is_there = client.get(&heap)?.is_some_and(|body| read(&body).is_ok());
            if !is_there {
                bail!(
                    "{} has neither /debug/vars nor /metrics nor /debug/pprof/heap of a Go program: \
                     import _ \"expvar\" there, or name the page's whole URL",
                    without_secrets(url)
                );
            }
            urls.push(heap);
        }
        Ok(Self { client, urls })
    }

    fn look(&self) -> Result<Vitals> {
        let mut all = Vitals::default();
        for url in &self.urls {
            let shown = without_secrets(url);
            let body = self.client.get(url)?.with_context(|| format!("{shown} is not there"))?;
            all = all.or(read(&body).with_context(|| shown)?);
        }
        Ok(all)
    }
}

/// Reads a page of any kind.
fn read(body: &[u8]) -> Result<Vitals> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    Ok(match first {
        _ if is_heap_text(body) => parse_heap_text(body)?,
        Some(b'{') => parse_memstats(body)?,
        _ => parse_metrics(body)?,
    })
}

impl Process {
    /// Opens a process, and its own counters if they can be had.
    fn open(pid: u32, notes: &mut Vec<String>) -> Result<Self> {
        let accounts = ProcessAccounts::of(pid)?;
        let counters = match counters(pid) {
            Ok(Some(found)) => Some(found),
            Ok(None) => {
                notes.push(
                    "the program was stripped, so that only the kernel tells of it; a URL of its \
                     /debug/vars or /metrics tells more"
                        .to_owned(),
                );
                None
            }
            Err(fault) => {
                notes.push(format!("only the kernel tells of it: {fault:#}"));
                None
            }
        };
        Ok(Self { pid, accounts, start: accounts.start(), counters })
    }

    fn look(&self, is_thorough: bool) -> Result<Vitals> {
        let mut process = parse_status(&self.accounts.status()?);
        if self.accounts.start() != self.start {
            bail!("process {} ended, and another one has its number now", self.pid);
        }
        if let Some(rollup) = self.accounts.smaps_rollup().filter(|_| is_thorough) {
            let exact = parse_smaps_rollup(&rollup);
            if exact.resident.is_some() {
                process = Vitals { process: exact, ..Vitals::default() }
                    .or(Vitals { process, ..Vitals::default() })
                    .process;
            }
        }
        (process.limit, process.charged) = self.group();
        let own = self.counters.as_ref().and_then(|(memory, counters)| {
            counters.read(memory).map(|counts| from_counts(counters.version(), &counts))
        });
        Ok(Vitals { process, ..Vitals::default() }.or(own.unwrap_or_default()))
    }

    /// The tightest limit of the groups that the process is in, and what that group is charged with.
    fn group(&self) -> (Option<u64>, Option<u64>) {
        let texts = self.accounts.cgroup().zip(ProcessAccounts::own_mounts());
        let Some((membership, mounts)) = texts else { return (None, None) };
        let limited = cgroup_directories(&membership, &mounts).into_iter().filter_map(|group| {
            let read = |file| ProcessAccounts::group_file(&group.path, file);
            let limit = parse_cgroup_limit(&read(group.version.limit_file())?)?;
            let charged = read(group.version.charged_file());
            Some((limit, charged.and_then(|text| text.trim().parse().ok())))
        });
        let least = limited.min_by_key(|(limit, _)| *limit);
        least.map_or((None, None), |(limit, charged)| (Some(limit), charged))
    }
}

/// Finds the runtime's own counters in a process.
fn counters(pid: u32) -> Result<Option<(RunningProcess, Counters)>> {
    let running = RunningProcess::open(pid)?;
    let executable = Target::open_executable(running.executable())?;
    let found = Counters::find(&executable, running.load_bias())?;
    Ok(found.map(|counters| (running, counters)))
}

fn from_counts(version: &str, counts: &tophash_goruntime::RuntimeCounts) -> Vitals {
    let spans = counts.heap_in_use.saturating_add(counts.heap_free);
    let mut vitals = Vitals::default();
    vitals.go_version = Some(version.to_owned());
    vitals.heap_alloc = Some(counts.total_alloc.saturating_sub(counts.total_free));
    vitals.live = Some(counts.marked);
    vitals.heap_in_use = Some(counts.heap_in_use);
    vitals.heap_free = Some(counts.heap_free);
    vitals.heap_released = Some(counts.heap_released);
    vitals.runtime = Some(counts.runtime);
    // Stacks are not counted by themselves: they are what is left, with the collector's work buffers.
    vitals.stacks = Some(counts.mapped.saturating_sub(spans).saturating_sub(counts.runtime));
    vitals.mapped = Some(counts.mapped);
    vitals.total_alloc = Some(counts.total_alloc);
    vitals.gc_percent = Some(counts.gc_percent);
    vitals.memory_limit = counts.memory_limit;
    vitals.stack_scan = Some(counts.stack_scan);
    vitals.globals_scan = Some(counts.globals_scan);
    vitals.gc_cycles = Some(counts.gc_cycles.into());
    vitals.gc_forced = Some(counts.gc_forced.into());
    vitals.gc_cpu_fraction =
        Some(counts.gc_cpu_fraction).filter(|fraction| (0.0..=1.0).contains(fraction));
    vitals.gc_pause_seconds = Some(counts.gc_pause_nanos as f64 / 1e9);
    vitals.last_gc_time = (counts.last_gc_nanos > 0).then_some(counts.last_gc_nanos as f64 / 1e9);
    // The goal is not stored but computed, from these.
    vitals.next_gc = tophash_vitals::Goal::of(&vitals).and_then(|goal| goal.computed);
    // Before the first collection the runtime makes up what one would have marked.
    vitals.live = vitals.live.filter(|_| counts.gc_cycles > 0);
    vitals
}
