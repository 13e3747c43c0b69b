//! What a command takes: wall time, processor time and the most memory it had at once.
//!
//! The system sums up the processor time of all children of a process and keeps the largest memory
//! of any of them. So each command runs as the only child of a fresh process of this program, which
//! then asks for the sums. The memory is that of pages in use, also of mapped files; a child is
//! charged with at least what the parent had when it started it, some megabytes.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;
use serde::{Deserialize, Serialize};

/// What one run of a command took.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Usage {
    /// From start to end.
    pub wall_seconds: f64,
    /// Of all threads, for the program and for the system.
    pub cpu_seconds: f64,
    /// The most memory in use at once.
    pub peak_kib: u64,
    /// Whether it ended well.
    pub is_success: bool,
}

/// Runs a command in a process of its own, its output going to files in `dir`, and returns what it
/// took and what it printed.
///
/// # Errors
///
/// When it cannot be run. That it failed is told in the [`Usage`].
pub fn measure(command: &[OsString], dir: &Path) -> Result<(Usage, String)> {
    let [figures, out, errors] = ["figures", "out", "errors"].map(|name| dir.join(name));
    let itself = std::env::current_exe().context("where is this program?")?;
    let status = Command::new(itself)
        .args(["measure", "--to"])
        .arg(&figures)
        .arg("--")
        .args(command)
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&errors)?)
        .status()?;
    let told = || fs::read_to_string(&errors).unwrap_or_default();
    ensure!(status.success(), "cannot measure {command:?}: {}", told());
    let usage: Usage = serde_json::from_slice(&fs::read(&figures)?)?;
    let printed = String::from_utf8_lossy(&fs::read(&out)?).into_owned();
    Ok((usage, printed))
}

/// The other half of [`measure`]: runs a command as the only child of this process.
///
/// # Errors
///
/// When it cannot be run or the figures not be written.
pub fn run_here(command: &[OsString], to: &Path) -> Result<()> {
    let (program, arguments) = command.split_first().context("no command")?;
    let usage = run_only_child(Command::new(program).args(arguments))?;
    fs::write(to, serde_json::to_vec(&usage)?)?;
    Ok(())
}

/// Runs a command in a process that has no other children, before or beside it.
///
/// # Errors
///
/// When it cannot be run.
pub fn run_only_child(command: &mut Command) -> Result<Usage> {
    let begin = Instant::now();
    let program = command.get_program().to_owned();
    let status = command.status().with_context(|| format!("cannot run {}", program.display()))?;
    let wall_seconds = begin.elapsed().as_secs_f64();
    let children = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    Ok(Usage {
        wall_seconds,
        cpu_seconds: seconds(children.user_time()) + seconds(children.system_time()),
        peak_kib: u64::try_from(children.max_rss())?,
        is_success: status.success(),
    })
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}
