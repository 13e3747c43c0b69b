//! `tophash escape --engine native` as a person runs it: without a Go, with one, and beside the compiler.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use xtask::toolchain;

/// Without any Go in its surroundings.
fn tophash(dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
    command.current_dir(dir).env("PATH", "").env_remove("GOROOT").env("GOMODCACHE", dir);
    command.args(["escape", "--engine", "native"]).args(arguments);
    command.output().expect("tophash runs")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", noted(output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn noted(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn module(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("files");
    fs::write(folder.path().join("go.mod"), "module app.test/app\n\ngo 1.22\n").expect("files");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("files");
        fs::write(path, text).expect("files");
    }
    folder
}

const MAIN: &str = "package main

import \"app.test/app/keep\"

type conn struct{ id int }

var all = make(map[string]*conn)

func main() {
	all[\"a\"] = &conn{}
	kept, seen := 1, 2
	keep.Keep(&kept)
	keep.Look(&seen)
}
";

const KEEP: &str = "package keep

var last *int

func Keep(p *int) { last = p }

func Look(p *int) int { return *p }
";

/// Function, expression and reason of each site.
fn sites(report: &Value) -> BTreeSet<(String, String, String)> {
    let text = |site: &Value, name: &str| site[name].as_str().expect("text").to_owned();
    let sites = report["sites"].as_array().expect("sites").iter();
    sites
        .map(|site| (text(site, "function"), text(site, "expression"), text(site, "reason")))
        .collect()
}

#[test]
fn packages_of_a_module_know_what_each_other_does() {
    let module = module(&[("main.go", MAIN), ("keep/keep.go", KEEP)]);
    let output = tophash(module.path(), &["--rules", "1.27", "--format", "json", "./..."]);
    let found = sites(&json(&output));
    let names: Vec<&str> = found.iter().map(|(_, expression, _)| &**expression).collect();
    assert!(names.contains(&"kept") && !names.contains(&"seen"), "{names:?}");
    assert!(found.iter().any(|(_, what, why)| what == "&conn{}" && why == "map-elem"));
    assert!(!noted(&output).contains("could not be resolved"), "{}", noted(&output));
}

#[test]
fn what_is_not_known_is_listed_and_taken_to_escape() {
    let module = module(&[("main.go", MAIN)]);
    let output = tophash(module.path(), &["--rules", "1.27", "--format", "json", "."]);
    let found = sites(&json(&output));
    assert!(found.iter().any(|(_, expression, _)| expression == "seen"), "{found:?}");
    let noted = noted(&output);
    assert!(noted.contains("could not be resolved"), "{noted}");
    assert!(noted.contains("./main.go:12:"), "{noted}");
}

#[test]
fn faults_say_what_to_do() {
    let module = module(&[("main.go", MAIN)]);
    for (arguments, words) in [
        (&["--rules", "1.19", "."][..], "it knows 1.22"),
        (&["no/such/package"], "no folder, file or package"),
        (&["./main.go", "./other.go"], "can't be read"),
        (&["--diff", "a", "b", "."], "one state of the source"),
    ] {
        let output = tophash(module.path(), arguments);
        assert_eq!(output.status.code(), Some(3), "{arguments:?}");
        assert!(noted(&output).contains(words), "{}", noted(&output));
    }
    let empty = tempfile::tempdir().expect("files");
    let output = tophash(empty.path(), &["."]);
    assert!(noted(&output).contains("no Go files"), "{}", noted(&output));
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let module = module(&[("main.go", "package main\n\nfunc main() {}\n")]);
    fs::write(module.path().join("latin.go"), b"package main\n\n// caf\xe9\n").expect("a file");
    let huge = fs::File::create(module.path().join("huge.go")).expect("a file");
    huge.set_len(33 << 20).expect("a sparse file");
    let output = tophash(module.path(), &["--rules", "1.27", "."]);
    assert!(output.status.success(), "{}", noted(&output));
    for fault in ["latin.go: is not UTF-8", "huge.go: has 34603008 bytes"] {
        assert!(noted(&output).contains(fault), "{}", noted(&output));
    }
    let output = tophash(module.path(), &["--rules", "1.27", "huge.go"]);
    assert!(!output.status.success() && noted(&output).contains("huge.go has 34603008 bytes"));
}

#[test]
fn a_machine_without_go_is_told_of_the_engine_that_needs_none() {
    let module = module(&[("main.go", MAIN)]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
    command.current_dir(module.path()).env("PATH", "").args(["escape", "."]);
    let output = command.output().expect("tophash runs");
    assert!(noted(&output).contains("--engine native"), "{}", noted(&output));
}

#[test]
fn a_goroot_gives_types_and_rules() {
    let toolchain = toolchain::ensure("1.27").expect("a toolchain");
    let text = "package a\n\nimport \"strings\"\n\nfunc F(b *strings.Builder, s string) string {\n\t\
                b.WriteString(s)\n\treturn strings.Clone(s) + \"x\"\n}\n";
    let module = module(&[("a.go", text)]);
    let goroot = toolchain.goroot().to_str().expect("text");
    let output = tophash(module.path(), &["--go", goroot, "--format", "json", "a.go"]);
    let report = json(&output);
    assert_eq!(report["go"], "go1.27, the native engine");
    let found = sites(&report);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found.iter().all(|(_, _, reason)| reason == "returned"));
}
