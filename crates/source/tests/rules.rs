//! Each rule on a program that it is for, and on one that looks alike and is in order.

use std::fs;
use std::path::{Path, PathBuf};

use tophash_source::{Config, Finding, Rule, Severity, lint_texts};

/// A release for which every rule applies.
const GO: Option<(u32, u32)> = Some((1, 22));

fn data(of: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(of)
}

/// What is shown by default for a file.
fn shown(path: &Path) -> Vec<Finding> {
    let text = fs::read_to_string(path).expect("the test data is there");
    let report = lint_texts(&[("a.go", &text)], GO, &Config::default());
    assert!(report.passed_over.is_empty(), "{}: {:?}", path.display(), report.passed_over);
    report.findings.into_iter().filter(|finding| finding.severity >= Severity::Warning).collect()
}

#[test]
fn each_rule_finds_what_it_is_for_and_not_what_looks_alike() {
    for rule in Rule::ALL {
        let folder = data("rules").join(rule.name());
        let bad = shown(&folder.join("bad.go"));
        assert!(bad.iter().any(|finding| finding.rule == rule), "{rule}: {bad:#?}");
        assert!(bad.iter().all(|finding| finding.rule == rule), "{rule}: {bad:#?}");
        let good = shown(&folder.join("good.go"));
        assert!(good.is_empty(), "{rule}: {good:#?}");
    }
}

#[test]
fn leaks_that_were_reported_are_found_before_their_fix_and_not_after() {
    let mut folders: Vec<_> = fs::read_dir(data("leaks"))
        .expect("the test data is there")
        .map(|entry| entry.expect("it can be listed").path())
        .collect();
    folders.sort();
    assert_eq!(folders.len(), 9);
    for folder in folders {
        let is_found = !shown(&folder.join("before.go")).is_empty();
        // There, a delete is in its place, and given a key that is made otherwise than the one stored.
        let is_out_of_reach = folder.ends_with("virtual-kubelet-1045");
        assert_eq!(is_found, !is_out_of_reach, "{}", folder.display());
        let after = shown(&folder.join("after.go"));
        assert!(after.is_empty(), "{}: {after:#?}", folder.display());
    }
}

#[test]
fn a_map_that_remembers_what_was_removed_needs_a_delete_that_nothing_new_brings() {
    let found = shown(&data("remembered/bad.go"));
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(finding.rule, Rule::UnboundedField);
    assert!(finding.message.contains("remembers"), "{finding:#?}");
    assert!(shown(&data("remembered/good.go")).is_empty());
}

#[test]
fn findings_say_where_entries_come_in_and_what_to_change() {
    for rule in Rule::ALL {
        for finding in shown(&data("rules").join(rule.name()).join("bad.go")) {
            assert!(finding.at.line > 1, "{finding:#?}");
            assert!(!finding.fix.is_empty() && !finding.absent.is_empty(), "{finding:#?}");
        }
    }
    let found = shown(&data("rules/unbounded-global/bad.go"));
    let [finding] = found.as_slice() else { panic!("{found:#?}") };
    assert_eq!(finding.severity, Severity::Critical);
    assert_eq!((finding.subject.as_str(), finding.at.line), ("hits", 10));
    assert_eq!(finding.keys, Some("requests or users"));
    assert_eq!(finding.evidence[0].at.line, 17);
    assert_eq!(finding.evidence[0].what, "insert [r.RemoteAddr] in Count");
}

#[test]
fn a_comment_with_a_reason_takes_a_finding_back() {
    let text = fs::read_to_string(data("rules/unbounded-global/bad.go")).expect("it is there");
    let with = |comment: &str| {
        let text = text.replace("\thits =", &format!("\t{comment}\n\thits ="));
        lint_texts(&[("a.go", &text)], GO, &Config::default())
    };
    let taken = with("//tophash:ignore unbounded-global addresses of the lab's ten machines");
    assert!(taken.findings.is_empty());
    assert_eq!(taken.suppressed, 1);
    let unexplained = with("//tophash:ignore unbounded-global");
    assert_eq!(unexplained.findings.len(), 1);
    assert_eq!(unexplained.suppression_faults.len(), 1);
    assert_eq!(with("//tophash:ignore nan-key of another rule").findings.len(), 1);
}

#[test]
fn timers_are_found_before_they_are_collected_only() {
    let text = fs::read_to_string(data("rules/time-after-in-loop/bad.go")).expect("it is there");
    let count = |go| lint_texts(&[("a.go", &text)], go, &Config::default()).findings.len();
    assert_eq!(count(Some((1, 22))), 1);
    assert_eq!(count(Some((1, 23))), 0);
    assert_eq!(count(None), 0);
}

#[test]
fn a_delete_in_another_file_counts_and_one_in_a_test_would_not_be_read() {
    let insert = fs::read_to_string(data("rules/unbounded-global/bad.go")).expect("it is there");
    let delete =
        "//go:build plan9\n\npackage visits\n\nfunc Forget(a string) { delete(hits, a) }\n";
    let files = [("a.go", insert.as_str()), ("b.go", delete)];
    assert!(lint_texts(&files, GO, &Config::default()).findings.is_empty());
    assert_eq!(lint_texts(&files[..1], GO, &Config::default()).findings.len(), 1);
}

#[test]
fn rules_can_be_turned_off_and_made_more_severe() {
    let text = fs::read_to_string(data("rules/nan-key/bad.go")).expect("it is there");
    let with = |setting: &str| {
        let config = format!("[lint.rules]\nnan-key = \"{setting}\"\n");
        let config = Config::parse(&config).expect("it is well formed");
        lint_texts(&[("a.go", &text)], GO, &config).findings
    };
    assert!(with("off").is_empty());
    assert_eq!(with("critical")[0].severity, Severity::Critical);
}

#[test]
fn a_file_that_is_being_edited_is_read_as_far_as_it_is_whole() {
    let text = fs::read_to_string(data("rules/unbounded-global/bad.go")).expect("it is there");
    let broken =
        format!("{text}\nfunc unfinished(a string) {{\n\tif hits[a] >\n}}\n\nfunc last() {{}}\n");
    let lines = u32::try_from(text.lines().count()).expect("it is short");
    let report = lint_texts(&[("a.go", &broken)], GO, &Config::default());
    assert_eq!(report.files, 1);
    let [passed_over] = report.passed_over.as_slice() else { panic!("{report:?}") };
    assert_eq!(passed_over.parts, [(lines + 2, lines + 4)]);
    // Lines and columns are as before. What could not be read might hold what was looked for.
    let [finding] = report.findings.as_slice() else { panic!("{report:?}") };
    assert_eq!((finding.subject.as_str(), finding.at.line, finding.at.column), ("hits", 10, 2));
    assert_eq!(finding.severity, Severity::Info);
    assert!(finding.absent.ends_with("as far as they could be read"), "{finding:?}");
    // Of another map, it says nothing.
    let other = broken.replace("if hits[a] >", "if others[a] >");
    let report = lint_texts(&[("a.go", &other)], GO, &Config::default());
    assert_eq!(report.findings[0].severity, Severity::Critical);
}

/// Every file of the rules' examples, with each of its lines cut off in the middle: what is whole is read.
#[test]
fn a_line_that_is_cut_off_costs_its_own_declaration_at_most() {
    let (mut broken, mut read) = (0, 0);
    for rule in Rule::ALL {
        let path = data("rules").join(rule.name()).join("bad.go");
        let text = fs::read_to_string(path).expect("it is there");
        let lines: Vec<&str> = text.lines().collect();
        for number in 1..lines.len() {
            let half = lines[number].len() / 2;
            let Some(start) = lines[number].get(..half) else { continue };
            let cut = [&lines[..number], &[start], &lines[number + 1..]].concat().join("\n");
            let report = lint_texts(&[("a.go", &cut)], GO, &Config::default());
            if let [passed_over] = report.passed_over.as_slice() {
                broken += 1;
                read += report.files;
                assert_eq!(report.files, usize::from(!passed_over.parts.is_empty()));
            }
        }
    }
    // What is left has a package clause and a declaration, nearly always.
    assert!(broken > 100 && read * 10 >= broken * 9, "{read} of {broken}");
}
