//! A fixture program that runs, has said all it has to say, and now waits.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// A process that has printed `READY` and ends when this value is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    lines: Vec<String>,
}

impl Running {
    /// Starts a program without arguments and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it cannot be started, or ends before it is ready.
    pub fn start(program: &Path) -> Result<Self> {
        Self::start_command(&mut Command::new(program))
    }

    /// As [`start`](Self::start), for a command with settings of its own.
    ///
    /// # Errors
    ///
    /// As for [`start`](Self::start).
    pub fn start_command(command: &mut Command) -> Result<Self> {
        let name = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", name.display()))?;
        let mut running = Self { child, lines: Vec::new() };
        let stdout = running.child.stdout.take().context("no standard output")?;
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            if line == "READY" {
                return Ok(running);
            }
            running.lines.push(line);
        }
        bail!("{} ended before it was ready", name.display())
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it printed before `READY`.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
