//! Locks between processes, so that tests that need the same toolchain or
//! fixture at the same time build it once.
//!
//! A lock is a file that stays in place; holding it means holding an advisory
//! lock on it, which the system releases when the process ends in any way.

use std::fs::File;
use std::path::Path;

use anyhow::{Context, Result};

/// Waits for the lock file at `path` and holds it until the value is dropped.
pub(crate) fn hold(path: &Path) -> Result<File> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)
            .with_context(|| format!("cannot create {}", parent.display()))?;
    }
    let file =
        File::create(path).with_context(|| format!("cannot create lock {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}
