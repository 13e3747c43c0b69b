//! Go's maps.
mod find;
mod layout;
mod read;
pub use find::*;
pub use layout::*;
pub use read::*;
