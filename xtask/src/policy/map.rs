//! The map of the code in `ARCHITECTURE.md`: every source file is on it, and
//! all that is on it is there.
//!
//! The map is every list line that starts with a path in backticks, relative
//! to the folder that the heading before it ends with.

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
    let drawn = drawn(&text);
    let there: BTreeSet<String> =
        files.iter().filter(|file| !file.is_apart()).map(|file| file.path.clone()).collect();
    let missing = there.difference(&drawn).map(|path| format!("{path}: is not in {MAP}"));
    let gone =
        drawn.difference(&there).map(|path| format!("{MAP}: names {path}, which is not there"));
    Ok(missing.chain(gone).collect())
}

/// The source files that the map names.
fn drawn(text: &str) -> BTreeSet<String> {
    let mut folder = "";
    let mut found = BTreeSet::new();
    for line in text.lines() {
        if line.starts_with('#') {
            folder = line.split('`').nth(1).unwrap_or_default();
        }
        let Some(entry) = line.trim_start().strip_prefix("- `") else { continue };
        let Some((names, _)) = entry.split_once(':').or_else(|| entry.split_once(" —")) else {
            continue;
        };
        let names = format!("`{names}");
        for name in names.split('`').skip(1).step_by(2).filter(|name| name.ends_with(".rs")) {
            found.insert(format!("{folder}/{name}"));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_from_lists_below_a_heading_with_their_folder() {
        let text = "## memory, `crates/memory/src`\n\n- `read.rs`: the trait of `other.rs`\n\
                    - `a.rs`, `b/c.rs`: two\n- plain\n";
        let expected =
            ["a.rs", "b/c.rs", "read.rs"].map(|name| format!("crates/memory/src/{name}"));
        assert_eq!(drawn(text), BTreeSet::from(expected));
    }
}
