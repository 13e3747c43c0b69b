//! The report as SARIF 2.1.0, which code review reads (OASIS, 2020).

use serde_json::{Value, json};
use tophash_source::{Finding, PassedOver, Position, Rule, Severity};

use super::Shown;

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

pub(super) fn document(shown: &Shown) -> Value {
    let rules: Vec<_> = Rule::ALL
        .iter()
        .map(|rule| {
            json!({
                "id": rule.name(),
                "shortDescription": { "text": rule.summary() },
                "defaultConfiguration": { "level": "warning" },
            })
        })
        .collect();
    let notifications: Vec<_> = shown.report.passed_over.iter().map(notification).collect();
    json!({
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
                "toolExecutionNotifications": notifications,
            }],
            "results": shown.report.findings.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

fn result(finding: &Finding) -> Value {
    let related: Vec<_> = finding
        .evidence
        .iter()
        .enumerate()
        .map(|(number, evidence)| {
            let mut place = location(&evidence.at);
            place["id"] = json!(number);
            place["message"] = json!({ "text": evidence.what });
            place
        })
        .collect();
    let index = Rule::ALL.iter().position(|rule| *rule == finding.rule);
    let text = format!("{}. {}. To change: {}.", finding.message, finding.absent, finding.fix);
    json!({
        "ruleId": finding.rule.name(),
        "ruleIndex": index,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": [location(&finding.at)],
        "relatedLocations": related,
        "partialFingerprints": { "tophash/v1": finding.identity() },
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "error",
        Severity::Warning => "warning",
        // Severities to come are told apart by their own words.
        _ => "note",
    }
}

fn location(at: &Position) -> Value {
    json!({ "physicalLocation": {
        "artifactLocation": artifact(&at.path),
        "region": { "startLine": at.line, "startColumn": at.column },
    } })
}

/// A file as a URI: relative to where the command ran, or absolute.
fn artifact(path: &str) -> Value {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = String::new();
    if path.starts_with('/') {
        uri.push_str("file://");
    }
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z'
            | b'a'..=b'z'
            | b'0'..=b'9'
            | b'/'
            | b'-'
            | b'.'
            | b'_'
            | b'~'
            | b'@'
            | b'+' => {
                uri.push(char::from(byte));
            }
            other => uri.push_str(&format!("%{other:02X}")),
        }
    }
    json!({ "uri": uri })
}

/// A file that was passed over.
fn notification(file: &PassedOver) -> Value {
    let mut place = json!({ "physicalLocation": { "artifactLocation": artifact(&file.path) } });
    if let Some(line) = file.line {
        place["physicalLocation"]["region"] = json!({ "startLine": line.max(1) });
    }
    json!({
        "level": "warning",
        "message": { "text": format!("{} {}", file.path, file.reason) },
        "locations": [place],
    })
}
