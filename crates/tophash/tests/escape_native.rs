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
    put(folder.path(), "go.mod", "module app.test/app\n\ngo 1.22\n");
    files.iter().for_each(|(name, text)| put(folder.path(), name, text));
    folder
}

fn put(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("files");
    fs::write(path, text).expect("files");
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
    assert!(noted.contains("the source of app.test/app/keep is not here"), "{noted}");
}

#[test]
fn what_imports_do_is_learned_from_their_source_without_asking_for_them() {
    let requires = "module app.test/app\n\ngo 1.22\n\nrequire other.test/keep v1.0.0\n";
    let in_cache = MAIN.replace("app.test/app/keep", "other.test/keep");
    let in_workspace = MAIN.replace("app.test/app/keep", "third.test/keep");
    let own = module(&[("main.go", MAIN), ("keep/keep.go", KEEP)]);
    let needed = module(&[("main.go", &in_cache), ("other.test/keep@v1.0.0/keep.go", KEEP)]);
    put(needed.path(), "go.mod", requires);
    let vendored = module(&[("main.go", &in_cache), ("vendor/other.test/keep/keep.go", KEEP)]);
    put(vendored.path(), "go.mod", requires);
    let working = module(&[("main.go", &in_workspace), ("third/keep.go", KEEP)]);
    put(working.path(), "third/go.mod", "module third.test/keep\n\ngo 1.22\n");
    put(working.path(), "go.work", "go 1.22\n\nuse (\n\t.\n\t./third\n)\n");
    let output = tophash(working.path(), &["--rules", "1.27", "--format", "json", "./third"]);
    let packages = json(&output)["packages"].to_string();
    assert!(packages.contains("third.test/keep") && !packages.contains("app.test"), "{packages}");
    for module in [own, needed, vendored, working] {
        let output = tophash(module.path(), &["--rules", "1.27", "--format", "json", "."]);
        let report = json(&output);
        let found = sites(&report);
        assert!(found.iter().any(|(_, what, _)| what == "kept"), "{found:?}");
        assert!(found.iter().all(|(_, what, _)| what != "seen"), "{found:?}");
        // What was not asked for is not reported.
        let files = report["sites"].as_array().expect("sites").iter().map(|site| &site["file"]);
        assert!(files.clone().all(|file| file == "./main.go"), "{:?}", files.collect::<Vec<_>>());
        assert!(!noted(&output).contains("could not be resolved"), "{}", noted(&output));
    }
}

#[test]
fn a_package_that_cannot_be_read_is_named_beside_one_that_can() {
    let module = module(&[("a/a.go", KEEP), ("b/b.go", "package b\n\nfunc F( {\n")]);
    let output = tophash(module.path(), &["--rules", "1.27", "./..."]);
    assert!(output.status.success(), "{}", noted(&output));
    assert!(noted(&output).contains("b/b.go: can't be parsed"), "{}", noted(&output));
    let output = tophash(module.path(), &["--rules", "1.27", "./b"]);
    assert_eq!(output.status.code(), Some(3));
    let noted = noted(&output);
    assert!(noted.contains("none of the Go files here can be read:\n"), "{noted}");
    assert!(noted.contains("b/b.go: can't be parsed"), "{noted}");
}

#[test]
fn a_go_that_is_none_or_has_other_rules_is_refused() {
    let module = module(&[("main.go", MAIN)]);
    let old = toolchain::ensure("1.21").expect("a toolchain");
    let old = old.goroot().to_str().expect("text");
    for (go, words) in [
        ("nosuchgo", "there is no nosuchgo on the PATH"),
        ("./go.mod", "lies in no GOROOT"),
        (old, "the engine has no rules of Go 1.21"),
    ] {
        let output = tophash(module.path(), &["--go", go, "."]);
        assert_eq!(output.status.code(), Some(3), "{go}");
        assert!(noted(&output).contains(words), "{}", noted(&output));
    }
    let output = tophash(module.path(), &["--go", old, "--rules", "1.22", "."]);
    assert!(output.status.success(), "{}", noted(&output));
    assert!(noted(&output).contains("types from the library of go1.21"), "{}", noted(&output));
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
