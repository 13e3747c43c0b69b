//! A program that runs and answers, in a folder of its own, until the value is dropped.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::json;
use tempfile::TempDir;

use super::{Program, http};

/// How long a program may take until it answers.
const PATIENCE: Duration = Duration::from_secs(60);

/// A port that was free can be taken before the program gets there.
const ATTEMPTS: u32 = 3;

/// How many modules esbuild bundles.
const MODULES: usize = 200;

/// A process that is ended, by its number, when this value is dropped.
#[derive(Debug)]
pub struct Started {
    program: Program,
    executable: PathBuf,
    child: Child,
    port: u16,
    profiles_port: u16,
    /// Clients that stay, so that what the program keeps for them is there to be found.
    pub(super) clients: Vec<TcpStream>,
    dir: TempDir,
}

impl Started {
    pub(super) fn start(program: Program, executable: &Path) -> Result<Self> {
        let mut attempt = 1;
        loop {
            match Self::start_once(program, executable) {
                Err(error) if attempt == ATTEMPTS => return Err(error),
                Err(error) => eprintln!("{}: {error:#}; trying again", program.name()),
                started => return started,
            }
            attempt += 1;
        }
    }

    fn start_once(program: Program, executable: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix(program.name()).tempdir()?;
        let [port, other] = free_ports()?;
        let mut command = Command::new(executable);
        set_up(program, &mut command, dir.path(), port, other)?;
        let log = File::create(dir.path().join("log"))?;
        let child = command
            .current_dir(dir.path())
            .env("HOME", dir.path())
            .env_remove("XDG_DATA_HOME")
            .env_remove("XDG_CONFIG_HOME")
            // esbuild serves for as long as its input is open.
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {}", executable.display()))?;
        let executable = executable.to_path_buf();
        let profiles_port = if program == Program::Nats { other } else { port };
        let clients = Vec::new();
        let mut started = Self { program, executable, child, port, profiles_port, clients, dir };
        started.wait_until_it_answers()?;
        Ok(started)
    }

    fn wait_until_it_answers(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended: {status}\n{}", self.program.name(), self.log());
            }
            let answer = match self.program {
                Program::Prometheus => http::get(self.port, "/-/ready"),
                Program::Etcd => http::get(self.port, "/health"),
                Program::Caddy => http::get(self.port, "/0"),
                Program::Esbuild => http::get(self.port, "/main.js"),
                Program::Nats => greeting(self.port),
            };
            match answer {
                Ok(_) => return Ok(()),
                Err(error) if begin.elapsed() > PATIENCE => {
                    bail!("{} does not answer: {error}\n{}", self.program.name(), self.log());
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Which program it is.
    pub fn program(&self) -> Program {
        self.program
    }

    /// Its executable.
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// The process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The port on which it answers for its profiles, if it does.
    pub(super) fn profiles_port(&self) -> u16 {
        self.profiles_port
    }

    /// The folder that it runs in.
    pub(super) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The port on loopback that it answers on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may be gone already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Two ports that nobody listens on at the moment.
fn free_ports() -> Result<[u16; 2]> {
    let [one, other] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([one.local_addr()?.port(), other.local_addr()?.port()])
}

/// The first line of a message server, which says who it is.
fn greeting(port: u16) -> Result<String> {
    let mut first = [0; 5];
    http::connect(port)?.read_exact(&mut first)?;
    anyhow::ensure!(&first == b"INFO ", "not a message server");
    Ok(String::new())
}

/// Writes the files that a program needs, and its arguments.
fn set_up(
    program: Program,
    command: &mut Command,
    dir: &Path,
    port: u16,
    other: u16,
) -> Result<()> {
    let here = format!("127.0.0.1:{port}");
    match program {
        Program::Prometheus => {
            let config = json!({
                "global": { "scrape_interval": "1s" },
                "scrape_configs": [
                    { "job_name": "itself", "static_configs": [{ "targets": [here] }] },
                ],
            });
            // JSON is YAML too.
            fs::write(dir.join("config.yml"), config.to_string())?;
            command.args(["--config.file=config.yml", "--storage.tsdb.path=data"]);
            command.arg(format!("--web.listen-address={here}"));
        }
        Program::Etcd => {
            let clients = format!("http://{here}");
            let peers = format!("http://127.0.0.1:{other}");
            command.args(["--data-dir", "data", "--enable-pprof", "--snapshot-count", "500"]);
            command.args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients]);
            command.args(["--listen-peer-urls", &peers]);
            command.args(["--initial-advertise-peer-urls", &peers]);
            command.args(["--initial-cluster", &format!("default={peers}")]);
        }
        Program::Nats => {
            command.args(["-a", "127.0.0.1", "-p", &port.to_string()]);
            command.args(["--profile", &other.to_string()]);
        }
        Program::Caddy => {
            let routes: Vec<_> = (0..50)
                .map(|route| {
                    json!({
                        "match": [{ "path": [format!("/{route}")] }],
                        "handle": [{ "handler": "static_response", "body": route.to_string() }],
                    })
                })
                .collect();
            let server = json!({
                "listen": [here],
                "automatic_https": { "disable": true },
                "routes": routes,
            });
            let config = json!({
                "admin": { "disabled": true, "config": { "persist": false } },
                "apps": { "http": { "servers": { "one": server } } },
            });
            fs::write(dir.join("config.json"), config.to_string())?;
            command.args(["run", "--config", "config.json"]);
        }
        Program::Esbuild => {
            let mut main = String::new();
            for module in 0..MODULES {
                let text = format!(
                    "export const name{module} = 'module {module}';\n\
                     export function use{module}(of) {{ return of[name{module}] ?? {module}; }}\n"
                );
                fs::write(dir.join(format!("m{module}.js")), text)?;
                main += &format!("import {{ use{module} }} from './m{module}.js';\n");
                main += &format!("console.log(use{module}(globalThis));\n");
            }
            fs::write(dir.join("main.js"), main)?;
            command.args(["main.js", "--bundle", "--outdir=out", "--sourcemap"]);
            command.args([format!("--serve={here}"), "--servedir=out".to_owned()]);
        }
    }
    Ok(())
}
