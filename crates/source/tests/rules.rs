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
    assert_eq!(folders.len(), 7);
    for folder in folders {
        assert!(!shown(&folder.join("before.go")).is_empty(), "{}", folder.display());
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
