//! The sink of Redis, encrypted: here and not beside the other sinks, as here is a server that is.

use std::time::Duration;

use tophash_safemap::{HookOutcome, RedisSink, SafeMap, Schema, SinkError};

use crate::encrypted::{Authority, Encrypted};

/// What becomes of one event.
fn deliver(sink: RedisSink) -> HookOutcome {
    let map = SafeMap::new(Schema::open());
    let sink = sink.timeout(Duration::from_secs(60));
    let hook = map.watch("**".parse().unwrap()).sink(sink).unwrap();
    map.set("a", 1).unwrap();
    hook.finish()
}

/// Asserts that an event was not delivered, and the server not told of it.
fn is_refused(encrypted: &Encrypted, sink: RedisSink) -> String {
    let outcome = deliver(sink);
    assert_eq!((outcome.done, outcome.failed), (0, 1));
    assert!(encrypted.server.command("XLEN changes").starts_with(":0\r\n"));
    outcome.dead_letters[0].reason.clone()
}

fn sink(encrypted: &Encrypted, host: &str) -> RedisSink {
    RedisSink::stream(&encrypted.url(host, "0"), "changes").unwrap()
}

#[test]
fn a_sink_delivers_encrypted_to_a_server_that_proves_its_name() {
    let encrypted = Encrypted::start("127.0.0.1", false);
    let trusting = |host| sink(&encrypted, host).root_certificates(encrypted.authority.pem());
    // Unknown to the system's certificates, signed by a stranger, under another name.
    let told = is_refused(&encrypted, sink(&encrypted, "127.0.0.1"));
    assert!(told.contains("certificate"), "{told}");
    let strange = sink(&encrypted, "127.0.0.1").root_certificates(Authority::new().pem());
    let told = is_refused(&encrypted, strange.unwrap());
    assert!(told.contains("certificate"), "{told}");
    let told = is_refused(&encrypted, trusting("localhost").unwrap());
    assert!(told.contains("certificate"), "{told}");
    assert_eq!(deliver(trusting("127.0.0.1").unwrap()).done, 1);
    assert!(encrypted.server.command("XLEN changes").starts_with(":1\r\n"));
}

#[test]
fn a_sink_shows_its_certificate_to_who_asks_and_its_key_to_nobody() {
    let encrypted = Encrypted::start("127.0.0.1", true);
    let trusting = sink(&encrypted, "127.0.0.1").root_certificates(encrypted.authority.pem());
    is_refused(&encrypted, trusting.unwrap());
    let (chain, key) = encrypted.authority.signed("client");
    let known = sink(&encrypted, "127.0.0.1")
        .client_certificate(chain, key.clone())
        .and_then(|sink| sink.root_certificates(encrypted.authority.pem()))
        .unwrap();
    assert!(!format!("{known:?}").contains(key.lines().nth(1).unwrap()));
    assert_eq!(deliver(known).done, 1);
}

#[test]
fn certificates_that_can_not_be_read_or_have_no_use_are_refused_at_once() {
    let sink = |url| RedisSink::publish(url, "changes").unwrap();
    let cut = "-----BEGIN CERTIFICATE-----\nAA";
    let broken = sink("rediss://127.0.0.1/").root_certificates(cut);
    assert!(matches!(broken, Err(SinkError::Certificates)), "{broken:?}");
    let idle = sink("redis://127.0.0.1/").root_certificates(Authority::new().pem());
    assert!(matches!(idle, Err(SinkError::Url { .. })), "{idle:?}");
}
