//! The report for a person at a terminal.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use comfy_table::{Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, presets};
use tophash_gomap::RootPath;
use tophash_memory::ByteSize;

use super::style::{bar, bytes, clean, count, duration, heading, warning};
use super::{Bill, MapRow, Report, findings, views};
use crate::args::{By, Sort, ViewOptions};

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
    view: &ViewOptions,
) -> std::io::Result<()> {
    let ViewOptions { top, sort, by, .. } = *view;
    print_summary(out, report)?;
    let findings_top = top;
    let top = match top.unwrap_or(DEFAULT_TOP) {
        0 => usize::MAX,
        top => top,
    };
    match by {
        By::Maps => {
            print_maps(out, report, top, sort)?;
            findings::print(out, &report.findings, findings_top, Some(report))?;
            findings::print_explained(out, report, findings_top)?;
            print_next(out)?;
        }
        By::Types => views::types(out, report, top)?,
        By::Holders => views::holders(out, report, top)?,
        By::Paths => views::paths(out, report, top)?,
        By::Sizes => views::sizes(out, report)?,
    }
    Ok(())
}

fn print_maps(out: &mut dyn Write, report: &Report, top: usize, sort: Sort) -> std::io::Result<()> {
    let listed: Vec<_> = report.maps.iter().filter(|row| row.part_of.is_none()).collect();
    let mut groups = alike(&listed);
    let of: Option<fn(&MapRow) -> u64> = match sort {
        Sort::Retained => Some(|row| row.retained_bytes.unwrap_or(row.own_bytes)),
        Sort::Own => Some(|row| row.own_bytes),
        Sort::Reclaimable => Some(|row| row.reclaimable_bytes),
        Sort::Entries => Some(|row| row.entries),
        Sort::Slots => Some(|row| row.slots),
        Sort::Tombstones => Some(|row| row.tombstones),
        Sort::Type => None,
    };
    if let Some(of) = of {
        groups.sort_by_key(|group| Reverse(group.sum(of)));
    }
    let shown: Vec<_> = groups.iter().take(top).collect();
    if shown.is_empty() {
        writeln!(out, "\nNo map passes the filters.")?;
    } else {
        writeln!(out, "\n{}", map_table(&shown))?;
        print_entries(out, &shown)?;
        views::what_if(out, shown.iter().flat_map(|group| group.rows.first()).copied())?;
    }
    print_footer(out, report, &listed, &groups[shown.len()..])
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
    )?;
    print_bill(out, &report.bill)
}

/// Prints what the rest of the memory is.
fn print_bill(out: &mut dyn Write, bill: &Bill) -> std::io::Result<()> {
    write!(
        out,
        "{} {} garbage, {} free between objects, {} stacks",
        heading("besides"),
        bytes(bill.garbage),
        bytes(bill.free_slots),
        bytes(bill.stacks),
    )?;
    if let (Some(resident), Some(other)) = (bill.resident, bill.other) {
        write!(
            out,
            ", {} code, free pages and the runtime's own; RSS {}, {:.0} % of it maps",
            bytes(other),
            bytes(resident),
            100.0 * bill.maps_own as f64 / resident.max(1) as f64
        )?;
    }
    if let Some(pacing) = bill.pacing {
        let percent = pacing.gc_percent.map_or("off".to_owned(), |percent| percent.to_string());
        let from_here = |what: &str, at: Option<ByteSize>, headroom: Option<u64>| {
            let (Some(at), Some(headroom)) = (at, headroom) else { return String::new() };
            format!(", {what} {}, {} from here", bytes(at.get()), bytes(headroom))
        };
        let goal = from_here("next collection at", pacing.goal, bill.goal_headroom);
        let limit = from_here("limit", pacing.memory_limit, bill.limit_headroom);
        write!(out, "; GOGC={percent}{goal}{limit}")?;
    }
    writeln!(out)
}

/// Maps of one type that are held alike, such as those in the elems of another map.
struct Group<'r> {
    rows: Vec<&'r MapRow>,
    held_by: String,
}

impl Group<'_> {
    fn sum(&self, of: impl Fn(&MapRow) -> u64) -> u64 {
        self.rows.iter().map(|row| of(row)).sum()
    }
}

/// Puts rows that look the same to a person together, where the first of them stands.
fn alike<'r>(rows: &[&'r MapRow]) -> Vec<Group<'r>> {
    let mut groups: Vec<Group<'r>> = Vec::new();
    let mut places = HashMap::new();
    for row in rows {
        let held_by = held_by(row.root.as_ref());
        let key = (row.type_name(), held_by.clone());
        // Maps that nothing was named for stand alone, and so do those with something to say.
        let place = match row.root.is_some() && marks(row).is_empty() {
            true => places.get(&key).copied(),
            false => None,
        };
        match place {
            Some(place) => {
                let group: &mut Group<'r> = &mut groups[place];
                group.rows.push(row);
            }
            None => {
                places.insert(key, groups.len());
                groups.push(Group { rows: vec![row], held_by });
            }
        }
    }
    groups
}

fn map_table(groups: &[&Group<'_>]) -> Table {
    let mut table = plain_table(&[
        "RETAINED",
        "OWN",
        "RECLAIMABLE",
        "ENTRIES",
        "SLOTS",
        "FILL",
        "TOMBSTONES",
        "TYPE",
        "HELD BY",
    ]);
    for group in groups {
        let Some(row) = group.rows.first() else { continue };
        let times = match group.rows.len() {
            1 => String::new(),
            several => format!("{} × ", count(several as u64)),
        };
        let (entries, slots) = (group.sum(|row| row.entries), group.sum(|row| row.slots));
        let retained = row.retained_bytes.map(|_| group.sum(|row| row.retained_bytes.unwrap_or(0)));
        table.add_row([
            Cell::new(retained.map_or_else(|| "?".to_owned(), bytes)),
            Cell::new(bytes(group.sum(|row| row.own_bytes))),
            Cell::new(bytes(group.sum(|row| row.reclaimable_bytes))),
            Cell::new(count(entries)),
            Cell::new(count(slots)),
            fill(row, entries, slots),
            Cell::new(count(group.sum(|row| row.tombstones))),
            Cell::new(format!("{times}{}{}", clean(&row.type_name()), marks(row))),
            Cell::new(clean(&group.held_by)),
        ]);
    }
    align_right(&mut table, &[0, 1, 2, 3, 4, 6]);
    table
}

/// Makes a table without lines.
pub(crate) fn plain_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header.iter().map(|name| Cell::new(name).add_attribute(Attribute::Dim)));
    table
}

pub(crate) fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn fill(row: &MapRow, entries: u64, slots: u64) -> Cell {
    if slots == 0 || row.design.starts_with("sync") {
        return Cell::new("");
    }
    let percent = 100 * entries / slots;
    let cell = Cell::new(format!("{} {percent:>3} %", bar(entries, slots, BAR)));
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

/// Says what a goroutine waits for and how long, as stack traces do: ` [chan receive, 5m]`.
pub(super) fn waiting(reason: Option<&str>, waited: Option<Duration>) -> String {
    let Some(reason) = reason else { return String::new() };
    let waited = waited.filter(|waited| waited.as_secs() > 0);
    let waited = waited.map_or_else(String::new, |waited| format!(", {}", duration(waited)));
    format!(" [{reason}{waited}]")
}

/// Spells a path on one line: `main.cache.sessions[…]`, `main.serve (main.go:31), goroutine 7: m`.
pub(crate) fn held_by(root: Option<&RootPath>) -> String {
    let Some(root) = root else { return "-".to_owned() };
    let Some((name, steps)) = root.steps.split_first() else { return root.name.clone() };
    let mut out = name.clone();
    if let Some(line) = &root.line {
        let file = line.file.rsplit('/').next().unwrap_or(&line.file);
        out.push_str(&format!(" ({file}:{})", line.line));
    }
    if let Some(goroutine) = root.goroutine {
        let waiting = waiting(root.wait_reason.as_deref(), root.waited);
        out.push_str(&format!(", goroutine {goroutine}{waiting}"));
        out.push_str(if steps.is_empty() { "" } else { ": " });
    }
    push_steps(&mut out, steps);
    out
}

/// Spells a path without what is known of its root besides the name.
pub(crate) fn path_text(path: &[String]) -> String {
    let mut out = String::new();
    push_steps(&mut out, path);
    out
}

fn push_steps(out: &mut String, steps: &[String]) {
    for step in steps {
        // A local's name follows its function's.
        let is_apart = step.starts_with(['(', '…']) || step.starts_with(char::is_alphabetic);
        if is_apart && !out.is_empty() && !out.ends_with(' ') {
            out.push(' ');
        }
        out.push_str(step);
    }
}

fn print_entries(out: &mut dyn Write, groups: &[&Group<'_>]) -> std::io::Result<()> {
    for row in
        groups.iter().flat_map(|group| &group.rows).filter(|row| !row.shown_entries.is_empty())
    {
        writeln!(
            out,
            "\n{} at {:#x}, {} of {} entries",
            heading(&clean(&row.type_name())),
            row.address,
            row.shown_entries.len(),
            count(row.entries)
        )?;
        for (key, elem) in &row.shown_entries {
            writeln!(out, "  {}: {}", clean(key), clean(elem))?;
        }
    }
    Ok(())
}

/// Prints what could not be read.
pub(super) fn print_notes(out: &mut dyn Write, report: &Report) -> std::io::Result<()> {
    for diagnostic in &report.diagnostics {
        writeln!(out, "{} {}", warning("note:"), clean(diagnostic))?;
    }
    Ok(())
}

fn print_footer(
    out: &mut dyn Write,
    report: &Report,
    listed: &[&MapRow],
    rest: &[Group<'_>],
) -> std::io::Result<()> {
    print_notes(out, report)?;
    writeln!(out)?;
    if !rest.is_empty() {
        let maps: usize = rest.iter().map(|group| group.rows.len()).sum();
        let own: u64 = rest.iter().map(|group| group.sum(|row| row.own_bytes)).sum();
        writeln!(
            out,
            "{} more maps own {}: --top 0 shows them all, --min-bytes and --type filter.",
            count(maps as u64),
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
    Ok(())
}

fn print_next(out: &mut dyn Write) -> std::io::Result<()> {
    writeln!(
        out,
        "\nNext: --by holders, types, paths or sizes; --what-if; --sort reclaimable; --format json."
    )
}
