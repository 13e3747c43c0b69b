//! What a map holds: one of seven kinds of value.
//!
//! Scalars lie in the value itself; the rest is shared behind a reference count, so that a clone
//! costs no copy of the content, and a snapshot, an event and a reader may hold the same string.
//! A value is three words. Contents cannot change once made: a new content is a new value.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::mem::size_of;
use std::sync::Arc;

/// The members of an object, by name.
pub type Object = BTreeMap<Arc<str>, Value>;

/// How deep lists and objects may lie in one another.
pub(crate) const DEEPEST: usize = 32;

/// The two counts that lie before a shared content.
const SHARED_HEADER: usize = 2 * size_of::<usize>();

/// A value of a map.
///
/// ```
/// use tophash_safemap::{Kind, Value};
///
/// let value = Value::from("blue");
/// assert_eq!(value.kind(), Kind::String);
/// assert_eq!(value.as_str(), Some("blue"));
/// assert_eq!(value.as_integer(), None);
/// ```
///
/// Equality is that of the contents; as ever, a float that is not a number equals nothing.
// A tag of a whole word: with a smaller one the bytes behind it belong to some variants and not to
// others, and a copy of the whole is put together from odd pieces, which costs more than to find it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[repr(u64)]
pub enum Value {
    /// True or false.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A floating-point number.
    Float(f64),
    /// Text.
    String(Arc<str>),
    /// Bytes of any meaning.
    Bytes(Arc<[u8]>),
    /// Values in order.
    List(Arc<[Value]>),
    /// Values by name.
    Object(Arc<Object>),
}

/// The kind of a [`Value`].
///
/// ```
/// use tophash_safemap::Kind;
///
/// assert_eq!(Kind::Integer.to_string(), "integer");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// A floating-point number.
    Float,
    /// Text.
    String,
    /// Bytes of any meaning.
    Bytes,
    /// Values in order.
    List,
    /// Values by name.
    Object,
}

impl Kind {
    /// All kinds, in the order of their index.
    pub(crate) const ALL: [Self; 7] = [
        Self::Boolean,
        Self::Integer,
        Self::Float,
        Self::String,
        Self::Bytes,
        Self::List,
        Self::Object,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Boolean => "boolean",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::String => "string",
            Self::Bytes => "bytes",
            Self::List => "list",
            Self::Object => "object",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl Value {
    /// The kind of the value.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Boolean(_) => Kind::Boolean,
            Self::Integer(_) => Kind::Integer,
            Self::Float(_) => Kind::Float,
            Self::String(_) => Kind::String,
            Self::Bytes(_) => Kind::Bytes,
            Self::List(_) => Kind::List,
            Self::Object(_) => Kind::Object,
        }
    }

    /// The truth value, of a boolean.
    pub fn as_boolean(&self) -> Option<bool> {
        if let Self::Boolean(value) = self { Some(*value) } else { None }
    }

    /// The number, of an integer.
    pub fn as_integer(&self) -> Option<i64> {
        if let Self::Integer(value) = self { Some(*value) } else { None }
    }

    /// The number, of a float.
    pub fn as_float(&self) -> Option<f64> {
        if let Self::Float(value) = self { Some(*value) } else { None }
    }

    /// The text, of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(value) = self { Some(value) } else { None }
    }

    /// The bytes, of bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        if let Self::Bytes(value) = self { Some(value) } else { None }
    }

    /// The items, of a list.
    pub fn as_list(&self) -> Option<&[Self]> {
        if let Self::List(value) = self { Some(value) } else { None }
    }

    /// The members, of an object.
    pub fn as_object(&self) -> Option<&Object> {
        if let Self::Object(value) = self { Some(value) } else { None }
    }

    /// Whether all of it lies in the value itself.
    #[inline]
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self, Self::Boolean(_) | Self::Integer(_) | Self::Float(_))
    }

    /// Whether the bytes of the content can be told at a glance.
    #[inline]
    pub(crate) fn is_flat(&self) -> bool {
        !matches!(self, Self::List(_) | Self::Object(_))
    }

    /// Bytes that the content takes outside of the value's own three words.
    ///
    /// A content that several values share counts in each of them. What an allocator rounds up, and
    /// the nodes of an object's tree beyond its members, do not count.
    #[inline]
    pub fn content_bytes(&self) -> usize {
        if self.is_scalar() { 0 } else { self.measure(0) }
    }

    fn measure(&self, depth: usize) -> usize {
        if depth > DEEPEST {
            return 0;
        }
        match self {
            Self::Boolean(_) | Self::Integer(_) | Self::Float(_) => 0,
            Self::String(text) => SHARED_HEADER + text.len(),
            Self::Bytes(bytes) => SHARED_HEADER + bytes.len(),
            Self::List(items) => {
                let inner: usize =
                    items.iter().map(|item| size_of::<Self>() + item.measure(depth + 1)).sum();
                SHARED_HEADER + inner
            }
            Self::Object(members) => {
                let inner: usize = members
                    .iter()
                    .map(|(name, member)| {
                        key_bytes(name) + size_of::<(Arc<str>, Self)>() + member.measure(depth + 1)
                    })
                    .sum();
                SHARED_HEADER + size_of::<Object>() + inner
            }
        }
    }

    /// Whether lists and objects lie in one another deeper than is allowed.
    pub(crate) fn is_too_deep(&self) -> bool {
        fn deeper(value: &Value, left: usize) -> bool {
            match value {
                Value::List(items) => left == 0 || items.iter().any(|item| deeper(item, left - 1)),
                Value::Object(members) => {
                    left == 0 || members.values().any(|member| deeper(member, left - 1))
                }
                _ => false,
            }
        }
        deeper(self, DEEPEST)
    }
}

/// A value and the bytes of its content, which are counted before any lock is taken: of a long list
/// that takes milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Weighed {
    pub(crate) value: Value,
    pub(crate) bytes: usize,
}

impl Weighed {
    pub(crate) fn of(value: Value) -> Self {
        Self { bytes: value.content_bytes(), value }
    }
}

/// Bytes of a shared key.
pub(crate) fn key_bytes(key: &str) -> usize {
    SHARED_HEADER + key.len()
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Value {
            fn from(value: $integer) -> Self {
                Self::Integer(value.into())
            }
        }
    )*};
}

from_integer!(i8, i16, i32, i64, u8, u16, u32);

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<f32> for Value {
    fn from(value: f32) -> Self {
        Self::Float(value.into())
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value.into())
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::String(value.as_str().into())
    }
}

impl From<Box<str>> for Value {
    fn from(value: Box<str>) -> Self {
        Self::String(value.into())
    }
}

impl From<Cow<'_, str>> for Value {
    fn from(value: Cow<'_, str>) -> Self {
        Self::String(value.into())
    }
}

impl From<Arc<str>> for Value {
    fn from(value: Arc<str>) -> Self {
        Self::String(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Bytes(value.into())
    }
}

impl<const LENGTH: usize> From<&[u8; LENGTH]> for Value {
    fn from(value: &[u8; LENGTH]) -> Self {
        Self::Bytes(value.as_slice().into())
    }
}

// Not of `Vec<u8>`: with it `Value::from(vec![1.into()])` would have two meanings.
impl From<Box<[u8]>> for Value {
    fn from(value: Box<[u8]>) -> Self {
        Self::Bytes(value.into())
    }
}

impl From<Arc<[u8]>> for Value {
    fn from(value: Arc<[u8]>) -> Self {
        Self::Bytes(value)
    }
}

impl From<Vec<Value>> for Value {
    fn from(value: Vec<Value>) -> Self {
        Self::List(value.into())
    }
}

impl From<Object> for Value {
    fn from(value: Object) -> Self {
        Self::Object(Arc::new(value))
    }
}

/// A Rust type that a typed [`Key`](crate::Key) reads and writes.
///
/// ```
/// use tophash_safemap::{TypedValue, Value};
///
/// assert_eq!(i64::from_value(&Value::from(7)), Some(7));
/// assert_eq!(i64::from_value(&Value::from("7")), None);
/// ```
///
/// The trait is sealed: what is read is made of the value where it lies, under a lock, and no code of
/// a caller may run there.
///
/// ```compile_fail,E0277
/// use tophash_safemap::{IntoTyped, Kind, TypedValue, Value};
///
/// struct Mine;
/// impl From<Mine> for Value {
///     fn from(_: Mine) -> Self {
///         Value::from(1)
///     }
/// }
/// impl IntoTyped<Mine> for Mine {
///     fn into_typed(self) -> Mine {
///         self
///     }
/// }
/// impl TypedValue for Mine {
///     const KIND: Option<Kind> = None;
///     fn from_value(_: &Value) -> Option<Self> {
///         Some(Mine)
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "no key is of `{Self}`",
    note = "integers are `i64` and floats `f64`; there are `bool`, `String`, `Arc<str>`, `Arc<[u8]>`, `Vec<Value>`, `Object` and `Value` besides"
)]
pub trait TypedValue: Into<Value> + IntoTyped<Self> + sealed::Sealed {
    /// The kind that values of this type have; `None` for [`Value`] itself.
    const KIND: Option<Kind>;

    /// The value, if it has the right kind.
    fn from_value(value: &Value) -> Option<Self>;

    /// Whether that costs no more than a count: then it is done where the value lies.
    #[doc(hidden)]
    const IS_SHARED: bool = false;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! typed {
    ($($type:ty, $kind:ident, $is_shared:expr, $value:pat => $result:expr;)*) => {$(
        impl sealed::Sealed for $type {}

        impl TypedValue for $type {
            const KIND: Option<Kind> = Some(Kind::$kind);
            const IS_SHARED: bool = $is_shared;

            #[inline]
            fn from_value(value: &Value) -> Option<Self> {
                if let $value = value { Some($result) } else { None }
            }
        }
    )*};
}

typed! {
    bool, Boolean, true, Value::Boolean(value) => *value;
    i64, Integer, true, Value::Integer(value) => *value;
    f64, Float, true, Value::Float(value) => *value;
    String, String, false, Value::String(value) => value.as_ref().to_owned();
    Arc<str>, String, true, Value::String(value) => Arc::clone(value);
    Arc<[u8]>, Bytes, true, Value::Bytes(value) => Arc::clone(value);
    Vec<Value>, List, false, Value::List(value) => value.to_vec();
    Object, Object, false, Value::Object(value) => value.as_ref().clone();
}

/// What may be written through a key of the type `T`.
///
/// By text that is all that makes a [`Value`]. Through a [`Key`](crate::Key) it is the key's own type,
/// and what holds the same without a loss: a shorter integer, a shorter float, borrowed text.
///
/// ```
/// use tophash_safemap::{SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let (count, name) = (map.key::<i64>("count")?, map.key::<String>("name")?);
/// map.set(&count, 7_u8)?;
/// map.set(&name, "Ada")?;
/// map.set("text", true)?;
/// # Ok::<(), tophash_safemap::Error>(())
/// ```
///
/// It is narrower than [`Into`], by which `true` is a number too:
///
/// ```compile_fail,E0277
/// use tophash_safemap::{SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let count = map.key::<i64>("count").unwrap();
/// map.set(&count, true).unwrap();
/// ```
///
/// ```compile_fail,E0277
/// use tophash_safemap::{SafeMap, Schema};
///
/// let map = SafeMap::new(Schema::open());
/// let share = map.key::<f64>("share").unwrap();
/// map.set(&share, 1).unwrap();
/// ```
#[diagnostic::on_unimplemented(
    message = "a key of `{T}` does not take `{Self}`",
    label = "not what the key is for",
    note = "what may not fit is not converted by itself: see `i64::try_from`"
)]
pub trait IntoTyped<T>: Sized {
    /// The same, as the key's type.
    fn into_typed(self) -> T;
}

impl<V: Into<Value>> IntoTyped<Value> for V {
    fn into_typed(self) -> Value {
        self.into()
    }
}

macro_rules! into_typed {
    ($($typed:ty: $($from:ty),+;)*) => {$($(
        impl IntoTyped<$typed> for $from {
            fn into_typed(self) -> $typed {
                self.into()
            }
        }
    )+)*};
}

into_typed! {
    bool: bool;
    i64: i64, i32, i16, i8, u32, u16, u8;
    f64: f64, f32;
    String: String, &String, &str, Box<str>, Cow<'_, str>;
    Arc<str>: Arc<str>, String, &str, Box<str>, Cow<'_, str>;
    Arc<[u8]>: Arc<[u8]>, Vec<u8>, Box<[u8]>, &[u8];
    Vec<Value>: Vec<Value>;
    Object: Object;
}

impl sealed::Sealed for Value {}

impl TypedValue for Value {
    const KIND: Option<Kind> = None;
    const IS_SHARED: bool = true;

    #[inline]
    fn from_value(value: &Value) -> Option<Self> {
        Some(value.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_three_words() {
        assert_eq!(size_of::<Value>(), 3 * size_of::<usize>());
        assert_eq!(size_of::<Option<Value>>(), size_of::<Value>());
    }

    #[test]
    fn contents_are_measured_with_their_headers() {
        assert_eq!(Value::from(1).content_bytes(), 0);
        assert_eq!(Value::from("abc").content_bytes(), 16 + 3);
        let list = Value::from(vec![Value::from("ab"), Value::from(1)]);
        assert_eq!(list.content_bytes(), 16 + 2 * 24 + 16 + 2);
    }

    #[test]
    fn a_value_is_made_of_text_and_bytes_however_they_are_held() {
        let text = "text".to_owned();
        let texts = [
            Value::from(&text),
            Value::from(text.clone().into_boxed_str()),
            Value::from(Cow::from(&text)),
        ];
        assert!(texts.iter().all(|value| value.as_str() == Some("text")));
        let boxed = b"by".to_vec().into_boxed_slice();
        assert_eq!(Value::from(b"by").as_bytes(), Value::from(boxed).as_bytes());
    }

    #[test]
    fn depth_is_bounded() {
        let nest = |levels| (0..levels).fold(Value::from(1), |inner, _| Value::from(vec![inner]));
        assert!(!nest(DEEPEST).is_too_deep());
        assert!(nest(DEEPEST + 1).is_too_deep());
    }
}
