//! How an operation names an entry: by text, or by a typed handle.

use std::borrow::Cow;
use std::fmt;
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

impl<T> fmt::Display for Key<T> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(out)
    }
}

mod sealed {
    use std::borrow::Cow;
    use std::sync::Arc;

    pub trait Sealed {}
    impl Sealed for &str {}
    impl Sealed for &String {}
    impl Sealed for &Arc<str> {}
    impl Sealed for &Box<str> {}
    impl Sealed for &Cow<'_, str> {}
    impl<T> Sealed for &super::Key<T> {}
    impl<K: super::AsKey> Sealed for &K {}
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
///
/// Text is a `&str`, or a reference to text that is owned or shared, such as `&format!(…)` or the
/// `&event.key` of an [`Event`](crate::Event); and a reference to whatever names an entry names it too.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an entry",
    note = "text and handles are lent: `\"user.7.id\"`, `&format!(\"user.{{id}}.id\")`, `&key`"
)]
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

impl AsKey for &Box<str> {
    type Value = Value;

    #[inline]
    fn text(&self) -> &str {
        self
    }
}

impl AsKey for &Cow<'_, str> {
    type Value = Value;

    #[inline]
    fn text(&self) -> &str {
        self
    }
}

impl AsKey for &Arc<str> {
    type Value = Value;

    #[inline]
    fn text(&self) -> &str {
        self
    }

    #[inline]
    fn shared(&self) -> Option<&Arc<str>> {
        Some(self)
    }
}

/// What an iterator over names hands to a closure.
impl<K: AsKey> AsKey for &K {
    type Value = K::Value;

    #[inline]
    fn text(&self) -> &str {
        K::text(self)
    }

    #[inline]
    fn known_rule(&self) -> Option<(u64, u16)> {
        K::known_rule(self)
    }

    #[inline]
    fn known_hash(&self) -> Option<(u64, u64)> {
        K::known_hash(self)
    }

    #[inline]
    fn shared(&self) -> Option<&Arc<str>> {
        K::shared(self)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{SafeMap, Schema, Type};

    #[test]
    fn an_entry_is_named_by_text_however_it_is_held() {
        let map = SafeMap::new(Schema::open());
        map.set("a.b", 1).unwrap();
        let (owned, boxed): (String, Box<str>) = ("a.b".to_owned(), "a.b".into());
        let (shared, lent): (Arc<str>, Cow<'_, str>) = ("a.b".into(), "a.b".into());
        let found = [
            map.get(&owned),
            map.get(&boxed),
            map.get(&shared),
            map.get(&lent),
            map.get(&&*owned),
            map.get(&&owned),
        ];
        assert!(found.iter().all(|value| value == &Ok(Some(Value::from(1)))), "{found:?}");
        let there = ["a.b", "c"].iter().filter(|key| map.contains(key).unwrap());
        assert_eq!(there.count(), 1);
    }

    #[test]
    fn a_reference_to_a_handle_keeps_its_type_and_shared_text_is_not_copied() {
        let schema = Schema::builder().key("visits.*", Type::integer()).build().unwrap();
        let map = SafeMap::new(schema);
        let keys = [map.key::<i64>("visits.a").unwrap(), map.key::<i64>("visits.b").unwrap()];
        let references: Vec<&Key<i64>> = keys.iter().collect();
        for key in &references {
            assert_eq!(map.inc(key, 2), Ok(2));
            assert_eq!(map.get(key), Ok(Some(2_i64)), "{key}");
        }
        let long: Arc<str> = format!("visits.{}", "k".repeat(100)).into();
        map.set(&long, 1).unwrap();
        assert_eq!(Arc::strong_count(&long), 2);
    }
}
