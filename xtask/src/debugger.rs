//! The debugger that tests open our cores with.

use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::toolchain::install_package;
use crate::{lock, paths};

/// Finds gdb on the path.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join("gdb")).find(|file| file.is_file())
}

/// Finds gdb, installed first from Debian if it is missing.
///
/// # Errors
///
/// When it cannot be installed.
pub fn ensure() -> Result<PathBuf> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let _held = lock::hold(&paths::target().join(".lock-gdb"))?;
    if find().is_none() {
        install_package("gdb")?;
    }
    find().context("gdb was installed and is not on the path")
}
