//! What the collector has decided: when it runs next, and why (`runtime/mgcpacer.go`,
//! `type gcControllerState`).
//!
//! The controller is a global that is found by name, and its fields by DWARF's account of its type,
//! whatever the release: a stripped program does not tell.

use tophash_memory::{ByteSize, Memory};

use crate::counters::{place, read_number};
use crate::dwarf::DwarfInfo;
use crate::types::TypeTable;

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

impl Pacing {
    pub(crate) fn read(
        memory: &dyn Memory,
        dwarf: &DwarfInfo,
        types: &TypeTable<'_>,
    ) -> Option<Self> {
        let controller =
            dwarf.globals().iter().find(|global| &*global.name == "runtime.gcController")?;
        let number = |name: &str| {
            let (at, size) = place(types, controller.address, controller.ty, name)?;
            read_number(memory, at, size)
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
