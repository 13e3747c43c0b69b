//! Metrics of maps, in the OpenMetrics form, through `prometheus-client`.
//!
//! One collector serves many maps, since a name may come once in an exposition. A scrape adds the
//! shards up, each under its lock for a moment, and costs operations nothing.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;

use crate::breaker::BreakerState;
use crate::figures::{Figures, Told};
use crate::latency::Sort;
use crate::map::SafeMap;
use crate::supervisor::Supervisor;

/// Metrics of maps, for a registry.
///
/// ```
/// use prometheus_client::encoding::text::encode;
/// use prometheus_client::registry::Registry;
/// use tophash_safemap::{MapMetrics, SafeMap, Schema};
///
/// let mut registry = Registry::default();
/// let metrics = MapMetrics::new();
/// registry.register_collector(Box::new(metrics.clone()));
///
/// let map = SafeMap::builder(Schema::open()).name("payment").build();
/// metrics.add(&map);
/// map.set("a", 1)?;
///
/// let mut text = String::new();
/// encode(&mut text, &registry)?;
/// assert!(text.contains("safe_map_entries{namespace=\"payment\"} 1"));
/// assert!(text.contains("safe_map_write_failure_rate{namespace=\"payment\"} 0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A clone is another handle of the same collector. It does not keep the maps: one that is gone is
/// gone from the metrics. Two maps of one name would be told under one label; give them two names.
#[derive(Clone, Debug, Default)]
pub struct MapMetrics {
    maps: Arc<Mutex<Vec<Told>>>,
}

/// The longest cause that is told, in bytes.
const LONGEST_CAUSE: usize = 256;

type Labels = Vec<(&'static str, String)>;

impl MapMetrics {
    /// A collector without maps.
    pub fn new() -> Self {
        Self::default()
    }

    /// Tells of a map from now on. One in 64 of its operations is timed from then.
    pub fn add(&self, map: &SafeMap) {
        map.inner.latency.turn_on();
        self.tell_of(Told::Memory(Arc::downgrade(&map.inner)));
    }

    /// Tells of a map that lies in another store, with the size that it was said to have last. A
    /// scrape asks the store nothing.
    pub fn add_supervised(&self, supervisor: &Arc<Supervisor>) {
        supervisor.latency().turn_on();
        self.tell_of(Told::Far(Arc::downgrade(supervisor)));
    }

    fn tell_of(&self, map: Told) {
        let mut maps = self.lock();
        maps.retain(|map| !map.is_gone());
        maps.push(map);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Told>> {
        self.maps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn maps(&self) -> Vec<Figures> {
        self.lock().iter().filter_map(Told::figures).collect()
    }
}

impl Collector for MapMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let maps = self.maps();
        if maps.is_empty() {
            return Ok(());
        }
        let out = &mut encoder;
        gauges(out, &maps, "safe_map_entries", "Entries held", |map| map.entries() as f64)?;
        gauges(out, &maps, "safe_map_bytes", "Bytes of tables, keys and contents", |map| {
            map.bytes() as f64
        })?;
        let failures = "Share of writes that failed lately, from 0 to 1";
        gauges(out, &maps, "safe_map_write_failure_rate", failures, Figures::write_failure_rate)?;
        let state = "What the breaker lets through: 0 all writes, 1 a few, 2 none";
        gauges(out, &maps, "safe_map_breaker_state", state, |map| match map.breaker_state() {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open => 2.0,
        })?;
        causes(out, &maps)?;
        let growing = "Patterns whose entries only grew over the last audits";
        gauges(out, &maps, "safe_map_growing_patterns", growing, |map| {
            map.growing_patterns() as f64
        })?;
        let waiting = "Events in the fullest queue of an observer";
        gauges(out, &maps, "safe_map_observer_lag", waiting, |map| map.queues().waiting as f64)?;
        counters(out, &maps, "safe_map_observer_events", "Events for observers", |map| {
            let counts = map.queues();
            vec![("taken", counts.taken), ("dropped", counts.dropped)]
        })?;
        counters(out, &maps, "safe_map_operations", "Operations by result", |map| {
            let counts = map.operations();
            vec![
                ("hit", counts.hits),
                ("miss", counts.misses),
                ("written", counts.writes),
                ("removed", counts.removals),
                ("expired", counts.expirations),
                ("evicted", counts.evictions),
                ("refused", counts.refusals),
            ]
        })?;
        counters(out, &maps, "safe_map_breaker", "How often the breaker has changed", |map| {
            vec![("opened", map.times_opened())]
        })?;
        latencies(out, &maps)
    }
}

fn gauges(
    encoder: &mut DescriptorEncoder<'_>,
    maps: &[Figures],
    name: &str,
    help: &str,
    value: impl Fn(&Figures) -> f64,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for map in maps {
        let labels: Labels = vec![("namespace", map.name().to_owned())];
        write_gauge(&mut family.encode_family(&labels)?, &value(map))?;
    }
    Ok(())
}

/// Why breakers are not closed, as a label: nothing while they are.
fn causes(encoder: &mut DescriptorEncoder<'_>, maps: &[Figures]) -> fmt::Result {
    let told: Vec<_> = maps.iter().filter_map(|map| Some((map.name(), map.cause()?))).collect();
    if told.is_empty() {
        return Ok(());
    }
    let (name, help) = ("safe_map_breaker_cause", "Probable cause of a breaker that is not closed");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (name, mut cause) in told {
        cause.truncate(cause.floor_char_boundary(LONGEST_CAUSE));
        let labels: Labels = vec![("namespace", name.to_owned()), ("cause", cause)];
        write_gauge(&mut family.encode_family(&labels)?, &1.0)?;
    }
    Ok(())
}

fn write_gauge(
    encoder: &mut prometheus_client::encoding::MetricEncoder<'_>,
    value: &impl EncodeGaugeValue,
) -> fmt::Result {
    encoder.encode_gauge(value)
}

fn counters(
    encoder: &mut DescriptorEncoder<'_>,
    maps: &[Figures],
    name: &str,
    help: &str,
    values: impl Fn(&Figures) -> Vec<(&'static str, u64)>,
) -> fmt::Result {
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
    for map in maps {
        for (result, count) in values(map) {
            let labels: Labels =
                vec![("namespace", map.name().to_owned()), ("result", result.to_owned())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
    }
    Ok(())
}

fn latencies(encoder: &mut DescriptorEncoder<'_>, maps: &[Figures]) -> fmt::Result {
    let (name, help) = ("safe_map_latency_seconds", "Time of operations, one in 64 of them");
    let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for map in maps {
        for (sort, named) in [(Sort::Read, "read"), (Sort::Write, "write")] {
            let (sum, count, buckets) = map.latency().sums(sort);
            let labels: Labels =
                vec![("namespace", map.name().to_owned()), ("operation", named.to_owned())];
            family
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(sum, count, &buckets, None)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;
    use crate::breaker::Breaker;
    use crate::clock::ManualClock;
    use crate::rule::Type;
    use crate::schema::Schema;

    #[test]
    fn every_map_is_told_under_each_name_once() {
        let metrics = MapMetrics::new();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(metrics.clone()));
        let schema = Schema::builder().key("a.*", Type::integer()).build().unwrap();
        let made = |name: &str| {
            let breaker = Breaker::default();
            let clock = Arc::new(ManualClock::new());
            SafeMap::builder(schema.clone()).name(name).breaker(breaker).clock(clock).build()
        };
        let (one, two) = (made("one"), made("two"));
        metrics.add(&one);
        metrics.add(&two);
        for number in 0..299 {
            one.set(&format!("a.{number}"), number).unwrap();
        }
        for _ in 0..100 {
            one.set("a.1", "text").unwrap_err();
        }
        let _watch = one.watch("a.*".parse().unwrap()).start();
        one.remove("a.1").unwrap();
        let text = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        let told = text();
        for line in [
            "safe_map_entries{namespace=\"one\"} 298.0",
            "safe_map_entries{namespace=\"two\"} 0.0",
            "safe_map_write_failure_rate{namespace=\"one\"} 0.25",
            "safe_map_operations_total{namespace=\"one\",result=\"refused\"} 100",
            "safe_map_operations_total{namespace=\"one\",result=\"removed\"} 1",
            "safe_map_observer_lag{namespace=\"one\"} 1.0",
            "safe_map_breaker_state{namespace=\"one\"} 0.0",
            "safe_map_latency_seconds_count{namespace=\"two\",operation=\"write\"} 0",
        ] {
            assert!(told.lines().any(|told| told == line), "{line} is not in\n{told}");
        }
        assert_eq!(told.matches("# TYPE safe_map_entries gauge").count(), 1);
        drop(two);
        assert!(!text().contains("two"));
    }
}
