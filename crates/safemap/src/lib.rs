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
//! Features: `json` (on unless turned off) writes audits as JSON lines, `metrics` (likewise) gives a
//! collector to `prometheus-client`.

mod alert;
mod audit;
mod bounds;
mod breaker;
mod builder;
mod bulk;
mod clock;
mod error;
mod event;
mod feed;
mod growth;
mod hook;
mod key;
mod latency;
mod map;
#[cfg(feature = "metrics")]
mod metrics;
mod pattern;
mod queue;
mod refusals;
mod report;
mod rule;
mod schema;
mod shard;
mod snapshot;
mod store;
mod suggestion;
mod sync;
mod transaction;
mod value;

pub use alert::Alert;
pub use audit::{AgedKey, AuditRecord, HotKey, Operations, PatternShape, RefusedKey};
pub use bounds::Eviction;
pub use breaker::{Breaker, BreakerState};
pub use builder::SafeMapBuilder;
pub use bulk::{Conflict, Merged};
pub use clock::{Clock, ManualClock, SystemClock};
pub use error::{Error, Mismatch, SchemaError};
pub use event::{Change, Event, Watch, WatchBuilder};
pub use feed::ChangeFeed;
pub use growth::Growth;
pub use hook::{DeadLetter, Hook, HookError, HookOutcome};
pub use key::{AsKey, Key};
pub use map::{SafeMap, Swap};
#[cfg(feature = "metrics")]
pub use metrics::MapMetrics;
pub use pattern::KeyPattern;
pub use queue::{Notice, Overflow};
pub use report::audit_report;
pub use rule::{PatternError, Rule, Type};
pub use schema::{Schema, SchemaBuilder};
pub use snapshot::{Iter, Snapshot};
pub use transaction::Transaction;
pub use value::{Kind, Object, TypedValue, Value};
