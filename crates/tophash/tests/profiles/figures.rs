//! Every view, filter and comparison, held against pprof's character by character.

use std::fs;
use std::path::Path;

use xtask::fixture::{self, Fixture, Symbols};
use xtask::programs::Program;
use xtask::toolchain::{self, Release};

use crate::oracle::{Written, check, made, text, tophash, written};

/// The views of one profile.
fn check_views(file: &str) {
    check(&["-top", file], &[file]);
    check(&["-top", "-cum", file], &[file, "--cum"]);
    check(&["-top", "-nodecount=5", file], &[file, "--top", "5"]);
    check(&["-top", "-nodefraction=0", "-edgefraction=0", file], &[file, "--top", "0"]);
    check(&["-tree", file], &[file, "--tree"]);
    check(&["-tree", "-cum", "-nodecount=9", file], &[file, "--tree", "--cum", "--top", "9"]);
    check(&["-peek", "main|go", file], &[file, "--peek", "main|go"]);
}

/// Lines of source: of the fixture, and of functions whose source isn't there.
fn check_lists(file: &str) {
    // pprof cuts a path behind the name of the folder in which it looks, so that one has a name of
    // its own.
    let source = tempfile::tempdir().unwrap();
    let module = source.path().join("tophash.example/profiles");
    fs::create_dir_all(&module).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/profiles/main.go");
    fs::copy(fixture, module.join("main.go")).unwrap();
    let source = source.path();
    let theirs = format!("-source_path={}", text(source));
    check(
        &["-list", "^main\\.", &theirs, file],
        &[file, "--list", "^main\\.", "--source", text(source)],
    );
}

fn check_filters(file: &str) {
    for (option, value) in [
        ("focus", "fill"),
        ("focus", "proc.go"),
        ("focus", "nothing"),
        ("ignore", "fill"),
        ("ignore", "."),
        ("hide", "fill|Sprint"),
        ("hide", "main.go"),
        ("show", "^main"),
        ("show", "add|runtime"),
        ("show_from", "main.load"),
        ("show_from", "add"),
    ] {
        let (theirs, ours) = (format!("-{option}={value}"), option.replace('_', "-"));
        let ours = format!("--{ours}={value}");
        if (option, value) == ("focus", "nothing") || (option, value) == ("ignore", ".") {
            // Nothing is left: pprof shows an empty table, and so do we.
            check(&["-top", &theirs, file], &[file, &ours]);
        } else {
            check(&["-tree", &theirs, file], &[file, &ours, "--tree"]);
        }
    }
    let all = ["-focus=main", "-ignore=churn", "-hide=Sprint", "-show_from=load", "-tagfocus=:4kb"];
    let ours =
        ["--focus=main", "--ignore=churn", "--hide=Sprint", "--show-from=load", "--tag-focus=:4kb"];
    check(&[&["-tree"], &all[..], &[file]].concat(), &[&[file, "--tree"], &ours[..]].concat());
}

fn check_tags(file: &str, tags: &[&str]) {
    for tag in tags {
        for option in ["focus", "ignore"] {
            let (theirs, ours) = (format!("-tag{option}={tag}"), format!("--tag-{option}={tag}"));
            check(&["-top", &theirs, file], &[file, &ours]);
        }
    }
}

fn check_comparisons(before: &str, after: &str) {
    for ty in ["inuse_space", "inuse_objects", "alloc_space", "alloc_objects"] {
        let index = format!("-sample_index={ty}");
        check(&["-top", &index, after], &[after, "--sample-type", ty]);
        for (theirs, ours) in [("-base", "--base"), ("-diff_base", "--diff-base")] {
            check(
                &["-top", &index, theirs, before, after],
                &[after, ours, before, "--sample-type", ty],
            );
            check(
                &["-tree", &index, theirs, before, after],
                &[after, ours, before, "--sample-type", ty, "--tree"],
            );
            check(
                &["-peek=load", &index, theirs, before, after],
                &[after, ours, before, "--sample-type", ty, "--peek=load"],
            );
        }
    }
    for (theirs, ours) in [("-base", "--base"), ("-diff_base", "--diff-base")] {
        // Backwards: nearly all of it is less.
        check(&["-top", theirs, after, before], &[before, ours, after]);
        check(
            &["-top", "-focus=fill", theirs, before, after],
            &[after, ours, before, "--focus=fill"],
        );
    }
    check(&["-top", before, after], &[before, after]);
    check(&["-top", before, after, before], &[before, after, before]);
}

fn check_program(written: &Written) {
    for (_, file) in written.files() {
        check_views(&file);
        check_lists(&file);
    }
    let [heap, later, cpu] = ["heap", "heap-later", "cpu"].map(|kind| written.file(kind));
    check_filters(&heap);
    check_tags(&heap, &["100b:1kb", ":512", "1kb:", "bytes=96b:128b", "bytes=48", "x=1:2"]);
    check_tags(&cpu, &["login", "request=login,logout", "login,out", "request=log", "nothing"]);
    check_comparisons(&heap, &later);
}

#[test]
fn figures_are_those_of_pprof_for_programs_of_every_release() {
    for release in Release::tested() {
        check_program(&written(release.version, ""));
    }
}

/// Go 1.27 finds leaked goroutines by itself, 1.26 when it is built to.
#[test]
fn leaked_goroutines_are_counted_as_pprof_counts_them() {
    let mut written = vec![written("1.27", "")];
    if toolchain::is_wide() {
        written.push(crate::oracle::written("1.26", "goroutineleakprofile"));
    }
    for written in written {
        let file = written.file("goroutineleak");
        check_views(&file);
        let report = tophash(&[&file, "--format", "json"]);
        let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
        assert_eq!(report["sample_type"], "goroutineleak");
        // Seven that leak() started, and forty without anything to wait for.
        assert_eq!(report["total"], 47, "{report}");
        check_lists(&file);
    }
}

#[test]
fn figures_are_those_of_pprof_for_made_up_profiles() {
    let folder = tempfile::tempdir().unwrap();
    let sizes: &[usize] = match toolchain::is_wide() {
        // `cargo xtask bench-profiles` compares two million: pprof takes minutes and 8 GB for it.
        true => &[20_000, 200_000],
        false => &[20_000],
    };
    for &samples in sizes {
        let [before, after] = ["before", "after"].map(|name| folder.path().join(name));
        made(samples, 1, &before);
        made(samples, 2, &after);
        let (before, after) = (text(&before), text(&after));
        check(&["-top", before], &[before]);
        check(&["-top", "-diff_base", before, after], &[after, "--diff-base", before]);
        check(&["-top", "-base", before, after], &[after, "--base", before]);
        check(&["-tree", "-cum", before], &[before, "--tree", "--cum"]);
        check(&["-top", "-focus=pkg7", before], &[before, "--focus=pkg7"]);
        check(&["-top", "-tagfocus=1kb:", before], &[before, "--tag-focus=1kb:"]);
        check(&["-peek=Method77$", before], &[before, "--peek=Method77$"]);
    }
}

/// Its own heap, and what its distributor's build of Go wrote.
#[test]
fn if_wide_figures_are_those_of_pprof_for_programs_of_others() {
    if !toolchain::is_wide() {
        eprintln!("NOT RUN, as TOPHASH_WIDE is not set");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let started = Program::Prometheus.start().unwrap();
    let mut kept = Vec::new();
    for name in ["heap", "heap?gc=1", "allocs", "goroutine", "block", "mutex", "profile?seconds=2"]
    {
        let url = format!("http://127.0.0.1:{}/debug/pprof/{name}", started.port());
        let file = folder.path().join(format!("{}.pb.gz", kept.len()));
        let done = tophash(&[&url, "--proto", text(&file)]);
        assert!(done.status.success(), "{name}: {}", crate::oracle::told(&done));
        check_views(text(&file));
        kept.push(file);
    }
    check_comparisons(text(&kept[0]), text(&kept[1]));
    check_filters(text(&kept[0]));
    check_tags(text(&kept[0]), &["1kb:64kb", ":512"]);
}

/// Profiles of programs without symbols have all names: the runtime looks them up.
#[test]
fn a_stripped_program_has_the_same_names() {
    let program = fixture::build("1.27", Fixture::Profiles, Symbols::Stripped).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let status = std::process::Command::new(program).arg("real").arg(folder.path()).status();
    assert!(status.unwrap().success());
    let heap = folder.path().join("heap.pb.gz");
    check_views(text(&heap));
    check_lists(text(&heap));
}
