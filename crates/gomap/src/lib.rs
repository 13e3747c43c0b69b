//! Go's maps.
mod find;
pub use find::*;
