//! The engine beside real compilers: the same lines, at the same places, for a package of our own and for
//! those with which Go tests its compiler.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use tophash_escape_engine::{GoVersion, Options, Table, analyze};
use tophash_typecheck::{
    BuildContext, Folders, Source, Universe, check, on_deep_stack, parse_folder,
};
use xtask::toolchain::{self, Release, Toolchain};

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/sources")
}

/// What a compiler prints of a module's packages: `file.go:1:2: text`, once each, by the folders of those
/// that it compiles.
fn compiled(toolchain: &Toolchain, module: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut command = toolchain.go(module, "");
    let output = command
        .args(["list", "-e", "-export", "-gcflags=-m -l", "-f", "{{.Dir}} {{.Export}}", "./..."])
        .output()
        .expect("go runs");
    let text = String::from_utf8_lossy(&output.stderr);
    let mut folders = BTreeMap::new();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        let (folder, export) = line.split_once(' ').expect("two words");
        if !export.is_empty() {
            let folder = Path::new(folder).strip_prefix(module).expect("a folder of the module");
            folders.insert(folder.to_string_lossy().into_owned(), BTreeSet::new());
        }
    }
    // Of generic functions of other packages, compiled here, it is said where they lie.
    for line in text.lines() {
        let line = line.strip_prefix("./").unwrap_or(line);
        let place = line.split(':').next().unwrap_or_default();
        let (folder, file) = place.rsplit_once('/').unwrap_or(("", place));
        if file.ends_with(".go")
            && let Some(lines) = folders.get_mut(folder)
        {
            lines.insert(format!("{file}{}", &line[place.len()..]));
        }
    }
    assert!(!folders.is_empty(), "{text}");
    folders
}

/// What the engine says of a folder's package, and what it could not resolve.
fn analyzed(toolchain: &Toolchain, version: GoVersion, folder: &Path) -> [BTreeSet<String>; 2] {
    let (goroot, folder) = (toolchain.goroot().to_owned(), folder.to_owned());
    on_deep_stack(move || {
        let context = BuildContext::linux_amd64(version.minor().into());
        let universe = Universe::new(Box::new(Folders::new(context.clone()).goroot(&goroot)));
        let parsed = parse_folder(&folder, &context);
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
        [lines.collect(), unresolved.collect()]
    })
}

/// A module without packages. Functions without a body need an assembler file to be believed.
fn module(packages: &[(&str, &[PathBuf])]) -> TempDir {
    let module = tempfile::tempdir().expect("files");
    fs::write(module.path().join("go.mod"), "module sources\n\ngo 1.22\n").expect("files");
    for (package, files) in packages {
        let folder = module.path().join(package);
        fs::create_dir_all(&folder).expect("files");
        fs::write(folder.join("empty.s"), "").expect("files");
        for file in *files {
            fs::copy(file, folder.join(file.file_name().expect("a name"))).expect("files");
        }
    }
    module
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("files");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("files").path()).collect();
    files.sort();
    files
}

/// Releases that a run covers, of those whose rules the engine knows.
fn releases() -> impl Iterator<Item = (Toolchain, GoVersion)> {
    Release::tested().into_iter().filter_map(|release| {
        let version = GoVersion::parse(release.version)?;
        Some((toolchain::ensure(release.version).expect("a toolchain"), version))
    })
}

#[test]
fn the_engine_says_what_each_release_says() {
    let module = module(&[("", &files(&sources()))]);
    for (toolchain, version) in releases() {
        let wanted = &compiled(&toolchain, module.path())[""];
        let [said, unresolved] = analyzed(&toolchain, version, module.path());
        let missing: Vec<_> = wanted.difference(&said).collect();
        let surplus: Vec<_> = said.difference(wanted).collect();
        assert!(
            missing.is_empty() && surplus.is_empty(),
            "Go {version}: the compiler alone says {missing:#?}, the engine alone {surplus:#?}"
        );
        assert!(wanted.len() > 150, "{}", wanted.len());
        assert!(unresolved.is_empty(), "{unresolved:#?}");
    }
}

/// The files that Go's own driver compiles with `-m -l` alone: `// errorcheck -0 -m -l`.
fn of_escapes(test: &Path) -> Vec<PathBuf> {
    let all = files(test).into_iter().chain(files(&test.join("fixedbugs")));
    all.filter(|file| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let mut flags = text.lines().next().unwrap_or_default().split_whitespace().skip(1);
        let is_one = flags.next() == Some("errorcheck");
        let flags: BTreeSet<_> = flags.collect();
        is_one && flags == BTreeSet::from(["-0", "-l", "-m"])
    })
    .collect()
}

#[test]
fn of_gos_own_tests_the_engine_says_what_each_release_says() {
    // Debian's package has the tests of its release; later compilers are asked what they say of them.
    let debian = toolchain::ensure("1.19").expect("a toolchain");
    let all = of_escapes(&debian.goroot().join("test"));
    let names: Vec<_> = (0..all.len()).map(|number| format!("test{number}")).collect();
    let packages: Vec<_> =
        names.iter().zip(&all).map(|(name, file)| (&**name, std::slice::from_ref(file))).collect();
    let module = module(&packages);
    for (toolchain, version) in releases() {
        let wanted = compiled(&toolchain, module.path());
        // What a later release no longer compiles are two or three.
        assert!(all.len() >= 25 && wanted.len() + 3 >= all.len(), "Go {version}: {}", wanted.len());
        let lines: usize = wanted.values().map(BTreeSet::len).sum();
        assert!(lines > 1000, "Go {version}: {lines}");
        for (folder, wanted) in &wanted {
            let [said, _] = analyzed(&toolchain, version, &module.path().join(folder));
            let missing: Vec<_> = wanted.difference(&said).collect();
            let surplus: Vec<_> = said.difference(wanted).collect();
            assert!(
                missing.is_empty() && surplus.is_empty(),
                "Go {version}, {folder}: the compiler alone says {missing:#?}, the engine alone \
                 {surplus:#?}"
            );
        }
    }
}
