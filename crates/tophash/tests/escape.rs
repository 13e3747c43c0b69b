//! `tophash escape` as a person runs it: every release's compiler, faults, costs from a real profile,
//! comparisons, and what other tools read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use xtask::running::Running;
use xtask::toolchain::{self, Release, Toolchain};

fn toolchain(release: &str) -> Toolchain {
    toolchain::ensure(release).expect("a toolchain")
}

/// With the same environment as the toolchains of all tests.
fn tophash(toolchain: &Toolchain, dir: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
    for (name, value) in toolchain.go(dir, "").get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env_remove("GOROOT").current_dir(dir).arg("escape");
    command.arg("--go").arg(toolchain.goroot()).args(arguments);
    command.output().expect("tophash runs")
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(3));
    assert!(output.stdout.is_empty());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn json(output: &Output) -> Value {
    serde_json::from_str(&printed(output)).expect("JSON")
}

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/escape")
        .canonicalize()
        .expect("files")
}

/// A module of one's own.
fn module(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("files");
    fs::write(folder.path().join("go.mod"), "module app.test/app\n\ngo 1.19\n").expect("files");
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("files");
        fs::write(path, text).expect("files");
    }
    folder
}

#[test]
fn every_release_is_asked_and_answers_alike_from_its_cache() {
    for release in Release::tested() {
        let toolchain = toolchain(release.version);
        let first = json(&tophash(&toolchain, &fixture(), &["./...", "--format", "json"]));
        let again = json(&tophash(&toolchain, &fixture(), &["./...", "--format", "json"]));
        assert_eq!(first, again, "{}", release.version);
        let sites = first["sites"].as_array().unwrap();
        let of = |reason: &str| sites.iter().filter(|site| site["reason"] == reason).count();
        assert!(of("returned") >= 10, "{}", release.version);
        assert_eq!(of("map-key"), 1, "{}", release.version);
        assert_eq!(first["packages"].as_array().unwrap().len(), 2);
        let kept = sites.iter().find(|site| site["function"] == "storedInMap").unwrap();
        assert_eq!(kept["map"], "elem");
        assert_eq!(kept["flow"][0]["steps"][1]["why"], "assign");
    }
}

#[test]
fn several_programs_are_compiled_and_nothing_is_left_behind() {
    let main = "package main\n\nvar kept *int\n\nfunc main() {\n\tn := 1\n\tkept = &n\n}\n";
    let folder = module(&[("cmd/a/main.go", main), ("cmd/b/main.go", main)]);
    for release in Release::tested() {
        let report = json(&tophash(
            &toolchain(release.version),
            folder.path(),
            &["./...", "--format", "json"],
        ));
        assert_eq!(report["sites"].as_array().unwrap().len(), 2, "{}", release.version);
    }
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().flatten().collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(Path::new("/dev/null").exists());
}

#[test]
fn people_see_maps_first_and_every_view() {
    let toolchain = toolchain("1.27");
    let text = printed(&tophash(&toolchain, &fixture(), &["./..."]));
    let (maps, reasons) = (text.find("\nmaps 12"), text.find("\nby reason"));
    assert!(maps.is_some() && maps < reasons, "{text}");
    assert!(text.contains("elems boxed in interfaces 2"), "{text}");
    let text = printed(&tophash(&toolchain, &fixture(), &["--by", "sites", "--reason", "sent"]));
    assert!(text.contains("sent: to <- (&session{...})"), "{text}");
    assert!(!text.contains("returnedMap"), "{text}");
    let text = printed(&tophash(&toolchain, &fixture(), &["--by", "functions", "--top", "3"]));
    assert!(text.contains("more functions"), "{text}");
    let text = printed(&tophash(&toolchain, &fixture(), &["--by", "maps", "--function", "boxed"]));
    assert!(text.contains("boxedKey") && !text.contains("literalMap"), "{text}");
}

#[test]
fn faults_say_what_to_do() {
    let toolchain = toolchain("1.27");
    let empty = tempfile::tempdir().unwrap();
    let fault = complaint(&tophash(&toolchain, empty.path(), &["."]));
    assert!(fault.contains("-C DIR"), "{fault}");
    let broken = module(&[("a.go", "package app\n\nfunc f() int { return \"one\" }\n")]);
    let fault = complaint(&tophash(&toolchain, broken.path(), &["."]));
    assert!(fault.contains("a.go:3:23") && fault.contains("must succeed first"), "{fault}");
    let fault = complaint(&tophash(&toolchain, broken.path(), &["./nowhere"]));
    assert!(fault.contains("nowhere"), "{fault}");
    let mut none = Command::new(env!("CARGO_BIN_EXE_tophash"));
    let output = none.args(["escape", "--go", "no-such-go-anywhere"]).output().unwrap();
    let fault = complaint(&output);
    assert!(fault.contains("--go GOROOT"), "{fault}");
    let output = tophash(&toolchain, &fixture(), &["--fail-on", "sometimes"]);
    assert_eq!(output.status.code(), Some(2));
    let output = tophash(&toolchain, &fixture(), &["--profile", "go.mod"]);
    assert!(complaint(&output).contains("go.mod"));
}

const SPENDER: &str = r#"package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

type item struct{ bytes [1000]byte }

var kept = make(map[int]*item)

func newItem() *item { return &item{} }

//go:noinline
func fill(n int) {
	for i := 0; i < n; i++ {
		kept[i] = newItem()
	}
}

//go:noinline
func idle() *item { return new(item) }

func main() {
	if len(os.Args) == 2 {
		runtime.MemProfileRate = 1
		fill(5000)
	} else {
		fill(100_000)
	}
	if len(os.Args) > 2 {
		idle()
	}
	runtime.GC()
	file, _ := os.Create(os.Args[1])
	pprof.Lookup("heap").WriteTo(file, 0)
	file.Close()
	if len(os.Args) > 2 {
		os.Stdout.WriteString("READY\n")
		os.Stdin.Read(make([]byte, 1))
		runtime.KeepAlive(kept)
	}
}
"#;

#[test]
fn what_was_inlined_is_charged_to_the_line_that_the_compiler_names() {
    let folder = module(&[("main.go", SPENDER)]);
    for release in Release::tested() {
        let toolchain = toolchain(release.version);
        let (program, profile) = (folder.path().join("program"), folder.path().join("heap.pb.gz"));
        let built = toolchain
            .go(folder.path(), "")
            .args(["build", "-trimpath", "-o"])
            .arg(&program)
            .arg(".")
            .status();
        assert!(built.unwrap().success());
        assert!(Command::new(&program).arg(&profile).status().unwrap().success());
        let profile = profile.to_str().unwrap();
        let arguments = [".", "--profile", profile, "--format", "json"];
        let report = json(&tophash(&toolchain, folder.path(), &arguments));
        let name = release.version;
        let first = &report["costs"]["lines"][0];
        assert_eq!(first["line"], 18, "{name}: {first}");
        // 5000 objects in slots of 1024 bytes; the map's own growth may be on the line, too.
        let (own, growth) = (first["bytes"].as_u64(), first["map_growth_bytes"].as_u64());
        let items = own.unwrap() - growth.unwrap();
        assert!((5_120_000..6_000_000).contains(&items), "{name}: {first}");
        let site = &report["sites"][0];
        assert_eq!(site["line"], 18, "{name}");
        assert_eq!(site["inlined"][0], "newItem", "{name}");
        assert_eq!(site["map"], "elem", "{name}");
        let text = printed(&tophash(&toolchain, folder.path(), &[".", "--profile", profile]));
        assert!(text.contains("store the struct by value"), "{text}");
        assert!(text.contains("cost nothing in this profile"), "{text}");
        let fails = |size: &str| {
            let arguments = [".", "--profile", profile, "--fail-on", size];
            tophash(&toolchain, folder.path(), &arguments).status.code()
        };
        assert_eq!((fails("1MiB"), fails("1GiB")), (Some(1), Some(0)), "{name}");
    }
}

/// What the process holds is known: 100,000 objects in slots of 1024 bytes, of which one in 512 is
/// sampled. Five standard errors of so many samples are 36 %.
#[test]
fn a_process_is_charged_by_its_own_samples() {
    let folder = module(&[("main.go", SPENDER)]);
    for release in Release::tested() {
        let toolchain = toolchain(release.version);
        let program = folder.path().join("program");
        let mut build = toolchain.go(folder.path(), "");
        let built = build.args(["build", "-o"]).arg(&program).arg(".").status();
        assert!(built.unwrap().success());
        let mut command = Command::new(&program);
        command.arg(folder.path().join("heap.pb.gz")).arg("wait");
        let running = Running::start_command(&mut command).unwrap();
        let pid = running.pid().to_string();
        let output = tophash(
            &toolchain,
            folder.path(),
            &[".", "--pid", &pid, "--max-pause", "20s", "--format", "json"],
        );
        drop(running);
        let report = json(&output);
        let lines = report["costs"]["lines"].as_array().unwrap();
        let spent = lines.iter().find(|line| line["line"] == 18).unwrap();
        let items = spent["bytes"].as_f64().unwrap() - spent["map_growth_bytes"].as_f64().unwrap();
        let share = items / (100_000.0 * 1024.0);
        // Classic maps grow in functions of the runtime that are not told apart: 5 % are theirs.
        assert!((0.64..1.42).contains(&share), "{}: {share} {spent}", release.version);
    }
}

#[test]
fn releases_are_compared() {
    let (older, newer) = (toolchain("1.24"), toolchain("1.27"));
    let newer_root = newer.goroot().to_str().unwrap();
    let arguments = ["./...", "--go", newer_root, "--format", "json"];
    let report = json(&tophash(&older, &fixture(), &arguments));
    let changes = report["changes"].as_array().unwrap();
    // From 1.25 on, a small slice of unknown length starts on the stack.
    let gone = |change: &&Value| change["change"] == "gone" && change["kind"] == "make-slice";
    assert_eq!(changes.iter().filter(gone).count(), 1, "{changes:#?}");
    let text = printed(&tophash(&older, &fixture(), &["./...", "--go", newer_root]));
    assert!(text.contains("is on the stack"), "{text}");
}

#[test]
fn commits_are_compared_and_their_work_trees_go_away() {
    let before =
        "package app\n\ntype T struct{ n int }\n\nfunc f() int {\n\tt := &T{1}\n\treturn t.n\n}\n";
    let after = before
        .replace("func f() int", "var kept *T\n\nfunc f() int")
        .replace("return t.n", "kept = t\n\treturn t.n");
    let folder = module(&[("sub/a.go", before)]);
    let dir = folder.path();
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"];
        let output = Command::new("git").current_dir(dir).args(identity).args(arguments).output();
        let output = output.expect("git runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    git(&["init", "--quiet", "."]);
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
    fs::write(dir.join("sub/a.go"), after).unwrap();
    let toolchain = toolchain("1.27");
    let sub = dir.join("sub");
    let against_tree = tophash(&toolchain, &sub, &["--diff", "HEAD", ".", "--fail-on", "new"]);
    assert_eq!(against_tree.status.code(), Some(1));
    let text = String::from_utf8_lossy(&against_tree.stdout).into_owned();
    assert!(text.contains("1 new") && text.contains("was on the stack"), "{text}");
    git(&["commit", "--quiet", "-am", "two"]);
    let github = tophash(&toolchain, &sub, &["--diff", "HEAD~1", "HEAD", "--format", "github"]);
    let text = printed(&github);
    assert!(text.starts_with("::warning file=a.go,line=8,col="), "{text}");
    let back = tophash(&toolchain, &sub, &["--diff", "HEAD", "HEAD~1", "--fail-on", "new"]);
    assert_eq!(back.status.code(), Some(0));
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
    let fault = complaint(&tophash(&toolchain, &sub, &["--diff", "HEAD", "no-such"]));
    assert!(fault.contains("no-such is no commit"), "{fault}");
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
}

#[test]
fn other_tools_get_sarif_and_people_a_page() {
    let toolchain = toolchain("1.27");
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let arguments = ["./...", "--format", "sarif", "--html", page.to_str().unwrap()];
    let sarif = json(&tophash(&toolchain, &fixture(), &arguments));
    assert_eq!(sarif["version"], "2.1.0");
    let run = &sarif["runs"][0];
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        let uri = place["artifactLocation"]["uri"].as_str().unwrap();
        // Instances of generic code stand where the generic code does.
        let is_elsewhere = uri.starts_with("file:///") && uri.ends_with(".go");
        assert!(is_elsewhere || ["reasons.go", "folklore.go"].contains(&uri), "{uri}");
        assert!(place["region"]["startLine"].as_u64().unwrap() > 0);
        // A closure that is started goes to the heap by itself: there is no flow to show.
        let is_started =
            ["escape/goroutine", "escape/deferred"].iter().any(|id| result["ruleId"] == *id);
        assert!(is_started || result["codeFlows"][0]["threadFlows"][0].is_object(), "{result}");
    }
    let text = fs::read_to_string(page).unwrap();
    assert!(text.contains("<u>&amp;session</u>{id: 1}"));
    // It needs nothing from anywhere else.
    assert!(!text.contains("http://") && !text.contains("https://") && !text.contains("<script"));
    assert_eq!(text.matches("<details").count(), text.matches("</details>").count());
    let github = printed(&tophash(&toolchain, &fixture(), &["./...", "--format", "github"]));
    assert!(github.lines().all(|line| line.starts_with("::notice file=")));
}
