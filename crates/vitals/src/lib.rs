//! What a Go program reports of its own memory, read, added up and followed over time.
//!
//! The input is text that others fetched: [`memstats`](parse_memstats) as expvar serves it, metrics
//! in Prometheus's text format ([`parse_metrics`]), lines of `GODEBUG=gctrace=1` and `scavtrace=1`
//! ([`parse_trace_line`]), and files of `/proc` and of control groups. Each becomes a part of the same
//! [`Vitals`], of which a [`Bill`] adds up to the resident set, a [`Goal`] explains when the collector
//! runs next, and a [`History`] says what grows.
//!
//! ```
//! use tophash_vitals::{Bill, parse_metrics};
//!
//! let vitals = parse_metrics(
//!     b"# TYPE go_memstats_heap_alloc_bytes gauge\n\
//!       go_memstats_heap_alloc_bytes 3e+06\n\
//!       go_memstats_heap_inuse_bytes 4e+06\n\
//!       go_memstats_sys_bytes 9e+06\n\
//!       go_memstats_heap_released_bytes 1e+06\n\
//!       process_resident_memory_bytes 1.2e+07\n",
//! )?;
//! let bill = Bill::of(&vitals);
//! assert_eq!(bill.free_slots, Some(1_000_000));
//! assert_eq!(bill.mapped, Some(8_000_000));
//! assert_eq!(bill.off_heap, Some(4_000_000));
//! # Ok::<(), tophash_vitals::Error>(())
//! ```
//!
//! This crate opens nothing: neither files nor connections. All sizes are bytes, and what a source
//! does not tell is `None`, never zero.

mod bill;
mod delta;
mod error;
mod exposition;
mod goal;
mod heap_text;
mod history;
mod memstats;
mod metrics;
mod proc_files;
mod record;
mod trace;
mod vitals;

pub use bill::{Bill, BillRow, headroom, outside};
pub use delta::{Delta, SizeClassDelta};
pub use error::Error;
pub use exposition::{ExpositionError, Metric, metric_lines};
pub use goal::{Goal, GoalTerms, LimitTerms, Ruling};
pub use heap_text::{is_heap_text, parse_heap_text};
pub use history::{Advice, Grower, History, LimitKind, Outlook, Series, SeriesVerdict};
pub use memstats::parse_memstats;
pub use metrics::parse_metrics;
pub use proc_files::{
    CgroupDirectory, CgroupVersion, cgroup_directories, parse_cgroup_limit, parse_smaps_rollup,
    parse_status,
};
pub use record::{RECORD_SCHEMA, Record};
pub use trace::{GcTrace, ScavTrace, TraceLine, parse_trace_line};
pub use vitals::{ProcessVitals, SizeClass, Vitals};
