//! Sinks against the real servers, each started here on a loopback port of its own; and against places
//! that are away, refuse, or never answer.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tophash_safemap::{
    AlertWebhook, Breaker, Change, HookOutcome, ManualClock, NatsSink, RedisSink, SafeMap, Schema,
    Type, WebhookSink,
};
use xtask::servers::{Kind, Server};

/// Longer than a server takes that is there, on a machine that is busy with other things.
const LATE: Duration = Duration::from_secs(60);

fn map() -> SafeMap {
    SafeMap::new(Schema::open())
}

fn all() -> tophash_safemap::KeyPattern {
    "**".parse().unwrap()
}

fn tally(outcome: &HookOutcome) -> (u64, u64, u64) {
    (outcome.done, outcome.failed, outcome.dropped)
}

fn connect(server: &Server) -> redis::Connection {
    redis::Client::open(server.url()).unwrap().get_connection().unwrap()
}

#[test]
fn a_stream_of_redis_has_the_events_in_order_and_keeps_as_many_as_it_was_told() {
    let server = Server::start(Kind::Redis).unwrap();
    let map = map();
    let sink = RedisSink::stream(&server.url(), "changes").unwrap().timeout(LATE);
    let hook = map.watch(all()).sink(sink).unwrap();
    map.set("a", 1).unwrap();
    map.set("a", "two\r\n").unwrap();
    map.set("", 1).unwrap_err();
    map.remove("a").unwrap();
    assert_eq!(tally(&hook.finish()), (4, 0, 0));

    let mut redis = connect(&server);
    type Entries = Vec<(String, Vec<(String, String)>)>;
    let entries: Entries =
        redis::cmd("XRANGE").arg("changes").arg("-").arg("+").query(&mut redis).unwrap();
    let told: Vec<_> = entries
        .iter()
        .map(|(_, fields)| {
            let of = |name: &str| {
                let field = fields.iter().find(|(field, _)| field == name);
                field.map(|(_, value)| value.as_str())
            };
            (of("change").unwrap(), of("key").unwrap(), of("value"), of("error").is_some())
        })
        .collect();
    assert_eq!(
        told,
        [
            ("written", "a", Some("1"), false),
            ("written", "a", Some(r#""two\r\n""#), false),
            ("refused", "", None, true),
            ("removed", "a", Some(r#""two\r\n""#), false),
        ]
    );

    let sink = RedisSink::stream(&server.url(), "short").unwrap().max_len(100).timeout(LATE);
    let hook = map.watch(all()).capacity(2000).sink(sink).unwrap();
    for number in 0..1000 {
        map.set("a", number).unwrap();
    }
    assert_eq!(tally(&hook.finish()), (1000, 0, 0));
    let length: u64 = redis::cmd("XLEN").arg("short").query(&mut redis).unwrap();
    // Redis drops whole nodes, of a hundred entries unless it is told otherwise.
    assert!((100..=300).contains(&length), "{length}");
}

#[test]
fn a_channel_of_redis_tells_who_listens() {
    let server = Server::start(Kind::Redis).unwrap();
    let mut listener = connect(&server);
    let mut listener = listener.as_pubsub();
    listener.subscribe("changes").unwrap();
    let map = map();
    let sink = RedisSink::publish(&server.url(), "changes").unwrap().timeout(LATE);
    let hook = map.watch(all()).sink(sink).unwrap();
    map.set("flags.new", true).unwrap();
    assert_eq!(tally(&hook.finish()), (1, 0, 0));
    let message: String = listener.get_message().unwrap().get_payload().unwrap();
    let json: serde_json::Value = serde_json::from_str(&message).unwrap();
    assert_eq!((&json["key"], &json["value"]), (&"flags.new".into(), &true.into()));
}

#[test]
fn a_ranking_in_redis_is_that_of_the_map() {
    let server = Server::start(Kind::Redis).unwrap();
    let map = map();
    let sink = RedisSink::ranking(&server.url(), "scores").unwrap().timeout(LATE);
    let hook = map.watch("score.*".parse().unwrap()).sink(sink).unwrap();
    for (name, points) in [("ada", 3), ("grace", 7), ("alan", 5), ("kurt", 1)] {
        map.inc(&format!("score.{name}"), points).unwrap();
    }
    map.inc("score.ada", 3).unwrap();
    map.remove("score.kurt").unwrap();
    map.set("score.alan", 5.5).unwrap();
    map.set("score.text", "none").unwrap();
    let outcome = hook.finish();
    assert_eq!(tally(&outcome), (7, 1, 0));
    assert_eq!(outcome.dead_letters[0].reason, "string has no place in a ranking");
    let mut redis = connect(&server);
    let ranking: Vec<(String, f64)> = redis::cmd("ZREVRANGE")
        .arg(&["scores", "0", "-1", "WITHSCORES"])
        .query(&mut redis)
        .unwrap();
    let expected = [("score.grace", 7.0), ("score.ada", 6.0), ("score.alan", 5.5)];
    assert_eq!(ranking, expected.map(|(key, score)| (key.to_owned(), score)));
}

#[test]
fn a_redis_that_goes_and_comes_back_costs_the_events_in_between_and_no_write() {
    let server = Server::start(Kind::Redis).unwrap();
    let port = server.port();
    let map = map();
    let sink = RedisSink::stream(&server.url(), "changes").unwrap().timeout(LATE);
    let hook = map.watch(all()).sink(sink).unwrap();
    let delivered = |count: u64, failed: u64| {
        while {
            let done = hook.outcome();
            done.done < count || done.failed < failed
        } {
            std::thread::yield_now();
        }
    };
    map.set("a", 1).unwrap();
    delivered(1, 0);
    drop(server);
    map.set("a", 2).unwrap();
    map.set("a", 3).unwrap();
    delivered(1, 2);
    let server = Server::start_at(Kind::Redis, port).unwrap().expect("the port is free again");
    map.set("a", 4).unwrap();
    assert_eq!(tally(&hook.finish()), (2, 2, 0));
    assert_eq!(map.get("a").unwrap(), Some(4.into()));
    let length: u64 = redis::cmd("XLEN").arg("changes").query(&mut connect(&server)).unwrap();
    assert_eq!(length, 1);
}

#[test]
fn a_subject_of_nats_is_the_key_and_tells_who_subscribed() {
    let server = Server::start(Kind::Nats).unwrap();
    // A subscriber in NATS's own words, so that no client of ours hears what a client of ours says.
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
    stream.write_all(b"CONNECT {\"verbose\":false}\r\nSUB changes.user.> 1\r\nPING\r\n").unwrap();
    assert!(lines.any(|line| line == "PONG"));

    let map = map();
    let sink = NatsSink::new(&server.url(), "changes").unwrap().timeout(LATE);
    let hook = map.watch(all()).sink(sink).unwrap();
    map.set("other", 1).unwrap();
    map.set("user.7.name", "Ada").unwrap();
    map.set("user.7.a b", 1).unwrap();
    assert_eq!(tally(&hook.finish()), (3, 0, 0));
    let mut message = || {
        let head = lines.by_ref().find(|line| line.starts_with("MSG ")).unwrap();
        let subject = head.split(' ').nth(1).unwrap().to_owned();
        let json: serde_json::Value = serde_json::from_str(&lines.next().unwrap()).unwrap();
        (subject, json["key"].as_str().unwrap().to_owned(), json["value"].clone())
    };
    assert_eq!(
        message(),
        ("changes.user.7.name".to_owned(), "user.7.name".to_owned(), "Ada".into())
    );
    assert_eq!(message(), ("changes.user.7.a_b".to_owned(), "user.7.a b".to_owned(), 1.into()));
}

/// A port at which nobody listens, and which no other test is ever given.
const NOBODY: u16 = 1;

/// Somebody who listens and never says a word.
fn mute() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[test]
fn a_place_that_is_away_or_mute_makes_dead_letters_within_its_timeout() {
    let mute = mute();
    let soon = Duration::from_millis(50);
    for port in [NOBODY, mute.local_addr().unwrap().port()] {
        let map = map();
        let redis = RedisSink::stream(&format!("redis://127.0.0.1:{port}/"), "s").unwrap();
        let nats = NatsSink::new(&format!("nats://127.0.0.1:{port}"), "s").unwrap();
        let web = WebhookSink::new(&format!("http://127.0.0.1:{port}/secret")).unwrap();
        let hooks = [
            map.watch(all()).sink(redis.timeout(soon)).unwrap(),
            map.watch(all()).sink(nats.timeout(soon)).unwrap(),
            map.watch(all()).sink(web.timeout(soon)).unwrap(),
        ];
        map.set("a", 1).unwrap();
        map.set("a", 2).unwrap();
        for hook in hooks {
            let outcome = hook.finish();
            assert_eq!(tally(&outcome), (0, 2, 0));
            assert!(!outcome.dead_letters[0].reason.contains("secret"));
        }
        assert_eq!(map.get("a").unwrap(), Some(2.into()));
    }
}

/// An HTTP server that answers as it is told, one answer a connection, and hands on what was posted.
fn web(answers: &'static [&'static str]) -> (String, mpsc::Receiver<(String, String)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, posted) = mpsc::channel();
    std::thread::spawn(move || {
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let (mut head, mut length) = (String::new(), 0);
            loop {
                let mut line = String::new();
                reader.read_line(&mut line).unwrap();
                let lower = line.to_ascii_lowercase();
                if let Some(text) = lower.strip_prefix("content-length:") {
                    length = text.trim().parse().unwrap();
                }
                if line.trim().is_empty() {
                    break;
                }
                head.push_str(&line);
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            sender.send((head, String::from_utf8(body).unwrap())).unwrap();
            let text =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(text.as_bytes()).unwrap();
        }
    });
    (url, posted)
}

#[test]
fn a_webhook_gets_each_event_and_a_refusal_is_tried_again() {
    let (url, posted) = web(&["200 OK", "503 Busy", "204 No Content", "302 Found\r\nLocation: /x"]);
    let map = map();
    let sink = WebhookSink::new(&url).unwrap().header("Authorization", "Bearer token");
    let hook =
        map.watch(all()).changes([Change::Written]).retries(1).sink(sink.timeout(LATE)).unwrap();
    map.set("a", 1).unwrap();
    map.set("a", 2).unwrap();
    for value in [1, 2, 2] {
        let (head, body) = posted.recv().unwrap();
        assert!(head.to_ascii_lowercase().contains("authorization: bearer token"), "{head}");
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        assert_eq!(json["value"], value);
    }
    // An answer that leads elsewhere is none, and the header goes nowhere else; then nobody listens.
    map.set("a", 3).unwrap();
    assert_eq!(tally(&hook.finish()), (2, 1, 0));
}

#[test]
fn an_alert_goes_to_slack_and_a_webhook_that_hangs_holds_no_write() {
    let (url, posted) = web(&["500 No", "200 OK", "200 OK"]);
    let mute = mute();
    let clock = Arc::new(ManualClock::new());
    let schema = Schema::builder().key("version", Type::integer()).build().unwrap();
    let mute_url = format!("http://{}/", mute.local_addr().unwrap());
    let slack = AlertWebhook::slack(&url).unwrap().timeout(LATE);
    let hangs = AlertWebhook::slack(&mute_url).unwrap().timeout(Duration::from_secs(3600));
    let map = SafeMap::builder(schema)
        .name("config")
        .clock(clock.clone())
        .breaker(Breaker::default())
        .on_alert(hangs.start().unwrap())
        .on_alert(slack.tries(2, Duration::ZERO).start().unwrap())
        .build();
    for _ in 0..60 {
        let _ = map.set("version", 7);
        let _ = map.set("version", "7");
        clock.advance(Duration::from_millis(100));
    }
    for _ in 0..2 {
        let (_, body) = posted.recv().unwrap();
        let json: serde_json::Value = serde_json::from_str(&body).unwrap();
        let text = json["text"].as_str().unwrap();
        assert!(
            text.starts_with("SafeMap@config is read-only: 50.0 % of writes failed."),
            "{text}"
        );
        // With the probable cause.
        assert!(text.contains("\"version\" was written 51 times as integer and came"), "{text}");
    }
    assert_eq!(map.get("version").unwrap(), Some(7.into()));
}

#[test]
fn a_url_that_is_none_is_refused_and_not_repeated() {
    for url in ["ftp://me:secret@example.org/", "no secret", "http://[secret/"] {
        let faults = [
            WebhookSink::new(url).map(drop).unwrap_err(),
            AlertWebhook::slack(url).map(drop).unwrap_err(),
            RedisSink::publish(url, "c").map(drop).unwrap_err(),
        ];
        for fault in faults {
            assert!(!fault.to_string().contains("secret"), "{fault}");
        }
    }
}
