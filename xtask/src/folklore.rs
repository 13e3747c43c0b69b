//! The page of experiments, measured anew.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::paths;
use crate::toolchain::{self, MATRIX, run};

/// Runs every experiment with every release of the matrix, and writes `docs/folklore.md`.
///
/// # Errors
///
/// When a toolchain can't be installed, an experiment fails, or figures disagree.
pub fn write() -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command
        .current_dir(paths::workspace())
        .args(["run", "--release", "--package", "tophash", "--", "lab", "verify"])
        .args(["--page", "docs/folklore.md"]);
    if std::env::var_os("GOCACHE").is_none() {
        command.env("GOCACHE", toolchain::root().join("cache"));
    }
    for release in MATRIX {
        command.arg("--go").arg(toolchain::ensure(release.version)?.goroot());
    }
    run(&mut command)
}
