//! Experiments on folklore, run on the model and on real Go.

#![expect(clippy::unwrap_used, reason = "a test that can't be set up has failed")]

mod common;

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use common::{folder, is_wide, releases, tophash};
use serde_json::Value;
use xtask::toolchain;

/// Experiments that build programs of their own, or whose figures are times: for wide runs.
const SLOW: &[&str] = &[
    "profile-window",
    "tools",
    "escapes",
    "write-barrier",
    "sync-map",
    "pooling",
    "concurrent-writes",
];

fn lab(arguments: &[&str]) -> Output {
    tophash(&[&["lab"], arguments].concat())
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn names() -> Vec<String> {
    let output = lab(&["list", "--format", "json"]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let experiments = list["experiments"].as_array().unwrap();
    experiments.iter().map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_experiment_is_listed_and_an_unknown_one_is_refused_with_a_remedy() {
    let table = text(&lab(&["list"]).stdout);
    let names = names();
    assert!(names.len() >= 35, "{names:?}");
    assert!(names.iter().all(|name| table.contains(name)), "{table}");
    for arguments in [&["run", "no-such"][..], &["run"]] {
        let output = lab(arguments);
        assert_eq!(output.status.code(), Some(3));
        assert!(text(&output.stderr).contains("tophash lab list"), "{output:?}");
    }
}

#[test]
fn an_experiment_tells_the_folklore_the_verdict_and_the_figures() {
    let output = lab(&["run", "growth-points", "pooling"]);
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}");
    for part in [
        "A map doubles when it holds 6.5 entries a bucket.",
        "holds for classic maps other than Go 1.21's",
        "insert that grows the map 7",
        "449",
        "The model is not asked",
    ] {
        assert!(table.contains(part), "{part} is not in\n{table}");
    }
}

#[test]
fn the_page_has_what_the_model_says() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let (_guard, dir) = folder();
    let page = dir.join("folklore.md");
    let output = lab(&["run", "--all", "--format", "json", "--page", page.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let written = fs::read_to_string(docs.join("folklore.md")).unwrap();
    let without_real: String = written
        .lines()
        .filter(|line| !line.contains("| real |"))
        .map(|l| format!("{l}\n"))
        .collect();
    let expected = fs::read_to_string(&page).unwrap();
    assert!(
        without_real == expected,
        "docs/folklore.md is not what the model says: run cargo xtask folklore\n{}",
        first_difference(&without_real, &expected)
    );
    for chart in fs::read_dir(dir.join("folklore")).unwrap() {
        let chart = chart.unwrap();
        let kept = docs.join("folklore").join(chart.file_name());
        let same = fs::read(&kept).is_ok_and(|kept| kept == fs::read(chart.path()).unwrap());
        assert!(same, "{} is not what the model says: run cargo xtask folklore", kept.display());
    }
}

fn first_difference(left: &str, right: &str) -> String {
    let differs = left.lines().zip(right.lines()).find(|(left, right)| left != right);
    differs.map_or("one is longer".to_owned(), |(left, right)| format!("{left}\n{right}"))
}

#[test]
fn the_model_and_the_verdicts_agree_with_real_go() {
    // Some build programs of their own, on a machine that may be busy.
    let mut arguments = ["verify", "--timeout", "20m"].map(str::to_owned).to_vec();
    arguments.extend(names().into_iter().filter(|name| is_wide() || !SLOW.contains(&&**name)));
    for release in releases() {
        let goroot = toolchain::ensure(release.version).unwrap().goroot().to_owned();
        arguments.extend(["--go".to_owned(), goroot.to_str().unwrap().to_owned()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = lab(&arguments);
    let (table, errors) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{table}{errors}");
    assert!(table.contains("agree with the model and the verdicts"), "{table}");
}

/// A `go` command that is a script: it says to be a release, and what it builds runs `program`.
fn false_go(dir: &Path, version: &str, program: &str) -> PathBuf {
    let bin = dir.join("bin");
    fs::create_dir(&bin).unwrap();
    let script = format!(
        "#!/bin/sh\ncase $1 in\nenv) echo {version}; echo /nowhere ;;\nbuild) cat > ../experiments \
         <<'END'\n#!/bin/sh\n{program}\nEND\nchmod +x ../experiments ;;\nesac\n"
    );
    // By another process: what this one writes can't be run while a child of another test, not yet at
    // its own program, has it open for writing, too.
    let go = bin.join("go");
    let mut copy = Command::new("sh");
    copy.args(["-c", "cat > \"$1\" && chmod +x \"$1\"", "sh"]).arg(&go).stdin(Stdio::piped());
    let mut copy = copy.spawn().unwrap();
    copy.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert!(copy.wait().unwrap().success());
    dir.to_owned()
}

fn verify_false(version: &str, program: &str, more: &[&str]) -> (Option<i32>, String) {
    let (_guard, dir) = folder();
    let goroot = false_go(&dir, version, program);
    let arguments = [&["verify", "header-size", "--go", goroot.to_str().unwrap()], more].concat();
    let output = lab(&arguments);
    (output.status.code(), text(&output.stdout) + &text(&output.stderr))
}

const HEADER: &str = "printf 'QUANTITY\\theader\\tHEADER\\tbytes\\n\
    QUANTITY\\tobjects of a map never written\\t1\\tobjects\\n\
    QUANTITY\\tfirst word of a map of five\\t5\\t\\n'";

#[test]
fn figures_that_differ_end_with_exit_code_1() {
    let (code, text) = verify_false("go1.23.9", &HEADER.replace("HEADER", "48"), &[]);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = verify_false("go1.23.9", &HEADER.replace("HEADER", "56"), &[]);
    assert_eq!(code, Some(1), "{text}");
    for part in ["header: the model says 48, real Go 56", "header-56: the verdict says"] {
        assert!(text.contains(part), "{text}");
    }
}

#[test]
fn what_can_not_be_compared_is_refused_in_words_that_name_it() {
    for (version, program, more, words) in [
        ("go1.23.9", "true", &[][..], "there is no figure of \"header\""),
        ("go1.23.9", "echo broken >&2; exit 1", &[], "header-size with go1.23.9 failed: broken"),
        ("go1.23.9", "exec sleep 20", &["--timeout", "100ms"], "--timeout gives it longer"),
        ("go1.23.9", "printf 'QUANTITY\\theader\\tx\\tbytes\\n'", &[], "line 1 is no figure"),
        ("go1.18.1", "true", &[], "the experiments run with Go 1.19, 1.21"),
        ("gotip", "true", &[], "is no release"),
    ] {
        let (code, text) = verify_false(version, program, more);
        assert_eq!(code, Some(3), "{text}");
        assert!(text.contains(words), "{words} is not in\n{text}");
    }
    let output = lab(&["verify", "header-size", "--go", "/no/such/goroot"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("go env GOROOT"), "{output:?}");
}

#[test]
fn a_fault_is_told_by_object_path_and_read() {
    let tell = |fault: &str| {
        let output = tophash(&["lab", "fault", fault, "--go", "1.27", "--format", "json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    assert_eq!(tell("none")["lost"], 0);
    let story = tell("lost-barrier");
    assert!(story["lost"].as_u64().unwrap() > 0);
    let report = &story["reports"][0];
    assert_eq!(report["path"][0]["holder"], "global 0");
    assert!(report["path"].as_array().unwrap().iter().any(|step| step["marked"] == false));
    assert_eq!(report["read"]["value"], "0xdeadbeefdeadbeef");
}
