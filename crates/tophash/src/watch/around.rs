//! `tophash watch --around`: what a command that loads a service leaves behind.
//!
//! A process is inspected before and after, stopped no longer than `--max-pause` each time; the rest
//! is asked of its own pages, or of the runtime's counters. By a process's copy, size classes are
//! counted exactly, where its own counters lag behind.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Instant;

use anyhow::{Context, Result};
use serde::Serialize;
use tophash_memory::Target;
use tophash_vitals::{Delta, SizeClassDelta, Vitals};

use super::source::Source;
use super::{print_notes, table};
use crate::analysis::analyse;
use crate::args::{Format, TargetOptions, ViewOptions, WatchOptions};
use crate::diff::{Diff, Snapshot, compare};
use crate::inspect::open;
use crate::progress::Progress;
use crate::report::style::{count, heading, warning};
use crate::report::{Report, diff_table};

/// The version of the JSON format.
const SCHEMA: u32 = 1;
/// How many size classes and maps the table shows.
const SHOWN: usize = 10;

/// What came of it.
#[derive(Serialize)]
struct Probe<'p> {
    schema: u32,
    command: &'p str,
    /// The command's exit code; none if a signal ended it.
    exit_code: Option<i32>,
    seconds: f64,
    /// How long the process was stopped for each inspection, in milliseconds.
    pauses_ms: Vec<f64>,
    delta: &'p Delta,
    maps: Option<&'p Diff>,
}

pub(super) fn run(options: &WatchOptions) -> Result<()> {
    let Some(command) = &options.around else { return Ok(()) };
    let source = Source::open(options)?;
    let before = Look::take(&source, options)?;
    let started = Instant::now();
    let status = load(command)?;
    let seconds = started.elapsed().as_secs_f64();
    let after = Look::take(&source, options)?;
    let mut delta = Delta::between(&before.vitals, &after.vitals);
    let mut pauses_ms = Vec::new();
    let maps = before.inspected.zip(after.inspected).map(|(before, after)| {
        before.exact(&after, &mut delta);
        pauses_ms.extend([before.pause_ms, after.pause_ms].into_iter().flatten());
        compare(before.snapshot, after.snapshot, None)
    });
    let probe = Probe {
        schema: SCHEMA,
        command,
        exit_code: status.code(),
        seconds,
        pauses_ms,
        delta: &delta,
        maps: maps.as_ref(),
    };
    match options.format {
        Format::Json => {
            let mut out = io::BufWriter::new(io::stdout().lock());
            serde_json::to_writer_pretty(&mut out, &probe)?;
            writeln!(out)?;
            out.flush()?;
        }
        Format::Table => print(&mut anstream::stdout().lock(), &probe, status)?,
    }
    print_notes(&source.notes)
}

/// Runs a command of the shell; what it prints goes to standard error, since standard output is ours.
fn load(command: &str) -> Result<ExitStatus> {
    Command::new("/bin/sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .context("/bin/sh can't be run")
}

/// One side of the comparison.
struct Look {
    vitals: Vitals,
    inspected: Option<Inspected>,
}

/// What an inspection adds.
struct Inspected {
    snapshot: Snapshot,
    pause_ms: Option<f64>,
    heap_alloc: u64,
    heap_objects: u64,
    /// Objects by size of their slots.
    objects: BTreeMap<u64, u64>,
}

impl Look {
    fn take(source: &Source, options: &WatchOptions) -> Result<Self> {
        let vitals = source.look(false)?.vitals;
        let inspected = source.pid().map(|pid| inspect(pid, options)).transpose()?;
        Ok(Self { vitals, inspected })
    }
}

fn inspect(pid: u32, options: &WatchOptions) -> Result<Inspected> {
    let progress = Progress::new();
    let how = TargetOptions { exe: None, stop: options.stop.clone() };
    let name = pid.to_string();
    let target: Target = open(&name, &how, &progress)?;
    let report = analyse(&target, &ViewOptions::all_for_diff(), &progress).with_context(|| {
        format!("process {pid} can't be inspected; give a URL without --pid for its vitals alone")
    })?;
    Ok(Inspected::of(&name, &report))
}

impl Inspected {
    fn of(name: &str, report: &Report) -> Self {
        let classes = report.bill.size_classes.iter().filter(|class| class.slot_bytes > 0);
        Self {
            snapshot: Snapshot::of(name, report),
            pause_ms: report.target.pause_ms,
            heap_alloc: report.heap.live_bytes,
            heap_objects: report.heap.objects,
            objects: classes
                .map(|class| (class.slot_bytes, class.live_bytes / class.slot_bytes))
                .collect(),
        }
    }

    /// Puts counts of the copies in the place of those that nobody told, or that lag behind.
    fn exact(&self, after: &Self, delta: &mut Delta) {
        let change = |was: u64, is: u64| is.wrapping_sub(was) as i64;
        delta.heap_alloc = Some(change(self.heap_alloc, after.heap_alloc));
        delta.heap_objects = Some(change(self.heap_objects, after.heap_objects));
        if !delta.size_classes.is_empty() {
            return;
        }
        let mut sizes: Vec<u64> =
            self.objects.keys().chain(after.objects.keys()).copied().collect();
        sizes.sort_unstable();
        sizes.dedup();
        let of = |objects: &BTreeMap<u64, u64>, size| objects.get(size).copied().unwrap_or(0);
        delta.size_classes = sizes
            .iter()
            .map(|size| SizeClassDelta {
                size: *size,
                objects: change(of(&self.objects, size), of(&after.objects, size)),
                ..SizeClassDelta::default()
            })
            .filter(|class| class.objects != 0)
            .collect();
        delta.size_classes.sort_by_key(|class| std::cmp::Reverse(class.bytes().unsigned_abs()));
    }
}

fn print(out: &mut dyn Write, probe: &Probe<'_>, status: ExitStatus) -> Result<()> {
    writeln!(out, "{} {} ran for {:.1} s", heading("around"), probe.command, probe.seconds)?;
    if !status.success() {
        writeln!(out, "{} it ended with {status}", warning("note:"))?;
    }
    let delta = probe.delta;
    let sizes = [
        ("heap allocated", delta.heap_alloc),
        ("live heap", delta.live),
        ("stacks", delta.stacks),
        ("RSS", delta.resident),
        ("allocated meanwhile", delta.allocated),
    ];
    for (name, change) in sizes {
        if let Some(change) = change {
            writeln!(out, "  {name:<20} {:>12}", with_sign(table::signed(change.into())))?;
        }
    }
    let counts = [
        ("objects", delta.heap_objects),
        ("mallocs", delta.mallocs),
        ("frees", delta.frees),
        ("goroutines", delta.goroutines),
        ("collections", delta.gc_cycles),
    ];
    for (name, change) in counts {
        if let Some(change) = change {
            writeln!(out, "  {name:<20} {:>12}", counted(change))?;
        }
    }
    let grown = delta.size_classes.iter().filter(|class| class.objects != 0);
    let shown: Vec<_> = grown.take(SHOWN).collect();
    if !shown.is_empty() {
        writeln!(out, "\n  {:>9} {:>12} {:>12}", "slot size", "objects", "bytes")?;
    }
    for class in shown {
        let bytes = with_sign(table::signed(class.bytes().into()));
        writeln!(out, "  {:>9} {:>12} {bytes:>12}", class.size, counted(class.objects))?;
    }
    if let Some(maps) = probe.maps {
        let pauses: Vec<_> = probe.pauses_ms.iter().map(|pause| format!("{pause:.1} ms")).collect();
        if !pauses.is_empty() {
            writeln!(out, "\nThe process was stopped for {}.", pauses.join(" and "))?;
        }
        writeln!(out)?;
        diff_table::print(out, maps, Some(SHOWN))?;
    }
    Ok(())
}

fn with_sign(text: String) -> String {
    if text.starts_with('-') { text } else { format!("+{text}") }
}

fn counted(change: i64) -> String {
    let digits = count(change.unsigned_abs());
    if change < 0 { format!("-{digits}") } else { format!("+{digits}") }
}
