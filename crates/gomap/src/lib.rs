//! Go's two maps, classic and Swiss: reading one of them, and finding all of a program.
//!
//! [`read_header`] and [`read_map`] decode a map over any memory, checking every invariant of the
//! runtime. [`Walk`] and [`Surveyor`] find every map that a root reaches, and its type.
//!
//! The caller supplies an opened [`Program`](tophash_goruntime::Program), or, to read a single map,
//! memory, a [`MapLayout`], a [`MapShape`] and what the allocator knows ([`Allocations`]). No
//! conclusions are drawn here.

mod cost;
mod find;
mod hash;
mod layout;
mod read;
mod run;
mod types;

pub use cost::{MapDesign, ValueShape, fresh_cost, grown_cost};
pub use find::{
    Attribution, FoundMap, FoundSyncMap, HeaderLayout, HeapAllocations, Holder, MapHolder,
    MapPlace, ObjectType, OffHeapMap, Parent, PathNamer, RootPath, RootPathKind, StaticTarget,
    Survey, Surveyor, SyncMapDesign, TypeEvidence, ValueFormat, Walk, revalidate,
};
pub use hash::{
    AesHash, FallbackHash, HashPlan, HashRules, KeyField, KeyHash, KeyHasher, KeyReferences,
    KeyShape, MemoryHash,
};
pub use layout::{ClassicLayout, MapLayout, MapShape, SLOTS, SwissLayout};
pub use read::{
    Allocation, Allocations, ClassicHeader, Entries, Entry, Growth, Header, MapReading, NotAMap,
    SwissHeader, entries, read_header, read_map,
};
pub use run::{
    BadMapType, BumpHeap, GoKey, GoValue, Heap, HeapCounts, MapType, OutOfMemory, Piece, Release,
    Request, RunningIter, RunningMap, SeededRandom, Slot, TypedIter, TypedMap, TypedMapError,
};
pub use types::{
    ConstantDefinition, Definition, GoSource, GoType, ProgramTypes, SourceText, StandardTypes,
    StructField, TypeError, TypeFault, TypeNames, WrittenMapType, parse_map_type,
};
