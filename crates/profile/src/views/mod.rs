//! What people and other programs look at: text, drawings, and files for viewers.

mod dot;
mod firefox;
mod flame;
mod folded;
mod html;
mod list;
mod speedscope;
mod svg;
mod text;

pub use dot::write_dot;
pub use firefox::write_firefox;
pub use flame::{FlameGraph, FlameNode};
pub use folded::write_folded;
pub use html::write_html;
pub use list::{SourceListing, write_list};
pub use speedscope::write_speedscope;
pub use svg::write_svg;
pub use text::{write_top, write_tree};

/// Takes control characters out of a name, which could give a terminal commands.
pub(crate) fn clean(text: &str) -> std::borrow::Cow<'_, str> {
    match text.chars().any(char::is_control) {
        true => text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect(),
        false => text.into(),
    }
}

/// Spells a text for XML and HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Spells a text as JSON that may also stand in a script of a page.
pub(crate) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string().replace('<', "\\u003c").replace('\u{2028}', "\\u2028")
}
