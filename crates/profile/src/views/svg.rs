//! A flame graph as a drawing that needs no script.

use std::io::{self, Write};

use super::escape;
use super::flame::{FlameGraph, FlameNode};

const WIDTH: f64 = 1200.0;
const ROW: f64 = 18.0;
const TOP: f64 = 44.0;
/// Of a letter of the font, about.
const LETTER: f64 = 6.6;

/// Writes the drawing, callers above what they call.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_svg(out: &mut dyn Write, graph: &FlameGraph, title: &str) -> io::Result<()> {
    let levels = graph.nodes.iter().map(|node| node.level).max().unwrap_or(0) + 1;
    let height = TOP + levels as f64 * ROW + 10.0;
    let whole = graph.nodes.first().map_or(1, |root| root.width.max(1)) as f64;
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         width=\"{WIDTH}\" height=\"{height}\" font-family=\"monospace\" font-size=\"11\">"
    )?;
    writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>")?;
    writeln!(
        out,
        "<text x=\"10\" y=\"18\" font-size=\"14\" font-weight=\"bold\">{}</text>",
        escape(title)
    )?;
    let legend = match graph.is_change {
        true => "width: how much changed; red grew, blue shrank",
        false => "width: what a function and all it calls account for",
    };
    writeln!(out, "<text x=\"10\" y=\"34\" fill=\"#666666\">{legend}</text>")?;
    for node in &graph.nodes {
        let x = 10.0 + node.start as f64 / whole * (WIDTH - 20.0);
        let width = node.width as f64 / whole * (WIDTH - 20.0);
        let y = TOP + node.level as f64 * ROW;
        let name = &graph.names[node.name];
        let share = node.width as f64 / whole * 100.0;
        write!(
            out,
            "<g><title>{} {} ({share:.2}%)</title><rect x=\"{x:.2}\" y=\"{y}\" \
             width=\"{width:.2}\" height=\"{}\" rx=\"1\" fill=\"{}\"/>",
            escape(name),
            escape(&graph.spell(node.value)),
            ROW - 1.0,
            colour(graph, node),
        )?;
        let room = (width / LETTER) as usize;
        if room > 3 {
            let shown = match name.chars().count() + 1 > room {
                true => name.chars().take(room - 2).chain("..".chars()).collect(),
                false => name.clone(),
            };
            write!(out, "<text x=\"{:.2}\" y=\"{}\">{}</text>", x + 3.0, y + 12.5, escape(&shown))?;
        }
        writeln!(out, "</g>")?;
    }
    writeln!(out, "</svg>")
}

/// A warm colour for each package, or how much there is more or less.
fn colour(graph: &FlameGraph, node: &FlameNode) -> String {
    if graph.is_change {
        let share = node.value as f64 / node.width.max(1) as f64;
        let faded = (235.0 - 120.0 * share.abs()) as u8;
        return match share < 0.0 {
            true => format!("#{faded:02x}{faded:02x}eb"),
            false => format!("#eb{faded:02x}{faded:02x}"),
        };
    }
    let name = &graph.names[node.name];
    let hash = package(name)
        .bytes()
        .fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    format!("hsl({},{}%,{}%)", hash % 60, 60 + hash / 60 % 25, 66 + hash / 1500 % 10)
}

fn package(name: &str) -> &str {
    let path = name.rfind('/').map_or(0, |at| at + 1);
    name[path..].find('.').map_or(name, |at| &name[..path + at])
}
