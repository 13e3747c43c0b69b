//! SafeMap shared between processes: the same schema and atomic operations, over Redis.
//!
//! ```no_run
//! use tophash_safemap::{Schema, Type};
//! use tophash_safemap_redis::SharedMap;
//!
//! let schema = Schema::builder()
//!     .key("user.*.visits", Type::integer().range(0..))
//!     .key("session.*", Type::string().idle(std::time::Duration::from_secs(1800)))
//!     .build()?;
//! let map = SharedMap::connect("redis://localhost/web", schema)?;
//! map.set("session.3f2a", "Ada")?;
//! assert_eq!(map.inc("user.7.visits", 1)?, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! All processes that open a namespace have the same schema, or are refused. Each operation is one
//! script on the server, or reads, computes here, and writes if nothing changed since; so operations of
//! all processes have one order, the one in which the server ran them. What the server promises to keep
//! is for its settings to say: with `appendonly yes` and `appendfsync always`, all that was answered;
//! with `everysec`, all but the last second before a crash. It must not evict (`maxmemory-policy
//! noeviction`).
//!
//! Bounds are the namespace's, and the server holds every process to them. Breaker, alerts and metrics
//! are each process's own; an audit counts what all have written. [`OpenMap`] is a map in memory or a
//! shared one, as a URL says.

mod address;
mod audit;
mod bulk;
mod cache;
mod core;
mod door;
mod encoding;
mod encryption;
mod error;
mod link;
mod listener;
mod map;
mod open;
mod script;
mod transaction;

pub use error::Error;
pub use map::{SharedMap, SharedMapBuilder};
pub use open::{OpenMap, OpenTransaction};
pub use transaction::Transaction;

/// The guide, whose examples are tried here: this crate sees the map in memory as well.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/safemap.md")]
struct Guide;
