//! Finding every map of a program.
mod headers;
mod type_words;
mod walk;
pub use headers::HeaderLayout;
pub use walk::*;
