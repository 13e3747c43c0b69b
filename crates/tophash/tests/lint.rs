//! `tophash lint` as a command: exit codes, formats, settings, baselines.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::folder;
use serde_json::Value;
use xtask::toolchain;

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../source/tests/data/rules")
}

/// A module with the package of one rule's bad program, as `web/bad.go`.
fn module(of: &str) -> tempfile::TempDir {
    let (dir, path) = folder();
    fs::create_dir(path.join("web")).unwrap();
    fs::write(path.join("go.mod"), "module example.org/web\n\ngo 1.22\n").unwrap();
    fs::copy(rules().join(of).join("bad.go"), path.join("web/bad.go")).unwrap();
    dir
}

fn lint(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tophash"))
        .arg("lint")
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_table_names_place_map_evidence_and_change() {
    let dir = module("unbounded-global");
    let output = lint(dir.path(), &[]);
    assert_eq!(output.status.code(), Some(0));
    let text = text(&output);
    for part in [
        "./web/bad.go:10:2: critical unbounded-global: hits (map[string]int)",
        "./web/bad.go:17: insert [r.RemoteAddr] in Count",
        "no delete, clear or reassignment of it in the package's only file",
        "to change: ",
        "1 finding in 1 package, 1 file",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
}

#[test]
fn the_exit_code_is_one_from_the_severity_that_is_asked_for() {
    let dir = module("lock-per-key");
    let code = |arguments: &[&str]| lint(dir.path(), arguments).status.code();
    assert_eq!(code(&["."]), Some(0));
    assert_eq!(code(&["./...", "--fail-on", "warning"]), Some(1));
    assert_eq!(code(&[".", "--fail-on", "critical"]), Some(0));
    assert_eq!(code(&[".", "--fail-on", "nonsense"]), Some(2));
    assert_eq!(code(&["nowhere"]), Some(3));
    // What is not shown does not fail.
    assert_eq!(code(&[".", "--fail-on", "info", "--severity", "critical"]), Some(0));
}

#[test]
fn settings_come_from_the_nearest_file_and_faults_in_it_are_named() {
    let dir = module("lock-per-key");
    let path = dir.path().join("tophash.toml");
    fs::write(&path, "[lint]\nfail-on = \"critical\"\n[lint.rules]\nlock-per-key = \"critical\"\n")
        .unwrap();
    assert_eq!(lint(dir.path(), &["web"]).status.code(), Some(1));
    fs::write(&path, "[lint]\nexclude = [\"web/*.go\"]\n").unwrap();
    assert!(text(&lint(dir.path(), &["."])).starts_with("no findings in no packages"));
    fs::write(&path, "[lint]\nsevere = \"critical\"\n").unwrap();
    let refused = lint(dir.path(), &["web"]);
    assert_eq!(refused.status.code(), Some(3));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("tophash.toml") && told.contains("severe"), "{told}");
    assert_eq!(told.matches("unknown field").count(), 1, "{told}");
}

#[test]
fn a_baseline_hides_what_it_knows_also_after_lines_have_moved() {
    let dir = module("unbounded-field");
    let written = lint(dir.path(), &["--write-baseline", "known.json"]);
    assert_eq!(written.status.code(), Some(0));
    let source = dir.path().join("web/bad.go");
    let moved = format!("// A new line.\n{}", fs::read_to_string(&source).unwrap());
    fs::write(&source, moved).unwrap();
    let hidden =
        lint(dir.path(), &["--baseline", "known.json", "--format", "json", "--fail-on", "info"]);
    assert_eq!(hidden.status.code(), Some(0));
    let report = json(&hidden);
    assert_eq!(report["findings"].as_array().unwrap().len(), 0);
    assert_eq!(report["known"], 1);
    fs::copy(rules().join("nan-key/bad.go"), dir.path().join("new.go")).unwrap();
    let new = json(&lint(dir.path(), &["--baseline", "known.json", "--format", "json"]));
    assert_eq!(new["findings"][0]["rule"], "nan-key");
    fs::write(dir.path().join("known.json"), "{}").unwrap();
    assert_eq!(lint(dir.path(), &["--baseline", "known.json"]).status.code(), Some(3));
}

#[test]
fn files_that_can_not_be_parsed_are_named_and_the_rest_is_read() {
    let dir = module("unbounded-global");
    fs::write(dir.path().join("web/broken.go"), "package visits\n\nfunc broken( {\n").unwrap();
    fs::write(dir.path().join("web/binary.go"), [0xff, 0xfe, 0]).unwrap();
    let output = lint(dir.path(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
    let report = json(&output);
    assert_eq!(report["findings"].as_array().unwrap().len(), 1);
    assert_eq!(report["passed_over"].as_array().unwrap().len(), 2);
    // A file with something whole in it is read to that extent.
    let half = "package visits\n\nfunc broken( {\n}\n\nfunc whole() {}\n";
    fs::write(dir.path().join("web/broken.go"), half).unwrap();
    let told = text(&lint(dir.path(), &[]));
    assert!(told.contains("; all is read but lines 3 to 4\n"), "{told}");
    assert!(told.contains("1 finding in 1 package, 2 files"), "{told}");
}

#[test]
fn json_has_positions_evidence_and_what_is_absent() {
    let dir = module("half-cleaned-pair");
    let report = json(&lint(dir.path(), &["--format", "json"]));
    assert_eq!(report["schema"], 1);
    let finding = &report["findings"][0];
    assert_eq!(finding["subject"], "Ordered.nodes");
    assert_eq!(finding["at"]["line"], 7);
    assert!(finding["evidence"].as_array().unwrap().len() >= 2);
    assert!(finding["absent"].as_str().unwrap().contains("no delete"));
}

#[test]
fn sarif_has_what_its_schema_requires() {
    let dir = module("unbounded-global");
    fs::write(dir.path().join("web/broken.go"), "package visits\n\nfunc broken( {\n").unwrap();
    let document = json(&lint(dir.path(), &["--format", "sarif"]));
    assert_eq!(document["version"], "2.1.0");
    let run = &document["runs"][0];
    let driver = &run["tool"]["driver"];
    assert_eq!(driver["name"], "tophash");
    let rules = driver["rules"].as_array().unwrap();
    assert!(
        rules
            .iter()
            .all(|rule| rule["id"].is_string() && rule["shortDescription"]["text"].is_string())
    );
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 1);
    for result in results {
        assert!(result["message"]["text"].is_string());
        assert!(["error", "warning", "note"].contains(&result["level"].as_str().unwrap()));
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let places = [&result["locations"], &result["relatedLocations"]];
        for place in places.into_iter().flat_map(|list| list.as_array().unwrap()) {
            let physical = &place["physicalLocation"];
            assert_eq!(physical["artifactLocation"]["uri"], "web/bad.go");
            assert!(physical["region"]["startLine"].as_u64().unwrap() >= 1);
            assert!(physical["region"]["startColumn"].as_u64().unwrap() >= 1);
        }
    }
    let told = &run["invocations"][0];
    assert_eq!(told["executionSuccessful"], true);
    assert_eq!(told["toolExecutionNotifications"].as_array().unwrap().len(), 1);
}

#[test]
fn what_counts_costs_needs_something_that_tells_them() {
    let dir = module("unbounded-global");
    let code = |arguments: &[&str]| lint(dir.path(), arguments).status.code();
    assert_eq!(code(&["--only-charged"]), Some(2));
    assert_eq!(code(&["--count", "alloc"]), Some(2));
    // Then it is what is named that is missing.
    assert_eq!(code(&["--only-charged", "--inspect", "none.json"]), Some(3));
    assert_eq!(code(&["--only-charged", "--profile", "none.pb.gz", "--count", "alloc"]), Some(3));
}

#[test]
fn baselines_and_settings_hold_wherever_the_command_runs() {
    let dir = module("unbounded-field");
    let web = dir.path().join("web");
    assert_eq!(lint(dir.path(), &["--write-baseline", "known.json"]).status.code(), Some(0));
    let whole = web.join("bad.go");
    let whole = whole.to_str().unwrap();
    let fingerprint = |dir: &Path, path: &str| {
        let document = json(&lint(dir, &[path, "--format", "sarif"]));
        document["runs"][0]["results"][0]["partialFingerprints"]["tophash/v1"].clone()
    };
    let same = fingerprint(dir.path(), ".");
    for (dir, known, path) in [
        (dir.path(), "known.json", "web"),
        (dir.path(), "known.json", "./web/bad.go"),
        (dir.path(), "known.json", whole),
        (&web, "../known.json", "."),
        (&web, "../known.json", "bad.go"),
    ] {
        let report = json(&lint(dir, &[path, "--baseline", known, "--format", "json"]));
        assert_eq!((&report["known"], &report["findings"]), (&1.into(), &Value::Array(Vec::new())));
        assert_eq!(fingerprint(dir, path), same, "{path}");
    }
    fs::write(dir.path().join("tophash.toml"), "[lint]\nexclude = [\"web/bad.go\"]\n").unwrap();
    for (dir, path) in [(dir.path(), "."), (dir.path(), "web"), (&web, "."), (&web, "../web")] {
        let told = text(&lint(dir, &[path]));
        assert!(told.starts_with("no findings in no packages"), "{path}: {told}");
    }
}

/// What a change's reviewer sees on GitHub.
#[test]
fn annotations_are_commands_one_a_line() {
    let dir = module("unbounded-global");
    fs::write(dir.path().join("web/broken.go"), "package visits\n\nfunc broken( {\n").unwrap();
    let text = text(&lint(dir.path(), &["--format", "github"]));
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let start = "::error file=web/bad.go,line=10,col=2,title=lint%3A unbounded-global::hits (map";
    assert!(lines[0].starts_with(start), "{text}");
    assert!(lines[1].starts_with("::notice file=web/broken.go,line="), "{text}");
}

/// Lines of Go source that `lint` reads below a folder.
fn lines_of(folder: &Path) -> usize {
    let mut lines = 0;
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (name, path) = (entry.file_name().into_string().unwrap(), entry.path());
        if path.is_dir() {
            if !["testdata", "vendor"].contains(&name.as_str()) && !name.starts_with(['.', '_']) {
                lines += lines_of(&path);
            }
        } else if name.ends_with(".go") && !name.ends_with("_test.go") {
            lines += fs::read(path).unwrap().iter().filter(|byte| **byte == b'\n').count();
        }
    }
    lines
}

/// What `docs/LINTS.md` says of each finding in Go's own source is about the findings that there are, and no
/// more than one alarm in 50,000 lines is false.
#[test]
fn findings_in_go_s_own_source_are_those_that_were_judged() {
    let toolchain = toolchain::ensure("1.27").unwrap();
    let source = toolchain.goroot().join("src");
    let report = json(&lint(&source, &[".", "--format", "json"]));
    assert_eq!(report["passed_over"].as_array().unwrap().len(), 0);
    let found: BTreeSet<[String; 3]> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|finding| {
            let text = |value: &Value| value.as_str().unwrap().trim_start_matches("./").to_owned();
            [text(&finding["rule"]), text(&finding["at"]["path"]), text(&finding["subject"])]
        })
        .collect();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/LINTS.md");
    let page = fs::read_to_string(page).unwrap();
    let (mut judged, mut false_alarms) = (BTreeSet::new(), 0);
    for row in page.lines() {
        let cells: Vec<_> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        if let [rule, file, map, verdict @ ("grows" | "bounded"), _why] = cells.as_slice()
            && rule.starts_with('`')
        {
            judged.insert([rule, file, map].map(|cell| cell.trim_matches('`').to_owned()));
            false_alarms += usize::from(*verdict == "bounded");
        }
    }
    assert_eq!(found, judged);
    let lines = lines_of(&source);
    assert!(lines > 1_500_000 && false_alarms * 50_000 <= lines, "{false_alarms} in {lines}");
}
