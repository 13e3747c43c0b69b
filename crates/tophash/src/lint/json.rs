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
        .map(|file| {
            json!({
                "path": file.path,
                "line": file.line,
                "reason": file.reason.to_string(),
                "parts": file.parts,
            })
        })
        .collect();
    let faults: Vec<_> = report
        .suppression_faults
        .iter()
        .map(|(at, fault)| json!({ "at": at, "fault": fault }))
        .collect();
    let findings: Vec<_> = shown
        .weighed()
        .map(|(finding, weight)| {
            let mut value = json!(finding);
            if let Some(weight) = weight {
                value["cost"] = json!(weight);
            }
            value
        })
        .collect();
    let costs = shown.costs.as_ref().map(|costs| {
        json!({
            "meaning": costs.meaning,
            "total_bytes": costs.total.bytes,
            "total_objects": costs.total.objects,
            "uncharged": shown.uncharged,
        })
    });
    json!({
        "schema": SCHEMA,
        "findings": findings,
        "costs": costs,
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
