//! Source and heap joined, both ways: maps of a real program that findings in its source explain, and
//! findings that are ranked by what a profile, a process or an inspection says they cost.
//!
//! Each map of `fixtures/explained` gets another number of entries, by which it is known here.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{folder, releases, tophash};
use serde_json::Value;
use xtask::fixture::{self, Fixture, Symbols};
use xtask::running::Running;
use xtask::toolchain;

/// Entries of each map, and what the finding calls it. The rest of the program's maps have none.
const EXPLAINED: [(u64, &str); 6] = [
    (3001, "hits"),
    (3002, "Server.sessions"),
    (3003, "limits"),
    (3004, "state.seen"),
    (3005, "asked"),
    (3007, "Server.carts.byAddress"),
];
/// A map that is cleaned, and one that is stored by a statement that fills another.
const NOT_EXPLAINED: [u64; 2] = [3006, 99];

fn source() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/explained");
    path.canonicalize().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = tophash(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Starts the program as a person would who profiles it, or with samples switched off.
fn start(program: &Path, profile: Option<&Path>) -> Running {
    let mut command = Command::new(program);
    match profile {
        Some(path) => command.arg("-memprofile").arg(path),
        None => command.args(["-memprofilerate", "0"]),
    };
    Running::start_command(&mut command).unwrap()
}

#[test]
fn maps_of_a_heap_name_the_lint_that_explains_them() {
    let (_guard, dir) = folder();
    let source = source();
    let mut faults = String::new();
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = fixture::build(release.version, Fixture::Explained, symbols).unwrap();
            let running = start(&program, Some(&dir.join("heap.pb.gz")));
            let report = json(&[
                "inspect",
                &running.pid().to_string(),
                "--max-pause",
                "20s",
                "--source",
                source.to_str().unwrap(),
                "--format",
                "json",
            ]);
            let maps = report["maps"].as_array().unwrap();
            let of = |entries: u64| {
                let is_it = |map: &&Value| map["entries"] == entries && map["part_of"].is_null();
                maps.iter().find(is_it).map(|map| &map["explained_by"])
            };
            let name = format!("go{} {symbols:?}", release.version);
            for (entries, subject) in EXPLAINED {
                let found = of(entries).and_then(|explained| explained.as_array()?.first());
                if found.is_none_or(|found| found["subject"] != subject) {
                    writeln!(faults, "{name}: {subject} is explained by {found:?}").unwrap();
                }
                let Some(found) = found else { continue };
                let how = found["matched"].as_str().unwrap();
                let surely = ["variable", "field", "local"].contains(&how);
                // What closures captured has names in DWARF from Go 1.23 on.
                if symbols == Symbols::Kept && !surely && subject != "asked" {
                    writeln!(faults, "{name}: {subject} is only known by its {how}").unwrap();
                }
            }
            for entries in NOT_EXPLAINED {
                let explained = of(entries);
                if explained.is_none_or(|explained| !explained.is_null()) {
                    writeln!(faults, "{name}: {entries} entries: {explained:?}").unwrap();
                }
            }
            // Of the program's thousands of maps, only these; a finding of inspect names its lint, too.
            let all = maps.iter().filter(|map| !map["explained_by"].is_null()).count();
            if all != EXPLAINED.len() {
                writeln!(faults, "{name}: {all} maps are explained").unwrap();
            }
            let findings = report["findings"].as_array().unwrap();
            let pinned = findings.iter().find(|finding| finding["rule"] == "pinned-by-closure");
            let told = pinned.map(|finding| &finding["explained_by"][0]["rule"]);
            if told.is_none_or(|rule| rule != "unbounded-captured") {
                writeln!(faults, "{name}: the pinned map is explained by {told:?}").unwrap();
            }
        }
    }
    assert!(faults.is_empty(), "\n{faults}");
}

#[test]
fn without_samples_names_do_and_a_stripped_program_s_globals_are_known_by_who_uses_them() {
    let source = source();
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let program = fixture::build(release.version, Fixture::Explained, symbols).unwrap();
            let running = start(&program, None);
            let report = json(&[
                "inspect",
                &running.pid().to_string(),
                "--max-pause",
                "20s",
                "--source",
                source.to_str().unwrap(),
                "--format",
                "json",
            ]);
            let maps = report["maps"].as_array().unwrap();
            for (entries, subject) in EXPLAINED {
                // Fields of a variable without a type have no names.
                let is_field = subject.starts_with("Server.");
                if symbols == Symbols::Stripped && is_field {
                    continue;
                }
                let map = maps
                    .iter()
                    .find(|map| map["entries"] == entries && map["part_of"].is_null())
                    .unwrap();
                let found = &map["explained_by"][0];
                let name = format!("go{} {symbols:?}: {map}", release.version);
                assert_eq!(found["subject"], subject, "{name}");
                let by_users = symbols == Symbols::Stripped && subject != "asked";
                assert_eq!(found["matched"] == "function", by_users, "{name}");
            }
        }
    }
}

#[test]
fn findings_in_source_are_ranked_by_a_profile_a_process_and_an_inspection() {
    let (_guard, dir) = folder();
    let source = source();
    let source = source.to_str().unwrap();
    let profile = dir.join("heap.pb.gz");
    let report = dir.join("report.json");
    for release in releases() {
        for symbols in [Symbols::Kept, Symbols::Stripped] {
            let name = format!("go{} {symbols:?}", release.version);
            let program = fixture::build(release.version, Fixture::Explained, symbols).unwrap();
            let running = start(&program, Some(&profile));
            let pid = running.pid().to_string();
            let inspected = tophash(&["inspect", &pid, "--max-pause", "20s", "--format", "json"]);
            std::fs::write(&report, &inspected.stdout).unwrap();
            let lint = |how: &[&str]| {
                let arguments = ["lint", source, "--format", "json"];
                json(&[&arguments, how].concat())
            };
            let by_profile = lint(&["--profile", profile.to_str().unwrap()]);
            let by_process = lint(&["--pid", &pid, "--max-pause", "20s"]);
            let by_inspection = lint(&["--inspect", report.to_str().unwrap()]);
            drop(running);
            let costs = |report: &Value| -> Vec<(String, u64)> {
                let of = |finding: &Value| {
                    let subject = finding["subject"].as_str().unwrap().to_owned();
                    (subject, finding["cost"]["bytes"].as_u64().unwrap())
                };
                report["findings"].as_array().unwrap().iter().map(of).collect()
            };
            for (way, report) in
                [("profile", &by_profile), ("process", &by_process), ("inspection", &by_inspection)]
            {
                let costs = costs(report);
                assert_eq!(costs.len(), EXPLAINED.len(), "{name} {way}: {costs:?}");
                assert!(costs.iter().all(|(_, bytes)| *bytes > 50_000), "{name} {way}: {costs:?}");
                // A session has a map of its own, which none of the others' entries has.
                assert_eq!(costs[0].0, "Server.sessions", "{name} {way}: {costs:?}");
                assert!(costs.is_sorted_by(|a, b| a.1 >= b.1), "{name} {way}: {costs:?}");
            }
            let first = &by_inspection["findings"][0];
            assert_eq!(first["cost"]["objects"], 3002, "{name}: {first}");
            assert_eq!(first["cost"]["maps"].as_array().unwrap().len(), 1, "{name}: {first}");
        }
    }
}

#[test]
fn findings_that_cost_nothing_are_left_out_by_choice_and_small_ones_shown_for_their_bytes() {
    let (guard, dir) = folder();
    let profile = dir.join("heap.pb.gz");
    let program = fixture::build("1.27", Fixture::Explained, Symbols::Kept).unwrap();
    drop(start(&program, Some(&profile)));
    let profile = profile.to_str().unwrap();
    let copy = dir.join("main.go");
    let text = std::fs::read_to_string(source().join("main.go")).unwrap();
    // In this copy, one more map grows, in a function that never ran.
    let idle = "\nvar idle = map[string]int{}\n\nfunc onIdle(w http.ResponseWriter, r *http.Request) {\n\
                \tmu.Lock()\n\tdefer mu.Unlock()\n\tidle[r.RemoteAddr]++\n}\n\nvar _ = onIdle\n";
    std::fs::write(&copy, text + idle).unwrap();
    let lint = |how: &[&str]| {
        let arguments = ["lint", copy.to_str().unwrap(), "--format", "json", "--profile", profile];
        json(&[&arguments, how].concat())
    };
    let all = lint(&[]);
    let last = all["findings"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["subject"], &last["cost"]["bytes"]), (&"idle".into(), &0.into()));
    let charged = lint(&["--only-charged"]);
    assert_eq!(charged["findings"].as_array().unwrap().len(), 5);
    assert_eq!(charged["costs"]["uncharged"], 1);
    // Severe enough or not: what is a hundredth of the heap is shown.
    let settings = dir.join("tophash.toml");
    std::fs::write(&settings, "[lint.rules]\nunbounded-global = \"info\"\n").unwrap();
    let heavy = lint(&["--severity", "critical"]);
    let subjects: Vec<_> =
        heavy["findings"].as_array().unwrap().iter().map(|found| &found["subject"]).collect();
    assert!(subjects.contains(&&"hits".into()), "{subjects:?}");
    assert!(!subjects.contains(&&"idle".into()), "{subjects:?}");
    drop(guard);
}

#[test]
fn people_read_where_the_source_says_so() {
    let (_guard, dir) = folder();
    let program = fixture::build("1.27", Fixture::Explained, Symbols::Kept).unwrap();
    let profile = dir.join("heap.pb.gz");
    let running = start(&program, Some(&profile));
    let pid = running.pid().to_string();
    let source = source();
    let source = source.to_str().unwrap();
    let output = tophash(&["inspect", &pid, "--max-pause", "20s", "--source", source]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "Explained by the source",
        "Server.sessions 1 map retains",
        "main.go:63: critical unbounded-field: Server.sessions",
        "(by its field)",
        "critical unbounded-captured: asked is captured by a handler",
    ] {
        assert!(text.contains(part), "{part:?} is not in:\n{text}");
    }
    let output = tophash(&["lint", source, "--profile", profile.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("ranked by what was in use at the last collection;"), "{text}");
    assert!(text.contains("    its lines cost "), "{text}");
    let refused = tophash(&["inspect", &pid, "--source", dir.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no Go source"));
    let refused = tophash(&["lint", source, "--inspect", profile.to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(3));
    let refused = tophash(&["inspect", &pid, "--escape"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn the_compiler_is_asked_only_where_a_person_wants_it() {
    let toolchain = toolchain::ensure("1.27").unwrap();
    let (_guard, dir) = folder();
    let program = fixture::build("1.27", Fixture::Explained, Symbols::Kept).unwrap();
    let running = start(&program, Some(&dir.join("heap.pb.gz")));
    let pid = running.pid().to_string();
    let source = source();
    let inspect = |more: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
        for (name, value) in toolchain.go(&dir, "").get_envs() {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        command.env_remove("GOROOT").env("PATH", &dir);
        command.args(["inspect", &pid, "--max-pause", "20s", "--format", "json", "--source"]);
        command.arg(&source).args(more).output().unwrap()
    };
    // There is no Go on the PATH: nothing asks for one.
    assert!(inspect(&[]).status.success());
    assert_eq!(inspect(&["--escape"]).status.code(), Some(3));
    let goroot = toolchain.goroot().to_str().unwrap();
    let output = inspect(&["--escape", "--go", goroot]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let maps = report["maps"].as_array().unwrap();
    let map = maps.iter().find(|map| map["entries"] == 3002).unwrap();
    let escapes = map["explained_by"][0]["escapes"].as_array().unwrap();
    let of = |line: u64| escapes.iter().find(|site| site["line"] == line);
    assert!(of(67).is_some_and(|site| site["file"] == "./main.go"), "{escapes:?}");
    assert!(of(74).is_some_and(|site| site["reason"] == "map-elem"), "{escapes:?}");
    // A map that is cleaned, so that no lint is about it: where it is made, and what fills it.
    let map = maps.iter().find(|map| map["entries"] == 3006).unwrap();
    let explained = &map["explained_by"][0];
    assert_eq!((&explained["rule"], &explained["subject"]), (&"escape".into(), &"recent".into()));
    assert_eq!((&explained["at"]["line"], &explained["matched"]), (&52.into(), &"variable".into()));
    assert_eq!(map["explained_by"].as_array().unwrap().len(), 1);
    // One whose holder no assignment names is known by a line, if its array is among the samples.
    let map = maps.iter().find(|map| map["entries"] == 99).unwrap();
    let matched = &map["explained_by"][0]["matched"];
    assert_eq!(*matched == "line", !map["allocated_at"].is_null(), "{map}");
}
