//! Derives a SafeMap's schema, and the typed handles of its keys, from a struct.
//!
//! This is a part of `tophash-safemap`, whose feature `derive` exports it and whose documentation has
//! the examples.
//!
//! ```
//! use tophash_safemap_derive as _;
//! ```

mod attributes;
mod duration;
mod expand;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Derives `SchemaKeys`: the schema that the fields describe, and the struct as their handles.
///
/// Each field is a `Key<T>`, or a `KeyFamily<T>` where its key is a pattern. Of the struct:
/// `#[safemap(prefix = "http")]` goes before each key. Of a field, in `#[safemap(…)]`:
///
/// - `key = "user.*.visits"`: the key or pattern; the field's name unless said;
/// - `range(0..)`: of an `i64`, or `range(0.0..=1.0)` of an `f64`;
/// - `pattern = r"\d+"`, `one_of("light", "dark")`, `max_characters = 20`: of a string;
/// - `max_size = 4096`: of strings, bytes, lists and objects;
/// - `ttl = "30s"`, `idle = "30m"`: in `ms`, `s`, `m`, `h` or `d`;
/// - `required`.
///
/// What is wrong with a key, an expression or a time is an error of the compiler, as is a limit that
/// a type has not.
#[proc_macro_derive(Schema, attributes(safemap))]
pub fn derive_schema(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    expand::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
