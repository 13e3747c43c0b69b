//! What does an operation cost when a server on the same machine answers it?
//!
//! One connection, then two at once; the median and the 99th percentile of each operation's time, and
//! operations a second. The server is one of its own, with `appendfsync everysec`, as most run it.

use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tophash_safemap::{Schema, Type};
use tophash_safemap_redis::{Error, SharedMap};

const ROUNDS: usize = 5_000;

type Operation = fn(&SharedMap, usize) -> Result<(), Error>;

const OPERATIONS: &[(&str, Operation)] = &[
    ("set", |map, round| map.set(&key(round), 1)),
    ("get", |map, round| map.get(&key(round)).map(drop)),
    ("inc", |map, round| map.inc(&key(round), 1).map(drop)),
    ("update", |map, round| map.update(&key(round), |old| old).map(drop)),
    ("transfer", |map, round| {
        map.transaction(|transaction| {
            for (key, by) in [(key(round), -1), (key(round + 1), 1)] {
                let old = transaction.get(&key)?.and_then(|old| old.as_integer()).unwrap_or(0);
                transaction.set(&key, old + by)?;
            }
            Ok(())
        })
    }),
];

fn key(round: usize) -> String {
    format!("user.{}.visits", round % 1000)
}

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    drop(listener);
    let server = Command::new(xtask::redis::server().expect("a server"))
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "yes"])
        .args(["--port", &port.to_string()])
        .arg("--dir")
        .arg(dir.path())
        .stdout(Stdio::null())
        .spawn();
    let _server = Server(server.expect("it starts"));
    let url = format!("redis://127.0.0.1:{port}/bench");
    let connect = |cache| loop {
        let schema = Schema::builder().key("user.*.visits", Type::integer());
        let builder = SharedMap::builder(&url, schema.build().expect("a schema")).cache(cache);
        match builder.connect() {
            Ok(map) => return map,
            Err(error) if error.is_passing() => thread::park_timeout(Duration::from_millis(5)),
            Err(error) => panic!("{error}"),
        }
    };
    println!(
        "{:<10} {:>7} {:>10} {:>10} {:>12}",
        "operation", "threads", "p50 µs", "p99 µs", "a second"
    );
    for (name, operation) in OPERATIONS {
        for threads in [1, 2] {
            let maps: Vec<_> = (0..threads).map(|_| connect(0)).collect();
            report(name, &maps, *operation);
        }
    }
    let cached = connect(1000);
    report("cached get", &[cached], |map, round| map.get(&key(round)).map(drop));
}

fn report(name: &str, maps: &[SharedMap], operation: Operation) {
    let start = Instant::now();
    let mut times: Vec<Duration> = thread::scope(|scope| {
        let threads: Vec<_> =
            maps.iter().map(|map| scope.spawn(|| times(map, operation))).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    let rate = times.len() as f64 / start.elapsed().as_secs_f64();
    times.sort();
    let at = |share: usize| times[times.len() * share / 100].as_secs_f64() * 1e6;
    println!("{name:<10} {:>7} {:>10.1} {:>10.1} {rate:>12.0}", maps.len(), at(50), at(99));
}

fn times(map: &SharedMap, operation: Operation) -> Vec<Duration> {
    let time = |round| {
        let start = Instant::now();
        operation(map, round).expect("the server answers");
        start.elapsed()
    };
    (0..ROUNDS).map(time).collect()
}
