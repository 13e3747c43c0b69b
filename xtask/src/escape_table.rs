//! The native escape engine beside what Go's own tests expect, as a page: `docs/escape-native.md`.
//!
//! Go's tests are not in the tree. They come from a folder that is named, or from the commit below of Go's
//! repository, whose hash is the checksum. All files that are compared with `-m -l` are taken as they are.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::expectations::{self, Expectations, Score};
use crate::leak_table::example;
use crate::toolchain::{self, Release, run};
use crate::{lock, paths};

/// Go's repository.
const REPOSITORY: &str = "https://github.com/golang/go";
/// The commit whose tests are taken: between 1.25 and 1.26. The releases 1.25 to 1.27 pass all of them.
const COMMIT: &str = "b2960e35804aafbbb0df9973f99b034bea8c150a";
/// The releases that the tests hold for.
const RELEASES: [&str; 3] = ["1.25", "1.26", "1.27"];
const PAGE: &str = "docs/escape-native.md";

/// How the page is made.
#[derive(Debug, Args)]
pub struct EscapeTableOptions {
    /// A folder with Go's tests, such as a GOROOT's `test`. Otherwise they are fetched, once.
    #[arg(long)]
    tests: Option<PathBuf>,
    /// The repository that they are fetched from.
    #[arg(long, default_value = REPOSITORY)]
    from: String,
    /// Print the table, and leave the page as it is.
    #[arg(long)]
    print: bool,
}

/// What is missing where a file is not matched in full.
const MISSING: &[(&str, &str)] = &[(
    "uintptrescapes2.go",
    "what is live at calls (`-live`), which is register allocation's and no part of escape analysis",
)];

/// A file of the tests.
struct TestFile {
    name: String,
    path: PathBuf,
    has_mutations: bool,
    has_flows: bool,
    expectations: Expectations,
}

/// Compares the engine with Go's tests and writes the page.
///
/// # Errors
///
/// When the tests can't be had, or the engine can't be run.
pub fn write(options: &EscapeTableOptions) -> Result<()> {
    let folder = match &options.tests {
        Some(folder) => folder.clone(),
        None => fetched(&options.from)?,
    };
    let files = files(&folder)?;
    ensure!(!files.is_empty(), "{} has no test that asks for -m -l", folder.display());
    let program = example("verdicts")?;
    let mut columns = Vec::new();
    for name in RELEASES {
        let release = Release::named(name)?;
        let toolchain = toolchain::ensure(release.version)?;
        let mut column = Vec::new();
        for file in &files {
            column.push(score(&program, file, release, toolchain.goroot())?);
        }
        columns.push(column);
    }
    let table = table(&files, &columns);
    if options.print {
        print!("{table}");
        return Ok(());
    }
    let page = paths::workspace().join(PAGE);
    let text = fs::read_to_string(&page).unwrap_or_default();
    let head = text.split_once(MARK).map_or(text.as_str(), |(head, _)| head);
    fs::write(&page, format!("{head}{MARK}\n\n{table}"))?;
    Ok(())
}

/// What comes after this is written by the command.
const MARK: &str = "<!-- From here on written by `cargo xtask escape-table`. -->";

/// The tests of the commit, fetched first if they are not there.
fn fetched(from: &str) -> Result<PathBuf> {
    let root = toolchain::root();
    fs::create_dir_all(&root)?;
    let target = root.join(format!("go-tests-{}", &COMMIT[..12]));
    let _held = lock::hold(&root.join(".lock-go-tests"))?;
    if !target.join("test").is_dir() {
        eprintln!("fetching Go's tests");
        let work = tempfile::Builder::new().prefix(".fetching-").tempdir_in(&root)?;
        let git = |arguments: &[&str]| {
            run(Command::new("git").arg("-C").arg(work.path()).args(arguments))
        };
        git(&["init", "--quiet"])?;
        git(&["fetch", "--quiet", "--depth=1", from, COMMIT])?;
        git(&["checkout", "--quiet", COMMIT, "--", "test"])?;
        fs::rename(work.keep(), &target)?;
    }
    Ok(target.join("test"))
}

fn files(folder: &Path) -> Result<Vec<TestFile>> {
    let mut files = Vec::new();
    for part in ["", "fixedbugs"] {
        let dir = folder.join(part);
        let entries =
            fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_none_or(|extension| extension != "go") {
                continue;
            }
            // Some tests are no UTF-8, on purpose.
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let Some(flags) = expectations::flags(&text) else { continue };
            let says_much = flags.iter().any(|flag| matches!(*flag, "-m" | "-m=2"));
            if !says_much || !flags.contains(&"-l") {
                continue;
            }
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            files.push(TestFile {
                name: Path::new(part).join(name).display().to_string(),
                has_mutations: flags.iter().any(|flag| flag.contains("escapemutationscalls")),
                has_flows: flags.contains(&"-m=2"),
                expectations: Expectations::read(&text)?,
                path,
            });
        }
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(files)
}

fn score(program: &Path, file: &TestFile, release: Release, goroot: &Path) -> Result<Score> {
    let mut command = Command::new(program);
    command.args(["--go", release.language(), "--goroot"]).arg(goroot);
    if file.has_mutations {
        command.arg("--mutations");
    }
    if file.has_flows {
        command.arg("--flows");
    }
    let output = command.arg(&file.path).output().context("cannot run the engine")?;
    ensure!(output.status.success(), "{}: {}", file.name, String::from_utf8_lossy(&output.stderr));
    let messages: Vec<_> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| {
            let mut parts = line.splitn(4, ':');
            let (_, row, _) = (parts.next()?, parts.next()?.parse().ok()?, parts.next()?);
            Some((row, parts.next()?.trim_start().to_owned()))
        })
        .collect();
    Ok(file.expectations.score(&messages))
}

fn table(files: &[TestFile], columns: &[Vec<Score>]) -> String {
    let mut out = String::new();
    let totals: Vec<_> = columns
        .iter()
        .map(|column| {
            let mut total = Score::default();
            column.iter().for_each(|score| total.add(*score));
            (column.iter().filter(|score| score.is_whole()).count(), total)
        })
        .collect();
    let titles = [
        "release",
        "files matched in full",
        "lines matched in full",
        "expectations matched",
        "messages too many",
    ];
    let _ = writeln!(out, "| {} |", titles.join(" | "));
    let _ = writeln!(out, "| --- | ---: | ---: | ---: | ---: |");
    for (name, (whole, total)) in RELEASES.iter().zip(&totals) {
        let share = 100.0 * total.matched as f64 / total.expected.max(1) as f64;
        let _ = writeln!(
            out,
            "| {name} | {whole} of {} | {} of {} | {} of {} ({share:.1} %) | {} |",
            files.len(),
            total.whole_lines,
            total.lines,
            total.matched,
            total.expected,
            total.surplus
        );
    }
    let _ = writeln!(out, "\n| file | {} | what is missing |", RELEASES.join(" | "));
    let _ = writeln!(out, "| --- | {}--- |", "---: | ".repeat(RELEASES.len()));
    for (index, file) in files.iter().enumerate() {
        let scores: Vec<_> = columns.iter().filter_map(|column| column.get(index)).collect();
        let cells: Vec<_> = scores.iter().map(|score| cell(score)).collect();
        let is_whole = scores.iter().all(|score| score.is_whole());
        let missing = MISSING.iter().find(|(name, _)| *name == file.name);
        let missing = missing.map_or("", |(_, what)| if is_whole { "" } else { *what });
        let _ = writeln!(out, "| `{}` | {} | {missing} |", file.name, cells.join(" | "));
    }
    out
}

fn cell(score: &Score) -> String {
    match (score.is_whole(), score.surplus) {
        (true, _) => format!("**{}**", score.matched),
        (false, 0) => format!("{}/{}", score.matched, score.expected),
        (false, surplus) => format!("{}/{} +{surplus}", score.matched, score.expected),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_matched_in_full_stands_out() {
        let whole = Score { matched: 3, expected: 3, ..Score::default() };
        assert_eq!(cell(&whole), "**3**");
        assert_eq!(cell(&Score { matched: 2, ..whole }), "2/3");
        assert_eq!(cell(&Score { surplus: 1, ..whole }), "3/3 +1");
    }

    #[test]
    fn tests_hold_for_releases_whose_rules_are_known() {
        for name in RELEASES {
            assert!(crate::leak_table::releases().any(|release| release.language() == name));
        }
    }
}
