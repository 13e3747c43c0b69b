//! A whole map from one JSON document, and back.
//!
//! Nested objects are dotted keys: `{"http": {"port": 80}}` is the key `http.port`, and so is
//! `{"http.port": 80}`. An object is taken whole where the schema asks for an object at its key, or
//! for any value at a key that is not the start of longer ones. Each object is visited once, and a
//! path is no longer than a key may be.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

use serde_json::Map;

use crate::bulk::MOST_FAULTS;
use crate::error::Error;
use crate::json::{JsonError, JsonFault, parse};
use crate::map::SafeMap;
use crate::pattern::LONGEST_KEY;
use crate::schema::Schema;
use crate::snapshot::Snapshot;
use crate::value::{DEEPEST, Kind, Value};

impl SafeMap {
    /// Replaces the whole content by a document in JSON, as [`SafeMap::load`] does.
    ///
    /// Nested objects are dotted keys, except where the schema asks for an object. An empty object
    /// is no key. Where the schema asks for a float, whole numbers are floats, where for an integer,
    /// `1.0` is one, and where for bytes, text is read as base64.
    ///
    /// ```
    /// use tophash_safemap::{Error, SafeMap, Schema, Type};
    ///
    /// let schema = Schema::builder()
    ///     .key("http.port", Type::integer().range(1..=65_535).required())
    ///     .key("http.ratio", Type::float())
    ///     .build()?;
    /// let config = SafeMap::new(schema);
    /// config.load_json(r#"{"http": {"port": 80, "ratio": 1}}"#)?;
    /// assert_eq!(config.get("http.ratio")?, Some(1.0.into()));
    ///
    /// let refused = config.load_json(r#"{"http": {"prot": 80, "ratio": null}}"#);
    /// let Err(Error::Invalid { faults }) = refused else { panic!() };
    /// assert_eq!(faults.len(), 3);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Document`] on text that is no object in JSON, and otherwise as
    /// [`SafeMap::load`] does: with all that is wrong, and the map as it was.
    pub fn load_json(&self, text: &str) -> Result<(), Error> {
        self.guarded("", || {
            let entries = self.schema().read_json(text)?;
            let writes = self.checked(entries, true)?;
            self.commit(&[], &writes, true)
        })
    }
}

impl Schema {
    /// The entries of a document in JSON, read as [`SafeMap::load_json`] does. What could be read may
    /// still be refused.
    ///
    /// # Errors
    ///
    /// Fails with [`Error::Document`] on text that is no object in JSON, and, when a part of it
    /// can't be read, with all that is wrong with the whole.
    pub fn read_json(&self, text: &str) -> Result<BTreeMap<Arc<str>, Value>, Error> {
        let document = |fault| Error::Document { fault };
        let json = parse(text, DEEPEST).map_err(document)?;
        let serde_json::Value::Object(members) = &json else {
            return Err(document(JsonFault::NotAnObject.into()));
        };
        let mut reading = Reading::of(self);
        reading.walk(members, 0);
        let Reading { entries, mut faults, .. } = reading;
        if faults.is_empty() {
            return Ok(entries);
        }
        let refused = entries.iter().filter_map(|(key, value)| self.check(key, value).err());
        // What could not be read is not missing as well.
        let is_new = |fault: &Error| !faults.iter().any(|earlier| earlier.key() == fault.key());
        let room = MOST_FAULTS.saturating_sub(faults.len());
        let more: Vec<Error> =
            self.missing(&entries).chain(refused).filter(is_new).take(room).collect();
        faults.extend(more);
        Err(Error::Invalid { faults })
    }
}

impl Snapshot {
    /// Writes the entries as one object in JSON, in the order of their keys, which stay dotted.
    ///
    /// ```
    /// use tophash_safemap::{SafeMap, Schema};
    ///
    /// let map = SafeMap::new(Schema::open());
    /// map.load_json(r#"{"http": {"port": 80}, "name": "web"}"#)?;
    /// let text = map.snapshot().to_json()?;
    /// assert_eq!(text, r#"{"http.port":80,"name":"web"}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// [`SafeMap::load_json`] reads it again.
    ///
    /// # Errors
    ///
    /// Fails as [`Value::to_json`] does; the error's path begins with the key.
    pub fn to_json(&self) -> Result<String, JsonError> {
        let mut entries: Vec<(&str, &Value)> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let members: Result<Map<String, serde_json::Value>, JsonError> = entries
            .into_iter()
            .map(|(key, value)| {
                let json = serde_json::Value::try_from(value).map_err(|error| error.inside(key))?;
                Ok((key.to_owned(), json))
            })
            .collect();
        Ok(serde_json::Value::from(members?).to_string())
    }
}

/// A document on its way to entries.
struct Reading<'s> {
    schema: &'s Schema,
    path: String,
    entries: BTreeMap<Arc<str>, Value>,
    faults: Vec<Error>,
}

impl<'s> Reading<'s> {
    fn of(schema: &'s Schema) -> Self {
        Self { schema, path: String::new(), entries: BTreeMap::new(), faults: Vec::new() }
    }

    fn walk(&mut self, members: &Map<String, serde_json::Value>, depth: usize) {
        let start = self.path.len();
        for (name, member) in members {
            if self.faults.len() >= MOST_FAULTS {
                return;
            }
            if depth > 0 {
                self.path.push('.');
            }
            self.path.push_str(name);
            match member {
                serde_json::Value::Object(inner)
                    if self.path.len() <= LONGEST_KEY && !self.is_whole() =>
                {
                    // The text was read within the same depth, so this is met by no document.
                    if depth < DEEPEST {
                        self.walk(inner, depth + 1);
                    }
                }
                _ => {
                    if let Err(fault) = self.read(member) {
                        self.faults.push(fault);
                    }
                }
            }
            self.path.truncate(start);
        }
    }

    /// Whether an object at this place is a value, and not the way to further keys.
    fn is_whole(&self) -> bool {
        let Some(rule) = self.schema.rule_number(&self.path) else { return false };
        match self.schema.rule(rule).value_type.kind() {
            Some(kind) => kind == Kind::Object,
            None => !self.schema.pattern(rule).as_str().ends_with("**"),
        }
    }

    fn read(&mut self, json: &serde_json::Value) -> Result<(), Error> {
        let rule = self.schema.find(&self.path)?;
        let key: Arc<str> = self.path.as_str().into();
        let value = self
            .schema
            .rule(rule)
            .value_type
            .read_json(json)
            .map_err(|fault| Error::Json { key: Arc::clone(&key), fault })?;
        match self.entries.entry(key) {
            Entry::Vacant(place) => place.insert(value),
            Entry::Occupied(taken) => {
                let key = Arc::clone(taken.key());
                return Err(Error::InvalidKey { key, reason: "the document has it twice" });
            }
        };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Type;

    fn faults(schema: &Schema, text: &str) -> Vec<String> {
        let map = SafeMap::new(schema.clone());
        match map.load_json(text) {
            Err(Error::Invalid { faults }) => faults.iter().map(ToString::to_string).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_object_is_whole_where_the_schema_asks_for_one() {
        let schema = Schema::builder()
            .key("user.*", Type::object().member("id", Type::integer()))
            .key("blob", Type::any())
            .key("open.**", Type::any())
            .build()
            .unwrap();
        let map = SafeMap::new(schema);
        let text = r#"{"user": {"7": {"id": 7}}, "blob": {"a": {}}, "open": {"a": {"b": [1]}}}"#;
        map.load_json(text).unwrap();
        assert_eq!(
            map.snapshot().to_json().unwrap(),
            r#"{"blob":{"a":{}},"open.a.b":[1],"user.7":{"id":7}}"#
        );
    }

    #[test]
    fn all_faults_are_told_and_nothing_is_taken() {
        let schema = Schema::builder()
            .key("http.port", Type::integer().required())
            .key("http.host", Type::string().max_size(4).required())
            .key("log", Type::bytes())
            .build()
            .unwrap();
        let mut faults = faults(&schema, r#"{"http": {"port": null, "hots": "a"}, "log": 1}"#);
        faults.sort_unstable();
        assert_eq!(
            faults,
            [
                "\"http.host\" is required",
                "\"http.port\": null is no value; leave it out",
                "\"log\": expected bytes, came integer",
                "no key \"http.hots\" in the schema; perhaps \"http.host\" was meant",
            ]
        );
    }

    #[test]
    fn a_key_that_comes_in_two_spellings_is_refused() {
        let text = r#"{"a.b": 1, "a": {"b": 2}}"#;
        assert_eq!(
            faults(&Schema::open(), text),
            ["\"a.b\" can't be a key: the document has it twice"]
        );
    }

    #[test]
    fn a_document_is_one_object() {
        let map = SafeMap::new(Schema::open());
        for text in ["[]", "7", "", "{", "{\"a\": 1} 2"] {
            assert!(matches!(map.load_json(text), Err(Error::Document { .. })), "{text}");
        }
        map.load_json("{}").unwrap();
        assert!(map.is_empty());
    }

    #[test]
    fn hostile_documents_are_refused_within_bounds() {
        let many: Vec<String> = (0..5000).map(|number| format!("\"k{number}\":1")).collect();
        let strict = Schema::builder().key("a", Type::integer()).build().unwrap();
        assert_eq!(faults(&strict, &format!("{{{}}}", many.join(","))).len(), MOST_FAULTS);
        let long = format!("{{\"{}\": {{\"a\": 1}}}}", "k".repeat(5000));
        assert_eq!(faults(&Schema::open(), &long).len(), 1);
    }
}
