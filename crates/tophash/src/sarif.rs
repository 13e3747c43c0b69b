//! SARIF 2.1.0, which code review reads (OASIS, 2020): what `lint` and `escape` write alike.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value, json};

use crate::report::style::counted;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// No tool shows more results of one run.
const MOST: usize = 25_000;

/// How much a result matters, in the standard's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Error,
    Warning,
    Note,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

/// A rule that results refer to.
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) summary: String,
    pub(crate) level: Level,
}

/// A place in a file, with what is to be seen there.
pub(crate) struct Place<'p> {
    /// Relative to where the command ran or to the repository, or absolute.
    pub(crate) file: &'p str,
    /// From 1; none for the file as a whole.
    pub(crate) line: Option<u32>,
    /// From 1.
    pub(crate) column: Option<u32>,
    pub(crate) words: Option<&'p str>,
}

/// One result.
pub(crate) struct Entry<'e> {
    pub(crate) rule: &'e str,
    pub(crate) level: Level,
    pub(crate) text: String,
    pub(crate) at: Place<'e>,
    /// What else belongs to it.
    pub(crate) related: Vec<Place<'e>>,
    /// Steps that lead to it.
    pub(crate) flow: Vec<Value>,
    /// By which it is known again when lines have moved: a name with its version, and the value.
    pub(crate) fingerprint: (&'static str, String),
}

/// The results of one run.
pub(crate) struct Run {
    rules: Vec<Rule>,
    results: Vec<Value>,
    notifications: Vec<Value>,
    left_out: u64,
}

impl Run {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        Self { rules, results: Vec::new(), notifications: Vec::new(), left_out: 0 }
    }

    pub(crate) fn add(&mut self, entry: Entry<'_>) {
        if self.results.len() >= MOST {
            self.left_out += 1;
            return;
        }
        let index = self.rules.iter().position(|rule| rule.id == entry.rule);
        let mut result = json!({
            "ruleId": entry.rule,
            "level": entry.level.name(),
            "message": { "text": entry.text },
            "locations": [location(&entry.at)],
            "partialFingerprints": { entry.fingerprint.0: entry.fingerprint.1 },
        });
        if let Some(index) = index {
            result["ruleIndex"] = json!(index);
        }
        if !entry.related.is_empty() {
            let numbered = entry.related.iter().enumerate().map(|(number, place)| {
                let mut place = location(place);
                place["id"] = json!(number);
                place
            });
            result["relatedLocations"] = numbered.collect();
        }
        if !entry.flow.is_empty() {
            result["codeFlows"] = json!([{ "threadFlows": [{ "locations": entry.flow }] }]);
        }
        self.results.push(result);
    }

    /// Notes something that kept the run from seeing all.
    pub(crate) fn notify(&mut self, text: &str, at: &Place<'_>) {
        self.notifications.push(json!({
            "level": "warning",
            "message": { "text": text },
            "locations": [location(at)],
        }));
    }

    pub(crate) fn print(mut self, out: &mut dyn Write) -> Result<()> {
        if self.left_out > 0 {
            let results = counted(self.left_out, "more result is", "more results are");
            let text = format!("{results} left out: {MOST} are the most");
            self.notifications.push(json!({ "level": "warning", "message": { "text": text } }));
        }
        let rules: Vec<_> = self
            .rules
            .iter()
            .map(|rule| {
                json!({
                    "id": rule.id,
                    "shortDescription": { "text": rule.summary },
                    "defaultConfiguration": { "level": rule.level.name() },
                })
            })
            .collect();
        let document = json!({
            "$schema": SCHEMA,
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": {
                    "name": "tophash",
                    "version": env!("CARGO_PKG_VERSION"),
                    "semanticVersion": env!("CARGO_PKG_VERSION"),
                    "rules": rules,
                } },
                "columnKind": "unicodeCodePoints",
                "invocations": [{
                    "executionSuccessful": true,
                    "toolExecutionNotifications": self.notifications,
                }],
                "results": self.results,
            }],
        });
        serde_json::to_writer_pretty(&mut *out, &document)?;
        writeln!(out)?;
        Ok(())
    }
}

/// A step of a flow.
pub(crate) fn step(place: &Place<'_>) -> Value {
    json!({ "location": location(place) })
}

fn location(place: &Place<'_>) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(place.file) } });
    if let Some(line) = place.line {
        let mut region = json!({ "startLine": line.max(1) });
        if let Some(column) = place.column {
            region["startColumn"] = json!(column.max(1));
        }
        physical["region"] = region;
    }
    let mut location = json!({ "physicalLocation": physical });
    if let Some(words) = place.words {
        location["message"] = json!({ "text": words });
    }
    location
}

/// A path as a URI: relative ones stay so.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => out.push(char::from(byte)),
            b'/' | b'.' | b'-' | b'_' | b'~' | b'@' | b'+' => out.push(char::from(byte)),
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_that_are_left_out_are_counted() {
        let mut run = Run::new(Vec::new());
        for _ in 0..MOST + 2 {
            run.add(Entry {
                rule: "escape/returned",
                level: Level::Note,
                text: String::new(),
                at: Place { file: "a.go", line: Some(1), column: None, words: None },
                related: Vec::new(),
                flow: Vec::new(),
                fingerprint: ("escape/v2", String::new()),
            });
        }
        let mut text = Vec::new();
        run.print(&mut text).unwrap();
        let document: Value = serde_json::from_slice(&text).unwrap();
        let run = &document["runs"][0];
        assert_eq!(run["results"].as_array().unwrap().len(), MOST);
        let told = &run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"];
        assert_eq!(told, "2 more results are left out: 25000 are the most");
    }

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("./a b/c.go"), "a%20b/c.go");
        assert_eq!(uri("/x/é.go"), "file:///x/%C3%A9.go");
    }
}
