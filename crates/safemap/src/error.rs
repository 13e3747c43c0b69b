//! What can be wrong with a schema, and what an operation can refuse.
//!
//! Every error names the key. None repeats the text of a value: errors end up in logs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "json")]
use crate::json::JsonError;
use crate::rule::PatternError;
use crate::value::{Kind, Value};

/// A value that has not the type it should.
///
/// ```
/// use tophash_safemap::{Type, Value};
///
/// let mismatch = Type::integer().check(&Value::from("7")).unwrap_err();
/// assert_eq!(mismatch.to_string(), "expected integer, came string");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mismatch {
    /// What the schema asks for.
    pub expected: String,
    /// What came instead; never the text of a value.
    pub came: String,
    /// Where in a list or object it is, as a path of indices and names.
    pub member: Option<String>,
    /// What was probably meant.
    pub meant: Option<String>,
    /// The kind of the whole value that came.
    pub kind: Kind,
}

impl Mismatch {
    pub(crate) fn at(value: &Value) -> Self {
        Self {
            expected: String::new(),
            came: String::new(),
            member: None,
            meant: None,
            kind: value.kind(),
        }
    }

    /// The same, seen from the list or object that holds the value.
    pub(crate) fn inside(mut self, name: &str) -> Self {
        self.member = Some(match self.member {
            Some(inner) => format!("{name}.{inner}"),
            None => name.to_owned(),
        });
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "expected {}", self.expected)?;
        if let Some(member) = &self.member {
            write!(out, " at {member}")?;
        }
        write!(out, ", came {}", self.came)?;
        if let Some(meant) = &self.meant {
            write!(out, "; perhaps {meant:?} was meant")?;
        }
        Ok(())
    }
}

/// What is wrong with a schema.
///
/// ```
/// use tophash_safemap::{Schema, SchemaError, Type};
///
/// let twice = Schema::builder().key("a", Type::integer()).key("a", Type::string()).build();
/// assert!(matches!(twice, Err(SchemaError::Twice { .. })));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// A pattern that is no pattern.
    #[error("{pattern:?} is not a key pattern: {reason}")]
    Pattern {
        /// The pattern as it came.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// One pattern with two rules.
    #[error("{pattern:?} has two rules")]
    Twice {
        /// The pattern.
        pattern: String,
    },
    /// A required key that is a pattern, or that expires.
    #[error("{pattern:?} can't be required: {reason}")]
    Required {
        /// The pattern.
        pattern: String,
        /// Why not.
        reason: &'static str,
    },
    /// A regular expression that can't be read.
    #[error(transparent)]
    Expression(#[from] PatternError),
    /// More rules than a map can tell apart.
    #[error("there are more than {most} rules")]
    TooMany {
        /// The most there may be.
        most: usize,
    },
    /// A limit that is none of its type, or that nothing fits.
    #[error("the type of {pattern:?} contradicts itself: {reason}")]
    Limit {
        /// The pattern.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A time to live of nothing.
    #[error("{pattern:?} would expire at once")]
    NoTime {
        /// The pattern.
        pattern: String,
    },
}

/// Why an operation was refused. Whatever the error, the map is as it was before.
///
/// ```
/// use tophash_safemap::{Error, SafeMap, Schema, Type};
///
/// let map = SafeMap::new(Schema::builder().key("user.*.id", Type::integer()).build()?);
/// let refused = map.set("user.7.ld", 7).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "no key \"user.7.ld\" in the schema; perhaps \"user.7.id\" was meant"
/// );
/// assert!(matches!(map.set("user.7.id", "seven"), Err(Error::Refused { .. })));
/// # Ok::<(), tophash_safemap::SchemaError>(())
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A key that the schema does not know.
    #[error("no key {key:?} in the schema{}", perhaps(meant))]
    UnknownKey {
        /// The key.
        key: Arc<str>,
        /// What was probably meant.
        meant: Option<String>,
    },
    /// Text that can't be a key.
    #[error("{key:?} can't be a key: {reason}")]
    InvalidKey {
        /// The text, cut short when it is long.
        key: Arc<str>,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A value that has not the type it should.
    #[error("{key:?}: {mismatch}")]
    Refused {
        /// The key.
        key: Arc<str>,
        /// What was expected and what came.
        mismatch: Box<Mismatch>,
    },
    /// A typed key for another type than the schema has.
    #[error("{key:?} holds {expected}, not {asked}")]
    OtherType {
        /// The key.
        key: Arc<str>,
        /// What the schema asks for.
        expected: String,
        /// What the handle is for.
        asked: Kind,
    },
    /// A required key that is missing from a load, or was to be removed.
    #[error("{key:?} is required")]
    Required {
        /// The key.
        key: Arc<str>,
    },
    /// A sum that does not fit an integer.
    #[error("{key:?} is {value}; {by} more does not fit an integer")]
    Overflow {
        /// The key.
        key: Arc<str>,
        /// The value, which stays.
        value: i64,
        /// What was to be added.
        by: i64,
    },
    /// A bound of the map would be passed, and nothing could be evicted.
    #[error("no room for {key:?}: the map takes no more {}{bound}", than(*most))]
    Full {
        /// The key.
        key: Arc<str>,
        /// What is bounded: entries or bytes.
        bound: &'static str,
        /// How many there may be, where that is known.
        most: Option<u64>,
    },
    /// Two sides of a merge have different values for a key.
    #[error("both sides of the merge have a value for {key:?}")]
    Conflict {
        /// The first such key.
        key: Arc<str>,
    },
    /// Another writer was first, each of so many times.
    #[error("other writers were first {attempts} times")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// Inside a transaction: what was read is no longer so. Return it, and the transaction runs anew.
    #[error("what the transaction read has changed")]
    Stale,
    /// The closure of a transaction gave up; nothing was written.
    #[error("the transaction was given up: {reason}")]
    GivenUp {
        /// The reason that it gave.
        reason: String,
    },
    /// Several things are wrong with what was to be loaded or merged; none of it was taken.
    #[error("{}{}", number(faults.len(), "faults"), first(faults))]
    Invalid {
        /// Each of them, no more than a hundred.
        faults: Vec<Error>,
    },
    /// A document that can't be loaded, whatever the schema.
    #[cfg(feature = "json")]
    #[error("{fault}")]
    Document {
        /// What is wrong with it.
        fault: JsonError,
    },
    /// A piece of a document that no value can be read from.
    #[cfg(feature = "json")]
    #[error("{key:?}: {fault}")]
    Json {
        /// The key.
        key: Arc<str>,
        /// What is wrong, and where in the value.
        fault: JsonError,
    },
    /// The breaker is open: too many writes failed, and the map is for reading only.
    #[error("read-only for {:.1} s more: {hint}", remaining.as_secs_f64())]
    ReadOnly {
        /// How long until writes are tried again.
        remaining: Duration,
        /// The probable cause.
        hint: String,
    },
    /// A subscriber that makes writers wait was full for as long as it may be.
    #[error("a subscriber had no room for {key:?}")]
    Backpressure {
        /// The key.
        key: Arc<str>,
    },
}

impl Error {
    /// What is wrong, one by one; of most errors that is the error itself.
    pub(crate) fn each(&self) -> &[Self] {
        match self {
            Self::Invalid { faults } if !faults.is_empty() => faults,
            one => std::slice::from_ref(one),
        }
    }

    /// The key that it is about, if it is about one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::UnknownKey { key, .. }
            | Self::InvalidKey { key, .. }
            | Self::Refused { key, .. }
            | Self::OtherType { key, .. }
            | Self::Required { key }
            | Self::Overflow { key, .. }
            | Self::Full { key, .. }
            | Self::Conflict { key }
            | Self::Backpressure { key } => Some(key),
            #[cfg(feature = "json")]
            Self::Json { key, .. } => Some(key),
            #[cfg(feature = "json")]
            Self::Document { .. } => None,
            Self::Contended { .. }
            | Self::Stale
            | Self::GivenUp { .. }
            | Self::Invalid { .. }
            | Self::ReadOnly { .. } => None,
        }
    }
}

fn perhaps(meant: &Option<String>) -> String {
    meant.as_ref().map(|meant| format!("; perhaps {meant:?} was meant")).unwrap_or_default()
}

/// A bound in words.
fn than(most: Option<u64>) -> String {
    most.map(|most| format!("than {most} ")).unwrap_or_default()
}

/// What stands before the first of several things; nothing before the only one.
pub(crate) fn number(count: usize, things: &str) -> String {
    if count == 1 { String::new() } else { format!("{count} {things}, the first: ") }
}

fn first(faults: &[Error]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}
