//! What the text of our own sources may hold.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::scan::{self, Parts};
use crate::paths;

/// The modules that may hold unsafe code, and the only ones, tests aside.
const UNSAFE: [&str; 3] = [
    "crates/memory/src/map_file.rs",
    "crates/memory/src/process/freeze.rs",
    "crates/gomap/src/hash/lane.rs",
];

/// A file has split by then, its tests aside.
const MOST_LINES: usize = 1000;

/// Libraries that must not touch the system or the terminal.
const PURE: [&str; 2] = ["crates/goruntime/src/", "crates/gomap/src/"];

/// Libraries of any kind: nothing here prints.
const LIBRARIES: [&str; 4] = ["crates/memory/src/", "crates/lab/src/", PURE[0], PURE[1]];

/// Calls that would change a target.
const WRITES: [&str; 7] = [
    "process_vm_writev",
    "setregs",
    "setregset",
    "setfpregs",
    "write_user",
    "setsiginfo",
    "PTRACE_POKEDATA",
];

/// A source file of the workspace.
#[derive(Debug)]
pub(super) struct SourceFile {
    /// Its path from the root of the workspace.
    pub(super) path: String,
    text: String,
    parts: Parts,
}

impl SourceFile {
    fn new(path: String, text: String) -> Self {
        let parts = scan::cut(&text);
        Self { path, text, parts }
    }

    /// Whether it is compiled for tests or examples alone.
    pub(super) fn is_apart(&self) -> bool {
        ["/tests/", "/tests.rs", "/examples/", "/benches/"]
            .iter()
            .any(|part| self.path.contains(part))
    }

    fn lines_before_tests(&self) -> usize {
        self.text.lines().take_while(|line| !line.starts_with("#[cfg(test)]")).count()
    }
}

/// Reads every Rust file of the workspace's packages.
pub(super) fn load() -> Result<Vec<SourceFile>> {
    let mut files = Vec::new();
    for folder in ["crates", "xtask"] {
        read_folder(folder, &mut files)?;
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(files)
}

fn read_folder(folder: &str, files: &mut Vec<SourceFile>) -> Result<()> {
    let root = paths::workspace();
    let entries =
        fs::read_dir(root.join(folder)).with_context(|| format!("cannot list {folder}"))?;
    for entry in entries {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            read_folder(&path, files)?;
        } else if Path::new(&path).extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(root.join(&path))
                .with_context(|| format!("cannot read {path}"))?;
            files.push(SourceFile::new(path, text));
        }
    }
    Ok(())
}

/// Lists what is wrong with the sources.
pub(super) fn faults(files: &[SourceFile]) -> Vec<String> {
    files.iter().flat_map(file_faults).collect()
}

fn file_faults(file: &SourceFile) -> Vec<String> {
    let path = file.path.as_str();
    let is_in = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    let mut faults = Vec::new();
    let lines = file.lines_before_tests();
    let may_be_unsafe = |line| UNSAFE.contains(&path) || file.is_apart() || line > lines;
    for (line, word) in scan::words(&file.parts.code) {
        let what = match word {
            "unsafe" if !may_be_unsafe(line) => "holds unsafe code, and is not listed for it",
            "todo" | "unimplemented" | "dbg" => "is not finished",
            _ if WRITES.contains(&word) => "could change a target, which nothing may",
            _ => continue,
        };
        faults.push(format!("{path}:{line}: `{word}` {what}"));
    }
    for (index, line) in file.parts.code.lines().enumerate() {
        let has = |texts: &[&str]| texts.iter().any(|text| line.contains(text));
        let line_faults = [
            // Tests share helpers of which each uses a part.
            (has(&["[allow("]) && !file.is_apart(), "use `expect`, which ends with its cause"),
            (is_in(&LIBRARIES) && has(&["print!(", "println!("]), "only the binary prints"),
            (
                is_in(&PURE) && has(&["std::fs", "std::process", "std::env"]),
                "only the memory crate and the binary touch the system",
            ),
        ];
        for (_, what) in line_faults.into_iter().filter(|(is_fault, _)| *is_fault) {
            faults.push(format!("{path}:{}: {what}", index + 1));
        }
    }
    for (index, line) in file.parts.comments.lines().enumerate() {
        if line.contains(concat!("TO", "DO")) || line.contains(concat!("FIX", "ME")) {
            faults.push(format!("{path}:{}: a leftover note", index + 1));
        }
    }
    if lines > MOST_LINES && !file.is_apart() {
        faults.push(format!("{path}: {lines} lines; split it by {MOST_LINES}"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults_of(path: &str, text: &str) -> Vec<String> {
        file_faults(&SourceFile::new(path.to_owned(), text.to_owned()))
    }

    #[test]
    fn unsafe_code_is_found_and_prose_about_it_is_not() {
        let path = "crates/gomap/src/lib.rs";
        assert!(faults_of(path, "// unsafe\nlet s = \"unsafe\";\n").is_empty());
        assert_eq!(
            faults_of(path, "\nunsafe { f() }\n"),
            ["crates/gomap/src/lib.rs:2: `unsafe` holds unsafe code, and is not listed for it"]
        );
        assert!(faults_of(UNSAFE[0], "unsafe { f() }\n").is_empty());
        assert!(faults_of(path, "#[cfg(test)]\nmod tests { unsafe { f() } }\n").is_empty());
    }

    #[test]
    fn libraries_neither_print_nor_touch_the_system() {
        assert_eq!(faults_of("crates/memory/src/lib.rs", "println!();").len(), 1);
        assert_eq!(faults_of("crates/gomap/src/lib.rs", "use std::fs::File;").len(), 1);
        assert!(faults_of("crates/memory/src/lib.rs", "use std::fs::File;").is_empty());
        assert!(faults_of("crates/tophash/src/main.rs", "println!();").is_empty());
    }

    #[test]
    fn calls_that_write_to_a_target_are_refused_everywhere() {
        assert_eq!(faults_of("xtask/src/main.rs", "ptrace::setregs(pid, regs);").len(), 1);
    }

    #[test]
    fn long_files_are_refused_and_their_tests_are_not_counted() {
        let long = "f();\n".repeat(MOST_LINES + 1);
        assert_eq!(faults_of("xtask/src/main.rs", &long).len(), 1);
        assert!(faults_of("xtask/tests/main.rs", &long).is_empty());
        assert!(faults_of("xtask/src/main.rs", &format!("#[cfg(test)]\n{long}")).is_empty());
    }

    #[test]
    fn leftovers_are_found() {
        let note = format!("// {}: later\n", concat!("TO", "DO"));
        assert_eq!(faults_of("xtask/src/main.rs", &note).len(), 1);
        assert_eq!(faults_of("xtask/src/main.rs", "#[allow(dead_code)]\n").len(), 1);
        assert_eq!(faults_of("xtask/src/main.rs", "todo!()\n").len(), 1);
    }
}
