//! Programs of others under a load that either leaks or does not, with a heap profile after each batch
//! of work. Work is counted, so that a slow machine sees the same as a fast one.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::load::base64;
use super::{Program, Started, http};

/// Longer than a busy machine takes for any batch.
const PATIENCE: Duration = Duration::from_secs(120);
/// Batches before the first profile, in which what every program sets up once is there.
const SETTLING: usize = 15;

/// A load on a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Growth {
    /// Which program.
    pub program: Program,
    /// Whether what the load makes stays for ever.
    pub leaks: bool,
}

impl Growth {
    /// All of them: each program with and without a leak.
    pub const ALL: [Self; 6] = [
        Self { program: Program::Prometheus, leaks: false },
        Self { program: Program::Prometheus, leaks: true },
        Self { program: Program::Etcd, leaks: false },
        Self { program: Program::Etcd, leaks: true },
        Self { program: Program::Nats, leaks: false },
        Self { program: Program::Nats, leaks: true },
    ];

    /// What the load is, in words.
    pub fn words(self) -> &'static str {
        match (self.program, self.leaks) {
            (Program::Prometheus, false) => "prometheus, scraping the same series",
            (Program::Prometheus, true) => "prometheus, scraping ever new labels",
            (Program::Etcd, false) => "etcd, the same keys written again and compacted",
            (Program::Etcd, true) => "etcd, ever new keys",
            (Program::Nats, false) => "nats, messages to the same subscriptions",
            (Program::Nats, true) => "nats, subscriptions that are never removed",
            _ => "no load",
        }
    }

    /// Starts the program, puts the load on it, and writes a heap profile to `dir` after each of
    /// `profiles` batches.
    ///
    /// # Errors
    ///
    /// When the program cannot be had, ends early, or does not answer in time.
    pub fn run(self, profiles: usize, dir: &Path) -> Result<()> {
        let executable = self.program.executable()?;
        let mut started = Started::start(self.program, &executable)?;
        let mut load = self.load(&mut started)?;
        fs::create_dir_all(dir)?;
        for batch in 0..SETTLING + profiles {
            load(batch).with_context(|| format!("batch {batch} of {}", self.words()))?;
            if let Some(number) = batch.checked_sub(SETTLING) {
                let port = started.profiles_port();
                let profile = http::get_bytes(port, "/debug/pprof/heap?gc=1")?;
                fs::write(dir.join(format!("{number:03}.pb.gz")), profile)?;
            }
        }
        Ok(())
    }

    fn load(self, started: &mut Started) -> Result<Box<dyn FnMut(usize) -> Result<()>>> {
        let (port, leaks) = (started.port(), self.leaks);
        Ok(match self.program {
            Program::Prometheus => {
                let target = Target::start(leaks)?;
                let config = json!({
                    "global": { "scrape_interval": "100ms", "scrape_timeout": "100ms" },
                    "scrape_configs": [{
                        "job_name": "made",
                        "static_configs": [{ "targets": [format!("127.0.0.1:{}", target.port)] }],
                    }],
                });
                fs::write(started.dir().join("config.yml"), config.to_string())?;
                let pid = started.pid().to_string();
                let status = Command::new("kill").args(["-HUP", &pid]).status()?;
                ensure!(status.success(), "it can't be told of its target");
                Box::new(move |_| target.wait_for(4))
            }
            Program::Etcd => etcd(port, leaks)?,
            Program::Nats => nats(port, leaks)?,
            program => anyhow::bail!("{} has no such load", program.name()),
        })
    }
}

/// Something that Prometheus scrapes, and that counts how often.
struct Target {
    port: u16,
    scrapes: Arc<AtomicU64>,
}

impl Target {
    fn start(leaks: bool) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let scrapes = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&scrapes);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                let scrape = counted.fetch_add(1, Ordering::SeqCst);
                // One that hangs up early comes again.
                let _ = answer(stream, if leaks { scrape } else { 0 });
            }
        });
        Ok(Self { port, scrapes })
    }

    fn wait_for(&self, more: u64) -> Result<()> {
        let (from, begin) = (self.scrapes.load(Ordering::SeqCst), Instant::now());
        while self.scrapes.load(Ordering::SeqCst) < from + more {
            ensure!(begin.elapsed() < PATIENCE, "it does not scrape");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

fn answer(mut stream: TcpStream, scrape: u64) -> Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    while !lines.next().context("no request")??.is_empty() {}
    let mut body = String::from("# TYPE requests_total counter\n");
    for series in 0..200 {
        let request = scrape * 200 + series;
        body += &format!("requests_total{{path=\"/at/{series}\",request=\"{request}\"}} 1\n");
    }
    let len = body.len();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nConnection: close\r\n\
         Content-Length: {len}\r\n\r\n{body}"
    )?;
    Ok(())
}

fn etcd(port: u16, leaks: bool) -> Result<Box<dyn FnMut(usize) -> Result<()>>> {
    let put = move |key: &str| {
        let (key, value) = (base64(key.as_bytes()), base64(&[b'v'; 64]));
        http::post(port, "/v3/kv/put", &format!(r#"{{"key":"{key}","value":"{value}"}}"#))
    };
    if !leaks {
        // It keeps its last 5,000 entries of the log, which have to be there first.
        for n in 0..5600 {
            put(&format!("key-{}", n % 200))?;
        }
    }
    let mut next = 0;
    Ok(Box::new(move |_| {
        if leaks {
            // Many keys in one entry of the log: it is the keys that grow.
            for _ in 0..10 {
                let puts: Vec<_> = (0..100)
                    .map(|_| {
                        next += 1;
                        let key = base64(format!("a-key-that-stays-{next}").as_bytes());
                        json!({ "requestPut": { "key": key, "value": base64(&[b'v'; 64]) } })
                    })
                    .collect();
                http::post(port, "/v3/kv/txn", &json!({ "success": puts }).to_string())?;
            }
            return Ok(());
        }
        let mut answer = String::new();
        for n in 0..100 {
            answer = put(&format!("key-{n}"))?;
        }
        let answer: serde_json::Value = serde_json::from_str(&answer)?;
        let revision = &answer["header"]["revision"];
        let body = json!({ "revision": revision, "physical": true });
        http::post(port, "/v3/kv/compaction", &body.to_string())?;
        Ok(())
    }))
}

fn nats(port: u16, leaks: bool) -> Result<Box<dyn FnMut(usize) -> Result<()>>> {
    let mut stream = http::connect(port)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut talk = "CONNECT {\"verbose\":false}\r\n".to_owned();
    for subject in 0..100 {
        talk += &format!("SUB fixed.{subject} {subject}\r\n");
    }
    stream.write_all(talk.as_bytes())?;
    let mut next = 0;
    Ok(Box::new(move |_| {
        for _ in 0..20 {
            let mut talk = String::new();
            for subject in 0..100 {
                talk += &format!("PUB fixed.{subject} 5\r\nhello\r\n");
                if leaks {
                    next += 1;
                    talk += &format!("SUB request.{next}.reply {}\r\n", 1000 + next);
                }
            }
            talk += "PING\r\n";
            stream.write_all(talk.as_bytes())?;
            let mut line = String::new();
            while !line.starts_with("PONG") {
                line.clear();
                let read = reader.by_ref().take(4096).read_line(&mut line)?;
                ensure!(read > 0, "it hung up");
            }
        }
        Ok(())
    }))
}
