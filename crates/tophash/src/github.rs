//! Workflow commands that GitHub shows beside the lines of a change.

use std::io::{self, Write};

/// What a command tells.
pub(crate) struct Annotation<'a> {
    /// `error`, `warning` or `notice`.
    pub(crate) level: &'static str,
    pub(crate) file: &'a str,
    pub(crate) line: u32,
    pub(crate) column: Option<u32>,
    pub(crate) title: String,
    pub(crate) message: String,
}

impl Annotation<'_> {
    pub(crate) fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let file = self.file.strip_prefix("./").unwrap_or(self.file);
        let column = self.column.map_or(String::new(), |column| format!(",col={column}"));
        writeln!(
            out,
            "::{} file={},line={}{column},title={}::{}",
            self.level,
            property(file),
            self.line,
            property(&self.title),
            data(&self.message)
        )
    }
}

/// Prints a notice of no file.
pub(crate) fn notice(out: &mut dyn Write, title: &str, message: &str) -> io::Result<()> {
    writeln!(out, "::notice title={}::{}", property(title), data(message))
}

/// Escapes a message as the runner wants it.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_its_command() {
        assert_eq!(property("a:b,c\n::error::x%"), "a%3Ab%2Cc%0A%3A%3Aerror%3A%3Ax%25");
        assert_eq!(data("100 %\r\n"), "100 %25%0D%0A");
    }
}
