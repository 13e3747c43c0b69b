//! A Go program, opened: everything this crate reads, in the order in which each part needs the
//! ones before.

use std::collections::HashSet;
use std::time::Duration;

use tophash_memory::{Address, AddressRange, ByteSize, Memory, Target};

use crate::build_info::{BuildInfo, versions_in_memory};
use crate::dump_check;
use crate::dwarf::{DwarfInfo, DwarfOptions};
use crate::error::Error;
use crate::functions::FunctionTable;
use crate::globals::GlobalSection;
use crate::goroutine::{Goroutine, GoroutineFields, GoroutineStatus};
use crate::heap::{self, Heap};
use crate::inlining::{CallFrame, InlineTrees};
use crate::layout::LayoutTable;
use crate::module_data::ModuleData;
use crate::pacing::Pacing;
use crate::roots::Roots;
use crate::samples::{BucketFields, Buckets, dumped_stack};
use crate::types::TypeTable;
use crate::version::GoVersion;

/// A Go program in a target's memory.
pub struct Program<'t> {
    target: &'t Target,
    build: BuildInfo,
    layout: LayoutTable,
    module: ModuleData,
    functions: FunctionTable<'t>,
    types: TypeTable<'t>,
    heap: Heap<'t>,
    goroutines: Vec<Goroutine>,
    goroutine_list: Option<Address>,
    roots: Roots,
    dwarf: Option<DwarfInfo>,
    inline_trees: InlineTrees,
    buckets: Buckets<'t>,
    diagnostics: Vec<String>,
}

/// Finds the program's version, and with its layout the module data.
pub(crate) fn identify(target: &Target) -> Result<(BuildInfo, LayoutTable, ModuleData), Error> {
    let with = |build: BuildInfo| {
        let layout = LayoutTable::for_version(&build.version)?;
        let module = ModuleData::find(target, &build.version, &layout)?;
        Ok((build, layout, module))
    };
    match BuildInfo::of(target.executable()) {
        Ok(build) => with(build),
        // Where the record was overwritten, the layout that fits tells the version.
        Err(fault @ Error::NotGo { .. }) => {
            let fits = |found: &(BuildInfo, LayoutTable, ModuleData)| {
                let (build, layout, module) = found;
                Heap::is_at_home(target.memory(), module, &build.version, layout)
            };
            let mut found = versions_in_memory(target)
                .into_iter()
                .filter_map(|build| with(build).ok())
                .filter(fits);
            found.next().ok_or(fault)
        }
        Err(fault) => Err(fault),
    }
}

/// Reads the types of a Go program: enough where nothing else of it is wanted, as of an executable
/// that does not run.
///
/// # Errors
///
/// As [`Program::open`], of which it does only what it needs.
pub fn program_types(target: &Target) -> Result<(GoVersion, TypeTable<'_>), Error> {
    let (build, layout, module) = identify(target)?;
    let types = TypeTable::read(target.memory(), &module, &build.version, &layout)?;
    Ok((build.version, types))
}

/// Finds the pages of a Go program's heap that are in no span in use: sorted ranges that do not
/// overlap.
///
/// # Errors
///
/// As [`Program::open`], of which it does only what it needs.
pub fn free_heap_pages(target: &Target) -> Result<Vec<AddressRange>, Error> {
    let (build, layout, module) = identify(target)?;
    heap::free_pages(target.memory(), &module, &build.version, &layout)
}

/// Functions that make types at run time. The linker drops those a program can't call.
const TYPE_MAKERS: [&str; 5] =
    ["reflect.MapOf", "reflect.StructOf", "reflect.SliceOf", "reflect.ArrayOf", "reflect.ChanOf"];
/// Slots that descriptors made by `reflect` come in, in bytes.
const MADE_TYPE_SLOTS: std::ops::RangeInclusive<u64> = 48..=512;

/// Loads the descriptors that `reflect` made, which lie in the heap.
fn load_made_types(heap: &Heap<'_>, functions: &FunctionTable<'_>, types: &mut TypeTable<'_>) {
    if !TYPE_MAKERS.iter().any(|name| functions.by_name(name).is_some()) {
        return;
    }
    for (index, span) in heap.spans().iter().enumerate() {
        if span.is_noscan() || !MADE_TYPE_SLOTS.contains(&span.elem_size()) {
            continue;
        }
        for slot_index in 0..span.count() {
            let slot = heap.slot_at(index, slot_index);
            if heap.is_allocated(slot) && types.may_be_made(heap.object_bytes(slot)) {
                types.load(heap.object_start(slot));
            }
        }
    }
}

/// A step of [`Program::open`], for showing progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Version, module data, functions.
    Metadata,
    /// Type descriptors.
    Types,
    /// Spans and their bitmaps.
    Heap,
    /// Goroutines, stacks and other roots.
    Roots,
    /// DWARF.
    Dwarf,
}

impl<'t> Program<'t> {
    /// Reads the Go program of a target; `progress` hears of each step before it starts.
    ///
    /// # Errors
    ///
    /// Fails where the target is no Go program, its version is unknown, or what the whole analysis
    /// rests on can't be read. Lesser damage becomes [`Program::diagnostics`].
    pub fn open(target: &'t Target, mut progress: impl FnMut(Step)) -> Result<Self, Error> {
        progress(Step::Metadata);
        let memory = target.memory();
        let (build, layout, module) = identify(target)?;
        let functions = FunctionTable::read(memory, &module, &layout)?;
        let mut diagnostics = Vec::new();
        if module.has_more_modules {
            diagnostics.push(
                "the program has loaded plugins, whose globals and types are not read".to_owned(),
            );
        }
        progress(Step::Types);
        let mut types = TypeTable::read(memory, &module, &build.version, &layout)?;
        progress(Step::Heap);
        let (heap, globals) = match target.heap_dump() {
            Some(dump) => {
                let executable = target.executable().path().display().to_string();
                dump_check::check(dump, &executable, &build, &module, &functions)?;
                if functions.by_name(dump_check::CLEANUPS).is_some() {
                    diagnostics.push(dump_check::NO_CLEANUPS.to_owned());
                }
                let heap = Heap::from_dump(memory, dump, &build.version, &layout)?;
                (heap, GlobalSection::of_dump(dump, &module))
            }
            None => {
                let heap = Heap::read(memory, &module, &build.version, &layout)?;
                (heap, GlobalSection::read(memory, &module, &mut diagnostics))
            }
        };
        diagnostics.extend(heap.diagnostics().iter().cloned());
        load_made_types(&heap, &functions, &mut types);
        progress(Step::Roots);
        let fields = GoroutineFields::new(&layout)?;
        let list = fields.find_list(memory, &module);
        let goroutines = match list {
            Some(list) => fields.read_all(memory, &layout, list, &mut diagnostics),
            None => {
                diagnostics
                    .push("no goroutine was found: what only stacks hold is missing".to_owned());
                Vec::new()
            }
        };
        let roots = Roots::collect(
            memory,
            &globals,
            &module,
            &heap,
            &functions,
            &goroutines,
            target.threads(),
            &layout,
            &mut diagnostics,
        );
        progress(Step::Dwarf);
        let on_stacks: HashSet<Address> = roots
            .stacks
            .iter()
            .flat_map(|stack| &stack.frames)
            .filter_map(|frame| functions.get(frame.function))
            .map(|function| function.entry())
            .collect();
        let inline_trees = InlineTrees::new(&layout)?;
        let buckets = match target.heap_dump() {
            Some(dump) => Buckets::Dumped(dump),
            None => Buckets::InMemory(BucketFields::new(&layout)?),
        };
        let options = DwarfOptions { functions: &on_stacks, load_bias: target.load_bias() };
        let dwarf = DwarfInfo::read(target.executable(), &options, &mut types);
        Ok(Self {
            target,
            build,
            layout,
            module,
            functions,
            types,
            heap,
            goroutines,
            goroutine_list: list,
            roots,
            dwarf,
            inline_trees,
            buckets,
            diagnostics,
        })
    }

    /// Returns the target the program was read from.
    pub fn target(&self) -> &'t Target {
        self.target
    }

    /// Returns the target's memory.
    pub fn memory(&self) -> &'t dyn Memory {
        self.target.memory()
    }

    /// Returns what the executable says of its making.
    pub fn build(&self) -> &BuildInfo {
        &self.build
    }

    /// Returns the release's field offsets.
    pub fn layout(&self) -> &LayoutTable {
        &self.layout
    }

    /// Returns where the linker put things.
    pub fn module(&self) -> &ModuleData {
        &self.module
    }

    /// Returns the functions.
    pub fn functions(&self) -> &FunctionTable<'t> {
        &self.functions
    }

    /// Returns the types.
    pub fn types(&self) -> &TypeTable<'t> {
        &self.types
    }

    /// Returns the heap.
    pub fn heap(&self) -> &Heap<'t> {
        &self.heap
    }

    /// Returns the goroutines.
    pub fn goroutines(&self) -> &[Goroutine] {
        &self.goroutines
    }

    /// Returns where the runtime's list of goroutines is.
    pub fn goroutine_list(&self) -> Option<Address> {
        self.goroutine_list
    }

    /// Returns how long a goroutine has been waiting, at least: from the first collection that found
    /// it waiting to when the process was copied or, in a core that does not say when that was, to the last time that any goroutine's
    /// record holds. `None` where it does not wait or no collection has noticed yet.
    pub fn waited(&self, goroutine: &Goroutine) -> Option<Duration> {
        if goroutine.waiting_since == 0 || goroutine.status != GoroutineStatus::Waiting {
            return None;
        }
        let now = self.target.clock().map_or_else(
            || self.goroutines.iter().map(|goroutine| goroutine.last_time).max().unwrap_or(0),
            |clock| u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX),
        );
        Some(Duration::from_nanos(now.saturating_sub(goroutine.waiting_since)))
    }

    /// Returns the roots and stacks.
    pub fn roots(&self) -> &Roots {
        &self.roots
    }

    /// Returns what DWARF says; `None` where it was stripped.
    pub fn dwarf(&self) -> Option<&DwarfInfo> {
        self.dwarf.as_ref()
    }

    /// Returns what the collector aims at; `None` in a stripped program.
    pub fn pacing(&self) -> Option<Pacing> {
        Pacing::read(self.memory(), self.dwarf.as_ref()?, &self.types)
    }

    /// Returns the calls at a program counter, those that were inlined first; of a return address,
    /// one before it.
    pub fn calls_at(&self, pc: Address) -> Vec<CallFrame> {
        self.inline_trees.calls(self.memory(), &self.functions, pc)
    }

    /// Reads a bucket of the runtime's memory profile: the size of the objects, and the calls that
    /// allocated them, the innermost first.
    pub fn allocation_stack(&self, bucket: Address) -> Option<(ByteSize, Vec<CallFrame>)> {
        match &self.buckets {
            Buckets::InMemory(fields) => {
                let sample = fields.read(self.memory(), bucket)?;
                let functions = &self.functions;
                let stack = &sample.stack;
                let calls = self.inline_trees.recorded_stack(self.memory(), functions, stack);
                Some((sample.size, calls))
            }
            Buckets::Dumped(dump) => dumped_stack(dump, bucket),
        }
    }

    /// Returns what could not be read.
    pub fn diagnostics(&self) -> &[String] {
        &self.diagnostics
    }
}
