//! Prometheus's text format, one metric a line: `name{label="value",…} number [timestamp]`.
//!
//! Nothing is kept: lines are handed out as they are read, so that no number of them takes memory.
//! Lines of metrics that the caller has no use for are not looked at beyond their name, and can be
//! as broken as they like. Of OpenMetrics, exemplars behind the number are passed over.

/// The most labels a metric is read with.
const MOST_LABELS: usize = 64;

/// One line.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric<'t> {
    /// Its name, such as `go_memstats_heap_alloc_bytes`.
    pub name: &'t str,
    /// Its labels: name, and value with its escapes as written.
    pub labels: Vec<(&'t str, &'t str)>,
    /// Its value; may be infinite or no number.
    pub value: f64,
}

impl<'t> Metric<'t> {
    /// Returns the value of a label.
    pub fn label(&self, name: &str) -> Option<&'t str> {
        self.labels.iter().find(|(label, _)| *label == name).map(|(_, value)| *value)
    }
}

/// A line that can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
#[non_exhaustive]
pub struct ExpositionError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: &'static str,
}

/// Reads the lines of metrics whose name is wanted.
pub fn metric_lines<'t>(
    text: &'t [u8],
    mut is_wanted: impl FnMut(&str) -> bool,
) -> impl Iterator<Item = Result<Metric<'t>, ExpositionError>> {
    text.split(|byte| *byte == b'\n').enumerate().filter_map(move |(index, line)| {
        let end = line.iter().position(|byte| b"{ \t".contains(byte)).unwrap_or(line.len());
        let name = std::str::from_utf8(line.get(..end)?).ok()?;
        if name.is_empty() || name.starts_with('#') || !is_wanted(name) {
            return None;
        }
        let fault = |what| ExpositionError { line: index + 1, what };
        let rest = std::str::from_utf8(line.get(end..)?).map_err(|_| fault("it is not UTF-8"));
        Some(rest.and_then(|rest| metric(name, rest).map_err(fault)))
    })
}

/// Reads a line behind its name.
fn metric<'t>(name: &'t str, rest: &'t str) -> Result<Metric<'t>, &'static str> {
    let (labels, rest) = match rest.strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    let number = rest.split_whitespace().next().ok_or("it has no value")?;
    let value = match number {
        "+Inf" | "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        number => number.parse().map_err(|_| "its value is no number")?,
    };
    Ok(Metric { name, labels, value })
}

type Labels<'t> = Vec<(&'t str, &'t str)>;

/// Reads labels behind their brace, and returns what follows the closing one.
fn labels(mut rest: &str) -> Result<(Labels<'_>, &str), &'static str> {
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((found, behind));
        }
        if found.len() == MOST_LABELS {
            return Err("it has too many labels");
        }
        let (name, value) = rest.split_once('=').ok_or("a label has no value")?;
        let value = value.trim_start().strip_prefix('"').ok_or("a label has no quotes")?;
        let end = closing_quote(value).ok_or("a label's quotes are not closed")?;
        let (value, behind) = value.split_at(end);
        found.push((name.trim(), value));
        rest = behind.strip_prefix('"').unwrap_or(behind);
    }
}

fn closing_quote(value: &str) -> Option<usize> {
    let mut is_escaped = false;
    value.bytes().position(|byte| {
        let closes = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        closes
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<Result<Metric<'_>, ExpositionError>> {
        metric_lines(text.as_bytes(), |_| true).collect()
    }

    #[test]
    fn lines_are_read_with_labels_escapes_timestamps_and_exemplars() {
        let text = "# HELP a b\na 1\nb{x=\"1\",le=\"+Inf\",} 2.5e+06 1700000000000\r\n\
                    c{q=\"a\\\"}b\"} NaN\n\nd{} +Inf # {id=\"9\"} 3\n";
        let found: Vec<_> = all(text).into_iter().map(Result::unwrap).collect();
        assert_eq!(found[0], Metric { name: "a", labels: Vec::new(), value: 1.0 });
        assert_eq!(found[1].label("le"), Some("+Inf"));
        assert_eq!(found[1].value, 2.5e6);
        assert_eq!(found[2].label("q"), Some("a\\\"}b"));
        assert!(found[2].value.is_nan());
        assert_eq!(found[3].value, f64::INFINITY);
    }

    #[test]
    fn broken_lines_are_named_by_number() {
        for (line, what) in [
            ("a", "it has no value"),
            ("a x", "its value is no number"),
            ("a{b 1", "a label has no value"),
            ("a{b=1} 1", "a label has no quotes"),
            ("a{b=\"1} 1", "a label's quotes are not closed"),
        ] {
            let text = format!("ok 1\n{line}\n");
            let fault = all(&text).remove(1).unwrap_err();
            assert_eq!(fault, ExpositionError { line: 2, what }, "{line}");
        }
        let labels = "x=\"1\",".repeat(MOST_LABELS + 1);
        let text = format!("a{{{labels}}} 1");
        assert_eq!(all(&text)[0].as_ref().unwrap_err().what, "it has too many labels");
    }

    #[test]
    fn unwanted_lines_may_be_broken() {
        let lines = metric_lines(b"other{ \xff\nother\ngo_x 1", |name| name.starts_with("go_"));
        let found: Vec<_> = lines.map(Result::unwrap).collect();
        assert_eq!(found.len(), 1);
    }
}
