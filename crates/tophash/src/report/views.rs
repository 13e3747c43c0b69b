//! Other views on the same heap: by type, by holder, and as a tree of root paths.

use std::io::Write;

use comfy_table::Cell;
use tophash_gomap::RootPathKind;
use tophash_heapgraph::{PathRow, Pruning};

use super::style::{bytes, clean, count, dim, heading};
use super::table::{align_right, plain_table, print_notes, waiting};
use super::{HolderRow, MapRow, PathBranch, Report};

/// Prints what each type retains.
pub(super) fn types(out: &mut dyn Write, report: &Report, top: usize) -> std::io::Result<()> {
    let mut table = plain_table(&["RETAINED", "BYTES", "OBJECTS", "TYPE"]);
    for row in report.types.iter().take(top) {
        table.add_row([
            Cell::new(bytes(row.retained_bytes)),
            Cell::new(bytes(row.bytes)),
            Cell::new(count(row.objects)),
            Cell::new(clean(&row.name)),
        ]);
    }
    align_right(&mut table, &[0, 1, 2]);
    writeln!(out, "\n{table}")?;
    rest(out, report.types.len().saturating_sub(top), "types")?;
    print_notes(out, report)?;
    writeln!(
        out,
        "\nRETAINED is what would go with all objects of the type that no other of them holds: one \
         type's bytes\nare also in what its holders retain."
    )
}

/// Prints what would go if each holder let go.
pub(super) fn holders(out: &mut dyn Write, report: &Report, top: usize) -> std::io::Result<()> {
    let mut table = plain_table(&["RETAINED", "OBJECTS", "KIND", "HOLDER"]);
    for row in report.holders.iter().take(top) {
        table.add_row([
            Cell::new(bytes(row.retained_bytes)),
            Cell::new(count(row.objects)),
            Cell::new(kind(row)),
            Cell::new(clean(&name(row))),
        ]);
    }
    align_right(&mut table, &[0, 1]);
    writeln!(out, "\n{table}")?;
    rest(out, report.holders.len().saturating_sub(top), "holders")?;
    print_notes(out, report)?;
    let retained: u64 = report.holders.iter().map(|row| row.retained_bytes).sum();
    writeln!(
        out,
        "\n{} is held by several of these at once, and so in no row.",
        bytes(report.heap.reachable_bytes.saturating_sub(retained))
    )
}

/// Prints how much of the spans of each slot size is in use.
pub(super) fn sizes(out: &mut dyn Write, report: &Report) -> std::io::Result<()> {
    let mut table = plain_table(&["SLOT", "SPANS", "OBJECTS", "FREE", ""]);
    for row in &report.bill.size_classes {
        let free = row.span_bytes.saturating_sub(row.live_bytes);
        let slot = match row.slot_bytes {
            0 => "larger".to_owned(),
            slot => bytes(slot),
        };
        table.add_row([
            Cell::new(slot),
            Cell::new(bytes(row.span_bytes)),
            Cell::new(bytes(row.live_bytes)),
            Cell::new(bytes(free)),
            Cell::new(format!("{:>3} %", 100 * free / row.span_bytes.max(1))),
        ]);
    }
    align_right(&mut table, &[0, 1, 2, 3]);
    writeln!(out, "\n{table}")?;
    print_notes(out, report)?;
    writeln!(
        out,
        "\nFREE is room that only objects of that size can use: what is free between objects."
    )
}

fn kind(row: &HolderRow) -> &'static str {
    match row.kind {
        RootPathKind::Global => "global",
        RootPathKind::Stack => "goroutine",
        RootPathKind::Finalizer => "finalizer",
        RootPathKind::Other => "other",
    }
}

fn name(row: &HolderRow) -> String {
    match row.goroutine {
        Some(id) => {
            let waiting = waiting(row.wait_reason.as_deref(), row.waited);
            format!("goroutine {id}{waiting} in {}", row.name)
        }
        None => row.name.clone(),
    }
}

/// Levels of the tree, and branches at each place.
const DEPTH: usize = 12;
const BRANCHES: usize = 6;

/// Prints the root paths of all maps as one tree.
pub(super) fn paths(out: &mut dyn Write, report: &Report, top: usize) -> std::io::Result<()> {
    let Some(tree) = &report.paths else { return Ok(()) };
    let least = tree.bytes() / 1000;
    let rows = tree.rows(Pruning { children: BRANCHES.max(top), depth: DEPTH, bytes: least });
    writeln!(out, "\n{}", dim("       OWN       MAPS  ROOT PATH"))?;
    for row in &rows {
        let indent = "  ".repeat(row.depth());
        let text = match row {
            PathRow::Branch { label: PathBranch::Step(step), .. } => clean(step),
            PathRow::Branch { label: PathBranch::Map(ty), .. } => dim(&clean(ty)),
            PathRow::More { branches, .. } => dim(&format!("… {} more", count(*branches as u64))),
        };
        writeln!(out, "{:>10} {:>10}  {indent}{text}", bytes(row.bytes()), count(row.paths()))?;
    }
    print_notes(out, report)
}

/// Prints what maps would cost otherwise.
pub(super) fn what_if<'r>(
    out: &mut dyn Write,
    rows: impl Iterator<Item = &'r MapRow>,
) -> std::io::Result<()> {
    for row in rows.filter(|row| !row.what_if.is_empty()) {
        writeln!(
            out,
            "\n{} at {:#x}, {} entries: owns {}",
            heading(&clean(&row.type_name())),
            row.address,
            count(row.entries),
            bytes(row.own_bytes)
        )?;
        let own = row.own_bytes.max(1);
        for scenario in row.what_if.iter().filter(|scenario| scenario.change != "release") {
            let words = match scenario.change {
                "hint" => "made anew with a hint",
                "grown" => "filled anew without a hint",
                _ => "with values in place of pointers",
            };
            let now = match scenario.now_bytes {
                now if now == row.own_bytes => String::new(),
                now => format!(" in place of {} with what it points to", bytes(now)),
            };
            writeln!(out, "  {:>10}  {words}{now}", bytes(scenario.bytes))?;
        }
        let releases = row.what_if.iter().filter(|scenario| scenario.change == "release");
        for scenario in releases {
            let cells = (20 * scenario.bytes / own).min(40) as usize;
            let bar = "▇".repeat(cells.max(1));
            writeln!(out, "  {:>10}  Go {:<5} {}", bytes(scenario.bytes), scenario.go, dim(&bar))?;
        }
    }
    Ok(())
}

fn rest(out: &mut dyn Write, left: usize, what: &str) -> std::io::Result<()> {
    match left {
        0 => Ok(()),
        left => writeln!(out, "… {} more {what}: --top 0 shows all.", count(left as u64)),
    }
}
