//! A Redis server at a loopback port and in a folder of its own, gone with the value.

#![allow(dead_code, reason = "a part of several tests")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, OnceLock, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Waits for something that must come, for a minute at most.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(60), "still not so: {what}");
        thread::park_timeout(Duration::from_millis(2));
    }
}

pub(crate) struct Server {
    dir: TempDir,
    port: u16,
    arguments: Vec<String>,
    child: Child,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&|| (Vec::new(), ())).0
    }

    /// Starts one that keeps nothing but what it is told to save.
    pub(crate) fn start_forgetful() -> Self {
        Self::start_with(&|| (vec!["--appendonly".to_owned(), "no".to_owned()], ())).0
    }

    /// Starts one that takes encrypted connections as well, by arguments for a second port.
    pub(crate) fn start_encrypted(arguments: &dyn Fn(u16) -> Vec<String>) -> (Self, u16) {
        Self::start_with(&|| {
            let port = free_port();
            (arguments(port), port)
        })
    }

    fn start_with<T>(arguments: &dyn Fn() -> (Vec<String>, T)) -> (Self, T) {
        // Another process may take the port before the server does; then another is tried.
        for _ in 0..20 {
            let (port, (arguments, about)) = (free_port(), arguments());
            let dir = tempfile::tempdir().unwrap();
            let child = launch(&dir, port, &arguments);
            let mut server = Self { dir, port, arguments, child };
            if server.is_up() {
                return (server, about);
            }
        }
        panic!("twenty ports were taken");
    }

    pub(crate) fn url(&self, namespace: &str) -> String {
        format!("redis://127.0.0.1:{}/{namespace}", self.port)
    }

    /// Kills the server as it stands.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again after a kill, with what it had written.
    pub(crate) fn restart(&mut self) {
        wait_until("the server is back", || {
            self.child = launch(&self.dir, self.port, &self.arguments);
            self.is_up()
        });
    }

    /// Starts it again after a kill, where nobody who knew it finds it; returns where it was.
    pub(crate) fn restart_elsewhere(&mut self) -> u16 {
        let port = self.port;
        wait_until("the server is back", || {
            self.port = free_port();
            self.child = launch(&self.dir, self.port, &self.arguments);
            self.is_up()
        });
        port
    }

    /// As [`Server::restart`], where it was before.
    pub(crate) fn restart_at(&mut self, port: u16) {
        self.port = port;
        self.restart();
    }

    /// Stops the server from answering, with all connections as they are.
    pub(crate) fn freeze(&self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGSTOP).unwrap();
    }

    pub(crate) fn thaw(&self) {
        kill(Pid::from_raw(self.child.id() as i32), Signal::SIGCONT).unwrap();
    }

    /// Sends a command of plain words, and returns the first bytes of the answer.
    pub(crate) fn command(&self, words: &str) -> String {
        self.try_command(words).unwrap()
    }

    fn try_command(&self, words: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(format!("{words}\r\n").as_bytes())?;
        let mut answer = [0; 4096];
        let length = stream.read(&mut answer)?;
        Ok(String::from_utf8_lossy(&answer[..length]).into_owned())
    }

    /// Waits until the server answers; false if it ended instead.
    fn is_up(&mut self) -> bool {
        let mut is_up = false;
        wait_until("the server answers or ends", || {
            // One that answers at the port may be another's, when ours will find it taken or has.
            let has_ended = self.child.try_wait().unwrap().is_some();
            let own = format!("process_id:{}\r\n", self.child.id());
            // It tells of itself while it reads its file, and answers when it has.
            let says =
                |words, answer: &str| self.try_command(words).is_ok_and(|it| it.contains(answer));
            is_up = !has_ended && says("INFO server", &own) && says("PING", "+PONG");
            is_up || has_ended
        });
        is_up
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn launch(dir: &TempDir, port: u16, arguments: &[String]) -> Child {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL"])
        .arg(xtask::redis::server().unwrap())
        .args(["--bind", "127.0.0.1", "--save", "", "--loglevel", "warning"])
        // What was written before it was answered outlives the process, if not the machine: no test
        // waits for a disk that others keep busy.
        .args(["--appendonly", "yes", "--appendfsync", "no"])
        .args(["--port", &port.to_string()])
        .args(arguments)
        .arg("--dir")
        .arg(dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    spawn_for_good(command)
}

type Order = (Command, mpsc::Sender<Child>);

/// Starts a program from a thread that lives as long as this process: the system kills what it starts
/// when that thread ends, so that no server is left behind however a test run ends.
fn spawn_for_good(command: Command) -> Child {
    static KEEPER: OnceLock<Mutex<mpsc::Sender<Order>>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Order>();
        thread::spawn(move || {
            for (mut command, reply) in orders {
                // Who asked may be gone by now.
                let _ = reply.send(command.spawn().unwrap());
            }
        });
        Mutex::new(sender)
    });
    let (reply, child) = mpsc::channel();
    keeper.lock().unwrap().send((command, reply)).unwrap();
    child.recv().unwrap()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
