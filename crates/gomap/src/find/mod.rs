//! Finding every map of a program.
mod headers;
mod narrow;
mod path;
mod survey;
mod sync_maps;
mod type_words;
mod values;
mod walk;
pub use headers::HeaderLayout;
pub use path::{PathNamer, RootPath, RootPathKind};
pub use survey::*;
pub use sync_maps::*;
pub use walk::*;
