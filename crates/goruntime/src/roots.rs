//! Where the collector starts: globals, stacks, registers, finalizers and cleanups
//! (`runtime/mgcmark.go`, `markroot`).
//!
//! Each root is a word that holds a pointer into the heap, with where it stands. Objects in stack
//! frames whose address is taken count only if something live points at them; those that nothing
//! points at are kept apart, since a map header there is not live, though its frame is.

use tophash_memory::{Address, ByteSize, Memory, MemoryExt, Registers};

use crate::functions::FunctionTable;
use crate::globals::GlobalSection;
use crate::goroutine::Goroutine;
use crate::heap::{Heap, SpanId, SpecialKind};
use crate::layout::LayoutTable;
use crate::module_data::ModuleData;
use crate::stack::{Frame, StackContents, StackObject, StackReader};

/// What keeps a root alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RootKind {
    /// A package-level variable.
    Global,
    /// A word of a goroutine's frame.
    Stack {
        /// Index of the goroutine.
        goroutine: u32,
        /// Index of the frame, innermost first.
        frame: u32,
    },
    /// A word of an object in a goroutine's frame.
    StackObject {
        /// Index of the goroutine.
        goroutine: u32,
        /// Index of the frame, innermost first.
        frame: u32,
    },
    /// A register of a running goroutine.
    Register {
        /// Index of the goroutine.
        goroutine: u32,
    },
    /// A deferred call, or the closure a goroutine runs.
    Goroutine {
        /// Index of the goroutine.
        goroutine: u32,
    },
    /// The function of a finalizer or cleanup.
    Finalizer,
    /// An object with a finalizer: it keeps alive what it points to, but not itself.
    FinalizedObject,
}

/// A word that keeps an object alive, or that leads to something in its own goroutine's stack.
#[derive(Debug, Clone, Copy)]
pub struct Root {
    /// What it belongs to.
    pub kind: RootKind,
    /// Where the word is; null for registers.
    pub at: Address,
    /// What it points to.
    pub value: Address,
}

/// A goroutine's stack, read.
#[derive(Debug)]
pub struct GoroutineStack {
    /// The calls, innermost first.
    pub frames: Vec<Frame>,
    /// Objects in frames that something live points at, by address.
    pub live_objects: Vec<StackObject>,
    /// Objects in frames that nothing points at now.
    pub dead_objects: Vec<StackObject>,
    /// The stack could not be followed to its end.
    pub is_incomplete: bool,
}

/// All roots.
pub struct Roots {
    /// Every root, globals first.
    pub roots: Vec<Root>,
    /// The stacks, one for each goroutine.
    pub stacks: Vec<GoroutineStack>,
}

/// A chain of deferred calls longer than this is taken for damaged.
const MAX_DEFERS: usize = 1 << 20;

impl Roots {
    /// Collects the roots of a program.
    #[expect(clippy::too_many_arguments, reason = "each is a part of the program read before")]
    pub(crate) fn collect(
        memory: &dyn Memory,
        globals: &[GlobalSection; 2],
        module: &ModuleData,
        heap: &Heap<'_>,
        functions: &FunctionTable<'_>,
        goroutines: &[Goroutine],
        threads: &[Registers],
        layout: &LayoutTable,
        diagnostics: &mut Vec<String>,
    ) -> Self {
        let mut collector = Collector { memory, heap, roots: Vec::new() };
        collector.globals(globals, diagnostics);
        let reader = StackReader::new(memory, functions, layout, module.rodata);
        let defers = DeferFields::new(layout);
        let mut stacks = Vec::with_capacity(goroutines.len());
        let mut incomplete = 0;
        for (index, goroutine) in goroutines.iter().enumerate() {
            let contents = reader.read(goroutine, threads);
            incomplete += u64::from(contents.is_incomplete);
            let registers = reader.registers(goroutine, threads);
            stacks.push(collector.stack(index as u32, goroutine, contents, registers, &defers));
        }
        if incomplete > 0 {
            diagnostics.push(format!(
                "{incomplete} of {} goroutine stacks could not be followed to their end: what \
                 only their outer frames hold is missing",
                goroutines.len()
            ));
        }
        collector.specials();
        Self { roots: collector.roots, stacks }
    }
}

struct DeferFields {
    function: Option<crate::layout::Field>,
    link: Option<crate::layout::Field>,
}

impl DeferFields {
    fn new(layout: &LayoutTable) -> Self {
        Self {
            function: layout.find("runtime._defer", "fn"),
            link: layout.find("runtime._defer", "link"),
        }
    }
}

struct Collector<'c> {
    memory: &'c dyn Memory,
    heap: &'c Heap<'c>,
    roots: Vec<Root>,
}

impl Collector<'_> {
    fn push(&mut self, kind: RootKind, at: Address, value: Address) {
        if self.heap.object_holding(value).is_some() {
            self.roots.push(Root { kind, at, value });
        }
    }

    fn globals(&mut self, sections: &[GlobalSection], diagnostics: &mut Vec<String>) {
        for GlobalSection { range, mask } in sections {
            let Ok(contents) = self.memory.read_bytes(range.start(), range.size()) else {
                diagnostics.push(format!("the globals at {range} could not be read"));
                continue;
            };
            let words = contents.as_chunks::<8>().0;
            for word in mask.iter() {
                let Some(value) = words.get(word) else { break };
                let at = range.start() + ByteSize::new(8 * word as u64);
                self.push(RootKind::Global, at, Address::new(u64::from_le_bytes(*value)));
            }
        }
    }

    fn stack(
        &mut self,
        index: u32,
        goroutine: &Goroutine,
        contents: StackContents,
        registers: Option<&Registers>,
        defers: &DeferFields,
    ) -> GoroutineStack {
        // Pointers into this stack, whose objects they make live.
        let mut pending = Vec::new();
        let own = RootKind::Goroutine { goroutine: index };
        self.push(own, goroutine.address, goroutine.context);
        for &(at, frame) in &contents.slots {
            let Ok(value) = self.memory.read_address(at) else { continue };
            let kind = RootKind::Stack { goroutine: index, frame: frame as u32 };
            if goroutine.stack.contains(value) {
                pending.push(value);
                self.roots.push(Root { kind, at, value });
            } else {
                self.push(kind, at, value);
            }
        }
        for &value in registers.iter().flat_map(|registers| &registers.general) {
            let value = Address::new(value);
            if goroutine.stack.contains(value) {
                pending.push(value);
            } else {
                self.push(RootKind::Register { goroutine: index }, Address::NULL, value);
            }
        }
        self.defers(index, goroutine, defers, &mut pending);

        let mut is_live = vec![false; contents.objects.len()];
        while let Some(value) = pending.pop() {
            let after = contents.objects.partition_point(|object| object.range.start() <= value);
            let Some(number) = after.checked_sub(1) else { continue };
            let object = &contents.objects[number];
            if is_live[number] || !object.range.contains(value) {
                continue;
            }
            is_live[number] = true;
            let kind = RootKind::StackObject { goroutine: index, frame: object.frame as u32 };
            for word in object.mask.iter() {
                let at = object.range.start() + ByteSize::new(8 * word as u64);
                let Ok(value) = self.memory.read_address(at) else { continue };
                if goroutine.stack.contains(value) {
                    pending.push(value);
                    self.roots.push(Root { kind, at, value });
                } else {
                    self.push(kind, at, value);
                }
            }
        }
        let mut stack = GoroutineStack {
            frames: contents.frames,
            live_objects: Vec::new(),
            dead_objects: Vec::new(),
            is_incomplete: contents.is_incomplete,
        };
        for (object, is_live) in contents.objects.into_iter().zip(is_live) {
            if is_live {
                stack.live_objects.push(object);
            } else {
                stack.dead_objects.push(object);
            }
        }
        stack
    }

    fn defers(
        &mut self,
        index: u32,
        goroutine: &Goroutine,
        fields: &DeferFields,
        pending: &mut Vec<Address>,
    ) {
        let kind = RootKind::Goroutine { goroutine: index };
        let mut at = goroutine.first_defer;
        for _ in 0..MAX_DEFERS {
            if at.is_null() {
                break;
            }
            self.push(kind, goroutine.address, at);
            let (Some(function), Some(link)) = (fields.function, fields.link) else { break };
            if let Ok(value) = function.read_address(self.memory, at) {
                if goroutine.stack.contains(value) {
                    pending.push(value);
                } else {
                    self.push(kind, function.of(at), value);
                }
            }
            at = link.read_address(self.memory, at).unwrap_or_default();
        }
    }

    fn specials(&mut self) {
        for index in 0..self.heap.spans().len() {
            for special in self.heap.specials(SpanId(index as u32)) {
                match special.kind {
                    SpecialKind::Finalizer => {
                        self.push(RootKind::Finalizer, special.address, special.pointer);
                        let kind = RootKind::FinalizedObject;
                        self.push(kind, special.address, special.object);
                    }
                    SpecialKind::Cleanup | SpecialKind::Queued => {
                        for value in [special.pointer, special.argument] {
                            self.push(RootKind::Finalizer, special.address, value);
                        }
                    }
                    SpecialKind::Profile | SpecialKind::Other => {}
                }
            }
        }
    }
}
