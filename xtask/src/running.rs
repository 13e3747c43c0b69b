//! A fixture program that runs, has said all it has to say, and now waits.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail};

/// A process that has printed `READY` and ends when this value is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    output: BufReader<ChildStdout>,
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
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", name.display()))?;
        let output = BufReader::new(child.stdout.take().context("no standard output")?);
        let mut running = Self { child, output, lines: Vec::new() };
        running.lines = running
            .until_ready()
            .with_context(|| format!("{} ended before it was ready", name.display()))?;
        Ok(running)
    }

    /// Sends a line to a program that takes some, and returns what it prints until it is ready again.
    ///
    /// # Errors
    ///
    /// When it takes none, or ends.
    pub fn tell(&mut self, line: &str) -> Result<Vec<String>> {
        let input = self.child.stdin.as_mut().context("no standard input")?;
        writeln!(input, "{line}")?;
        input.flush()?;
        self.until_ready().with_context(|| format!("ended when it was told {line}"))
    }

    fn until_ready(&mut self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for line in (&mut self.output).lines() {
            let line = line?;
            if line == "READY" {
                return Ok(lines);
            }
            lines.push(line);
        }
        bail!("its output ended");
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
