//! Functions and calls as a drawing for Graphviz.

use std::io::{self, Write};

use crate::Report;

/// Writes a drawing: the larger a box, the more is charged to the function by itself.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_dot(out: &mut dyn Write, report: &Report, title: &str) -> io::Result<()> {
    writeln!(out, "digraph {} {{", quote(title))?;
    writeln!(out, "node [style=filled fillcolor=\"#f8f8f8\" shape=box fontname=\"sans-serif\"]")?;
    writeln!(out, "edge [fontname=\"sans-serif\" fontsize=10]")?;
    writeln!(out, "label={} labelloc=t fontname=\"sans-serif\"", quote(title))?;
    let share = |value: i64, of: i64| match of {
        0 => 0.0,
        _ => (value.saturating_abs() as f64 / of.saturating_abs() as f64).min(1.0),
    };
    let largest = report.functions.iter().map(|function| function.flat.saturating_abs()).max();
    let largest = largest.unwrap_or(0);
    for (at, function) in report.functions.iter().enumerate() {
        let mut label = format!("{}\n{}", short(&function.name), report.spell(function.flat));
        if function.flat != 0 {
            label += &format!(" ({})", report.share(function.flat).trim());
        }
        if function.cum != function.flat {
            label += &format!(
                "\nof {} ({})",
                report.spell(function.cum),
                report.share(function.cum).trim()
            );
        }
        writeln!(
            out,
            "N{at} [label={} fontsize={} tooltip={} color=\"{}\" fillcolor=\"{}\"]",
            quote(&label),
            8 + (share(function.flat, largest).sqrt() * 16.0) as u32,
            quote(&format!("{} ({})", function.name, report.spell(function.cum))),
            colour(function.cum, report.total, 0.6),
            colour(function.cum, report.total, 0.92),
        )?;
    }
    let has_box = |at: usize| at < report.functions.len();
    for call in report.calls.iter().filter(|call| has_box(call.from) && has_box(call.to)) {
        let weight = share(call.weight, report.total);
        writeln!(
            out,
            "N{} -> N{} [label={} weight={} penwidth={:.2} color=\"{}\"{}]",
            call.from,
            call.to,
            quote(&format!(
                " {}{}",
                report.spell(call.weight),
                if call.is_inlined { "\n (inline)" } else { "" }
            )),
            1 + (weight * 100.0) as u32,
            1.0 + weight * 5.0,
            colour(call.weight, report.total, 0.55),
            if call.is_residual { " style=\"dotted\"" } else { "" },
        )?;
    }
    writeln!(out, "}}")
}

/// Grey for nothing, red for all that there is, green for less than before.
fn colour(value: i64, total: i64, light: f64) -> String {
    let share = match total {
        0 => 0.0,
        _ => (value.saturating_abs() as f64 / total as f64).min(1.0).sqrt(),
    };
    let full = light * 255.0;
    let faded = full * (1.0 - 0.35 * share);
    let (red, green) = if value < 0 { (faded, full) } else { (full, faded) };
    format!("#{:02x}{:02x}{:02x}", red as u8, green as u8, faded as u8)
}

/// A name without the path of its package.
fn short(name: &str) -> &str {
    // Paths in type arguments are no path of the package.
    let head = name.find(['[', '(']).unwrap_or(name.len());
    name[..head].rfind('/').map_or(name, |at| &name[at + 1..])
}

fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
