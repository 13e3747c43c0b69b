//! What Go's runtime puts in memory, read without its help: versions, types, spans, pointer maps,
//! goroutines and roots.
//!
//! The caller opens a [`tophash_memory::Target`] (a core or a process); [`Program::open`] reads
//! the rest. Nothing here needs symbols or DWARF: both are used where they are there.
//!
//! ```
//! use tophash_goruntime::{GoVersion, LayoutTable};
//!
//! let version = GoVersion::parse("go1.27.3").unwrap();
//! let layout = LayoutTable::for_version(&version)?;
//! assert_eq!(layout.field("runtime.mspan", "startAddr")?.offset, 24);
//! # Ok::<(), tophash_goruntime::Error>(())
//! ```
//!
//! It does not know maps (that is `tophash-gomap`) and draws no conclusions.

mod build_info;
mod code;
mod counters;
mod dump_check;
mod dwarf;
mod error;
mod functions;
mod globals;
mod goroutine;
mod heap;
mod inlining;
mod layout;
mod module_data;
mod pacing;
mod program;
mod roots;
mod samples;
mod stack;
mod types;
mod varint;
mod version;

pub use build_info::BuildInfo;
pub use code::{
    CallTarget, CodeFact, CodeFacts, CodeType, GlobalUse, Place, PlaceBase, aes_key_schedule,
    call_targets, global_uses,
};
pub use counters::{Counters, RuntimeCounts};
pub use dwarf::{
    CapturedVariable, DwarfInfo, GlobalVariable, LocalPlace, LocalVariable, reflect_name,
};
pub use error::Error;
pub use functions::{FuncData, Function, FunctionId, FunctionTable, PcData, SourceLine};
pub use goroutine::{Goroutine, GoroutineStatus};
pub use heap::{
    ARENA, Heap, ObjectId, PAGE, SizeClasses, Slot, Span, SpanId, Special, SpecialKind,
};
pub use inlining::CallFrame;
pub use layout::{Field, LayoutTable};
pub use module_data::{BitVector, ModuleData};
pub use pacing::Pacing;
pub use program::{Program, Step, free_heap_pages, program_types};
pub use roots::{GoroutineStack, Root, RootKind, Roots};
pub use samples::{AllocationSample, AllocationSamples};
pub use stack::{Frame, StackContents, StackObject, StackReader};
pub use types::{
    Edge, GoType, Kind, MapTypeInfo, Pointee, PointerMask, Shape, StructField, TypeId, TypeTable,
};
pub use version::GoVersion;
