//! What tophash writes, read again by pprof and by itself: nothing is lost, and what is added up,
//! taken away or filtered is what pprof makes of it.

use std::fs;

use tophash_profile::Profile;
use xtask::toolchain::Release;

use crate::oracle::{Written, pprof, printed, raw_of_ours, same, text, tophash, written};

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

/// pprof must read in ours what it makes of the same by itself.
fn check_raw(written: &Written, theirs: &[&str], ours: &[&str]) {
    let expected = printed(&pprof(&[&["-raw"], theirs].concat()));
    assert!(expected.len() > 100, "{expected}");
    let found = raw_of_ours(ours, written.dir());
    same(&lines(&expected), &lines(&found), &format!("{ours:?}"));
}

#[test]
fn what_is_written_is_what_was_read() {
    for release in Release::tested() {
        let written = written(release.version, "");
        let again = written.dir().join("again.pb.gz");
        for (kind, file) in written.files() {
            check_raw(&written, &[&file], &[&file]);
            printed(&tophash(&[&file, "--proto", text(&again)]));
            let plain = |file: &str| {
                let mut out = Vec::new();
                let profile = Profile::parse(&fs::read(file).unwrap()).unwrap();
                profile.write_plain(&mut out).unwrap();
                out
            };
            assert_eq!(plain(&file), plain(text(&again)), "{kind}");
        }
    }
}

#[test]
fn what_is_joined_and_filtered_is_what_pprof_makes_of_it() {
    let written = written("1.27", "");
    let [heap, later, cpu] = ["heap", "heap-later", "cpu"].map(|kind| written.file(kind));
    let (heap, later, cpu) = (heap.as_str(), later.as_str(), cpu.as_str());
    check_raw(&written, &[heap, later], &[heap, later]);
    check_raw(&written, &["-base", heap, later], &[later, "--base", heap]);
    check_raw(&written, &["-diff_base", heap, later], &[later, "--diff-base", heap]);
    check_raw(&written, &["-diff_base", later, heap], &[heap, "--diff-base", later]);
    for (theirs, ours) in [
        ("-focus=fill", "--focus=fill"),
        ("-ignore=fill", "--ignore=fill"),
        ("-hide=Sprint", "--hide=Sprint"),
        ("-show=main", "--show=main"),
        ("-show_from=load", "--show-from=load"),
        ("-tagfocus=:512", "--tag-focus=:512"),
        ("-tagignore=1kb:", "--tag-ignore=1kb:"),
    ] {
        // -raw is what is before any filter; -proto is what is left.
        let file = written.dir().join("theirs.pb.gz");
        let output = format!("-output={}", text(&file));
        printed(&pprof(&["-proto", theirs, &output, heap]));
        check_raw(&written, &[text(&file)], &[heap, ours]);
    }
    let file = written.dir().join("theirs.pb.gz");
    let output = format!("-output={}", text(&file));
    printed(&pprof(&["-proto", "-tagfocus=login", &output, cpu]));
    check_raw(&written, &[text(&file)], &[cpu, "--tag-focus=login"]);
}

#[test]
fn a_difference_that_was_written_shows_the_same_figures() {
    let written = written("1.27", "");
    let [heap, later] = ["heap", "heap-later"].map(|kind| written.file(kind));
    let file = written.dir().join("difference.pb.gz");
    let comparison = [later.as_str(), "--diff-base", &heap];
    printed(&tophash(&[&comparison[..], &["--proto", text(&file)]].concat()));
    for view in ["--tree", "--cum", "--folded"] {
        let direct = printed(&tophash(&[&comparison[..], &[view]].concat()));
        let again = printed(&tophash(&[text(&file), view]));
        let rows = |text: &str| {
            let head = text.lines().position(|line| line.contains("flat%")).unwrap_or(0);
            text.lines().skip(head).map(str::to_owned).collect::<Vec<_>>()
        };
        same(&rows(&direct), &rows(&again), view);
    }
    assert_eq!(
        printed(&pprof(&["-top", text(&file)])).lines().skip(5).collect::<Vec<_>>(),
        printed(&pprof(&["-top", "-diff_base", &heap, &later])).lines().skip(5).collect::<Vec<_>>()
    );
}
