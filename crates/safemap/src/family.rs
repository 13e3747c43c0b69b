//! Typed handles for the keys of a pattern.

use std::marker::PhantomData;

use crate::error::Error;
use crate::key::Key;
use crate::map::SafeMap;
use crate::pattern::KeyPattern;
use crate::schema::Schema;
use crate::value::TypedValue;

/// The keys of a pattern, all of one type: the way from names to [`Key`]s.
///
/// ```
/// use tophash_safemap::{KeyFamily, SafeMap, Schema, Type};
///
/// let map = SafeMap::new(Schema::builder().key("user.*.visits", Type::integer()).build()?);
/// let visits: KeyFamily<i64> = map.family("user.*.visits")?;
/// assert_eq!(map.inc(&visits.at(["7"])?, 1)?, 1);
/// assert!(visits.at(["7.name"]).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct KeyFamily<T> {
    pattern: KeyPattern,
    schema: Schema,
    value_type: PhantomData<fn() -> T>,
}

impl<T: TypedValue> KeyFamily<T> {
    /// The pattern.
    pub fn pattern(&self) -> &KeyPattern {
        &self.pattern
    }

    /// The key with these names in place of each `*` of the pattern, in their order. In place of a
    /// last `**` a name may have dots, and nowhere else: what comes from outside stays in its place.
    ///
    /// # Errors
    ///
    /// Fails when there are more or fewer names, when one can't be a segment, and as
    /// [`SafeMap::key`] does.
    pub fn at<const COUNT: usize>(&self, names: [&str; COUNT]) -> Result<Key<T>, Error> {
        let fault = |reason| Error::InvalidKey { key: self.pattern.as_str().into(), reason };
        let length: usize = names.iter().map(|name| name.len()).sum();
        let mut names = names.into_iter();
        // Whatever is filled in takes the place of something.
        let mut text = String::with_capacity(self.pattern.as_str().len() + length);
        for segment in self.pattern.as_str().split('.') {
            if !text.is_empty() {
                text.push('.');
            }
            if !segment.starts_with('*') {
                text.push_str(segment);
                continue;
            }
            let name = names.next().ok_or_else(|| fault("it has more segments to fill"))?;
            let is_whole = segment == "**" || !name.contains('.');
            if name.is_empty() || !is_whole {
                return Err(fault("a name for * is not empty and has no dots"));
            }
            text.push_str(name);
        }
        if names.next().is_some() {
            return Err(fault("it has fewer segments to fill"));
        }
        self.schema.key(&text)
    }
}

impl Schema {
    /// Handles for the keys of a pattern, which read and write as one type.
    ///
    /// # Errors
    ///
    /// Fails on text that is no pattern, when the schema has no rule for its keys, or another type.
    pub fn family<T: TypedValue>(&self, pattern: &str) -> Result<KeyFamily<T>, Error> {
        let pattern: KeyPattern = pattern.parse().map_err(|_| Error::InvalidKey {
            key: pattern.chars().take(64).collect::<String>().into(),
            reason: "it is no key pattern",
        })?;
        // A star is a segment as any other, so the pattern is a key of its own rule.
        self.key::<T>(pattern.as_str())?;
        Ok(KeyFamily { pattern, schema: self.clone(), value_type: PhantomData })
    }
}

impl SafeMap {
    /// As [`Schema::family`].
    ///
    /// # Errors
    ///
    /// As there.
    pub fn family<T: TypedValue>(&self, pattern: &str) -> Result<KeyFamily<T>, Error> {
        self.schema().family(pattern)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Schema, Type};

    #[test]
    fn names_stay_in_their_segments() {
        let schema = Schema::builder()
            .key("user.*.item.*", Type::integer())
            .key("user.admin.item.*", Type::string())
            .key("config.**", Type::string())
            .build()
            .unwrap();
        let map = SafeMap::new(schema);
        let items = map.family::<i64>("user.*.item.*").unwrap();
        assert_eq!(items.at(["7", "3"]).unwrap().as_str(), "user.7.item.3");
        for names in [["7.item", "3"], ["", "3"], ["7", "3."], ["7", ""]] {
            assert!(items.at(names).is_err(), "{names:?}");
        }
        assert!(items.at(["7"]).is_err());
        assert!(items.at(["7", "3", "1"]).is_err());
        // A more exact rule has another type.
        assert!(matches!(items.at(["admin", "3"]), Err(Error::OtherType { .. })));
        let config = map.family::<String>("config.**").unwrap();
        assert_eq!(config.at(["http.port"]).unwrap().as_str(), "config.http.port");
        assert!(map.family::<i64>("config.**").is_err());
        assert!(map.family::<i64>("other.*").is_err());
        assert!(map.family::<i64>("user..x").is_err());
    }
}
