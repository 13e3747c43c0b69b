//! `tophash lab replay`: recorded map operations, on any release's maps.

use std::fs::File;
use std::io::{self, BufReader, Write};

use anyhow::{Context, Result};
use comfy_table::Cell;
use serde_json::json;
use tophash_lab::{NamedRelease, Replay, TraceReader, replay};

use crate::args::{Format, LabReplayOptions};
use crate::progress::Progress;
use crate::report::chart::{self, Axis, Chart, Scale, Series, Unit};
use crate::report::style::{bytes, count, dim};
use crate::report::table::{align_right, plain_table};

/// A release, and what the trace did on it.
struct Row {
    go: String,
    design: &'static str,
    replay: Replay,
}

pub(super) fn run(options: &LabReplayOptions) -> Result<()> {
    let releases = match &options.go[..] {
        [] => NamedRelease::all()?,
        names => names.iter().map(|name| NamedRelease::named(name)).collect::<Result<_, _>>()?,
    };
    let progress = Progress::new();
    let mut rows = Vec::new();
    for release in &releases {
        progress.step(format!("the trace on Go {}", release.name()));
        // Read anew for each release, so that traces may be larger than memory.
        let path = options.trace.display();
        let file = File::open(&options.trace)
            .with_context(|| format!("{path}: the trace can't be opened"))?;
        let reader = TraceReader::new(BufReader::new(file)).with_context(|| format!("{path}"))?;
        let replay = replay(release.release(), reader).with_context(|| format!("{path}"))?;
        let design = release.design_name();
        rows.push(Row { go: release.name().to_owned(), design, replay });
    }
    drop(progress);
    if let Some(cut) = rows.first().and_then(|row| row.replay.cut.as_ref()) {
        anstream::eprintln!("warning: {}: {cut}", options.trace.display());
    }
    let mut out = io::BufWriter::new(anstream::stdout().lock());
    match options.format {
        Format::Json => print_json(&mut out, &rows)?,
        Format::Table => print_table(&mut out, &rows)?,
    }
    if options.chart || options.svg.is_some() {
        let drawn = course(&rows);
        if options.chart && options.format == Format::Table {
            let width = comfy_table::Table::new().width().map_or(100, usize::from);
            write!(out, "\n{}", chart::terminal(&drawn, width))?;
        }
        if let Some(path) = &options.svg {
            std::fs::write(path, chart::svg(&drawn))
                .with_context(|| format!("{} can't be written", path.display()))?;
        }
    }
    if options.format == Format::Table && !options.chart {
        writeln!(out, "\nNext: --chart, --svg FILE; --go 1.25-noswissmap; --format json.")?;
    }
    out.flush()?;
    Ok(())
}

/// Nanoseconds for an operation, on this machine.
fn nanos(replay: &Replay) -> f64 {
    replay.time.as_nanos() as f64 / replay.operations.max(1) as f64
}

fn print_table(out: &mut dyn Write, rows: &[Row]) -> io::Result<()> {
    if let Some(row) = rows.first() {
        let replay = &row.replay;
        writeln!(
            out,
            "{} operations on {} maps, {} entries at the end",
            count(replay.operations),
            count(replay.maps),
            count(replay.entries)
        )?;
    }
    let mut table = plain_table(&[
        "GO",
        "DESIGN",
        "RETAINED",
        "PEAK",
        "ALLOCATED",
        "OBJECTS",
        "GROWTHS",
        "SAME SIZE",
        "OVERFLOW",
        "NS/OP",
    ]);
    for row in rows {
        let replay = &row.replay;
        table.add_row([
            Cell::new(&row.go),
            Cell::new(row.design),
            Cell::new(bytes(replay.heap.live_bytes)),
            Cell::new(bytes(replay.heap.peak_bytes)),
            Cell::new(bytes(replay.heap.made_bytes)),
            Cell::new(count(replay.heap.live_objects)),
            Cell::new(count(replay.growths)),
            Cell::new(count(replay.same_size_growths)),
            Cell::new(count(replay.overflow_buckets)),
            Cell::new(format!("{:.0}", nanos(replay))),
        ]);
    }
    align_right(&mut table, &[2, 3, 4, 5, 6, 7, 8, 9]);
    writeln!(out, "\n{table}")?;
    let note =
        "bytes are those of the maps, without what keys and elems point to; times are the model's";
    writeln!(out, "{}", dim(note))
}

fn print_json(out: &mut dyn Write, rows: &[Row]) -> Result<()> {
    let rows: Vec<_> = rows
        .iter()
        .map(|row| {
            let replay = &row.replay;
            json!({
                "go": row.go,
                "design": row.design,
                "operations": replay.operations,
                "maps": replay.maps,
                "entries": replay.entries,
                "retained_bytes": replay.heap.live_bytes,
                "peak_bytes": replay.heap.peak_bytes,
                "allocated_bytes": replay.heap.made_bytes,
                "objects": replay.heap.live_objects,
                "allocations": replay.heap.made_objects,
                "growths": replay.growths,
                "same_size_growths": replay.same_size_growths,
                "overflow_buckets": replay.overflow_buckets,
                "nanoseconds_per_operation": nanos(replay),
                "cut": replay.cut.as_ref().map(ToString::to_string),
                "course": replay.course,
            })
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &json!({ "schema": 1, "rows": rows }))?;
    writeln!(out)?;
    Ok(())
}

/// The bytes of all maps, operation by operation; releases that agree are one line.
fn course(rows: &[Row]) -> Chart {
    let groups = rows.chunk_by(|a, b| a.replay.course == b.replay.course);
    let line = |group: &[Row]| {
        let points = group.first().map(|row| &row.replay.course).into_iter().flatten();
        let name = match group {
            [] => String::new(),
            [only] => only.go.clone(),
            [first, .., last] => format!("{} to {}", first.go, last.go),
        };
        Series { name, points: points.map(|(at, live)| (*at as f64, *live as f64)).collect() }
    };
    Chart {
        title: "bytes of all maps".to_owned(),
        x: Axis { label: "operations".to_owned(), unit: Unit::Count, scale: Scale::Linear },
        y: Axis { label: "bytes retained".to_owned(), unit: Unit::Bytes, scale: Scale::Linear },
        series: groups.map(line).collect(),
    }
}
