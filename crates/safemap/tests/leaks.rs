//! Two leaks that real services had, written with a SafeMap: found before they pass the bound.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tophash_safemap::{
    Error, Eviction, ManualClock, MapMetrics, SafeMap, Schema, Type, audit_report,
};

const HOUR: Duration = Duration::from_secs(3600);

/// What a scrape says of how many patterns grow.
fn growing(map: &SafeMap) -> String {
    let (mut registry, metrics) = (Registry::default(), MapMetrics::new());
    metrics.add(map);
    registry.register_collector(Box::new(metrics));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let line = text.lines().find(|line| line.starts_with("safe_map_growing_patterns{"));
    line.unwrap().to_owned()
}

/// A lock a file path, made at the first request and never removed, so that whoever asks for paths
/// that are not there makes the map grow (valyala/fasthttp#2256).
#[test]
fn a_lock_for_every_path_that_was_ever_asked_for() {
    let clock = Arc::new(ManualClock::new());
    let schema = Schema::builder().key("lock.**", Type::boolean()).build().unwrap();
    let locks = SafeMap::builder(schema)
        .name("file-locks")
        .clock(clock.clone())
        .max_entries(10_000)
        .build();
    let mut records = Vec::new();
    let mut found_at = None;
    for hour in 0..100 {
        for request in 0..200 {
            let path = format!("lock./static/{hour}/{request}.js");
            match locks.get_or_insert_with(&path, || false.into()) {
                Ok(_) => {}
                Err(Error::Full { .. }) => break,
                Err(other) => panic!("{other}"),
            }
        }
        records.push(locks.audit());
        let is_growth =
            growing(&locks) == "safe_map_growing_patterns{namespace=\"file-locks\"} 1.0";
        assert_eq!(is_growth, !locks.growths().is_empty());
        if found_at.is_none() && is_growth {
            found_at = Some(locks.len());
            let report = audit_report(&records);
            assert!(report.contains("looks like a leak: \"lock.**\" grew"), "{report}");
            assert!(report.contains("100 % were never read; the bound is reached in"), "{report}");
        }
        clock.advance(HOUR);
    }
    // Found at a tenth of the bound; and the bound held.
    assert_eq!((found_at, locks.len()), (Some(1000), 10_000));
}

/// Entries with an end that nothing collects: a new key for every client, which never comes back,
/// so that nobody meets its expired entry.
#[test]
fn clients_that_never_come_back() {
    let clock = Arc::new(ManualClock::new());
    let schema = |rule: tophash_safemap::Rule| Schema::builder().key("client.*", rule).build();
    let hits = || Type::integer().range(0..);
    let visit = |map: &SafeMap, hour: usize| {
        for client in 0..500 {
            map.inc(&format!("client.{hour}-{client}"), 1).unwrap();
        }
        clock.advance(HOUR);
    };
    // Without an end they are found as growth.
    let forever = SafeMap::builder(schema(hits().into()).unwrap())
        .clock(clock.clone())
        .max_entries(20_000)
        .eviction(Eviction::LeastRecentlyUsed)
        .build();
    let mut records = Vec::new();
    for hour in 0..5 {
        assert_eq!(growing(&forever), "safe_map_growing_patterns{namespace=\"map\"} 0.0");
        visit(&forever, hour);
        records.push(forever.audit());
    }
    assert_eq!(forever.growths()[0].to, 2500);
    assert_eq!(growing(&forever), "safe_map_growing_patterns{namespace=\"map\"} 1.0");
    let report = audit_report(&records);
    assert!(report.contains("looks like a leak: \"client.*\" grew"), "{report}");
    // With one, every write collects a few of those that have ended.
    let limited = SafeMap::builder(schema(hits().ttl(HOUR)).unwrap()).clock(clock.clone()).build();
    let mut most = 0;
    for hour in 0..200 {
        visit(&limited, hour);
        most = most.max(limited.len());
        limited.audit();
    }
    assert!(limited.growths().is_empty());
    assert!(most < 2500, "{most} are held of 500 that count");
    limited.sweep();
    assert_eq!(limited.len(), 0);
}
