//! Encrypted connections to a real server, with certificates that each test makes for itself.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::time::Duration;

use tophash_safemap::{Notice, Schema};
use tophash_safemap_redis::{Error, OpenMap, SharedMap, SharedMapBuilder};

use crate::encrypted::{Authority, Encrypted};
use crate::server::wait_until;

mod encrypted;
#[path = "../redis/server.rs"]
mod server;
mod sink;

/// Why no connection came about.
fn refusal(builder: SharedMapBuilder) -> String {
    match builder.timeout(Duration::from_secs(2)).connect() {
        Err(error @ (Error::Unreachable { .. } | Error::Broken { .. })) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_map_works_encrypted_as_it_does_in_the_open() {
    let encrypted = Encrypted::start("127.0.0.1", false);
    let map = encrypted.builder("127.0.0.1").cache(10).connect().unwrap();
    let watch = map.watch("a".parse().unwrap()).unwrap().start();
    map.set("a", 1).unwrap();
    assert_eq!(map.inc("a", 1).unwrap(), 2);
    map.transaction(|transaction| {
        let old = transaction.get("a")?;
        transaction.set("b", old.unwrap())
    })
    .unwrap();
    assert_eq!(map.get("b").unwrap(), Some(2.into()));
    let told = watch.take(2).all(|notice| matches!(notice, Notice::Event(_)));
    assert!(told);
    // The same map, by who needs no encryption.
    let open = SharedMap::connect(&encrypted.server.url("test"), Schema::open()).unwrap();
    assert_eq!(open.get("a").unwrap(), Some(2.into()));
    // Content longer than a record of TLS.
    let long = "x".repeat(1 << 20);
    open.set("long", &*long).unwrap();
    assert_eq!(map.get("long").unwrap(), Some(long.into()));
}

#[test]
fn a_server_that_can_not_prove_its_name_is_refused() {
    let encrypted = Encrypted::start("127.0.0.1", false);
    let stranger = Authority::new();
    let told = refusal(encrypted.builder("127.0.0.1").root_certificates(stranger.pem()));
    assert!(told.contains("certificate"), "{told}");
    let told = refusal(encrypted.builder("localhost"));
    assert!(told.contains("certificate"), "{told}");
    // By the system's certificates it is unknown.
    let url = encrypted.url("127.0.0.1", "test");
    assert!(OpenMap::open(&url, Schema::open()).is_err());
    let broken = encrypted.builder("127.0.0.1").root_certificates("-----BEGIN CERTIFICATE-----");
    let told = broken.connect().unwrap_err();
    assert!(matches!(told, Error::Url { .. } | Error::Unreachable { .. }), "{told}");
}

#[test]
fn a_server_that_asks_for_a_certificate_gets_one() {
    let encrypted = Encrypted::start("127.0.0.1", true);
    refusal(encrypted.builder("127.0.0.1"));
    let (chain, key) = encrypted.authority.signed("client");
    let builder = encrypted.builder("127.0.0.1").client_certificate(chain, key.clone());
    assert!(!format!("{builder:?}").contains(key.lines().nth(1).unwrap()));
    let map = builder.connect().unwrap();
    map.set("a", 1).unwrap();
    assert_eq!(map.get("a").unwrap(), Some(1.into()));
}

#[test]
fn what_is_encrypted_at_one_end_alone_fails_and_says_nothing_in_the_open() {
    let encrypted = Encrypted::start("127.0.0.1", false);
    let plain = encrypted.url(":secret@127.0.0.1", "test").replace("rediss://", "redis://");
    let told = refusal(SharedMap::builder(&plain, Schema::open()));
    assert!(!told.contains("secret"), "{told}");
    let url = encrypted.server.url("test").replace("redis://", "rediss://");
    refusal(SharedMap::builder(&url, Schema::open()));
}

#[test]
fn a_server_that_does_not_answer_costs_no_more_than_the_timeout() {
    let encrypted = Encrypted::start("127.0.0.1", false);
    let builder = encrypted.builder("127.0.0.1").timeout(Duration::from_millis(300));
    let map = builder.clone().connect().unwrap();
    map.set("a", 1).unwrap();
    encrypted.server.freeze();
    let (read, write) = (map.get("a").unwrap_err(), map.set("a", 2).unwrap_err());
    let fresh = builder.connect().unwrap_err();
    encrypted.server.thaw();
    assert!(read.is_passing() && write.is_passing() && fresh.is_passing());
    wait_until("the server answers", || map.get("a").is_ok());
}
