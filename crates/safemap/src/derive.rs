//! What `#[derive(Schema)]` makes, and what the code that it makes calls.
//!
//! The functions are generic over the type of a field's value, and ask of it that it have the limit
//! which the field's attribute sets; so the compiler tells what does not fit.

use std::ops::{RangeBounds, RangeInclusive};
use std::sync::Arc;

use crate::Object;
use crate::error::{Error, SchemaError};
use crate::family::KeyFamily;
use crate::key::Key;
use crate::map::SafeMap;
use crate::rule::Type;
use crate::schema::Schema;
use crate::value::{Kind, TypedValue, Value};

/// A struct whose fields are the keys of a map. It is implemented by `#[derive(Schema)]`.
///
/// ```
/// use tophash_safemap::{Key, KeyFamily, SafeMap, Schema, SchemaKeys};
///
/// #[derive(Schema)]
/// struct Web {
///     #[safemap(key = "config.version", pattern = r"\d+\.\d+", required)]
///     version: Key<String>,
///     #[safemap(key = "user.*.visits", range(0..))]
///     visits: KeyFamily<i64>,
///     #[safemap(key = "session.*", max_size = 4096, idle = "30m")]
///     sessions: KeyFamily<String>,
/// }
///
/// let map = SafeMap::new(Web::schema()?);
/// let web = Web::open(&map)?;
/// map.set(&web.version, "1.2")?;
/// map.set(&web.sessions.at(["3f2a"])?, "Ada")?;
/// assert_eq!(map.inc(&web.visits.at(["7"])?, 1)?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The compiler refuses a value of another type:
///
/// ```compile_fail
/// # use tophash_safemap::{Key, SafeMap, Schema, SchemaKeys};
/// #[derive(Schema)]
/// struct Web {
///     port: Key<i64>,
/// }
/// # let map = SafeMap::new(Web::schema().unwrap());
/// # let web = Web::open(&map).unwrap();
/// map.set(&web.port, "eighty");
/// ```
///
/// a limit that a type has not:
///
/// ```compile_fail
/// # use tophash_safemap::{Key, Schema};
/// #[derive(Schema)]
/// struct Web {
///     #[safemap(range(0..))]
///     name: Key<String>,
/// }
/// ```
///
/// an expression, a key or a time that can't be read:
///
/// ```compile_fail
/// # use tophash_safemap::{Key, Schema};
/// #[derive(Schema)]
/// struct Web {
///     #[safemap(pattern = "(")]
///     name: Key<String>,
/// }
/// ```
/// ```compile_fail
/// # use tophash_safemap::{Key, Schema};
/// #[derive(Schema)]
/// struct Web {
///     #[safemap(key = "a..b")]
///     name: Key<String>,
/// }
/// ```
/// ```compile_fail
/// # use tophash_safemap::{Key, Schema};
/// #[derive(Schema)]
/// struct Web {
///     #[safemap(ttl = "soon")]
///     name: Key<String>,
/// }
/// ```
///
/// one handle for many keys, and two fields for one:
///
/// ```compile_fail
/// # use tophash_safemap::{Key, Schema};
/// #[derive(Schema)]
/// struct Web {
///     #[safemap(key = "user.*")]
///     user: Key<String>,
/// }
/// ```
/// ```compile_fail
/// # use tophash_safemap::{Key, Schema};
/// #[derive(Schema)]
/// struct Web {
///     name: Key<String>,
///     #[safemap(key = "name")]
///     other: Key<String>,
/// }
/// ```
///
/// and what is no handle, or no attribute:
///
/// ```compile_fail
/// # use tophash_safemap::Schema;
/// #[derive(Schema)]
/// struct Web {
///     name: String,
/// }
/// ```
/// ```compile_fail
/// # use tophash_safemap::{Key, Schema};
/// #[derive(Schema)]
/// struct Web {
///     #[safemap(rnage(0..))]
///     count: Key<i64>,
/// }
/// ```
pub trait SchemaKeys: Sized {
    /// The schema that the fields describe. Each call makes a new one.
    ///
    /// # Errors
    ///
    /// Fails as [`SchemaBuilder::build`](crate::SchemaBuilder::build) does; what the compiler could
    /// tell from the attributes, it has told.
    fn schema() -> Result<Schema, SchemaError>;

    /// The handles of a map.
    ///
    /// # Errors
    ///
    /// Fails when the map's schema does not know a key, or has another type for it; never for a map
    /// with the schema that the fields describe.
    fn open(map: &SafeMap) -> Result<Self, Error>;
}

/// What a field may be.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handle of a map's keys",
    label = "a field is a `Key<T>`, or a `KeyFamily<T>` where its key is a pattern"
)]
pub trait Handle: Sized {
    /// What an entry holds.
    type Value: TypedValue;

    /// Whether it is for many keys.
    const IS_FAMILY: bool;

    /// The handle of a map.
    fn open(map: &SafeMap, key: &str) -> Result<Self, Error>;
}

impl<T: TypedValue> Handle for Key<T> {
    type Value = T;
    const IS_FAMILY: bool = false;

    fn open(map: &SafeMap, key: &str) -> Result<Self, Error> {
        map.key(key)
    }
}

impl<T: TypedValue> Handle for KeyFamily<T> {
    type Value = T;
    const IS_FAMILY: bool = true;

    fn open(map: &SafeMap, pattern: &str) -> Result<Self, Error> {
        map.family(pattern)
    }
}

/// A type of which a range can be asked.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no such range",
    note = "an `i64` has any range of integers, and an `f64` one as `0.0..=1.0`"
)]
pub trait Ranged<R>: TypedValue {
    /// The type within the range.
    fn within(value_type: Type, range: R) -> Type;
}

impl<R: RangeBounds<i64>> Ranged<R> for i64 {
    fn within(value_type: Type, range: R) -> Type {
        value_type.range(range)
    }
}

impl Ranged<RangeInclusive<f64>> for f64 {
    fn within(value_type: Type, range: RangeInclusive<f64>) -> Type {
        value_type.between(*range.start(), *range.end())
    }
}

/// A type of text.
#[diagnostic::on_unimplemented(message = "`{Self}` is no text, of which this could be asked")]
pub trait Text: TypedValue {}

impl Text for String {}
impl Text for Arc<str> {}

/// A type that has a size.
#[diagnostic::on_unimplemented(message = "`{Self}` is always of one size")]
pub trait Measured: TypedValue {}

impl Measured for String {}
impl Measured for Arc<str> {}
impl Measured for Arc<[u8]> {}
impl Measured for Vec<Value> {}
impl Measured for Object {}

/// The type of values that a Rust type reads and writes, without limits.
pub fn value_type<V: TypedValue>() -> Type {
    match V::KIND {
        None => Type::any(),
        Some(Kind::Boolean) => Type::boolean(),
        Some(Kind::Integer) => Type::integer(),
        Some(Kind::Float) => Type::float(),
        Some(Kind::String) => Type::string(),
        Some(Kind::Bytes) => Type::bytes(),
        Some(Kind::List) => Type::list(Type::any()),
        Some(Kind::Object) => Type::object().other_members(Type::any()),
    }
}

/// With a range.
pub fn range<V: Ranged<R>, R>(value_type: Type, range: R) -> Type {
    V::within(value_type, range)
}

/// With an expression that text has to match.
///
/// # Errors
///
/// Fails when the expression can't be read.
pub fn pattern<V: Text>(value_type: Type, expression: &str) -> Result<Type, SchemaError> {
    Ok(value_type.pattern(expression)?)
}

/// One of these names, in place of any text.
pub fn one_of<V: Text>(_: Type, names: &[&str]) -> Type {
    Type::one_of(names.iter().copied())
}

/// With a largest size.
pub fn max_size<V: Measured>(value_type: Type, size: usize) -> Type {
    value_type.max_size(size)
}

/// With a largest number of characters.
pub fn max_characters<V: Text>(value_type: Type, characters: usize) -> Type {
    value_type.max_characters(characters)
}
