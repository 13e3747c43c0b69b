//! Two processes at once: this test program, started twice more.

use std::process::{Command, Stdio};

use tophash_safemap::{Schema, Type};
use tophash_safemap_redis::SharedMap;

use crate::server::Server;

const URL: &str = "SAFEMAP_TEST_URL";
const ROUNDS: i64 = 300;

fn schema() -> Schema {
    Schema::builder()
        .key("account.*", Type::integer().range(0..))
        .key("count", Type::integer())
        .build()
        .unwrap()
}

/// What each of the processes does; without an address there is nothing to do.
#[test]
fn part_of_another_test() {
    let Ok(url) = std::env::var(URL) else { return };
    let map = SharedMap::connect(&url, schema()).unwrap();
    let (a, b) = (map.key::<i64>("account.a").unwrap(), map.key::<i64>("account.b").unwrap());
    for round in 0..ROUNDS {
        map.inc("count", 1).unwrap();
        let (from, to) = if round % 2 == 0 { (&a, &b) } else { (&b, &a) };
        map.transaction(|transaction| {
            let rest = transaction.get(from)?.unwrap_or(0);
            let other = transaction.get(to)?.unwrap_or(0);
            assert_eq!(rest + other, 100);
            if rest == 0 {
                return Ok(());
            }
            transaction.set(from, rest - 1)?;
            transaction.set(to, other + 1)
        })
        .unwrap();
    }
}

#[test]
fn two_processes_lose_nothing_to_each_other() {
    let server = Server::start();
    let url = server.url("bank");
    let map = SharedMap::connect(&url, schema()).unwrap();
    map.load([("account.a", 50), ("account.b", 50)]).unwrap();
    let mut processes: Vec<_> = (0..2)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "processes::part_of_another_test", "--quiet"])
                .env(URL, &url)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for process in &mut processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(map.get("count").unwrap(), Some((2 * ROUNDS).into()));
    let sum: i64 = ["account.a", "account.b"]
        .iter()
        .map(|key| map.get(*key).unwrap().unwrap().as_integer().unwrap())
        .sum();
    assert_eq!(sum, 100);
}
