//! What the runtime counts of its memory while it runs, read without asking it.
//!
//! `runtime.gcController` and `runtime.memstats` hold nearly all that `runtime.ReadMemStats` returns
//! (`runtime/mgcpacer.go`, `runtime/mstats.go`). They are globals that DWARF names, with fields that
//! it places, so that they are looked up once and then read in some dozen words, as often as wanted: the
//! process is neither stopped nor copied. What differs from `ReadMemStats`, which stops the world
//! first: allocations are counted when a processor's cache of spans is refilled, so that what is
//! allocated lags behind by some spans for each processor; and words of different moments may not fit
//! together. A stripped program does not tell.

use std::collections::{HashMap, HashSet};

use tophash_memory::{Address, ByteSize, Memory, MemoryExt, Target};

use crate::dwarf::{DwarfInfo, DwarfOptions};
use crate::error::Error;
use crate::program::identify;
use crate::types::{Shape, TypeId, TypeTable};

/// Where the counters of a program are.
#[derive(Debug, Clone)]
pub struct Counters {
    version: String,
    /// By the field's name, such as `heapInUse`: where, and bytes.
    places: HashMap<String, (Address, u64)>,
}

/// The counters at one moment. Sizes are bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
#[non_exhaustive]
pub struct RuntimeCounts {
    /// Allocated since the program started.
    pub total_alloc: u64,
    /// Freed since then.
    pub total_free: u64,
    /// Spans in use.
    pub heap_in_use: u64,
    /// Pages of the heap in no span, not given back.
    pub heap_free: u64,
    /// Pages of the heap that were given back.
    pub heap_released: u64,
    /// All that is mapped and not given back.
    pub mapped: u64,
    /// What the runtime has for itself, without the collector's work buffers.
    pub runtime: u64,
    /// Marked by the last collection.
    pub marked: u64,
    /// Bytes of stacks that it scanned.
    pub stack_scan: u64,
    /// Bytes of globals.
    pub globals_scan: u64,
    /// `GOGC`; negative if off.
    pub gc_percent: i32,
    /// `GOMEMLIMIT`; `None` where there is none.
    pub memory_limit: Option<u64>,
    /// Collections that are done.
    pub gc_cycles: u32,
    /// Those that were asked for.
    pub gc_forced: u32,
    /// The collector's part of the processor time since the start.
    pub gc_cpu_fraction: f64,
    /// Nanoseconds during which the world was stopped for it.
    pub gc_pause_nanos: u64,
    /// When the last collection ended, in nanoseconds since 1970.
    pub last_gc_nanos: u64,
}

const CONTROLLER: [&str; 11] = [
    "gcPercent",
    "memoryLimit",
    "heapMarked",
    "lastStackScan",
    "globalsScan",
    "heapInUse",
    "heapReleased",
    "heapFree",
    "totalAlloc",
    "totalFree",
    "mappedReady",
];
const STATS: [&str; 11] = [
    "stacks_sys",
    "mspan_sys",
    "mcache_sys",
    "buckhash_sys",
    "gcMiscSys",
    "other_sys",
    "last_gc_unix",
    "pause_total_ns",
    "numgc",
    "numforcedgc",
    "gc_cpu_fraction",
];
/// Structs nest no deeper around an atomic number.
const MAX_DEPTH: u32 = 4;

impl Counters {
    /// Looks for the counters of an executable, opened by itself; `load_bias` is what its process adds
    /// to addresses. `None` where it was stripped.
    ///
    /// # Errors
    ///
    /// Fails where the target is no Go program, or of an unknown version.
    pub fn find(target: &Target, load_bias: u64) -> Result<Option<Self>, Error> {
        let (build, layout, module) = identify(target)?;
        let mut types = TypeTable::read(target.memory(), &module, &build.version, &layout)?;
        let options = DwarfOptions { functions: &HashSet::new(), load_bias };
        let Some(dwarf) = DwarfInfo::read(target.executable(), &options, &mut types) else {
            return Ok(None);
        };
        let mut places = HashMap::new();
        for (global, fields) in [("gcController", &CONTROLLER[..]), ("memstats", &STATS[..])] {
            let name = format!("runtime.{global}");
            let Some(found) = dwarf.globals().iter().find(|it| *it.name == name) else {
                return Ok(None);
            };
            for field in fields {
                if let Some(place) = place(&types, found.address, found.ty, field) {
                    places.insert((*field).to_owned(), place);
                }
            }
        }
        let version = build.version.to_string();
        Ok(Some(Self { version, places }))
    }

    /// Returns the release, as programs spell it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Reads the counters as they are now; `None` where one of them can't be read.
    pub fn read(&self, memory: &dyn Memory) -> Option<RuntimeCounts> {
        let number = |name: &str| {
            let (at, size) = self.places.get(name)?;
            read_number(memory, *at, *size)
        };
        let own =
            ["stacks_sys", "mspan_sys", "mcache_sys", "buckhash_sys", "gcMiscSys", "other_sys"];
        let runtime =
            own.into_iter().try_fold(0_u64, |sum, name| Some(sum.saturating_add(number(name)?)))?;
        Some(RuntimeCounts {
            total_alloc: number("totalAlloc")?,
            total_free: number("totalFree")?,
            heap_in_use: number("heapInUse")?,
            heap_free: number("heapFree")?,
            heap_released: number("heapReleased")?,
            mapped: number("mappedReady")?,
            runtime,
            marked: number("heapMarked")?,
            stack_scan: number("lastStackScan")?,
            globals_scan: number("globalsScan")?,
            gc_percent: number("gcPercent")? as u32 as i32,
            memory_limit: number("memoryLimit").filter(|limit| *limit < 1 << 62),
            gc_cycles: number("numgc")? as u32,
            gc_forced: number("numforcedgc")? as u32,
            gc_cpu_fraction: f64::from_bits(number("gc_cpu_fraction")?),
            gc_pause_nanos: number("pause_total_ns")?,
            last_gc_nanos: number("last_gc_unix")?,
        })
    }
}

/// Finds a field that is a number, plain or inside of the structs that make it atomic: where it is, and
/// its size in bytes.
pub(crate) fn place(
    types: &TypeTable<'_>,
    at: Address,
    ty: TypeId,
    field: &str,
) -> Option<(Address, u64)> {
    let Shape::Struct(fields) = &types.get(ty).shape else { return None };
    let field = fields.iter().find(|it| &*it.name == field)?;
    let mut at = at + ByteSize::new(field.offset);
    let mut ty = field.ty;
    for _ in 0..MAX_DEPTH {
        let info = types.get(ty);
        match &info.shape {
            Shape::Struct(fields) => {
                let value = fields.iter().find(|it| &*it.name == "value")?;
                at = at + ByteSize::new(value.offset);
                ty = value.ty;
            }
            Shape::Scalar if [4, 8].contains(&info.size) => return Some((at, info.size)),
            _ => return None,
        }
    }
    None
}

/// Reads a number of four or eight bytes.
pub(crate) fn read_number(memory: &dyn Memory, at: Address, size: u64) -> Option<u64> {
    if size == 8 {
        return memory.read_u64(at).ok();
    }
    let mut bytes = [0; 4];
    memory.read(at, &mut bytes).ok()?;
    Some(u32::from_le_bytes(bytes).into())
}
