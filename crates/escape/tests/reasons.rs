//! The fixture has one function for each reason; the compilers of all releases are asked about it.
//!
//! A line's comment says what must be found on it: `want REASON`, with `before 1.25` or `from 1.25`
//! where releases differ, or `stack`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tophash_escape::{Context, Counts, Reason, Report, Site, SiteKind};
use xtask::modules::Module;
use xtask::toolchain::{self, Release};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/escape")
        .canonicalize()
        .expect("it is there")
}

struct Sources(PathBuf);

impl Context for Sources {
    fn source(&self, file: &str) -> Option<Arc<str>> {
        std::fs::read_to_string(self.0.join(file)).ok().map(Arc::from)
    }

    fn is_package(&self, _: &str, name: &str) -> bool {
        ["fmt", "io", "keeper", "strings", "sync"].contains(&name)
    }
}

fn compiled(release: &Release, dir: &Path, package: &str) -> String {
    compiled_with(release, dir, package, "")
}

fn compiled_with(release: &Release, dir: &Path, package: &str, flags: &str) -> String {
    let toolchain = toolchain::ensure(release.version).expect("a toolchain");
    let mut command = toolchain.go(dir, "");
    command.env("GOFLAGS", flags);
    command.args(["list", "-export", "-gcflags=-m=2", "-f", "{{.Name}}", package]);
    let output = command.output().expect("go runs");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn minor(release: &Release) -> u32 {
    minor_of(release.language())
}

fn minor_of(language: &str) -> u32 {
    language.strip_prefix("1.").and_then(|minor| minor.parse().ok()).expect("a release")
}

/// What the comment at the end of a line wants of a release.
fn wanted(comment: &str, minor: u32) -> Option<&str> {
    let mut words = comment.split_whitespace();
    match words.next()? {
        "stack" => return Some("stack"),
        "want" => {}
        _ => return None,
    }
    let reason = words.next()?;
    match (words.next(), words.next()) {
        (Some("before"), Some(release)) if minor >= minor_of(release) => Some("stack"),
        (Some("from"), Some(release)) if minor < minor_of(release) => Some("stack"),
        _ => Some(reason),
    }
}

fn named(site: &Site) -> &'static str {
    if site.escapes { site.reason.name() } else { "stack" }
}

#[test]
fn every_reason_is_found_on_every_release() {
    let dir = fixture();
    for release in Release::tested() {
        let text = compiled(&release, &dir, "./...");
        let report = tophash_escape::read(&text, &Sources(dir.clone()));
        assert_eq!(report.other_lines, 0, "{}: {:?}", release.version, report.other);
        let mut found: BTreeMap<(String, u32), Vec<&'static str>> = BTreeMap::new();
        for (_, site) in report.sites() {
            let file = site.at.file.trim_start_matches("./").to_owned();
            found.entry((file, site.at.line)).or_default().push(named(site));
        }
        let mut faults = Vec::new();
        for file in ["reasons.go", "folklore.go", "keeper/keeper.go"] {
            let source = std::fs::read_to_string(dir.join(file)).unwrap();
            for (index, line) in source.lines().enumerate() {
                let number = u32::try_from(index + 1).unwrap();
                let got = found.remove(&(file.to_owned(), number)).unwrap_or_default();
                let want = line.split_once("// ").and_then(|(_, comment)| {
                    line.starts_with(['\t', '}']).then(|| wanted(comment, minor(&release)))?
                });
                match want {
                    None if got.is_empty() || got.iter().all(|&got| got == "stack") => {}
                    Some("stack") if got.iter().all(|&got| got == "stack") => {}
                    Some(want) if got.contains(&want) => {}
                    _ => faults.push(format!("{file}:{number}: {got:?} for {}", line.trim())),
                }
            }
        }
        assert!(faults.is_empty(), "Go {}\n{}", release.version, faults.join("\n"));
    }
}

/// Counted by looking for words, not by the parser.
fn check_counts(text: &str, report: &Report, name: &str) {
    let count = |is: &dyn Fn(&str) -> bool| text.lines().filter(|line| is(line)).count() as u64;
    let sum = |of: fn(&Counts) -> u64| {
        report.packages.iter().map(|package| of(&package.counts)).sum::<u64>()
    };
    let ends = |text: &'static str| move |line: &str| line.ends_with(text);
    assert_eq!(sum(|c| c.escapes), count(&ends(" escapes to heap")), "{name}");
    assert_eq!(sum(|c| c.stays), count(&ends(" does not escape")), "{name}");
    assert_eq!(sum(|c| c.moved), count(&|line| line.contains(": moved to heap: ")), "{name}");
    let explains = |line: &str| line.contains(" escapes to heap") && line.ends_with(':');
    assert_eq!(sum(|c| c.explanations), count(&explains), "{name}");
    let leaks = |line: &str| line.contains(": parameter ") && line.ends_with(':');
    assert_eq!(sum(|c| c.leaks), count(&leaks), "{name}");
    let functions =
        |line: &str| line.contains(": can inline ") || line.contains(": cannot inline ");
    assert_eq!(sum(|c| c.functions), count(&functions), "{name}");
    // Verdicts in the sites are those of the lines, each as often as it was said.
    let times: u64 = report.escaping().map(|(_, site)| u64::from(site.times)).sum();
    assert_eq!(times, sum(|c| c.escapes) + sum(|c| c.moved), "{name}");
    assert_eq!(unexplained(report), Vec::<String>::new(), "{name}");
}

/// A place, what stands there, and the verdict: of the compiler's lines, and of what was read. Of a name by
/// itself that stays, the lines don't tell whether it is a parameter, which is no site; these are counted
/// only.
type Verdicts = BTreeMap<(String, u32, u32, String, &'static str), u64>;

/// The compiler's own lines, taken apart at their ends alone.
fn verdicts_of_lines(text: &str) -> Verdicts {
    let mut found = Verdicts::new();
    for line in text.lines() {
        let verdict = |ending: &str| line.strip_suffix(ending);
        let (rest, what) = if let Some(rest) = verdict(" escapes to heap") {
            (rest, "escapes")
        } else if let Some(rest) = verdict(" does not escape") {
            (rest, "stays")
        } else if line.contains(": moved to heap: ") {
            (line, "moved")
        } else {
            continue;
        };
        let (place, expression) = rest.split_once(": ").expect("a place");
        let expression = expression.strip_prefix("moved to heap: ").unwrap_or(expression);
        let mut parts = place.rsplitn(3, ':');
        let column = parts.next().and_then(|text| text.parse().ok()).expect("a column");
        // Generated code of old releases has no column.
        let (file, line, column) = match (parts.next(), parts.next()) {
            (Some(line), Some(file)) => (file, line.parse().expect("a line"), column),
            (Some(file), None) => (file, column, 0),
            _ => panic!("{line}"),
        };
        if what == "stays" && is_name(expression) {
            continue;
        }
        let expression = without_appended(expression).to_owned();
        let key = (file.to_owned(), line, column, expression, what);
        *found.entry(key).or_default() += 1;
    }
    found
}

/// Verdicts name `append` alone, and explanations, of which the words are kept, its arguments, too.
fn without_appended(expression: &str) -> &str {
    if expression.starts_with("append(") { "append" } else { expression }
}

fn is_name(expression: &str) -> bool {
    expression.chars().all(|letter| letter.is_alphanumeric() || letter == '_')
}

fn verdicts_read(report: &Report) -> Verdicts {
    let mut found = Verdicts::new();
    for (_, site) in report.sites() {
        let what = match (site.escapes, site.kind) {
            (true, SiteKind::Variable) => "moved",
            (true, _) => "escapes",
            (false, _) => "stays",
        };
        if what == "stays" && is_name(&site.expression) {
            continue;
        }
        let at = &site.at;
        let expression = without_appended(&site.expression).to_owned();
        let key = (at.file.to_string(), at.line, at.column, expression, what);
        *found.entry(key).or_default() += u64::from(site.times);
    }
    found
}

fn check_sites(text: &str, report: &Report, name: &str) {
    let (lines, mut read) = (verdicts_of_lines(text), verdicts_read(report));
    let mut faults = Vec::new();
    for (verdict, times) in &lines {
        let found = read.remove(verdict);
        if found != Some(*times) {
            faults.push(format!("{verdict:?}: said {times} times, read {found:?}"));
        }
    }
    faults.extend(read.keys().map(|verdict| format!("{verdict:?}: read and not said")));
    let all = lines.len();
    assert!(
        faults.is_empty(),
        "{name}: {} of {all}: {:#?}",
        faults.len(),
        &faults[..faults.len().min(20)]
    );
    assert!(all > 50, "{name}: {all}");
}

/// In a wide run: a server and a library of others, on every release.
#[test]
fn sites_and_verdicts_of_real_modules_are_the_compilers_own() {
    if !toolchain::is_wide() {
        return;
    }
    for module in Module::ALL {
        let dir = module.folder().expect("the module can be fetched");
        for release in Release::tested() {
            let packages = format!("{}/...", module.path);
            let text = compiled_with(&release, &dir, &packages, "-mod=mod");
            let report = tophash_escape::read(&text, &Sources(dir.clone()));
            let name = format!("{} on {}", module.path, release.version);
            check_sites(&text, &report, &name);
            check_counts(&text, &report, &name);
        }
    }
}

#[test]
fn counts_are_those_of_the_compilers_lines() {
    let dir = fixture();
    for release in Release::tested() {
        for package in ["./...", "net/http"] {
            if package == "net/http" && !toolchain::is_wide() && minor(&release) != 27 {
                continue;
            }
            let text = compiled(&release, &dir, package);
            let report = tophash_escape::read(&text, &Sources(dir.clone()));
            let name = format!("{package} on {}", release.version);
            check_sites(&text, &report, &name);
            check_counts(&text, &report, &name);
        }
    }
}

/// For modules that lie on this machine: `TOPHASH_ESCAPE_TEXTS` names files that
/// `go list -export -gcflags=-m=2 ./... 2>FILE` wrote, separated by colons.
#[test]
fn counts_are_those_of_texts_that_are_named() {
    let files = std::env::var("TOPHASH_ESCAPE_TEXTS").unwrap_or_default();
    for file in files.split(':').filter(|file| !file.is_empty()) {
        let text = std::fs::read_to_string(file).unwrap();
        let report = tophash_escape::read(&text, &Sources(fixture()));
        check_counts(&text, &report, file);
        let sites = report.escaping().count();
        let unknown = report.escaping().filter(|(_, site)| site.reason == Reason::Unexplained);
        println!("{file}: {sites} sites, {} without a reason", unknown.count());
    }
}

/// Sites without any explanation. Go 1.19 to 1.24 say nothing of generated code's.
fn unexplained(report: &Report) -> Vec<String> {
    report
        .escaping()
        .filter(|(_, site)| site.flows.is_empty() && !site.at.is_made_up())
        .map(|(_, site)| format!("{}: {}", site.at, site.expression))
        .collect()
}

#[test]
fn maps_and_what_they_hold_are_known() {
    let dir = fixture();
    for release in Release::tested() {
        let text = compiled(&release, &dir, ".");
        let report = tophash_escape::read(&text, &Sources(dir.clone()));
        let of = |function: &str| {
            let found = report.escaping().find(|(_, site)| &*site.function == function);
            found.unwrap_or_else(|| panic!("{function} on {}", release.version)).1
        };
        let role = |function: &str| of(function).map.map(|role| role.name());
        assert_eq!(role("returnedMap"), Some("map"));
        assert_eq!(of("literalMap").kind, SiteKind::MapLiteral);
        assert_eq!(of("madeByName").kind, SiteKind::MakeMap);
        assert_eq!(of("literalByName").kind, SiteKind::MapLiteral);
        assert_eq!(role("storedInMap"), Some("elem"));
        assert_eq!(role("keyOfMap"), Some("key"));
        assert_eq!(role("boxedKey"), Some("boxed-key"));
        assert_eq!(role("boxedElem"), Some("boxed-elem"));
        assert_eq!(role("inLiteralMap"), Some("elem"));
        assert_eq!(role("sent"), None);
        assert_eq!(of("toInterfaceMethod").callee.as_deref(), Some("w.Write"));
        assert_eq!(of("leakedByCallee").callee.as_deref(), Some("leakedByPackage"));
        assert_eq!(of("boxed").callee.as_deref(), Some("fmt.Sprint"));
    }
}
