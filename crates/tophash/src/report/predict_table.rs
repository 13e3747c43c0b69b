//! Predictions for a person at a terminal.

use std::io::Write;

use comfy_table::{Attribute, Cell};
use tophash_lab::Prediction;

use super::style::{bytes, clean, count, dim, heading};
use super::table::{align_right, plain_table};
use crate::args::PredictOptions;
use crate::predict::{Advice, AdviceKind, Forecast, Row};

/// Prints a forecast: a row for all releases that agree.
pub(crate) fn print(
    out: &mut dyn Write,
    forecast: &Forecast,
    options: &PredictOptions,
) -> std::io::Result<()> {
    print_heading(out, forecast)?;
    let groups: Vec<&[Row]> =
        forecast.rows.chunk_by(|a, b| a.design() == b.design() && agree(a, b)).collect();
    let live = forecast.plan.entries - forecast.plan.deleted;
    let mut table = plain_table(&[
        "GO",
        "DESIGN",
        "RETAINED",
        "PER ENTRY",
        "WASTED",
        "ALLOCATED",
        "PEAK",
        "SCANNED",
        "OBJECTS",
        "SLOTS",
        "GROWS AT",
    ]);
    let least = forecast.rows.iter().map(|row| row.prediction.retained_bytes).min();
    for group in &groups {
        let Some(row) = group.first() else { continue };
        let p = &row.prediction;
        let retained = Cell::new(format!("{}{}", mark(p), bytes(p.retained_bytes)));
        let is_least = Some(p.retained_bytes) == least && groups.len() > 1;
        table.add_row([
            Cell::new(names(group)),
            Cell::new(row.design()),
            if is_least { retained.add_attribute(Attribute::Bold) } else { retained },
            Cell::new(match live {
                0 => "-".to_owned(),
                live => format!("{:.1} B", p.retained_bytes as f64 / live as f64),
            }),
            Cell::new(bytes(p.wasted_bytes)),
            Cell::new(bytes(p.allocated_bytes)),
            Cell::new(bytes(p.peak_bytes)),
            Cell::new(bytes(p.scan_bytes)),
            Cell::new(count(p.objects)),
            Cell::new(count(p.slots)),
            Cell::new(count(p.next_growth_at)),
        ]);
    }
    align_right(&mut table, &[2, 3, 4, 5, 6, 7, 8, 9, 10]);
    writeln!(out, "\n{table}")?;
    if forecast.rows.iter().any(|row| !row.prediction.is_exact) {
        writeln!(out, "{}", dim("~ the hash seed decides: the mean over seeds"))?;
    }
    print_advice(out, forecast)?;
    print_next(out, options)
}

fn print_heading(out: &mut dyn Write, forecast: &Forecast) -> std::io::Result<()> {
    let plan = forecast.plan;
    let made = match plan.hint {
        0 => "assigned one by one".to_owned(),
        hint => format!("made for {}", count(hint)),
    };
    let deleted = match plan.deleted {
        0 => String::new(),
        deleted => format!(", {} of them deleted", count(deleted)),
    };
    writeln!(
        out,
        "{} {} entries, {made}{deleted}",
        heading(&clean(&forecast.spelling)),
        count(plan.entries)
    )?;
    if let Some(row) = forecast.rows.last() {
        let (key, elem) = (row.map.key.size(), row.map.elem.size());
        let cells = match (key > 128, elem > 128) {
            (false, false) => "",
            (true, false) => "; keys over 128 B lie in objects of their own",
            (false, true) => "; elems over 128 B lie in objects of their own",
            (true, true) => "; both over 128 B, and so in objects of their own",
        };
        let text = format!("key {key} B, elem {elem} B{cells}; what they point to is not counted");
        writeln!(out, "{}", dim(&text))?;
    }
    Ok(())
}

fn print_advice(out: &mut dyn Write, forecast: &Forecast) -> std::io::Result<()> {
    for (index, Advice { go, what, now, then }) in forecast.advice.iter().enumerate() {
        if index == 0 {
            writeln!(out, "\n{}", heading("Cheaper"))?;
        }
        match what {
            AdviceKind::Hint(hint) => {
                let than = |what, then: u64, now: u64| match then.abs_diff(now) <= now / 50 {
                    true => String::new(),
                    false => format!(", {what} {} in place of {}", bytes(then), bytes(now)),
                };
                writeln!(
                    out,
                    "  → make({}, {hint}): Go {go} allocates {} in place of {}{}{}",
                    clean(&forecast.spelling),
                    bytes(then.allocated_bytes),
                    bytes(now.allocated_bytes),
                    than("peaks at", then.peak_bytes, now.peak_bytes),
                    than("retains", then.retained_bytes, now.retained_bytes),
                )?;
            }
            AdviceKind::Copy(left) => writeln!(
                out,
                "  → copied into make({}, {left}), what is left takes {} in place of {}: a Go map \
                 never shrinks",
                clean(&forecast.spelling),
                bytes(then.retained_bytes),
                bytes(now.retained_bytes),
            )?,
            AdviceKind::SplitGroups => writeln!(
                out,
                "  → GOEXPERIMENT=mapsplitgroup: keys and elems apart and without padding: {} in \
                 place of {} (--go {go})",
                bytes(then.retained_bytes),
                bytes(now.retained_bytes),
            )?,
        }
    }
    Ok(())
}

fn print_next(out: &mut dyn Write, options: &PredictOptions) -> std::io::Result<()> {
    let mut next = Vec::new();
    if !options.chart {
        next.push("--chart, --svg FILE");
    }
    if options.hint.is_none() {
        next.push("--hint n");
    }
    if options.delete.is_none() {
        next.push("--delete 50%");
    }
    if options.go.is_empty() {
        next.push("--go 1.25-noswissmap");
    }
    next.push("--format json");
    writeln!(out, "\nNext: {}.", next.join("; "))
}

/// Tells whether two rows would print alike.
fn agree(a: &Row, b: &Row) -> bool {
    let figures = |row: &Row| {
        let p = row.prediction;
        let shown = [p.retained_bytes, p.wasted_bytes, p.allocated_bytes, p.peak_bytes];
        (shown, [p.scan_bytes, p.objects, p.slots, p.next_growth_at], p.is_exact)
    };
    figures(a) == figures(b)
}

/// Names a row's releases: `1.24 to 1.27`.
fn names(group: &[Row]) -> String {
    match group {
        [] => String::new(),
        [only] => only.release.name().to_owned(),
        [first, second] => format!("{}, {}", first.release.name(), second.release.name()),
        [first, .., last] => format!("{} to {}", first.release.name(), last.release.name()),
    }
}

fn mark(prediction: &Prediction) -> &'static str {
    if prediction.is_exact { "" } else { "~" }
}
