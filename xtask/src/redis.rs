//! Debian's Redis server, for tests that want a real one.
//!
//! The package `redis-server` would start a service that stays. Its program lies in `redis-tools`,
//! under the name of another tool that it also is, and is a server when it is called by that name.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use anyhow::{Context, Result};

use crate::{lock, toolchain};

const PACKAGE: &str = "redis-tools";
const SERVER: &str = "redis-server";
const SAME_PROGRAM: &str = "redis-check-rdb";

/// Gives the server's program, installed first if it is missing. Nothing runs by that: a test starts a
/// server of its own, at a port and in a folder of its own.
///
/// # Errors
///
/// When it cannot be installed.
pub fn server() -> Result<PathBuf> {
    if let Some(program) = on_path(SERVER) {
        return Ok(program);
    }
    let link = toolchain::root().join("redis").join(SERVER);
    let _held = lock::hold(&toolchain::root().join(".lock-debian"))?;
    if link.is_file() {
        return Ok(link);
    }
    if on_path(SAME_PROGRAM).is_none() {
        toolchain::install_package(PACKAGE)?;
    }
    let program =
        on_path(SAME_PROGRAM).with_context(|| format!("{PACKAGE} has no {SAME_PROGRAM}"))?;
    if let Some(dir) = link.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
    }
    // One that leads nowhere is of a package that is gone.
    let _ = std::fs::remove_file(&link);
    symlink(program, &link).with_context(|| format!("cannot create {}", link.display()))?;
    Ok(link)
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|program| program.is_file())
}
