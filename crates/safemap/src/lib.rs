//! A concurrent map with a schema at its door, atomic operations, bounds and audits: shared state
//! that cannot leak unseen.
//!
//! ```
//! use std::time::Duration;
//! use tophash_safemap::{Eviction, SafeMap, Schema, Type};
//!
//! let schema = Schema::builder()
//!     .key("config.version", Type::string().pattern(r"\d+\.\d+\.\d+")?)
//!     .key("session.*", Type::string().idle(Duration::from_secs(1800)))
//!     .key("user.*.visits", Type::integer().range(0..))
//!     .build()?;
//! let map = SafeMap::builder(schema)
//!     .name("web")
//!     .max_entries(100_000)
//!     .eviction(Eviction::LeastRecentlyUsed)
//!     .build();
//!
//! map.set("session.3f2a", "Ada")?;
//! assert_eq!(map.inc("user.7.visits", 1)?, 1);
//!
//! let refused = map.set("config.version", 2).unwrap_err();
//! assert_eq!(
//!     refused.to_string(),
//!     r#""config.version": expected string matching \d+\.\d+\.\d+, came integer"#
//! );
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a caller gets is a copy, never a guard, and what a caller hands in runs under no lock; so
//! nothing can deadlock, and nothing can be held across an `await`. Keys are text with dots, values are
//! [`Value`]s; a map from any type to any type is what this is not, nor is it a cache of objects that
//! are too large to copy a pointer to.
//!
//! Features: `json` (on unless turned off) reads and writes values, whole contents and audits as
//! JSON; `parquet` writes and reads audits as tables; `metrics` (likewise) gives a collector to `prometheus-client`; `json-schema` makes schemas of
//! documents in JSON Schema; `derive` makes schemas and typed handles of structs. `redis`, `nats` and
//! `webhook` deliver events to other places, the last one alerts as well, and `tracing` makes events
//! of alerts; all but the first two are off unless asked for.

mod alert;
mod audit;
#[cfg(feature = "json")]
mod audit_log;
#[cfg(feature = "parquet")]
mod audit_table;
mod auditor;
mod bounds;
mod breaker;
mod builder;
mod bulk;
mod clock;
#[cfg(feature = "derive")]
#[doc(hidden)]
pub mod derive;
#[cfg(feature = "json")]
mod document;
mod entry;
mod error;
mod event;
mod expression;
mod family;
mod feed;
#[cfg(feature = "metrics")]
mod figures;
mod growth;
mod hook;
#[cfg(feature = "json")]
mod json;
#[cfg(feature = "json-schema")]
mod json_schema;
#[cfg(feature = "json-schema")]
mod json_type;
mod key;
mod latency;
mod map;
#[cfg(feature = "metrics")]
mod metrics;
mod name;
#[cfg(feature = "parquet")]
mod parquet_log;
mod pattern;
mod queue;
mod refusals;
mod report;
mod rule;
mod schema;
mod shard;
mod sink;
mod snapshot;
mod store;
mod suggestion;
mod supervisor;
mod sync;
mod transaction;
mod value;

pub use alert::Alert;
#[cfg(feature = "tracing")]
pub use alert::trace_alerts;
pub use audit::{AgedKey, AuditRecord, HotKey, Operations, PatternShape, RefusedKey};
#[cfg(feature = "json")]
pub use audit_log::{AuditLog, AuditLogBuilder};
#[cfg(feature = "parquet")]
pub use audit_table::ParquetError;
pub use auditor::{Auditor, AuditorOutcome};
pub use bounds::Eviction;
pub use breaker::{Breaker, BreakerState};
pub use builder::SafeMapBuilder;
pub use bulk::{Conflict, Merged};
pub use clock::{Clock, ManualClock, SystemClock};
#[cfg(feature = "derive")]
pub use derive::SchemaKeys;
pub use error::{Error, Mismatch, SchemaError};
pub use event::{Change, Event, Watch, WatchBuilder};
pub use family::KeyFamily;
pub use feed::ChangeFeed;
pub use growth::Growth;
pub use hook::{DeadLetter, Hook, HookError, HookOutcome};
#[cfg(feature = "json")]
pub use json::{JsonError, JsonFault};
#[cfg(feature = "json-schema")]
pub use json_schema::{JsonSchemaError, Unsupported};
pub use key::{AsKey, Key};
pub use map::{SafeMap, Swap};
#[cfg(feature = "metrics")]
pub use metrics::MapMetrics;
#[cfg(feature = "parquet")]
pub use parquet_log::{ParquetLog, ParquetLogBuilder};
pub use pattern::KeyPattern;
pub use queue::{Notice, Overflow};
pub use report::{MapReport, audit_report};
pub use rule::{PatternError, Rule, Type};
pub use schema::{Schema, SchemaBuilder};
#[cfg(feature = "nats")]
pub use sink::NatsSink;
#[cfg(feature = "redis")]
pub use sink::RedisSink;
#[cfg(any(feature = "nats", feature = "redis", feature = "webhook"))]
pub use sink::SinkError;
#[cfg(feature = "webhook")]
pub use sink::{AlertWebhook, WebhookSink};
pub use sink::{ChannelSink, Sink};
pub use snapshot::{Iter, Snapshot};
pub use supervisor::{Failure, HeldEntry, Holding, StoreError, Supervisor, SupervisorBuilder};
#[cfg(feature = "derive")]
pub use tophash_safemap_derive::Schema;
pub use transaction::Transaction;
pub use value::{IntoTyped, Kind, Object, TypedValue, Value};
