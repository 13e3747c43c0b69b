//! Finding every map of a program, its type, and what holds it.

mod headers;
mod holder;
mod narrow;
mod path;
mod revalidate;
mod survey;
mod sync_maps;
mod type_words;
mod values;
mod walk;

pub use headers::HeaderLayout;
pub use holder::MapHolder;
pub use path::{PathNamer, RootPath, RootPathKind, ValueFormat};
pub use revalidate::revalidate;
pub use survey::{FoundMap, HeapAllocations, MapPlace, Survey, Surveyor, TypeEvidence};
pub use sync_maps::{FoundSyncMap, Holder, SyncMapDesign};
pub use walk::{Attribution, ObjectType, OffHeapMap, Parent, StaticTarget, Walk};
