//! The door of a map: which keys there may be, and what each holds.
//!
//! A schema is made once and never changes. Rules have small numbers, which entries carry, so that
//! a key that is there is not looked up in the schema a second time.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use foldhash::fast::FixedState;

use crate::error::{Error, SchemaError};
use crate::key::Key;
use crate::pattern::{KeyPattern, PatternTree, key_fault};
use crate::rule::{Rule, Type};
use crate::suggestion::nearest;
use crate::value::{TypedValue, Value};

/// The most rules a schema may have.
const MOST_RULES: usize = u16::MAX as usize;

/// Which keys there may be, and what each holds.
///
/// ```
/// use std::time::Duration;
/// use tophash_safemap::{Schema, Type};
///
/// let schema = Schema::builder()
///     .key("config.version", Type::string().pattern(r"\d+\.\d+\.\d+")?.required())
///     .key("user.*.id", Type::integer().range(1..))
///     .key("session.*", Type::bytes().max_size(4096).idle(Duration::from_secs(1800)))
///     .build()?;
/// assert!(schema.check("user.7.id", &7.into()).is_ok());
/// assert!(schema.check("user.7.id", &0.into()).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Of several patterns that match a key, the more exact decides: a literal segment before `*`, and
/// `*` before a last `**`, at the first segment in which they differ.
#[derive(Clone)]
pub struct Schema {
    inner: Arc<Inner>,
}

struct Inner {
    /// Tells schemas apart; typed keys carry it.
    mark: u64,
    /// That of all maps with this schema, so that a typed key knows its hash.
    hasher: FixedState,
    rules: Vec<(KeyPattern, Rule)>,
    tree: PatternTree,
    required: Vec<Arc<str>>,
    can_expire: bool,
    /// Whether the first rule is for all keys, and the only one.
    takes_any: bool,
}

impl fmt::Debug for Schema {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rules = self.inner.rules.iter();
        out.debug_map().entries(rules.map(|(pattern, rule)| (pattern.as_str(), rule))).finish()
    }
}

/// Collects the rules of a [`Schema`].
///
/// ```
/// use tophash_safemap::{Schema, Type};
///
/// let schema = Schema::builder().key("flag.*", Type::boolean()).build()?;
/// # let _ = schema;
/// # Ok::<(), tophash_safemap::SchemaError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SchemaBuilder {
    rules: Vec<(String, Rule)>,
}

impl SchemaBuilder {
    /// Adds a key or a key pattern with its type or rule.
    #[must_use]
    pub fn key(mut self, pattern: impl Into<String>, rule: impl Into<Rule>) -> Self {
        self.rules.push((pattern.into(), rule.into()));
        self
    }

    /// Makes the schema.
    ///
    /// # Errors
    ///
    /// Fails on text that is no pattern, on a pattern with two rules, on a required key that is a
    /// pattern or expires, and on a type with a limit that it can't have or that nothing fits.
    pub fn build(self) -> Result<Schema, SchemaError> {
        if self.rules.len() > MOST_RULES {
            return Err(SchemaError::TooMany { most: MOST_RULES });
        }
        let mut tree = PatternTree::new();
        let mut rules = Vec::with_capacity(self.rules.len());
        let mut required = Vec::new();
        for (number, (text, rule)) in self.rules.into_iter().enumerate() {
            let pattern: KeyPattern = text.parse()?;
            let expires = [rule.ttl, rule.idle];
            if expires.contains(&Some(Duration::ZERO)) {
                return Err(SchemaError::NoTime { pattern: text });
            }
            if rule.is_required {
                if !pattern.is_literal() {
                    let reason = "it stands for many keys";
                    return Err(SchemaError::Required { pattern: text, reason });
                }
                if expires.iter().any(Option::is_some) {
                    let reason = "it would expire";
                    return Err(SchemaError::Required { pattern: text, reason });
                }
                required.push(Arc::from(text.as_str()));
            }
            if let Some(reason) = rule.value_type.contradiction() {
                return Err(SchemaError::Limit { pattern: text, reason });
            }
            if !tree.add(&pattern, number as u16) {
                return Err(SchemaError::Twice { pattern: text });
            }
            rules.push((pattern, rule));
        }
        let can_expire = rules.iter().any(|(_, rule)| rule.ttl.is_some() || rule.idle.is_some());
        let (mark, hasher, takes_any) = (fresh_mark(), fresh_hasher(), false);
        let inner = Inner { mark, hasher, rules, tree, required, can_expire, takes_any };
        Ok(Schema { inner: Arc::new(inner) })
    }
}

impl Schema {
    /// Starts a schema without rules, which knows no key.
    pub fn builder() -> SchemaBuilder {
        SchemaBuilder::default()
    }

    /// A schema that takes any key and any value: a map as any other, with bounds and audits.
    pub fn open() -> Self {
        let pattern: KeyPattern = "**".parse().unwrap_or_else(|_| unreachable!("** is a pattern"));
        let mut tree = PatternTree::new();
        tree.add(&pattern, 0);
        let rules = vec![(pattern, Rule::from(Type::any()))];
        let (mark, hasher, required) = (fresh_mark(), fresh_hasher(), Vec::new());
        let (can_expire, takes_any) = (false, true);
        let inner = Inner { mark, hasher, rules, tree, required, can_expire, takes_any };
        Self { inner: Arc::new(inner) }
    }

    /// Decides whether a map with this schema would take a value.
    ///
    /// # Errors
    ///
    /// Fails as a write does.
    pub fn check(&self, key: &str, value: &Value) -> Result<(), Error> {
        self.admit(self.find(key)?, key, value)
    }

    /// The patterns with their types, in the order in which they were added.
    pub fn rules(&self) -> impl Iterator<Item = (&KeyPattern, &Type)> {
        self.inner.rules.iter().map(|(pattern, rule)| (pattern, &rule.value_type))
    }

    /// The rule of a key.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key.
    pub fn rule_of(&self, key: &str) -> Result<&Rule, Error> {
        self.find(key).map(|number| self.rule(number))
    }

    /// The patterns with their whole rules, in the order in which they were added.
    pub fn rules_by_pattern(&self) -> impl Iterator<Item = (&KeyPattern, &Rule)> {
        self.inner.rules.iter().map(|(pattern, rule)| (pattern, rule))
    }

    /// The keys that must be there.
    pub fn required_keys(&self) -> impl Iterator<Item = &str> {
        self.inner.required.iter().map(AsRef::as_ref)
    }

    /// The required keys that are not among entries, each as an error.
    pub fn missing<V>(&self, entries: &BTreeMap<Arc<str>, V>) -> impl Iterator<Item = Error> {
        let missing = self.inner.required.iter().filter(|key| !entries.contains_key(*key));
        missing.map(|key| Error::Required { key: Arc::clone(key) })
    }

    /// A handle that reads and writes a key as one type.
    ///
    /// # Errors
    ///
    /// Fails when the schema does not know the key, or has another type for it.
    pub fn key<T: TypedValue>(&self, text: &str) -> Result<Key<T>, Error> {
        let rule = self.find(text)?;
        let asked = &self.rule(rule).value_type;
        match (T::KIND, asked.kind()) {
            (Some(asked_for), Some(kind)) if asked_for != kind => Err(Error::OtherType {
                key: text.into(),
                expected: asked.to_string(),
                asked: asked_for,
            }),
            _ => {
                let (text, schema): (Arc<str>, _) = (text.into(), self.mark());
                let hash = hash_of(&self.inner.hasher, str::as_bytes(&text));
                Ok(Key { text, rule, schema, hash, value_type: PhantomData })
            }
        }
    }

    /// The number of the rule of a key.
    pub(crate) fn find(&self, key: &str) -> Result<u16, Error> {
        if let Some(reason) = key_fault(key) {
            let head: String = key.chars().take(64).collect();
            return Err(Error::InvalidKey { key: head.into(), reason });
        }
        self.inner.tree.find(key).ok_or_else(|| {
            if key.split('.').any(str::is_empty) {
                return Error::InvalidKey { key: key.into(), reason: "a segment is empty" };
            }
            Error::UnknownKey { key: key.into(), meant: self.meant(key) }
        })
    }

    /// As [`Schema::find`], for who need not be told what is wrong.
    #[inline]
    pub(crate) fn number(&self, key: &str) -> Option<u16> {
        if key_fault(key).is_some() {
            return None;
        }
        if self.inner.takes_any { Some(0) } else { self.inner.tree.find(key) }
    }

    /// As [`Schema::number`], of what need not be a key.
    #[cfg(feature = "json")]
    pub(crate) fn rule_number(&self, key: &str) -> Option<u16> {
        self.inner.tree.find(key)
    }

    pub(crate) fn rule(&self, number: u16) -> &Rule {
        &self.inner.rules[usize::from(number)].1
    }

    pub(crate) fn pattern(&self, number: u16) -> &KeyPattern {
        &self.inner.rules[usize::from(number)].0
    }

    /// Holds a value against a rule.
    pub(crate) fn admit(&self, number: u16, key: &str, value: &Value) -> Result<(), Error> {
        self.rule(number)
            .value_type
            .check(value)
            .map_err(|mismatch| Error::Refused { key: key.into(), mismatch: Box::new(mismatch) })
    }

    /// All rules, by number.
    pub(crate) fn rules_in_full(&self) -> impl Iterator<Item = &Rule> {
        self.inner.rules.iter().map(|(_, rule)| rule)
    }

    /// What tells this schema from all others; clones share it.
    pub(crate) fn mark(&self) -> u64 {
        self.inner.mark
    }

    /// Whether it takes any key and any value.
    pub(crate) fn takes_any(&self) -> bool {
        self.inner.takes_any
    }

    pub(crate) fn hasher(&self) -> FixedState {
        self.inner.hasher.clone()
    }

    /// Whether any entry can expire.
    pub(crate) fn can_expire(&self) -> bool {
        self.inner.can_expire
    }

    fn meant(&self, key: &str) -> Option<String> {
        let filled: Vec<String> =
            self.inner.rules.iter().take(1024).map(|(pattern, _)| pattern.fill(key)).collect();
        nearest(key, filled.iter().map(String::as_str)).map(str::to_owned)
    }
}

fn fresh_mark() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// The hash of a key, by its bytes alone: keys are not parts of anything longer.
#[inline]
pub(crate) fn hash_of(hasher: &FixedState, key: &[u8]) -> u64 {
    let mut hasher = hasher.build_hasher();
    hasher.write(key);
    hasher.finish()
}

/// A hasher with a seed that whoever picks the keys can't know; under shuttle always the same, since
/// its schedules must be repeatable.
fn fresh_hasher() -> FixedState {
    if cfg!(feature = "shuttle") {
        FixedState::with_seed(1)
    } else {
        FixedState::with_seed(std::collections::hash_map::RandomState::new().hash_one(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_refused_with_what_was_meant() {
        let schema = Schema::builder()
            .key("user.*.email", Type::string())
            .key("config.version", Type::string())
            .build()
            .unwrap();
        let meant = |key: &str| match schema.check(key, &Value::from(1)) {
            Err(Error::UnknownKey { meant, .. }) => meant,
            other => panic!("{other:?}"),
        };
        assert_eq!(meant("user.alice.emial").as_deref(), Some("user.alice.email"));
        assert_eq!(meant("config.versoin").as_deref(), Some("config.version"));
        assert_eq!(meant("something.else"), None);
    }

    #[test]
    fn text_that_is_no_key_is_refused() {
        let schema = Schema::open();
        assert!(schema.check("", &Value::from(1)).is_err());
        assert!(schema.check(&"k".repeat(1025), &Value::from(1)).is_err());
        assert!(schema.check(&"k".repeat(1024), &Value::from(1)).is_ok());
    }

    #[test]
    fn a_schema_that_contradicts_itself_is_refused() {
        let build = |pattern: &str, rule: Rule| Schema::builder().key(pattern, rule).build();
        assert!(build("a.*", Type::any().required()).is_err());
        assert!(build("a", Type::any().required().ttl(Duration::from_secs(1))).is_err());
        assert!(build("a", Type::any().ttl(Duration::ZERO)).is_err());
        assert!(build("a..b", Type::any().into()).is_err());
        let empty = Type::object().other_members(Type::list(Type::integer().range(10..10)));
        assert!(matches!(build("a", empty.into()), Err(SchemaError::Limit { .. })));
    }
}
