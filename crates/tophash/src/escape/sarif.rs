//! SARIF 2.1.0, with the flow of each site as a code flow.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};
use tophash_escape::{Position, Reason, Site, Sum, advise};

use super::table::why;
use crate::report::style::bytes;

/// No tool shows more results of one run.
const MOST: usize = 25_000;

pub(super) fn print(
    out: &mut dyn Write,
    dir: &Path,
    sites: Vec<(&str, &Site, Option<Sum>)>,
) -> Result<()> {
    let rules: Vec<_> = Reason::ALL
        .into_iter()
        .map(|reason| {
            json!({
                "id": format!("escape/{}", reason.name()),
                "shortDescription": { "text": format!("A value goes to the heap: {}.", reason.title()) },
                "defaultConfiguration": { "level": "note" },
            })
        })
        .collect();
    let results: Vec<_> = sites
        .into_iter()
        .filter(|(_, site, _)| !site.at.is_made_up())
        .take(MOST)
        .map(|(_, site, sum)| result(dir, site, sum))
        .collect();
    let whole = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "tophash escape", "version": env!("CARGO_PKG_VERSION"), "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &whole)?;
    writeln!(out)?;
    Ok(())
}

fn result(dir: &Path, site: &Site, sum: Option<Sum>) -> Value {
    let cost = sum.filter(|sum| sum.bytes > 0);
    let cost = cost.map_or(String::new(), |sum| format!(" The line costs {}.", bytes(sum.bytes)));
    let text = format!(
        "{} goes to the heap: {}.{cost} {}.",
        site.expression,
        why(site),
        advise(site).change
    );
    let index = Reason::ALL.iter().position(|&reason| reason == site.reason);
    let mut value = json!({
        "ruleId": format!("escape/{}", site.reason.name()),
        "ruleIndex": index,
        "level": "note",
        "message": { "text": text },
        "locations": [location(dir, &site.at, None)],
        // Lines move; what stays is what escapes in which function.
        "partialFingerprints": {
            "escape/v1": format!("{}|{}|{}", site.function, site.kind.name(), site.expression),
        },
    });
    let steps: Vec<_> = site
        .story()
        .into_iter()
        .filter_map(|told| {
            let at = told.at.filter(|at| !at.is_made_up())?;
            Some(json!({ "location": location(dir, &at, Some(&told.words)) }))
        })
        .collect();
    if let (Some(fields), false) = (value.as_object_mut(), steps.is_empty()) {
        let flows = json!([{ "threadFlows": [{ "locations": steps }] }]);
        fields.insert("codeFlows".to_owned(), flows);
    }
    value
}

fn location(dir: &Path, at: &Position, words: Option<&str>) -> Value {
    let file = at.file.strip_prefix("./").unwrap_or(&at.file);
    let uri = match file.starts_with("../") {
        true => uri(&dir.join(file).to_string_lossy()),
        false => uri(file),
    };
    let mut value = json!({
        "physicalLocation": {
            "artifactLocation": { "uri": uri },
            "region": { "startLine": at.line, "startColumn": at.column.max(1) },
        },
    });
    if let (Some(words), Some(fields)) = (words, value.as_object_mut()) {
        fields.insert("message".to_owned(), json!({ "text": words }));
    }
    value
}

/// A path as a URI: relative ones stay so.
fn uri(path: &str) -> String {
    let mut out = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' | b'@' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri("a b/c.go"), "a%20b/c.go");
        assert_eq!(uri("/x/é.go"), "file:///x/%C3%A9.go");
    }
}
