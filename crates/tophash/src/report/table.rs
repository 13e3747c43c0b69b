//! The report for a person at a terminal.

use std::io::Write;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use tophash_gomap::RootPath;

use super::style::{bar, bytes, count, heading, warning};
use super::{MapRow, Report};

/// Cells of the bar that shows how full a map is.
const BAR: usize = 8;
/// Maps shown where the person did not say.
const DEFAULT_TOP: usize = 20;
/// A map with more slots than this and less than a quarter full is worth a word.
const SPARSE_SLOTS: u64 = 1024;

/// Prints a report.
pub(crate) fn print(
    out: &mut dyn Write,
    report: &Report,
    top: Option<usize>,
) -> std::io::Result<()> {
    print_summary(out, report)?;
    let top = match top.unwrap_or(DEFAULT_TOP) {
        0 => usize::MAX,
        top => top,
    };
    let listed: Vec<_> = report.maps.iter().filter(|row| row.part_of.is_none()).collect();
    let shown: Vec<_> = listed.iter().copied().take(top).collect();
    if shown.is_empty() {
        writeln!(out, "\nNo map passes the filters.")?;
    } else {
        writeln!(out, "\n{}", map_table(&shown))?;
        print_entries(out, &shown)?;
    }
    print_footer(out, report, &listed, shown.len())
}

fn print_summary(out: &mut dyn Write, report: &Report) -> std::io::Result<()> {
    let target = &report.target;
    let pause = target.pause_ms.map_or_else(String::new, |ms| format!(", stopped for {ms:.1} ms"));
    writeln!(
        out,
        "{} {} from a {}{pause}; types from {}",
        heading(&target.go),
        target.executable,
        target.source,
        match target.types {
            "dwarf" => "DWARF",
            _ => "the runtime (no DWARF)",
        },
    )?;
    let heap = &report.heap;
    let share = |part: u64, whole: u64| 100.0 * part as f64 / whole.max(1) as f64;
    writeln!(
        out,
        "{} {} live in {} objects; {} reachable ({:.1} %), of which {:.1} % have a known type",
        heading("heap"),
        bytes(heap.live_bytes),
        count(heap.objects),
        bytes(heap.reachable_bytes),
        share(heap.reachable_bytes, heap.live_bytes),
        share(heap.attributed_bytes, heap.reachable_bytes),
    )?;
    writeln!(
        out,
        "{} {} own {} ({:.1} % of what is reachable)",
        heading("maps"),
        count(report.total_maps as u64),
        bytes(report.total_own),
        share(report.total_own, heap.reachable_bytes),
    )
}

fn map_table(rows: &[&MapRow]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(
        ["OWN", "RECLAIMABLE", "ENTRIES", "SLOTS", "FILL", "TOMBSTONES", "TYPE", "HELD BY"]
            .map(|name| Cell::new(name).add_attribute(Attribute::Dim)),
    );
    for row in rows {
        table.add_row([
            Cell::new(bytes(row.own_bytes)),
            Cell::new(bytes(row.reclaimable_bytes)),
            Cell::new(count(row.entries)),
            Cell::new(count(row.slots)),
            fill(row),
            Cell::new(count(row.tombstones)),
            Cell::new(format!("{}{}", row.type_name(), marks(row))),
            Cell::new(held_by(row.root.as_ref())),
        ]);
    }
    for index in [0, 1, 2, 3, 5] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn fill(row: &MapRow) -> Cell {
    if row.slots == 0 || row.design.starts_with("sync") {
        return Cell::new("");
    }
    let percent = 100 * row.entries / row.slots;
    let cell = Cell::new(format!("{} {percent:>3} %", bar(row.entries, row.slots, BAR)));
    match row.slots > SPARSE_SLOTS && percent < 25 {
        true => cell.fg(Color::Yellow),
        false => cell,
    }
}

fn marks(row: &MapRow) -> String {
    let mut marks = Vec::new();
    if row.is_growing {
        marks.push("growing".to_owned());
    }
    if row.overflow_buckets > 0 {
        marks.push(format!("{} overflow buckets", count(row.overflow_buckets)));
    }
    if row.is_torn {
        marks.push("changed while it was read".to_owned());
    } else if row.is_approximate {
        marks.push("caught in a write".to_owned());
    }
    match marks.is_empty() {
        true => String::new(),
        false => format!(" ({})", marks.join(", ")),
    }
}

/// Spells a path on one line: `main.cache.sessions[…]`, `main.serve (main.go:31), goroutine 7: m`.
fn held_by(root: Option<&RootPath>) -> String {
    let Some(root) = root else { return "-".to_owned() };
    let mut out = String::new();
    for (index, step) in root.steps.iter().enumerate() {
        if index == 0 {
            out.push_str(step);
            if let Some(line) = &root.line {
                let file = line.file.rsplit('/').next().unwrap_or(&line.file);
                out.push_str(&format!(" ({file}:{})", line.line));
            }
            if let Some(goroutine) = root.goroutine {
                out.push_str(&format!(", goroutine {goroutine}"));
            }
            continue;
        }
        if index == 1 && root.goroutine.is_some() {
            out.push_str(": ");
        } else if step.starts_with(['(', '…']) {
            out.push(' ');
        }
        out.push_str(step);
    }
    out
}

fn print_entries(out: &mut dyn Write, rows: &[&MapRow]) -> std::io::Result<()> {
    for row in rows.iter().filter(|row| !row.shown_entries.is_empty()) {
        writeln!(
            out,
            "\n{} at {:#x}, {} of {} entries",
            heading(&row.type_name()),
            row.address,
            row.shown_entries.len(),
            count(row.entries)
        )?;
        for (key, elem) in &row.shown_entries {
            writeln!(out, "  {key}: {elem}")?;
        }
    }
    Ok(())
}

fn print_footer(
    out: &mut dyn Write,
    report: &Report,
    listed: &[&MapRow],
    shown: usize,
) -> std::io::Result<()> {
    for diagnostic in &report.diagnostics {
        writeln!(out, "{} {diagnostic}", warning("note:"))?;
    }
    writeln!(out)?;
    if shown < listed.len() {
        let rest = &listed[shown..];
        let own: u64 = rest.iter().map(|row| row.own_bytes).sum();
        writeln!(
            out,
            "{} more maps own {}: --top 0 shows them all, --min-bytes and --type filter.",
            count(rest.len() as u64),
            bytes(own)
        )?;
    }
    let reclaimable: u64 = listed.iter().map(|row| row.reclaimable_bytes).sum();
    if reclaimable > 0 {
        writeln!(
            out,
            "Copying each map's entries into a fresh map would return {}: a Go map never shrinks \
             by itself.",
            bytes(reclaimable)
        )?;
    }
    writeln!(out, "Next: --sort reclaimable, --show-entries, --format json.")
}
