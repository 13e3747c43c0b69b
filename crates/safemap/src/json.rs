//! Values from and to JSON.
//!
//! JSON has one kind of number, no bytes, and a `null` that says nothing; a map has integers apart
//! from floats, bytes, and no such value. Without a type, a number is an integer when it is written
//! as one, and what does not fit is refused and not rounded. Where a schema says which type is asked
//! for, `1` is read as a float, `1.0` as an integer, and text as bytes, which stand in base64.
//!
//! A text is read twice: first for what a tree of it no longer shows, which are names that come
//! twice and levels without end. Time and memory are in proportion to the text.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::{Map, Number};

use crate::Object;
use crate::rule::Type;
use crate::value::{DEEPEST, Kind, Value};

/// The whole numbers up to here, and above its negative, are floats without a loss.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Why something is no value in JSON, or no JSON of a value.
///
/// ```
/// use tophash_safemap::Value;
///
/// let fault = Value::from_json(r#"{"ports": [80, null]}"#).unwrap_err();
/// assert_eq!(fault.to_string(), "at ports.1: null is no value; leave it out");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct JsonError {
    /// Where in lists and objects it is, as a path of indices and names; empty for the whole.
    pub at: String,
    /// What is wrong.
    pub fault: JsonFault,
}

/// What is wrong with a piece of JSON, or a value that was to be written as such.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JsonFault {
    /// Text that is no JSON, goes too deep, or has a name twice.
    #[error("no JSON to be read: {message}")]
    Unreadable {
        /// What the reader says, with line and column.
        message: String,
    },
    /// Lists and objects lie in one another deeper than is allowed.
    #[error("lists and objects lie more than {DEEPEST} levels deep")]
    TooDeep,
    /// A `null`.
    #[error("null is no value; leave it out")]
    Null,
    /// A whole number beyond an `i64`.
    #[error("a whole number beyond 64 bits with a sign")]
    TooLarge,
    /// A whole number that has no float of the same size.
    #[error("a whole number that a float would round")]
    Inexact,
    /// A float that is infinite or not a number.
    #[error("a float that is not finite has no form in JSON")]
    NotFinite,
    /// Text that should be bytes and is not in base64.
    #[error("bytes are text in base64, which this is not")]
    NotBase64,
    /// A whole document that is no object.
    #[error("a document to load is an object")]
    NotAnObject,
}

impl std::error::Error for JsonError {}

impl fmt::Display for JsonError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.at.is_empty() {
            write!(out, "at {}: ", self.at)?;
        }
        write!(out, "{}", self.fault)
    }
}

impl From<JsonFault> for JsonError {
    fn from(fault: JsonFault) -> Self {
        Self { at: String::new(), fault }
    }
}

impl JsonError {
    /// The same, seen from the list or object that holds the place.
    pub(crate) fn inside(mut self, name: &str) -> Self {
        self.at = if self.at.is_empty() { name.to_owned() } else { format!("{name}.{}", self.at) };
        self
    }
}

impl Value {
    /// Reads a value from a text in JSON.
    ///
    /// ```
    /// use tophash_safemap::{Kind, Value};
    ///
    /// assert_eq!(Value::from_json("7")?.kind(), Kind::Integer);
    /// assert_eq!(Value::from_json("7.0")?.kind(), Kind::Float);
    /// assert!(Value::from_json("9223372036854775808").is_err());
    /// assert!(Value::from_json(r#"{"a": 1, "a": 2}"#).is_err());
    /// # Ok::<(), tophash_safemap::JsonError>(())
    /// ```
    ///
    /// Whole numbers of more than 64 bits are read as floats, as `serde_json` does it, unless that
    /// has its feature `arbitrary_precision`.
    ///
    /// # Errors
    ///
    /// Fails on text that is no JSON, on `null`, on a whole number beyond an `i64`, on a name that
    /// comes twice, and beyond 32 levels of lists and objects.
    pub fn from_json(text: &str) -> Result<Self, JsonError> {
        Self::try_from(&parse(text, DEEPEST)?)
    }

    /// Writes the value as JSON. Bytes become text in base64.
    ///
    /// # Errors
    ///
    /// Fails on a float that is infinite or not a number, and beyond 32 levels of lists and objects.
    pub fn to_json(&self) -> Result<String, JsonError> {
        // A tree of JSON can always be written as text.
        serde_json::Value::try_from(self).map(|json| json.to_string())
    }
}

impl TryFrom<&serde_json::Value> for Value {
    type Error = JsonError;

    fn try_from(json: &serde_json::Value) -> Result<Self, JsonError> {
        read(json, None, 0)
    }
}

impl TryFrom<&Value> for serde_json::Value {
    type Error = JsonError;

    fn try_from(value: &Value) -> Result<Self, JsonError> {
        write(value, 0)
    }
}

impl Type {
    /// Reads a value that is to have this type: where JSON leaves open what is meant, the type says.
    ///
    /// ```
    /// use serde_json::json;
    /// use tophash_safemap::{Type, Value};
    ///
    /// assert_eq!(Type::float().read_json(&json!(1))?, Value::from(1.0));
    /// assert_eq!(Type::integer().read_json(&json!(1e3))?, Value::from(1000));
    /// assert_eq!(Type::bytes().read_json(&json!("AAE="))?, Value::from(&[0u8, 1][..]));
    /// # Ok::<(), tophash_safemap::JsonError>(())
    /// ```
    ///
    /// What comes may still be of another type, or past its limits: [`Type::check`] decides that.
    ///
    /// # Errors
    ///
    /// Fails as [`Value::from_json`] does, on a whole number that a float would round, and on text
    /// for bytes that is not in base64.
    pub fn read_json(&self, json: &serde_json::Value) -> Result<Value, JsonError> {
        read(json, Some(self), 0)
    }
}

fn read(json: &serde_json::Value, wanted: Option<&Type>, depth: usize) -> Result<Value, JsonError> {
    let kind = wanted.and_then(Type::kind);
    Ok(match json {
        serde_json::Value::Null => return Err(JsonFault::Null.into()),
        serde_json::Value::Bool(value) => Value::from(*value),
        serde_json::Value::Number(number) => read_number(number, kind)?,
        serde_json::Value::String(text) if kind == Some(Kind::Bytes) => {
            let bytes = STANDARD.decode(text).map_err(|_| JsonFault::NotBase64)?;
            Value::Bytes(bytes.into())
        }
        serde_json::Value::String(text) => Value::from(text.as_str()),
        serde_json::Value::Array(_) | serde_json::Value::Object(_) if depth == DEEPEST => {
            return Err(JsonFault::TooDeep.into());
        }
        serde_json::Value::Array(items) => {
            let item_type = wanted.and_then(Type::item_type);
            let items: Result<Vec<Value>, JsonError> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    read(item, item_type, depth + 1)
                        .map_err(|error| error.inside(&index.to_string()))
                })
                .collect();
            Value::from(items?)
        }
        serde_json::Value::Object(members) => {
            let members: Result<Object, JsonError> = members
                .iter()
                .map(|(name, member)| {
                    let member_type = wanted.and_then(|wanted| wanted.member_type(name));
                    let value = read(member, member_type, depth + 1);
                    Ok((name.as_str().into(), value.map_err(|error| error.inside(name))?))
                })
                .collect();
            Value::from(members?)
        }
    })
}

fn read_number(number: &Number, kind: Option<Kind>) -> Result<Value, JsonFault> {
    let whole = number.as_i64();
    let float = number.as_f64().filter(|float| float.is_finite()).ok_or(JsonFault::TooLarge)?;
    // Of a float, the bounds decide; of an integer, itself: the float beside it may lie at the bound.
    let is_exact = match whole {
        Some(whole) => whole.unsigned_abs() <= EXACT as u64,
        None => (-EXACT..=EXACT).contains(&float),
    };
    match (kind, whole) {
        (Some(Kind::Float), _) if number.is_f64() || is_exact => Ok(Value::from(float)),
        (Some(Kind::Float), _) => Err(JsonFault::Inexact),
        (_, Some(whole)) => Ok(Value::from(whole)),
        // Exact, so the cast keeps it.
        (Some(Kind::Integer), None) if is_exact && float.trunc() == float => {
            Ok(Value::from(float as i64))
        }
        (_, None) if number.is_u64() => Err(JsonFault::TooLarge),
        (_, None) => Ok(Value::from(float)),
    }
}

fn write(value: &Value, depth: usize) -> Result<serde_json::Value, JsonError> {
    Ok(match value {
        Value::Boolean(value) => (*value).into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => Number::from_f64(*number).ok_or(JsonFault::NotFinite)?.into(),
        Value::String(text) => text.as_ref().into(),
        Value::Bytes(bytes) => STANDARD.encode(bytes).into(),
        Value::List(_) | Value::Object(_) if depth == DEEPEST => {
            return Err(JsonFault::TooDeep.into());
        }
        Value::List(items) => {
            let items: Result<Vec<_>, JsonError> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    write(item, depth + 1).map_err(|error| error.inside(&index.to_string()))
                })
                .collect();
            items?.into()
        }
        Value::Object(members) => {
            let members: Result<Map<_, _>, JsonError> = members
                .iter()
                .map(|(name, member)| {
                    let member = write(member, depth + 1).map_err(|error| error.inside(name))?;
                    Ok((name.as_ref().to_owned(), member))
                })
                .collect();
            members?.into()
        }
    })
}

/// A text as a tree, in which no name stands twice and nothing lies deeper than `levels`.
pub(crate) fn parse(text: &str, levels: usize) -> Result<serde_json::Value, JsonError> {
    let unreadable =
        |error: serde_json::Error| JsonFault::Unreadable { message: error.to_string() };
    let mut reader = serde_json::Deserializer::from_str(text);
    Form { left: levels }.deserialize(&mut reader).map_err(unreadable)?;
    Ok(serde_json::from_str(text).map_err(unreadable)?)
}

/// Looks at the form of a text alone.
#[derive(Clone, Copy)]
struct Form {
    left: usize,
}

impl Form {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let left = self.left.checked_sub(1).ok_or_else(|| E::custom(JsonFault::TooDeep))?;
        Ok(Self { left })
    }
}

impl<'de> DeserializeSeed<'de> for Form {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<(), D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Form {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }

    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }

    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E>(self, _: &str) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        // At the bottom a number may still come as a map of one, under `arbitrary_precision`.
        let Ok(inner) = self.deeper::<A::Error>() else {
            return match members.next_key::<String>()? {
                Some(name) if name.starts_with('$') => {
                    members.next_value::<IgnoredAny>()?;
                    match members.next_key::<IgnoredAny>()? {
                        None => Ok(()),
                        Some(_) => Err(A::Error::custom(JsonFault::TooDeep)),
                    }
                }
                _ => Err(A::Error::custom(JsonFault::TooDeep)),
            };
        };
        let mut names = HashSet::new();
        while let Some(name) = members.next_key::<String>()? {
            members.next_value_seed(inner)?;
            if !names.insert(name) {
                return Err(A::Error::custom("a name comes twice in one object"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Value::from_json(text).unwrap_err().to_string()
    }

    #[test]
    fn what_is_written_is_read_again() {
        let text = r#"{"flag":true,"list":[1,-2.5,"x",{}],"most":9223372036854775807,"one":1.0}"#;
        let value = Value::from_json(text).unwrap();
        assert_eq!(value.to_json().unwrap(), text);
        assert_eq!(value.as_object().unwrap()["one"], Value::from(1.0));
    }

    #[test]
    fn numbers_that_do_not_fit_are_refused() {
        assert_eq!(
            fault("[9223372036854775808]"),
            "at 0: a whole number beyond 64 bits with a sign"
        );
        assert!(fault("1e400").contains("out of range"));
        assert_eq!(Value::from_json("-9223372036854775808").unwrap(), Value::from(i64::MIN));
        for float in [f64::NAN, f64::INFINITY] {
            let written = Value::from(vec![Value::from(float)]).to_json();
            let expected = JsonError { at: "0".to_owned(), fault: JsonFault::NotFinite };
            assert_eq!(written, Err(expected));
        }
    }

    #[test]
    fn a_type_says_what_a_number_is() {
        let read = |wanted: Type, text: &str| wanted.read_json(&parse(text, DEEPEST).unwrap());
        assert_eq!(read(Type::float(), "-3"), Ok(Value::from(-3.0)));
        assert_eq!(read(Type::float(), "9007199254740993"), Err(JsonFault::Inexact.into()));
        assert_eq!(read(Type::integer(), "-0.0"), Ok(Value::from(0)));
        assert_eq!(read(Type::integer(), "1.5"), Ok(Value::from(1.5)));
        let inner = Type::list(Type::object().member("share", Type::float()));
        let value = read(inner, r#"[{"share": 1}]"#).unwrap();
        assert_eq!(value.to_json().unwrap(), r#"[{"share":1.0}]"#);
    }

    #[test]
    fn bytes_go_through_base64() {
        let bytes = Value::from(&[0u8, 255, 7][..]);
        let text = bytes.to_json().unwrap();
        assert_eq!(text, r#""AP8H""#);
        let read = |text: &str| Type::bytes().read_json(&parse(text, DEEPEST).unwrap());
        assert_eq!(read(&text), Ok(bytes));
        assert_eq!(read(r#""A*""#), Err(JsonFault::NotBase64.into()));
        assert_eq!(Value::from_json(&text).unwrap(), Value::from("AP8H"));
    }

    #[test]
    fn depth_is_bounded_both_ways() {
        let nest = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(Value::from_json(&nest(DEEPEST)).is_ok());
        assert!(fault(&nest(DEEPEST + 1)).contains("32 levels"));
        assert!(fault(&nest(1_000_000)).contains("32 levels"));
        assert!(fault(&("{\"a\":".repeat(DEEPEST + 1) + "1")).contains("32 levels"));
        let deep = (0..=DEEPEST).fold(Value::from(1), |inner, _| Value::from(vec![inner]));
        assert_eq!(deep.to_json().unwrap_err().fault, JsonFault::TooDeep);
    }

    #[test]
    fn a_name_that_comes_twice_is_refused() {
        assert!(fault(r#"[{"a": 1, "b": {"a": 1}, "a": 2}]"#).contains("twice"));
        assert!(Value::from_json(r#"[{"a": 1}, {"a": 2}]"#).is_ok());
    }

    #[test]
    fn what_is_no_json_is_refused_without_its_text() {
        for text in ["", "secret", "\"secret", "[1,]", "1 1", "{\"a\" 1}", "nul"] {
            assert!(!fault(text).contains("secret"), "{text}");
        }
    }
}
