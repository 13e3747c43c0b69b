//! What the collector has decided: when it runs next, and why (`runtime/mgcpacer.go`,
//! `type gcControllerState`).
//!
//! The controller is a global that is found by name, and its fields by DWARF's account of its type,
//! whatever the release: a stripped program does not tell.

use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use crate::dwarf::DwarfInfo;
use crate::types::{Shape, TypeId, TypeTable};

/// The collector's aims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pacing {
    /// `GOGC`: by how many percent the heap may grow beyond what was marked; `None` where it is off.
    pub gc_percent: Option<u32>,
    /// `GOMEMLIMIT`; `None` where there is none.
    pub memory_limit: Option<ByteSize>,
    /// Bytes that the last collection found alive.
    pub marked: ByteSize,
    /// Bytes of heap by which the next collection is to be done, for `GOGC` alone; `None` where it is
    /// off.
    pub goal: Option<ByteSize>,
}

/// Structs nest no deeper around an atomic number.
const MAX_DEPTH: u32 = 4;

impl Pacing {
    pub(crate) fn read(
        memory: &dyn Memory,
        dwarf: &DwarfInfo,
        types: &TypeTable<'_>,
    ) -> Option<Self> {
        let controller =
            dwarf.globals().iter().find(|global| &*global.name == "runtime.gcController")?;
        let number = |name: &str| {
            let Shape::Struct(fields) = &types.get(controller.ty).shape else { return None };
            let field = fields.iter().find(|field| &*field.name == name)?;
            let at = controller.address + ByteSize::new(field.offset);
            read_number(memory, types, at, field.ty, 0)
        };
        let percent = number("gcPercent")? as u32 as i32;
        let limit = number("memoryLimit")?;
        let goal = number("gcPercentHeapGoal").filter(|goal| *goal < 1 << 62);
        Some(Self {
            gc_percent: u32::try_from(percent).ok(),
            // Without a limit it is the largest number there is.
            memory_limit: (limit < 1 << 62).then_some(ByteSize::new(limit)),
            marked: ByteSize::new(number("heapMarked")?),
            goal: goal.filter(|_| percent >= 0).map(ByteSize::new),
        })
    }
}

/// Reads a number, plain or inside of the structs that make it atomic.
fn read_number(
    memory: &dyn Memory,
    types: &TypeTable<'_>,
    at: Address,
    ty: TypeId,
    depth: u32,
) -> Option<u64> {
    let info = types.get(ty);
    match &info.shape {
        Shape::Struct(fields) if depth < MAX_DEPTH => {
            let value = fields.iter().find(|field| &*field.name == "value")?;
            read_number(memory, types, at + ByteSize::new(value.offset), value.ty, depth + 1)
        }
        Shape::Scalar if info.size == 8 => memory.read_u64(at).ok(),
        Shape::Scalar if info.size == 4 => {
            let mut bytes = [0; 4];
            memory.read(at, &mut bytes).ok()?;
            Some(u32::from_le_bytes(bytes).into())
        }
        _ => None,
    }
}
