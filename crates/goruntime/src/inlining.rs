//! The calls behind one program counter: what the compiler inlined, undone.
//!
//! A function's inline tree (`runtime.inlinedCall`, `runtime/symtabinl.go`) holds an entry for each
//! call that was inlined into it: the callee's name, and a program counter that is still outside of
//! the inlined code, at which the caller is found in the same way. Which entry a counter belongs to
//! stands in a table, -1 for the function itself.

use tophash_memory::{Address, ByteSize, Memory, MemoryExt};

use crate::error::Error;
use crate::functions::{FuncData, Function, FunctionTable, PcData, SourceLine};
use crate::layout::{Field, LayoutTable};

/// Inlining goes no deeper than the compiler's budget allows; more is a circle.
const MAX_DEPTH: usize = 1 << 10;

/// A call as the source has it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallFrame {
    /// The function's full name.
    pub function: String,
    /// Where in it; `None` where the compiler recorded no line.
    pub line: Option<SourceLine>,
}

/// How a release lays out inline trees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InlineTrees {
    size: u64,
    name: Field,
    parent_pc: Field,
    /// Recorded stacks hold one counter for a function with all that was inlined into it (up to
    /// Go 1.20); later ones hold one for each call.
    is_one_for_all: bool,
}

impl InlineTrees {
    pub(crate) fn new(layout: &LayoutTable) -> Result<Self, Error> {
        const CALL: &str = "runtime.inlinedCall";
        Ok(Self {
            size: layout.size_of(&[CALL])?,
            name: layout.any_field(&[(CALL, "nameOff"), (CALL, "func_")])?,
            parent_pc: layout.field(CALL, "parentPc")?,
            is_one_for_all: layout.find(CALL, "parent").is_some(),
        })
    }

    /// Returns the calls at a counter, the innermost first. A return address is one past the call.
    pub(crate) fn calls(
        &self,
        memory: &dyn Memory,
        functions: &FunctionTable<'_>,
        pc: Address,
    ) -> Vec<CallFrame> {
        let Some(function) = functions.find(pc) else { return Vec::new() };
        let mut frames = Vec::new();
        let mut at = pc;
        while frames.len() < MAX_DEPTH {
            let line = function.line(at);
            let Some((name, parent)) = self.inlined_at(memory, functions, function, at) else {
                frames.push(CallFrame { function: function.name().into_owned(), line });
                break;
            };
            frames.push(CallFrame { function: name, line });
            at = parent;
        }
        frames
    }

    /// Spells a stack that the runtime recorded as return addresses, the innermost call first.
    pub(crate) fn recorded_stack(
        &self,
        memory: &dyn Memory,
        functions: &FunctionTable<'_>,
        stack: &[Address],
    ) -> Vec<CallFrame> {
        let taken = if self.is_one_for_all { MAX_DEPTH } else { 1 };
        stack
            .iter()
            .flat_map(|address| {
                let call = *address - ByteSize::new(1);
                self.calls(memory, functions, call).into_iter().take(taken)
            })
            .collect()
    }

    /// Finds the inlined call that a counter is in: its name, and a counter in its caller.
    fn inlined_at(
        &self,
        memory: &dyn Memory,
        functions: &FunctionTable<'_>,
        function: Function<'_>,
        pc: Address,
    ) -> Option<(String, Address)> {
        let index = u64::try_from(function.pc_data(PcData::InlineTreeIndex, pc)?).ok()?;
        let tree = function.func_data(FuncData::InlineTree)?;
        let entry = tree + ByteSize::new(self.size) * index;
        let bytes = memory.read_bytes(entry, ByteSize::new(self.size)).ok()?;
        let name = functions.name_at(self.name.get(&bytes)).into_owned();
        let parent = function.entry() + ByteSize::new(self.parent_pc.get(&bytes));
        (!name.is_empty() && function.range().contains(parent) && parent != pc)
            .then_some((name, parent))
    }
}
