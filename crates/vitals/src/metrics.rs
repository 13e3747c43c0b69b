//! From metrics that Go programs export to [`Vitals`].
//!
//! Three families are known, as the usual client library names them: `go_memstats_*`, one for each
//! field of `MemStats`; `runtime/metrics`, of which `/gc/heap/live:bytes` is spelled
//! `go_gc_heap_live_bytes`, with `_total` behind what only grows; and `process_*`, read from `/proc`
//! by the program itself. Where two say the same thing, the last line wins; they were read at nearly
//! the same time.

use crate::error::Error;
use crate::exposition::{Metric, metric_lines};
use crate::vitals::{SizeClass, Vitals};

/// Exporters with millions of series exist; what is passed over costs only time.
const LIMIT: usize = 256 << 20;
/// Numbers from here on stand for "none": `GOMEMLIMIT` and the goal are 2^63-1 when off.
const NONE: u64 = 1 << 62;
/// The most buckets that histograms of sizes have.
const MOST_SIZE_CLASSES: usize = 256;

/// Reads the text that a Go program serves at `/metrics`.
///
/// # Errors
///
/// Fails where a line of a Go program's metric can't be read, or there is none.
pub fn parse_metrics(text: &[u8]) -> Result<Vitals, Error> {
    if text.len() > LIMIT {
        return Err(Error::TooLong { len: text.len(), limit: LIMIT });
    }
    let mut reading = Reading::default();
    let is_wanted = |name: &str| name.starts_with("go_") || name.starts_with("process_");
    for metric in metric_lines(text, is_wanted) {
        reading.take(&metric?);
    }
    reading.finish()
}

/// Figures that are parts or sums of what is wanted.
#[derive(Default)]
struct Reading {
    vitals: Vitals,
    is_go: bool,
    sys: Option<u64>,
    heap_idle: Option<u64>,
    stack_sys: Option<u64>,
    /// Classes of `runtime/metrics` that the runtime has for itself, and how many of them were seen.
    own_classes: u64,
    own_classes_seen: usize,
    total_class: Option<u64>,
    unused_class: Option<u64>,
    own_fields: u64,
    own_fields_seen: usize,
    allocs_by_size: Vec<(f64, f64)>,
    frees_by_size: Vec<(f64, f64)>,
}

/// What of `MemStats` the runtime has for itself, stacks of threads aside.
const OWN_FIELDS: usize = 5;
/// What of `/memory/classes` it has for itself.
const OWN_CLASSES: usize = 8;

/// Makes a whole number of a metric; what is no size is not taken.
fn whole(value: f64) -> Option<u64> {
    (value.is_finite() && value >= 0.0).then_some(value as u64)
}

impl Reading {
    fn take(&mut self, metric: &Metric<'_>) {
        let vitals = &mut self.vitals;
        let process = &mut vitals.process;
        let number = whole(metric.value);
        let seconds = Some(metric.value).filter(|value| value.is_finite() && *value >= 0.0);
        // Metrics by `runtime/metrics` that only grow end in `_total`, which some exporters leave out.
        let name = metric.name.strip_suffix("_total").unwrap_or(metric.name);
        self.is_go |= name.starts_with("go_");
        match name {
            "go_info" => vitals.go_version = metric.label("version").map(release),
            "go_goroutines" | "go_sched_goroutines_goroutines" => vitals.goroutines = number,
            "go_threads" => process.threads = number,
            "go_memstats_heap_alloc_bytes" => vitals.heap_alloc = number,
            "go_memory_classes_heap_objects_bytes" => vitals.heap_alloc = number,
            "go_memstats_heap_inuse_bytes" => vitals.heap_in_use = number,
            "go_memstats_heap_idle_bytes" => self.heap_idle = number,
            "go_memory_classes_heap_free_bytes" => vitals.heap_free = number,
            "go_memory_classes_heap_unused_bytes" => self.unused_class = number,
            "go_memstats_heap_released_bytes" | "go_memory_classes_heap_released_bytes" => {
                vitals.heap_released = number;
            }
            "go_memstats_stack_inuse_bytes" | "go_memory_classes_heap_stacks_bytes" => {
                vitals.stacks = number;
            }
            "go_memstats_stack_sys_bytes" => self.stack_sys = number,
            "go_memstats_mspan_sys_bytes"
            | "go_memstats_mcache_sys_bytes"
            | "go_memstats_buck_hash_sys_bytes"
            | "go_memstats_gc_sys_bytes"
            | "go_memstats_other_sys_bytes" => {
                self.own_fields = self.own_fields.saturating_add(number.unwrap_or(0));
                self.own_fields_seen += 1;
            }
            "go_memory_classes_metadata_mcache_free_bytes"
            | "go_memory_classes_metadata_mcache_inuse_bytes"
            | "go_memory_classes_metadata_mspan_free_bytes"
            | "go_memory_classes_metadata_mspan_inuse_bytes"
            | "go_memory_classes_metadata_other_bytes"
            | "go_memory_classes_os_stacks_bytes"
            | "go_memory_classes_other_bytes"
            | "go_memory_classes_profiling_buckets_bytes" => {
                self.own_classes = self.own_classes.saturating_add(number.unwrap_or(0));
                self.own_classes_seen += 1;
            }
            "go_memory_classes_total_bytes" => self.total_class = number,
            "go_memstats_sys_bytes" => self.sys = number,
            "go_memstats_heap_objects" | "go_gc_heap_objects_objects" => {
                vitals.heap_objects = number;
            }
            "go_memstats_mallocs" => vitals.mallocs = number,
            "go_memstats_frees" => vitals.frees = number,
            // Without `_total` this name is the gauge of what is allocated.
            "go_memstats_alloc_bytes" if metric.name.ends_with("_total") => {
                vitals.total_alloc = number;
            }
            "go_gc_heap_allocs_bytes" => vitals.total_alloc = number,
            "go_memstats_next_gc_bytes" | "go_gc_heap_goal_bytes" => {
                vitals.next_gc = number.filter(|goal| *goal < NONE);
            }
            "go_gc_heap_live_bytes" => vitals.live = number,
            "go_gc_gogc_percent" => {
                // Off is the largest number there is.
                vitals.gc_percent = number.map(|percent| i32::try_from(percent).unwrap_or(-1));
            }
            "go_gc_gomemlimit_bytes" => {
                vitals.memory_limit = number.filter(|limit| *limit < NONE);
            }
            "go_gc_scan_stack_bytes" => vitals.stack_scan = number,
            "go_gc_scan_globals_bytes" => vitals.globals_scan = number,
            "go_gc_cycles_total_gc_cycles" | "go_gc_duration_seconds_count" => {
                vitals.gc_cycles = number;
            }
            "go_gc_cycles_forced_gc_cycles" => vitals.gc_forced = number,
            "go_gc_duration_seconds_sum" => vitals.gc_pause_seconds = seconds,
            "go_memstats_gc_cpu_fraction" => {
                vitals.gc_cpu_fraction = seconds.map(|fraction| fraction.min(1.0));
            }
            "go_cpu_classes_gc_total_cpu_seconds" => vitals.gc_cpu_seconds = seconds,
            "go_cpu_classes_total_cpu_seconds" => vitals.total_cpu_seconds = seconds,
            "go_memstats_last_gc_time_seconds" => {
                vitals.last_gc_time = seconds.filter(|time| *time > 0.0);
            }
            "go_gc_heap_allocs_by_size_bytes_bucket" => {
                bucket(&mut self.allocs_by_size, metric);
            }
            "go_gc_heap_frees_by_size_bytes_bucket" => bucket(&mut self.frees_by_size, metric),
            "process_resident_memory_bytes" => process.resident = number,
            "process_cpu_seconds" => process.cpu_seconds = seconds,
            _ => {}
        }
    }

    fn finish(mut self) -> Result<Vitals, Error> {
        if !self.is_go {
            return Err(Error::NoGoMetrics);
        }
        let vitals = &mut self.vitals;
        if vitals.heap_free.is_none() {
            vitals.heap_free = self.heap_idle.zip(vitals.heap_released).map(minus);
        }
        if vitals.heap_in_use.is_none() {
            vitals.heap_in_use = vitals
                .heap_alloc
                .zip(self.unused_class)
                .map(|(objects, unused)| objects.saturating_add(unused));
        }
        if self.own_fields_seen == OWN_FIELDS
            && let (Some(sys), Some(in_use)) = (self.stack_sys, vitals.stacks)
        {
            vitals.runtime = Some(self.own_fields.saturating_add(sys.saturating_sub(in_use)));
        } else if self.own_classes_seen == OWN_CLASSES {
            vitals.runtime = Some(self.own_classes);
        }
        vitals.mapped = self.sys.or(self.total_class).zip(vitals.heap_released).map(minus);
        if let (None, Some(gc), Some(total)) =
            (vitals.gc_cpu_fraction, vitals.gc_cpu_seconds, vitals.total_cpu_seconds)
        {
            vitals.gc_cpu_fraction = (total > 0.0).then_some((gc / total).clamp(0.0, 1.0));
        }
        vitals.size_classes = size_classes(self.allocs_by_size, self.frees_by_size);
        Ok(self.vitals)
    }
}

fn minus((whole, part): (u64, u64)) -> u64 {
    whole.saturating_sub(part)
}

/// The version label comes from the program; it is a short word.
fn release(label: &str) -> String {
    label.chars().filter(|c| !c.is_control()).take(80).collect()
}

fn bucket(into: &mut Vec<(f64, f64)>, metric: &Metric<'_>) {
    let bound = metric.label("le").and_then(|le| le.parse().ok());
    if let Some(bound) = bound
        && f64::is_finite(bound)
        && bound > 0.0
        && metric.value.is_finite()
        && into.len() < MOST_SIZE_CLASSES
    {
        into.push((bound, metric.value));
    }
}

/// Makes counts by class of histograms, which count all that is no larger.
///
/// The runtime's buckets end one byte above a class's size; exporters write the number just below
/// that, which rounds to the class's size or keep only some of the bounds, so that a class may stand
/// for several.
fn size_classes(mut allocs: Vec<(f64, f64)>, mut frees: Vec<(f64, f64)>) -> Vec<SizeClass> {
    allocs.sort_by(|a, b| a.0.total_cmp(&b.0));
    frees.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below = (0.0, 0.0);
    let mut classes = Vec::new();
    for (bound, mallocs) in allocs {
        let Some((_, freed)) = frees.iter().find(|(other, _)| *other == bound) else { continue };
        classes.push(SizeClass {
            size: bound as u64,
            mallocs: (mallocs - below.0).max(0.0) as u64,
            frees: (freed - below.1).max(0.0) as u64,
        });
        below = (mallocs, *freed);
    }
    classes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn both_families_of_names_tell_the_same() {
        let fields = "go_memstats_heap_alloc_bytes 30\ngo_memstats_heap_inuse_bytes 40\n\
            go_memstats_heap_idle_bytes 30\ngo_memstats_heap_released_bytes 20\n\
            go_memstats_stack_inuse_bytes 5\ngo_memstats_stack_sys_bytes 6\n\
            go_memstats_mspan_sys_bytes 7\ngo_memstats_mcache_sys_bytes 3\n\
            go_memstats_buck_hash_sys_bytes 2\ngo_memstats_gc_sys_bytes 8\n\
            go_memstats_other_sys_bytes 4\ngo_memstats_sys_bytes 100\n\
            go_memstats_next_gc_bytes 55\ngo_memstats_alloc_bytes_total 9\n";
        let classes = "go_memory_classes_heap_objects_bytes 30\n\
            go_memory_classes_heap_unused_bytes 10\ngo_memory_classes_heap_free_bytes 10\n\
            go_memory_classes_heap_released_bytes 20\ngo_memory_classes_heap_stacks_bytes 5\n\
            go_memory_classes_metadata_mcache_free_bytes 1\n\
            go_memory_classes_metadata_mcache_inuse_bytes 2\n\
            go_memory_classes_metadata_mspan_free_bytes 3\n\
            go_memory_classes_metadata_mspan_inuse_bytes 4\n\
            go_memory_classes_metadata_other_bytes 8\ngo_memory_classes_os_stacks_bytes 1\n\
            go_memory_classes_other_bytes 4\ngo_memory_classes_profiling_buckets_bytes 2\n\
            go_memory_classes_total_bytes 100\ngo_gc_heap_goal_bytes 55\n\
            go_gc_heap_allocs_bytes_total 9\n";
        let expected = parse_metrics(fields.as_bytes()).unwrap();
        assert_eq!(expected.heap_alloc, Some(30));
        assert_eq!(expected.runtime, Some(25));
        assert_eq!(expected.mapped, Some(80));
        assert_eq!(expected.heap_free, Some(10));
        assert_eq!(parse_metrics(classes.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn what_is_off_is_told_from_what_is_not_known() {
        let text = "go_gc_gogc_percent 1.8446744073709552e+19\n\
                    go_gc_gomemlimit_bytes 9.223372036854776e+18\n";
        let vitals = parse_metrics(text.as_bytes()).unwrap();
        assert_eq!((vitals.gc_percent, vitals.memory_limit), (Some(-1), None));
    }

    #[test]
    fn histograms_of_sizes_become_classes() {
        let text = "go_gc_heap_allocs_by_size_bytes_bucket{le=\"8.999999999999998\"} 5\n\
                    go_gc_heap_allocs_by_size_bytes_bucket{le=\"24.999999999999996\"} 12\n\
                    go_gc_heap_allocs_by_size_bytes_bucket{le=\"+Inf\"} 20\n\
                    go_gc_heap_frees_by_size_bytes_bucket{le=\"8.999999999999998\"} 1\n\
                    go_gc_heap_frees_by_size_bytes_bucket{le=\"24.999999999999996\"} 3\n";
        let classes = parse_metrics(text.as_bytes()).unwrap().size_classes;
        let expected = [
            SizeClass { size: 8, mallocs: 5, frees: 1 },
            SizeClass { size: 24, mallocs: 7, frees: 2 },
        ];
        assert_eq!(classes, expected);
    }

    #[test]
    fn numbers_that_are_no_sizes_are_not_taken() {
        let text = "go_memstats_heap_alloc_bytes NaN\ngo_memstats_heap_inuse_bytes -1\n\
                    go_goroutines +Inf\n";
        assert_eq!(parse_metrics(text.as_bytes()).unwrap(), Vitals::default());
        assert!(matches!(parse_metrics(b"up 1\n"), Err(Error::NoGoMetrics)));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(
            lines in prop::collection::vec("(go_memstats_sys_bytes|go_x|process_|#)[{}a-z=\"\\\\, 0-9.eE+-]{0,40}", 0..20),
            value in any::<f64>(),
        ) {
            let _ = parse_metrics(lines.join("\n").as_bytes());
            let text = format!("go_memstats_heap_alloc_bytes {value}\ngo_gc_gogc_percent {value}\n");
            let _ = parse_metrics(text.as_bytes()).unwrap();
        }
    }
}
