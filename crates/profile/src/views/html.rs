//! A flame graph as one page: data, style and script in it, nothing fetched.

use std::io::{self, Write};

use super::flame::FlameGraph;
use super::{escape, json_text};

const PAGE: &str = include_str!("flame.html");
const DATA: &str = "/*DATA*/";
const TITLE: &str = "<!--TITLE-->";

/// Writes the page.
///
/// # Errors
///
/// Fails where writing does.
pub fn write_html(out: &mut dyn Write, graph: &FlameGraph, title: &str) -> io::Result<()> {
    let page = PAGE.replace(TITLE, &escape(title));
    let (before, after) = page.split_once(DATA).unwrap_or((&page, ""));
    out.write_all(before.as_bytes())?;
    write!(
        out,
        "{{\"unit\":{},\"type\":{},\"change\":{},\"names\":[",
        json_text(&graph.unit),
        json_text(&graph.sample_type),
        graph.is_change
    )?;
    for (at, name) in graph.names.iter().enumerate() {
        write!(out, "{}{}", if at == 0 { "" } else { "," }, json_text(name))?;
    }
    write!(out, "],\"nodes\":[")?;
    for (at, node) in graph.nodes.iter().enumerate() {
        write!(
            out,
            "{}[{},{},{},{},{},{}]",
            if at == 0 { "" } else { "," },
            node.name,
            node.parent,
            node.level,
            node.value,
            node.width,
            node.start
        )?;
    }
    write!(out, "]}}")?;
    out.write_all(after.as_bytes())
}
