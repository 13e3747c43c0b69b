//! Colour, where it helps; `anstream` takes it out where it does not belong.

use owo_colors::OwoColorize;

pub(crate) fn heading(text: &str) -> String {
    text.bold().to_string()
}

pub(crate) fn warning(text: &str) -> String {
    text.yellow().to_string()
}

pub(crate) fn dim(text: &str) -> String {
    text.dimmed().to_string()
}

pub(crate) fn error(text: &str) -> String {
    text.red().bold().to_string()
}

/// Takes control characters out of a text that comes from the target: a hostile core could send the
/// terminal its own commands in a name.
pub(crate) fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Spells a text for XML and HTML.
pub(crate) fn markup(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() && c != '\t' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

/// Spells a time with its two largest units: `3h 20m`.
pub(crate) fn duration(time: std::time::Duration) -> String {
    let text = humantime::format_duration(std::time::Duration::from_secs(time.as_secs()));
    text.to_string().split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// Spells a size in binary units.
pub(crate) fn bytes(bytes: u64) -> String {
    bytesize::ByteSize::b(bytes).display().iec().to_string()
}

/// Spells a count with commas between thousands.
pub(crate) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 place escapes`, `1,200 places escape`.
pub(crate) fn counted(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{} {many}", count(n)) }
}

/// `1 place`, `1,200 places`: where an `s` makes all the difference.
pub(crate) fn plural(n: u64, what: &str) -> String {
    counted(n, what, &format!("{what}s"))
}

/// Draws a share of a whole as a bar of `width` cells, in eighths of a cell.
pub(crate) fn bar(part: u64, whole: u64, width: usize) -> String {
    const EIGHTHS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];
    let share = if whole == 0 { 0.0 } else { (part as f64 / whole as f64).clamp(0.0, 1.0) };
    let eighths = (share * 8.0 * width as f64).round() as usize;
    let mut out = "█".repeat(eighths / 8);
    if eighths / 8 < width {
        out.push(EIGHTHS[eighths % 8]);
        out.push_str(&"·".repeat(width - eighths / 8 - 1));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_commas_between_thousands() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1000), "1,000");
        assert_eq!(count(1_234_567), "1,234,567");
    }

    #[test]
    fn names_from_the_target_can_not_command_the_terminal() {
        assert_eq!(clean("main.\u{1b}[2Jcache\n"), "main.\u{fffd}[2Jcache\u{fffd}");
    }

    #[test]
    fn bars_fill_in_eighths() {
        assert_eq!(bar(0, 10, 4), " ···");
        assert_eq!(bar(5, 10, 4), "██ ·");
        assert_eq!(bar(10, 10, 4), "████");
        assert_eq!(bar(1, 0, 4), " ···");
    }
}
