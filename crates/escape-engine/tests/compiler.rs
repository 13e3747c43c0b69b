//! The engine beside real compilers: the same lines, at the same places, for a package of our own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tophash_escape_engine::{GoVersion, Options, Table, analyze};
use tophash_typecheck::{
    BuildContext, Folders, Source, Universe, check, on_deep_stack, parse_folder,
};
use xtask::toolchain::{self, MATRIX, Toolchain};

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources")
}

/// What the compiler prints: `file.go:1:2: text`, once each.
fn compiled(toolchain: &Toolchain) -> BTreeSet<String> {
    let module = tempfile::tempdir().expect("files");
    fs::write(module.path().join("go.mod"), "module sources\n\ngo 1.22\n").expect("files");
    // Functions without a body need an assembler file to be believed.
    fs::write(module.path().join("empty.s"), "").expect("files");
    for entry in fs::read_dir(sources()).expect("files") {
        let path = entry.expect("files").path();
        fs::copy(&path, module.path().join(path.file_name().expect("a name"))).expect("files");
    }
    let mut command = toolchain.go(module.path(), "");
    let output =
        command.args(["list", "-export", "-gcflags=-m -l", "."]).output().expect("go runs");
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    // Of generic functions of other packages, compiled here, it is said where they lie.
    let own = text.lines().filter_map(|line| line.strip_prefix("./"));
    own.map(str::to_owned).collect()
}

fn analyzed(toolchain: &Toolchain, version: GoVersion) -> (BTreeSet<String>, Vec<String>) {
    let goroot = toolchain.goroot().to_owned();
    on_deep_stack(move || {
        let context = BuildContext::linux_amd64(version.minor().into());
        let universe = Universe::new(Box::new(Folders::new(context.clone()).goroot(&goroot)));
        let parsed = parse_folder(&sources(), &context);
        let names: Vec<String> = parsed
            .files
            .iter()
            .map(|file| file.path.rsplit('/').next().unwrap_or_default().to_owned())
            .collect();
        let checked = check(&universe, Source::new("sources", parsed.files).go((1, 22)));
        let table = Table::of(version).expect("built in");
        let bodies = Folders::new(context.clone()).goroot(&goroot);
        let options =
            Options { version, imports: &table, mutations_and_calls: false, bodies: &bodies };
        let analysis = analyze(&universe, &checked, options);
        let lines = analysis.verdicts.iter().map(|verdict| {
            let file = &names[verdict.file];
            format!("{file}:{}:{}: {}", verdict.line, verdict.column, verdict.text)
        });
        let unresolved = analysis
            .unresolved
            .iter()
            .map(|place| format!("{}:{}: {}", names[place.file], place.line, place.what));
        (lines.collect(), unresolved.collect())
    })
}

#[test]
fn the_engine_says_what_each_release_says() {
    for release in MATRIX {
        let Some(version) = GoVersion::parse(release.version) else { continue };
        let toolchain = toolchain::ensure(release.version).expect("a toolchain");
        let wanted = compiled(&toolchain);
        let (said, unresolved) = analyzed(&toolchain, version);
        let missing: Vec<_> = wanted.difference(&said).collect();
        let surplus: Vec<_> = said.difference(&wanted).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "Go {version}: the compiler alone says {missing:#?}, the engine alone {surplus:#?}"
        );
        assert!(wanted.len() > 150, "{}", wanted.len());
        assert!(unresolved.is_empty(), "{unresolved:#?}");
    }
}
