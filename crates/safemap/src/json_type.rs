//! Types from schemas of JSON Schema.
//!
//! A schema that says no more than a [`Type`] can is made one, and costs what a type costs. All
//! others are left to the library `jsonschema`: a value is then written as a tree of JSON at each
//! check, which is slower and right for every keyword. What is translated is held against the
//! library in the tests: both have to decide alike.
//!
//! Regular expressions are the library's: those of a schema are ECMAScript's, and it matches them
//! faster than `regex-lite` does.

use std::fmt;
use std::sync::Arc;

use jsonschema::Validator;
use serde_json::{Map, Value as Json};

use crate::error::Mismatch;
use crate::rule::Type;
use crate::value::{DEEPEST, Kind, Value};

/// The whole numbers up to here are floats without a loss.
const EXACT: u64 = 1 << 53;

/// A limit is cited in an error up to this length.
const LONGEST_CITED: usize = 64;

/// A schema that the library decides about.
pub(crate) struct Validated {
    validator: Validator,
    kind: Option<Kind>,
    /// Where the schema is in its document.
    at: Arc<str>,
    /// The schema, of which an error cites what was not kept.
    schema: Json,
    /// The document that the schema is in, which it may refer to.
    document: Arc<str>,
}

impl fmt::Debug for Validated {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Validated({})", self.at)
    }
}

impl fmt::Display for Validated {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.kind.map_or("value", Kind::name);
        write!(out, "{kind} as the schema's {} says", self.at)
    }
}

impl Validated {
    pub(crate) fn new(
        validator: Validator,
        schema: &Json,
        at: Arc<str>,
        document: Arc<str>,
    ) -> Self {
        Self { validator, kind: kind_of(schema), at, schema: schema.clone(), document }
    }

    /// All that this type asks for, as text.
    pub(crate) fn canonical(&self) -> String {
        format!("validated({:?},{})", self.at, self.document)
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        self.kind
    }

    pub(crate) fn check(&self, value: &Value) -> Result<(), Mismatch> {
        let mismatch = |expected: String, member: Option<String>| Mismatch {
            expected,
            came: match self.kind {
                Some(kind) if kind == value.kind() => format!("{kind} that does not fit"),
                _ => value.kind().to_string(),
            },
            member,
            ..Mismatch::at(value)
        };
        if self.kind.is_some_and(|kind| kind != value.kind()) {
            return Err(mismatch(self.to_string(), None));
        }
        let json = Json::try_from(value).map_err(|error| {
            let member = (!error.at.is_empty()).then_some(error.at);
            mismatch("what JSON has a form for".to_owned(), member)
        })?;
        self.validator.validate(&json).map_err(|error| {
            // The library's own words would repeat the value.
            let path = error.instance_path().to_string();
            let member = path.strip_prefix('/').map(|path| path.replace('/', "."));
            let place = error.schema_path().to_string();
            let mut expected = format!("what the schema's #{place} says");
            // Behind a reference the path leads out of this schema, and nothing is cited.
            if let Some(limit) = self.schema.pointer(&place).map(Json::to_string)
                && limit.len() <= LONGEST_CITED
            {
                expected.push_str(&format!(" ({limit})"));
            }
            mismatch(expected, member)
        })
    }
}

/// Keywords that say nothing about what is valid.
pub(crate) fn is_annotation(keyword: &str) -> bool {
    const ANNOTATIONS: [&str; 13] = [
        "$comment",
        "$defs",
        "$id",
        "$schema",
        "default",
        "definitions",
        "deprecated",
        "description",
        "examples",
        "readOnly",
        "title",
        "writeOnly",
        "id",
    ];
    ANNOTATIONS.contains(&keyword) || keyword.starts_with("x-")
}

/// The kind that a schema asks for, if it is one.
fn kind_of(schema: &Json) -> Option<Kind> {
    let name = match schema.get("type")? {
        Json::String(name) => name,
        Json::Array(names) if names.len() == 1 => names[0].as_str()?,
        _ => return None,
    };
    Some(match name {
        "boolean" => Kind::Boolean,
        "integer" => Kind::Integer,
        "number" => Kind::Float,
        "string" => Kind::String,
        "array" => Kind::List,
        "object" => Kind::Object,
        _ => return None,
    })
}

/// The type that says exactly what a schema says, if there is one.
pub(crate) fn translate(schema: &Json, depth: usize) -> Option<Type> {
    if depth > DEEPEST {
        return None;
    }
    let Json::Object(schema) = schema else {
        return (schema == &Json::Bool(true)).then(Type::any);
    };
    let keywords = Keywords { schema };
    let name = match schema.get("type") {
        Some(name) => Some(name.as_str()?),
        None => None,
    };
    match name {
        None if keywords.are(&[]) => Some(Type::any()),
        None | Some("string") if schema.contains_key("enum") || schema.contains_key("const") => {
            keywords.one_of()
        }
        Some("boolean") if keywords.are(&["type"]) => Some(Type::boolean()),
        Some("integer") => keywords.integer(),
        Some("number") => keywords.number(),
        Some("string") => keywords.string(),
        Some("array") => keywords.list(depth),
        Some("object") => keywords.object(depth),
        _ => None,
    }
}

struct Keywords<'s> {
    schema: &'s Map<String, Json>,
}

impl Keywords<'_> {
    /// Whether there are no keywords but these and annotations.
    fn are(&self, known: &[&str]) -> bool {
        self.schema
            .keys()
            .all(|keyword| known.contains(&keyword.as_str()) || is_annotation(keyword))
    }

    /// A keyword's content, read in some way: `None` where it can't be, `Some(None)` without it.
    fn optional<'s, T>(
        &'s self,
        keyword: &str,
        read: impl FnOnce(&'s Json) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.schema.get(keyword) {
            Some(content) => read(content).map(Some),
            None => Some(None),
        }
    }

    fn size(&self, keyword: &str) -> Option<Option<usize>> {
        self.optional(keyword, |content| content.as_u64().and_then(|size| size.try_into().ok()))
    }

    fn one_of(&self) -> Option<Type> {
        if !self.are(&["type", "enum"]) && !self.are(&["type", "const"]) {
            return None;
        }
        if let Some(name) = self.schema.get("const") {
            return Some(Type::one_of([name.as_str()?]));
        }
        let names = self.schema.get("enum")?.as_array()?;
        let names: Option<Vec<&str>> = names.iter().map(Json::as_str).collect();
        Some(Type::one_of(names?))
    }

    fn integer(&self) -> Option<Type> {
        if !self.are(&["type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]) {
            return None;
        }
        let above = |content: &Json| content.as_i64()?.checked_add(1);
        let below = |content: &Json| content.as_i64()?.checked_sub(1);
        let lowest = self.optional("minimum", Json::as_i64)?.unwrap_or(i64::MIN);
        let lowest = lowest.max(self.optional("exclusiveMinimum", above)?.unwrap_or(i64::MIN));
        let highest = self.optional("maximum", Json::as_i64)?.unwrap_or(i64::MAX);
        let highest = highest.min(self.optional("exclusiveMaximum", below)?.unwrap_or(i64::MAX));
        (lowest <= highest).then(|| Type::integer().range(lowest..=highest))
    }

    fn number(&self) -> Option<Type> {
        if !self.are(&["type", "minimum", "maximum"]) {
            return None;
        }
        let exact = |content: &Json| {
            let is_exact =
                content.is_f64() || content.as_i64().is_some_and(|n| n.unsigned_abs() <= EXACT);
            content.as_f64().filter(|_| is_exact)
        };
        let lowest = self.optional("minimum", exact)?.unwrap_or(f64::MIN);
        let highest = self.optional("maximum", exact)?.unwrap_or(f64::MAX);
        (lowest <= highest).then(|| Type::float().between(lowest, highest))
    }

    fn string(&self) -> Option<Type> {
        if self.schema.contains_key("contentEncoding") {
            let encoding = self.schema.get("contentEncoding")?.as_str()?;
            let is_bytes = encoding == "base64" && self.are(&["type", "contentEncoding"]);
            return is_bytes.then(Type::bytes);
        }
        if !self.are(&["type", "maxLength"]) {
            return None;
        }
        Some(match self.size("maxLength")? {
            Some(characters) => Type::string().max_characters(characters),
            None => Type::string(),
        })
    }

    fn list(&self, depth: usize) -> Option<Type> {
        if !self.are(&["type", "items", "maxItems"]) {
            return None;
        }
        let items = self.optional("items", |items| translate(items, depth + 1))?;
        let list = Type::list(items.unwrap_or_else(Type::any));
        Some(match self.size("maxItems")? {
            Some(most) => list.max_size(most),
            None => list,
        })
    }

    fn object(&self, depth: usize) -> Option<Type> {
        let known = ["type", "properties", "required", "additionalProperties", "maxProperties"];
        if !self.are(&known) {
            return None;
        }
        let others = match self.schema.get("additionalProperties") {
            Some(Json::Bool(false)) => None,
            Some(others) => Some(translate(others, depth + 1)?),
            None => Some(Type::any()),
        };
        let required = self.optional("required", Json::as_array)?;
        let required: Option<Vec<&str>> =
            required.into_iter().flatten().map(Json::as_str).collect();
        let required = required?;
        let mut object = Type::object();
        let properties = self.optional("properties", Json::as_object)?;
        for (name, property) in properties.into_iter().flatten() {
            let member = translate(property, depth + 1)?;
            object = if required.contains(&name.as_str()) {
                object.member(name, member)
            } else {
                object.optional_member(name, member)
            };
        }
        for name in required {
            if !properties.is_some_and(|properties| properties.contains_key(name)) {
                // Without a type for other members, none could be there.
                object = object.member(name, others.clone()?);
            }
        }
        if let Some(others) = others {
            object = object.other_members(others);
        }
        Some(match self.size("maxProperties")? {
            Some(most) => object.max_size(most),
            None => object,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Schemas that are translated, and that are not.
    fn schemas() -> (Vec<Json>, Vec<Json>) {
        let translated = vec![
            json!(true),
            json!({"title": "all"}),
            json!({"type": "boolean"}),
            json!({"type": "integer", "minimum": -1, "exclusiveMaximum": 3}),
            json!({"type": "integer", "exclusiveMinimum": -1, "maximum": 2}),
            json!({"type": "number", "minimum": 0, "maximum": 1.5}),
            json!({"type": "string"}),
            json!({"type": "string", "maxLength": 2}),
            json!({"enum": ["a", "ab"]}),
            json!({"type": "string", "const": "abc"}),
            json!({"type": "array"}),
            json!({"type": "array", "items": {"type": "integer"}, "maxItems": 2}),
            json!({"type": "object"}),
            json!({"type": "object", "additionalProperties": false}),
            json!({"type": "object", "required": ["z"], "maxProperties": 1}),
            json!({
                "type": "object",
                "properties": {"a": {"type": "number"}, "b": {"type": "array"}},
                "required": ["a"],
                "additionalProperties": {"type": "string"},
            }),
        ];
        let left = vec![
            json!(false),
            json!({"minimum": 1}),
            json!({"type": ["string", "integer"]}),
            json!({"type": "integer", "multipleOf": 2}),
            json!({"type": "integer", "minimum": 0.5}),
            json!({"type": "number", "exclusiveMinimum": 0}),
            json!({"type": "string", "minLength": 2}),
            json!({"type": "string", "pattern": "^a[b-c]+$"}),
            json!({"type": "string", "pattern": "b|\\d{2}"}),
            json!({"type": "string", "pattern": "[^a]$"}),
            json!({"type": "string", "pattern": "\\."}),
            json!({"type": "string", "pattern": "^(?=a).*b$"}),
            json!({"type": "string", "pattern": "^a|c$"}),
            json!({"type": "array", "uniqueItems": true}),
            json!({"type": "array", "prefixItems": [{"type": "integer"}]}),
            json!({"type": "object", "patternProperties": {"^a": {"type": "integer"}}}),
            json!({"type": "object", "propertyNames": {"maxLength": 1}}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 2}]}),
            json!({"not": {"type": "string"}}),
            json!({"enum": ["a", 1]}),
        ];
        (translated, left)
    }

    fn instances() -> Vec<Json> {
        let mut instances = vec![
            json!(true),
            json!([]),
            json!([1]),
            json!([1, 2, 3]),
            json!([1, 1]),
            json!(["a", 1]),
            json!([[1.5]]),
            json!({}),
            json!({"a": 1}),
            json!({"a": 1.5, "b": []}),
            json!({"a": "x"}),
            json!({"a": 1, "c": "x"}),
            json!({"a": 1, "c": 2}),
            json!({"z": {"a": 1}}),
            json!({"z": 1, "y": 2}),
        ];
        instances.extend((-3..5).map(Json::from));
        instances.extend([-0.5, 0.5, 1.0, 1.5, 1.75, 2.0].map(Json::from));
        instances.extend([i64::MIN, (1 << 53) - 1].map(Json::from));
        let texts = [
            "",
            "a",
            "ab",
            "abc",
            "abcb",
            "abd",
            "b",
            "xbx",
            "12",
            "x12y",
            "1",
            "äö",
            "äöü",
            "a\n",
            "\na",
            "ab\n",
            "a.b",
            "a\r",
            "\u{2028}b",
            "abcabc",
            "٣٣",
        ];
        instances.extend(texts.map(Json::from));
        instances
    }

    #[test]
    fn a_translated_schema_decides_as_the_library_does() {
        let mut decided = [0, 0];
        for schema in schemas().0 {
            let translated = translate(&schema, 0).unwrap_or_else(|| panic!("{schema}"));
            let library = jsonschema::validator_for(&schema).unwrap();
            for instance in instances() {
                let ours = translated
                    .read_json(&instance)
                    .is_ok_and(|value| translated.check(&value).is_ok());
                assert_eq!(ours, library.is_valid(&instance), "{schema} {instance}");
                decided[usize::from(ours)] += 1;
            }
        }
        assert!(decided.iter().all(|count| *count > 100), "{decided:?}");
    }

    #[test]
    fn what_no_type_says_is_left_to_the_library() {
        for schema in schemas().1 {
            assert!(translate(&schema, 0).is_none(), "{schema}");
            let library = jsonschema::validator_for(&schema).unwrap();
            let validated =
                Type::validated(Validated::new(library, &schema, "#".into(), "".into()));
            let library = jsonschema::validator_for(&schema).unwrap();
            for instance in instances() {
                let ours = validated
                    .read_json(&instance)
                    .is_ok_and(|value| validated.check(&value).is_ok());
                assert_eq!(ours, library.is_valid(&instance), "{schema} {instance}");
            }
        }
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        let schema = json!({"type": "array", "items": {"type": "string", "minLength": 20}});
        let library = jsonschema::validator_for(&schema).unwrap();
        let validated = Type::validated(Validated::new(library, &schema, "#/a".into(), "".into()));
        let list = Value::from(vec![Value::from("secret")]);
        assert_eq!(
            validated.check(&list).unwrap_err().to_string(),
            "expected what the schema's #/items/minLength says (20) at 0, came list that does not fit"
        );
        assert_eq!(
            validated.check(&Value::from("secret")).unwrap_err().to_string(),
            "expected list as the schema's #/a says, came string"
        );
        let bad = Value::from(vec![Value::from(f64::NAN)]);
        assert!(validated.check(&bad).unwrap_err().to_string().contains("at 0"));
    }
}
