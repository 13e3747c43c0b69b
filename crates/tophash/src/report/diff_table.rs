//! What changed between two snapshots, for a person at a terminal.

use std::io::Write;

use comfy_table::{Cell, Color};

use super::findings;
use super::style::{bytes, clean, count, dim, heading};
pub(crate) use super::table::path_text;
use super::table::{align_right, plain_table};
use crate::diff::{Change, Diff, MapFigures, Source, TypeFigures};

const DEFAULT_TOP: usize = 20;
const TYPES: usize = 8;

pub(crate) fn print(out: &mut dyn Write, diff: &Diff, top: Option<usize>) -> std::io::Result<()> {
    let top = match top.unwrap_or(DEFAULT_TOP) {
        0 => usize::MAX,
        top => top,
    };
    for (word, source) in [("before", &diff.before), ("after ", &diff.after)] {
        print_source(out, word, source)?;
    }
    let grown = diff.after.reachable_bytes.abs_diff(diff.before.reachable_bytes);
    let sign = sign(diff.before.reachable_bytes, diff.after.reachable_bytes);
    writeln!(out, "{} {sign}{} reachable", heading("change"), bytes(grown))?;
    if diff.maps.is_empty() {
        writeln!(out, "\nNo map changed.")?;
    } else {
        writeln!(out, "\n{}", maps(diff.maps.iter().take(top)))?;
        rest(out, diff.maps.len().saturating_sub(top), "maps changed")?;
    }
    writeln!(out, "{}", dim(&format!("{} as they were", count(diff.unchanged_maps as u64))))?;
    if !diff.types.is_empty() {
        writeln!(out, "\n{}", types(diff.types.iter().take(top.min(TYPES))))?;
        rest(out, diff.types.len().saturating_sub(top.min(TYPES)), "types changed")?;
    }
    findings::print(out, &diff.findings, None, None)?;
    writeln!(
        out,
        "\nMaps are matched by type and root path; those of one type that are held alike are added \
         up.\nNext: tophash inspect {}, --type TEXT, --top 0, --format json.",
        diff.after.name
    )
}

fn print_source(out: &mut dyn Write, word: &str, source: &Source) -> std::io::Result<()> {
    writeln!(
        out,
        "{} {} ({}): {} live, {} reachable",
        heading(word),
        clean(&source.name),
        source.go,
        bytes(source.live_bytes),
        bytes(source.reachable_bytes),
    )
}

fn maps<'d>(changes: impl Iterator<Item = &'d Change<MapFigures>>) -> comfy_table::Table {
    let mut table =
        plain_table(&["RETAINED", "OWN", "ENTRIES", "SLOTS", "NOW ENTRIES", "", "TYPE", "HELD BY"]);
    for change in changes {
        let (was, is) = change.sides();
        let times = match was.maps.max(is.maps) {
            1 => String::new(),
            several => format!("{} × ", count(several)),
        };
        table.add_row([
            delta(was.retained_bytes, is.retained_bytes, bytes),
            delta(was.own_bytes, is.own_bytes, bytes),
            delta(was.entries, is.entries, count),
            delta(was.slots, is.slots, count),
            Cell::new(count(is.entries)),
            state(change),
            Cell::new(format!("{times}{}", clean(&change.ty))),
            Cell::new(clean(&path_text(&change.path))),
        ]);
    }
    align_right(&mut table, &[0, 1, 2, 3, 4]);
    table
}

fn types<'d>(changes: impl Iterator<Item = &'d Change<TypeFigures>>) -> comfy_table::Table {
    let mut table = plain_table(&["BYTES", "OBJECTS", "NOW BYTES", "", "TYPE"]);
    for change in changes {
        let (was, is) = change.sides();
        table.add_row([
            delta(was.bytes, is.bytes, bytes),
            delta(was.objects, is.objects, count),
            Cell::new(bytes(is.bytes)),
            state(change),
            Cell::new(clean(&change.ty)),
        ]);
    }
    align_right(&mut table, &[0, 1, 2]);
    table
}

fn state<F>(change: &Change<F>) -> Cell {
    match (&change.before, &change.after) {
        (None, _) => Cell::new("new").fg(Color::Yellow),
        (_, None) => Cell::new("gone"),
        _ => Cell::new(""),
    }
}

fn sign(was: u64, is: u64) -> &'static str {
    match is.cmp(&was) {
        std::cmp::Ordering::Less => "-",
        std::cmp::Ordering::Equal => "",
        std::cmp::Ordering::Greater => "+",
    }
}

fn delta(was: u64, is: u64, spell: fn(u64) -> String) -> Cell {
    let cell = Cell::new(format!("{}{}", sign(was, is), spell(was.abs_diff(is))));
    if is > was { cell.fg(Color::Yellow) } else { cell }
}

fn rest(out: &mut dyn Write, left: usize, what: &str) -> std::io::Result<()> {
    match left {
        0 => Ok(()),
        left => writeln!(out, "… {} more {what}: --top 0 shows all.", count(left as u64)),
    }
}
