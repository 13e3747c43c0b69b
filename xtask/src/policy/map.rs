//! The map of the code in `ARCHITECTURE.md`: every source file is on it, and
//! all that is on it is there.
//!
//! The map is every list line that starts with paths in backticks and a colon,
//! relative to the folder that the heading before it holds. A path that ends
//! in a slash stands for all files of that folder.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result};

use super::sources::SourceFile;
use crate::paths;

const MAP: &str = "ARCHITECTURE.md";

/// Lists how the map differs from the files.
pub(super) fn faults(files: &[SourceFile]) -> Result<Vec<String>> {
    let path = paths::workspace().join(MAP);
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {MAP}"))?;
    let there = files.iter().filter(|file| !file.is_apart()).map(|file| file.path.as_str());
    Ok(differences(&drawn(&text), &there.collect()))
}

fn differences(drawn: &BTreeSet<String>, there: &BTreeSet<&str>) -> Vec<String> {
    let covers = |entry: &str, path: &str| {
        entry == path || (entry.ends_with('/') && path.starts_with(entry))
    };
    let missing = there
        .iter()
        .filter(|path| !drawn.iter().any(|entry| covers(entry, path)))
        .map(|path| format!("{path}: is not in {MAP}"));
    let gone = drawn
        .iter()
        .filter(|entry| !there.iter().any(|path| covers(entry, path)))
        .map(|entry| format!("{MAP}: names {entry}, which is not there"));
    missing.chain(gone).collect()
}

/// The source files and folders that the map names.
fn drawn(text: &str) -> BTreeSet<String> {
    let mut folder = "";
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('#') {
            folder = line.split('`').nth(1).unwrap_or_default();
        }
        let Some(entry) = line.trim_start().strip_prefix("- `") else { continue };
        let Some((names, _)) = entry.split_once("`:") else { continue };
        let names = format!("`{names}");
        for name in names.split('`').skip(1).step_by(2) {
            if name.ends_with(".rs") || name.ends_with('/') {
                found.insert(format!("{folder}/{name}"));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "## memory, `crates/memory/src`\n\n- `read.rs`: the trait of `other.rs`\n\
                        - `a.rs`, `b/`: two\n- plain\n- `Type`: no file\n";

    #[test]
    fn files_are_read_from_lists_below_a_heading_with_their_folder() {
        let expected = ["a.rs", "b/", "read.rs"].map(|name| format!("crates/memory/src/{name}"));
        assert_eq!(drawn(TEXT), BTreeSet::from(expected));
    }

    #[test]
    fn what_is_missing_on_either_side_is_named() {
        let there = ["crates/memory/src/a.rs", "crates/memory/src/b/one.rs", "xtask/src/new.rs"];
        let expected = [
            "xtask/src/new.rs: is not in ARCHITECTURE.md",
            "ARCHITECTURE.md: names crates/memory/src/read.rs, which is not there",
        ];
        assert_eq!(differences(&drawn(TEXT), &there.into()), expected);
    }
}
