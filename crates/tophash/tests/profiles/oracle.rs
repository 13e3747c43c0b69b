//! tophash and pprof run side by side, on profiles that the fixture writes.
//!
//! pprof's program is run without `go tool` around it, which takes ten times as long as pprof on a
//! small profile, so that hundreds of comparisons cost a few seconds.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use xtask::fixture::{self, Fixture, Symbols};
use xtask::toolchain;

/// All that one program of a release wrote.
pub(crate) struct Written {
    folder: tempfile::TempDir,
}

/// What the fixture writes; the last one only where the release has it.
pub(crate) const KINDS: [&str; 8] =
    ["heap", "heap-later", "allocs", "goroutine", "cpu", "block", "mutex", "goroutineleak"];

/// Runs the fixture that a release built, which profiles itself.
pub(crate) fn written(version: &str, experiment: &str) -> Written {
    let program = fixture::build_experiment(version, experiment, Fixture::Profiles, Symbols::Kept);
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(program.unwrap()).arg("real").arg(folder.path()).status().unwrap();
    assert!(status.success());
    Written { folder }
}

impl Written {
    pub(crate) fn dir(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn file(&self, kind: &str) -> String {
        text(&self.dir().join(format!("{kind}.pb.gz"))).to_owned()
    }

    pub(crate) fn files(&self) -> Vec<(&'static str, String)> {
        let all = KINDS.map(|kind| (kind, self.file(kind)));
        all.into_iter().filter(|(_, file)| Path::new(file).exists()).collect()
    }
}

/// Writes a made up heap profile.
pub(crate) fn made(samples: usize, seed: u32, file: &Path) {
    let program = fixture::build("1.27", Fixture::Profiles, Symbols::Kept).unwrap();
    let mut command = Command::new(program);
    command.arg("made").arg(samples.to_string()).arg(file).arg(seed.to_string());
    assert!(command.status().unwrap().success());
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

pub(crate) fn tophash(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tophash")).arg("profile").args(arguments).output().unwrap()
}

/// Runs the pprof of Go 1.27.
pub(crate) fn pprof(arguments: &[&str]) -> Output {
    static PPROF: OnceLock<PathBuf> = OnceLock::new();
    let pprof = PPROF.get_or_init(|| {
        let toolchain = toolchain::ensure("1.27").unwrap();
        toolchain::pprof(&toolchain).unwrap()
    });
    // Names come from the profile alone, never from files that happen to lie here.
    Command::new(pprof).arg("-symbolize=none").args(arguments).output().unwrap()
}

pub(crate) fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub(crate) fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", told(output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Writes what tophash makes of profiles, and returns what pprof reads in it.
pub(crate) fn raw_of_ours(arguments: &[&str], dir: &Path) -> String {
    let file = dir.join("ours.pb.gz");
    let mut all = arguments.to_vec();
    all.extend(["--proto", text(&file)]);
    printed(&tophash(&all));
    printed(&pprof(&["-raw", text(&file)]))
}

/// What is printed from the head of the table on, or all where there is none.
pub(crate) fn table(output: &Output) -> Vec<String> {
    let text = printed(output);
    let lines: Vec<_> = text.lines().map(|line| line.trim_end().to_owned()).collect();
    let head = lines.iter().position(|line| line.contains("flat%") || line.starts_with("Total:"));
    let head = head.unwrap_or_else(|| panic!("no table in {text}"));
    lines[head..].to_vec()
}

/// Both must print the same table, or say that no function is called as is asked.
pub(crate) fn check(theirs: &[&str], ours: &[&str]) {
    let (theirs, found) = (pprof(theirs), tophash(ours));
    if told(&theirs).contains("no matches found for regexp") {
        assert_eq!(found.status.code(), Some(3), "{ours:?}");
        assert!(told(&found).contains("no function matches"), "{ours:?}: {}", told(&found));
        return;
    }
    same(&table(&theirs), &table(&found), &format!("{ours:?}"));
}

/// Says where two texts part.
pub(crate) fn same(theirs: &[String], ours: &[String], what: &str) {
    let differs = theirs.iter().zip(ours).position(|(theirs, ours)| theirs != ours);
    let differs = differs.or((theirs.len() != ours.len()).then(|| theirs.len().min(ours.len())));
    if let Some(at) = differs {
        let around =
            |lines: &[String]| lines[at.saturating_sub(2)..lines.len().min(at + 3)].join("\n");
        panic!("{what}, line {at}:\n{}\nwhere pprof has:\n{}", around(ours), around(theirs));
    }
}
