//! Real servers for tests: a Redis and a NATS, each started by the test that needs it, on a loopback
//! port of its own, with its files in a folder of its own, and ended with the value that stands for it.
//!
//! Both are Debian's. Neither is installed as a service: for Redis see `redis.rs`, and the one program
//! of NATS is unpacked beside the toolchains. A server is told to end when the thread that started it
//! does, so that a test that is killed leaves none behind.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{lock, redis, toolchain};

/// How many ports are tried: another process can take one just before the server does.
const MOST_PORTS: usize = 8;

/// A server that tests talk to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Redis 7, without persistence.
    Redis,
    /// NATS 2.
    Nats,
}

/// A server that runs, until this value is dropped.
#[derive(Debug)]
pub struct Server {
    kind: Kind,
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Server {
    /// Starts a server, installed first if it is missing, and waits until it takes connections.
    ///
    /// # Errors
    ///
    /// When it can't be installed, or does not start.
    pub fn start(kind: Kind) -> Result<Self> {
        for _ in 0..MOST_PORTS {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            if let Some(server) = Self::start_at(kind, port)? {
                return Ok(server);
            }
        }
        bail!("{kind:?} did not start on any of {MOST_PORTS} ports")
    }

    /// As [`start`](Self::start), on a port that is known: for a server that is back after it was
    /// gone. `None` if it does not start there.
    ///
    /// # Errors
    ///
    /// When it can't be installed or run.
    pub fn start_at(kind: Kind, port: u16) -> Result<Option<Self>> {
        let folder = TempDir::new()?;
        let program = program(kind)?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).arg(program).current_dir(folder.path());
        let port_text = port.to_string();
        match kind {
            Kind::Redis => command
                .args(["--bind", "127.0.0.1", "--port", &port_text])
                .args(["--save", "", "--appendonly", "no", "--daemonize", "no"])
                .stdout(Stdio::piped())
                .stderr(Stdio::null()),
            Kind::Nats => command
                .args(["--addr", "127.0.0.1", "--port", &port_text])
                .stdout(Stdio::null())
                .stderr(Stdio::piped()),
        };
        let mut child = command.stdin(Stdio::null()).spawn().context("cannot run setpriv")?;
        let output: Option<Box<dyn Read + Send>> = match kind {
            Kind::Redis => child.stdout.take().map(|output| Box::new(output) as _),
            Kind::Nats => child.stderr.take().map(|output| Box::new(output) as _),
        };
        let output = output.context("no output")?;
        let mut server = Self { kind, child, port, _folder: folder };
        let ready = match kind {
            Kind::Redis => "Ready to accept connections",
            Kind::Nats => "Server is ready",
        };
        let mut lines = BufReader::new(output).lines();
        let is_ready = lines.by_ref().map_while(Result::ok).any(|line| line.contains(ready));
        if !is_ready {
            server.end();
            return Ok(None);
        }
        // What it says later is read so that it never waits for a reader, and ends with it.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Ok(Some(server))
    }

    /// Where it takes connections, on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its URL.
    pub fn url(&self) -> String {
        match self.kind {
            Kind::Redis => format!("redis://127.0.0.1:{}/", self.port),
            Kind::Nats => format!("nats://127.0.0.1:{}", self.port),
        }
    }

    fn end(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end();
    }
}

/// The program of a server, installed if it is missing.
fn program(kind: Kind) -> Result<PathBuf> {
    match kind {
        Kind::Redis => redis::server(),
        Kind::Nats => {
            let root = toolchain::root().join("nats-server");
            let program = root.join("usr/sbin/nats-server");
            if !program.is_file() {
                let _held = lock::hold(&toolchain::root().join(".lock-nats-server"))?;
                if !program.is_file() {
                    unpack_package("nats-server", &root)?;
                }
            }
            ensure!(program.is_file(), "Debian's nats-server has no {}", program.display());
            Ok(program)
        }
    }
}

/// Unpacks a Debian package into a folder, without installing it. Debian's signatures hold for it as
/// they do for what is installed.
fn unpack_package(package: &str, dir: &Path) -> Result<()> {
    eprintln!("unpacking Debian's {package}");
    let parent = dir.parent().context("no folder to unpack into")?;
    fs::create_dir_all(parent)?;
    let work = tempfile::Builder::new().prefix(".unpacking-").tempdir_in(parent)?;
    toolchain::run(Command::new("apt-get").args(["download", package]).current_dir(work.path()))?;
    let archive = fs::read_dir(work.path())?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("the download left no package behind")?;
    let unpacked = work.path().join("unpacked");
    toolchain::run(Command::new("dpkg-deb").arg("--extract").arg(archive).arg(&unpacked))?;
    fs::rename(unpacked, dir).with_context(|| format!("cannot make {}", dir.display()))
}
