//! `tophash escape` as a person runs it: every release's compiler, faults, costs from a real profile,
//! comparisons, and what other tools read.

use std::fs;
use std::os::unix::fs::PermissionsExt;
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

/// The compiler that is named would fail: it is not even asked.
#[test]
fn what_can_not_be_done_together_is_refused_before_anything_is_built() {
    let folder = module(&[]);
    for (arguments, words) in [
        (&["--fail-on", "1KiB"][..], "needs --profile or --pid"),
        (&["--fail-on", "new"], "is for a comparison"),
        (&["--diff", "HEAD", ".", "--fail-on", "1KiB"], "one build with a profile"),
        (&["--diff", "HEAD", ".", "--profile", "x"], "not for a comparison"),
        (&["--diff", "HEAD", ".", "--html", "x"], "not for a comparison"),
        (&["--count", "alloc", "--pid", "1"], "is for a profile"),
        (&["--html", "no-such-folder/page.html"], "no-such-folder is no folder"),
        (&["--rules", "1.27"], "--engine native"),
        (&["--go", "other", "--diff", "HEAD", "."], "not both at once"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
        command.current_dir(folder.path()).args(["escape", "--go", "no-such-go-anywhere"]);
        let fault = complaint(&command.args(arguments).output().unwrap());
        assert!(fault.contains(words), "{arguments:?}: {fault}");
    }
}

#[test]
fn every_view_and_output_keeps_to_what_was_asked_for() {
    let toolchain = toolchain("1.27");
    let run =
        |more: &[&str]| printed(&tophash(&toolchain, &fixture(), &[&["./..."], more].concat()));
    let report: Value =
        serde_json::from_str(&run(&["--function", "boxed", "--format", "json"])).unwrap();
    let sites = report["sites"].as_array().unwrap().len() as u64;
    let sum = |field: &str| -> u64 {
        report[field].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum()
    };
    assert_eq!((sum("reasons"), sum("kinds")), (sites, sites));
    let text = run(&["--by", "reasons", "--function", "boxed"]);
    assert!(text.contains("boxed") && !text.contains("sent"), "{text}");
    let text = run(&["--by", "functions", "--reason", "sent", "--top", "0"]);
    assert!(text.contains("sent") && !text.contains("boxedKey"), "{text}");
    for view in ["summary", "reasons", "functions", "maps", "sites"] {
        let text = run(&["--by", view, "--function", "no-such-function"]);
        assert!(text.ends_with("Nothing of what was asked for escapes here.\n"), "{text}");
    }
}

const TWO: &str = r#"package main

import (
	"os"
	"runtime"
	"runtime/pprof"
)

type item struct{ bytes [100]byte }

var kept = map[int]*item{}

//go:noinline
func fill(k int) {
	kept[k] = &item{}
}

func main() {
	runtime.MemProfileRate = 1
	for i := 0; i < 5000; i++ {
		fill(i)
	}
	runtime.GC()
	file, _ := os.Create(os.Args[1])
	pprof.Lookup("heap").WriteTo(file, 0)
	file.Close()
}
"#;

#[test]
fn two_programs_of_one_module_are_not_charged_for_one_another() {
    let folder = module(&[("cmd/a/main.go", TWO), ("cmd/b/main.go", TWO)]);
    let toolchain = toolchain("1.27");
    let (program, profile) = (folder.path().join("program"), folder.path().join("heap.pb.gz"));
    let profile_name = profile.to_str().unwrap();
    for (path, flags) in [("a", ""), ("b", ""), ("a", "-trimpath"), ("b", "-trimpath")] {
        let mut build = toolchain.go(folder.path(), "");
        build.env("GOFLAGS", flags).args(["build", "-o"]).arg(&program);
        assert!(build.arg(format!("./cmd/{path}")).status().unwrap().success());
        assert!(Command::new(&program).arg(&profile).status().unwrap().success());
        let run = |packages: &str, more: &[&str]| {
            let arguments = [&[packages, "--profile", profile_name], more].concat();
            tophash(&toolchain, folder.path(), &arguments)
        };
        let output = run("./...", &["--format", "json"]);
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        let report = json(&output);
        for site in report["sites"].as_array().unwrap() {
            let is_of_it = site["package"] == format!("app.test/app/cmd/{path}");
            let is_filled = site["line"] == 15 && is_of_it;
            assert_eq!(site["line_bytes"].as_u64().unwrap() > 100_000, is_filled, "{site}");
        }
        let first = &report["costs"]["lines"][0];
        // Tables that are not much larger than an item are not told from it.
        assert_eq!(first["map_growth_by"], "sizes", "{first}");
        let items = first["bytes"].as_u64().unwrap() - first["map_growth_bytes"].as_u64().unwrap();
        assert!((560_000..580_000).contains(&items), "{first}");
        // The other program alone has nothing to do with it.
        let other = if path == "a" { "./cmd/b" } else { "./cmd/a" };
        let report = json(&run(other, &["--format", "json"]));
        assert_eq!(report["costs"]["lines"].as_array().unwrap().len(), 0, "{report}");
        let text = printed(&run("./...", &[]));
        assert!(text.contains("is a map that grows, by the sizes of the blocks"), "{text}");
        // A page of the initializer alone: on the line in `fill`, which has a site, nothing is said.
        let page = folder.path().join("page.html");
        printed(&run("./...", &["--function", "init", "--html", page.to_str().unwrap()]));
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains("<details class=\"map\"><summary><i>11</i>"), "{text}");
        assert!(!text.contains("nothing escapes here"), "{text}");
    }
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
        // An item has a thousand bytes, which no map stores in place.
        assert!(text.contains("storing them by value"), "{text}");
        assert!(!text.contains("their bytes go into the map"), "{text}");
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
    // Hooks are for the person's own checkouts.
    let hook = dir.join(".git/hooks/post-checkout");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(&hook, "#!/bin/sh\necho run >> \"$(git rev-parse --git-common-dir)/hooked\"\n")
        .unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
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
    assert!(text.starts_with("::warning file=sub/a.go,line=8,col="), "{text}");
    let back = tophash(&toolchain, &sub, &["--diff", "HEAD", "HEAD~1", "--fail-on", "new"]);
    assert_eq!(back.status.code(), Some(0));
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
    let fault = complaint(&tophash(&toolchain, &sub, &["--diff", "HEAD", "no-such"]));
    assert!(fault.contains("no-such is no commit"), "{fault}");
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
    assert!(!dir.join(".git/hooked").exists());
    // A run that was killed left its work tree, which the next one takes.
    let commit = git(&["rev-parse", "HEAD~1"]);
    let left = std::env::temp_dir().join(format!("tophash-escape-{}", &commit[..16]));
    git(&["worktree", "add", "--detach", left.to_str().unwrap(), "HEAD~1"]);
    fs::remove_file(dir.join(".git/hooked")).unwrap();
    printed(&tophash(&toolchain, &sub, &["--diff", "HEAD~1", "HEAD"]));
    assert_eq!(git(&["worktree", "list"]).lines().count(), 1);
    assert!(!left.exists());
}

/// The compiler is a script that says when it is asked, and then waits.
#[test]
fn a_comparison_that_is_ended_takes_its_work_trees_away() {
    let folder = module(&[("a.go", "package app\n")]);
    let dir = folder.path();
    let script = "#!/bin/sh\ncase $1 in\nenv) echo go1.27.3 ;;\n\
                  *) cd \"$(dirname \"$0\")\" && touch asked && exec cat door ;;\nesac\n";
    let go = dir.join("go");
    fs::write(&go, script).unwrap();
    fs::set_permissions(&go, fs::Permissions::from_mode(0o755)).unwrap();
    let run = |command: &str| {
        let status = Command::new("sh").current_dir(dir).args(["-c", command]).status();
        assert!(status.unwrap().success(), "{command}");
    };
    run("mkfifo door && git init --quiet . && git add a.go go.mod && \
         git -c user.name=t -c user.email=t@example.org commit --quiet -m one");
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tophash"));
        command.args(["escape", "--diff", "HEAD", ".", "--go"]).arg(&go).current_dir(dir);
        let mut running = command.spawn().unwrap();
        while !dir.join("asked").exists() {
            assert!(running.try_wait().unwrap().is_none());
            std::thread::yield_now();
        }
        run(&format!("rm asked && kill -{signal} {}", running.id()));
        assert_eq!(running.wait().unwrap().code(), Some(code));
        // Lets the script end.
        drop(fs::OpenOptions::new().write(true).open(dir.join("door")).unwrap());
        let list = Command::new("git").current_dir(dir).args(["worktree", "list"]).output();
        let list = String::from_utf8(list.unwrap().stdout).unwrap();
        assert_eq!(list.lines().count(), 1, "{list}");
    }
}

/// The module lies in a folder of the repository.
#[test]
fn reviews_see_files_from_the_root_of_the_repository_and_all_that_made_the_run_fail() {
    let text = "package app\n\ntype T struct{ n int }\n\nfunc one() *T { return &T{1} }\n\n\
                func two() *T { return &T{2} }\n\nvar _, _ = one, two\n";
    let folder = module(&[("backend/a.go", text), ("backend/go.mod", "module app.test/b\n")]);
    let dir = folder.path();
    let made = Command::new("git").current_dir(dir).args(["init", "--quiet", "."]).status();
    assert!(made.unwrap().success());
    let toolchain = toolchain("1.27");
    let inside = dir.join("backend");
    for (from, more) in [(dir, &["-C", "backend"][..]), (&inside, &[])] {
        let run = |last: &[&str]| {
            let arguments = [more, &["--fail-on", "any", "--format"], last].concat();
            let output = tophash(&toolchain, from, &arguments);
            assert_eq!(output.status.code(), Some(1));
            String::from_utf8(output.stdout).unwrap()
        };
        let github = run(&["github"]);
        assert_eq!(github.matches("::warning file=backend/a.go,line=").count(), 2, "{github}");
        let github = run(&["github", "--top", "1"]);
        let last = github.lines().last().unwrap();
        assert_eq!(last, "::notice title=escape::1 more place goes to the heap: --top 0 names all");
        let sarif: Value = serde_json::from_str(&run(&["sarif"])).unwrap();
        let results = sarif["runs"][0]["results"].as_array().unwrap();
        assert_eq!(results.len(), 2);
        for (result, function) in results.iter().zip(["one", "two"]) {
            let place = &result["locations"][0]["physicalLocation"]["artifactLocation"];
            assert_eq!(place["uri"], "backend/a.go");
            let name = format!("app.test/b|{function}|object|&T{{...}}");
            assert_eq!(result["partialFingerprints"]["escape/v2"], name);
        }
    }
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
        // Instances of generic code stand where the generic code does, in the library.
        let is_elsewhere = uri.contains("/src/") && uri.ends_with(".go");
        let name = uri.rsplit('/').next().unwrap();
        assert!(is_elsewhere || ["reasons.go", "folklore.go"].contains(&name), "{uri}");
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
    let lines: Vec<_> = github.lines().collect();
    let (last, shown) = lines.split_last().unwrap();
    assert!(shown.iter().all(|line| line.starts_with("::notice file=")), "{github}");
    assert!(last.contains("more places go to the heap"), "{github}");
}
