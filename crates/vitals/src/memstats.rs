//! `runtime.MemStats` as JSON, as expvar serves it below `memstats` of `/debug/vars`.
//!
//! The struct has had the same fields since Go 1.11 (`runtime/mstats.go`). Its sums hold exactly,
//! since the world is stopped while it is filled in: `HeapSys = HeapInuse + HeapIdle`, and `Sys` is
//! the sum of all that end in `Sys`.

use serde::Deserialize;

use crate::error::Error;
use crate::vitals::{SizeClass, Vitals};

/// Variables of a program beside `memstats` may be long, but not as long as this.
const LIMIT: usize = 64 << 20;
/// Go has 68 size classes.
const MOST_SIZE_CLASSES: usize = 256;

/// As much of `/debug/vars` as is wanted.
#[derive(Deserialize)]
struct Variables {
    memstats: Option<MemStats>,
}

/// As much of `MemStats` as is wanted. Fields that are missing are an error: then it is another
/// thing that has the same name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct MemStats {
    pub(crate) sys: u64,
    pub(crate) total_alloc: u64,
    pub(crate) mallocs: u64,
    pub(crate) frees: u64,
    pub(crate) heap_alloc: u64,
    pub(crate) heap_idle: u64,
    pub(crate) heap_inuse: u64,
    pub(crate) heap_released: u64,
    pub(crate) heap_objects: u64,
    pub(crate) stack_inuse: u64,
    pub(crate) stack_sys: u64,
    #[serde(rename = "MSpanSys")]
    pub(crate) mspan_sys: u64,
    #[serde(rename = "MCacheSys")]
    pub(crate) mcache_sys: u64,
    pub(crate) buck_hash_sys: u64,
    #[serde(rename = "GCSys")]
    pub(crate) gc_sys: u64,
    pub(crate) other_sys: u64,
    #[serde(rename = "NextGC")]
    pub(crate) next_gc: u64,
    #[serde(rename = "LastGC")]
    pub(crate) last_gc: u64,
    pub(crate) pause_total_ns: u64,
    #[serde(rename = "NumGC")]
    pub(crate) num_gc: u64,
    #[serde(rename = "NumForcedGC", default)]
    pub(crate) num_forced_gc: u64,
    #[serde(rename = "GCCPUFraction")]
    pub(crate) gc_cpu_fraction: f64,
    #[serde(default)]
    pub(crate) by_size: Vec<BySize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BySize {
    size: u64,
    mallocs: u64,
    frees: u64,
}

/// Reads what expvar serves at `/debug/vars`, or a `MemStats` by itself.
///
/// # Errors
///
/// Fails where the text is no JSON, or has no `MemStats`.
pub fn parse_memstats(text: &[u8]) -> Result<Vitals, Error> {
    if text.len() > LIMIT {
        return Err(Error::TooLong { len: text.len(), limit: LIMIT });
    }
    let variables: Variables = serde_json::from_slice(text)?;
    if let Some(stats) = variables.memstats {
        return Ok(stats.vitals());
    }
    // Valid JSON that is neither gets the message that helps.
    let stats: MemStats = serde_json::from_slice(text).map_err(|_| Error::NoMemStats)?;
    Ok(stats.vitals())
}

impl MemStats {
    pub(crate) fn vitals(self) -> Vitals {
        let sum = |parts: &[u64]| parts.iter().fold(0_u64, |sum, part| sum.saturating_add(*part));
        let size_classes = self
            .by_size
            .into_iter()
            .take(MOST_SIZE_CLASSES)
            // The class of large objects has size zero, and is not counted here.
            .filter(|class| class.size > 0)
            .map(|BySize { size, mallocs, frees }| SizeClass { size, mallocs, frees })
            .collect();
        Vitals {
            heap_alloc: Some(self.heap_alloc),
            heap_in_use: Some(self.heap_inuse),
            heap_free: Some(self.heap_idle.saturating_sub(self.heap_released)),
            heap_released: Some(self.heap_released),
            stacks: Some(self.stack_inuse),
            runtime: Some(sum(&[
                self.stack_sys.saturating_sub(self.stack_inuse),
                self.mspan_sys,
                self.mcache_sys,
                self.buck_hash_sys,
                self.gc_sys,
                self.other_sys,
            ])),
            mapped: Some(self.sys.saturating_sub(self.heap_released)),
            heap_objects: Some(self.heap_objects),
            mallocs: Some(self.mallocs),
            frees: Some(self.frees),
            total_alloc: Some(self.total_alloc),
            next_gc: Some(self.next_gc).filter(|goal| *goal < 1 << 62),
            gc_cycles: Some(self.num_gc),
            gc_forced: Some(self.num_forced_gc),
            gc_cpu_fraction: Some(self.gc_cpu_fraction.clamp(0.0, 1.0)),
            gc_pause_seconds: Some(self.pause_total_ns as f64 / 1e9),
            last_gc_time: (self.last_gc > 0).then_some(self.last_gc as f64 / 1e9),
            size_classes,
            ..Vitals::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A `MemStats` with as few fields as are read.
    const STATS: &str = r#"{"Alloc":1,"TotalAlloc":9,"Sys":100,"Lookups":0,"Mallocs":7,"Frees":3,
        "HeapAlloc":30,"HeapSys":70,"HeapIdle":30,"HeapInuse":40,"HeapReleased":20,"HeapObjects":4,
        "StackInuse":5,"StackSys":6,"MSpanSys":7,"MCacheSys":3,"BuckHashSys":2,"GCSys":8,
        "OtherSys":4,"NextGC":55,"LastGC":1500000000,"PauseTotalNs":2000000000,"NumGC":2,
        "NumForcedGC":1,"GCCPUFraction":0.25,
        "BySize":[{"Size":0,"Mallocs":0,"Frees":0},{"Size":8,"Mallocs":2,"Frees":1}]}"#;

    #[test]
    fn memstats_are_read_from_all_variables_and_by_themselves() {
        let vars = format!(r#"{{"cmdline":["a"],"memstats":{STATS},"x":{{"deep":[1,[2]]}}}}"#);
        for text in [STATS, &vars] {
            let vitals = parse_memstats(text.as_bytes()).unwrap();
            assert_eq!(vitals.heap_alloc, Some(30));
            assert_eq!(vitals.heap_free, Some(10));
            assert_eq!(vitals.mapped, Some(80));
            assert_eq!(vitals.runtime, Some(25));
            assert_eq!(vitals.last_gc_time, Some(1.5));
            assert_eq!(vitals.gc_pause_seconds, Some(2.0));
            assert_eq!(vitals.size_classes, [SizeClass { size: 8, mallocs: 2, frees: 1 }]);
        }
    }

    #[test]
    fn what_is_no_memstats_is_refused_in_words_that_help() {
        for (text, says) in [
            ("", "not the JSON"),
            ("<html>", "not the JSON"),
            ("{}", "no `memstats`"),
            (r#"{"memstats":{}}"#, "not the JSON"),
            (r#"{"memstats":{"Sys":-1}}"#, "not the JSON"),
        ] {
            let fault = parse_memstats(text.as_bytes()).unwrap_err().to_string();
            assert!(fault.contains(says), "{text}: {fault}");
        }
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        let text = format!(r#"{{"x":{deep}}}"#);
        assert!(parse_memstats(text.as_bytes()).is_err());
    }

    proptest! {
        #[test]
        fn any_damage_is_survived(at in 0..STATS.len(), len in 0_usize..12, with in any::<Vec<u8>>()) {
            let mut text = STATS.as_bytes().to_vec();
            let end = (at + len).min(text.len());
            text.splice(at..end, with);
            if let Ok(vitals) = parse_memstats(&text) {
                let bill = crate::Bill::of(&vitals);
                let sum: i128 = bill.rows().iter().map(|row| row.bytes).sum();
                prop_assert_eq!(sum, i128::from(vitals.mapped.unwrap()));
            }
        }

        #[test]
        fn any_numbers_are_survived(numbers in prop::collection::vec(any::<u64>(), 21)) {
            let mut numbers = numbers.into_iter();
            let fields = ["Sys", "TotalAlloc", "Mallocs", "Frees", "HeapAlloc", "HeapIdle", "HeapInuse",
                "HeapReleased", "HeapObjects", "StackInuse", "StackSys", "MSpanSys", "MCacheSys",
                "BuckHashSys", "GCSys", "OtherSys", "NextGC", "LastGC", "PauseTotalNs", "NumGC",
                "GCCPUFraction"];
            let pairs: Vec<_> =
                fields.iter().map(|it| format!("\"{it}\":{}", numbers.next().unwrap())).collect();
            let vitals = parse_memstats(format!("{{{}}}", pairs.join(",")).as_bytes()).unwrap();
            prop_assert!(vitals.gc_cpu_fraction.unwrap() <= 1.0);
        }
    }
}
