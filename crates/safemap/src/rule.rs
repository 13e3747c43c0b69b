//! What a key's value may be: a type with its limits, and how long it lives.
//!
//! A [`Type`] decides about one value and names what it asks for in words a person reads in an error.
//! A [`Rule`] adds what concerns the entry: whether it must be there, and how long it may stay.

use std::fmt;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use std::time::Duration;

use crate::error::Mismatch;
use crate::expression::Expression;
use crate::suggestion::nearest;
use crate::value::{DEEPEST, Kind, Value};

/// The type of a value, with its limits.
///
/// ```
/// use tophash_safemap::{Type, Value};
///
/// let port = Type::integer().range(1..=65_535);
/// assert!(port.check(&Value::from(80)).is_ok());
/// assert!(port.check(&Value::from(0)).is_err());
/// assert_eq!(port.to_string(), "integer from 1 to 65535");
///
/// let theme = Type::one_of(["light", "dark"]);
/// let mismatch = theme.check(&Value::from("drak")).unwrap_err();
/// assert_eq!(mismatch.meant.as_deref(), Some("dark"));
/// ```
#[derive(Clone, Debug)]
pub struct Type {
    form: Form,
    max_size: Option<usize>,
    max_characters: Option<usize>,
    /// The first limit that this form can't have, or that nothing fits; told by the schema's builder.
    contradiction: Option<&'static str>,
}

#[derive(Clone, Debug)]
enum Form {
    Any,
    Boolean,
    Integer(i64, i64),
    Float(f64, f64),
    String(Option<Expression>),
    OneOf(Arc<[Arc<str>]>),
    Bytes,
    List(Arc<Type>),
    Object(Arc<Members>),
    #[cfg(feature = "json-schema")]
    Validated(Arc<crate::json_type::Validated>),
}

#[derive(Clone, Debug, Default)]
struct Members {
    named: Vec<Member>,
    others: Option<Type>,
}

#[derive(Clone, Debug)]
struct Member {
    name: Arc<str>,
    member_type: Type,
    is_required: bool,
}

impl Type {
    fn of(form: Form) -> Self {
        Self { form, max_size: None, max_characters: None, contradiction: None }
    }

    /// Any value at all.
    pub fn any() -> Self {
        Self::of(Form::Any)
    }

    /// True or false.
    pub fn boolean() -> Self {
        Self::of(Form::Boolean)
    }

    /// A whole number.
    pub fn integer() -> Self {
        Self::of(Form::Integer(i64::MIN, i64::MAX))
    }

    /// A number that is neither infinite nor "not a number".
    pub fn float() -> Self {
        Self::of(Form::Float(f64::MIN, f64::MAX))
    }

    /// Text.
    pub fn string() -> Self {
        Self::of(Form::String(None))
    }

    /// Bytes of any meaning.
    pub fn bytes() -> Self {
        Self::of(Form::Bytes)
    }

    /// A string that is one of these.
    pub fn one_of<I>(names: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<Arc<str>>,
    {
        Self::of(Form::OneOf(names.into_iter().map(Into::into).collect()))
    }

    /// Values of one type, in order.
    pub fn list(items: Self) -> Self {
        Self::of(Form::List(Arc::new(items)))
    }

    /// Values by name; members are added with [`Type::member`]. Names that are not told are refused.
    pub fn object() -> Self {
        Self::of(Form::Object(Arc::default()))
    }

    /// Limits an integer.
    ///
    /// A schema with a type that is no integer, or with a range that nothing lies in, can't be built.
    #[must_use]
    pub fn range(mut self, range: impl RangeBounds<i64>) -> Self {
        let low = match range.start_bound() {
            Bound::Included(&low) => Some(low),
            Bound::Excluded(&low) => low.checked_add(1),
            Bound::Unbounded => Some(i64::MIN),
        };
        let high = match range.end_bound() {
            Bound::Included(&high) => Some(high),
            Bound::Excluded(&high) => high.checked_sub(1),
            Bound::Unbounded => Some(i64::MAX),
        };
        match (&mut self.form, low.zip(high).filter(|(low, high)| low <= high)) {
            (Form::Integer(lowest, highest), Some((low, high))) => {
                (*lowest, *highest) = (low, high);
                self
            }
            // It admits nothing, should it be asked all the same.
            (Form::Integer(lowest, highest), None) => {
                (*lowest, *highest) = (i64::MAX, i64::MIN);
                self.contradicted("no integer lies in its range")
            }
            _ => self.contradicted("a range of integers is for integers; floats have between"),
        }
    }

    /// Limits a float to a closed range.
    ///
    /// A schema with a type that is no float, or with a range that nothing lies in, can't be built.
    #[must_use]
    pub fn between(mut self, lowest: f64, highest: f64) -> Self {
        let Form::Float(low, high) = &mut self.form else {
            return self.contradicted("between is for floats; integers have range");
        };
        (*low, *high) = (lowest, highest);
        if lowest <= highest { self } else { self.contradicted("no float lies in its range") }
    }

    /// Notes what is wrong with it, if it is the first.
    fn contradicted(mut self, reason: &'static str) -> Self {
        self.contradiction.get_or_insert(reason);
        self
    }

    /// What is wrong with it or with a type inside it: a limit that it can't have, or that nothing
    /// fits.
    pub(crate) fn contradiction(&self) -> Option<&'static str> {
        self.contradiction.or_else(|| match &self.form {
            Form::List(items) => items.contradiction(),
            Form::Object(members) => {
                let named = members.named.iter().map(|member| &member.member_type);
                named.chain(&members.others).find_map(Self::contradiction)
            }
            _ => None,
        })
    }

    /// Asks that the whole of a string match a regular expression.
    ///
    /// The expression is one of `regex-lite`, which takes time in proportion to the text, never more.
    /// A schema with a type that is no string can't be built.
    ///
    /// # Errors
    ///
    /// Fails when the expression can't be read, with its message.
    pub fn pattern(mut self, expression: &str) -> Result<Self, PatternError> {
        let regex = Expression::new(expression).map_err(|fault| PatternError {
            expression: expression.to_owned(),
            message: fault.to_string(),
        })?;
        let Form::String(pattern) = &mut self.form else {
            return Ok(self.contradicted("an expression is for strings"));
        };
        *pattern = Some(regex);
        Ok(self)
    }

    /// Limits the content: bytes of a string or of bytes, items of a list, members of an object.
    ///
    /// A schema with a type that has no such content, as numbers and names to choose from, can't be
    /// built.
    #[must_use]
    pub fn max_size(mut self, size: usize) -> Self {
        self.max_size = Some(size);
        match self.form {
            Form::Boolean | Form::Integer(..) | Form::Float(..) | Form::OneOf(_) => {
                self.contradicted("a size is for strings, bytes, lists and objects")
            }
            _ => self,
        }
    }

    /// Limits a string to so many characters, which are Unicode's scalar values.
    ///
    /// A schema with a type that is no string can't be built.
    #[must_use]
    pub fn max_characters(mut self, characters: usize) -> Self {
        if !matches!(self.form, Form::String(_)) {
            return self.contradicted("a number of characters is for strings");
        }
        self.max_characters = Some(characters);
        self
    }

    /// Adds a member to an object, which must be there.
    ///
    /// A schema with a type that is no object can't be built.
    #[must_use]
    pub fn member(self, name: &str, member_type: Self) -> Self {
        self.with_member(name, member_type, true)
    }

    /// Adds a member to an object, which may be left out.
    ///
    /// A schema with a type that is no object can't be built.
    #[must_use]
    pub fn optional_member(self, name: &str, member_type: Self) -> Self {
        self.with_member(name, member_type, false)
    }

    /// Allows members of an object that were not named, all of this type.
    ///
    /// A schema with a type that is no object can't be built.
    #[must_use]
    pub fn other_members(mut self, others: Self) -> Self {
        let Form::Object(members) = &mut self.form else {
            return self.contradicted("members are for objects");
        };
        Arc::make_mut(members).others = Some(others);
        self
    }

    fn with_member(mut self, name: &str, member_type: Self, is_required: bool) -> Self {
        let Form::Object(members) = &mut self.form else {
            return self.contradicted("members are for objects");
        };
        let named = &mut Arc::make_mut(members).named;
        named.retain(|member| &*member.name != name);
        named.push(Member { name: name.into(), member_type, is_required });
        self
    }

    /// The rule of an entry that must be there.
    pub fn required(self) -> Rule {
        Rule::from(self).required()
    }

    /// The rule of an entry that is gone so long after it was last written.
    pub fn ttl(self, ttl: Duration) -> Rule {
        Rule::from(self).ttl(ttl)
    }

    /// The rule of an entry that is gone when it was neither read nor written for so long.
    pub fn idle(self, idle: Duration) -> Rule {
        Rule::from(self).idle(idle)
    }

    /// The kind that this type asks for; `None` for [`Type::any`].
    pub fn kind(&self) -> Option<Kind> {
        Some(match &self.form {
            Form::Any => return None,
            Form::Boolean => Kind::Boolean,
            Form::Integer(..) => Kind::Integer,
            Form::Float(..) => Kind::Float,
            Form::String(_) | Form::OneOf(_) => Kind::String,
            Form::Bytes => Kind::Bytes,
            Form::List(_) => Kind::List,
            Form::Object(_) => Kind::Object,
            #[cfg(feature = "json-schema")]
            Form::Validated(validated) => return validated.kind(),
        })
    }

    /// What a validator of JSON Schema decides about.
    #[cfg(feature = "json-schema")]
    pub(crate) fn validated(validated: crate::json_type::Validated) -> Self {
        Self::of(Form::Validated(Arc::new(validated)))
    }

    /// The type of a list's items.
    #[cfg(feature = "json")]
    pub(crate) fn item_type(&self) -> Option<&Self> {
        if let Form::List(items) = &self.form { Some(items) } else { None }
    }

    /// The type of an object's member.
    #[cfg(feature = "json")]
    pub(crate) fn member_type(&self, name: &str) -> Option<&Self> {
        let Form::Object(members) = &self.form else { return None };
        let named = members.named.iter().find(|member| &*member.name == name);
        named.map(|member| &member.member_type).or(members.others.as_ref())
    }

    /// The least and the greatest integer that this type admits, if it admits all between them and
    /// nothing more has to be asked.
    pub fn integer_limits(&self) -> Option<(i64, i64)> {
        match self.form {
            Form::Any => Some((i64::MIN, i64::MAX)),
            Form::Integer(low, high) => Some((low, high)),
            _ => None,
        }
    }

    /// All that this type asks for, as one line: two types that decide alike and were made alike have
    /// the same. [`Display`](fmt::Display) is for people, and leaves out what is inside of an object.
    pub fn canonical(&self) -> String {
        let mut out = String::new();
        self.write_canonical(&mut out);
        out
    }

    fn write_canonical(&self, out: &mut String) {
        match &self.form {
            Form::List(items) => {
                out.push_str("list(");
                items.write_canonical(out);
                out.push(')');
            }
            Form::Object(members) => {
                let mut named: Vec<&Member> = members.named.iter().collect();
                named.sort_by(|one, other| one.name.cmp(&other.name));
                out.push_str("object(");
                for member in named {
                    let mark = if member.is_required { ":" } else { "?:" };
                    out.push_str(&format!("{:?}{mark}", member.name));
                    member.member_type.write_canonical(out);
                    out.push(',');
                }
                if let Some(others) = &members.others {
                    out.push_str("*:");
                    others.write_canonical(out);
                }
                out.push(')');
            }
            Form::String(Some(regex)) => out.push_str(&format!("string({:?})", regex.as_str())),
            Form::Float(low, high) => out.push_str(&format!("float({low:?},{high:?})")),
            Form::OneOf(names) => {
                let mut names: Vec<&Arc<str>> = names.iter().collect();
                names.sort();
                names.dedup();
                out.push_str(&format!("one_of{names:?}"));
            }
            #[cfg(feature = "json-schema")]
            Form::Validated(validated) => out.push_str(&validated.canonical()),
            Form::Any | Form::Boolean | Form::Integer(..) | Form::String(None) | Form::Bytes => {
                let without_size = Self::of(self.form.clone());
                out.push_str(&without_size.to_string());
            }
        }
        if let Some(most) = self.max_characters {
            out.push_str(&format!("<{most}>"));
        }
        if let Some(size) = self.max_size {
            out.push_str(&format!("[{size}]"));
        }
    }

    /// Decides whether a value has this type.
    ///
    /// # Errors
    ///
    /// Says what was expected and what came. Never is the content of a value told.
    pub fn check(&self, value: &Value) -> Result<(), Mismatch> {
        // Scalars without limits, which are most of what is written, need no more than this.
        match (&self.form, value) {
            (Form::Integer(low, high), Value::Integer(number))
                if low <= number && number <= high =>
            {
                return Ok(());
            }
            (Form::Boolean | Form::Any, Value::Boolean(_))
            | (Form::Any, Value::Integer(_) | Value::Float(_)) => return Ok(()),
            _ => {}
        }
        if value.is_too_deep() {
            return Err(Mismatch {
                expected: format!("at most {DEEPEST} levels of lists and objects"),
                came: "more".to_owned(),
                ..Mismatch::at(value)
            });
        }
        self.check_shallow(value)
    }

    /// Whether a value that takes no time to check has this type: `false` says that it does not, or
    /// that [`Type::check`] has to decide.
    #[inline(always)]
    pub(crate) fn admits_at_once(&self, value: &Value) -> bool {
        match (&self.form, value) {
            (Form::Integer(low, high), Value::Integer(number)) => low <= number && number <= high,
            (Form::Float(low, high), Value::Float(number)) => low <= number && number <= high,
            (Form::Boolean | Form::Any, Value::Boolean(_))
            | (Form::Any, Value::Integer(_) | Value::Float(_)) => true,
            (Form::Any | Form::String(None), Value::String(text)) => {
                self.max_characters.is_none() && self.holds(text.len())
            }
            (Form::Any | Form::Bytes, Value::Bytes(bytes)) => self.holds(bytes.len()),
            _ => false,
        }
    }

    /// As [`Type::check`], of a value whose depth is known to be bounded.
    fn check_shallow(&self, value: &Value) -> Result<(), Mismatch> {
        if let (Some(most), Value::String(text)) = (self.max_characters, value) {
            let least = text.len() / 4;
            let count = if least > most { least } else { text.chars().count() };
            if count > most {
                return Err(Mismatch {
                    came: "a longer string".to_owned(),
                    ..self.mismatch(value)
                });
            }
        }
        let fits = match (&self.form, value) {
            (Form::Any, _) | (Form::Boolean, Value::Boolean(_)) => true,
            (Form::Integer(low, high), Value::Integer(number)) => (low..=high).contains(&number),
            (Form::Float(low, high), Value::Float(number)) => (low..=high).contains(&number),
            (Form::String(None), Value::String(_)) | (Form::Bytes, Value::Bytes(_)) => true,
            // A text that is too long is not looked at.
            (Form::String(Some(regex)), Value::String(text)) => {
                self.holds(text.len()) && regex.matches(text)
            }
            (Form::OneOf(names), Value::String(text)) => {
                if names.contains(text) {
                    return Ok(());
                }
                let meant = nearest(text, names.iter().map(AsRef::as_ref));
                return Err(Mismatch {
                    came: "another string".to_owned(),
                    meant: meant.map(str::to_owned),
                    ..self.mismatch(value)
                });
            }
            (Form::List(items), Value::List(values)) => {
                for (index, item) in values.iter().enumerate() {
                    items.check_shallow(item).map_err(|fault| fault.inside(&index.to_string()))?;
                }
                true
            }
            (Form::Object(members), Value::Object(values)) => {
                members.check(values)?;
                true
            }
            #[cfg(feature = "json-schema")]
            (Form::Validated(validated), value) => return validated.check(value),
            _ => false,
        };
        if !fits {
            return Err(self.mismatch(value));
        }
        let size = size_of(value);
        if !self.holds(size) {
            return Err(Mismatch {
                came: format!("{} of {size}", value.kind()),
                ..self.mismatch(value)
            });
        }
        Ok(())
    }

    fn holds(&self, size: usize) -> bool {
        self.max_size.is_none_or(|most| size <= most)
    }

    fn mismatch(&self, value: &Value) -> Mismatch {
        let came = match value {
            // Numbers out of range are the one content that is worth telling and holds no secret
            // of length; all else is told by kind.
            Value::Integer(number) if self.kind() == Some(Kind::Integer) => number.to_string(),
            Value::Float(number) if self.kind() == Some(Kind::Float) => number.to_string(),
            Value::String(_) if self.kind() == Some(Kind::String) => {
                "a string that does not fit".to_owned()
            }
            _ => value.kind().to_string(),
        };
        Mismatch { expected: self.to_string(), came, ..Mismatch::at(value) }
    }
}

impl Members {
    fn check(&self, values: &crate::Object) -> Result<(), Mismatch> {
        // A name that is not known comes first: it may be the slip for one that is missing.
        for (name, value) in values {
            if self.named.iter().any(|member| member.name == *name) {
                continue;
            }
            let Some(others) = &self.others else {
                let names = self.named.iter().map(|member| member.name.as_ref());
                return Err(Mismatch {
                    expected: "no such member".to_owned(),
                    came: value.kind().to_string(),
                    member: Some(name.as_ref().to_owned()),
                    meant: nearest(name, names).map(str::to_owned),
                    kind: Kind::Object,
                });
            };
            others.check_shallow(value).map_err(|fault| fault.inside(name))?;
        }
        for member in &self.named {
            match values.get(&member.name) {
                Some(value) => member
                    .member_type
                    .check_shallow(value)
                    .map_err(|fault| fault.inside(&member.name))?,
                None if member.is_required => {
                    return Err(Mismatch {
                        expected: member.member_type.to_string(),
                        came: "nothing".to_owned(),
                        member: Some(member.name.as_ref().to_owned()),
                        meant: None,
                        kind: Kind::Object,
                    });
                }
                None => {}
            }
        }
        Ok(())
    }
}

/// What a size limit counts.
fn size_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        Value::List(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

impl fmt::Display for Type {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.form {
            Form::Any => out.write_str("any value")?,
            Form::Boolean => out.write_str("boolean")?,
            Form::Integer(i64::MIN, i64::MAX) => out.write_str("integer")?,
            Form::Integer(low, i64::MAX) => write!(out, "integer from {low}")?,
            Form::Integer(i64::MIN, high) => write!(out, "integer up to {high}")?,
            Form::Integer(low, high) => write!(out, "integer from {low} to {high}")?,
            Form::Float(low, high) if *low == f64::MIN && *high == f64::MAX => {
                out.write_str("finite float")?;
            }
            Form::Float(low, high) => write!(out, "float from {low} to {high}")?,
            Form::String(None) => out.write_str("string")?,
            Form::String(Some(regex)) => {
                let whole = regex.as_str();
                let inner = whole.strip_prefix("^(?:").and_then(|rest| rest.strip_suffix(")$"));
                write!(out, "string matching {}", inner.unwrap_or(whole))?;
            }
            Form::OneOf(names) => {
                out.write_str("one of ")?;
                for (index, name) in names.iter().enumerate() {
                    write!(out, "{}{name:?}", if index == 0 { "" } else { ", " })?;
                }
            }
            Form::Bytes => out.write_str("bytes")?,
            Form::List(items) => write!(out, "list of {items}")?,
            Form::Object(_) => out.write_str("object")?,
            #[cfg(feature = "json-schema")]
            Form::Validated(validated) => write!(out, "{validated}")?,
        }
        if let Some(characters) = self.max_characters {
            write!(out, ", at most {characters} characters")?;
        }
        if let Some(size) = self.max_size {
            write!(out, ", size at most {size}")?;
        }
        Ok(())
    }
}

/// A regular expression that can't be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the pattern {expression:?} can't be read: {message}")]
pub struct PatternError {
    /// The expression as it came.
    pub expression: String,
    /// What is wrong with it.
    pub message: String,
}

/// What holds for the entries of a key or key pattern.
///
/// ```
/// use std::time::Duration;
/// use tophash_safemap::{Rule, Type};
///
/// let session = Rule::from(Type::string()).idle(Duration::from_secs(1800));
/// let version = Type::string().required();
/// # let _ = (session, version);
/// ```
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) value_type: Type,
    pub(crate) is_required: bool,
    pub(crate) ttl: Option<Duration>,
    pub(crate) idle: Option<Duration>,
}

impl From<Type> for Rule {
    fn from(value_type: Type) -> Self {
        Self { value_type, is_required: false, ttl: None, idle: None }
    }
}

impl Rule {
    /// The entry must be there: a load without it is refused, and so is its removal. It is neither
    /// evicted nor does it expire.
    #[must_use]
    pub fn required(mut self) -> Self {
        self.is_required = true;
        self
    }

    /// The entry is gone so long after it was last written.
    #[must_use]
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// The entry is gone when it was neither read nor written for so long.
    #[must_use]
    pub fn idle(mut self, idle: Duration) -> Self {
        self.idle = Some(idle);
        self
    }

    /// The type of the entry's value.
    pub fn value_type(&self) -> &Type {
        &self.value_type
    }

    /// Whether the entry must be there.
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// How long after its last write the entry is gone.
    pub fn time_to_live(&self) -> Option<Duration> {
        self.ttl
    }

    /// How long after it was last used the entry is gone.
    pub fn idle_time(&self) -> Option<Duration> {
        self.idle
    }

    /// All that this rule asks for, as one line, in the manner of [`Type::canonical`].
    pub fn canonical(&self) -> String {
        let mut out = self.value_type.canonical();
        if self.is_required {
            out.push_str(" required");
        }
        for (name, time) in [("ttl", self.ttl), ("idle", self.idle)] {
            if let Some(time) = time {
                out.push_str(&format!(" {name} {}", whole(time)));
            }
        }
        out
    }
}

/// A time in the longest unit of which it is a whole number, so that each has one form.
fn whole(time: Duration) -> String {
    match time.as_nanos() {
        nanos if nanos % 1_000_000_000 == 0 => format!("{}s", nanos / 1_000_000_000),
        nanos if nanos % 1_000_000 == 0 => format!("{}ms", nanos / 1_000_000),
        nanos => format!("{nanos}ns"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn fault(value_type: &Type, value: impl Into<Value>) -> String {
        value_type.check(&value.into()).unwrap_err().to_string()
    }

    #[test]
    fn numbers_are_held_to_their_range() {
        let age = Type::integer().range(0..150);
        assert!(age.check(&Value::from(149)).is_ok());
        assert_eq!(fault(&age, 150), "expected integer from 0 to 149, came 150");
        assert_eq!(fault(&age, 1.0), "expected integer from 0 to 149, came float");
        let share = Type::float().between(0.0, 1.0);
        assert!(share.check(&Value::from(1.0)).is_ok());
        assert!(share.check(&Value::from(f64::NAN)).is_err());
        assert!(Type::float().check(&Value::from(f64::INFINITY)).is_err());
    }

    #[test]
    fn a_pattern_must_match_the_whole_string() {
        let version = Type::string().pattern(r"\d+\.\d+|latest").unwrap();
        assert!(version.check(&Value::from("1.20")).is_ok());
        assert!(version.check(&Value::from("latest")).is_ok());
        assert!(version.check(&Value::from("1.20x")).is_err());
        assert!(version.check(&Value::from("xlatest")).is_err());
        assert!(Type::string().pattern("(").is_err());
    }

    #[test]
    fn a_refused_text_is_not_repeated() {
        let version = Type::string().pattern(r"\d+").unwrap();
        assert!(!fault(&version, "secret").contains("secret"));
        assert!(!fault(&Type::integer(), "secret").contains("secret"));
        assert!(!fault(&Type::one_of(["a"]), "secret").contains("secret"));
    }

    #[test]
    fn sizes_are_limited() {
        let name = Type::string().max_size(3);
        assert!(name.check(&Value::from("abc")).is_ok());
        assert_eq!(fault(&name, "abcd"), "expected string, size at most 3, came string of 4");
        let name = Type::string().max_characters(2);
        assert!(name.check(&Value::from("äö")).is_ok());
        assert_eq!(
            fault(&name, "abc"),
            "expected string, at most 2 characters, came a longer string"
        );
        let list = Type::list(Type::integer()).max_size(1);
        assert!(list.check(&Value::from(vec![Value::from(1), Value::from(2)])).is_err());
    }

    #[test]
    fn what_is_wrong_inside_is_named_by_its_path() {
        let servers = Type::list(Type::object().member("port", Type::integer()));
        let bad = Value::from(BTreeMap::from([(Arc::from("port"), Value::from("80"))]));
        let good = Value::from(BTreeMap::from([(Arc::from("port"), Value::from(80))]));
        assert_eq!(fault(&servers, vec![good, bad]), "expected integer at 1.port, came string");
    }

    #[test]
    fn members_are_all_told_or_refused() {
        let server =
            Type::object().member("port", Type::integer()).optional_member("host", Type::string());
        let object = |name: &str| Value::from(BTreeMap::from([(Arc::from(name), Value::from(1))]));
        assert!(server.check(&object("port")).is_ok());
        assert_eq!(fault(&server, object("host")), "expected integer at port, came nothing");
        let strict = Type::object().optional_member("port", Type::integer());
        assert_eq!(
            fault(&strict, object("prot")),
            "expected no such member at prot, came integer; perhaps \"port\" was meant"
        );
        assert!(strict.other_members(Type::integer()).check(&object("prot")).is_ok());
    }

    #[test]
    fn limits_of_another_type_and_limits_that_nothing_fits_are_told() {
        let contradicts = |value_type: Type| value_type.contradiction().is_some();
        assert!(contradicts(Type::float().range(0..)));
        assert!(contradicts(Type::integer().between(0.0, 1.0)));
        assert!(contradicts(Type::integer().range(10..10)));
        assert!(contradicts(Type::integer().range(..i64::MIN)));
        assert!(contradicts(Type::float().between(1.0, 0.0)));
        assert!(contradicts(Type::float().between(f64::NAN, 0.0)));
        assert!(contradicts(Type::integer().pattern("a").unwrap()));
        assert!(contradicts(Type::integer().max_size(1)));
        assert!(contradicts(Type::one_of(["a"]).max_size(1)));
        assert!(contradicts(Type::bytes().max_characters(1)));
        assert!(contradicts(Type::string().member("a", Type::any())));
        assert!(contradicts(Type::any().other_members(Type::any())));
        assert!(contradicts(Type::object().member("a", Type::list(Type::float().range(0..)))));
        assert!(!contradicts(Type::any().max_size(1)));
        assert!(!contradicts(Type::integer().range(7..=7)));
        assert!(Type::integer().range(7..7).check(&Value::from(7)).is_err());
    }

    #[test]
    fn whatever_is_asked_for_is_in_the_canonical_form() {
        let any = Type::any;
        let all = [
            any(),
            any().max_size(3),
            Type::boolean(),
            Type::integer(),
            Type::integer().range(..3),
            Type::float(),
            Type::float().between(0.0, 3.0),
            Type::string(),
            Type::string().pattern("a").unwrap(),
            Type::string().max_size(3),
            Type::string().max_characters(3),
            Type::string().max_characters(4),
            Type::one_of(["a"]),
            Type::bytes(),
            Type::list(any()),
            Type::list(Type::string()),
            Type::list(Type::string().max_characters(3)),
            Type::object(),
            Type::object().member("a", any()),
            Type::object().optional_member("a", any()),
            Type::object().other_members(any()),
        ];
        let rules = all.map(|value_type| value_type.canonical()).into_iter().chain([
            any().required().canonical(),
            any().ttl(Duration::from_secs(1)).canonical(),
            any().idle(Duration::from_secs(1)).canonical(),
        ]);
        let mut seen = BTreeMap::new();
        for (number, rule) in rules.enumerate() {
            assert_eq!(seen.insert(rule.clone(), number), None, "{rule}");
        }
    }

    #[test]
    fn types_that_differ_inside_differ_in_their_canonical_form() {
        let server = |port: Type| Type::object().member("port", port).canonical();
        assert_ne!(server(Type::integer()), server(Type::integer().range(1..)));
        assert_ne!(
            Type::object().member("a", Type::any()).canonical(),
            Type::object().optional_member("a", Type::any()).canonical()
        );
        let pair = |first, second| {
            Type::object().member(first, Type::any()).member(second, Type::any()).canonical()
        };
        assert_eq!(pair("a", "b"), pair("b", "a"));
        assert_ne!(Type::list(Type::any().max_size(1)).canonical(), {
            Type::list(Type::any()).max_size(1).canonical()
        });
        assert_eq!(Type::integer().ttl(Duration::from_secs(1)).canonical(), "integer ttl 1s");
    }
}
