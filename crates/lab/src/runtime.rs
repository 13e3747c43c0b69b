//! A Go runtime's memory, as a value: heap, collector, globals, goroutines.

use tophash_goruntime::GoVersion;

use crate::gc::{Checker, Clock, Collector, Fault, Faults, Pacer, Surroundings};
use crate::heap::{Allocator, AllocatorOptions, Rules, StackMemory};
use crate::pointer_map::PointerMaps;
use tophash_gomap::SeededRandom;

/// How a runtime is made.
#[derive(Debug, Clone)]
pub struct RuntimeOptions {
    /// The release whose decisions it takes.
    pub version: GoVersion,
    /// `GOGC`; nothing for `off`.
    pub gc_percent: Option<u32>,
    /// `GOMEMLIMIT`, in bytes.
    pub memory_limit: Option<u64>,
    /// `GOMAXPROCS`, at most 256.
    pub processors: usize,
    /// What decides on everything that is left to chance.
    pub seed: u64,
    /// Address space for the heap, in bytes. It costs nothing until it is used.
    pub address_space: u64,
    /// `runtime.MemProfileRate`: bytes between two samples, on average; 0 for none.
    pub profile_rate: u64,
    /// Whether the heap starts at a random page, where the release does that.
    pub random_base: bool,
    /// Walks over the heap exactly whenever marking ends, and spoils what is freed.
    pub checks: bool,
    /// Mistakes that the collector makes.
    pub faults: Vec<Fault>,
    /// What the process has beside.
    pub surroundings: Surroundings,
}

impl RuntimeOptions {
    /// Returns a release's defaults, on one processor.
    pub fn new(version: GoVersion) -> Self {
        Self {
            version,
            gc_percent: Some(100),
            memory_limit: None,
            processors: 1,
            seed: 1,
            address_space: 1 << 36,
            profile_rate: 512 << 10,
            random_base: true,
            checks: false,
            faults: Vec::new(),
            surroundings: Surroundings::default(),
        }
    }
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RuntimeError {
    /// Nothing is known of the release.
    #[error("cannot model this release")]
    Release(#[from] tophash_goruntime::Error),
    /// The system refuses that much address space.
    #[error("cannot reserve {size} bytes of address space")]
    AddressSpace {
        /// Bytes that were asked for.
        size: u64,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
}

/// A goroutine, as far as memory goes.
#[derive(Debug)]
pub(crate) struct Goroutine {
    pub(crate) slots: Vec<u64>,
    pub(crate) memory: StackMemory,
    /// What it may allocate before it must help marking (`gcAssistBytes`).
    pub(crate) assist_bytes: i64,
    pub(crate) is_scanned: bool,
}

/// The memory of a Go program: what it allocates and stores goes through here, and a collector
/// works beside it.
///
/// All is decided by the options: two runtimes that are made and used alike are alike, to the
/// byte and to the address.
///
/// An address that a method returns must be stored in a global, a stack or the heap before the
/// next call, as a Go program would have it in a register: whatever nothing refers to may be
/// gone.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) rules: Rules,
    pub(crate) heap: Allocator,
    pub(crate) maps: PointerMaps,
    pub(crate) globals: Vec<u64>,
    pub(crate) goroutines: Vec<Option<Goroutine>>,
    pub(crate) collector: Collector,
    pub(crate) checker: Checker,
    pub(crate) faults: Faults,
    pub(crate) clock: Clock,
    pub(crate) random: SeededRandom,
    /// What a map operation that is under way allocated.
    pub(crate) registers: Vec<u64>,
    pub(crate) is_in_flight: bool,
    /// Offsets of pointers about to be overwritten; kept to be used again.
    pub(crate) pointers: Vec<u64>,
}

impl Runtime {
    /// Makes a runtime with an empty heap.
    ///
    /// # Errors
    ///
    /// Fails for a release that nothing is known of, and where the system refuses the address
    /// space.
    pub fn new(options: RuntimeOptions) -> Result<Self, RuntimeError> {
        let rules = Rules::of(&options.version)?;
        let checks = options.checks || !options.faults.is_empty();
        let pacer = Pacer::new(
            options.gc_percent,
            options.memory_limit,
            options.surroundings,
            rules.paces_as_1_19,
            rules.headroom_percent,
        );
        let mut random = SeededRandom::new(options.seed);
        let allocator = AllocatorOptions {
            rules: rules.clone(),
            limit: options.address_space,
            processors: options.processors,
            random_base: options.random_base && rules.has_random_base,
            poisons: checks,
            sample_rate: options.profile_rate,
            seed: random.next_word(),
        };
        let mut heap = Allocator::new(allocator, pacer)
            .map_err(|source| RuntimeError::AddressSpace { size: options.address_space, source })?;
        heap.freed = checks.then(Vec::new);
        heap.refresh_mapped();
        Ok(Self {
            rules,
            heap,
            maps: PointerMaps::new(),
            globals: Vec::new(),
            goroutines: Vec::new(),
            collector: Collector::default(),
            checker: Checker::new(checks),
            faults: Faults::new(options.faults),
            clock: Clock::default(),
            random,
            registers: Vec::new(),
            is_in_flight: false,
            pointers: Vec::new(),
        })
    }

    /// Says what else the process has by now. Goals take notice when they are set next.
    pub fn set_surroundings(&mut self, surroundings: Surroundings) {
        let pacer = &mut self.heap.pacer;
        let before = std::mem::replace(&mut pacer.surroundings, surroundings);
        pacer.globals_scan = pacer.globals_scan + surroundings.globals_scan - before.globals_scan;
        pacer.max_stack_scan = pacer.max_stack_scan + surroundings.stack_scan - before.stack_scan;
        self.heap.refresh_mapped();
    }

    /// Returns the release's rules.
    pub fn rules(&self) -> &Rules {
        &self.rules
    }
}
