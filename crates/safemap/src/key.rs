//! How an operation names an entry: by text, or by a typed handle.

use std::marker::PhantomData;
use std::sync::Arc;

use crate::value::{TypedValue, Value};

/// A key whose type is settled: reads and writes through it are checked by the compiler.
///
/// ```
/// use tophash_safemap::{Key, SafeMap, Schema, Type};
///
/// let map = SafeMap::new(Schema::builder().key("user.*.visits", Type::integer()).build()?);
/// let visits: Key<i64> = map.key("user.7.visits")?;
/// map.set(&visits, 1)?;
/// assert_eq!(map.get(&visits)?, Some(1));
/// assert_eq!(map.inc(&visits, 1)?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `map.set(&visits, "one")` does not compile, nor does `map.set(&visits, true)`. A handle is made by
/// [`SafeMap::key`](crate::SafeMap::key), which looks the key up in the schema once, so that
/// operations through the handle need not; it serves the map that made it and those with the same
/// schema.
#[derive(Debug)]
pub struct Key<T> {
    pub(crate) text: Arc<str>,
    pub(crate) rule: u16,
    pub(crate) schema: u64,
    pub(crate) hash: u64,
    pub(crate) value_type: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        Self { text: Arc::clone(&self.text), ..*self }
    }
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for &String {}
    impl<T> Sealed for &super::Key<T> {}
}

/// What names an entry: text, for any [`Value`], or a [`Key`], for its type.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema, Value};
///
/// let map = SafeMap::new(Schema::open());
/// map.set("by.text", 1)?;
/// assert_eq!(map.get("by.text")?, Some(Value::from(1)));
/// assert_eq!(map.get(&map.key::<i64>("by.text")?)?, Some(1));
/// # Ok::<(), tophash_safemap::Error>(())
/// ```
pub trait AsKey: Copy + sealed::Sealed {
    /// What the entry holds.
    type Value: TypedValue;

    /// The key as text.
    fn text(&self) -> &str;

    /// Where a schema has its rule, when that is known: the schema's mark and the rule's number.
    #[doc(hidden)]
    #[inline]
    fn known_rule(&self) -> Option<(u64, u16)> {
        None
    }

    /// Its hash in maps with that schema.
    #[doc(hidden)]
    #[inline]
    fn known_hash(&self) -> Option<(u64, u64)> {
        None
    }

    /// The key as shared text, when there is one.
    #[doc(hidden)]
    #[inline]
    fn shared(&self) -> Option<&Arc<str>> {
        None
    }
}

impl AsKey for &str {
    type Value = Value;

    #[inline]
    fn text(&self) -> &str {
        self
    }
}

impl AsKey for &String {
    type Value = Value;

    #[inline]
    fn text(&self) -> &str {
        self
    }
}

impl<T: TypedValue> AsKey for &Key<T> {
    type Value = T;

    #[inline]
    fn text(&self) -> &str {
        &self.text
    }

    #[inline]
    fn known_rule(&self) -> Option<(u64, u16)> {
        Some((self.schema, self.rule))
    }

    #[inline]
    fn known_hash(&self) -> Option<(u64, u64)> {
        Some((self.schema, self.hash))
    }

    #[inline]
    fn shared(&self) -> Option<&Arc<str>> {
        Some(&self.text)
    }
}
