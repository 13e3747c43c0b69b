//! A map's schema from a document in JSON Schema.
//!
//! The document describes what [`SafeMap::load_json`](crate::SafeMap::load_json) takes: nested
//! objects are dotted keys, and each other schema is the type of a key. A map is open to writes of one
//! key, so what a document says of several at once can't be kept; such keywords are all named in the
//! error, and none is passed over. Within the value of one key every keyword is kept.
//!
//! References are followed within the document. Every step counts against a budget, so that a
//! document which doubles with each reference ends in an error.

use std::sync::Arc;
use std::time::Duration;

use jsonschema::ValidatorMap;
use serde_json::{Map, Value as Json};

use crate::error::{SchemaError, number};
use crate::json::{JsonError, parse};
use crate::json_type::{Validated, is_annotation, translate};
use crate::rule::{Rule, Type};
use crate::schema::Schema;

/// The most places of a document that are visited.
const MOST_STEPS: usize = 100_000;

/// How deep the document itself may be.
const DEEPEST_DOCUMENT: usize = 100;

/// How many segments a key may have here.
const DEEPEST_KEY: usize = 32;

/// The most keywords that are named in one error.
const MOST_FAULTS: usize = 100;

/// Expressions that every name matches that can be a segment.
const ANY_NAME: [&str; 8] = ["", ".*", "^.*$", "^.*", ".+", "^.+$", "^[^.]+$", "^[^.]*$"];

/// Why a document in JSON Schema makes no schema.
///
/// ```
/// use tophash_safemap::{JsonSchemaError, Schema};
///
/// let document = r#"{"type": "object", "properties": {"a": {}}, "minProperties": 1}"#;
/// let Err(JsonSchemaError::Unsupported { faults }) = Schema::from_json_schema(document) else {
///     panic!()
/// };
/// assert_eq!(faults[0].at, "#/minProperties");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonSchemaError {
    /// Text that is no JSON.
    #[error(transparent)]
    Unreadable(#[from] JsonError),
    /// JSON that is no JSON Schema, or refers to what can't be found.
    #[error("no JSON Schema, at #{at}: {message}")]
    Invalid {
        /// Where, as a pointer.
        at: String,
        /// What is wrong.
        message: String,
    },
    /// Keywords that a map can't keep.
    #[error("can't be kept by a map: {}{}", number(faults.len(), "keywords"), first(faults))]
    Unsupported {
        /// Each of them, no more than a hundred.
        faults: Vec<Unsupported>,
    },
    /// Keys that make no schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// A keyword that a map can't keep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {reason}")]
#[non_exhaustive]
pub struct Unsupported {
    /// Where it is, as a pointer into the document.
    pub at: String,
    /// Why not, and what may be done.
    pub reason: &'static str,
}

fn first(faults: &[Unsupported]) -> String {
    faults.first().map(ToString::to_string).unwrap_or_default()
}

impl Schema {
    /// Makes a schema of a document in JSON Schema, of any draft from 4 on.
    ///
    /// ```
    /// use tophash_safemap::{SafeMap, Schema};
    ///
    /// let schema = Schema::from_json_schema(r#"{
    ///     "type": "object",
    ///     "properties": {
    ///         "http": {
    ///             "type": "object",
    ///             "properties": {"port": {"type": "integer", "minimum": 1, "maximum": 65535}},
    ///             "required": ["port"]
    ///         },
    ///         "session": {"additionalProperties": {"type": "string", "x-idle": 1800}}
    ///     },
    ///     "required": ["http"]
    /// }"#)?;
    /// let map = SafeMap::new(schema);
    /// map.load_json(r#"{"http": {"port": 80}}"#)?;
    /// map.set("session.3f2a", "Ada")?;
    /// let refused = map.set("http.port", 0).unwrap_err().to_string();
    /// assert_eq!(refused, r#""http.port": expected integer from 1 to 65535, came 0"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// - An object with `properties`, `patternProperties` or `additionalProperties` is a part of keys;
    ///   any other, one with `"x-whole": true`, and those in lists are values of one key.
    /// - `additionalProperties`, and `patternProperties` with an expression that matches every name,
    ///   are the segment `*`. Names that are not told are refused, also where JSON Schema allows them
    ///   because it is silent.
    /// - An `integer` is an `i64`, and a `number` a float. Where a document is loaded, `1` is read as
    ///   whichever is asked for.
    /// - A string with `"contentEncoding": "base64"`, and nothing else, is bytes.
    /// - `x-ttl` and `x-idle` are seconds until an entry is gone.
    /// - A key may be `required` when all objects around it are.
    ///
    /// What a [`Type`] can say is made one. Everything else about a single value is left to the library
    /// `jsonschema`, for which the value is written as JSON at each check: three to five times the cost of
    /// a type for small values, and in proportion to the value for large ones.
    /// References are followed within the document; nothing is ever fetched.
    ///
    /// # Errors
    ///
    /// Fails on text that is no JSON Schema, and names every keyword that a map can't keep.
    pub fn from_json_schema(text: &str) -> Result<Self, JsonSchemaError> {
        let document = parse(text, DEEPEST_DOCUMENT)?;
        let validators = jsonschema::options().build_map(&document).map_err(|error| {
            JsonSchemaError::Invalid {
                at: error.instance_path().to_string(),
                message: error.to_string(),
            }
        })?;
        let mut reading = Reading {
            has_inner_ids: has_inner_ids(&document),
            document: &document,
            text: document.to_string().into(),
            validators,
            rules: Vec::new(),
            faults: Vec::new(),
            steps: 0,
        };
        let root = Place { schema: &document, pointer: String::new(), key: None, is_there: true };
        if reading.is_group(&document) {
            reading.group(&root, 0);
        } else {
            reading.fault("".to_owned(), "a map is an object with properties");
        }
        if !reading.faults.is_empty() {
            return Err(JsonSchemaError::Unsupported { faults: reading.faults });
        }
        let mut builder = Self::builder();
        for (pattern, rule) in reading.rules {
            builder = builder.key(pattern, rule);
        }
        Ok(builder.build()?)
    }
}

/// A schema on its way to keys.
struct Place<'d> {
    schema: &'d Json,
    /// Where it is in the document.
    pointer: String,
    /// The key or pattern that it is for; the root has none.
    key: Option<String>,
    /// Whether every object around it has to be there, itself included.
    is_there: bool,
}

struct Reading<'d> {
    document: &'d Json,
    /// The same as text.
    text: Arc<str>,
    validators: ValidatorMap,
    has_inner_ids: bool,
    rules: Vec<(String, Rule)>,
    faults: Vec<Unsupported>,
    steps: usize,
}

impl<'d> Reading<'d> {
    fn fault(&mut self, pointer: String, reason: &'static str) {
        if self.faults.len() < MOST_FAULTS {
            self.faults.push(Unsupported { at: format!("#{pointer}"), reason });
        }
    }

    /// What a schema refers to when it does nothing else, with where that is.
    fn resolved(&self, mut schema: &'d Json) -> (&'d Json, Option<String>) {
        let mut pointer = None;
        for _ in 0..DEEPEST_KEY {
            let Some(target) = self.target(schema) else { break };
            let Some(inner) = self.document.pointer(target) else { break };
            (schema, pointer) = (inner, Some(target.to_owned()));
        }
        (schema, pointer)
    }

    fn target(&self, schema: &'d Json) -> Option<&'d str> {
        let members = schema.as_object()?;
        let is_alone = members.keys().all(|name| name == "$ref" || is_annotation(name));
        let has_own = members.keys().any(|name| name.starts_with("x-"));
        let pointer = members.get("$ref")?.as_str()?.strip_prefix('#')?;
        // An identifier within the document would move what the reference begins at, and anchors
        // and escapes are left to the library.
        let is_plain = pointer.is_empty() || (pointer.starts_with('/') && !pointer.contains('%'));
        (is_alone && !has_own && is_plain && !self.has_inner_ids).then_some(pointer)
    }

    /// Whether a schema is a part of keys and not the type of a value.
    fn is_group(&self, schema: &'d Json) -> bool {
        let Some(members) = self.resolved(schema).0.as_object() else { return false };
        let is_object = members.get("type").is_none_or(|name| name == "object");
        let is_whole = members.get("x-whole") == Some(&Json::Bool(true));
        let has_names = members.contains_key("properties")
            || members.contains_key("patternProperties")
            || members.get("additionalProperties").is_some_and(|others| others != false);
        is_object && !is_whole && has_names
    }

    fn group(&mut self, place: &Place<'d>, depth: usize) {
        let (schema, moved) = self.resolved(place.schema);
        let pointer = moved.unwrap_or_else(|| place.pointer.clone());
        let Some(members) = schema.as_object() else { return };
        if depth == DEEPEST_KEY {
            return self.fault(pointer, "keys of more than 32 segments, or a schema within itself");
        }
        self.group_keywords(members, &pointer);
        let empty = Map::new();
        let object = |name: &str| members.get(name).and_then(Json::as_object);
        let properties = object("properties");
        let required: Vec<&str> = members
            .get("required")
            .and_then(Json::as_array)
            .map(|names| names.iter().filter_map(Json::as_str).collect())
            .unwrap_or_default();
        let at_required = format!("{pointer}/required");
        for name in &required {
            if !properties.is_some_and(|properties| properties.contains_key(*name)) {
                self.fault(at_required.clone(), "a required name has to be in properties");
            }
        }
        if !required.is_empty() && !place.is_there {
            self.fault(
                at_required,
                "keys are required in an object that may be missing; require it too, or make it \
                 one value with x-whole",
            );
        }
        for (name, schema) in properties.into_iter().flatten() {
            let pointer = format!("{pointer}/properties/{}", escaped(name));
            if name.contains('*') {
                self.fault(pointer, "a name with * in it would be a pattern");
                continue;
            }
            let is_there = place.is_there && required.contains(&name.as_str());
            self.visit(
                Place { schema, pointer, key: Some(joined(&place.key, name)), is_there },
                depth,
            );
        }

        let patterns = object("patternProperties").unwrap_or(&empty);
        let mut others: Vec<(String, &'d Json)> = Vec::new();
        for (expression, _) in patterns {
            if !ANY_NAME.contains(&expression.as_str()) {
                let pointer = format!("{pointer}/patternProperties/{}", escaped(expression));
                self.fault(
                    pointer,
                    "a pattern of keys leaves whole segments open; use additionalProperties, or \
                     one value with x-whole",
                );
            }
        }
        let found = members.get("patternProperties").and_then(Json::as_object);
        for (expression, schema) in found.into_iter().flatten() {
            others.push((format!("/patternProperties/{}", escaped(expression)), schema));
        }
        if !patterns.is_empty() && (patterns.len() > 1 || properties.is_some_and(|p| !p.is_empty()))
        {
            let reason =
                "of several schemas for one name a map keeps one; use additionalProperties";
            self.fault(format!("{pointer}/patternProperties"), reason);
        }
        // Where an expression matches every name, no other is left.
        match members.get("additionalProperties") {
            Some(Json::Bool(false)) | None => {}
            Some(_) if !patterns.is_empty() => {}
            Some(schema) => others.push(("/additionalProperties".to_owned(), schema)),
        }
        for (step, schema) in others {
            let pointer = format!("{pointer}{step}");
            if self.is_group(schema) && properties.is_some_and(|names| !names.is_empty()) {
                self.fault(
                    pointer,
                    "keys of other objects would be allowed in the named ones too; make them \
                     values with x-whole",
                );
                continue;
            }
            let key = Some(joined(&place.key, "*"));
            self.visit(Place { schema, pointer, key, is_there: false }, depth);
        }
    }

    fn group_keywords(&mut self, members: &Map<String, Json>, pointer: &str) {
        const KNOWN: [&str; 6] = [
            "additionalProperties",
            "patternProperties",
            "properties",
            "required",
            "type",
            "x-whole",
        ];
        for (keyword, content) in members {
            let is_closed = keyword == "unevaluatedProperties" && content == false;
            let is_lost = ["x-ttl", "x-idle"].contains(&keyword.as_str());
            let is_known = KNOWN.contains(&keyword.as_str()) || is_annotation(keyword) || is_closed;
            if is_known && !is_lost {
                continue;
            }
            let reason = if is_lost {
                "a time is for a key; say it of each"
            } else {
                "it speaks of several keys at once; make the object one value with x-whole"
            };
            self.fault(format!("{pointer}/{}", escaped(keyword)), reason);
        }
    }

    fn visit(&mut self, place: Place<'d>, depth: usize) {
        self.steps += 1;
        if self.steps == MOST_STEPS {
            self.fault(String::new(), "the document has more than 100000 places");
        }
        if self.steps >= MOST_STEPS || self.faults.len() >= MOST_FAULTS {
            return;
        }
        if self.is_group(place.schema) { self.group(&place, depth + 1) } else { self.value(place) }
    }

    fn value(&mut self, place: Place<'d>) {
        let (schema, moved) = self.resolved(place.schema);
        if schema.get("type") == Some(&Json::from("null")) {
            return self.fault(place.pointer, "null is no value; leave the key out");
        }
        let pointer = moved.unwrap_or_else(|| place.pointer.clone());
        let value_type = match translate(schema, 0) {
            Some(value_type) => value_type,
            None => {
                let at = format!("#{pointer}");
                let Some(validator) = self.validators.get(&at) else {
                    return self.fault(pointer, "the validator could not be made");
                };
                let document = Arc::clone(&self.text);
                Type::validated(Validated::new(validator.clone(), schema, at.into(), document))
            }
        };
        let mut rule = Rule::from(value_type);
        if place.is_there {
            rule = rule.required();
        }
        for (name, put) in
            [("x-ttl", Rule::ttl as fn(Rule, Duration) -> Rule), ("x-idle", Rule::idle)]
        {
            let Some(seconds) = schema.get(name) else { continue };
            let time = seconds.as_f64().and_then(|time| Duration::try_from_secs_f64(time).ok());
            match time {
                Some(time) => rule = put(rule, time),
                None => self.fault(format!("{pointer}/{name}"), "a time is a number of seconds"),
            }
        }
        self.rules.extend(place.key.map(|key| (key, rule)));
    }
}

fn joined(key: &Option<String>, name: &str) -> String {
    match key {
        Some(key) => format!("{key}.{name}"),
        None => name.to_owned(),
    }
}

/// A name as a step of a pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Whether a part of the document has an identifier of its own, from which its references begin.
fn has_inner_ids(document: &Json) -> bool {
    fn within(json: &Json, is_root: bool) -> bool {
        match json {
            Json::Object(members) => {
                let has_id = ["$id", "id"]
                    .iter()
                    .any(|name| members.get(*name).is_some_and(Json::is_string) && !is_root);
                has_id || members.values().any(|member| within(member, false))
            }
            Json::Array(items) => items.iter().any(|item| within(item, false)),
            _ => false,
        }
    }
    within(document, true)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Error, SafeMap, Value};

    fn schema(document: &Json) -> Schema {
        Schema::from_json_schema(&document.to_string()).unwrap()
    }

    fn rules(document: &Json) -> Vec<String> {
        let mut rules: Vec<String> = schema(document)
            .rules()
            .map(|(pattern, value_type)| format!("{}: {value_type}", pattern.as_str()))
            .collect();
        rules.sort_unstable();
        rules
    }

    fn faults(document: &Json) -> Vec<String> {
        match Schema::from_json_schema(&document.to_string()) {
            Err(JsonSchemaError::Unsupported { faults }) => {
                faults.into_iter().map(|fault| fault.at).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn nested_objects_are_keys_and_open_ones_patterns() {
        let document = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "http": {"properties": {"port": {"type": "integer"}, "a/b": {"type": "boolean"}}},
                "user": {"additionalProperties": {"properties": {"id": {"$ref": "#/$defs/id"}}}},
                "label": {"patternProperties": {"^.*$": {"type": "string", "maxLength": 9}}},
                "owner": {"type": "object"},
                "tags": {"type": "array", "items": {"$ref": "#/$defs/id"}},
            },
            "additionalProperties": {"type": "number"},
            "$defs": {"id": {"type": "integer", "minimum": 1}},
        });
        assert_eq!(
            rules(&document),
            [
                "*: finite float",
                "http.a/b: boolean",
                "http.port: integer",
                "label.*: string, at most 9 characters",
                "owner: object",
                "tags: list as the schema's #/properties/tags says",
                "user.*.id: integer from 1",
            ]
        );
        let map = SafeMap::new(schema(&document));
        map.load_json(r#"{"user": {"7": {"id": 7}}, "tags": [1, 2], "other": 1}"#).unwrap();
        assert_eq!(map.get("other").unwrap(), Some(Value::from(1.0)));
        assert!(map.load_json(r#"{"tags": [1, 0]}"#).is_err());
    }

    #[test]
    fn keywords_about_several_keys_are_all_named() {
        let document = json!({
            "type": "object",
            "properties": {
                "a": {"type": "object", "properties": {"x": {}}, "required": ["x"]},
                "b*": {},
                "n": {"type": "null"},
                "p": {"patternProperties": {"^x-": {}}},
                "t": {"properties": {"x": {}}, "x-ttl": 1},
            },
            "dependentRequired": {"a": ["n"]},
            "minProperties": 1,
            "required": ["missing"],
        });
        let mut named = faults(&document);
        named.sort_unstable();
        assert_eq!(
            named,
            [
                "#/dependentRequired",
                "#/minProperties",
                "#/properties/a/required",
                "#/properties/b*",
                "#/properties/n",
                "#/properties/p/patternProperties/^x-",
                "#/properties/t/x-ttl",
                "#/required",
            ]
        );
        assert_eq!(faults(&json!({"type": "string"})), ["#"]);
        let beside = json!({
            "properties": {"a": {"properties": {"x": {}}}},
            "additionalProperties": {"properties": {"y": {}}},
        });
        assert_eq!(faults(&beside), ["#/additionalProperties"]);
    }

    #[test]
    fn an_object_may_be_one_value_with_every_keyword() {
        let document = json!({
            "properties": {
                "window a": {
                    "x-whole": true,
                    "x-ttl": 60,
                    "type": "object",
                    "properties": {"from": {"type": "integer"}, "to": {"type": "integer"}},
                    "dependentRequired": {"to": ["from"]},
                },
            },
        });
        let map = SafeMap::new(schema(&document));
        map.load_json(r#"{"window a": {"from": 1, "to": 2}}"#).unwrap();
        let refused = map.load_json(r#"{"window a": {"to": 2}}"#).unwrap_err().to_string();
        assert!(refused.contains("dependentRequired"), "{refused}");
    }

    #[test]
    fn a_required_key_has_to_be_there() {
        let document = json!({
            "properties": {"a": {"properties": {"x": {"type": "boolean"}}, "required": ["x"]}},
            "required": ["a"],
        });
        let map = SafeMap::new(schema(&document));
        let Err(Error::Invalid { faults }) = map.load_json("{}") else { panic!() };
        assert_eq!(faults[0].to_string(), "\"a.x\" is required");
    }

    #[test]
    fn what_is_no_json_schema_is_refused() {
        let refused = |text: &str| Schema::from_json_schema(text).unwrap_err();
        assert!(matches!(refused("{"), JsonSchemaError::Unreadable(_)));
        let bad = r#"{"properties": {"a": {"type": "interger"}}}"#;
        assert!(matches!(refused(bad), JsonSchemaError::Invalid { .. }));
        let elsewhere = r#"{"properties": {"a": {"$ref": "https://example.org/a.json"}}}"#;
        assert!(matches!(refused(elsewhere), JsonSchemaError::Invalid { .. }));
        let nowhere = r##"{"properties": {"a": {"$ref": "#/$defs/a"}}}"##;
        refused(nowhere);
    }

    #[test]
    fn a_schema_within_itself_or_that_doubles_ends() {
        let tree = json!({"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}});
        assert!(!faults(&tree).is_empty());
        let mut levels: Map<String, Json> = (0..28)
            .map(|level| {
                let next = json!({"$ref": format!("#/$defs/{}", level + 1)});
                (level.to_string(), json!({"properties": {"left": next, "right": next}}))
            })
            .collect();
        levels.insert("28".to_owned(), json!({}));
        let doubling = json!({"properties": {"a": {"$ref": "#/$defs/0"}}, "$defs": levels});
        assert_eq!(faults(&doubling), ["#"]);
        let list = json!({
            "properties": {"root": {"$ref": "#/$defs/node"}},
            "$defs": {
                "node": {
                    "type": "object",
                    "x-whole": true,
                    "properties": {"next": {"$ref": "#/$defs/node"}},
                    "additionalProperties": false,
                },
            },
        });
        let map = SafeMap::new(schema(&list));
        map.load_json(r#"{"root": {"next": {"next": {}}}}"#).unwrap();
        assert!(map.load_json(r#"{"root": {"next": {"prev": {}}}}"#).is_err());
    }
}
