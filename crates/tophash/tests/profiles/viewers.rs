//! Files for viewers: their structure, and that they hold all of the profile.
//!
//! `cargo xtask viewers` shows them to the viewers themselves.

use std::fs;
use std::path::{Path, PathBuf};

use crate::oracle::{text, tophash, written};

#[test]
fn json_has_what_is_promised() {
    let written = written("1.27", "");
    let printed = tophash(&[&written.file("heap"), "--format", "json", "--top", "3"]);
    let report: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["sample_type"], "inuse_space");
    assert_eq!(report["unit"], "bytes");
    assert!(report["total"].as_i64().unwrap() > 1 << 20);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[0]["function"], "main.fill");
    assert!(rows[0]["file"].as_str().unwrap().ends_with("main.go"));
    assert!(rows[0]["cum"].as_i64().unwrap() >= rows[0]["flat"].as_i64().unwrap());
}

#[test]
fn files_for_viewers_hold_the_stacks() {
    let written = written("1.27", "");
    let dir = written.dir();
    let heap = written.file("heap");
    let total = {
        let printed = tophash(&[&heap, "--format", "json"]);
        let report: serde_json::Value = serde_json::from_slice(&printed.stdout).unwrap();
        report["total"].as_i64().unwrap()
    };
    let write = |option: &str, name: &str| {
        let file = dir.join(name);
        let done = tophash(&[&heap, option, text(&file)]);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        fs::read_to_string(file).unwrap()
    };
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();

    let speedscope = json(&write("--speedscope", "s.json"));
    let profiles = speedscope["profiles"].as_array().unwrap();
    let active = &profiles[speedscope["activeProfileIndex"].as_u64().unwrap() as usize];
    assert_eq!((&active["name"], &active["endValue"]), (&"inuse_space".into(), &total.into()));
    let (stacks, weights) = (&active["samples"], &active["weights"]);
    assert_eq!(stacks.as_array().unwrap().len(), weights.as_array().unwrap().len());

    let firefox = json(&write("--firefox", "f.json"));
    let thread = &firefox["threads"][0];
    let weights = thread["samples"]["weight"].as_array().unwrap();
    assert_eq!(weights.iter().map(|weight| weight.as_i64().unwrap()).sum::<i64>(), total);
    let rows = thread["stackTable"]["length"].as_u64().unwrap() as usize;
    for part in ["prefix", "frame", "category", "subcategory"] {
        assert_eq!(thread["stackTable"][part].as_array().unwrap().len(), rows, "{part}");
    }

    let svg = write("--flame", "f.svg");
    assert!(svg.starts_with("<svg") && svg.contains("main.fill") && svg.contains("main.load"));
    let page = write("--html", "f.html");
    assert!(page.contains("\"main.fill\"") && !page.contains("/*DATA*/"));
    for outside in ["src=", "href=", "@import", "fetch(", "XMLHttpRequest"] {
        assert!(!page.contains(outside), "{outside}");
    }

    let folded = tophash(&[&heap, "--folded"]);
    let folded = String::from_utf8(folded.stdout).unwrap();
    let sum: i64 =
        folded.lines().map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap()).sum();
    assert_eq!(sum, total);
    assert!(folded.contains("runtime.main;main.main;main.real;main.load;main.fill"));

    let dot = tophash(&[&heap, "--dot"]);
    let dot = String::from_utf8(dot.stdout).unwrap();
    assert!(dot.starts_with("digraph") && dot.contains("main.fill") && dot.contains(" -> "));
    let source = fixture_source();
    let list = tophash(&[&heap, "--list", "main.fill", "--source", text(&source)]);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("ROUTINE ======================== main.fill"), "{list}");
    assert!(list.contains("index[int64(i)] = make([]byte, 16+i%512)"), "{list}");
}

fn fixture_source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles")
}
