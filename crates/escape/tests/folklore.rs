//! What is told of maps and the heap, each as a function of `fixtures/escape/folklore.go`: the verdict of every
//! release's compiler on it, and the table of them in `docs/escape.md`.
//!
//! With `TOPHASH_UPDATE` set, a wide run writes the table anew.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tophash_escape::Context;
use xtask::toolchain::{self, MATRIX, Release};

/// Where the table is.
const BEGIN: &str = "<!-- the table of folklore: TOPHASH_UPDATE=1 TOPHASH_WIDE=1 cargo test -p tophash-escape -->\n";
const END: &str = "<!-- its end -->\n";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("it is there")
}

/// The text of the samples, which tells maps from slices.
struct Sources;

impl Context for Sources {
    fn source(&self, file: &str) -> Option<Arc<str>> {
        fs::read_to_string(root().join("fixtures/escape").join(file)).ok().map(Arc::from)
    }

    fn is_package(&self, _: &str, name: &str) -> bool {
        ["fmt", "sync"].contains(&name)
    }
}

/// A line of a sample that something is told of.
struct Sample {
    told: String,
    line: u32,
    text: String,
}

/// The samples: a comment that begins with what is told, and the lines below it that have a verdict.
fn samples() -> Vec<Sample> {
    let text = fs::read_to_string(root().join("fixtures/escape/folklore.go")).expect("it is there");
    let (mut told, mut samples) = (String::new(), Vec::new());
    let mut is_telling = false;
    for (index, line) in text.lines().enumerate() {
        match line.strip_prefix("// ") {
            Some(start) if start.starts_with('"') => {
                told = start.to_owned();
                is_telling = true;
            }
            Some(more) if is_telling => {
                told.push(' ');
                told.push_str(more);
            }
            _ => is_telling = false,
        }
        let code = line.trim_start();
        let verdict = code.split_once(" // ").map(|(code, comment)| (code.trim_end(), comment));
        if let Some((code, comment)) = verdict
            && (comment == "stack" || comment.starts_with("want "))
        {
            let line = u32::try_from(index + 1).expect("it is short");
            samples.push(Sample { told: told.clone(), line, text: code.to_owned() });
        }
    }
    samples
}

/// The verdicts of a release by line: the reasons for which something escapes.
fn verdicts(release: &Release) -> BTreeMap<u32, String> {
    let toolchain = toolchain::ensure(release.version).expect("a toolchain");
    let mut command = toolchain.go(&root().join("fixtures/escape"), "");
    command.args(["list", "-export", "-gcflags=-m=2", "-f", "{{.Name}}", "."]);
    let output = command.output().expect("go runs");
    assert!(output.status.success());
    let report = tophash_escape::read(&String::from_utf8_lossy(&output.stderr), &Sources);
    let mut found: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
    for (_, site) in report.escaping().filter(|(_, site)| site.at.base_name() == "folklore.go") {
        found.entry(site.at.line).or_default().push(site.reason.name());
    }
    found
        .into_iter()
        .map(|(line, mut reasons)| {
            reasons.sort_unstable();
            reasons.dedup();
            (line, reasons.join(", "))
        })
        .collect()
}

fn table(samples: &[Sample], of: &BTreeMap<&str, BTreeMap<u32, String>>) -> String {
    let languages: Vec<_> = MATRIX.iter().map(Release::language).collect();
    let mut text = format!("| what is told | line | {} |\n", languages.join(" | "));
    text.push_str(&format!("| --- | --- |{}\n", " --- |".repeat(languages.len())));
    let mut last = "";
    for sample in samples {
        let told = if sample.told == last { "" } else { &sample.told };
        last = &sample.told;
        let cells = languages.iter().map(|language| {
            of.get(language).and_then(|found| found.get(&sample.line)).map_or("stack", |text| text)
        });
        let cells: Vec<_> = cells.collect();
        let code = sample.text.replace('|', "\\|");
        text.push_str(&format!("| {told} | `{code}` | {} |\n", cells.join(" | ")));
    }
    text
}

#[test]
fn the_table_in_the_documentation_is_what_the_compilers_say() {
    let samples = samples();
    assert!(samples.len() >= 30, "{}", samples.len());
    let tested = Release::tested();
    let of: BTreeMap<&str, _> =
        tested.iter().map(|release| (release.language(), verdicts(release))).collect();
    let path = root().join("docs/escape.md");
    let page = fs::read_to_string(&path).expect("it is there");
    let (before, rest) = page.split_once(BEGIN).expect("the table's place");
    let (written, after) = rest.split_once(END).expect("the table's end");
    if toolchain::is_wide() && std::env::var_os("TOPHASH_UPDATE").is_some() {
        let page = format!("{before}{BEGIN}{}{END}{after}", table(&samples, &of));
        fs::write(&path, page).expect("it can be written");
        return;
    }
    // Of releases that are not asked, what is written is taken for true.
    let rows: Vec<Vec<&str>> =
        written.lines().skip(2).map(|row| row.split(" | ").map(str::trim).collect()).collect();
    assert_eq!(rows.len(), samples.len(), "the table is not of these samples");
    for (row, sample) in rows.iter().zip(&samples) {
        let cells = &row[row.len() - MATRIX.len()..];
        for (release, cell) in MATRIX.iter().zip(cells) {
            let Some(found) = of.get(release.language()) else { continue };
            let says = found.get(&sample.line).map_or("stack", String::as_str);
            let cell = cell.trim_end_matches([' ', '|']);
            let name = format!("{} on {}", sample.text, release.version);
            assert_eq!(cell, says, "{name}");
        }
    }
}
