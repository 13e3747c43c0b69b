//! The report as JSON.

use serde_json::{Value, json};

use super::Shown;

/// The version of the JSON format.
const SCHEMA: u32 = 1;

pub(super) fn document(shown: &Shown) -> Value {
    let report = &shown.report;
    let hidden: serde_json::Map<_, _> = shown
        .hidden
        .iter()
        .map(|(severity, count)| (severity.name().to_owned(), json!(count)))
        .collect();
    let passed_over: Vec<_> = report
        .passed_over
        .iter()
        .map(|file| json!({ "path": file.path, "line": file.line, "reason": file.reason.to_string() }))
        .collect();
    let faults: Vec<_> = report
        .suppression_faults
        .iter()
        .map(|(at, fault)| json!({ "at": at, "fault": fault }))
        .collect();
    json!({
        "schema": SCHEMA,
        "findings": report.findings,
        "hidden": hidden,
        "known": shown.known,
        "suppressed": report.suppressed,
        "suppression_faults": faults,
        "passed_over": passed_over,
        "packages": report.packages,
        "files": report.files,
        "bytes": report.bytes,
    })
}
