//! Each rule has a page in `docs/lints`, made of its two programs and of what is said of them.
//!
//! With `TOPHASH_UPDATE` set, the pages are written anew.

use std::fs;
use std::path::{Path, PathBuf};

use tophash_source::{Config, Rule, lint_texts};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A rule's page.
fn page(rule: Rule) -> String {
    let folder = root().join("crates/source/tests/data/rules").join(rule.name());
    let read = |name: &str| fs::read_to_string(folder.join(name)).expect("the test data is there");
    let (bad, good) = (read("bad.go"), read("good.go"));
    let report = lint_texts(&[("bad.go", &bad)], Some((1, 22)), &Config::default());
    let mut said = String::new();
    for finding in report.findings.iter().filter(|finding| finding.rule == rule) {
        let at = &finding.at;
        said.push_str(&format!(
            "{}:{}:{}: {} {rule}: {}\n",
            at.path,
            at.line,
            at.column,
            finding.severity.name(),
            finding.message
        ));
        for evidence in &finding.evidence {
            said.push_str(&format!(
                "    {}:{}: {}\n",
                evidence.at.path, evidence.at.line, evidence.what
            ));
        }
        said.push_str(&format!("    {}\n    to change: {}\n", finding.absent, finding.fix));
    }
    assert!(!said.is_empty(), "{rule}");
    let fence = "```";
    format!(
        "# {rule}\n\n{}\n\n## Found\n\n{fence}go\n{bad}{fence}\n\n`tophash lint bad.go` says\n\n\
         {fence}\n{said}{fence}\n\n## In order\n\nLooks alike, and nothing is said of it:\n\n{fence}go\n\
         {good}{fence}\n\n[All rules](../LINTS.md)\n",
        rule.summary()
    )
}

#[test]
fn each_rule_has_a_page_that_is_up_to_date() {
    let folder = root().join("docs/lints");
    let is_update = std::env::var_os("TOPHASH_UPDATE").is_some();
    if is_update {
        fs::create_dir_all(&folder).expect("it can be made");
    }
    let index = fs::read_to_string(root().join("docs/LINTS.md")).expect("it is there");
    for rule in Rule::ALL {
        let (path, page) = (folder.join(format!("{rule}.md")), page(rule));
        if is_update {
            fs::write(&path, &page).expect("it can be written");
        }
        let written = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(written, page, "TOPHASH_UPDATE=1 cargo test -p tophash-source writes it anew");
        assert!(
            index.contains(&format!("[`{rule}`](lints/{rule}.md)")),
            "{rule} is not in the index"
        );
    }
    let pages = fs::read_dir(&folder).expect("it is there").count();
    assert_eq!(pages, Rule::ALL.len());
}
