//! What a scrape says, as whoever reads it gets it: names, labels and values in the text form.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use tophash_safemap::{Breaker, Eviction, ManualClock, MapMetrics, SafeMap, Schema, Type};

struct Service {
    map: SafeMap,
    clock: Arc<ManualClock>,
    registry: Registry,
}

fn service() -> Service {
    let clock = Arc::new(ManualClock::new());
    let schema = Schema::builder()
        .key("config.version", Type::string())
        .key("count.*", Type::integer().ttl(Duration::from_secs(3600)))
        .build()
        .unwrap();
    let map = SafeMap::builder(schema)
        .name("risk-policy")
        .clock(clock.clone())
        .max_entries(10)
        .eviction(Eviction::LeastRecentlyUsed)
        .breaker(Breaker::default())
        .build();
    let metrics = MapMetrics::new();
    metrics.add(&map);
    let mut registry = Registry::default();
    registry.register_collector(Box::new(metrics));
    Service { map, clock, registry }
}

impl Service {
    fn scrape(&self) -> String {
        let mut text = String::new();
        encode(&mut text, &self.registry).unwrap();
        text
    }

    /// The value of a line that begins with this.
    fn value(&self, name: &str) -> f64 {
        let text = self.scrape();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().unwrap()
    }

    fn operations(&self, result: &str) -> f64 {
        self.value(&format!(
            "safe_map_operations_total{{namespace=\"risk-policy\",result=\"{result}\"}}"
        ))
    }
}

#[test]
fn names_and_kinds_are_those_that_are_promised() {
    let text = service().scrape();
    let told: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")).collect();
    let promised = [
        "safe_map_breaker counter",
        "safe_map_breaker_state gauge",
        "safe_map_bytes gauge",
        "safe_map_entries gauge",
        "safe_map_growing_patterns gauge",
        "safe_map_latency_seconds histogram",
        "safe_map_observer_events counter",
        "safe_map_observer_lag gauge",
        "safe_map_operations counter",
        "safe_map_write_failure_rate gauge",
    ];
    assert_eq!(told, promised.into());
    assert!(text.ends_with("# EOF\n"), "the text form of OpenMetrics");
}

#[test]
fn operations_are_counted_by_their_result() {
    let service = service();
    let map = &service.map;
    for number in 0..12 {
        map.inc(&format!("count.{number}"), 1).unwrap();
    }
    map.get("count.11").unwrap();
    map.get("config.version").unwrap();
    map.remove("count.11").unwrap();
    map.set("config.version", 2).unwrap_err();
    map.get("config.versoin").unwrap_err();
    service.clock.advance(Duration::from_secs(3600));
    map.sweep();
    let counts = ["hit", "miss", "written", "removed", "expired", "evicted", "refused"]
        .map(|result| service.operations(result) as u64);
    // A key that the schema does not know is a miss as well as refused.
    assert_eq!(counts, [1, 2, 12, 1, 9, 2, 2]);
    assert_eq!(service.value("safe_map_entries{namespace=\"risk-policy\"}"), 0.0);
    let bytes = service.value("safe_map_bytes{namespace=\"risk-policy\"}");
    assert_eq!(bytes, map.bytes() as f64);
}

#[test]
fn the_failure_rate_is_a_share_and_an_open_breaker_says_why() {
    let service = service();
    let rate = "safe_map_write_failure_rate{namespace=\"risk-policy\"}";
    let state = "safe_map_breaker_state{namespace=\"risk-policy\"}";
    let opened = "safe_map_breaker_total{namespace=\"risk-policy\",result=\"opened\"}";
    assert_eq!((service.value(rate), service.value(state), service.value(opened)), (0.0, 0.0, 0.0));
    assert!(!service.scrape().contains("safe_map_breaker_cause"));
    for number in 0..60 {
        let _ = match number % 4 {
            0 => service.map.set("config.version", 2),
            _ => service.map.set("config.version", "2.0.0"),
        };
        assert!((0.0..=1.0).contains(&service.value(rate)));
        service.clock.advance(Duration::from_millis(100));
    }
    assert!((service.value(rate) - 0.25).abs() < 0.02);
    assert_eq!((service.value(state), service.value(opened)), (2.0, 1.0));
    let text = service.scrape();
    // Without counts: each would make a series of its own of the same cause.
    let cause = "safe_map_breaker_cause{namespace=\"risk-policy\",cause=\"\\\"config.version\\\" was \
                 written as string and came as integer: ";
    assert!(text.contains(cause), "{text}");
    // Half open it says as much, and closed nothing.
    service.clock.advance(Duration::from_secs(10));
    for probe in 0..5 {
        service.map.set("config.version", "2.0.1").unwrap();
        assert_eq!(service.value(state), if probe < 4 { 1.0 } else { 0.0 });
    }
    assert!(!service.scrape().contains("safe_map_breaker_cause"));
}

#[test]
fn hooks_tell_how_far_behind_they_are_and_what_they_lost() {
    let service = service();
    let watch = service.map.watch("count.*".parse().unwrap()).capacity(3).start();
    for number in 0..5 {
        service.map.inc("count.a", number).unwrap();
    }
    let lag = "safe_map_observer_lag{namespace=\"risk-policy\"}";
    let events = |result: &str| {
        service.value(&format!(
            "safe_map_observer_events_total{{namespace=\"risk-policy\",result=\"{result}\"}}"
        ))
    };
    assert_eq!((service.value(lag), events("taken"), events("dropped")), (3.0, 0.0, 2.0));
    while watch.try_next().is_some() {}
    assert_eq!((service.value(lag), events("taken"), events("dropped")), (0.0, 3.0, 2.0));
}

#[test]
fn the_histogram_of_times_adds_up() {
    let service = service();
    for _ in 0..6400 {
        service.map.get("count.a").unwrap();
    }
    let text = service.scrape();
    let name = "safe_map_latency_seconds_bucket";
    let buckets: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with(name) && line.contains("operation=\"read\""))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert!(buckets.is_sorted(), "{buckets:?}");
    let count = "safe_map_latency_seconds_count{namespace=\"risk-policy\",operation=\"read\"}";
    let count = service.value(count);
    assert_eq!(buckets.last().copied(), Some(count));
    assert!((60.0..=140.0).contains(&count), "one in 64 of 6400, not {count}");
    assert_eq!(text.matches("le=\"+Inf\"").count(), 2, "the last bucket of each ends nowhere");
}

#[test]
fn what_observers_were_told_is_not_forgotten_when_they_go() {
    let service = service();
    let taken = || {
        let labels = "{namespace=\"risk-policy\",result=\"taken\"}";
        service.value(&format!("safe_map_observer_events_total{labels}"))
    };
    let watch = service.map.watch("**".parse().unwrap()).start();
    for number in 0..5 {
        service.map.set("count.a", number).unwrap();
    }
    while watch.try_next().is_some() {}
    assert_eq!(taken(), 5.0);
    drop(watch);
    assert_eq!(taken(), 5.0);
    let hook = service.map.watch("**".parse().unwrap()).hook(|_| Ok(())).unwrap();
    service.map.set("count.a", 1).unwrap();
    drop(hook);
    assert_eq!(taken(), 6.0);
}
