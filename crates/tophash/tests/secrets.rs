//! Keys and values are printed under `--show-entries` alone, wherever they could appear.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use common::tophash;
use serde_json::Value;

fn demo(arguments: &[&str]) -> String {
    let output = tophash(&[&["demo"], arguments].concat());
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// A key of the sample's sessions, unquoted.
fn token(report: &Value) -> String {
    let maps = report["maps"].as_array().unwrap();
    let sessions = maps.iter().find(|map| map["type"] == "map[string]*main.Session").unwrap();
    let key = sessions["shown_entries"][0]["key"].as_str().unwrap();
    key.trim_matches('"').to_owned()
}

#[test]
fn a_key_is_told_only_when_asked_for_and_then_in_paths_too() {
    let told = demo(&["--format", "json", "--show-entries=100000"]);
    let report: Value = serde_json::from_str(&told).unwrap();
    let token = token(&report);
    assert!(token.len() >= 16, "{token}");
    let step = format!("[\"{token}\"]");
    let leads_through = |map: &&Value| {
        map["root"]["path"].as_array().is_some_and(|path| path.iter().any(|s| s == step.as_str()))
    };
    let maps = report["maps"].as_array().unwrap();
    let values = maps.iter().find(leads_through).unwrap();
    assert_eq!(values["type"], "map[string]string");

    for view in ["maps", "types", "holders", "paths"] {
        for format in ["table", "json"] {
            let told = demo(&["--by", view, "--format", format, "--top", "0", "--what-if"]);
            assert!(!told.contains(&token), "--by {view} --format {format} tells a key");
        }
    }
}
