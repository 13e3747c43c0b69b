//! What is found does not depend on how a path is typed, and of one file it is found with all of its package.

use std::fs;
use std::path::{Path, PathBuf};

use tophash_source::{Config, Finding, LintReport, lint};

const INSERTS: &str = "package web\n\nimport (\n\t\"net/http\"\n\t\"sync\"\n)\n\n\
    var (\n\tmu   sync.Mutex\n\tseen = map[string]int{}\n)\n\n\
    func serve(w http.ResponseWriter, r *http.Request) {\n\
    \tmu.Lock()\n\tdefer mu.Unlock()\n\tseen[r.RemoteAddr]++\n}\n";

const DELETES: &str = "package web\n\nfunc forget(address string) { delete(seen, address) }\n";

const OTHER: &str = "package web\n\nimport \"net/http\"\n\nvar hits = map[string]int{}\n\n\
    func count(r *http.Request) {\n\tmu.Lock()\n\tdefer mu.Unlock()\n\thits[r.RemoteAddr]++\n}\n";

/// A module with these files in its package `web`.
fn module(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("web")).expect("a folder");
    fs::write(dir.path().join("go.mod"), "module example.org/app\n\ngo 1.22\n").expect("a file");
    for (name, text) in files {
        fs::write(dir.path().join("web").join(name), text).expect("a file");
    }
    dir
}

fn found(dir: &Path, paths: &[&str]) -> LintReport {
    let paths: Vec<PathBuf> = paths.iter().map(|path| dir.join(path)).collect();
    lint(&paths, &Config::default())
}

fn subjects(report: &LintReport) -> Vec<&str> {
    report.findings.iter().map(|finding| finding.subject.as_str()).collect()
}

#[test]
fn of_a_named_file_the_rest_of_the_package_is_read() {
    let dir = module(&[("a.go", INSERTS), ("b.go", DELETES)]);
    for paths in [&["web/a.go"][..], &["web/a.go", "web/b.go"], &["web"]] {
        let report = found(dir.path(), paths);
        assert!(report.findings.is_empty(), "{paths:?}: {report:#?}");
        assert_eq!((report.packages, report.files), (1, 2), "{paths:?}");
    }
}

#[test]
fn what_is_about_other_files_than_the_named_is_left_out() {
    let dir = module(&[("a.go", INSERTS), ("b.go", OTHER)]);
    assert_eq!(subjects(&found(dir.path(), &["web/a.go"])), ["seen"]);
    assert_eq!(subjects(&found(dir.path(), &["web/b.go"])), ["hits"]);
    // A map of another file, into which the named one puts entries.
    let (declares, rest) = INSERTS.split_at(INSERTS.find("func").expect("it is there"));
    let declares = declares.replace("\t\"net/http\"\n", "");
    let inserts = format!("package web\n\nimport \"net/http\"\n\n{rest}");
    let dir = module(&[("a.go", &inserts), ("b.go", &declares)]);
    assert_eq!(subjects(&found(dir.path(), &["web/a.go"])), ["seen"]);
}

#[test]
fn nothing_is_found_twice_and_findings_are_known_by_the_same_name() {
    let dir = module(&[("a.go", INSERTS), ("b.go", OTHER)]);
    let identities = |paths: &[&str]| {
        let mut names: Vec<_> =
            found(dir.path(), paths).findings.iter().map(Finding::identity).collect();
        names.sort();
        names
    };
    let known = identities(&["web"]);
    assert_eq!(
        known,
        [
            "unbounded-global example.org/app/web/a.go seen",
            "unbounded-global example.org/app/web/b.go hits"
        ]
    );
    for paths in
        [&["."][..], &["web", "web/a.go"], &["web/../web/b.go", "./web/..."], &[".", "web"]]
    {
        assert_eq!(identities(paths), known, "{paths:?}");
    }
}
